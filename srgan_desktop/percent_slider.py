"""A slider from 0 to 100 % between two words, for mixes of two models."""

from __future__ import annotations

import re

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QVBoxLayout,
    QWidget,
)

from core.language import gettext as _

STEP = 5
"""Percent between two places of the slider; finer steps cannot be told apart. A typed number may be any."""


class PercentSlider(QWidget):
    """A slider with a word at each end and its value between them.

    A click moves the slider there, a double click resets it, and a number can be typed over the value, or just typed
    while the slider has the focus.
    """

    chosen = Signal(int)
    """Percent; not emitted by `show_value`."""

    def __init__(self, low: str, high: str, default: int = 0) -> None:
        """Show the default.

        Args:
            low: what 0 % means, in a word or two.
            high: what 100 % means.
            default: percent after a double click.
        """
        super().__init__()
        self.default = default
        """May be changed at any time."""
        self.slider = _Slider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setSingleStep(STEP)
        self.slider.setPageStep(4 * STEP)
        self.low, self.high = QLabel(low), QLabel(high)
        for label in (self.low, self.high):
            label.setProperty("role", "muted")
        self.percent = QLineEdit(maxLength=5)
        self.percent.setObjectName("percent")
        self.percent.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.percent.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.percent.setFixedWidth(self.percent.fontMetrics().horizontalAdvance("100 %") + 22)
        ends = QHBoxLayout()
        ends.setContentsMargins(2, 1, 2, 0)
        ends.addWidget(self.low, 1)
        ends.addWidget(self.percent)
        ends.addWidget(self.high, 1, Qt.AlignmentFlag.AlignRight)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.slider)
        column.addLayout(ends)
        self.setFocusProxy(self.slider)
        self._value = default
        self.show_value(default)
        self.slider.valueChanged.connect(self._on_moved)
        self.slider.double_clicked.connect(self._reset)
        self.slider.digit_typed.connect(self._type)
        self.percent.editingFinished.connect(self._take_number)

    @property
    def value(self) -> int:
        """Percent."""
        return self._value

    def setToolTip(self, text: str) -> None:
        self.slider.setToolTip(text)
        self.percent.setToolTip(_("Type a number from 0 to 100"))

    def setAccessibleName(self, name: str) -> None:
        self.slider.setAccessibleName(name)
        self.percent.setAccessibleName(_("{name} in percent").format(name=name))

    def show_value(self, percent: int) -> None:
        """Show without telling."""
        self._value = percent
        self.slider.blockSignals(True)
        self.slider.setValue(percent)
        self.slider.blockSignals(False)
        self.percent.setText(f"{percent} %")

    def _on_moved(self, value: int) -> None:
        rounded = round(value / STEP) * STEP
        if rounded == self._value:
            # Else the handle would stay between two places.
            self.show_value(rounded)
        else:
            self._choose(rounded)

    def _choose(self, percent: int) -> None:
        changed = percent != self._value
        self.show_value(percent)
        if changed:
            self.chosen.emit(percent)

    def _reset(self) -> None:
        self._choose(self.default)

    def _type(self, digit: str) -> None:
        self.percent.setFocus()
        self.percent.setText(digit)

    def _take_number(self) -> None:
        number = re.match(r"\s*(\d+)", self.percent.text())
        # What is no number changes nothing.
        self._choose(min(100, int(number[1])) if number else self._value)
        if self.percent.hasFocus():
            self.slider.setFocus()


class _Slider(QSlider):
    """Goes where it is clicked, instead of a page in that direction."""

    double_clicked = Signal()
    digit_typed = Signal(str)

    def part(self, part: QStyle.SubControl) -> QRect:
        """Where the groove or the handle is."""
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        return self.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and not self._handle().contains(event.position().toPoint()):
            self.setValue(self._value_at(event.position().x()))
        # The handle is under the pointer now, and can be dragged on.
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.double_clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.text().isascii() and event.text().isdigit():
            self.digit_typed.emit(event.text())
        else:
            super().keyPressEvent(event)

    def _handle(self) -> QRect:
        return self.part(QStyle.SubControl.SC_SliderHandle)

    def _value_at(self, x: float) -> int:
        groove, handle = self.part(QStyle.SubControl.SC_SliderGroove), self._handle()
        way = groove.width() - handle.width()
        place = round(x - groove.x() - handle.width() / 2)
        return QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), place, way)
