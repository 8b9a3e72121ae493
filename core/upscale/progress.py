"""How far a run is, and how long the rest will take. Plain."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from core.contract.cancel import CancelToken
from core.contract.upscale import Progress

EVENTS_A_SECOND = 20


class RunToken(CancelToken):
    """The caller's token, and one more reason to stop."""

    def __init__(self, outer: CancelToken) -> None:
        super().__init__()
        self._outer = outer

    def check(self) -> None:
        """Ask both tokens.

        Raises:
            Cancelled: one of them was cancelled.
        """
        super().check()
        self._outer.check()

    def clock(self) -> float:
        """Tell the time of the caller's clock: it is that token which is paused."""
        return self._outer.clock()


class ProgressMeter:
    """How far the run is, by pixels of results, and how long the rest will take. Several may be in work at once, on
    threads of their own."""

    def __init__(self, total: int, token: RunToken, *, complete: bool = True) -> None:
        """Take the pixels of all results, or of those that are known so far, and the token of the run."""
        self._total = max(1, total)
        self._complete = complete
        self._token = token
        self._done = 0
        self._parts: dict[int, float] = {}
        """Pixels done of each task in work."""
        self._begun = token.clock()
        self._last_sent = 0.0
        self._last_part = 0.0
        self._lock = threading.Lock()

    def know(self, total: int, *, complete: bool) -> None:
        """Take the pixels of all results that are known by now, and whether these are all."""
        with self._lock:
            if total > self._total:
                self._total = total
                # What was done is a smaller part of that.
                self._last_part = 0.0
            self._complete = complete

    def finish(self, number: int, pixels: int) -> None:
        """A task is over, well or not."""
        with self._lock:
            self._parts.pop(number, None)
            self._done += pixels

    def drop(self, number: int) -> None:
        """A task is not in work any more, and will be begun anew."""
        with self._lock:
            self._parts.pop(number, None)

    def report(self, number: int, source: Path, pixels: int, fraction: float) -> Progress | None:
        """The event to send; None when the last one was only just sent.

        Args:
            number: of the task, none other's that is in work.
            source: what it is made of.
            pixels: of its result.
            fraction: how much of it is done, 0 to 1.
        """
        with self._lock:
            return self._report(number, source, pixels, fraction)

    def _report(self, number: int, source: Path, pixels: int, fraction: float) -> Progress | None:
        self._parts[number] = fraction * pixels
        now = time.monotonic()
        if now - self._last_sent < 1 / EVENTS_A_SECOND and fraction < 1:
            return None
        self._last_sent = now
        # What a worker had begun when it died is begun anew: better to stand still than to go back.
        part = max(self._last_part, min(1.0, (self._done + sum(self._parts.values())) / self._total))
        self._last_part = part
        working = self._token.clock() - self._begun
        left = working / part * (1 - part) if self._complete and working > 1 and part > 0.005 else None
        return Progress(source, fraction, part, left)
