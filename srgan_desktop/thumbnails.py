"""Small pictures for the queue, made when a row is first painted, those asked for last made first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QRect, QRectF, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPixmap

from core.contract.errors import UserError
from core.contract.upscale import Size
from core.language import gettext as _
from core.late import np
from srgan_desktop.background import Lane
from srgan_desktop.theme import Theme

SIDE = 96
"""Longest side of a thumbnail in pixels; drawn at half of that, for sharp screens."""
KEPT = 600
"""Thumbnails kept in memory; those looked at longest ago go first (about 20 MB)."""
WAITING = 60
"""Most requests that wait: after scrolling past thousands of rows only those of the last screens are wanted."""
THREADS = 2


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """What a row shows of its file."""

    pixmap: QPixmap | None
    """None where the file cannot be read."""
    size: Size | None
    """Width and height of the whole picture, upright."""
    trouble: str = ""
    """Why it cannot be read."""


@dataclass(frozen=True, slots=True)
class MadeThumbnail:
    """What a thread has read of a file; pixmaps belong to the main thread."""

    path: Path
    image: QImage | None
    size: Size | None
    trouble: str


class Thumbnails(Lane):
    """Makes thumbnails on two threads, and keeps them."""

    made = Signal(object)
    """The path of a picture whose thumbnail can now be had."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("thumbnails", parent, threads=THREADS)
        self._kept: OrderedDict[Path, Thumbnail] = OrderedDict()
        self._wanted: OrderedDict[Path, None] = OrderedDict()
        self._in_work: set[Path] = set()
        self._stale: set[Path] = set()
        """Those in work whose file has changed since they were begun."""

    @property
    def in_memory(self) -> int:
        """How many thumbnails are in memory."""
        return len(self._kept)

    @property
    def waiting(self) -> int:
        """How many pictures wait to be read."""
        return len(self._wanted)

    def get(self, path: Path) -> Thumbnail | None:
        """The thumbnail if it is there; else None, and `made` follows."""
        if path in self._kept:
            self._kept.move_to_end(path)
            return self._kept[path]
        if path not in self._in_work:
            self._wanted[path] = None
            self._wanted.move_to_end(path)
            while len(self._wanted) > WAITING:
                self._wanted.popitem(last=False)
            self._make_next()
        return None

    def forget(self, path: Path) -> None:
        """Read the file again next time."""
        self._kept.pop(path, None)
        if path in self._in_work:
            self._stale.add(path)

    def close(self) -> None:
        """Make no more; ends with `stopped`."""
        self._wanted.clear()
        super().close()

    def _make_next(self) -> None:
        while self._wanted and len(self._in_work) < THREADS:
            path, _rest = self._wanted.popitem()
            self._in_work.add(path)
            self.run(partial(make_thumbnail, path), self._on_made)

    def _on_made(self, made: MadeThumbnail) -> None:
        self._in_work.discard(made.path)
        self._make_next()
        if made.path in self._stale:
            # Whoever still shows the file asks for it anew.
            self._stale.discard(made.path)
            self.made.emit(made.path)
            return
        pixmap = None if made.image is None else QPixmap.fromImage(made.image)
        self._kept[made.path] = Thumbnail(pixmap, made.size, made.trouble)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self.made.emit(made.path)


def make_thumbnail(path: Path) -> MadeThumbnail:
    """Read a file, in any thread. Raises nothing: what is wrong stands in `trouble`."""
    # Here, as decoders take long to import and the window is to be painted first.
    from core.images import probe, thumbnail
    from srgan_desktop.pixels import to_qimage

    size: Size | None = None
    try:
        found = probe(path)
        size = found.width, found.height
        return MadeThumbnail(path, to_qimage(np.ascontiguousarray(thumbnail(path, SIDE))), size, "")
    except UserError as error:
        return MadeThumbnail(path, None, size, str(error))
    except Exception as error:
        return MadeThumbnail(path, None, size, _("No thumbnail: {error}").format(error=error))


def paint_thumbnail(theme: Theme, painter: QPainter, box: QRect, thumbnail: Thumbnail | None) -> None:
    """Fill a rounded square with a thumbnail: raised while it is None, marked where the file cannot be read."""
    tokens = theme.tokens
    shape = QPainterPath()
    shape.addRoundedRect(QRectF(box), 5, 5)
    if thumbnail is None or thumbnail.pixmap is None:
        painter.fillPath(shape, QColor(tokens.raised if thumbnail is None else tokens.bad_fill))
        if thumbnail is not None:
            theme.icon("bad", tokens.bad).paint(painter, box.adjusted(10, 10, -10, -10))
        return
    # Filled from the middle: letterboxes at this size would be noise.
    pixmap = thumbnail.pixmap
    side = min(pixmap.width(), pixmap.height())
    part = QRectF((pixmap.width() - side) / 2, (pixmap.height() - side) / 2, side, side)
    painter.save()
    painter.setClipPath(shape)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawPixmap(QRectF(box), pixmap, part)
    painter.restore()
