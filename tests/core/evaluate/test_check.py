"""A check measures what it says; a comparison shows each model's picture, time and memory."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import paths
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.evaluate import CheckProgress, CheckReady, CheckRequest, CompareFailed, CompareRequest, ModelCompared
from core.contract.upscale import PreviewRequest
from core.evaluate import check as check_module
from core.evaluate.check import check
from core.evaluate.compare import compare
from core.evaluate.metrics import psnr_y, ssim_y
from core.evaluate.progress import with_progress
from core.evaluate.resampling import enlarge_bicubic, reduce_bicubic
from core.paths import RESOURCES
from core.upscale.engine import open_engine
from core.upscale.preview import preview
from tests.core.networks import save_small_model
from tests.core.training.pictures import textured, vgg16_file


@pytest.fixture(autouse=True)
def _no_cached_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(paths, "downloaded_content", lambda name: tmp_path / f"{name}.safetensors")


@pytest.fixture
def small(tmp_path: Path) -> str:
    return str(save_small_model(tmp_path / "small.safetensors"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    Image.fromarray(textured(3, 75, 98)).save(tmp_path / "mine.png")
    return tmp_path / "mine.png"


def answer(request: CheckRequest) -> CheckReady:
    *progress, last = list(check(request, CancelToken()))
    assert all(isinstance(event, CheckProgress) for event in progress)
    assert isinstance(last, CheckReady)
    return last


def test_the_figures_are_those_of_the_pictures(source: Path, small: str) -> None:
    ready = answer(CheckRequest(source, small, precision="fp32"))
    original = textured(3, 75, 98)[:72, :96]
    np.testing.assert_array_equal(ready.original, original)
    np.testing.assert_array_equal(ready.reduced, reduce_bicubic(original, 4))
    np.testing.assert_array_equal(ready.bicubic, enlarge_bicubic(ready.reduced, 4))
    np.testing.assert_array_equal(
        ready.upscaled, open_engine(small, "cpu", "fp32").upscale(ready.reduced, CancelToken())
    )
    assert ready.region == (0, 0, 96, 72)
    assert ready.quality.psnr_y == psnr_y(original, ready.upscaled, 4)
    assert ready.bicubic_quality.ssim_y == ssim_y(original, ready.bicubic, 4)
    assert ready.quality.perceptual is None
    assert f"{ready.quality.psnr_y:.2f} dB against {ready.bicubic_quality.psnr_y:.2f} dB" in ready.verdict
    assert "does not measure" in ready.meaning
    assert "reduction by 4" in ready.meaning


def test_the_shipped_model_comes_nearer_than_bicubic_on_a_photograph() -> None:
    ready = answer(CheckRequest(RESOURCES / "samples" / "cat.jpg", region=(20, 20, 130, 130)))
    assert ready.region == (20, 20, 128, 128)
    assert ready.quality.psnr_y > ready.bicubic_quality.psnr_y + 0.5
    assert "nearer to this picture than bicubic" in ready.verdict


def test_a_worse_model_is_called_worse(source: Path, small: str) -> None:
    ready = answer(CheckRequest(source, small))
    assert ready.quality.psnr_y < ready.bicubic_quality.psnr_y
    assert "further from this picture than bicubic" in ready.verdict


def test_content_weights_add_a_perceptual_distance(source: Path, small: str, tmp_path: Path) -> None:
    ready = answer(CheckRequest(source, small, content_weights=vgg16_file(tmp_path / "vgg.safetensors")))
    assert ready.quality.perceptual is not None
    assert ready.quality.perceptual > 0
    assert f"perceptual distance {ready.quality.perceptual:.3f}" in ready.verdict
    assert not any("content weights" in note for note in ready.notes)


def test_transparency_and_sixteen_bits_are_measured_as_colour(tmp_path: Path, small: str) -> None:
    pixels = np.dstack([textured(1, 64, 64), np.full((64, 64), 90, np.uint8)])
    Image.fromarray(pixels).save(tmp_path / "a.png")
    ready = answer(CheckRequest(tmp_path / "a.png", small))
    np.testing.assert_array_equal(ready.original, pixels[..., :3])
    assert any("Transparency" in note for note in ready.notes)


def test_a_grey_picture_is_checked_as_grey(tmp_path: Path, small: str) -> None:
    """As the batch makes it, though the network tints it."""
    Image.fromarray(textured(3, 75, 98)).convert("L").convert("RGB").save(tmp_path / "scan.png")
    ready = answer(CheckRequest(tmp_path / "scan.png", small, precision="fp32"))
    tinted = open_engine(small, "cpu", "fp32").upscale(ready.reduced, CancelToken())
    assert (tinted != tinted[..., :1]).any()
    assert (ready.upscaled == ready.upscaled[..., :1]).all()
    np.testing.assert_allclose(ready.upscaled[..., 0], tinted @ [0.299, 0.587, 0.114], atol=0.501)


def test_flat_pictures_have_nothing_to_bring_back(tmp_path: Path, small: str) -> None:
    Image.fromarray(np.full((64, 64, 3), 77, np.uint8)).save(tmp_path / "flat.png")
    assert "no detail" in answer(CheckRequest(tmp_path / "flat.png", small)).verdict


@pytest.mark.parametrize(
    ("region", "says"), [((0, 0, 40, 40), "too small to measure"), ((500, 0, 90, 90), "outside mine.png")]
)
def test_regions_that_say_nothing(region: Any, says: str, source: Path, small: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        answer(CheckRequest(source, small, region=region))
    assert caught.value.hint


def test_cancel_ends_a_check(source: Path, small: str) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(check(CheckRequest(source, small), cancel))


def test_a_closed_check_leaves_no_thread_at_work(source: Path, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "SMALLEST", 8)
    before = set(threading.enumerate())
    events: Any = check(CheckRequest(source, small, tile=1, region=(0, 0, 96, 72)), CancelToken())
    next(events)
    events.close()
    assert set(threading.enumerate()) <= before


def test_news_pass_results_and_errors_on() -> None:
    def collect(work: Any) -> tuple[list[float], Any]:
        seen = []

        def run() -> Any:
            return (yield from with_progress(work, 0.5, 1.0))

        generator = run()
        while True:
            try:
                seen.append(next(generator).fraction)
            except StopIteration as stop:
                return seen, stop.value

    def work(tell: Any) -> str:
        tell(0.5)
        return "done"

    seen, result = collect(work)
    assert result == "done"
    assert seen[-1] == 0.75
    with pytest.raises(ZeroDivisionError):
        collect(lambda _tell: 1 / 0)


def test_models_are_compared_on_the_same_region(source: Path, small: str, tmp_path: Path) -> None:
    double = str(save_small_model(tmp_path / "double.safetensors", scale=2))
    request = CompareRequest(source, (30, 20, 24, 16), (small, double, "no-such-model"))
    events = list(compare(request, CancelToken()))
    first, second = (event for event in events if isinstance(event, ModelCompared))
    (failed,) = (event for event in events if isinstance(event, CompareFailed))
    assert (failed.index, failed.model) == (2, "no-such-model")
    assert first.pixels.shape == (64, 96, 3)
    assert second.pixels.shape == (32, 48, 3)
    assert first.region == second.region == (30, 20, 24, 16)
    whole = open_engine(small).upscale(textured(3, 75, 98), CancelToken())
    assert np.abs(first.pixels.astype(int) - whole[80:144, 120:216]).max() <= 1
    for compared in (first, second):
        assert compared.seconds_per_megapixel > 0
        assert compared.memory_per_megapixel >= 0
        assert compared.model in compared.device
    fractions = [event.fraction for event in events if isinstance(event, CheckProgress)]
    assert fractions == sorted(fractions)


def test_models_are_compared_at_the_detail_that_is_in_use(source: Path) -> None:
    region = (30, 20, 12, 10)
    request = CompareRequest(source, region, ("faithful-x4", "detail-x4"), "cpu", "fp32", details=(100, 50))
    soft, half = (event for event in compare(request, CancelToken()) if isinstance(event, ModelCompared))
    assert (soft.model, half.model) == ("faithful x4", "detail x4 at 50 % detail")
    (shown,) = preview(
        PreviewRequest(source, region, model="detail-x4", detail=50, device="cpu", precision="fp32"), CancelToken()
    )
    np.testing.assert_array_equal(half.pixels, shown.pixels)


def test_memory_is_measured_at_its_peak(tmp_path: Path) -> None:
    Image.fromarray(textured(2, 160, 160)).save(tmp_path / "a.png")
    large = str(save_small_model(tmp_path / "large.safetensors", features=64, blocks=1))
    tiny = str(save_small_model(tmp_path / "tiny.safetensors", features=2, blocks=1))
    # In a process of its own: what other tests have freed and the allocator has kept would be taken without being seen.
    code = (
        "import sys; from pathlib import Path\n"
        "from core.contract.cancel import CancelToken\n"
        "from core.contract.evaluate import CompareRequest, ModelCompared\n"
        "from core.evaluate.compare import compare\n"
        "request = CompareRequest(Path(sys.argv[1]), (0, 0, 160, 160), tuple(sys.argv[2:]))\n"
        "found = [e for e in compare(request, CancelToken()) if isinstance(e, ModelCompared)]\n"
        "print(*(each.memory_per_megapixel for each in found))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.png"), tiny, large]
    little, much = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    # 64 feature maps of a quarter of a megapixel each, four bytes or two a value, are at least 8 MB.
    assert much > 8_000_000
    assert much > little


@pytest.mark.parametrize("count", [0, 1, 5])
def test_two_to_four_models_make_a_comparison(count: int, source: Path) -> None:
    with pytest.raises(UserError, match="cannot be compared"):
        CompareRequest(source, (0, 0, 9, 9), ("m",) * count)
