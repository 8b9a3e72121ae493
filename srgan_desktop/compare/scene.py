"""What is compared: pictures of different sizes laid over each other on one grid of scene pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

from srgan_desktop.compare.pyramid import Enlarged, Pyramid

BARE_FACTOR = 4
"""How finely a picture that has nothing beside it yet is interpolated where it is looked at enlarged."""

Source = Pyramid | Enlarged


@dataclass(frozen=True)
class Layer:
    """A picture and where it lies."""

    source: Source
    x: float
    """Left edge in scene pixels."""
    y: float
    """Top edge in scene pixels."""
    width: float
    """Width covered, in scene pixels."""
    height: float
    crisp: bool = False
    """Whether its pixels are drawn as squares wherever they are larger than the screen's."""


@dataclass(frozen=True)
class Patch:
    """Part of the last picture, where that is not there: the live preview."""

    source: Pyramid
    region: tuple[int, int, int, int]
    """x, y, width, height in pixels of the first picture."""
    scale: int


@dataclass(frozen=True)
class Scene:
    """Pictures of one subject: before and after, or several renderings of it.

    A scene pixel is a pixel of the largest of them, counting one that is to come and what a patch will be part of.
    """

    pictures: tuple[Pyramid | None, ...]
    """None where one is not there (yet): the first one that is stands in for it. At least one is there."""
    patches: tuple[Patch, ...] = ()
    """Parts of the last picture, of one scale; those that come later lie above."""
    promised: tuple[int, int] | None = None
    """Width and height of the largest picture, while some are still being decoded."""
    _base: Pyramid = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_base", next(picture for picture in self.pictures if picture is not None))

    @property
    def base(self) -> Pyramid:
        """The first picture that is there."""
        return self._base

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in scene pixels."""
        sizes = [picture.size for picture in self.pictures if picture is not None]
        if self.promised is not None:
            sizes.append(self.promised)
        if self.patches:
            width, height = self._base.size
            sizes.append((width * self.patches[-1].scale, height * self.patches[-1].scale))
        return max(sizes, key=lambda size: size[0] * size[1])

    @property
    def first_size(self) -> tuple[int, int]:
        """Width and height of the first picture in its own pixels."""
        return self._base.size

    @property
    def comparable(self) -> bool:
        """Whether there is, or will soon be, more to see than one picture."""
        there = sum(picture is not None for picture in self.pictures)
        return there > 1 or bool(self.patches) or self.promised is not None

    @property
    def factor(self) -> float:
        """Scene pixels for one pixel of the first picture, across."""
        return self.size[0] / self._base.size[0]

    @property
    def sources(self) -> set[Source]:
        """All that tiles may be cut from."""
        found: set[Source] = set()
        for picture in self.pictures:
            if picture is not None:
                found |= {picture, self._enlarged(picture)}
        return found | {patch.source for patch in self.patches}

    def has_alpha(self, index: int) -> bool:
        """Whether something may shine through a picture."""
        return self._picture(index).has_alpha

    def layers(self, index: int, zoom: float, nearest: bool) -> list[Layer]:
        """What a picture is drawn from, bottom first.

        Args:
            index: of the picture.
            zoom: device pixels for one scene pixel.
            nearest: draw pixels of pictures smaller than the scene as squares; else interpolate them as bicubic
                enlargement does.
        """
        return [self._whole(self._picture(index), zoom, nearest), *self.patch_layers(index)]

    def patch_layers(self, index: int) -> list[Layer]:
        """The parts of the live preview, where they are parts of this picture."""
        if index != len(self.pictures) - 1:
            return []
        return [self._patched(patch) for patch in self.patches]

    def to_first(self, left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int]:
        """x, y, width, height in pixels of the first picture of all that a rectangle in scene pixels touches."""
        width, height = self._base.size
        across, down = width / self.size[0], height / self.size[1]
        # A hair's breadth of a pixel is rounding, and not seen.
        x, y = max(0, int(left * across + 1e-6)), max(0, int(top * down + 1e-6))
        last_x, last_y = (
            min(width, -int(-(right * across - 1e-6) // 1)),
            min(height, -int(-(bottom * down - 1e-6) // 1)),
        )
        return x, y, max(1, last_x - x), max(1, last_y - y)

    def _picture(self, index: int) -> Pyramid:
        picture = self.pictures[index]
        return self._base if picture is None else picture

    def _whole(self, picture: Pyramid, zoom: float, nearest: bool) -> Layer:
        larger = zoom * self.size[0] / picture.size[0] > 1
        if picture.size == self.size and (self.comparable or not larger):
            return Layer(picture, 0, 0, *self.size)
        if nearest and larger:
            return Layer(picture, 0, 0, *self.size, crisp=True)
        return Layer(self._enlarged(picture), 0, 0, *self.size)

    def _enlarged(self, picture: Pyramid) -> Enlarged:
        width, height = self.size if self.comparable else (side * BARE_FACTOR for side in self.size)
        return Enlarged(picture, width, height)

    def _patched(self, patch: Patch) -> Layer:
        x, y, width, height = patch.region
        across, down = self.size[0] / self._base.size[0], self.size[1] / self._base.size[1]
        return Layer(patch.source, x * across, y * down, width * across, height * down)
