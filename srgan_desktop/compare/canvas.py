"""The canvas of a comparison: a surface that follows mouse, wheel and pinch."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QCursor, QFocusEvent, QMouseEvent, QNativeGestureEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QGestureEvent, QPinchGesture, QWidget

from srgan_desktop.compare.arrangement import Mode
from srgan_desktop.compare.loupe import Loupe
from srgan_desktop.compare.surface import Surface
from srgan_desktop.theme import Theme

GRIP = 14
"""How near to the divider, in logical pixels, a press takes hold of it."""
NOTCH = 120
"""Qt's angle for one step of a wheel."""
NOTCHES_TO_DOUBLE = 3
"""Steps of a wheel that zoom by a factor of two."""

Drag = Literal["divider", "pan", "press"]


class Canvas(Surface):
    """Zooms by wheel and pinch, pans and moves the divider by dragging; the view around it has keys and buttons."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._drag: Drag | None = None
        self._drag_from = QPointF()
        self._hold = 0.0
        self._loupe = Loupe(self)
        self._loupe_held = False
        self.setMouseTracking(True)
        self.grabGesture(Qt.GestureType.PinchGesture)

    def set_message(self, title: str, advice: str = "") -> None:
        self._drag = None
        super().set_message(title, advice)

    def set_mode(self, mode: Mode) -> None:
        if mode is not self.mode:
            self._drag = None
        super().set_mode(mode)

    def hold_loupe(self, held: bool) -> None:
        """Magnify what is under the pointer for as long as this is held."""
        self._loupe_held = held
        if held:
            self._loupe.look_at(self.mapFromGlobal(QCursor.pos()).toPointF())
        else:
            self._loupe.hide()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        # The release of a held key goes elsewhere now.
        self.hold_loupe(False)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._loupe.hide()

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
        return super().event(event)

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
        if self._loupe_held:
            self._loupe.look_at(position)
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

    def _in_pane(self, position: QPointF) -> tuple[float, float]:
        """A place on the canvas, in device pixels of the pane that it lies in."""
        ratio = self.devicePixelRatioF()
        x, y = position.x() * ratio, position.y() * ratio
        panes = self.panes
        area = next((pane.area for pane in panes if pane.area.contains(int(x), int(y))), panes[0].area)
        return x - area.x(), y - area.y()

    def _near_divider(self, position: QPointF) -> bool:
        return self.divided and abs(position.x() - self._divider_x() / self.devicePixelRatioF()) <= GRIP

    def _show(self) -> None:
        self._set_cursor(self.mapFromGlobal(QCursor.pos()).toPointF())
        super()._show()
