"""The live preview: which part of a picture it does, and the job behind it."""

from __future__ import annotations

from itertools import pairwise
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
        self._of: tuple[Path, Region] | None = None
        """The picture, and what was seen of it when its parts were chosen."""
        self._to_do: list[Region] = []
        self._done: list[Region] = []
        """What is previewed with the settings as they are."""

    @property
    def is_part(self) -> bool:
        """Whether there is more to do of what is seen."""
        return bool(self._to_do)

    @property
    def adds(self) -> bool:
        """Whether what comes next goes with what is there."""
        return bool(self._done)

    def choose(self, source: Path, seen: Region) -> Region | None:
        """The next part to do: the middle of what is seen, then what lies around it, part by part.

        Args:
            source: the picture.
            seen: x, y, width, height in its pixels.

        Returns:
            None where nothing is seen, or all of it is done or under way already.
        """
        if seen[2] < 1 or seen[3] < 1:
            return None
        if self._of is None or self._of[0] != source:
            self._done = []
        if self._of != (source, seen):
            self._of = source, seen
            self._to_do = [part for part in _parts(seen, self._budget) if not self._is_done(part)]
        return self._to_do.pop(0) if self._to_do else None

    def _is_done(self, part: Region) -> bool:
        x, y, width, height = part
        return any(
            left <= x and top <= y and x + width <= left + wide and y + height <= top + high
            for left, top, wide, high in self._done
        )

    def learn(self, done: PreviewReady) -> None:
        """Choose larger or smaller regions from now on. The first of a model, which loads it, counts as slow."""
        self._done.append(done.region)
        pixels = done.region[2] * done.region[3]
        if pixels >= FEWEST_PIXELS and done.seconds > 0:
            wanted = pixels / done.seconds * SECONDS
            # Half-way, and in steps: a budget that follows every measurement would make the region jump.
            mean = (self._budget + wanted) / 2
            if not 0.7 < mean / self._budget < 1.4:
                self._budget = int(min(MOST_PIXELS, max(FEWEST_PIXELS, mean)))

    def forget(self) -> None:
        """Ask again, also for what is done."""
        self._of = None
        self._to_do, self._done = [], []


def _parts(seen: Region, budget: int) -> list[Region]:
    """What is seen, cut into parts of at most so many pixels, the middle first and the corners last."""
    x, y, width, height = seen
    shrink = min(1.0, (budget / (width * height)) ** 0.5)
    wide, high = max(1, round(width * shrink)), max(1, round(height * shrink))
    across, down = _cuts(x, width, wide), _cuts(y, height, high)
    middle = x + width / 2, y + height / 2
    parts = [(left, top, each_width, each_height) for top, each_height in down for left, each_width in across]

    def distance(part: Region) -> float:
        # Among those that are as near, the ones beside before those above: what people compare lies side by side.
        right, below = part[0] + part[2] / 2 - middle[0], part[1] + part[3] / 2 - middle[1]
        return abs(right) / width + 1.01 * abs(below) / height

    return sorted(parts, key=distance)


def _cuts(start: int, length: int, part: int) -> list[tuple[int, int]]:
    """(start, length) of pieces of at most `part`, one of which lies in the middle."""
    first = start + (length - part) // 2
    edges = {start, start + length, first, first + part}
    edges |= set(range(first, start, -part)) | set(range(first + part, start + length, part))
    ordered = sorted(edges)
    return [(low, high - low) for low, high in pairwise(ordered)]
