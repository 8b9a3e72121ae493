"""Cut a rectangle into tiles that overlap by what the network can see. Plain arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rect:
    """Half-open: pixels left..right-1, top..bottom-1."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels."""
        return self.bottom - self.top

    def relative_to(self, other: Rect) -> Rect:
        """The same pixels, counted from the corner of `other`."""
        return Rect(self.left - other.left, self.top - other.top, self.right - other.left, self.bottom - other.top)

    def moved(self, right: int, down: int) -> Rect:
        """The same size, so many pixels further right and down."""
        return Rect(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def grown(self, margin: int, within: Rect) -> Rect:
        """`margin` more pixels on each side, cut at the edges of `within`."""
        return Rect(
            max(self.left - margin, within.left),
            max(self.top - margin, within.top),
            min(self.right + margin, within.right),
            min(self.bottom + margin, within.bottom),
        )

    def scaled(self, scale: int) -> Rect:
        """The same area of a picture enlarged by `scale`."""
        return Rect(self.left * scale, self.top * scale, self.right * scale, self.bottom * scale)

    def aligned(self, multiple: int) -> Rect:
        """Grown to the left and upwards until both begin at a multiple of so many pixels."""
        return Rect(self.left - self.left % multiple, self.top - self.top % multiple, self.right, self.bottom)

    def widened(self, multiple: int, within: Rect) -> Rect:
        """Grown to the right, then to the left, until its width is a multiple of so many pixels, as far as `within`
        reaches."""
        right = min(self.right + -self.width % multiple, within.right)
        left = max(self.left - (self.left - right) % multiple, within.left)
        return Rect(left, self.top, right, self.bottom)


@dataclass(frozen=True, slots=True)
class Tile:
    """The pixels a tile is responsible for, and those it must look at to get them right."""

    core: Rect
    padded: Rect


def tiles(area: Rect, within: Rect, side: int, reach: int) -> Iterator[Tile]:
    """Cover `area` with tiles, row by row; their cores neither overlap nor leave a gap.

    Args:
        area: what is to be covered.
        within: what may be looked at, at least `area`. At its edge a tile ends where the picture ends, so that the
            network pads there just as it does on the whole picture.
        side: a core's largest side. The rows and columns are of nearly equal size, so that no sliver is left.
        reach: how far the network looks, in pixels.
    """
    for top, bottom in _spans(area.top, area.bottom, side):
        for left, right in _spans(area.left, area.right, side):
            core = Rect(left, top, right, bottom)
            yield Tile(core, core.grown(reach, within))


def _spans(start: int, stop: int, side: int) -> Iterator[tuple[int, int]]:
    length = stop - start
    count = -(-length // side)
    for index in range(count):
        yield start + length * index // count, start + length * (index + 1) // count
