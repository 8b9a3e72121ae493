"""A magnifying glass over a comparison: what is under the pointer, larger, before and after beside each other."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from srgan_desktop.compare.arrangement import Pane
from srgan_desktop.compare.surface import Surface
from srgan_desktop.compare.tiles import LayerPainter
from srgan_desktop.compare.viewport import MAX_ZOOM, Viewport

SIDE = 168
"""Side of each of both halves, in logical pixels."""
MAGNIFIES = 3.0
"""How much larger than on the canvas."""
AWAY = 24
"""Between the pointer and the glass, so that it does not cover what it magnifies."""


class Loupe(QWidget):
    """Follows the pointer over a surface while it is shown."""

    def __init__(self, surface: Surface) -> None:
        """Be hidden."""
        super().__init__(surface)
        self._surface = surface
        self._point = QPointF()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFixedSize(2 * SIDE, SIDE)
        self.hide()

    def look_at(self, place: QPointF) -> None:
        """Magnify what lies there, in logical pixels of the surface; nothing where there is no picture."""
        viewport, scene = self._surface.viewport, self._surface.scene
        pane = self._surface.pane_at(place)
        if viewport is None or scene is None or pane is None:
            self.hide()
            return
        ratio = self.devicePixelRatioF()
        x, y = place.x() * ratio - pane.area.x(), place.y() * ratio - pane.area.y()
        self._point = QPointF(*viewport.to_scene(x, y))
        if not (0 <= self._point.x() < viewport.scene[0] and 0 <= self._point.y() < viewport.scene[1]):
            self.hide()
            return
        self.setFixedSize((2 if scene.comparable else 1) * SIDE, SIDE)
        self._place_near(place.toPoint())
        self.show()
        self.raise_()
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        surface, scene, viewport = self._surface, self._surface.scene, self._surface.viewport
        if scene is None or viewport is None:
            return
        ratio = self.devicePixelRatioF()
        side = round(SIDE * ratio)
        glass = Viewport(
            viewport.scene,
            (side, side),
            min(MAX_ZOOM, viewport.zoom * MAGNIFIES),
            (self._point.x(), self._point.y()),
        )
        painter = QPainter(self)
        painter.fillRect(self.rect(), surface.ground)
        painter.save()
        painter.scale(1 / ratio, 1 / ratio)
        layers = LayerPainter(painter, surface.tiles)
        for number, index in enumerate(surface.pair if scene.comparable else (0,)):
            area = QRect(number * side, 0, side, side)
            surface.paint_pane(painter, layers, Pane(area, area, index), scene, glass)
        painter.restore()
        painter.setPen(QPen(QColor(255, 255, 255), 2))
        painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        if scene.comparable:
            painter.drawLine(SIDE, 0, SIDE, SIDE)
        painter.end()
        if not layers.complete:
            self.update()

    def _place_near(self, place: QPoint) -> None:
        """Right of and below the pointer, or wherever there is room."""
        room = self._surface.rect()
        x = place.x() + AWAY if place.x() + AWAY + self.width() <= room.width() else place.x() - AWAY - self.width()
        y = place.y() + AWAY if place.y() + AWAY + SIDE <= room.height() else place.y() - AWAY - SIDE
        self.move(max(0, min(x, room.width() - self.width())), max(0, min(y, room.height() - SIDE)))
