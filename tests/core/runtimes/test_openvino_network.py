"""OpenVINO computes what torch computes, in each precision as near as that allows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spandrel.architectures.Compact import Compact
from spandrel.architectures.RCAN import RCAN
from torch import nn

from core import processor
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.settings import Precision
from core.evaluate.metrics import psnr_y
from core.evaluate.resampling import crop_to_multiple, reduce_bicubic, rgb8
from core.images import load as load_picture
from core.models.catalogue import find_model
from core.paths import RESOURCES
from core.runtimes import calibration, graph_network, openvino_network, torch_network
from core.runtimes.loading import load_graphs
from core.runtimes.network import DeviceMemoryError, UnsupportedPrecisionError
from core.runtimes.openvino_network import OpenVinoModel, devices, load
from core.tiling import Rect
from core.upscale.engine import Engine, open_engine
from tests.core.runtimes.conftest import CONFIGS, FOREIGN, foreign_file, generator_file, most_apart, sample
from tests.picture_collections import COLLECTIONS

SET5 = COLLECTIONS / "bench" / "Set5"


@pytest.mark.parametrize("tile", [0, 17])
@pytest.mark.parametrize("options", CONFIGS.values(), ids=CONFIGS)
def test_our_generators_are_torchs_in_every_option(options: dict[str, Any], tile: int, tmp_path: Path) -> None:
    if options.get("attention") == "channel" and tile:
        pytest.skip("channel attention looks at the whole tile, so that tiles are another matter")
    assert most_apart(generator_file(tmp_path, **options), load, "openvino", tile=tile) <= 1


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_networks_of_others_are_torchs(make: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert most_apart(foreign_file(tmp_path, make()), load, "openvino") <= 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: RCAN(scale=4, n_resgroups=1, n_resblocks=1, n_feats=8, reduction=4), "cannot be computed"),
        (lambda: Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=3), "takes 1 channels"),
    ],
)
def test_what_no_graph_says_is_refused_by_name(make: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=says) as caught:
        load([(foreign_file(tmp_path, make()), 1.0)], "openvino")
    assert "theirs" in caught.value.message
    assert "cpu" in caught.value.hint


def test_a_graph_that_comes_out_differently_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.PixelShuffle, "forward", lambda _self, x: nn.functional.pixel_shuffle(x, 4).flip(-1))
    path = foreign_file(tmp_path, Compact(num_feat=8, num_conv=3, upscale=4))
    with pytest.raises(UserError, match="comes out differently"):
        load([(path, 1.0)], "openvino")


def test_the_end_of_half_precision_is_computed_in_float32() -> None:
    """What the eye would see of bf16 is its rounding of the bicubic enlargement."""
    model = load([(find_model("fast-x4").path, 1.0)], "openvino")
    if model.fast_precision != "bf16":
        pytest.skip("this processor has no bf16")
    pixels = sample(40, 44)
    full = Engine(model, "fast", "fp32").upscale(pixels, CancelToken()).astype(int)
    half = Engine(model, "fast", "bf16")
    assert half.precision == "bf16"
    assert "by OpenVINO (bf16)" in half.description
    assert np.abs(half.upscale(pixels, CancelToken()) - full).max() <= 2


@pytest.mark.usefixtures("calibrated")
@pytest.mark.parametrize("model", ["faithful-x4", "fast-x4", "photo-x4"])
def test_int8_costs_less_than_a_twentieth_of_a_decibel(model: str) -> None:
    losses = []
    for name in ("coffee.webp", "astronaut.jpg"):
        hr = crop_to_multiple(rgb8(load_picture(RESOURCES / "samples" / name).pixels), 4)
        lr = reduce_bicubic(hr, 4)
        full, short = (
            psnr_y(hr, open_engine(model, "openvino", precision).upscale(lr, CancelToken()), 4)
            for precision in ("fp32", "int8")
        )
        losses.append(full - short)
    assert np.mean(losses) < 0.05


@pytest.mark.usefixtures("calibrated")
@pytest.mark.skipif(not SET5.is_dir(), reason="the collections of pictures are not here")
@pytest.mark.usefixtures("calibrated")
@pytest.mark.parametrize("model", ["faithful-x4", "fast-x4", "photo-x4", "detail-x4"])
def test_int8_looks_like_fp32_on_set5(model: str) -> None:
    """By PSNR-Y within 0.05 dB, and within 2 % by a distance that no loss of ours is made of (ST-LPIPS)."""
    stlpips = pytest.importorskip("stlpips_pytorch.stlpips")
    judge = stlpips.LPIPS(net="alex", variant="shift_tolerant")

    def planes(pixels: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]

    measured: dict[Precision, list[tuple[float, float]]] = {"fp32": [], "int8": []}
    for path in sorted(SET5.glob("*.png")):
        hr = crop_to_multiple(rgb8(load_picture(path).pixels), 4)
        lr = reduce_bicubic(hr, 4)
        for precision, values in measured.items():
            result = open_engine(model, "openvino", precision).upscale(lr, CancelToken())
            with torch.no_grad():
                distance = float(judge(planes(hr), planes(result)))
            values.append((psnr_y(hr, result, 4), distance))
    full, short = (np.mean(values, 0) for values in measured.values())
    assert full[0] - short[0] < 0.05
    assert short[1] < 1.02 * full[1]


def test_convolutions_whose_rounding_shows_stay_in_floats() -> None:
    """Not one of faithful's 37; of fast's, which has half as many maps to spread an error over, the last four."""
    counts = {}
    for name in ("faithful-x4", "fast-x4"):
        graphs = load_graphs([(find_model(name).path, 1.0)], "OpenVINO").graphs
        chosen = calibration.ranges_for(graphs, openvino_network.computing, openvino_network.observing)
        convolutions = [
            (index, number)
            for index, graph in enumerate(graphs)
            for number, layer in enumerate(graph.layers)
            if layer.kind == "convolution"
        ]
        counts[name] = [place for place in convolutions if place[1] not in chosen[place[0]]]
    assert counts["faithful-x4"] == []
    assert counts["fast-x4"] == convolutions[-4:]


@pytest.mark.usefixtures("calibrated")
def test_int8_is_openvinos_wherever_a_processor_is_meant_and_leaves_deep_pictures_alone() -> None:
    engine = open_engine("fast-x4", "cpu", "int8")
    assert (engine.precision, engine.device) == ("int8", "openvino")
    deep = sample(12, 14).astype(np.uint16) * 257
    exact = open_engine("fast-x4", "openvino", "fp32").upscale(deep, CancelToken())
    np.testing.assert_array_equal(engine.upscale(deep, CancelToken()), exact)
    assert np.abs(engine.upscale(sample(12, 14), CancelToken()) - exact / 257.0).max() > 0.5


def test_a_model_is_calibrated_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = generator_file(tmp_path, **CONFIGS["skip x2"])
    real, measured = calibration.measure_ranges, []
    monkeypatch.setattr(calibration, "measure_ranges", lambda *args: measured.append(1) or real(*args))
    first = load([(path, 1.0)], "openvino").network("int8")
    second = load([(path, 1.0)], "openvino").network("int8")
    assert len(measured) == 1
    pixels = sample(9, 11)
    (one,), (other,) = (
        list(network.run(pixels, Rect(0, 0, 11, 9), np.float32, lambda _done: None)) for network in (first, second)
    )
    np.testing.assert_array_equal(one.pixels, other.pixels)
    (kept,) = (cache / "int8").iterdir()
    kept.write_bytes(b"cut short")
    load([(path, 1.0)], "openvino").network("int8")
    assert len(measured) == 2


def test_a_precision_that_silently_becomes_another_is_refused(tmp_path: Path) -> None:
    """OpenVINO 2026.4 takes bf16 for f16 on a processor without fp16, and says so only when asked."""
    model = load([(generator_file(tmp_path, **CONFIGS["plain"]), 1.0)], "openvino")

    class Sly:
        def __init__(self, real: Any) -> None:
            self.real = real

        def compile_model(self, *args: Any) -> Any:
            options = args[2] | {"INFERENCE_PRECISION_HINT": "f32"}
            return self.real.compile_model(*args[:2], options)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

    sly = Sly(openvino_network.openvino_core())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openvino_network, "openvino_core", lambda: sly)
        with pytest.raises(UnsupportedPrecisionError, match="computes in f32"):
            model.network("fp16")
        with pytest.raises(UserError, match="does not work in fp16"):
            Engine(model, "ours", "fp16")


def test_cancel_is_heard_within_a_tile(tmp_path: Path) -> None:
    engine = Engine(load([(generator_file(tmp_path, **CONFIGS["plain"]), 1.0)], "openvino"), "ours", "fp32")
    seen: list[float] = []
    engine.upscale(sample(40, 40), CancelToken(), seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        engine.upscale(sample(40, 40), cancel, lambda _done: cancel.cancel())
    # It can be used again.
    assert engine.upscale(sample(8, 8), CancelToken()).shape == (32, 32, 3)


def test_out_of_memory_halves_the_tile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = generator_file(tmp_path, **CONFIGS["skip x2"])
    real = openvino_network.OpenVinoCompute.run_body

    def small_only(self: Any, arrays: Any, report: Any) -> np.ndarray:
        if arrays[0].shape[1] * arrays[0].shape[2] > 60 * 60:
            raise openvino_network.as_engine_error(RuntimeError("[GPU] Exceeded max size of memory object allocation"))
        return real(self, arrays, report)

    monkeypatch.setattr(openvino_network.OpenVinoCompute, "run_body", small_only)
    engine = Engine(load([(path, 1.0)], "openvino"), "ours", "fp32", 100)
    result = engine.upscale(sample(90, 80), CancelToken())
    assert any("Memory ran out" in note for note in engine.take_notes())
    monkeypatch.undo()
    whole = Engine(load([(path, 1.0)], "openvino"), "ours", "fp32").upscale(sample(90, 80), CancelToken())
    assert np.abs(result.astype(int) - whole).max() <= 1


def test_errors_of_memory_and_others_are_told_apart() -> None:
    assert isinstance(openvino_network.as_engine_error(RuntimeError("std::bad_alloc")), DeviceMemoryError)
    assert isinstance(openvino_network.as_engine_error(RuntimeError("Check 'shape.compatible' failed")), RuntimeError)


def test_devices_are_named_as_requests_name_them(tmp_path: Path) -> None:
    assert "openvino" in [each.name for each in devices()]
    path = generator_file(tmp_path, **CONFIGS["plain"])
    with pytest.raises(UserError, match=r"openvino:gpu\.7") as caught:
        load([(path, 1.0)], "openvino:gpu.7")
    assert "openvino" in caught.value.hint
    model = load([(path, 1.0)], "openvino")
    assert isinstance(model, OpenVinoModel)
    assert model.memory()[0] >= model.memory()[1] > 0


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_lanes_give_what_one_at_a_time_gives(precision: Precision, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    model = load([(find_model("fast-x4").path, 1.0)], "openvino")
    if precision == "bf16" and model.fast_precision != "bf16":
        pytest.skip("no bf16 on this processor")
    engine = Engine(model, "test", precision)
    pictures = [sample(*size) for size in ((40, 31), (17, 60))]
    lanes = engine.lanes()
    assert len(lanes) == 2
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda lane: [lane.upscale(each, CancelToken()) for each in pictures], lanes))
    for one in found:
        for each, result in zip(pictures, one, strict=True):
            np.testing.assert_array_equal(result, engine.upscale(each, CancelToken()))


def test_one_core_has_no_lanes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert Engine(load([(generator_file(tmp_path), 1.0)], "openvino"), "test").lanes() == []


def test_large_tiles_are_no_larger_than_memory_should_be_and_leave_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load([(generator_file(tmp_path, skip="bicubic"), 1.0)], "openvino")
    assert model.geometry.largest_side == openvino_network.LARGEST_SIDE
    monkeypatch.setattr(graph_network, "TAIL_SIDE", 19)
    monkeypatch.setattr(openvino_network, "LARGE", 1 << 10)
    pixels = sample(60, 45)
    exact = Engine(torch_network.load([(generator_file(tmp_path, skip="bicubic"), 1.0)], "cpu"), "test", "fp32")
    wanted = exact.upscale(pixels, CancelToken()).astype(int)
    released = []
    monkeypatch.setattr(processor, "release_memory", lambda: released.append(1))
    engine = Engine(model, "test", "fp32")
    assert np.abs(engine.upscale(pixels, CancelToken()) - wanted).max() <= 1
    assert released == [1]
    engine.upscale(sample(20, 20), CancelToken())
    assert released == [1]


def test_where_lanes_cannot_be_built_pictures_are_done_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    engine = Engine(load([(generator_file(tmp_path), 1.0)], "openvino"), "test", "fp32")
    real = openvino_network.openvino_core()

    class Full:
        """A core that has no memory for another model."""

        def compile_model(self, *_given: object) -> None:
            raise RuntimeError("bad allocation")

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    monkeypatch.setattr(openvino_network, "openvino_core", Full)
    assert not engine.lanes()
