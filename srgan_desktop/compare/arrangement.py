"""How the panes of a comparison share the canvas. Geometry alone, in device pixels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QRect

from srgan_desktop.compare.scene import Scene


class Mode(Enum):
    """How pictures are compared."""

    SPLIT = "split"
    """Two lie over each other, parted by a divider."""
    SIDE = "side"
    """Each has a pane of its own; zoom and centre are common."""
    TOGGLE = "toggle"
    """One at a time, in the same place."""


@dataclass(frozen=True, slots=True)
class Pane:
    """One look at the scene."""

    area: QRect
    """In device pixels of the canvas; what the viewport looks through."""
    clip: QRect
    """The part of the area that is drawn."""
    index: int
    """Which picture is drawn."""
    flush_right: bool = False
    """Whether its caption sits on the right."""


Cell = tuple[int, int, int, int]
"""x, y, width, height."""


def side_by_side(count: int, scene: tuple[int, int], canvas: tuple[int, int], gap: int) -> list[Cell]:
    """Cells of equal size, in the rows and columns that show the scene largest; in reading order.

    Args:
        count: cells wanted, at least 1.
        scene: width and height; only their proportion counts.
        canvas: width and height.
        gap: between two cells.
    """
    best: list[Cell] = []
    best_zoom = -1.0
    for columns in range(count, 0, -1):
        rows = -(-count // columns)
        if columns > 1 and -(-count // (columns - 1)) == rows:
            # One column less needs no more rows.
            continue
        width = max(1, (canvas[0] - gap * (columns - 1)) // columns)
        height = max(1, (canvas[1] - gap * (rows - 1)) // rows)
        zoom = min(width / scene[0], height / scene[1])
        if zoom > best_zoom:
            best_zoom = zoom
            best = [
                (index % columns * (width + gap), index // columns * (height + gap), width, height)
                for index in range(count)
            ]
    return best


def panes_of(
    scene: Scene, mode: Mode, canvas: QRect, gap: int, split: int, pair: tuple[int, int], shown: int
) -> list[Pane]:
    """What the canvas is divided into.

    Args:
        scene: what is looked at; where nothing in it can be compared, it has one pane.
        mode: how it is compared.
        canvas: all of it.
        gap: between two panes side by side.
        split: x of the divider of `Mode.SPLIT`.
        pair: indices of the pictures left and right of it.
        shown: index of the picture of `Mode.TOGGLE`.
    """
    if not scene.comparable:
        only = next(index for index, picture in enumerate(scene.pictures) if picture is not None)
        return [Pane(canvas, canvas, only)]
    if mode is Mode.TOGGLE:
        return [Pane(canvas, canvas, shown)]
    if mode is Mode.SIDE:
        cells = side_by_side(len(scene.pictures), scene.size, (canvas.width(), canvas.height()), gap)
        return [Pane(area, area, index) for index, area in enumerate(QRect(*cell) for cell in cells)]
    left, right = pair
    return [
        Pane(canvas, QRect(0, 0, split, canvas.height()), left),
        Pane(canvas, QRect(split, 0, canvas.width() - split, canvas.height()), right, flush_right=True),
    ]
