"""A live preview that lies over the place of the result: its parts, what to call them, whether they are seen."""

from __future__ import annotations

from collections.abc import Sequence

from core.language import gettext as _
from srgan_desktop.compare.pyramid import Pyramid
from srgan_desktop.compare.scene import Patch, Scene

MOST_PATCHES = 100
"""Parts of a live preview that are kept; those that came first go first."""


class Overlay:
    """The parts of one preview, and the scene that they make with the pictures below."""

    def __init__(self) -> None:
        self.patches: tuple[Patch, ...] = ()
        self.caption = ""
        """What to call it; empty adds a word to the caption of the result."""
        self.is_old = False
        """Whether a newer one is being made, and this one only stands in for it."""
        self.is_hidden = False
        """Whether the result is shown in its place."""

    @property
    def is_seen(self) -> bool:
        """Whether any of it is shown."""
        return bool(self.patches) and not self.is_hidden

    def take(self, patch: Patch, *, adds: bool, old: bool) -> None:
        """Show a part, beside those that are there where it adds to them."""
        kept = self.patches[1 - MOST_PATCHES :] if adds else ()
        self.patches = (*kept, patch)
        self.is_old = old

    def drop(self) -> None:
        """Have nothing to show."""
        self.patches = ()
        self.is_old = False

    def words(self, below: str) -> str:
        """The caption, over that of the result."""
        return (self.caption or _("{below} · preview").format(below=below)) + (_(" · updating") if self.is_old else "")

    def scene(self, pictures: Sequence[Pyramid | None], promised: tuple[int, int] | None) -> Scene:
        """The pictures, and the preview in place of the last one. Either way the scene is as large as with both, so
        that nothing moves when they change places.

        Args:
            pictures: None for one that is not there yet; at least one is.
            promised: size of the largest, while some are still being decoded.
        """
        result = pictures[-1]
        if not self.patches or result is None or len(pictures) < 2:
            return Scene(tuple(pictures), self.patches, promised)
        if not self.is_hidden:
            return Scene((*pictures[:-1], None), self.patches, _larger(promised, result.size))
        first = next(picture for picture in pictures if picture is not None)
        width, height = (side * self.patches[-1].scale for side in first.size)
        return Scene(tuple(pictures), (), _larger(promised, (width, height)))


def _larger(one: tuple[int, int] | None, other: tuple[int, int]) -> tuple[int, int]:
    return max((one or (0, 0)), other, key=lambda size: size[0] * size[1])
