"""How the panes of a comparison share the canvas. Pure geometry, in device pixels."""

from __future__ import annotations

from enum import Enum


class Mode(Enum):
    """How pictures are compared."""

    SPLIT = "split"
    """Two lie over each other, parted by a divider."""
    SIDE = "side"
    """Each has a pane of its own; zoom and centre are common."""
    TOGGLE = "toggle"
    """One at a time, in the same place."""


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
