"""The engine gives the network's own picture, whatever the size, tile, precision or mishap."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import devices
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.settings import Precision
from core.models.blend import blend_files
from core.models.generator import GeneratorConfig
from core.models.serving import ServedGenerator
from core.runtimes import choice, torch_network
from core.runtimes.network import DeviceLostError, Part, Report
from core.runtimes.torch_network import TorchModel
from core.tiling import Rect
from core.upscale import engine as engine_module
from core.upscale.engine import Engine, open_engine
from tests.core.networks import lively_generator, save_pair, save_small_model
from tests.core.upscale.doubling import Doubling

CPU = torch.device("cpu")
CONFIG = GeneratorConfig(features=8, blocks=2, norm="none", skip="bicubic")


def make_engine(config: GeneratorConfig = CONFIG, precision: Precision = "fp32", tile: int = 0) -> Engine:
    return Engine(TorchModel(ServedGenerator(lively_generator(config)), CPU), "test", precision, tile)


def photo(height: int, width: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, 3), dtype, endpoint=True)


def whole(config: GeneratorConfig, pixels: np.ndarray) -> np.ndarray:
    """The network on the whole picture at once, rounded as the engine rounds."""
    top = np.iinfo(pixels.dtype).max
    x = torch.from_numpy(pixels.astype(np.float32) / top).permute(2, 0, 1)[None]
    with torch.inference_mode():
        y = lively_generator(config)(x)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    return np.rint(y * top).astype(pixels.dtype)


@pytest.fixture(autouse=True)
def _trust_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "distrusted", set())
    monkeypatch.setattr(choice, "lost_devices", set())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    cuts=st.integers(1, 6),
    tail_cuts=st.integers(1, 4),
    scale=st.sampled_from([2, 4, 8]),
    upsampler=st.sampled_from(["shuffle", "direct"]),
)
def test_tiled_output_equals_untiled(
    width: int, height: int, cuts: int, tail_cuts: int, scale: int, upsampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut into a few tiles a side, and each of those into a few for the tail: as many as there may be takes minutes."""
    tile = -(-max(width, height) // cuts)
    tail = -(-tile // tail_cuts)
    config = GeneratorConfig(scale, features=8, blocks=2, norm="none", skip="bicubic", upsampler=upsampler)  # type: ignore[arg-type]
    monkeypatch.setattr(torch_network, "TAIL_SIDE", tail)
    pixels = photo(height, width)
    result = make_engine(config, tile=tile).upscale(pixels, CancelToken())
    assert result.dtype == np.uint8
    assert np.abs(result.astype(int) - whole(config, pixels)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1), (2, 3)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    pixels = photo(*size)
    result = make_engine(tile=20).upscale(pixels, CancelToken())
    assert np.abs(result.astype(int) - whole(CONFIG, pixels)).max() <= 1


def test_sixteen_bits_stay_sixteen_bits() -> None:
    ramp = np.linspace(20000, 20400, 40).astype(np.uint16)
    pixels = np.broadcast_to(ramp[None, :, None], (20, 40, 3))
    result = make_engine(precision="auto").upscale(pixels, CancelToken())
    assert result.dtype == np.uint16
    assert np.abs(result.astype(int) - whole(CONFIG, np.ascontiguousarray(pixels))).max() <= 2
    assert len(np.unique(result)) > 160


@pytest.mark.parametrize("config", [CONFIG, GeneratorConfig(features=8, blocks=2, norm="none")], ids=["skip", "plain"])
def test_bf16_is_within_two_levels_of_fp32(config: GeneratorConfig) -> None:
    pixels = photo(40, 30)
    half = make_engine(config, "bf16").upscale(pixels, CancelToken())
    error = np.abs(half.astype(int) - whole(config, pixels))
    assert error.mean() < 0.5
    assert error.max() <= 4


def test_self_ensemble_is_the_mean_of_eight_turned_passes() -> None:
    pixels = photo(23, 31)
    x = torch.from_numpy(pixels / np.float32(255)).permute(2, 0, 1)[None]
    network = lively_generator(CONFIG)
    total = torch.zeros(1, 3, 23 * 4, 31 * 4)
    with torch.inference_mode():
        for quarter in range(4):
            for mirror in (False, True):
                turned = torch.rot90(x.flip(-1) if mirror else x, quarter, (-2, -1))
                back = torch.rot90(network(turned), -quarter, (-2, -1))
                total += back.flip(-1) if mirror else back
    expected = (total / 8)[0].clamp(0, 1).permute(1, 2, 0).mul(255).round().numpy()
    for tile in (0, 9):
        result = make_engine(tile=tile).upscale(pixels, CancelToken(), ensemble=True)
        assert np.abs(result - expected).max() <= 1


@pytest.mark.parametrize("damage", [float("nan"), float("inf"), "constant"])
def test_broken_half_precision_tile_is_done_again_in_fp32_and_remembered(
    damage: float | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(precision="bf16", tile=16)
    real, calls = ServedGenerator.enlarge, []

    def breaks_on_the_third(network: ServedGenerator, features: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        y = real(network, features, x)
        if network.tail.weight.dtype != torch.bfloat16:
            return y
        calls.append(1)
        if len(calls) >= 3:
            return torch.zeros_like(y) if damage == "constant" else y.fill_(float(damage))
        return y

    monkeypatch.setattr(ServedGenerator, "enlarge", breaks_on_the_third)
    pixels = photo(40, 40)
    result = engine.upscale(pixels, CancelToken())
    assert np.abs(result.astype(int) - whole(CONFIG, pixels)).max() <= 4
    assert len(calls) == 3
    assert engine.precision == "fp32"
    assert any("fp32" in note for note in engine.take_notes())
    assert engine.take_notes() == ()
    if devices.fast_precision(CPU) == "bf16":
        assert make_engine(precision="auto").precision == "fp32"


def test_a_flat_picture_is_not_taken_for_a_broken_one() -> None:
    engine = make_engine(GeneratorConfig(features=8, blocks=1, norm="none", skip="bicubic"), "bf16")
    engine.upscale(np.full((30, 30, 3), 128, np.uint8), CancelToken())
    assert engine.precision == "bf16"


def test_wrong_half_precision_is_found_before_the_first_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(network: ServedGenerator, dtype: torch.dtype) -> ServedGenerator:
        network.tail.weight.fill_(float("nan"))
        return network

    monkeypatch.setattr(ServedGenerator, "use_precision", spoilt)
    monkeypatch.setattr(devices, "fast_precision", lambda _device: "fp16")
    engine = make_engine(precision="auto")
    assert engine.precision == "fp32"
    assert engine.take_notes()
    with pytest.raises(UserError, match="fp16"):
        make_engine(precision="fp16")


def test_model_that_is_broken_in_fp32_too_is_named() -> None:
    network = ServedGenerator(lively_generator(CONFIG))
    network.tail.weight.fill_(float("nan"))
    with pytest.raises(UserError, match="broken-one"):
        Engine(TorchModel(network, CPU), "broken-one", "fp32").upscale(photo(8, 8), CancelToken())


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_out_of_memory_halves_the_tile_and_goes_on(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine(tile=200)
    real = ServedGenerator.trunk_features

    def small_only(network: ServedGenerator, x: torch.Tensor, *args: Any) -> torch.Tensor:
        if x.shape[2] * x.shape[3] > 90 * 90:
            raise error("out of memory")
        return real(network, x, *args)

    monkeypatch.setattr(ServedGenerator, "trunk_features", small_only)
    pixels = photo(190, 150)
    progress: list[float] = []
    result = engine.upscale(pixels, CancelToken(), progress.append)
    assert np.abs(result.astype(int) - whole(CONFIG, pixels)).max() <= 1
    assert any("Memory ran out" in note for note in engine.take_notes())
    assert progress[-1] == pytest.approx(1.0)


def test_no_memory_at_all_ends_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine()

    def never(*_args: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(ServedGenerator, "trunk_features", never)
    with pytest.raises(UserError, match="too little free memory"):
        engine.upscale(photo(100, 100), CancelToken())


def test_progress_rises_to_one_and_cancel_stops_within_a_layer() -> None:
    engine = make_engine(tile=16)
    progress: list[float] = []
    engine.upscale(photo(40, 40), CancelToken(), progress.append)
    assert progress == sorted(progress)
    assert progress[-1] == pytest.approx(1.0)

    cancel, seen = CancelToken(), []

    def stop(fraction: float) -> None:
        seen.append(fraction)
        cancel.cancel()

    with pytest.raises(Cancelled):
        engine.upscale(photo(40, 40), cancel, stop)
    assert len(seen) == 1


def test_channel_attention_says_that_tiles_differ() -> None:
    config = GeneratorConfig(features=8, blocks=2, norm="none", attention="channel", skip="bicubic")
    engine = make_engine(config, tile=32)
    pixels = photo(20, 20)
    assert np.abs(engine.upscale(pixels, CancelToken()).astype(int) - whole(config, pixels)).max() <= 1
    assert engine.take_notes() == ()
    engine.upscale(photo(20, 50), CancelToken())
    assert "whole picture" in engine.take_notes()[0]


def test_the_engine_runs_without_torch() -> None:
    subprocess.run([sys.executable, "-m", "tests.core.upscale.doubling"], check=True)


def test_open_engine_keeps_and_renews(tmp_path: Path) -> None:
    path = save_small_model(tmp_path / "a.safetensors", seed=1)
    first = open_engine(str(path), "cpu", "fp32")
    assert open_engine(str(path), "cpu", "fp32") is first
    save_small_model(path, seed=2, blocks=1)
    assert open_engine(str(path), "cpu", "fp32") is not first
    with pytest.raises(UserError, match="cuda:7"):
        open_engine(str(path), "cuda:7")


def test_detail_lies_between_two_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.paths.user_models", lambda: tmp_path)
    base, full = save_pair(tmp_path)
    pixels = photo(20, 24)

    def result(model: str, detail: int = 100) -> np.ndarray:
        return open_engine(model, "cpu", "fp32", detail=detail).upscale(pixels, CancelToken())

    np.testing.assert_array_equal(result("sharp", 0), result("soft"))
    blend_files(str(base), str(full), 0.35, tmp_path / "blend.safetensors")
    np.testing.assert_array_equal(result("sharp", 35), result("blend"))
    assert np.abs(result("sharp").astype(int) - result("soft")).max() > 10
    assert "35 %" in open_engine("sharp", "cpu", "fp32", detail=35).description
    # A base that is made anew counts as another model.
    kept = open_engine("sharp", "cpu", "fp32", detail=35)
    assert open_engine("sharp", "cpu", "fp32", detail=35) is kept
    save_small_model(base, seed=3)
    assert open_engine("sharp", "cpu", "fp32", detail=35) is not kept


def test_detail_of_what_has_no_base_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.paths.user_models", lambda: tmp_path)
    base, _full = save_pair(tmp_path)
    with pytest.raises(UserError, match="soft has no softer version") as caught:
        open_engine("soft", "cpu", "fp32", detail=50)
    assert "sharp" in caught.value.hint
    with pytest.raises(UserError, match="101 %"):
        open_engine("sharp", "cpu", "fp32", detail=101)
    save_small_model(base, blocks=1)
    with pytest.raises(UserError, match="different networks"):
        open_engine("sharp", "cpu", "fp32", detail=50)
    base.unlink()
    with pytest.raises(UserError, match="sharp has no softer version"):
        open_engine("sharp", "cpu", "fp32", detail=50)


def test_a_model_that_fails_in_half_precision_says_nothing_about_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.devices.fast_precision", lambda _device: "bf16")
    one, other = (save_small_model(tmp_path / f"{name}.safetensors") for name in ("one", "other"))
    real, found = engine_module.psnr_between, [20.0]
    monkeypatch.setattr(engine_module, "psnr_between", lambda *networks: found.pop() if found else real(*networks))
    assert open_engine(str(one), "cpu").precision == "fp32"
    assert open_engine(str(other), "cpu").precision == "bf16"
    # Not tried again, and not told again.
    again = open_engine(str(one), "cpu", tile=64)
    assert (again.precision, again.take_notes()) == ("fp32", ())


# What a runtime may do, by one of numpy alone


class Half(Doubling):
    """Its own half precision, whose values are off by `error`, or which fails."""

    precision: Precision = "bf16"

    def __init__(self, error: float | Exception) -> None:
        self.error = error

    def run(self, source: np.ndarray, core: Rect, kind: type[np.generic], report: Report) -> Iterator[Part]:
        if isinstance(self.error, Exception):
            raise self.error
        for part in super().run(source, core, kind, report):
            yield replace(part, pixels=part.pixels + np.float32(self.error))


class Doubler(Doubling):
    """Doubles on a card that may be lost, with tiles cut as a test wants them."""

    device, device_label = "vulkan:0", "a card"

    def __init__(self, half: float | Exception | None = None, lost_after: int = 1 << 30, **geometry: Any) -> None:
        self.geometry = replace(Doubling.geometry, **geometry)
        self.fast_precision = "fp32" if half is None else "bf16"
        self.half = half
        self.lost_after = lost_after
        self.cores: list[Rect] = []

    def network(self, precision: Precision) -> Doubling:
        return self if precision == "fp32" or self.half is None else Half(self.half)

    def run(self, source: np.ndarray, core: Rect, kind: type[np.generic], report: Report) -> Iterator[Part]:
        if len(self.cores) == self.lost_after:
            raise DeviceLostError
        self.cores.append(core)
        yield from super().run(source, core, kind, report)


def doubled(pixels: np.ndarray) -> np.ndarray:
    return pixels.repeat(2, 0).repeat(2, 1)


@pytest.mark.parametrize("after", [0, 2])
def test_a_lost_device_is_given_up_and_another_does_the_tile_again(after: int) -> None:
    pixels = photo(30, 40)
    engine = Engine(Doubler(lost_after=after), "test", "fp32", 10, Doubling)
    np.testing.assert_array_equal(engine.upscale(pixels, CancelToken()), doubled(pixels))
    assert engine.device == "cpu"
    assert engine.take_notes() == ("a card stopped answering; the rest is done on numpy.",)
    assert "vulkan:0" in choice.lost_devices


def test_a_device_that_is_lost_while_it_is_tried_is_given_up_before_the_first_picture() -> None:
    engine = Engine(Doubler(half=0.0, lost_after=0), "test", elsewhere=Doubling)
    assert (engine.device, engine.precision) == ("cpu", "fp32")
    with pytest.raises(UserError, match="a card stopped answering"):
        Engine(Doubler(half=0.0, lost_after=0), "test")


def test_half_precision_that_changes_nothing_is_taken() -> None:
    assert Engine(Doubler(half=0.0), "test").precision == "bf16"


@pytest.mark.parametrize(
    ("half", "words"),
    [(0.1, "of test on vulkan:0 (20 dB against fp32)."), (RuntimeError("mixed types"), "of test on vulkan:0.")],
)
def test_half_precision_that_was_asked_for_by_name_and_is_wrong_is_refused(half: float | Exception, words: str) -> None:
    with pytest.raises(UserError) as caught:
        Engine(Doubler(half=half), "test", "bf16")
    assert words in caught.value.message
    # Nobody asked for it: it is left alone, and said once in this process.
    engine = Engine(Doubler(half=half), "test")
    assert engine.precision == "fp32"
    assert "fp32 is used" in engine.take_notes()[0]
    assert Engine(Doubler(half=half), "test").take_notes() == ()


def test_a_network_that_wants_the_whole_picture_gets_it_at_once() -> None:
    model = Doubler(whole=True)
    pixels = photo(90, 70)
    np.testing.assert_array_equal(Engine(model, "test", "fp32", 10).upscale(pixels, CancelToken()), doubled(pixels))
    assert model.cores == [Rect(0, 0, 70, 90)]


@pytest.mark.parametrize("each", [False, True])
def test_what_tiles_change_is_told_once_or_of_each_picture(each: bool) -> None:
    engine = Engine(Doubler(tiles_note="{model} sees seams", each_picture=each), "test", "fp32", 20)
    told = []
    for size in ((20, 20), (20, 50), (50, 20)):
        engine.upscale(photo(*size), CancelToken())
        told.append(engine.take_notes())
    assert told == [(), ("test sees seams",), ("test sees seams",) if each else ()]


def test_the_last_two_engines_stay_open_and_more_only_as_bytes_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "OPEN_BYTES", 1)
    a, b, c = (str(save_small_model(tmp_path / f"{name}.safetensors")) for name in "abc")
    first, second = open_engine(a, "cpu", "fp32"), open_engine(b, "cpu", "fp32")
    assert open_engine(a, "cpu", "fp32") is first
    third = open_engine(c, "cpu", "fp32")
    assert open_engine(a, "cpu", "fp32") is first
    assert open_engine(c, "cpu", "fp32") is third
    assert open_engine(b, "cpu", "fp32") is not second


class Broken(Doubling):
    """Gives no numbers."""

    precision: Precision = "bf16"

    def run(self, source: np.ndarray, core: Rect, kind: type[np.generic], report: Report) -> Iterator[Part]:
        for part in super().run(source, core, kind, report):
            yield replace(part, low=float("nan"))


class TwoLanes(Doubler):
    """Has two lanes, and maybe a first one that breaks."""

    broken = False

    def lanes(self, precision: Precision) -> list[Doubling]:
        return [Broken() if self.broken else Doubling(), Doubling()]


def test_lanes_give_the_engines_picture_and_have_notes_of_their_own() -> None:
    pixels = photo(30, 40)
    engine = Engine(TwoLanes(tiles_note="{model} sees seams", each_picture=True), "test", tile=20)
    first, second = engine.lanes()
    assert engine.lanes()[0] is first
    for lane in (first, second):
        np.testing.assert_array_equal(lane.upscale(pixels, CancelToken()), doubled(pixels))
    assert first.take_notes() == second.take_notes() == ("test sees seams",)
    assert engine.take_notes() == ()
    assert not first.lanes()
    assert not Engine(Doubler(), "test").lanes()


def test_a_lane_that_breaks_goes_on_in_fp32() -> None:
    pixels = photo(30, 40)
    model = TwoLanes(half=0.0)
    model.broken = True
    engine = Engine(model, "test")
    assert engine.precision == "bf16"
    lane, _other = engine.lanes()
    np.testing.assert_array_equal(lane.upscale(pixels, CancelToken()), doubled(pixels))
    assert lane.precision == "fp32"
    assert "redone in fp32" in lane.take_notes()[0]
