"""Small pictures are computed several at a time, and nothing else about a batch changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.settings import OutputSize, Precision
from core.contract.upscale import FileFailed, FileSaved, FileStarted, Input, Progress, UpscaleRequest
from core.images import Picture, load, save, save_all
from core.runtimes.network import Part, Report
from core.tiling import Rect
from core.upscale import stages
from core.upscale.batch import upscale
from core.upscale.engine import Engine
from tests.core.upscale.conftest import Outcome, Run, files_in, picture
from tests.core.upscale.doubling import Doubling

COUNT = 12
PATIENCE = 60


class Lane(Doubling):
    """Notes what is computed at the same time as it."""

    def __init__(self, model: Laned) -> None:
        self.model = model

    def run(self, source: np.ndarray, core: Rect, kind: type[np.generic], report: Report) -> Iterator[Part]:
        with self.model.lock:
            self.model.at_once += 1
            self.model.most = max(self.model.most, self.model.at_once)
        try:
            self.model.meet(source, report)
            yield from super().run(source, core, kind, report)
        finally:
            with self.model.lock:
                self.model.at_once -= 1


class Laned(Lane):
    """A model with two lanes; on the whole of it, as on them, `meet` is called for each tile."""

    def __init__(self) -> None:
        super().__init__(self)
        self.lock = threading.Lock()
        self.at_once = self.most = 0
        self.made = 0
        self.meet: Any = lambda _source, _report: None

    def network(self, precision: Precision) -> Doubling:
        return Lane(self)

    def lanes(self, precision: Precision) -> Sequence[Doubling]:
        self.made += 1
        return [Lane(self), Lane(self)]


@pytest.fixture
def laned(monkeypatch: pytest.MonkeyPatch) -> Laned:
    model = Laned()
    engine = Engine(model, "doubling")
    monkeypatch.setattr(stages, "open_engine", lambda *_settings: engine)
    return model


@pytest.fixture
def run2x(run: Run) -> Run:
    plain = {"model": "", "size": OutputSize.parse("2x"), "tie_colours": False}
    return lambda *inputs, **settings: run(*inputs, **plain | settings)


def small_pictures(folder: Path, count: int = COUNT) -> None:
    for number in range(count):
        picture(folder / f"{number:02}.png", 12 + number, 9, seed=number)


def test_two_are_computed_at_once_and_all_come_out_right(tmp_path: Path, laned: Laned, run2x: Run) -> None:
    # Neither of the first two goes on before the other is there.
    both = threading.Barrier(2)
    met: list[bool] = []

    def meet(_source: object, _report: object) -> None:
        if len(met) < 2:
            both.wait(PATIENCE)
            met.append(True)

    laned.meet = meet
    small_pictures(tmp_path / "in")
    outcome = run2x(tmp_path / "in")
    assert laned.most == 2
    assert laned.made == 1
    assert len(outcome.saved) == COUNT
    for source, result in outcome.saved.items():
        wanted = load(tmp_path / "in" / source).pixels.repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(load(result).pixels, wanted)
    fractions = [event.total_fraction for event in outcome.of(Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    started = [event.source.name for event in outcome.of(FileStarted)]
    assert started == sorted(outcome.saved)


def test_a_large_picture_a_sequence_and_a_short_batch_have_all_cores(
    tmp_path: Path, laned: Laned, run2x: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "LANE_PIXELS", 400)
    alone: list[int] = []

    def meet(source: np.ndarray, _report: object) -> None:
        if source.shape[0] > 30:
            alone.append(laned.at_once)

    laned.meet = meet
    small_pictures(tmp_path / "in")
    for name in ("04 large.png", "07 large.png", "99 large.png"):
        picture(tmp_path / "in" / name, 40, 40)
    frames = [np.full((40, 40, 3), level, np.uint8) for level in (0, 90)]
    save_all(tmp_path / "in" / "05 pages.tif", (Picture(each, None) for each in frames), "tiff")
    outcome = run2x(tmp_path / "in")
    assert len(outcome.saved) == COUNT + 4
    assert not outcome.failed
    assert alone
    assert set(alone) == {1}
    laned.most = 0
    small_pictures(tmp_path / "few", stages.LANES_FROM - 1)
    assert len(run2x(tmp_path / "few").saved) == stages.LANES_FROM - 1
    assert laned.most == 1


def test_what_fails_on_a_lane_is_told_of_and_the_rest_goes_on(tmp_path: Path, laned: Laned, run2x: Run) -> None:
    def meet(source: np.ndarray, _report: object) -> None:
        if source.shape[1] == 12 + 5:
            raise ZeroDivisionError("a bug")

    laned.meet = meet
    small_pictures(tmp_path / "in")
    outcome = run2x(tmp_path / "in")
    [failed] = outcome.of(FileFailed)
    assert failed.source.name == "05.png"
    assert "ZeroDivisionError: a bug" in failed.details
    assert len(outcome.saved) == COUNT - 1
    assert files_in(tmp_path / "in_2x") == sorted(outcome.saved)


@pytest.mark.parametrize("paused", [False, True])
def test_cancelling_ends_all_lanes(paused: bool, tmp_path: Path, laned: Laned, run2x: Run) -> None:
    both = threading.Barrier(3)

    def meet(source: np.ndarray, report: Report) -> None:
        if source.shape[1] >= 12 + 4:
            both.wait(PATIENCE)
            both.wait(PATIENCE)
            report(0.5)

    laned.meet = meet
    small_pictures(tmp_path / "in")
    token = CancelToken()
    size = OutputSize.parse("2x")
    request = UpscaleRequest((Input(tmp_path / "in"),), tmp_path / "out", size=size, tie_colours=False)
    outcome = Outcome()
    before = set(threading.enumerate())

    def stop() -> None:
        both.wait(PATIENCE)
        if paused:
            token.pause()
        token.cancel()
        both.wait(PATIENCE)

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(Cancelled):
        outcome.events.extend(upscale(request, token))
    stopper.join()
    assert set(threading.enumerate()) <= before
    assert files_in(tmp_path / "out") == [f"{number:02}.png" for number in range(4)]
    assert not list(tmp_path.rglob("*.part"))
    laned.meet = lambda _source, _report: None
    assert len(run2x(tmp_path / "in", output=tmp_path / "out").saved) == COUNT - 4


def test_a_disk_that_is_full_ends_the_run_on_lanes_too(
    tmp_path: Path, laned: Laned, run2x: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, saved = save, []

    def full(path: Path, *rest: Any, **ways: Any) -> Any:
        if len(saved) == 3:
            raise OSError(28, "No space left on device", str(path))
        saved.append(path)
        return real(path, *rest, **ways)

    monkeypatch.setattr(stages, "save", full)
    small_pictures(tmp_path / "in", 40)
    with pytest.raises(UserError, match="is full"):
        run2x(tmp_path / "in")
    assert len(files_in(tmp_path / "in_2x")) == 3


def test_times_of_pictures_that_were_computed_together_are_not_counted_twice(
    tmp_path: Path, laned: Laned, run2x: Run
) -> None:
    both = threading.Barrier(2)

    def meet(_source: object, _report: object) -> None:
        both.wait(PATIENCE)
        threading.Event().wait(0.1)

    laned.meet = meet
    small_pictures(tmp_path / "in")
    outcome = run2x(tmp_path / "in")
    computed = sum(event.seconds for event in outcome.of(FileSaved))
    assert 0.05 * COUNT < computed < 1.5 * outcome.events[-1].seconds
