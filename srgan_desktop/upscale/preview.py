"""Which part of a picture a preview does: what is seen, but no more than takes a moment on this machine."""

from __future__ import annotations

from pathlib import Path

from core.contract.upscale import PreviewReady

SECONDS = 2.0
"""How long a preview may take."""
FIRST_PIXELS = 256 * 256
"""Source pixels of the first one, before the machine's speed is known."""
FEWEST_PIXELS = 96 * 96
MOST_PIXELS = 1024 * 1024

Region = tuple[int, int, int, int]


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
