"""The models in groups: what is here, where it came from, and what can be had."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.language import gettext as _
from core.language import listed, shown_number
from core.models.catalogue import Kind, Model, licence
from core.models.known import KnownModel
from srgan_desktop import problems
from srgan_desktop.fields import Elided, quiet, titled
from srgan_desktop.models.session import Download, ModelsSession
from srgan_desktop.progress_line import ProgressLine
from srgan_desktop.theme import Theme

GROUPS: tuple[tuple[str, tuple[Kind, ...], str], ...] = (
    (_("Comes with the program"), ("shipped",), _("No models included: reinstall the program, or download one.")),
    (_("Made here"), ("trained", "blended"), _("None yet. Train one, or blend two.")),
    (
        _("Imported and downloaded"),
        ("imported", "downloaded"),
        _("None yet. Drop .safetensors, .pth, .onnx or .param files here."),
    ),
)
"""(title, which kinds, what to say where there is none)."""
KNOWN_TITLE = _("Can be downloaded")
KNOWN_NONE = _("All downloaded.")

ListedModel = Model | KnownModel


class ModelList(QListWidget):
    """All models; the one selected is shown on the card beside it."""

    chosen = Signal()
    """`entry` is another."""
    download_requested = Signal(str)
    cancel_requested = Signal(str)
    remove_requested = Signal()
    use_requested = Signal()

    def __init__(self, theme: Theme, session: ModelsSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("models")
        self.setAccessibleName(_("Models"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self._theme = theme
        self._session = session
        self.rows: dict[str, Row] = {}
        """By key; a model that is here and one that can be had never share one."""
        self._entries: dict[str, ListedModel] = {}
        self._items: dict[str, QListWidgetItem] = {}
        session.listed.connect(self.show_models)
        session.downloading.connect(self._show_download)
        self.currentItemChanged.connect(self._on_current)
        self.itemDoubleClicked.connect(lambda _item: self.use_requested.emit())
        self.show_models()

    @property
    def entry(self) -> ListedModel | None:
        """The selected model."""
        item = self.currentItem()
        return None if item is None else self._entries.get(item.data(Qt.ItemDataRole.UserRole))

    def select(self, key: str) -> None:
        """Select a model, and bring it into sight."""
        if key in self._items:
            self.setCurrentItem(self._items[key])
            self.scrollToItem(self._items[key])

    def show_models(self) -> None:
        """The list is another one; the same model stays selected."""
        before = self.entry
        wanted = before.key if before is not None else self._session.default_key
        place = self.verticalScrollBar().value()
        self.blockSignals(True)
        self.clear()
        self.rows, self._entries, self._items = {}, {}, {}
        for title, kinds, nothing in GROUPS:
            group = [model for model in self._session.models if model.kind in kinds]
            self._add_group(title, group, nothing)
        self._add_group(KNOWN_TITLE, self._session.known, KNOWN_NONE)
        for key in (wanted, self._session.default_key, *self._items):
            if key in self._items:
                self.setCurrentItem(self._items[key])
                break
        self.blockSignals(False)
        self.verticalScrollBar().setValue(place)
        self.chosen.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.use_requested.emit()
        elif event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_requested.emit()
        else:
            super().keyPressEvent(event)

    def _add_group(self, title: str, entries: Sequence[ListedModel], nothing: str) -> None:
        heading = titled(title, "section")
        heading.setContentsMargins(10, 8 if self.count() == 0 else 14, 10, 4)
        heading.setWordWrap(True)
        self._add(heading, None)
        if not entries:
            words = quiet(nothing)
            words.setContentsMargins(10, 0, 10, 4)
            self._add(words, None)
        for entry in entries:
            row = Row(self._theme, entry, self.viewport())
            row.show_default(entry.key == self._session.default_key)
            row.show_download(self._session.downloads.get(entry.key))
            row.download.clicked.connect(lambda _checked, key=entry.key: self.download_requested.emit(key))
            row.cancel.clicked.connect(lambda _checked, key=entry.key: self.cancel_requested.emit(key))
            self.rows[entry.key] = row
            self._entries[entry.key] = entry
            self._items[entry.key] = self._add(row, entry)

    def _add(self, widget: QWidget, entry: ListedModel | None) -> QListWidgetItem:
        item = QListWidgetItem()
        if entry is None:
            item.setFlags(Qt.ItemFlag.NoItemFlags)
        else:
            item.setData(Qt.ItemDataRole.UserRole, entry.key)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, listed((entry.card.name, facts(entry))))
        self.addItem(item)
        # Qt draws the item and lays the widget over it: only the height is the widget's to say.
        item.setSizeHint(QSize(0, widget.sizeHint().height()))
        self.setItemWidget(item, widget)
        self._fit_height(item)
        return item

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for row in range(self.count()):
            self._fit_height(self.item(row))

    def _fit_height(self, item: QListWidgetItem) -> None:
        """Be as high as the words need at this width: those that explain take more lines where it is narrow."""
        widget = self.itemWidget(item)
        if widget is not None and widget.hasHeightForWidth():
            item.setSizeHint(QSize(0, widget.heightForWidth(self.viewport().width())))

    def _show_download(self, key: str) -> None:
        if key in self.rows:
            self.rows[key].show_download(self._session.downloads.get(key))

    def _on_current(self, _current: QListWidgetItem, _previous: QListWidgetItem) -> None:
        self.chosen.emit()


class Row(QWidget):
    """Name, state, and on a second line scale, licence, size and what it is good at."""

    def __init__(self, theme: Theme, entry: ListedModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._facts = facts(entry)
        self._words = " · ".join(part for part in (self._facts, good_at(entry)) if part)
        self.name = Elided("strong")
        self.name.say(entry.card.name)
        self.mark = QLabel(_("In use"))
        self.mark.setProperty("role", "mark")
        self.mark.setToolTip(_("The Upscale page uses this model"))
        self.words = Elided("muted")
        self.progress = ProgressLine(theme)
        self.progress.setObjectName("thin")
        self.progress.setAccessibleName(_("Download of {name}").format(name=entry.card.name))
        self.download = self._button(theme, "download", _("Download {name}").format(name=entry.card.name))
        self.cancel = self._button(
            theme, "close", _("Stop the download of {name}; what came is kept").format(name=entry.card.name)
        )
        above = QHBoxLayout()
        above.setSpacing(8)
        above.addWidget(self.name, 0)
        above.addWidget(self.mark)
        above.addStretch(1)
        words = QVBoxLayout()
        words.setContentsMargins(0, 0, 0, 0)
        words.setSpacing(2)
        words.addLayout(above)
        words.addWidget(self.words)
        words.addWidget(self.progress)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 7, 8, 7)
        row.setSpacing(6)
        row.addLayout(words, 1)
        row.addWidget(self.download)
        row.addWidget(self.cancel)
        self._has_download = isinstance(entry, KnownModel)
        self.show_default(False)
        self.show_download(None)

    def show_default(self, default: bool) -> None:
        """Mark the model that the Upscale page uses."""
        self.mark.setVisible(default)

    def show_download(self, download: Download | None) -> None:
        """Bring the second line in line with a download; None where there is none."""
        running = download is not None and download.problem is None
        self.progress.setVisible(running)
        self.cancel.setVisible(running)
        self.download.setVisible(self._has_download and not running)
        if download is None:
            self.words.say(self._words)
        elif download.problem is not None:
            self.words.say(download.problem.message, download.problem.hint)
        else:
            self.progress.show_fraction(download.fraction)
            self.words.say(progress_words(download))

    def _button(self, theme: Theme, icon: str, words: str) -> QToolButton:
        button = QToolButton()
        button.setIconSize(QSize(18, 18))
        button.setToolTip(words)
        button.setAccessibleName(words)
        theme.set_icon(button, icon)
        return button


def facts(entry: ListedModel) -> str:
    """Scale, licence and size in one line."""
    card = entry.card
    parts = [f"{card.scale}×", licence(entry)[0], size_words(file_bytes(entry))]
    return " · ".join(parts)


def good_at(entry: ListedModel) -> str:
    """What it is for, in a line."""
    return entry.card.purpose


def file_bytes(entry: ListedModel) -> int:
    """How large its file is; 0 where that is gone."""
    if isinstance(entry, KnownModel):
        return round(entry.megabytes * 1e6)
    try:
        return entry.path.stat().st_size
    except OSError:
        return 0


def size_words(count: int) -> str:
    """`38 kB`, `6.2 MB`, `67 MB`: as exactly as anybody wants to know it of a model."""
    if count < 1e6:
        return _("{count:.0f} kB").format(count=count / 1e3)
    return _("{count:.1f} MB").format(count=count / 1e6) if count < 1e7 else problems.gigabytes(count)


def progress_words(download: Download) -> str:
    """How far a download is."""
    if not download.done:
        return _("Connecting…")
    done = shown_number(download.done / 1e6, ".1f")
    return (
        _("{done} of {total:.1f} MB").format(done=done, total=download.total / 1e6)
        if download.total
        else _("{done} MB").format(done=done)
    )
