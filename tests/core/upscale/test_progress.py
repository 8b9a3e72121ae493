"""How far a run is stays true while more of it becomes known."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.contract.cancel import CancelToken
from core.upscale.progress import ProgressMeter, RunToken


def test_the_rest_is_told_once_all_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    meter = ProgressMeter(1000, RunToken(CancelToken()), complete=False)
    clock[0] += 10
    meter.finish(0, 500)
    first = meter.report(1, Path("a"), 100, 1.0)
    assert first is not None
    assert (first.total_fraction, first.seconds_left) == (0.6, None)
    meter.know(3000, complete=False)
    second = meter.report(1, Path("a"), 100, 1.0)
    assert second is not None
    assert (second.total_fraction, second.seconds_left) == (0.2, None)
    meter.know(3000, complete=True)
    third = meter.report(1, Path("a"), 100, 1.0)
    assert third is not None
    assert third.seconds_left == pytest.approx(40)
    # A worker died, and what it had done of a picture is to be done anew: that is no way back.
    meter.drop(1)
    last = meter.report(2, Path("b"), 100, 0.0)
    assert last is None or last.total_fraction == 0.2


def test_a_pause_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    cancel = CancelToken()
    meter = ProgressMeter(1000, RunToken(cancel))
    clock[0] += 10
    cancel.pause()
    clock[0] += 3600
    cancel.resume()
    told = meter.report(0, Path("a"), 500, 1.0)
    assert told is not None
    assert told.seconds_left == pytest.approx(10)
