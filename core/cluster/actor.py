"""What Ray starts of a worker: it takes on the run's language before it imports anything that has texts."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core import language

if TYPE_CHECKING:
    from core.cluster.messages import Assignment, Message


class UpscaleActor:
    """A `core.cluster.worker.UpscaleWorker`. Many texts are looked up when their modules are imported, so that this
    module imports none of them, and gets as bytes what would."""

    def __init__(self, spoken: str, request: bytes, cpus: int) -> None:
        """Take the language, the pickled `UpscaleRequest`, and how many threads torch may use."""
        language.use(spoken)
        from core.cluster.worker import UpscaleWorker

        self._worker = UpscaleWorker(pickle.loads(request), cpus)

    def ready(self) -> tuple[str, int]:
        """Say that it is up: the node that it is on, and its process."""
        return self._worker.ready()

    def run(self, block: list[Assignment], every: float) -> Iterator[list[Message]]:
        """Do a block, as `UpscaleWorker.run`."""
        yield from self._worker.run(block, every)

    def order(self, what: str) -> None:
        """Do at once as told: `pause`, `resume` or `cancel`."""
        self._worker.order(what)
