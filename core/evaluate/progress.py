"""Long work that reports by a callback, turned into a generator of events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import TypeVar

from core.contract.cancel import Cancelled
from core.contract.evaluate import CheckProgress

PROGRESS_EVERY = 0.05
"""Seconds between two events."""

Result = TypeVar("Result")
Report = Callable[[float], None]


def with_progress(
    work: Callable[[Report], Result], begin: float = 0.0, end: float = 1.0
) -> Generator[CheckProgress, None, Result]:
    """Do `work` on a thread of its own, and yield how far it is.

    Args:
        work: is given a function to tell the fraction done, 0 to 1; it may raise `Cancelled` from it.
        begin: what that 0 is of the whole, for work in several parts.
        end: what that 1 is.

    Returns:
        What `work` returns.

    Raises:
        Exception: whatever `work` raises.
    """
    fraction, reported = 0.0, -1.0
    left = threading.Event()
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def report(done: float) -> None:
        nonlocal fraction
        if left.is_set():
            raise Cancelled
        fraction = done

    def run() -> None:
        try:
            outcome.append(work(report))
        except BaseException as error:  # raised again where the caller sees it
            failure.append(error)

    thread = threading.Thread(target=run, name="measure", daemon=True)
    thread.start()
    try:
        working = True
        while working:
            thread.join(PROGRESS_EVERY)
            working = thread.is_alive()
            if fraction != reported:
                reported = fraction
                yield CheckProgress(begin + (end - begin) * reported)
    finally:
        # The caller may use the device next: wait until this work has left it.
        left.set()
        thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
