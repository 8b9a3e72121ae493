"""What the Models page does with one model: use, download, blend, rename, show, remove."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from core.language import gettext as _
from srgan_desktop.desktop import show_in_file_manager
from srgan_desktop.dialogs import ask_for_name
from srgan_desktop.models.blend_dialog import BlendDialog
from srgan_desktop.models.model_dialogs import ask_to_remove
from srgan_desktop.models.session import ModelsSession


class ModelActions(QObject):
    """Takes models by key; asks in dialogs over the page's window where there is something to ask."""

    taken = Signal()
    """Something was begun or done: what the page said before is out of date."""
    notice = Signal(str)
    """One line for the user."""

    def __init__(self, session: ModelsSession, page: QWidget) -> None:
        super().__init__(page)
        self._session = session
        self._page = page

    def use(self, key: str) -> None:
        """Make it the model of the Upscale page."""
        model = self._session.find(key)
        if model is not None and key != self._session.default_key:
            self._session.make_default(key)
            self.taken.emit()
            self.notice.emit(_("The Upscale page now uses “{name}”").format(name=model.card.name))

    def download(self, key: str) -> None:
        """Fetch a known model."""
        self.taken.emit()
        self._session.download(key)

    def ask_to_blend(self, key: str) -> None:
        """Ask with which other model it is to be blended."""
        model = self._session.find(key)
        if model is not None:
            dialog = BlendDialog(model, self._session.partners(model), self._page.window())
            dialog.blend_requested.connect(self._session.blend)
            dialog.open()

    def ask_for_name(self, key: str) -> None:
        """Ask for another name for it."""
        model = self._session.find(key)
        if model is not None:
            label = _("Name of the model, on its card and of its file:")
            window = self._page.window()
            ask_for_name(window, _("Rename a model"), label, model.card.name, lambda name: self._rename(key, name))

    def ask_to_remove(self, key: str) -> None:
        """Ask whether to delete its file; one that ships stays."""
        model = self._session.find(key)
        if model is None:
            return
        if model.shipped:
            self.notice.emit(_("“{name}” comes with the program and cannot be removed").format(name=model.card.name))
            return
        in_use = key == self._session.default_key
        ask_to_remove(model, in_use, self._page.window(), lambda: self._session.remove(key))

    def show_folder(self, key: str) -> None:
        """Show its file in the file manager."""
        model = self._session.find(key)
        if model is not None:
            show_in_file_manager(model.path)

    def _rename(self, key: str, name: str) -> None:
        model = self._session.find(key)
        if model is not None and name.strip() and name.strip() != model.card.name:
            self._session.rename(key, name.strip())
