"""Presets over the options: choose one, save the options as one, take one from a file, pass one on."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QInputDialog, QLineEdit, QMenu, QToolButton, QWidget

from core import paths
from core.contract.errors import UserError
from core.contract.settings import UpscaleSettings
from core.language import gettext as _
from srgan_desktop import problems, settings
from srgan_desktop.desktop import dialog_folder, show_in_file_manager
from srgan_desktop.fields import Choice
from srgan_desktop.settings import Option, Settings
from srgan_desktop.theme import Theme

OWN = _("Current settings")


class PresetField(QWidget):
    """Shows the preset that the options are of, as long as none of them is changed."""

    applied = Signal()
    """Options have values from a preset now; their widgets are to show them."""
    failed = Signal(object)
    """The `Problem` with a preset."""

    def __init__(self, theme: Theme, options: Settings) -> None:
        super().__init__()
        self._settings = options
        self._applying = False
        self.choice = Choice()
        self.more = QToolButton()
        self.more.setIconSize(QSize(18, 18))
        self.more.setToolTip(_("Save, open or pass on presets"))
        self.more.setAccessibleName(_("Presets: save, open, pass on"))
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        theme.set_icon(self.more, "save")
        menu = QMenu(self.more)
        menu.addAction(_("&Save as preset…")).triggered.connect(self._ask_to_save)
        menu.addAction(_("&Open preset file…")).triggered.connect(self._choose_file)
        menu.addAction(_("Show preset &files")).triggered.connect(self._show_files)
        self.more.setMenu(menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.choice, 1)
        row.addWidget(self.more)
        self.setFocusProxy(self.choice)
        self.reload()
        self.choice.currentIndexChanged.connect(self._on_chosen)
        options.changed.connect(self._on_option)

    def setToolTip(self, text: str) -> None:
        self.choice.setToolTip(text)

    def setAccessibleName(self, name: str) -> None:
        self.choice.setAccessibleName(name)

    def reload(self, chosen: str = OWN) -> None:
        """Look again which presets there are, and show one as chosen."""
        own = sorted(path.stem for path in paths.user_presets().glob("*.toml"))
        shipped = sorted(path.stem for path in (paths.RESOURCES / "presets").glob("*.toml"))
        self.choice.blockSignals(True)
        self.choice.clear()
        self.choice.addItems([OWN, *own, *(each for each in shipped if each not in own)])
        self.choice.setCurrentIndex(max(0, self.choice.findText(chosen)))
        self.choice.blockSignals(False)

    def apply(self, name: str) -> None:
        """Give the options the values of a preset, by name or file."""
        # Here, as TOML is imported with it, and the window is to paint first.
        from core.upscale.presets import read_preset

        try:
            values = read_preset(name)
        except UserError as error:
            self.reload()
            self.failed.emit(problems.of_exception(error))
            return
        self._applying = True
        for each, value in values.items():
            self._settings.set(settings.UPSCALE[each], value)
        self._applying = False
        self.applied.emit()

    def save(self, name: str) -> None:
        """Keep the options as they are under a name."""
        from core.upscale.presets import save_preset

        try:
            path = save_preset(name, UpscaleSettings(**self._settings.upscale()))
        except UserError as error:
            self.failed.emit(problems.of_exception(error))
            return
        self.reload(path.stem)

    def _on_chosen(self, row: int) -> None:
        if row > 0:
            self.apply(self.choice.currentText())

    def _on_option(self, option: Option) -> None:
        if not self._applying and option.setting is not None and option.setting.decides:
            self.choice.blockSignals(True)
            self.choice.setCurrentIndex(0)
            self.choice.blockSignals(False)

    def _ask_to_save(self) -> None:
        dialog = QInputDialog(self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(_("Save as preset"))
        dialog.setLabelText(_("Name of the preset:"))
        dialog.setTextEchoMode(QLineEdit.EchoMode.Normal)
        dialog.textValueSelected.connect(self.save)
        dialog.open()

    def _choose_file(self) -> None:
        start = dialog_folder(self._settings.get(settings.FOLDER))
        file, _rest = QFileDialog.getOpenFileName(self, _("Open a preset"), start, _("Presets (*.toml)"))
        if file:
            self.apply(str(Path(file)))

    def _show_files(self) -> None:
        folder = paths.user_presets()
        folder.mkdir(parents=True, exist_ok=True)
        show_in_file_manager(folder / "preset.toml")
