"""Where pictures come in: the empty queue's invitation."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal, SignalInstance
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from core.language import gettext as _
from srgan_desktop import problems
from srgan_desktop.theme import Theme, repolish


class DropArea(QFrame):
    """Fills the page while the queue is empty. The page itself takes the drops, wherever they fall."""

    files_requested = Signal()
    folder_requested = Signal()
    sample_requested = Signal()
    undo_requested = Signal()
    last_time_requested = Signal()

    def __init__(self, theme: Theme, formats: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dropArea")
        self._theme = theme
        self._icon = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        title = QLabel(_("Drop pictures or folders here"), alignment=Qt.AlignmentFlag.AlignCenter)
        title.setProperty("role", "headline")
        below = QLabel(_("or paste them with Ctrl+V"), alignment=Qt.AlignmentFlag.AlignCenter)
        below.setProperty("role", "muted")
        files = QPushButton(_("&Add files…"))
        files.setProperty("role", "primary")
        files.clicked.connect(self.files_requested)
        theme.set_icon(files, "add-files", accented=True)
        folder = QPushButton(_("Add f&older…"))
        folder.clicked.connect(self.folder_requested)
        theme.set_icon(folder, "add-folder")
        buttons = QHBoxLayout()
        buttons.setSpacing(10)
        buttons.addStretch(1)
        for button in (files, folder):
            button.setIconSize(QSize(18, 18))
            buttons.addWidget(button)
        buttons.addStretch(1)
        self.undo = self._link("", self.undo_requested)
        self.last_time = self._link("", self.last_time_requested)
        self.sample = self._link(_("Try a sample picture"), self.sample_requested)
        links = QHBoxLayout()
        links.addStretch(1)
        for link in (self.undo, self.last_time, self.sample):
            links.addWidget(link)
        links.addStretch(1)
        known = QLabel(formats, alignment=Qt.AlignmentFlag.AlignCenter)
        known.setProperty("role", "muted")
        known.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 24)
        column.addStretch(3)
        column.addWidget(self._icon)
        column.addSpacing(14)
        column.addWidget(title)
        column.addSpacing(4)
        column.addWidget(below)
        column.addSpacing(22)
        column.addLayout(buttons)
        column.addSpacing(10)
        column.addLayout(links)
        column.addSpacing(16)
        column.addWidget(known)
        column.addStretch(4)
        theme.changed.connect(self._tint)
        self._tint()

    def show_offers(self, removed: int, last_time: int) -> None:
        """Offer what was there before.

        Args:
            removed: pictures that were just taken out.
            last_time: pictures that waited when the window was closed the last time.
        """
        self.undo.setVisible(removed > 0)
        self.undo.setText(_("Put back {pictures}").format(pictures=problems.pictures(removed)))
        self.undo.setToolTip(_("Undo (Ctrl+Z)"))
        self.last_time.setVisible(last_time > 0 and not removed)
        self.last_time.setText(
            _("Continue with {pictures} from last time").format(pictures=problems.pictures(last_time))
        )
        self.sample.setVisible(not removed and not last_time)

    def _link(self, text: str, signal: SignalInstance) -> QPushButton:
        button = QPushButton(text, self)
        button.setProperty("role", "link")
        button.clicked.connect(signal)
        return button

    def light_up(self, over: bool) -> None:
        """Show that a drop would be taken."""
        self.setProperty("over", over)
        repolish(self)

    def _tint(self) -> None:
        self._icon.setPixmap(self._theme.icon("drop", self._theme.tokens.accent_text).pixmap(QSize(64, 64)))
