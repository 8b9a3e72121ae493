"""Work on a thread of its own, as a generator of events."""

from __future__ import annotations

from typing import Any

import pytest

from core.evaluate.progress import with_progress


def test_progress_results_and_errors_are_passed_on() -> None:
    def collect(work: Any) -> tuple[list[float], Any]:
        seen = []

        def run() -> Any:
            return (yield from with_progress(work, 0.5, 1.0))

        generator = run()
        while True:
            try:
                seen.append(next(generator).fraction)
            except StopIteration as stop:
                return seen, stop.value

    def work(tell: Any) -> str:
        tell(0.5)
        return "done"

    seen, result = collect(work)
    assert result == "done"
    assert seen[-1] == 0.75
    with pytest.raises(ZeroDivisionError):
        collect(lambda _tell: 1 / 0)
