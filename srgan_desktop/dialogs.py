"""Small dialogs that any page may need."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.language import gettext as _
from core.language import ngettext
from srgan_desktop.problems import Problem


class ProblemDialog(QDialog):
    """What happened, what to do, and details that can be copied."""

    def __init__(self, problem: Problem, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(_("Something went wrong"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        message = _selectable(problem.message, "title")
        layout = _column(self)
        layout.addWidget(message)
        if problem.hint:
            layout.addWidget(_selectable(problem.hint, "muted"))
        if problem.details:
            layout.addWidget(_text_box(problem.details, _("Details")), 1)
        layout.addLayout(_buttons(self, problem.text))
        self.resize(QSize(640, 420 if problem.details else 180))


class FailuresDialog(QDialog):
    """Which files could not be done, why, and what to do about each."""

    def __init__(
        self,
        failures: Sequence[tuple[str, Problem]],
        parent: QWidget | None = None,
        *,
        title: str = "",
        advice: str = _("Fix what you can, then choose Retry in the queue."),
    ) -> None:
        """Show them.

        Args:
            failures: (file, what was wrong), in the order of the queue.
            parent: the window.
            title: what they are; without one, pictures that could not be upscaled.
            advice: what can be done about all of them.
        """
        super().__init__(parent)
        self.setWindowTitle(title or _("Failed pictures"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        text = "\n\n".join(f"{name}\n    {problem.message}\n    {problem.hint}".rstrip() for name, problem in failures)
        details = "\n\n".join(f"{name}\n{problem.text}" for name, problem in failures)
        layout = _column(self)
        layout.addWidget(_selectable(title or _could_not(len(failures)), "title"))
        layout.addWidget(_selectable(advice, "muted"))
        layout.addWidget(_text_box(text, title or _("Failed pictures")), 1)
        layout.addLayout(_buttons(self, details))
        self.resize(QSize(680, 440))


def _could_not(count: int) -> str:
    return ngettext(
        "{count:,} picture could not be upscaled", "{count:,} pictures could not be upscaled", count
    ).format(count=count)


def _column(dialog: QDialog) -> QVBoxLayout:
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(20, 18, 20, 16)
    layout.setSpacing(12)
    return layout


def _selectable(text: str, role: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", role)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _text_box(text: str, name: str) -> QPlainTextEdit:
    box = QPlainTextEdit(text)
    box.setReadOnly(True)
    box.setTabChangesFocus(True)
    box.setAccessibleName(name)
    return box


def _buttons(dialog: QDialog, text: str) -> QHBoxLayout:
    copy = QPushButton(_("&Copy"))
    copy.setToolTip(_("Copy everything to the clipboard"))
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(text))
    close = QPushButton(_("Close"))
    close.setProperty("role", "primary")
    close.setDefault(True)
    close.clicked.connect(dialog.accept)
    row = QHBoxLayout()
    row.addWidget(copy)
    row.addStretch(1)
    row.addWidget(close)
    return row


def ask_for_name(window: QWidget, title: str, label: str, name: str, rename: Callable[[str], object]) -> None:
    """Open a dialog that calls `rename` with another name.

    Args:
        window: that the dialog belongs to.
        title: of the dialog.
        label: over the field.
        name: as it is now.
        rename: takes what was typed.
    """
    dialog = QInputDialog(window)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    dialog.setLabelText(label)
    dialog.setTextValue(name)
    dialog.setTextEchoMode(QLineEdit.EchoMode.Normal)
    dialog.setOkButtonText(_("Rename"))
    dialog.resize(QSize(420, 120))
    dialog.textValueSelected.connect(rename)
    dialog.open()
