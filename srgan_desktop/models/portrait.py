"""What a model is like at a glance: a picture before and after it, and three bars."""

from __future__ import annotations

import math
from statistics import mean
from typing import Literal

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from core import paths
from core.language import gettext as _
from core.language import headed, percent
from core.models.card import ModelCard
from srgan_desktop.compare.painting import paint_caption
from srgan_desktop.fields import titled
from srgan_desktop.theme import Theme

SETS = ("Set5", "Set14", "BSD100")
"""Sets of clean pictures that every figure is a mean over."""
FAITHFUL = (26.0, 29.5)
"""PSNR-Y in dB from an empty bar (about bicubic) to a full one."""
SHARP = (0.40, 0.20)
"""Perceptual distance, the same."""
FAST = (70e6, 0.5e6)
"""Bytes of its file, the same: the work of a network of one kind follows its weights."""
Score = Literal["faithful", "sharp", "fast"]
NAMES: dict[Score, tuple[str, str]] = {
    "faithful": (
        _("Faithful"),
        _("How near its results come to the original, pixel by pixel (PSNR on Set5, Set14 and BSD100)"),
    ),
    "sharp": (
        _("Sharp"),
        _("How alike its results look to the original, texture included (perceptual distance on the same sets)"),
    ),
    "fast": (_("Fast"), _("How little there is to compute, by the size of its file")),
}
"""What each score is called, and what it says."""


def scores(card: ModelCard, size: int) -> dict[Score, float]:
    """How faithful, sharp and fast a model is, 0 to 1; what was not measured is left out.

    Args:
        card: its metrics are read.
        size: bytes of its file; 0 where that is not known.
    """
    found: dict[Score, float] = {}
    measured: tuple[tuple[Score, str, tuple[float, float]], ...] = (
        ("faithful", "psnr_y", FAITHFUL),
        ("sharp", "perceptual", SHARP),
    )
    for score, metric, ends in measured:
        values = [card.metrics[key] for each in SETS if (key := f"{each} {metric}") in card.metrics]
        if len(values) == len(SETS):
            found[score] = _between(mean(values), *ends)
    if size > 0:
        found["fast"] = _between(math.log(size), math.log(FAST[0]), math.log(FAST[1]))
    return found


def _between(value: float, empty: float, full: float) -> float:
    return min(1.0, max(0.0, (value - empty) / (full - empty)))


class Bars(QWidget):
    """One bar for each score."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(5)
        self._grid.setColumnStretch(1, 1)
        self.bars: dict[Score, ScoreBar] = {}
        self._labels = {}
        for row, (score, (name, tip)) in enumerate(NAMES.items()):
            label, bar = titled(name, "muted"), ScoreBar(theme, name)
            for widget in (label, bar):
                widget.setToolTip(tip)
            self._grid.addWidget(label, row, 0)
            self._grid.addWidget(bar, row, 1)
            self._labels[score], self.bars[score] = label, bar

    def show_scores(self, found: dict[Score, float]) -> None:
        """Show these; a bar without a score is hidden."""
        for score, bar in self.bars.items():
            for widget in (bar, self._labels[score]):
                widget.setVisible(score in found)
            bar.show_score(found.get(score, 0.0))
        self.setVisible(bool(found))


class ScoreBar(QWidget):
    """A thin bar that is filled from the left."""

    def __init__(self, theme: Theme, name: str) -> None:
        super().__init__()
        self._theme = theme
        self._name = name
        self.score = 0.0
        """0 to 1."""
        self.setMinimumHeight(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def show_score(self, score: float) -> None:
        """Fill it so far."""
        self.score = score
        self.setAccessibleName(headed(self._name, percent(score)))
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        tokens = self._theme.tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        box = QRectF(0, self.height() / 2 - 3, self.width(), 6)
        painter.setBrush(QColor(tokens.border))
        painter.drawRoundedRect(box, 3, 3)
        box.setWidth(max(6.0, box.width() * self.score))
        painter.setBrush(QColor(tokens.accent))
        painter.drawRoundedRect(box, 3, 3)
        painter.end()


class BeforeAfter(QWidget):
    """A part of a sample picture before and after a model; hidden where nobody has made one."""

    def __init__(self) -> None:
        super().__init__()
        self._pixmap = QPixmap()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(_("A sample before and after this model"))

    def show_model(self, key: str) -> None:
        """Show a model's, by its key."""
        file = paths.RESOURCES / "previews" / f"{key}.webp"
        self._pixmap = QPixmap(str(file)) if file.is_file() else QPixmap()
        self.setVisible(not self._pixmap.isNull())
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        if self._pixmap.isNull():
            return 0
        return min(self._pixmap.height(), width * self._pixmap.height() // self._pixmap.width())

    def sizeHint(self) -> QSize:
        return self._pixmap.size()

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self._pixmap.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        size = self._pixmap.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        area = QRectF(0, 0, size.width(), size.height())
        shape = QPainterPath()
        shape.addRoundedRect(area, 6, 6)
        painter.setClipPath(shape)
        painter.drawPixmap(area, self._pixmap, QRectF(self._pixmap.rect()))
        middle = area.center().x()
        painter.fillRect(QRectF(middle - 1, 0, 2, area.height()), QColor(255, 255, 255))
        left, right = QRectF(0, 0, middle, area.height()), QRectF(middle, 0, middle, area.height())
        paint_caption(painter, _("Before"), left, left, self.font())
        paint_caption(painter, _("After"), right, right, self.font(), flush_right=True)
        painter.end()
