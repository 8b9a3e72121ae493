"""Fields that hold the value of an option: made from its declaration, and kept in step with it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from core.contract.errors import UserError
from core.contract.settings import Setting
from srgan_desktop.fields import Choice, WheelGuard, indent_number, labelled
from srgan_desktop.settings import Option, Settings

MOST = 1_000_000
"""Where a number ends that declares no end."""

F = TypeVar("F", bound=QWidget)


class BoundFields(QObject):
    """Makes the fields, and shows their options' values anew where somebody else has changed them."""

    def __init__(self, options: Settings, parent: QWidget) -> None:
        super().__init__(parent)
        self._options = options
        self._wheel_guard = WheelGuard(parent)
        self._boxes: list[tuple[Option[Any], QCheckBox | QSpinBox | QComboBox]] = []

    def show_values(self) -> None:
        """Show the values as they are, whoever changed them."""
        for option, box in self._boxes:
            box.blockSignals(True)
            value = self._options.get(option)
            match box:
                case QCheckBox():
                    box.setChecked(value)
                case QSpinBox():
                    box.setValue(value)
                case QComboBox():
                    box.setCurrentIndex(max(0, box.findData(value)))
            box.blockSignals(False)

    def guard_all_in(self, widget: QWidget) -> None:
        """Guard the wheel over all that a widget is made of."""
        for field in widget.findChildren(QWidget):
            field.installEventFilter(self._wheel_guard)

    def text(self, option: Option) -> QLineEdit:
        """A line that holds the option's value; what is not possible is not kept, and gone once it is left."""
        line = self.guarded(QLineEdit(self._options.get(option)))
        line.setPlaceholderText("{name}")

        def keep(text: str) -> None:
            with contextlib.suppress(UserError):
                declaration(option).check(text)
                self._options.set(option, text)

        line.textChanged.connect(keep)
        line.editingFinished.connect(lambda: line.setText(self._options.get(option)))
        return line

    def choice(self, option: Option, rows: Sequence[tuple[object, str]] | None = None) -> Choice:
        """A box that holds one of the option's values; one from the file that it does not know becomes the default."""
        box = self.guarded(Choice())
        for value, label in declaration(option).choices if rows is None else rows:
            box.addItem(label, value)
        at = box.findData(self._options.get(option))
        if at < 0:
            self._options.set(option, option.default)
            at = box.findData(option.default)
        box.setCurrentIndex(at)
        self._boxes.append((option, box))
        box.currentIndexChanged.connect(lambda _row: self._options.set(option, box.currentData()))
        return box

    def number(self, option: Option[int]) -> QSpinBox:
        """A box that holds the option's value, within its declared range."""
        declared = declaration(option)
        box = self.guarded(QSpinBox(minimum=declared.low or 0, maximum=declared.high or MOST))
        box.setSuffix(f" {declared.unit}" if declared.unit else "")
        box.setValue(self._options.get(option))
        indent_number(box)
        self._boxes.append((option, box))
        box.valueChanged.connect(lambda value: self._options.set(option, value))
        return box

    def check(self, option: Option[bool]) -> QCheckBox:
        """A check box that holds the option's value."""
        box = QCheckBox(option.label)
        box.setToolTip(option.tooltip)
        box.setChecked(self._options.get(option))
        self._boxes.append((option, box))
        box.toggled.connect(lambda on: self._options.set(option, on))
        return box

    def labelled(self, option: Option, field: QWidget, *below: QWidget) -> QVBoxLayout:
        """The field below its option's label, and more below that."""
        return labelled(option.label, option.tooltip, field, *below)

    def guarded(self, field: F) -> F:
        """Have the field changed by the wheel only where it has the focus."""
        field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        field.installEventFilter(self._wheel_guard)
        return field


def declaration(option: Option) -> Setting[Any]:
    """The declaration of an option that keeps a setting of upscaling."""
    if option.setting is None:
        raise ValueError(f"{option.key} is no setting of upscaling")
    return option.setting
