"""Questions about a model: what it is to be called, and whether it is to go."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QInputDialog, QLineEdit, QMessageBox, QWidget

from core.models.catalogue import Model


def ask_for_name(model: Model, window: QWidget, rename: Callable[[str], object]) -> None:
    """Open a dialog that calls `rename` with another name."""
    dialog = QInputDialog(window)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle("Rename a model")
    dialog.setLabelText("Name of the model, on its card and of its file:")
    dialog.setTextValue(model.card.name)
    dialog.setTextEchoMode(QLineEdit.EchoMode.Normal)
    dialog.setOkButtonText("Rename")
    dialog.resize(QSize(420, 120))
    dialog.textValueSelected.connect(rename)
    dialog.open()


def ask_to_remove(model: Model, in_use: bool, window: QWidget, remove: Callable[[], object]) -> None:
    """Open a dialog that calls `remove` if its answer is yes.

    Args:
        model: what is to be deleted.
        in_use: whether the Upscale page uses it.
        window: that the dialog belongs to.
        remove: deletes it.
    """
    box = QMessageBox(window)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle("Remove a model")
    box.setIcon(QMessageBox.Icon.Warning)
    box.setText(f"Delete “{model.card.name}” for good?")
    again = "It can be downloaded again." if model.kind == "downloaded" else "This program keeps no other copy."
    then = " The Upscale page then goes back to the model that came with the program." if in_use else ""
    box.setInformativeText(f"{model.path}\n\n{again}{then}")
    delete = box.addButton("&Delete", QMessageBox.ButtonRole.DestructiveRole)
    keep = box.addButton("&Keep", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    delete.clicked.connect(remove)
    box.open()
