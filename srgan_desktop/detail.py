"""The Detail slider: how far to go from a faithful model to the one that was trained on from it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from core.contract.errors import UserError
from core.models.catalogue import Model, base_of, cleaner_of, find_model, full_of
from srgan_desktop import settings
from srgan_desktop.settings import Settings

STEP = 5
"""Percent; finer steps cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Span:
    """Two models and all that lies between them."""

    base: Model
    """At 0 %."""
    full: Model
    """At 100 %."""


def span_of(model: Model) -> Span | None:
    """What the slider reaches from this model, whichever end it is at; None where it is at neither."""
    base = base_of(model)
    if base is not None:
        return Span(base, model)
    full = full_of(model)
    return None if full is model else Span(model, full)


def detail_in_use(options: Settings, key: str) -> int:
    """What a request for this model asks for: the slider's value, or 100 for a model that knows no other."""
    try:
        model = find_model(key)
    except UserError:
        return 100
    return 100 if base_of(model) is None else options.get(settings.DETAIL)


def clean_up_in_use(options: Settings, key: str) -> int:
    """The same of clean-up, which is 0 for a model that has no cleaner one."""
    try:
        model = find_model(key)
    except UserError:
        return 0
    return 0 if cleaner_of(model) is None else options.get(settings.CLEAN_UP)


class DetailField(QWidget):
    """A slider between two models, with its value in words. It shows what it is told, and tells what is chosen."""

    chosen = Signal(int)
    """Percent."""

    def __init__(self) -> None:
        super().__init__()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setSingleStep(STEP)
        self.slider.setPageStep(4 * STEP)
        self.low, self.high = QLabel("true"), QLabel("sharp")
        self.percent = QLabel()
        self.percent.setProperty("role", "strong")
        for label in (self.low, self.high):
            label.setProperty("role", "muted")
        ends = QHBoxLayout()
        ends.setContentsMargins(2, 3, 2, 0)
        ends.addWidget(self.low)
        ends.addStretch(1)
        ends.addWidget(self.percent)
        ends.addStretch(1)
        ends.addWidget(self.high)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.slider)
        column.addLayout(ends)
        self.setFocusProxy(self.slider)
        self.slider.valueChanged.connect(self._on_value)

    def setToolTip(self, text: str) -> None:
        self.slider.setToolTip(text)

    def setAccessibleName(self, name: str) -> None:
        self.slider.setAccessibleName(name)

    def show_value(self, percent: int) -> None:
        """Show without telling."""
        self.slider.blockSignals(True)
        self.slider.setValue(percent)
        self.slider.blockSignals(False)
        self.percent.setText(f"{percent} %")

    def _on_value(self, value: int) -> None:
        rounded = round(value / STEP) * STEP
        changed = self.percent.text() != f"{rounded} %"
        self.show_value(rounded)
        if changed:
            self.chosen.emit(rounded)
