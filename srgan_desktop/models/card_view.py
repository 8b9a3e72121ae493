"""Everything that is known of one model, and what can be done with it."""

from __future__ import annotations

import re
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal, SignalInstance
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.contract.upscale import Stamp
from core.hashing import stamp_of
from core.language import gettext as _
from core.language import headed, listed, shown_number
from core.models.card import ModelCard, set_and_figure
from core.models.catalogue import Kind, Model, licence
from core.models.known import KnownModel
from srgan_desktop.fields import Buttons, Elided, Fold, Scrolled, keep_width, quiet, titled
from srgan_desktop.models.list_view import ListedModel, file_bytes, progress_words, size_words
from srgan_desktop.models.portrait import Bars, BeforeAfter, scores
from srgan_desktop.models.session import ModelsSession
from srgan_desktop.progress_line import ProgressLine
from srgan_desktop.theme import Theme

ORIGINS: dict[Kind, str] = {
    "shipped": _("Comes with the program"),
    "trained": _("Trained here"),
    "blended": _("Blended here"),
    "imported": _("Imported from a file"),
    "downloaded": _("Downloaded"),
}
METRICS = {"psnr_y": "PSNR-Y, dB", "ssim_y": "SSIM-Y", "perceptual": _("perceptual distance")}
"""How figures on a card are called for people."""
SHIPPED_STAYS = _("Comes with the program")


class ModelCardView(QFrame):
    """Shows one model; the page does what is asked for, and asks before anything is deleted."""

    use_requested = Signal(str)
    check_requested = Signal(str)
    compare_requested = Signal(str)
    blend_requested = Signal(str)
    fine_tune_requested = Signal(str)
    rename_requested = Signal(str)
    folder_requested = Signal(str)
    remove_requested = Signal(str)
    download_requested = Signal(str)
    cancel_requested = Signal(str)
    """Each with the model's key."""

    def __init__(self, theme: Theme, session: ModelsSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._theme = theme
        self._session = session
        self._entry: ListedModel | None = None
        self._digests: dict[tuple[Path, Stamp | None], str] = {}
        self._area = Scrolled("modelCard", self)
        inside = self._area.inside
        self.title = titled("", "title")
        self.title.setWordWrap(True)
        self.facts = quiet()
        self.about = QLabel()
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setWordWrap(True)
        self.sample = BeforeAfter()
        self.bars = Bars(theme, inside)
        self.use = self._primary(_("&Use for upscaling"), "good", self.use_requested)
        keep_width(self.use, _("&Use for upscaling"), _("In use"))
        self.check = QPushButton(_("&Try on my picture…"))
        self.check.setToolTip(_("Measure it on a picture of yours, beside bicubic"))
        self.check.setIconSize(QSize(16, 16))
        theme.set_icon(self.check, "measure")
        self.check.clicked.connect(lambda: self._ask(self.check_requested))
        self.download = self._primary(_("&Download"), "download", self.download_requested)
        self.cancel = QPushButton(_("&Stop the download"))
        self.cancel.clicked.connect(lambda: self._ask(self.cancel_requested))
        theme.set_icon(self.cancel, "stop")
        self.progress = ProgressLine(theme)
        self.progress.setAccessibleName(_("Progress of the download"))
        self.download_words = quiet()
        self.compare = self._tool(_("Compare…"), "side", _("Compare it with other models"), self.compare_requested)
        self.blend = self._tool(
            _("Blend…"), "blend", _("Make a model between this one and another"), self.blend_requested
        )
        self.fine_tune = self._tool(_("Fine-tune…"), "train", "", self.fine_tune_requested)
        self.rename = self._tool(_("Rename…"), "rename", "", self.rename_requested)
        self.folder = self._tool(_("Folder"), "folder", _("Show its file in the file manager"), self.folder_requested)
        self.remove = self._tool(_("Remove…"), "remove", "", self.remove_requested)
        first = (self.use, self.check, self.download, self.cancel)
        self._first = Buttons(inside, first, most=len(first), equal=False)
        tools = (self.compare, self.blend, self.fine_tune, self.rename, self.folder, self.remove)
        self.tools = Buttons(inside, tools, most=3, equal=True)
        self.details = Fold(theme, _("All that is known"), _("Licence, network, training, measurements, file"), inside)
        self._lay_out()
        session.downloading.connect(self._on_downloading)
        session.hashed.connect(self._on_hashed)

    def show_entry(self, entry: ListedModel | None) -> None:
        """Show this model."""
        self._entry = entry
        self.setEnabled(entry is not None)
        if entry is None:
            return
        card = entry.card
        self.title.setText(breakable(card.name))
        self.facts.setText(_headline(entry))
        self.about.setText(breakable(card.explanation))
        self.about.setVisible(bool(card.description))
        here = isinstance(entry, Model)
        self.sample.show_model(entry.key)
        self.bars.show_scores(scores(card, file_bytes(entry)))
        for each in (self.use, self.check, self.tools):
            each.setVisible(here)
        if isinstance(entry, Model):
            self._show_actions(entry)
        self._show_download()
        self._show_rows(entry)

    # Within

    def _show_actions(self, model: Model) -> None:
        default = model.key == self._session.default_key
        self.use.setEnabled(not default)
        self.use.setText(_("In use") if default else _("&Use for upscaling"))
        self.use.setToolTip(_("The Upscale page uses it") if default else _("Use it on the Upscale page"))
        self.fine_tune.setEnabled(model.trainable)
        self.fine_tune.setToolTip(
            _("Train it further on your own pictures")
            if model.trainable
            else _("Only SRGAN generators can be trained; this is another network")
        )
        own = not model.shipped
        named = own and model.path.suffix.lower() == ".safetensors"
        self.rename.setEnabled(named)
        self.rename.setToolTip(
            _("Give it another name") if named else _("Downloaded files keep their names") if own else SHIPPED_STAYS
        )
        self.remove.setEnabled(own)
        self.remove.setToolTip(_("Delete its file") if own else SHIPPED_STAYS)

    def _show_download(self) -> None:
        entry = self._entry
        known = isinstance(entry, KnownModel)
        download = self._session.downloads.get(entry.key) if entry is not None and known else None
        running = download is not None and download.problem is None
        self.download.setVisible(known and not running)
        self.cancel.setVisible(running)
        self.progress.setVisible(running)
        self.download_words.setVisible(known and download is not None)
        if isinstance(entry, KnownModel):
            again = download is not None and download.problem is not None
            words = _("&Try again ({size})") if again else _("&Download ({size})")
            self.download.setText(words.format(size=size_words(file_bytes(entry))))
        if download is None:
            return
        if download.problem is not None:
            self.download_words.setText(f"{download.problem.message} {download.problem.hint}".strip())
        else:
            self.progress.show_fraction(download.fraction)
            self.download_words.setText(progress_words(download))

    def _show_rows(self, entry: ListedModel) -> None:
        while (item := self._rows.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        rows = _rows(entry)
        for row, (label, value) in enumerate(rows):
            name = titled(label, "section")
            name.setAlignment(Qt.AlignmentFlag.AlignTop)
            self._add_row(row, name, CardValue(label, value))
        self._add_row(len(rows), titled("SHA-256", "section"), self._digest_row(entry))

    def _add_row(self, row: int, *widgets: QWidget) -> None:
        for column, widget in enumerate(widgets):
            self._rows.addWidget(widget, row, column)
            # A layout that is already seen shows what it is given only one turn of the event loop later.
            widget.show()

    def _digest_row(self, entry: ListedModel) -> QWidget:
        if isinstance(entry, KnownModel):
            digest = entry.sha256
        else:
            digest = self._digests.get((entry.path, stamp_of(entry.path)), "")
        row = QWidget(self.details.contents)
        inside = QHBoxLayout(row)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(4)
        if digest:
            words = Elided(mode=Qt.TextElideMode.ElideMiddle)
            words.say(digest)
            copy = QToolButton()
            copy.setIconSize(QSize(16, 16))
            copy.setToolTip(_("Put the SHA-256 on the clipboard"))
            copy.setAccessibleName(_("Copy the SHA-256"))
            self._theme.set_icon(copy, "copy")
            copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(digest))
            inside.addWidget(words, 1)
            inside.addWidget(copy)
        elif isinstance(entry, Model):
            compute = QPushButton(_("Compute"))
            compute.setProperty("role", "link")
            compute.setToolTip(_("Check the whole file against the hash that its author published"))
            compute.setAccessibleName(_("Compute the SHA-256"))
            compute.clicked.connect(lambda: self._compute(compute, entry.path))
            inside.addWidget(compute)
            inside.addStretch(1)
        return row

    def _compute(self, button: QPushButton, path: Path) -> None:
        button.setEnabled(False)
        button.setText(_("Computing…"))
        self._session.hash(path)

    def _on_hashed(self, path: Path, digest: str) -> None:
        self._digests[(path, stamp_of(path))] = digest
        if isinstance(self._entry, Model) and self._entry.path == path:
            self._show_rows(self._entry)

    def _on_downloading(self, key: str) -> None:
        if self._entry is not None and self._entry.key == key:
            self._show_download()

    def _ask(self, signal: SignalInstance) -> None:
        if self._entry is not None:
            signal.emit(self._entry.key)

    def _primary(self, text: str, icon: str, signal: SignalInstance) -> QPushButton:
        button = QPushButton(text)
        button.setProperty("role", "primary")
        button.setIconSize(QSize(16, 16))
        self._theme.set_icon(button, icon, accented=True)
        button.clicked.connect(lambda: self._ask(signal))
        return button

    def _tool(self, text: str, icon: str, words: str, signal: SignalInstance) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setProperty("role", "action")
        button.setIconSize(QSize(16, 16))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.setToolTip(words)
        self._theme.set_icon(button, icon)
        button.clicked.connect(lambda: self._ask(signal))
        return button

    def _lay_out(self) -> None:
        self._rows = QGridLayout(self.details.contents)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setHorizontalSpacing(14)
        self._rows.setVerticalSpacing(7)
        self._rows.setColumnStretch(1, 1)
        column = QVBoxLayout(self._area.inside)
        column.setContentsMargins(18, 14, 16, 14)
        column.setSpacing(12)
        head = QVBoxLayout()
        head.setSpacing(2)
        head.addWidget(self.title)
        head.addWidget(self.facts)
        column.addLayout(head)
        column.addWidget(self.sample)
        column.addWidget(self.bars)
        column.addWidget(self.about)
        column.addWidget(self._first)
        column.addWidget(self.progress)
        column.addWidget(self.download_words)
        column.addWidget(self.tools)
        column.addWidget(self.details)
        column.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 1, 1, 1)
        outer.addWidget(self._area)


class CardValue(QLabel):
    """One value of the card; its context menu copies it.

    It cannot be selected instead, as what makes it breakable would come along, and no path or hash works with that.
    """

    def __init__(self, label: str, value: str) -> None:
        super().__init__(breakable(value))
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setAccessibleName(headed(label, value))
        copy = QAction(_("&Copy"), self)
        copy.triggered.connect(lambda: QGuiApplication.clipboard().setText(value))
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)


def breakable(text: str) -> str:
    """Let long words, such as hashes and paths, be broken where a line ends; Qt would make the card wider instead."""
    return re.sub(r"(\S{16})(?=\S)", "\\1\u200b", text)


def _headline(entry: ListedModel) -> str:
    origin = ORIGINS[entry.kind] if isinstance(entry, Model) else _("Not here yet")
    author = _("by {author}").format(author=entry.card.author) if entry.card.author else ""
    return " · ".join(part for part in (origin, f"{entry.card.scale}×", author) if part)


def _rows(entry: ListedModel) -> list[tuple[str, str]]:
    card = entry.card
    network = f"{card.architecture} {card.size}".strip()
    rows = [
        (_("Licence"), licence(entry)[1]),
        (_("Network"), network or _("Unknown until imported")),
        (_("Tags"), listed(card.tags)),
        (_("Trained on"), card.dataset),
        (_("Steps"), shown_number(card.iterations, ",") if card.iterations else ""),
        (_("Measured"), _measured(card)),
        (_("Parent"), card.parent.replace("; ", "\n")),
        (_("Date"), card.date),
        (_("Size"), size_words(file_bytes(entry))),
        (_("From"), entry.url) if isinstance(entry, KnownModel) else (_("File"), str(entry.path)),
        (_("Data SHA-256"), card.dataset_sha256),
        (_("Recipe"), card.recipe.strip()),
    ]
    return [(label, value) for label, value in rows if value]


def _measured(card: ModelCard) -> str:
    lines = []
    for name, value in card.metrics.items():
        pictures, figure = set_and_figure(name)
        measure = " ".join(filter(None, (pictures, METRICS.get(figure, figure))))
        lines.append(headed(measure, shown_number(value, ".4g")))
    return "\n".join(lines)
