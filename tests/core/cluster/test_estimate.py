"""What a batch would take is measured on its own pictures, and nothing is left of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cluster.estimate import SAMPLES, SPREAD, BatchEstimate, estimate
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.upscale.batch import upscale
from tests.core.cluster.conftest import broken_picture, request_for
from tests.core.upscale.conftest import picture


def test_hours_follow_from_pixels_speed_and_workers() -> None:
    found = BatchEstimate(2_000_000, 3_600_000.0, 24, 2.0, 10)
    assert found.worker_hours == pytest.approx(2000 * (1 + SPREAD))
    assert found.hours == pytest.approx(200 * (1 + SPREAD))


def test_a_few_pictures_of_the_batch_are_measured(tmp_path: Path, model: str) -> None:
    for number in range(60):
        picture(tmp_path / "in" / f"{number:02}.png", seed=number)
    request = request_for(model, tmp_path / "out", tmp_path / "in")
    found = estimate(request, 3, 1, CancelToken())
    assert (found.pictures, found.measured, found.workers) == (60, SAMPLES, 3)
    assert found.megapixels == pytest.approx(60 * 48 * 36 / 1e6)
    assert found.seconds_per_megapixel > 0
    assert not (tmp_path / "out").exists()


def test_pictures_that_break_are_not_measured(tmp_path: Path, model: str) -> None:
    broken_picture(tmp_path / "in" / "broken.png")
    request = request_for(model, tmp_path / "out", tmp_path / "in")
    with pytest.raises(UserError, match="None of the pictures"):
        estimate(request, 1, 1, CancelToken())
    picture(tmp_path / "in" / "sound.png")
    assert estimate(request, 1, 1, CancelToken()).measured == 1


def test_what_is_done_is_not_counted(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    request = request_for(model, tmp_path / "out", tmp_path / "in")
    list(upscale(request, CancelToken()))
    with pytest.raises(UserError, match="nothing left"):
        estimate(request, 1, 1, CancelToken())


def test_measuring_can_be_stopped(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        estimate(request_for(model, tmp_path / "out", tmp_path / "in"), 1, 1, cancel)
