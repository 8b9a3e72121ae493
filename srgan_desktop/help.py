"""Help and About: all keys, the version, licences, and where the log lies."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QUrl, qVersion
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from core import paths
from core.version import VERSION
from srgan_desktop.fields import quiet, scrolled, titled
from srgan_desktop.theme import app_icon

KEYS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Everywhere",
        (
            ("Ctrl+1, 2, 3", "Upscale, Train, Models"),
            ("Ctrl+Return", "Start"),
            ("Ctrl+P", "Pause or resume"),
            ("Ctrl+.", "Cancel or stop"),
            ("Ctrl+Q", "Quit"),
            ("? or F1", "These keys"),
            ("Alt", "Keys of the labels: the underlined letters"),
        ),
    ),
    (
        "Queue",
        (
            ("Ctrl+O", "Add files"),
            ("Ctrl+Shift+O", "Add a folder"),
            ("Ctrl+V", "Paste files or a picture"),
            ("Ctrl+C", "Copy the results"),
            ("Ctrl+F", "Search, or show only failed pictures"),
            ("Ctrl+R", "Retry"),
            ("Ctrl+Z", "Undo remove"),
            ("Return", "Open the result"),
            ("Del", "Remove"),
            ("Ctrl+,", "Options, in a narrow window"),
        ),
    ),
    (
        "Comparison",
        (
            ("D, S, T", "Divider, side by side, blink"),
            ("Left, Right", "Move the divider, with Shift faster"),
            ("Space (hold)", "The original"),
            ("L (hold)", "Loupe"),
            ("F", "Fit"),
            ("1", "Pixel for pixel"),
            ("+, −", "Zoom"),
            ("Ctrl+arrows", "Move the picture"),
            ("N", "Show pixels as squares"),
            ("X", "Difference from the original"),
            ("P", "Saved result or preview"),
            ("PgUp, PgDn", "Previous, next picture"),
            ("F11", "Full screen"),
        ),
    ),
    ("Sliders", (("0 to 9", "Type a percentage"), ("Double click", "Reset"))),
)
"""(where, (key, what it does))."""


class KeysDialog(QDialog):
    """All keys of the window."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        inside = QWidget()
        inside.setObjectName("welcome")
        grid = QGridLayout(inside)
        grid.setContentsMargins(20, 16, 20, 12)
        grid.setHorizontalSpacing(18)
        grid.setVerticalSpacing(5)
        grid.setColumnStretch(1, 1)
        for where, keys in KEYS:
            row = grid.rowCount()
            grid.addWidget(titled(where, "title"), row, 0, 1, 2)
            for number, (key, what) in enumerate(keys, row + 1):
                grid.addWidget(titled(key), number, 0, Qt.AlignmentFlag.AlignTop)
                grid.addWidget(quiet(what), number, 1)
            grid.setRowMinimumHeight(grid.rowCount(), 10)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 12)
        column.addWidget(scrolled(inside))
        column.addLayout(_buttons(self, ()))
        self.resize(QSize(480, 620))


class AboutDialog(QDialog):
    """What this program is, in which version, by whose licences, and where its log lies."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About SRGAN Desktop")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        icon = QLabel()
        icon.setPixmap(app_icon().pixmap(QSize(64, 64)))
        self.versions = quiet(versions())
        self.versions.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        words = QVBoxLayout()
        words.setSpacing(6)
        words.addWidget(titled(f"SRGAN Desktop {VERSION}", "headline"))
        words.addWidget(quiet("Upscales pictures with SRGAN networks, and trains them. MIT licence."))
        words.addWidget(self.versions)
        words.addWidget(
            quiet(
                "Qt and PySide6 are used under the LGPL; all other parts have licences that go with MIT. The models "
                "that come with the program are MIT; others say their licence on the Models page."
            )
        )
        words.addStretch(1)
        above = QHBoxLayout()
        above.setSpacing(18)
        above.addWidget(icon, 0, Qt.AlignmentFlag.AlignTop)
        above.addLayout(words, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(22, 20, 22, 14)
        column.setSpacing(16)
        column.addLayout(above)
        copy = QPushButton("&Copy versions")
        copy.setToolTip("For a report")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(versions()))
        log, licences = QPushButton("Open &log folder"), QPushButton("Open l&icences")
        log.clicked.connect(partial(_open, paths.user_logs()))
        licences.clicked.connect(partial(_open, licence_folder()))
        column.addLayout(_buttons(self, (copy, log, licences)))
        self.resize(QSize(560, 320))


def versions() -> str:
    """Program, Python, Qt and system, in lines."""
    return "\n".join(
        (
            f"SRGAN Desktop {VERSION}",
            f"Python {platform.python_version()}, Qt {qVersion()}",
            platform.platform(),
        )
    )


def licence_folder() -> Path:
    """Where the texts of all licences lie: beside the resources of the packaged program, else in the sources."""
    root = paths.RESOURCES.parent
    return next((each for each in (root / "licenses", root / "packaging" / "licenses") if each.is_dir()), root)


def _open(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _buttons(dialog: QDialog, others: Sequence[QPushButton]) -> QHBoxLayout:
    close = QPushButton("Close")
    close.setProperty("role", "primary")
    close.setDefault(True)
    close.clicked.connect(dialog.accept)
    row = QHBoxLayout()
    row.setContentsMargins(12, 0, 12, 0)
    for button in others:
        row.addWidget(button)
    row.addStretch(1)
    row.addWidget(close)
    return row
