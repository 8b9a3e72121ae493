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
from core.models.card import ModelCard
from core.models.catalogue import Kind, Model
from core.models.known import KnownModel
from srgan_desktop.fields import Elided, Fold, keep_width, quiet, scrolled, titled
from srgan_desktop.models.list_view import ListedModel, file_bytes, licence, progress_words, size_words
from srgan_desktop.models.portrait import Bars, BeforeAfter, scores
from srgan_desktop.models.session import ModelsSession
from srgan_desktop.progress_line import ProgressLine
from srgan_desktop.theme import Theme

ORIGINS: dict[Kind, str] = {
    "shipped": "Comes with the program",
    "trained": "Trained here",
    "blended": "Blended here",
    "imported": "Imported from a file",
    "downloaded": "Downloaded",
}
METRICS = {"psnr_y": "PSNR-Y, dB", "ssim_y": "SSIM-Y", "perceptual": "perceptual distance"}
"""How figures on a card are called for people."""
SHIPPED_STAYS = "Comes with the program"


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

    def __init__(self, theme: Theme, session: ModelsSession) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._theme = theme
        self._session = session
        self._entry: ListedModel | None = None
        self._digests: dict[tuple[Path, Stamp | None], str] = {}
        self.title = titled("", "title")
        self.title.setWordWrap(True)
        self.facts = quiet()
        self.about = QLabel()
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setWordWrap(True)
        self.sample = BeforeAfter()
        self.bars = Bars(theme)
        self.use = self._primary("&Use for upscaling", "good", self.use_requested)
        keep_width(self.use, "&Use for upscaling", "In use")
        self.check = QPushButton("&Try on my picture…")
        self.check.setToolTip("Measure it on a picture of yours, beside bicubic")
        self.check.setIconSize(QSize(16, 16))
        theme.set_icon(self.check, "measure")
        self.check.clicked.connect(lambda: self._ask(self.check_requested))
        self.download = self._primary("&Download", "download", self.download_requested)
        self.cancel = QPushButton("&Stop the download")
        self.cancel.clicked.connect(lambda: self._ask(self.cancel_requested))
        theme.set_icon(self.cancel, "stop")
        self.progress = ProgressLine(theme)
        self.progress.setAccessibleName("Progress of the download")
        self.download_words = quiet()
        self.compare = self._tool("Compare…", "side", "Compare it with other models", self.compare_requested)
        self.blend = self._tool("Blend…", "blend", "Make a model between this one and another", self.blend_requested)
        self.fine_tune = self._tool("Fine-tune…", "train", "", self.fine_tune_requested)
        self.rename = self._tool("Rename…", "rename", "", self.rename_requested)
        self.folder = self._tool("Folder", "folder", "Show its file in the file manager", self.folder_requested)
        self.remove = self._tool("Remove…", "remove", "", self.remove_requested)
        self.tools = QWidget()
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
        self.about.setText(breakable(card.description))
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
        self.use.setText("In use" if default else "&Use for upscaling")
        self.use.setToolTip("The Upscale page uses it" if default else "Use it on the Upscale page")
        self.fine_tune.setEnabled(model.trainable)
        self.fine_tune.setToolTip(
            "Train it further on your own pictures"
            if model.trainable
            else "Only SRGAN generators can be trained; this is another network"
        )
        own = not model.shipped
        named = own and model.path.suffix.lower() == ".safetensors"
        self.rename.setEnabled(named)
        self.rename.setToolTip(
            "Give it another name" if named else "Downloaded files keep their names" if own else SHIPPED_STAYS
        )
        self.remove.setEnabled(own)
        self.remove.setToolTip("Delete its file" if own else SHIPPED_STAYS)

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
            self.download.setText(f"{'&Try again' if again else '&Download'} ({size_words(file_bytes(entry))})")
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
        row = QWidget()
        inside = QHBoxLayout(row)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(4)
        if digest:
            words = Elided(mode=Qt.TextElideMode.ElideMiddle)
            words.say(digest)
            copy = QToolButton()
            copy.setIconSize(QSize(16, 16))
            copy.setToolTip("Put the SHA-256 on the clipboard")
            copy.setAccessibleName("Copy the SHA-256")
            self._theme.set_icon(copy, "copy")
            copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(digest))
            inside.addWidget(words, 1)
            inside.addWidget(copy)
        elif isinstance(entry, Model):
            compute = QPushButton("Compute")
            compute.setProperty("role", "link")
            compute.setToolTip("Check the whole file against the hash that its author published")
            compute.setAccessibleName("Compute the SHA-256")
            compute.clicked.connect(lambda: self._compute(compute, entry.path))
            inside.addWidget(compute)
            inside.addStretch(1)
        return row

    def _compute(self, button: QPushButton, path: Path) -> None:
        button.setEnabled(False)
        button.setText("Computing…")
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
        first = QHBoxLayout()
        first.setSpacing(8)
        for button in (self.use, self.check, self.download, self.cancel):
            first.addWidget(button)
        first.addStretch(1)
        grid = QGridLayout(self.tools)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(6)
        tools = (self.compare, self.blend, self.fine_tune, self.rename, self.folder, self.remove)
        for index, tool in enumerate(tools):
            grid.addWidget(tool, index // 3, index % 3)
        rows = QWidget()
        self._rows = QGridLayout(rows)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setHorizontalSpacing(14)
        self._rows.setVerticalSpacing(7)
        self._rows.setColumnStretch(1, 1)
        self.details = Fold(self._theme, "All that is known", "Licence, network, training, measurements, file", rows)
        inside = QWidget()
        inside.setObjectName("modelCard")
        column = QVBoxLayout(inside)
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
        column.addLayout(first)
        column.addWidget(self.progress)
        column.addWidget(self.download_words)
        column.addWidget(self.tools)
        column.addWidget(self.details)
        column.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 1, 1, 1)
        outer.addWidget(scrolled(inside))


class CardValue(QLabel):
    """One value of the card; its context menu copies it.

    It cannot be selected instead, as what makes it breakable would come along, and no path or hash works with that.
    """

    def __init__(self, label: str, value: str) -> None:
        super().__init__(breakable(value))
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setAccessibleName(f"{label}: {value}")
        copy = QAction("&Copy", self)
        copy.triggered.connect(lambda: QGuiApplication.clipboard().setText(value))
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)


def breakable(text: str) -> str:
    """Let long words, such as hashes and paths, be broken where a line ends; Qt would make the card wider instead."""
    return re.sub(r"(\S{16})(?=\S)", "\\1\u200b", text)


def _headline(entry: ListedModel) -> str:
    origin = ORIGINS[entry.kind] if isinstance(entry, Model) else "Not here yet"
    author = f"by {entry.card.author}" if entry.card.author else ""
    return " · ".join(part for part in (origin, f"{entry.card.scale}×", author) if part)


def _rows(entry: ListedModel) -> list[tuple[str, str]]:
    card = entry.card
    network = f"{card.architecture} {card.size}".strip()
    rows = [
        ("Licence", licence(entry)[1]),
        ("Network", network or "Unknown until imported"),
        ("Tags", ", ".join(card.tags)),
        ("Trained on", card.dataset),
        ("Steps", f"{card.iterations:,}" if card.iterations else ""),
        ("Measured", _measured(card)),
        ("Parent", card.parent.replace("; ", "\n")),
        ("Date", card.date),
        ("Size", size_words(file_bytes(entry))),
        ("From", entry.url) if isinstance(entry, KnownModel) else ("File", str(entry.path)),
        ("Data SHA-256", card.dataset_sha256),
        ("Recipe", card.recipe.strip()),
    ]
    return [(label, value) for label, value in rows if value]


def _measured(card: ModelCard) -> str:
    lines = []
    for name, value in card.metrics.items():
        subject, _, metric = name.rpartition(" ")
        lines.append(f"{' '.join(part for part in (subject, METRICS.get(metric, metric)) if part)}: {value:.4g}")
    return "\n".join(lines)
