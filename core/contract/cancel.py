"""Cancelling and pausing: one token, asked at every tile and every training step."""

from __future__ import annotations

import threading


class Cancelled(Exception):  # noqa: N818 - it is an answer, not an error
    """Raised by `CancelToken.check` in the working thread once somebody asked it to stop."""


class CancelToken:
    """Shared between the thread that works and the one that listens for the user; every method is thread-safe."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._running = threading.Event()
        self._running.set()

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
        self._running.set()

    def pause(self) -> None:
        """Make `check` wait until `resume` or `cancel`."""
        if not self._cancelled.is_set():
            self._running.clear()

    def resume(self) -> None:
        """Let `check` return again."""
        self._running.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    @property
    def paused(self) -> bool:
        """Whether `check` would wait."""
        return not self._running.is_set()
