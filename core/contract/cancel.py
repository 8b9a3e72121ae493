"""Cancelling and pausing: one token, asked at every tile and every training step."""

from __future__ import annotations

import threading
import time


class Cancelled(Exception):  # noqa: N818 - it is an answer, not an error
    """Raised by `CancelToken.check` in the working thread once somebody asked it to stop."""


class CancelToken:
    """Shared between the thread that works and the one that listens for the user; every method is thread-safe."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self._lock = threading.Lock()
        self._paused_since: float | None = None
        self._paused_before = 0.0

    def check(self) -> None:
        """Return at once, wait while paused, or raise.

        Raises:
            Cancelled: after `cancel()`, also when the token was paused at the time.
        """
        self._running.wait()
        if self._cancelled.is_set():
            raise Cancelled

    def sleep(self, seconds: float) -> None:
        """Wait so long, and then as `check`; not a moment longer than until `cancel`.

        Raises:
            Cancelled: after `cancel()`.
        """
        self._cancelled.wait(seconds)
        self.check()

    def cancel(self) -> None:
        """Make every later (and every waiting) `check` raise."""
        self._cancelled.set()
        self.resume()

    def pause(self) -> None:
        """Make `check` wait until `resume` or `cancel`."""
        with self._lock:
            if not self._cancelled.is_set() and self._paused_since is None:
                self._paused_since = time.monotonic()
                self._running.clear()

    def resume(self) -> None:
        """Let `check` return again."""
        with self._lock:
            self._paused_before = self._paused_seconds(time.monotonic())
            self._paused_since = None
            self._running.set()

    def clock(self) -> float:
        """Tell the time of a clock, in seconds, that stands still while this is paused.

        One for all threads: several that wait in `check` wait for the same pause.
        """
        with self._lock:
            now = time.monotonic()
            return now - self._paused_seconds(now)

    def _paused_seconds(self, now: float) -> float:
        return self._paused_before + (0 if self._paused_since is None else now - self._paused_since)

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    @property
    def paused(self) -> bool:
        """Whether `check` would wait."""
        return not self._running.is_set()
