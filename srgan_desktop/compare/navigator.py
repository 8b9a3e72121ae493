"""Where one is in a picture that is larger than the canvas: a small copy of it, with the part that is seen."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from core.language import gettext as _
from srgan_desktop.compare.pyramid import Pyramid
from srgan_desktop.compare.surface import Surface
from srgan_desktop.pixels import to_qpixmap

LONGEST = 112
"""Longer side of the small copy, in logical pixels."""
ROOM = 2
"""The canvas is so many times as large, or the copy would be in the way."""
MARGIN = 10


class Navigator(QWidget):
    """Lies in a corner of a surface while some of its scene is out of sight; a click or a drag goes there."""

    def __init__(self, surface: Surface) -> None:
        """Be hidden until there is something out of sight."""
        super().__init__(surface)
        self._surface = surface
        self._picture: Pyramid | None = None
        self._pixmap = QPixmap()
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(_("Part of the picture that is seen"))
        surface.moved.connect(self._follow)
        surface.arranged.connect(self._follow)
        self.hide()

    @property
    def part(self) -> QRectF:
        """The part that is seen, in logical pixels of the small copy."""
        viewport = self._surface.viewport
        if viewport is None:
            return QRectF()
        left, top, right, bottom = viewport.shown
        (x0, y0), (x1, y1) = viewport.to_scene(left, top), viewport.to_scene(right, bottom)
        across, down = self.width() / viewport.scene[0], self.height() / viewport.scene[1]
        return QRectF(x0 * across, y0 * down, (x1 - x0) * across, (y1 - y0) * down)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._go_to(event.position())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._go_to(event.position())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(self.rect(), self._pixmap)
        part = self.part.intersected(QRectF(self.rect()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 120))
        for each in (
            QRectF(0, 0, self.width(), part.top()),
            QRectF(0, part.bottom(), self.width(), self.height() - part.bottom()),
            QRectF(0, part.top(), part.left(), part.height()),
            QRectF(part.right(), part.top(), self.width() - part.right(), part.height()),
        ):
            painter.drawRect(each)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        # White in black is seen on every picture.
        for colour, width in ((QColor(0, 0, 0, 160), 3), (QColor(255, 255, 255), 1)):
            painter.setPen(QPen(colour, width))
            painter.drawRect(part.adjusted(0.5, 0.5, -0.5, -0.5))
        painter.setPen(QPen(QColor(255, 255, 255, 110), 1))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _go_to(self, place: QPointF) -> None:
        viewport = self._surface.viewport
        if viewport is not None:
            across, down = viewport.scene[0] / self.width(), viewport.scene[1] / self.height()
            self._surface.centre_on(place.x() * across, place.y() * down)

    def _follow(self) -> None:
        scene, viewport = self._surface.scene, self._surface.viewport
        picture = None if scene is None else scene.base
        seen = picture is not None and viewport is not None and viewport.pannable
        if not seen or picture is None or not self._fits(picture.size):
            self.hide()
            return
        if picture is not self._picture:
            self._picture = picture
            self._pixmap = to_qpixmap(picture.cut(picture.coarsest, 0, 0, *picture.level_size(picture.coarsest)))
        self.setFixedSize(_small(picture.size))
        surface = self._surface
        # Below the caption: what a page has to say lies over the lower end of the picture.
        caption = surface.fontMetrics().height() + 2 * MARGIN
        self.move(surface.width() - self.width() - MARGIN, caption + MARGIN)
        self.show()
        self.update()

    def _fits(self, size: tuple[int, int]) -> bool:
        small = _small(size)
        surface = self._surface
        return surface.width() >= ROOM * small.width() and surface.height() >= ROOM * small.height()


def _small(size: tuple[int, int]) -> QSize:
    factor = LONGEST / max(size)
    return QSize(max(12, round(size[0] * factor)), max(12, round(size[1] * factor)))
