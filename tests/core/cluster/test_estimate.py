"""What a batch would take is measured on its own pictures, and nothing is left of that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.cluster import estimate as estimating
from core.cluster.estimate import SAMPLES, SPREAD, BatchEstimate, estimate
from core.cluster.messages import Assignment, Message
from core.cluster.worker import UpscaleWorker
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.upscale.batch import upscale
from core.upscale.plan import plans
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


def test_of_a_large_batch_a_few_are_kept(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(90):
        picture(tmp_path / "in" / f"{number:02}.png", seed=number)
    monkeypatch.setattr(estimating, "SAMPLES", 2)
    monkeypatch.setattr(estimating, "plans", lambda request, cancel: plans(request, cancel, 5))
    measured: list[str] = []
    run = UpscaleWorker.run

    def noted(self: UpscaleWorker, block: list[Assignment], every: float) -> Iterator[list[Message]]:
        measured.extend(each.task.source.name for each in block)
        return run(self, block, every)

    monkeypatch.setattr(UpscaleWorker, "run", noted)
    found = estimate(request_for(model, tmp_path / "out", tmp_path / "in"), 1, 1, CancelToken())
    assert (found.pictures, found.measured) == (90, 2)
    assert found.megapixels == pytest.approx(90 * 48 * 36 / 1e6)
    # The first one is done once more, for loading the model.
    assert measured[:2] == ["00.png", "00.png"]
    assert "40.png" < measured[2] < "55.png"


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
