"""Which part of a scene is seen, and how large. Pure geometry: device pixels on one side, scene pixels on the other."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

MAX_ZOOM = 64.0
"""Device pixels for one scene pixel."""

LADDER = (
    1 / 64,
    1 / 32,
    1 / 16,
    1 / 8,
    1 / 6,
    1 / 4,
    1 / 3,
    1 / 2,
    2 / 3,
    1,
    1.5,
    2,
    3,
    4,
    6,
    8,
    12,
    16,
    24,
    32,
    48,
    64,
)
"""Where + and - stop."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """Immutable: every movement gives another one, already kept inside the scene."""

    scene: tuple[int, int]
    """Width and height of what is looked at, in scene pixels; both at least 1."""
    pane: tuple[int, int]
    """Width and height of what is looked through, in device pixels."""
    zoom: float
    """Device pixels for one scene pixel."""
    centre: tuple[float, float]
    """The point of the scene in the middle of the pane."""
    fits: bool = False
    """Whether the scene is to fill the pane, also after the pane changes its size."""

    @classmethod
    def fitted(cls, scene: tuple[int, int], pane: tuple[int, int]) -> Viewport:
        """All of the scene, as large as the pane allows."""
        zoom = min(MAX_ZOOM, pane[0] / scene[0], pane[1] / scene[1])
        # A pane may have no size before it is first shown.
        return cls(scene, pane, max(zoom, 1e-6), (scene[0] / 2, scene[1] / 2), True)

    @property
    def origin(self) -> tuple[int, int]:
        """Where the scene's top left corner lies, in device pixels from the pane's.

        Whole, so that at 100 % every scene pixel is exactly one of the screen's.
        """
        return tuple(  # type: ignore[return-value]
            math.floor(side / 2 - middle * self.zoom + 0.5) for side, middle in zip(self.pane, self.centre, strict=True)
        )

    @property
    def shown(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the scene's visible part, in device pixels of the pane."""
        (x, y), (width, height) = self.origin, self.scene
        right, bottom = math.floor(x + width * self.zoom + 0.5), math.floor(y + height * self.zoom + 0.5)
        return max(0, x), max(0, y), max(0, min(self.pane[0], right)), max(0, min(self.pane[1], bottom))

    @property
    def pannable(self) -> bool:
        """Whether any of the scene is out of sight."""
        return any(length * self.zoom > side + 0.5 for length, side in zip(self.scene, self.pane, strict=True))

    @property
    def min_zoom(self) -> float:
        """All of the scene, or 100 % where that is less."""
        return min(1.0, Viewport.fitted(self.scene, self.pane).zoom)

    def to_scene(self, x: float, y: float) -> tuple[float, float]:
        """The scene's point under a point of the pane."""
        return (x - self.origin[0]) / self.zoom, (y - self.origin[1]) / self.zoom

    def zoomed(self, zoom: float, x: float, y: float) -> Viewport:
        """Larger or smaller, with what is under this point of the pane still under it."""
        zoom = min(MAX_ZOOM, max(self.min_zoom, zoom))
        (width, height), (middle_x, middle_y) = self.pane, self.centre
        # Not by way of `origin`, whose rounding would add up over many small steps.
        point_x, point_y = middle_x + (x - width / 2) / self.zoom, middle_y + (y - height / 2) / self.zoom
        centre = point_x - (x - width / 2) / zoom, point_y - (y - height / 2) / zoom
        fits = math.isclose(zoom, Viewport.fitted(self.scene, self.pane).zoom, rel_tol=1e-9)
        return replace(self, zoom=zoom, centre=centre, fits=fits)._inside()

    def stepped(self, direction: int) -> float:
        """The next rung of the ladder above (1) or below (-1) the zoom."""
        if direction > 0:
            return next((rung for rung in LADDER if rung > self.zoom * 1.001), MAX_ZOOM)
        return next((rung for rung in reversed(LADDER) if rung < self.zoom * 0.999), LADDER[0])

    def panned(self, x: float, y: float) -> Viewport:
        """With the scene moved by so many device pixels, as far as there is something to see."""
        centre = self.centre[0] - x / self.zoom, self.centre[1] - y / self.zoom
        return replace(self, centre=centre)._inside()

    def resized(self, pane: tuple[int, int]) -> Viewport:
        """Through another pane: the same zoom around the same centre, or all of the scene if that was shown."""
        if self.fits:
            return Viewport.fitted(self.scene, pane)
        resized = replace(self, pane=pane)
        return replace(resized, zoom=max(resized.zoom, resized.min_zoom))._inside()

    def carried(self, scene: tuple[int, int], zoom: float) -> Viewport:
        """On another scene: at the same place in proportion, or all of it if that was shown."""
        if self.fits:
            return Viewport.fitted(scene, self.pane)
        centre = self.centre[0] / self.scene[0] * scene[0], self.centre[1] / self.scene[1] * scene[1]
        carried = replace(self, scene=scene, centre=centre)
        return replace(carried, zoom=min(MAX_ZOOM, max(carried.min_zoom, zoom)))._inside()

    def _inside(self) -> Viewport:
        """No empty margin where the scene is larger than the pane; in the middle where it is smaller."""
        centre = []
        for length, side, middle in zip(self.scene, self.pane, self.centre, strict=True):
            half = side / 2 / self.zoom
            centre.append(length / 2 if 2 * half >= length else min(max(middle, half), length - half))
        return replace(self, centre=(centre[0], centre[1]))
