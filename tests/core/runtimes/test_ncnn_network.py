"""ncnn computes by Vulkan what torch computes: here on Mesa's llvmpipe, a real driver that needs no card."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.settings import Precision
from core.runtimes import choice, ncnn_network
from core.runtimes.graph_network import GraphNetwork
from core.runtimes.ncnn_network import VulkanModel, devices, load, rivals
from core.runtimes.network import DeviceLostError, DeviceMemoryError, UnsupportedPrecisionError
from core.tiling import Rect
from core.upscale.engine import Engine, open_engine
from tests.core.runtimes.conftest import CONFIGS, FOREIGN, foreign_file, generator_file, most_apart, sample

pytestmark = pytest.mark.skipif(
    not devices(), reason="no Vulkan driver here; `make test` installs mesa-vulkan-drivers on Debian"
)


@pytest.mark.parametrize("options", CONFIGS.values(), ids=CONFIGS)
def test_our_generators_are_torchs_in_every_option(options: dict[str, Any], tmp_path: Path) -> None:
    assert most_apart(generator_file(tmp_path, **options), load, "vulkan", size=(19, 23)) <= 1


def test_tiles_are_torchs(tmp_path: Path) -> None:
    assert most_apart(generator_file(tmp_path, **CONFIGS["skip x2"]), load, "vulkan", tile=17) <= 1


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_networks_of_others_are_torchs(make: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert most_apart(foreign_file(tmp_path, make()), load, "vulkan", size=(19, 23)) <= 1


def test_fp16_is_within_two_levels(tmp_path: Path) -> None:
    model = load([(generator_file(tmp_path, **CONFIGS["direct"]), 1.0)], "vulkan")
    half, full = Engine(model, "ours"), Engine(model, "ours", "fp32")
    assert half.precision == "fp16"
    assert half.description.endswith("by Vulkan (fp16)")
    pixels = sample(20, 24)
    difference = np.abs(half.upscale(pixels, CancelToken()).astype(int) - full.upscale(pixels, CancelToken()))
    assert difference.max() <= 2
    with pytest.raises(UnsupportedPrecisionError):
        model.network("bf16")


def test_the_network_that_was_checked_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    before = VulkanModel.build

    def build(model: VulkanModel, precision: Precision) -> GraphNetwork:
        built.append(precision)
        return before(model, precision)

    monkeypatch.setattr(VulkanModel, "build", build)
    model = load([(generator_file(tmp_path, **CONFIGS["direct"]), 1.0)], "vulkan")
    assert Engine(model, "ours").precision == "fp16"
    assert built == ["fp32", "fp16"]
    assert model.network("fp32") is not model.network("fp32"), "a network is not to be shared"


def test_arrays_that_are_no_plain_block_of_memory_go_in_whole(tmp_path: Path) -> None:
    model = load([(generator_file(tmp_path, **CONFIGS["direct"]), 1.0)], "vulkan")
    engine = Engine(model, "ours", "fp32")
    pixels = sample(20, 24)
    turned = pixels[::-1, ::-1]
    assert not turned.flags.c_contiguous
    np.testing.assert_array_equal(
        engine.upscale(turned, CancelToken()), engine.upscale(np.ascontiguousarray(turned), CancelToken())
    )


def answering(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Let the card do what `answer` says of each tile before it computes it."""
    real = ncnn_network.NcnnCompute.__call__

    def call(self: Any, arrays: Any, report: Any) -> np.ndarray:
        answer(arrays[0].shape)
        return real(self, arrays, report)

    monkeypatch.setattr(ncnn_network.NcnnCompute, "__call__", call)


def test_a_failed_allocation_halves_the_tile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = generator_file(tmp_path, **CONFIGS["skip x2"])
    pixels = sample(70, 64)
    whole = Engine(load([(path, 1.0)], "vulkan"), "ours", "fp32").upscale(pixels, CancelToken())

    def small_only(shape: tuple[int, ...]) -> None:
        if shape[1] * shape[2] > 60 * 60:
            raise DeviceMemoryError

    answering(monkeypatch, small_only)
    engine = Engine(load([(path, 1.0)], "vulkan"), "ours", "fp32", 100)
    assert np.abs(engine.upscale(pixels, CancelToken()).astype(int) - whole).max() <= 1
    assert any("Memory ran out" in note for note in engine.take_notes())


@pytest.mark.parametrize("after", [0, 4])
def test_a_lost_card_is_told_and_the_processor_goes_on(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = generator_file(tmp_path, **CONFIGS["skip x2"])
    pixels = sample(40, 44)
    whole = open_engine(str(path), "cpu", "fp32").upscale(pixels, CancelToken())
    engine = open_engine(str(path), "vulkan:0", "fp32", tile=20)
    tiles: list[Any] = []

    def lost(shape: tuple[int, ...]) -> None:
        tiles.append(shape)
        if len(tiles) > after:
            raise DeviceLostError

    answering(monkeypatch, lost)
    result = engine.upscale(pixels, CancelToken())
    assert np.abs(result.astype(int) - whole).max() <= 4  # the rest may be in half precision
    (note,) = (each for each in engine.take_notes() if "stopped answering" in each)
    assert "llvmpipe" in note or "Vulkan" in note
    assert engine.device == "cpu"
    # It is not asked again, neither by this engine nor by the next.
    assert len(tiles) == after + 1
    assert open_engine(str(path), "vulkan:0", tile=21).device == "cpu"


def test_a_lost_card_without_a_substitute_ends_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(load([(generator_file(tmp_path, **CONFIGS["direct"]), 1.0)], "vulkan"), "ours", "fp32")

    def lost(_shape: tuple[int, ...]) -> None:
        raise DeviceLostError

    answering(monkeypatch, lost)
    with pytest.raises(UserError, match="stopped answering") as caught:
        engine.upscale(sample(9, 9), CancelToken())
    assert "driver" in caught.value.hint


@pytest.mark.parametrize(("code", "error"), [(-100, DeviceMemoryError), (-1, DeviceLostError)])
def test_what_ncnn_answers_is_told_apart(
    code: int, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load([(generator_file(tmp_path, **CONFIGS["direct"]), 1.0)], "vulkan")
    network = model.network("fp32")
    real = ncnn_network.ncnn_library()

    class Failing:
        def input(self, *_args: object) -> None:
            pass

        def extract(self, _name: str) -> tuple[int, None]:
            return code, None

    monkeypatch.setattr(real.Net, "create_extractor", lambda _net: Failing())
    with pytest.raises(error):
        list(network.run(sample(8, 8), Rect(0, 0, 8, 8), np.uint8, lambda _done: None))


def test_cards_are_listed_chosen_and_told_apart_from_software(tmp_path: Path) -> None:
    found = devices()
    assert found[0].name == "vulkan:0"
    assert all("by Vulkan" in each.label for each in found)
    software = [each.name for each in found if "(software)" in each.label]
    assert not set(software) & {each.name for each in rivals()}
    assert {each.name for each in found} <= {each.name for each in choice.devices()}
    for wrong in ("vulkan:99", "vulkan:x"):
        with pytest.raises(UserError, match=wrong) as caught:
            load([(tmp_path, 1.0)], wrong)
        assert "vulkan:0" in caught.value.hint
    assert ncnn_network.driver_of("vulkan")


def test_a_process_that_used_a_card_ends_well_and_writes_nothing(tmp_path: Path) -> None:
    path = generator_file(tmp_path, **CONFIGS["direct"])
    program = f"""
import numpy as np
from core.contract.cancel import CancelToken
from core.upscale.engine import open_engine
engine = open_engine({str(path)!r}, 'vulkan', 'fp32')
engine.upscale(np.zeros((8, 8, 3), np.uint8), CancelToken())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_driver_that_crashed_is_not_started_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    crashed = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    (cache / "vulkan-starting").write_bytes(crashed.stdout)
    ncnn_network.ncnn_library.cache_clear()
    try:
        assert devices() == rivals() == []
        with pytest.raises(UserError, match="crashed") as caught:
            ncnn_network.driver_of("vulkan:0")
        assert "vulkan-starting" in caught.value.hint
        # Another program that is just starting it is no crash.
        (cache / "vulkan-starting").write_text(str(os.getpid()))
        assert devices()
        assert not (cache / "vulkan-starting").exists()
    finally:
        ncnn_network.ncnn_library.cache_clear()
