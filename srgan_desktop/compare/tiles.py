"""Drawing layers from tiles: only those in sight become pixmaps, and those used last are kept."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Collection

from PySide6.QtCore import QRect, QRectF
from PySide6.QtGui import QPainter, QPixmap

from srgan_desktop.compare.pyramid import TILE
from srgan_desktop.compare.scene import Layer, Source
from srgan_desktop.pixels import to_qpixmap

CACHE_BYTES = 256 << 20
"""Most bytes of pixmaps. A 3840 x 2160 screen shows at most 133 MB of them at once."""

PAINT_SECONDS = 0.012
"""How long one paint may make tiles; for the rest coarser ones stand in until the next paint."""

CRISP_ZOOM = 3.0
"""From so many device pixels for one of a picture on, its pixels are drawn as squares."""


class TileCache:
    """Pixmaps of tiles, those used longest ago thrown away first. Used in the main thread alone."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        """Hold nothing yet.

        Args:
            limit: bytes of pixmaps, at 4 a pixel.
        """
        self.limit = limit
        self.bytes = 0
        self.made = 0
        """Tiles made so far, for measuring."""
        self._tiles: OrderedDict[tuple[Source, int, int, int], QPixmap] = OrderedDict()

    def get(self, source: Source, level: int, column: int, row: int) -> QPixmap | None:
        """A tile, if it is there."""
        key = (source, level, column, row)
        tile = self._tiles.get(key)
        if tile is not None:
            self._tiles.move_to_end(key)
        return tile

    def make(self, source: Source, level: int, column: int, row: int) -> QPixmap:
        """Cut a tile, with a pixel of its neighbours all around, and keep it."""
        tile = to_qpixmap(source.cut(level, *_bounds(source, level, column, row, apron=1)))
        self.made += 1
        self._tiles[source, level, column, row] = tile
        self.bytes += _bytes_of(tile)
        while self.bytes > self.limit:
            _key, oldest = self._tiles.popitem(last=False)
            self.bytes -= _bytes_of(oldest)
        return tile

    def keep_only(self, sources: Collection[Source]) -> None:
        """Throw away the tiles of all other sources, which frees those, too."""
        for key in [key for key in self._tiles if key[0] not in sources]:
            self.bytes -= _bytes_of(self._tiles.pop(key))


class LayerPainter:
    """Draws layers during one paint."""

    def __init__(self, painter: QPainter, cache: TileCache, seconds: float = PAINT_SECONDS) -> None:
        """Begin to count the time.

        Args:
            painter: in device pixels.
            cache: where tiles come from.
            seconds: that may be spent on making tiles; at least one is made.
        """
        self._painter = painter
        self._cache = cache
        self._deadline = time.perf_counter() + seconds
        self._made_any = False
        self.complete = True
        """Whether all was drawn at its full resolution; else another paint is needed."""

    def draw(self, layer: Layer, zoom: float, origin: tuple[int, int], clip: QRect) -> None:
        """Draw what of a layer lies in a rectangle.

        Args:
            layer: what.
            zoom: device pixels for one scene pixel.
            origin: of the scene, in device pixels.
            clip: in device pixels.
        """
        source = layer.source
        width, height = source.size
        # Device pixels for one pixel of level 0.
        across, down = zoom * layer.width / width, zoom * layer.height / height
        left, top = origin[0] + zoom * layer.x, origin[1] + zoom * layer.y
        extent = QRect(_round(left), _round(top), 0, 0)
        extent.setRight(_round(left + zoom * layer.width) - 1)
        extent.setBottom(_round(top + zoom * layer.height) - 1)
        clip = clip.intersected(extent)
        if clip.isEmpty():
            return
        # The finest level that need not be reduced to less than half; a coarser one would be blurred.
        level = source.available(math.floor(math.log2(max(1.0, 1 / max(across, down)))))
        crisp = layer.crisp or min(across, down) >= CRISP_ZOOM
        self._painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not crisp)
        side_x, side_y = TILE * 2**level * across, TILE * 2**level * down
        columns, rows = (math.ceil(length / TILE) for length in source.level_size(level))
        first_column, last_column = _spanned(clip.left() - left, clip.right() + 1 - left, side_x, columns)
        first_row, last_row = _spanned(clip.top() - top, clip.bottom() + 1 - top, side_y, rows)
        for row in range(first_row, last_row):
            for column in range(first_column, last_column):
                cell = QRect(_round(left + side_x * column), _round(top + side_y * row), 0, 0)
                cell.setRight(_round(left + side_x * (column + 1)) - 1)
                cell.setBottom(_round(top + side_y * (row + 1)) - 1)
                self._painter.setClipRect(cell.intersected(clip))
                shown, pixmap = self._tile(source, level, column, row)
                shift = shown - level
                x0, y0, x1, y1 = _bounds(source, shown, column >> shift, row >> shift, apron=1)
                step_x, step_y = 2**shown * across, 2**shown * down
                target = QRectF(left + step_x * x0, top + step_y * y0, step_x * (x1 - x0), step_y * (y1 - y0))
                self._painter.drawPixmap(target, pixmap, QRectF(0, 0, x1 - x0, y1 - y0))

    def _tile(self, source: Source, level: int, column: int, row: int) -> tuple[int, QPixmap]:
        """A tile and its level: the one asked for, or when time is up the next coarser one that is there."""
        tile = self._cache.get(source, level, column, row)
        if tile is not None:
            return level, tile
        if not self._made_any or time.perf_counter() < self._deadline:
            self._made_any = True
            return level, self._cache.make(source, level, column, row)
        self.complete = False
        for coarser in range(level + 1, source.coarsest + 1):
            tile = self._cache.get(source, coarser, column >> coarser - level, row >> coarser - level)
            if tile is not None:
                return coarser, tile
        return source.coarsest, self._cache.make(source, source.coarsest, 0, 0)


def _bounds(source: Source, level: int, column: int, row: int, apron: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a tile in pixels of its level. The apron gives interpolation at a tile's edge the
    pixels of its neighbours, so that no seam shows."""
    width, height = source.level_size(level)
    return (
        max(0, column * TILE - apron),
        max(0, row * TILE - apron),
        min(width, (column + 1) * TILE + apron),
        min(height, (row + 1) * TILE + apron),
    )


def _spanned(begin: float, end: float, side: float, count: int) -> tuple[int, int]:
    """The first and one past the last tile that lie between two places."""
    # Cells are rounded to whole pixels, so a tile may begin half a pixel before its place.
    first, last = math.floor((begin - 0.5) / side), math.floor((end + 0.5) / side) + 1
    return min(max(first, 0), count - 1), min(max(last, 1), count)


def _round(value: float) -> int:
    return math.floor(value + 0.5)


def _bytes_of(tile: QPixmap) -> int:
    return 4 * tile.width() * tile.height()
