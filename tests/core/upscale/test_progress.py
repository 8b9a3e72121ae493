"""How far a run is stays true while more of it becomes known."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
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


def test_several_threads_may_tell_at_once() -> None:
    meter = ProgressMeter(4000, RunToken(CancelToken()))

    def work(first: int) -> None:
        for number in range(first, first + 1000):
            meter.report(number, Path("a"), 1, 0.5)
            meter.finish(number, 1)

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(work, first) for first in range(0, 4000, 1000)]:
            each.result()
    told = meter.report(4000, Path("a"), 0, 1.0)
    assert told is not None
    assert told.total_fraction == 1.0
