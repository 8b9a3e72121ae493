"""The surface of a comparison: draws a scene through one viewport for each pane.

Everything inside is in device pixels, so that at 100 % a pixel of the picture is exactly one of the screen's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QResizeEvent,
    QTransform,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from srgan_desktop.background import Throttle
from srgan_desktop.compare.arrangement import Mode, Pane, panes_of
from srgan_desktop.compare.painting import (
    checks,
    paint_caption,
    paint_divider,
    paint_focus,
    paint_message,
    paint_outline,
)
from srgan_desktop.compare.scene import Scene
from srgan_desktop.compare.tiles import PAINT_SECONDS, LayerPainter, TileCache
from srgan_desktop.compare.viewport import Viewport
from srgan_desktop.theme import Theme

GAP = 6
"""Between panes, in logical pixels."""
CHECK = 8
"""Side of a square behind transparent pixels, in logical pixels."""
NEW_SCENE_SECONDS = 0.1
"""The first paint of a scene may make tiles for so long: nothing moves yet, and a blurred one would only flash up."""


class Surface(QWidget):
    """Draws a scene through one viewport for each pane. What the pointer does is `Canvas`'s business."""

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
        self._first_size = (0, 0)
        self._mode = Mode.SPLIT
        self._divider = 0.5
        self._count = 2
        self._pair = (0, 1)
        self._shown = 1
        self._nearest = False
        self._original = False
        self._patience = PAINT_SECONDS
        self.tiles = TileCache()
        self.sharp = True
        """Whether the last paint had all tiles at their full resolution; else another follows by itself."""
        self._again = Throttle(0, self.update, self)
        theme.changed.connect(self.update)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)

    # What is shown

    @property
    def scene(self) -> Scene | None:
        """What is shown; None where that is a message."""
        return self._scene

    @property
    def ground(self) -> QColor:
        """The colour beside pictures."""
        return QColor(self._theme.tokens.window)

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
        """Show this, with zoom and place kept while the first picture is as large as the one before; else it fits.

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
        if self._viewport is None or scene.first_size != self._first_size:
            self._viewport = Viewport.fitted(scene.size, self._pane_size())
        else:
            # A pixel of the first picture stays as large as it was.
            zoom = self._viewport.zoom * self._factor / scene.factor
            self._viewport = self._viewport.carried(scene.size, zoom).resized(self._pane_size())
        self._factor = scene.factor
        self._first_size = scene.first_size
        self._show()
        self.moved.emit()

    def set_message(self, title: str, advice: str = "") -> None:
        """Show words in place of a scene. Zoom and place are kept for the next one."""
        self._scene = None
        self._message = (title, advice)
        self.tiles.keep_only(())
        self._show()
        self.moved.emit()

    def set_mode(self, mode: Mode) -> None:
        """Compare in another way; zoom and place stay."""
        if mode is self._mode:
            return
        self._mode = mode
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

    def centre_on(self, x: float, y: float) -> None:
        """Bring a point of the scene into the middle, as far as there is something to see."""
        if self._viewport is not None:
            middle, zoom = self._viewport.centre, self._viewport.zoom
            self._look(self._viewport.panned((middle[0] - x) * zoom, (middle[1] - y) * zoom))

    # Geometry

    def pane_at(self, place: QPointF) -> Pane | None:
        """The pane under a place, in logical pixels; None where there is none."""
        x, y = (round(each * self.devicePixelRatioF()) for each in (place.x(), place.y()))
        return next((pane for pane in self.panes if pane.clip.contains(x, y)), None)

    @property
    def panes(self) -> list[Pane]:
        """What the canvas is divided into at present."""
        scene, full = self._scene, QRect(0, 0, *self._device_size())
        if scene is None:
            return []
        # Two halves of the original are one picture.
        mode = Mode.TOGGLE if self._original and self._mode is Mode.SPLIT else self._mode
        panes = panes_of(scene, mode, full, self._device(GAP), self._divider_x(), self._pair, self._shown)
        held = self._original and scene.comparable
        return [replace(pane, index=0) for pane in panes] if held else panes

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
        self.update()

    # Events

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
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

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        # The picture alone has nothing beside it that could have the focus.
        if self.hasFocus() and not self.window().isFullScreen():
            paint_focus(painter, QRectF(self.rect()), self._theme.tokens)
        painter.end()

    def picture(self) -> QImage:
        """What is seen, in device pixels and at full resolution, without the frame of the focus."""
        image = QImage(*self._device_size(), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(self.devicePixelRatioF())
        painter = QPainter(image)
        self._patience = math.inf
        self._paint(painter)
        painter.end()
        image.setDevicePixelRatio(1)
        return image

    def _paint(self, painter: QPainter) -> None:
        tokens = self._theme.tokens
        painter.fillRect(self.rect(), self.ground)
        if self._scene is not None and self._viewport is not None:
            ratio = self.devicePixelRatioF()
            painter.save()
            self._to_device_pixels(painter, ratio)
            layers = LayerPainter(painter, self.tiles, self._patience)
            self._patience = PAINT_SECONDS
            panes = self.panes
            for pane in panes:
                self.paint_pane(painter, layers, pane, self._scene, self._viewport)
            painter.restore()
            self.sharp = layers.complete
            if not self.sharp:
                self._again.soon()
            if self.divided:
                _left, top, _right, bottom = self._viewport.shown
                paint_divider(painter, self._divider_x() / ratio, top / ratio, bottom / ratio)
            to_logical = QTransform.fromScale(1 / ratio, 1 / ratio)
            for pane in panes:
                if pane.index < len(self._captions):
                    area, clip = (to_logical.mapRect(QRectF(rect)) for rect in (pane.area, pane.clip))
                    paint_caption(painter, self._captions[pane.index], area, clip, self.font(), pane.flush_right)
        else:
            paint_message(painter, *self._message, self.rect().adjusted(24, 12, -24, -12), self.font(), tokens)

    def _to_device_pixels(self, painter: QPainter, ratio: float) -> None:
        painter.scale(1 / ratio, 1 / ratio)
        # At 125 % and such a widget may begin between two pixels of the screen.
        corner = QPointF(self.mapTo(self.window(), QPoint(0, 0))) * ratio
        painter.translate(round(corner.x()) - corner.x(), round(corner.y()) - corner.y())

    def paint_pane(self, painter: QPainter, layers: LayerPainter, pane: Pane, scene: Scene, viewport: Viewport) -> None:
        """Draw one look at a scene, in device pixels."""
        left, top, right, bottom = viewport.shown
        seen = QRect(left, top, right - left, bottom - top).translated(pane.area.topLeft()).intersected(pane.clip)
        if seen.isEmpty():
            return
        origin = viewport.origin[0] + pane.area.x(), viewport.origin[1] + pane.area.y()
        if scene.has_alpha(pane.index):
            painter.setClipRect(seen)
            painter.setBrushOrigin(QPointF(*origin))
            painter.fillRect(seen, checks(self._device(CHECK)))
        for layer in scene.layers(pane.index, viewport.zoom, self._nearest):
            layers.draw(layer, viewport.zoom, origin, seen)
        zoom = viewport.zoom
        previewed = QPainterPath()
        for patch in scene.patch_layers(pane.index):
            part = QPainterPath()
            part.addRect(
                QRectF(zoom * patch.x, zoom * patch.y, zoom * patch.width, zoom * patch.height).translated(*origin)
            )
            previewed = previewed.united(part)
        # Around what was previewed, where that is less than what is seen.
        if not previewed.isEmpty() and not previewed.contains(QRectF(seen).adjusted(1, 1, -1, -1)):
            painter.setClipRect(seen)
            paint_outline(painter, previewed, self._device(1))
