"""The surface of a comparison: draws a scene through one viewport per pane, and follows mouse, wheel and pinch.

Everything inside is in device pixels, so that at 100 % a pixel of the picture is exactly one of the screen's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QCursor,
    QFocusEvent,
    QFont,
    QFontMetrics,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QGestureEvent, QPinchGesture, QSizePolicy, QWidget

from srgan_desktop.compare.arrangement import Mode, side_by_side
from srgan_desktop.compare.scene import Scene
from srgan_desktop.compare.tiles import PAINT_SECONDS, LayerPainter, TileCache
from srgan_desktop.compare.viewport import Viewport
from srgan_desktop.theme import Theme

GRIP = 14
"""So far from the divider, in logical pixels, a press takes hold of it."""
GAP = 6
"""Between panes, in logical pixels."""
NOTCH = 120
"""Qt's angle for one step of a wheel."""
NOTCHES_TO_DOUBLE = 3
CHECK = 8
"""Side of a square behind transparent pixels, in logical pixels."""
NEW_SCENE_SECONDS = 0.1
"""The first paint of a scene may make tiles for so long: nothing moves yet, and a blurred one would only flash up."""

Drag = Literal["divider", "pan", "press"]


@dataclass(frozen=True, slots=True)
class Pane:
    """One look at the scene."""

    area: QRect
    """In device pixels of the canvas; what the viewport looks through."""
    clip: QRect
    """The part of the area that is drawn."""
    index: int
    """Of the picture."""
    flush_right: bool = False
    """Whether its caption sits on the right."""


class Canvas(QWidget):
    """Shows a scene; the view around it has the keys, the buttons and the files."""

    moved = Signal()
    """Another part of the scene is seen, or at another size."""
    arranged = Signal()
    """The mode, the divider, the pictures chosen or the drawing of pixels changed."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._scene: Scene | None = None
        self._captions: Sequence[str] = ()
        self._message = ("", "")
        self._viewport: Viewport | None = None
        self._factor = 1.0
        self._mode = Mode.SPLIT
        self._divider = 0.5
        self._count = 2
        self._pair = (0, 1)
        self._shown = 1
        self._nearest = False
        self._original = False
        self._drag: Drag | None = None
        self._drag_from = QPointF()
        self._hold = 0.0
        self._patience = PAINT_SECONDS
        self.tiles = TileCache()
        self.sharp = True
        """Whether the last paint had all tiles at their full resolution; else another follows by itself."""
        self._again = QTimer(self, singleShot=True, interval=0)
        self._again.timeout.connect(self.update)
        theme.changed.connect(self.update)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)
        self.grabGesture(Qt.GestureType.PinchGesture)

    # What is shown

    @property
    def scene(self) -> Scene | None:
        """What is shown; None where that is a message."""
        return self._scene

    @property
    def message(self) -> str:
        """The words in place of a scene."""
        return " ".join(self._message).strip()

    @property
    def viewport(self) -> Viewport | None:
        """Through which every pane looks; None before there was anything to see."""
        return self._viewport

    @property
    def mode(self) -> Mode:
        """How pictures are compared."""
        return self._mode

    @property
    def divider(self) -> float:
        """Where two pictures meet: 0 is the left edge of what is seen of them, 1 the right one."""
        return self._divider

    @property
    def pair(self) -> tuple[int, int]:
        """Indices of the pictures left and right of the divider."""
        return self._pair

    @property
    def shown(self) -> int:
        """Index of the picture shown in `Mode.TOGGLE`."""
        return self._shown

    @property
    def nearest(self) -> bool:
        """Whether pixels of the smaller pictures are drawn as squares."""
        return self._nearest

    def set_scene(self, scene: Scene, captions: Sequence[str]) -> None:
        """Show this, with zoom and place kept; the first one fits.

        Args:
            scene: what.
            captions: one for each picture.
        """
        self._message = ("", "")
        if len(scene.pictures) != self._count:
            self._count = len(scene.pictures)
            self._pair, self._shown = (0, min(1, self._count - 1)), min(1, self._count - 1)
        self._scene = scene
        self._patience = NEW_SCENE_SECONDS
        self._captions = captions
        self.tiles.keep_only(scene.sources)
        if self._viewport is None:
            self._viewport = Viewport.fitted(scene.size, self._pane_size())
        else:
            # A pixel of the first picture stays as large as it was.
            zoom = self._viewport.zoom * self._factor / scene.factor
            self._viewport = self._viewport.carried(scene.size, zoom).resized(self._pane_size())
        self._factor = scene.factor
        self._show()
        self.moved.emit()

    def set_message(self, title: str, advice: str = "") -> None:
        """Show words in place of a scene. Zoom and place are kept for the next one."""
        self._scene = None
        self._message = (title, advice)
        self.tiles.keep_only(())
        self._drag = None
        self._show()
        self.moved.emit()

    def set_mode(self, mode: Mode) -> None:
        """Compare in another way; zoom and place stay."""
        if mode is self._mode:
            return
        self._mode = mode
        self._drag = None
        self._fill_panes()
        self._rearranged()

    def set_divider(self, fraction: float) -> None:
        """Move the divider; it stays between 0 and 1."""
        self._divider = min(1.0, max(0.0, fraction))
        self._rearranged()

    def set_nearest(self, nearest: bool) -> None:
        """Draw pixels of the smaller pictures as squares, or interpolate."""
        self._nearest = nearest
        self._rearranged()

    def choose(self, index: int) -> None:
        """Show a picture in `Mode.TOGGLE`; else put it right of the divider, or let the two change places."""
        if self._scene is None or not 0 <= index < len(self._scene.pictures):
            return
        left, right = self._pair
        if self._mode is Mode.TOGGLE:
            self._shown = index
        elif self._mode is Mode.SPLIT:
            self._pair = (right, left) if index == left else (left, index)
        self._rearranged()

    def show_next(self, step: int = 1) -> None:
        """In `Mode.TOGGLE`, show the next or another picture; after the last comes the first."""
        if self._scene is not None and self._scene.comparable:
            self.choose((self._shown + step) % len(self._scene.pictures))

    def hold_original(self, held: bool) -> None:
        """Show the first picture everywhere for as long as this is held."""
        if held != self._original:
            self._original = held
            self._rearranged()

    # Zoom and place

    def fit(self) -> None:
        """All of the scene."""
        if self._viewport is not None:
            self._look(Viewport.fitted(self._viewport.scene, self._viewport.pane))

    def zoom_to(self, zoom: float) -> None:
        """So many device pixels for one scene pixel, around the middle."""
        if self._viewport is not None:
            width, height = self._viewport.pane
            self._look(self._viewport.zoomed(zoom, width / 2, height / 2))

    def zoom_step(self, direction: int) -> None:
        """To the next rung of the ladder above (1) or below (-1)."""
        if self._viewport is not None:
            self.zoom_to(self._viewport.stepped(direction))

    def pan(self, x: float, y: float) -> None:
        """Move the scene by parts of the pane: 1 is all of its width or height."""
        if self._viewport is not None:
            width, height = self._viewport.pane
            self._look(self._viewport.panned(x * width, y * height))

    # Geometry

    @property
    def panes(self) -> list[Pane]:
        """What the canvas is divided into at present."""
        scene, full = self._scene, QRect(0, 0, *self._device_size())
        if scene is None:
            return []
        if not scene.comparable:
            only = next(index for index, picture in enumerate(scene.pictures) if picture is not None)
            return [Pane(full, full, only)]
        if self._mode is Mode.TOGGLE:
            return [Pane(full, full, 0 if self._original else self._shown)]
        if self._mode is Mode.SIDE:
            cells = side_by_side(len(scene.pictures), scene.size, self._device_size(), self._device(GAP))
            areas = [QRect(*cell) for cell in cells]
            return [Pane(area, area, 0 if self._original else index) for index, area in enumerate(areas)]
        if self._original:
            return [Pane(full, full, 0)]
        split = self._divider_x()
        left, right = self._pair
        return [
            Pane(full, QRect(0, 0, split, full.height()), left),
            Pane(full, QRect(split, 0, full.width() - split, full.height()), right, flush_right=True),
        ]

    @property
    def divided(self) -> bool:
        """Whether there is a divider to be seen."""
        return len(self.panes) == 2 and self._mode is Mode.SPLIT

    def _divider_x(self) -> int:
        if self._viewport is None:
            return 0
        left, _top, right, _bottom = self._viewport.shown
        return round(left + self._divider * (right - left))

    def _device(self, logical: float) -> int:
        return round(logical * self.devicePixelRatioF())

    def _device_size(self) -> tuple[int, int]:
        ratio = self.devicePixelRatioF()
        return max(1, math.ceil(self.width() * ratio)), max(1, math.ceil(self.height() * ratio))

    def _pane_size(self) -> tuple[int, int]:
        panes = self.panes
        return (panes[0].area.width(), panes[0].area.height()) if panes else self._device_size()

    def _in_pane(self, position: QPointF) -> tuple[float, float]:
        """A place on the canvas, in device pixels of the pane that it lies in."""
        ratio = self.devicePixelRatioF()
        x, y = position.x() * ratio, position.y() * ratio
        panes = self.panes
        area = next((pane.area for pane in panes if pane.area.contains(int(x), int(y))), panes[0].area)
        return x - area.x(), y - area.y()

    def _near_divider(self, position: QPointF) -> bool:
        return self.divided and abs(position.x() - self._divider_x() / self.devicePixelRatioF()) <= GRIP

    # Changes

    def _look(self, viewport: Viewport) -> None:
        if viewport != self._viewport:
            self._viewport = viewport
            self._show()
            self.moved.emit()

    def _fill_panes(self) -> None:
        if self._viewport is not None:
            self._look(self._viewport.resized(self._pane_size()))

    def _rearranged(self) -> None:
        self._show()
        self.arranged.emit()

    def _show(self) -> None:
        self._set_cursor(self.mapFromGlobal(QCursor.pos()).toPointF())
        self.update()

    # Events

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent):
            if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
                self._zoom_by(1 + event.value(), event.position())
                return True
        elif isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.GestureType.PinchGesture)
            if isinstance(pinch, QPinchGesture):
                self._drag = None
                self._zoom_by(pinch.scaleFactor(), self.mapFromGlobal(pinch.hotSpot().toPoint()).toPointF())
                return True
        elif event.type() == QEvent.Type.DevicePixelRatioChange:
            self._fill_panes()
        return super().event(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fill_panes()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        # The release of a held key goes elsewhere now.
        self.hold_original(False)
        self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._scene is None or self._viewport is None:
            event.ignore()
            return
        event.accept()
        turned = event.angleDelta().y() or event.angleDelta().x()
        self._zoom_by(2 ** (turned / NOTCH / NOTCHES_TO_DOUBLE), event.position())

    def _zoom_by(self, factor: float, position: QPointF) -> None:
        if self._scene is None or self._viewport is None or factor <= 0:
            return
        before, after = self._viewport.zoom, self._viewport.zoom * factor
        # Nobody wants to pass 100 % by a hair.
        if (before < 0.999 and after > 1) or (before > 1.001 and after < 1):
            after = 1.0
        self._look(self._viewport.zoomed(after, *self._in_pane(position)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._scene is None or self._viewport is None or self._drag is not None:
            event.ignore()
            return
        position = event.position()
        if event.button() == Qt.MouseButton.LeftButton and self._near_divider(position):
            self._drag = "divider"
            # Where on the grip it was taken, so that it does not jump.
            self._hold = position.x() - self._divider_x() / self.devicePixelRatioF()
        elif event.button() == Qt.MouseButton.LeftButton and self.divided and not self._viewport.pannable:
            self._drag = "divider"
            self._hold = 0.0
            self._drag_divider(position)
        elif event.button() == Qt.MouseButton.LeftButton:
            self._drag = "press"
        elif event.button() == Qt.MouseButton.MiddleButton:
            self._drag = "pan"
        else:
            event.ignore()
            return
        self._drag_from = position
        self._set_cursor(position)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        position = event.position()
        if self._drag == "divider":
            self._drag_divider(position)
        elif self._drag is not None and self._viewport is not None:
            way = position - self._drag_from
            if self._drag == "press" and way.manhattanLength() >= QApplication.startDragDistance():
                self._drag = "pan"
            if self._drag == "pan":
                ratio = self.devicePixelRatioF()
                self._look(self._viewport.panned(way.x() * ratio, way.y() * ratio))
                self._drag_from = position
        self._set_cursor(position)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & (Qt.MouseButton.LeftButton | Qt.MouseButton.MiddleButton):
            return
        if self._drag == "press" and self._mode is Mode.TOGGLE:
            self.show_next()
        self._drag = None
        self._set_cursor(event.position())

    def _drag_divider(self, position: QPointF) -> None:
        if self._viewport is None:
            return
        left, _top, right, _bottom = self._viewport.shown
        x = (position.x() - self._hold) * self.devicePixelRatioF()
        self.set_divider((x - left) / max(1, right - left))

    def _set_cursor(self, position: QPointF) -> None:
        shape = Qt.CursorShape.ArrowCursor
        if self._drag == "divider" or (self._drag is None and self._near_divider(position)):
            shape = Qt.CursorShape.SplitHCursor
        elif self._scene is not None and self._viewport is not None and self._viewport.pannable:
            shape = Qt.CursorShape.OpenHandCursor if self._drag is None else Qt.CursorShape.ClosedHandCursor
        if self.cursor().shape() != shape:
            self.setCursor(shape)

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        tokens = self._theme.tokens
        painter.fillRect(self.rect(), QColor(tokens.window))
        if self._scene is not None and self._viewport is not None:
            ratio = self.devicePixelRatioF()
            painter.save()
            self._to_device_pixels(painter, ratio)
            layers = LayerPainter(painter, self.tiles, self._patience)
            self._patience = PAINT_SECONDS
            panes = self.panes
            for pane in panes:
                self._paint_pane(painter, layers, pane, self._scene, self._viewport)
            painter.restore()
            self.sharp = layers.complete
            if not self.sharp:
                self._again.start()
            if self.divided:
                self._paint_divider(painter, self._divider_x() / ratio, self._viewport.shown, ratio)
            for pane in panes:
                self._paint_caption(painter, pane, ratio)
        else:
            self._paint_message(painter)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(tokens.accent_text), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 5, 5)
        painter.end()

    def _to_device_pixels(self, painter: QPainter, ratio: float) -> None:
        painter.scale(1 / ratio, 1 / ratio)
        # At 125 % and such a widget may begin between two pixels of the screen.
        corner = QPointF(self.mapTo(self.window(), QPoint(0, 0))) * ratio
        painter.translate(round(corner.x()) - corner.x(), round(corner.y()) - corner.y())

    def _paint_pane(
        self, painter: QPainter, layers: LayerPainter, pane: Pane, scene: Scene, viewport: Viewport
    ) -> None:
        left, top, right, bottom = viewport.shown
        seen = QRect(left, top, right - left, bottom - top).translated(pane.area.topLeft()).intersected(pane.clip)
        if seen.isEmpty():
            return
        origin = viewport.origin[0] + pane.area.x(), viewport.origin[1] + pane.area.y()
        if scene.has_alpha(pane.index):
            painter.setClipRect(seen)
            painter.setBrushOrigin(QPointF(*origin))
            painter.fillRect(seen, _checks(self._device(CHECK)))
        for layer in scene.layers(pane.index, viewport.zoom, self._nearest):
            layers.draw(layer, viewport.zoom, origin, seen)

    def _paint_divider(self, painter: QPainter, x: float, shown: tuple[int, int, int, int], ratio: float) -> None:
        top, bottom = shown[1] / ratio, shown[3] / ratio
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # White on a shadow is seen on every picture.
        for colour, width in ((QColor(0, 0, 0, 110), 4.0), (QColor(255, 255, 255), 2.0)):
            painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
            painter.drawLine(QPointF(x, top), QPointF(x, bottom))
        middle = QPointF(x, (top + bottom) / 2)
        painter.setPen(QPen(QColor(0, 0, 0, 110), 1))
        painter.setBrush(QColor(255, 255, 255))
        painter.drawEllipse(middle, 13, 13)
        painter.setPen(QPen(QColor(40, 48, 64), 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for side in (-1, 1):
            tip = middle + QPointF(side * 7.5, 0)
            painter.drawPolyline(QPolygonF([tip + QPointF(-side * 3.5, -3.5), tip, tip + QPointF(-side * 3.5, 3.5)]))

    def _paint_caption(self, painter: QPainter, pane: Pane, ratio: float) -> None:
        if pane.index >= len(self._captions):
            return
        words = self._captions[pane.index]
        back = QTransform.fromScale(1 / ratio, 1 / ratio)
        area, clip = back.mapRect(QRectF(pane.area)), back.mapRect(QRectF(pane.clip))
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        metrics = QFontMetrics(font)
        room = int(area.width() / (2 if pane.clip != pane.area else 1)) - 36
        words = metrics.elidedText(words, Qt.TextElideMode.ElideRight, max(20, room))
        pill = QRectF(0, area.top() + 10, metrics.horizontalAdvance(words) + 18, metrics.height() + 8)
        pill.moveLeft(area.right() - pill.width() - 10 if pane.flush_right else area.left() + 10)
        painter.save()
        painter.setClipRect(clip)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # The rim parts it from a dark picture.
        painter.setPen(QPen(QColor(255, 255, 255, 46), 1))
        painter.setBrush(QColor(12, 15, 22, 190))
        painter.drawRoundedRect(pill.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.setFont(font)
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, words)
        painter.restore()

    def _paint_message(self, painter: QPainter) -> None:
        title, advice = self._message
        area = self.rect().adjusted(24, 12, -24, -12)
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap
        painter.setFont(font)
        title_box = painter.boundingRect(area, flags, title)
        painter.setFont(self.font())
        advice_box = painter.boundingRect(area, flags, advice) if advice else QRect()
        height = title_box.height() + (6 + advice_box.height() if advice else 0)
        top = area.top() + max(0, (area.height() - height) // 2)
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        painter.drawText(area.translated(0, top + title_box.height() + 6 - area.top()), flags, advice)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.tokens.text if advice else self._theme.tokens.muted))
        painter.drawText(area.translated(0, top - area.top()), flags, title)


def _checks(side: int) -> QBrush:
    """Two greys in squares, which show that a pixel is transparent."""
    pixmap = QPixmap(2 * side, 2 * side)
    pixmap.fill(QColor(222, 222, 222))
    painter = QPainter(pixmap)
    for x, y in ((0, 0), (side, side)):
        painter.fillRect(x, y, side, side, QColor(255, 255, 255))
    painter.end()
    return QBrush(pixmap)
