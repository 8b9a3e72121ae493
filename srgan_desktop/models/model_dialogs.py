"""The question whether a model is to go."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from core.language import gettext as _
from core.models.catalogue import Model


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
    box.setWindowTitle(_("Remove a model"))
    box.setIcon(QMessageBox.Icon.Warning)
    box.setText(_("Delete “{name}” for good?").format(name=model.card.name))
    again = _("It can be downloaded again.") if model.kind == "downloaded" else _("This program keeps no other copy.")
    then = " " + _("The Upscale page then goes back to the model that came with the program.") if in_use else ""
    box.setInformativeText(f"{model.path}\n\n{again}{then}")
    delete = box.addButton(_("&Delete"), QMessageBox.ButtonRole.DestructiveRole)
    keep = box.addButton(_("&Keep"), QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    delete.clicked.connect(remove)
    box.open()
