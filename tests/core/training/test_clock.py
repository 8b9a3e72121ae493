"""How long steps take is told without what lies between them."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from core.contract.cancel import CancelToken
from core.training.clock import StepClock


def test_steps_are_told_of_however_often_it_validates() -> None:
    """Steps of 10 ms with a validation of 20 ms after each: an event each 50 ms, which leaves the validations out."""
    now = 0.0
    loader: Any = SimpleNamespace(waited=0.0)
    clock = StepClock(loader, lambda: now)
    told = 0
    for _ in range(100):
        now += 0.01
        loader.waited += 0.001
        told += clock.due(force=False)
        now += 0.02
        clock.restart()
    assert told == pytest.approx(100 / 2, abs=1)
    assert clock.seconds_per_step == pytest.approx(0.01)
    assert clock.waited == pytest.approx(0.1)


def test_a_pause_makes_no_step_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    loader: Any = SimpleNamespace(waited=0.0)
    cancel = CancelToken()
    clock = StepClock(loader, cancel.clock)
    now[0] += 2
    assert clock.due(force=True)
    cancel.pause()
    now[0] += 3600
    cancel.resume()
    now[0] += 2
    assert clock.due(force=True)
    assert clock.seconds_per_step == pytest.approx(2)
