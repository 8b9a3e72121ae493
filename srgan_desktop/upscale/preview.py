"""The live preview: which part of a picture it does, and the job behind it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.contract.jobs import JobCancelled, JobDone, JobFailed
from core.contract.upscale import PreviewReady, PreviewRequest, Region
from srgan_desktop import problems
from srgan_desktop.job import Job

SECONDS = 2.0
"""How long a preview may take."""
FIRST_PIXELS = 256 * 256
"""Source pixels of the first one, before the machine's speed is known."""
FEWEST_PIXELS = 96 * 96
MOST_PIXELS = 1024 * 1024


class Previews(QObject):
    """Has one preview made at a time; a newer one takes the place of the one under way."""

    ready = Signal(object)
    """`PreviewReady` of the newest one asked for."""
    failed = Signal(object)
    """The `Problem` that it met."""

    def __init__(self, job: Job, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._number: int | None = None
        self.request: PreviewRequest | None = None
        """The newest one asked for."""

    @property
    def under_way(self) -> bool:
        """Whether a preview is being made."""
        return self._number is not None

    def ask(self, request: PreviewRequest) -> None:
        """Have this made; an older one is given up."""
        self.give_up()
        self.request = request
        self._number = self._job.run(request)

    def give_up(self) -> None:
        """Forget the preview that is under way."""
        if self._number is not None:
            self._job.cancel(self._number)
            self._number = None

    def take(self, job: int, event: object) -> None:
        """Take an event of one of the session's jobs."""
        if job != self._number:
            return
        match event:
            case PreviewReady():
                self._number = None
                self.ready.emit(event)
            case JobFailed():
                self._number = None
                self.failed.emit(problems.of_event(event))
            case JobDone() | JobCancelled():
                self._number = None


class PreviewRegion:
    """Remembers how fast previews were, and the last one, so that none is asked for twice."""

    def __init__(self) -> None:
        self._budget = FIRST_PIXELS
        self._last: tuple[Path, Region] | None = None
        self.is_part = False
        """Whether the last region chosen was less than what was seen."""

    def choose(self, source: Path, seen: Region) -> Region | None:
        """The part to do, from the middle of what is seen; None where nothing is, or it is done already.

        Args:
            source: the picture.
            seen: x, y, width, height in its pixels.
        """
        x, y, width, height = seen
        if width < 1 or height < 1:
            return None
        shrink = min(1.0, (self._budget / (width * height)) ** 0.5)
        wide, high = max(1, round(width * shrink)), max(1, round(height * shrink))
        region = (x + (width - wide) // 2, y + (height - high) // 2, wide, high)
        if self._last == (source, region):
            return None
        self._last = (source, region)
        self.is_part = shrink < 1
        return region

    def learn(self, done: PreviewReady) -> None:
        """Choose larger or smaller regions from now on. The first of a model, which loads it, counts as slow."""
        pixels = done.region[2] * done.region[3]
        if pixels >= FEWEST_PIXELS and done.seconds > 0:
            wanted = pixels / done.seconds * SECONDS
            # Half-way, and in steps: a budget that follows every measurement would make the region jump.
            mean = (self._budget + wanted) / 2
            if not 0.7 < mean / self._budget < 1.4:
                self._budget = int(min(MOST_PIXELS, max(FEWEST_PIXELS, mean)))

    def forget(self) -> None:
        """Ask again, also for the same region."""
        self._last = None
