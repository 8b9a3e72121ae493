"""Small pictures for the queue, made when a row is first painted, those asked for last made first."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPixmap

from core.contract.errors import UserError
from core.contract.upscale import Size
from srgan_desktop.theme import Theme

SIDE = 96
"""Of a thumbnail, in pixels; shown at half of that, for sharp screens."""
KEPT = 600
"""Thumbnails kept in memory; those looked at longest ago go first (about 20 MB)."""
WAITING = 60
"""Requests kept: who scrolls past thousands of rows wants those of the last screens alone."""
THREADS = 2


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """What a row shows of its file."""

    pixmap: QPixmap | None
    """None where the file cannot be read."""
    size: Size | None
    """Of the whole picture, upright."""
    trouble: str = ""
    """Why it cannot be read."""


@dataclass(frozen=True, slots=True)
class _Made:
    path: Path
    image: QImage | None
    size: Size | None
    trouble: str


class Thumbnails(QObject):
    """Asked from the main thread; works on two threads of its own, which end with `close`."""

    made = Signal(object)
    """The path of a picture whose thumbnail can now be had."""
    stopped = Signal()
    """After `close`: the threads are gone."""

    _arrived = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._kept: OrderedDict[Path, Thumbnail] = OrderedDict()
        self._wanted: OrderedDict[Path, None] = OrderedDict()
        self._in_work: set[Path] = set()
        self._stale: set[Path] = set()
        """Of those in work, the ones whose file has changed meanwhile."""
        self._lock = threading.Condition()
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    def get(self, path: Path) -> Thumbnail | None:
        """The thumbnail if it is there; else None, and `made` follows."""
        if path in self._kept:
            self._kept.move_to_end(path)
            return self._kept[path]
        with self._lock:
            if self._closed or path in self._in_work:
                return None
            self._wanted[path] = None
            self._wanted.move_to_end(path)
            while len(self._wanted) > WAITING:
                self._wanted.popitem(last=False)
            self._lock.notify()
        if len(self._threads) < THREADS:
            self._threads.append(threading.Thread(target=self._work, name="thumbnails", daemon=True))
            self._threads[-1].start()
        return None

    def forget(self, path: Path) -> None:
        """Read the file again next time."""
        self._kept.pop(path, None)
        with self._lock:
            if path in self._in_work:
                self._stale.add(path)

    def close(self) -> None:
        """Let the threads end after the picture that each is at; ends with `stopped`."""
        with self._lock:
            self._closed = True
            self._wanted.clear()
            self._lock.notify_all()
        if not self._threads:
            QTimer.singleShot(0, self, self.stopped.emit)

    def _work(self) -> None:
        while True:
            with self._lock:
                while not self._wanted and not self._closed:
                    self._lock.wait()
                if self._closed:
                    break
                path, _ = self._wanted.popitem()
                self._in_work.add(path)
            made = _make(path)
            # The window may be gone by now.
            with contextlib.suppress(RuntimeError):
                self._arrived.emit(made)
        with contextlib.suppress(RuntimeError):
            self._arrived.emit(threading.current_thread())

    def _on_arrived(self, made: _Made | threading.Thread) -> None:
        if isinstance(made, threading.Thread):
            made.join()
            self._threads.remove(made)
            if not self._threads:
                self.stopped.emit()
            return
        with self._lock:
            self._in_work.discard(made.path)
            stale = made.path in self._stale
            self._stale.discard(made.path)
        if stale:
            # Whoever still shows the file asks for it anew.
            self.made.emit(made.path)
            return
        pixmap = None if made.image is None else QPixmap.fromImage(made.image)
        self._kept[made.path] = Thumbnail(pixmap, made.size, made.trouble)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self.made.emit(made.path)


def _make(path: Path) -> _Made:
    # Here, as decoders take long to import and the window is to be painted first.
    from core.images import probe, thumbnail
    from srgan_desktop.pixels import to_qimage

    size: Size | None = None
    try:
        found = probe(path)
        size = found.width, found.height
        return _Made(path, to_qimage(np.ascontiguousarray(thumbnail(path, SIDE))), size, "")
    except UserError as error:
        return _Made(path, None, size, str(error))
    except Exception as error:
        return _Made(path, None, size, f"No thumbnail: {error}")


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
