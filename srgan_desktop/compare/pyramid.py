"""A picture at all the scales that a screen may want, so that no paint ever touches more pixels than it shows.

Level 0 is the picture itself, never copied; every further level is half of the one before (Williams, Pyramidal
Parametrics, SIGGRAPH 1983), down to one tile: a third of the picture's bytes in all. For 12,000 x 9,000 RGB that is
324 MB for the picture, which was decoded anyway, and 108 MB for the levels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.contract.cancel import CancelToken
from core.late import Image, np

TILE = 256
"""Side of a tile in pixels of its level. The coarsest level is one tile."""

ROUGH_SIDE = 2048
"""`rough` begins with the first level whose longer side is at most this."""

_STRIP_ROWS = 512
"""Halved at a time, between two looks at the cancel token; even."""


@dataclass(frozen=True, eq=False)
class Pyramid:
    """A picture and its reductions. Two are equal only if they are the same object, which makes it a cache key."""

    levels: tuple[np.ndarray | None, ...]
    """uint8, H x W, H x W x 3 (RGB) or H x W x 4 (RGBA, not premultiplied). Level k has ceil(side / 2^k) pixels a side.
    None where a rough pyramid has none; the first and the last are always there."""
    exact: bool = True
    """Whether every level is there and holds means, not samples."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of level 0 in pixels."""
        return self.level_size(0)

    @property
    def has_alpha(self) -> bool:
        """Whether there is a fourth channel."""
        return self.levels[-1].shape[2:] == (4,)  # type: ignore[union-attr]

    @property
    def coarsest(self) -> int:
        """The last level: one tile."""
        return len(self.levels) - 1

    def level_size(self, level: int) -> tuple[int, int]:
        """Width and height of a level in pixels."""
        width, height = self.levels[0].shape[1::-1]  # type: ignore[union-attr]
        return -(-width >> level), -(-height >> level)

    def available(self, level: int) -> int:
        """The level itself, or the next coarser one that is there; levels out of range count as the nearest."""
        level = min(max(level, 0), self.coarsest)
        while self.levels[level] is None:
            level += 1
        return level

    def cut(self, level: int, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """Pixels of an available level, as a view."""
        pixels = self.levels[level]
        assert pixels is not None
        return pixels[top:bottom, left:right]


@dataclass(frozen=True)
class Enlarged:
    """A picture enlarged by bicubic interpolation onto the pixel grid of a larger one, tile by tile when looked at.

    Two pictures on one grid line up exactly, whatever the factor between them. Tiles equal those cut from the picture
    enlarged as a whole: each is interpolated from as many pixels around it as the kernel (Keys, a = -0.5) sees.
    """

    source: Pyramid
    width: int
    """Width and height of the grid in pixels."""
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the grid in pixels."""
        return self.width, self.height

    @property
    def coarsest(self) -> int:
        """The first level of the grid that is one tile."""
        return _levels_to(TILE, self.width, self.height)

    def level_size(self, level: int) -> tuple[int, int]:
        """Width and height of a level of the grid in pixels."""
        return math.ceil(self.width / 2**level), math.ceil(self.height / 2**level)

    def available(self, level: int) -> int:
        """The level itself, or the nearest that there is."""
        return min(max(level, 0), self.coarsest)

    def cut(self, level: int, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """Interpolate pixels of a level of the grid: (bottom - top) x (right - left) x C uint8."""
        finest_width, finest_height = self.source.size
        # Pixels of the source for each pixel asked for; reduced ones where that is more than two.
        across, down = 2**level * finest_width / self.width, 2**level * finest_height / self.height
        step = self.source.available(math.floor(math.log2(max(1.0, min(across, down)))))
        across, down = across / 2**step, down / 2**step
        limit_x, limit_y = self.source.level_size(step)
        first_x, last_x, pad_x = _reach(left * across, right * across, across, limit_x)
        first_y, last_y, pad_y = _reach(top * down, bottom * down, down, limit_y)
        part = self.source.cut(step, first_x, first_y, last_x, last_y)
        if pad_x or pad_y:
            part = np.pad(part, ((0, pad_y), (0, pad_x), (0, 0))[: part.ndim], mode="edge")
        image = Image.fromarray(np.ascontiguousarray(part))
        box = (
            left * across - first_x,
            top * down - first_y,
            min(right * across - first_x, image.width),
            min(bottom * down - first_y, image.height),
        )
        return np.asarray(image.resize((right - left, bottom - top), Image.Resampling.BICUBIC, box=box))


def build(pixels: np.ndarray, cancel: CancelToken) -> Pyramid:
    """All levels of a picture, each the mean of 2 x 2 pixels of the one before; about 2 ns a pixel.

    Args:
        pixels: uint8, H x W, H x W x 3 or H x W x 4; kept, and not to be written to again.
        cancel: asked every few million pixels.

    Raises:
        Cancelled: the token was.
    """
    levels = [pixels]
    while max(levels[-1].shape[:2]) > TILE:
        levels.append(_halved(levels[-1], cancel))
    return Pyramid(tuple(levels))


def rough(pixels: np.ndarray) -> Pyramid:
    """A pyramid to show at once while `build` works: of a large picture the middle levels are left out, and the first
    coarse one holds samples in place of means. Takes milliseconds for any size; small pictures get all levels.

    Args:
        pixels: as for `build`.
    """
    height, width = pixels.shape[:2]
    start = _levels_to(ROUGH_SIDE, width, height)
    if start == 0:
        return build(pixels, CancelToken())
    step = 2**start
    rows = np.minimum(np.arange(step // 2, height + step // 2, step), height - 1)
    columns = np.minimum(np.arange(step // 2, width + step // 2, step), width - 1)
    coarse = build(pixels[np.ix_(rows, columns)], CancelToken())
    return Pyramid((pixels, *[None] * (start - 1), *coarse.levels), exact=False)


def _levels_to(side: int, width: int, height: int) -> int:
    """How often a picture is halved until neither side is longer than `side`."""
    return max(0, math.ceil(math.log2(max(width, height) / side)))


def _reach(begin: float, end: float, step: float, limit: int) -> tuple[int, int, int]:
    """The first and last pixel that the kernel sees on an axis, and how many of them lie beyond the picture: the last
    pixel of a reduced level may stand for less than it covers."""
    margin = math.ceil(2 * max(1.0, step)) + 1
    first = max(0, math.floor(begin) - margin)
    last = min(limit, math.ceil(end) + margin)
    return first, last, max(0, math.ceil(end - 1e-6) - limit)


def _halved(pixels: np.ndarray, cancel: CancelToken) -> np.ndarray:
    height, width = pixels.shape[:2]
    result = np.empty(((height + 1) // 2, (width + 1) // 2, *pixels.shape[2:]), np.uint8)
    for top in range(0, height, _STRIP_ROWS):
        cancel.check()
        # Pillow multiplies by alpha first, and lets go of the interpreter lock.
        strip = Image.fromarray(np.ascontiguousarray(pixels[top : top + _STRIP_ROWS])).reduce(2)
        result[top // 2 : top // 2 + strip.height] = np.asarray(strip)
    return result
