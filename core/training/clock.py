"""How long steps take, how much of that was waiting for data, and when it is time for another event."""

from __future__ import annotations

import math
from collections.abc import Callable

from core.training.dataset import CropLoader

EVENTS_A_SECOND = 20
LOGGED_EVERY = 2.0
"""Seconds between two steps in the log: a run of days stays small."""


class StepClock:
    """Counts the steps of a stage."""

    def __init__(self, loader: CropLoader, now: Callable[[], float]) -> None:
        """Take what is waited for, and a clock, in seconds, that stands still in pauses."""
        self.loader = loader
        self._now = now
        self.seconds_per_step = 0.0
        """Running mean."""
        self.waited = 0.0
        """Share of the time since the last event."""
        self._logged = -math.inf
        self._last_event = -math.inf
        self._elapsed = self._waiting = 0.0
        self._steps = 0
        self.restart()

    def restart(self) -> None:
        """Leave out what happened since the last step: a validation, a checkpoint."""
        self._begin = self._now()
        self._waited_before = self.loader.waited

    def due(self, *, force: bool) -> bool:
        """Count a step; true where the next event is due, whose figures are then set."""
        now = self._now()
        self._steps += 1
        self._elapsed += now - self._begin
        self._waiting += self.loader.waited - self._waited_before
        self.restart()
        # By the time of the last event and not of the last restart: validations may come faster than events.
        if now - self._last_event < 1 / EVENTS_A_SECOND and not force:
            return False
        seconds = self._elapsed / self._steps
        old = self.seconds_per_step or seconds
        self.seconds_per_step = 0.95 * old + 0.05 * seconds
        self.waited = self._waiting / self._elapsed
        self._last_event = now
        self._elapsed = self._waiting = 0.0
        self._steps = 0
        return True

    def log_due(self, *, force: bool) -> bool:
        """True where the step should go into the log."""
        if self._now() - self._logged < LOGGED_EVERY and not force:
            return False
        self._logged = self._now()
        return True
