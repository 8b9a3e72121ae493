"""What is compared: pictures of different sizes laid over each other on one grid of scene pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from srgan_desktop.compare.pyramid import Enlarged, Pyramid

BARE_FACTOR = 4
"""How finely a picture that has nothing beside it yet is interpolated where it is looked at enlarged."""


@dataclass(frozen=True)
class Layer:
    """A picture and where it lies."""

    source: Pyramid | Enlarged
    x: float
    """Of the top left corner, in scene pixels."""
    y: float
    width: float
    """Covered, in scene pixels."""
    height: float
    crisp: bool = False
    """Whether its pixels are drawn as squares wherever they are larger than the screen's."""


@dataclass(frozen=True)
class Patch:
    """Part of the picture, enlarged: the live preview."""

    source: Pyramid
    region: tuple[int, int, int, int]
    """x, y, width, height in pixels of the picture before."""
    scale: int


@dataclass(frozen=True)
class Scene:
    """A picture before and after, or before alone, perhaps with a patch.

    A scene pixel is a pixel of the result where there is one, is to be one, or a patch tells how large it will be; else of
    the picture before.
    """

    before: Pyramid
    after: Pyramid | None = None
    patch: Patch | None = None
    promised: tuple[int, int] | None = None
    """Width and height of a result that is still being decoded."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in scene pixels."""
        width, height = self.before.size
        if self.after is not None:
            return self.after.size
        if self.promised is not None:
            return self.promised
        if self.patch is not None:
            return width * self.patch.scale, height * self.patch.scale
        return width, height

    @property
    def scaled(self) -> bool:
        """Whether scene pixels are those of a result."""
        return self.after is not None or self.promised is not None or self.patch is not None

    @property
    def comparable(self) -> bool:
        """Whether there is anything to see besides the picture before."""
        return self.after is not None or self.patch is not None

    @property
    def factor(self) -> float:
        """Scene pixels for one pixel of the picture before, across."""
        return self.size[0] / self.before.size[0]

    @property
    def sources(self) -> set[Pyramid | Enlarged]:
        """All that tiles may be cut from."""
        found: set[Pyramid | Enlarged] = {self.before, self._enlarged}
        if self.after is not None:
            found.add(self.after)
        if self.patch is not None:
            found.add(self.patch.source)
        return found

    def layers_before(self, zoom: float, nearest: bool) -> list[Layer]:
        """What the picture before is drawn from, at so many device pixels for one scene pixel.

        Args:
            zoom: device pixels for one scene pixel.
            nearest: draw its pixels as squares; else interpolate it as bicubic enlargement does.
        """
        larger = zoom * self.factor > 1
        if larger and nearest:
            return [self._whole(self.before, crisp=True)]
        if self.size == self.before.size and (self.scaled or not larger):
            return [self._whole(self.before)]
        return [self._whole(self._enlarged)]

    def layers_after(self, zoom: float, nearest: bool) -> list[Layer]:
        """What the result is drawn from, bottom first; `zoom` and `nearest` as above, for what has no result yet."""
        layers = self.layers_before(zoom, nearest) if self.after is None else [self._whole(self.after)]
        if self.patch is not None:
            layers.append(self._patched(self.patch))
        return layers

    def to_before(self, left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
        """x, y, width, height in pixels of the picture before of all that a rectangle in scene pixels touches."""
        width, height = self.before.size
        across, down = width / self.size[0], height / self.size[1]
        # A hair's breadth of a pixel is rounding, and not seen.
        x, y = max(0, int(left * across + 1e-6)), max(0, int(top * down + 1e-6))
        last_x, last_y = min(width, -int(-(right * across - 1e-6) // 1)), min(height, -int(-(bottom * down - 1e-6) // 1))
        return x, y, max(1, last_x - x), max(1, last_y - y)

    @cached_property
    def _enlarged(self) -> Enlarged:
        width, height = self.size if self.scaled else (side * BARE_FACTOR for side in self.size)
        return Enlarged(self.before, width, height)

    def _whole(self, source: Pyramid | Enlarged, crisp: bool = False) -> Layer:
        return Layer(source, 0, 0, *self.size, crisp=crisp)

    def _patched(self, patch: Patch) -> Layer:
        x, y, width, height = patch.region
        across, down = self.size[0] / self.before.size[0], self.size[1] / self.before.size[1]
        return Layer(patch.source, x * across, y * down, width * across, height * down)
