"""A progress bar that says when nobody knows how much is done."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QHideEvent, QPainter, QPainterPath, QPaintEvent, QPolygonF, QShowEvent
from PySide6.QtWidgets import QProgressBar

from srgan_desktop.theme import Theme

STRIPE = 10
"""Width of a stripe, in logical pixels."""
STRIPE_MS = 50
"""A stripe moves by a pixel so often."""


class ProgressLine(QProgressBar):
    """A progress bar that is striped from end to end while nobody knows how much is done. Qt’s own moves a piece of it
    along, which at any moment looks like a part that is done."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(minimum=0, maximum=1000, textVisible=False)
        self._theme = theme
        self._shift = 0
        self._timer = QTimer(self, interval=STRIPE_MS)
        self._timer.timeout.connect(self._move)

    def show_fraction(self, fraction: float | None) -> None:
        """Fill so much of it, 0 to 1; None where that is not known."""
        # Never Qt’s own range of zero, whose animation would go on behind the stripes.
        self.setValue(round(1000 * min(1.0, fraction or 0.0)))
        self.setProperty("busy", fraction is None)
        self._animate()
        self.update()

    @property
    def striped(self) -> bool:
        """Whether it shows that nobody knows how much is done."""
        return bool(self.property("busy"))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._animate()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._animate()

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self.striped:
            super().paintEvent(event)
            return
        accent, ground = QColor(self._theme.tokens.accent), QColor(self._theme.tokens.border)
        box = QRectF(self.rect())
        shape = QPainterPath()
        shape.addRoundedRect(box, box.height() / 2, box.height() / 2)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipPath(shape)
        painter.fillRect(box, ground)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(accent)
        left, height = self._shift - 2.0 * STRIPE, box.height()
        while left < box.width():
            corners = ((left, height), (left + height, 0), (left + height + STRIPE, 0), (left + STRIPE, height))
            painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in corners]))
            left += 2 * STRIPE
        painter.end()

    def _animate(self) -> None:
        if self.striped and self.isVisible():
            self._timer.start()
        else:
            self._timer.stop()

    def _move(self) -> None:
        self._shift = (self._shift + 1) % (2 * STRIPE)
        self.update()
