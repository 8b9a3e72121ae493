"""A check measures what it says."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.evaluate import CheckProgress, CheckReady, CheckRequest
from core.evaluate import check as check_module
from core.evaluate.check import check
from core.evaluate.metrics import psnr_y, ssim_y
from core.evaluate.resampling import enlarge_bicubic, reduce_bicubic
from core.paths import RESOURCES
from core.upscale.engine import open_engine
from tests.core.training.pictures import textured, vgg16_file

pytestmark = pytest.mark.usefixtures("_no_cached_content")


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
    """The batch makes it grey, though the network tints it."""
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
