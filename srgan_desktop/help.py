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
from core.language import gettext as _
from core.version import VERSION
from srgan_desktop.fields import Scrolled, quiet, titled
from srgan_desktop.theme import app_icon

KEYS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        _("Everywhere"),
        (
            (_("Ctrl+1, 2, 3"), _("Upscale, Train, Models")),
            (_("Ctrl+Return"), _("Start")),
            (_("Ctrl+P"), _("Pause or resume")),
            (_("Ctrl+."), _("Cancel or stop")),
            (_("Ctrl+Q"), _("Quit")),
            (_("? or F1"), _("These keys")),
            ("Alt", _("Keys of the labels: the underlined letters")),
        ),
    ),
    (
        _("Queue"),
        (
            (_("Ctrl+O"), _("Add files")),
            (_("Ctrl+Shift+O"), _("Add a folder")),
            (_("Ctrl+V"), _("Paste files or a picture")),
            (_("Ctrl+C"), _("Copy the results")),
            (_("Ctrl+F"), _("Search, or show only failed pictures")),
            (_("Ctrl+R"), _("Retry")),
            (_("Ctrl+Z"), _("Undo remove")),
            (_("Return"), _("Open the result")),
            (_("Del"), _("Remove")),
            (_("Ctrl+,"), _("Options, in a narrow window")),
        ),
    ),
    (
        _("Comparison"),
        (
            ("D, S, T", _("Divider, side by side, blink")),
            (_("Left, Right"), _("Move the divider, with Shift faster")),
            (_("Space (hold)"), _("The original")),
            (_("L (hold)"), _("Loupe")),
            ("F", _("Fit")),
            ("1", _("Pixel for pixel")),
            ("+, −", _("Zoom")),
            (_("Ctrl+arrows"), _("Move the picture")),
            ("N", _("Show pixels as squares")),
            ("X", _("Difference from the original")),
            ("P", _("Saved result or preview")),
            (_("PgUp, PgDn"), _("Previous, next picture")),
            ("F11", _("Full screen")),
        ),
    ),
    (_("Sliders"), ((_("0 to 9"), _("Type a percentage")), (_("Double click"), _("Reset")))),
)
"""(where, (key, what it does))."""


class KeysDialog(QDialog):
    """All keys of the window."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(_("Keys"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        area = Scrolled("welcome", self)
        grid = QGridLayout(area.inside)
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
        column.addWidget(area)
        column.addLayout(_buttons(self, ()))
        self.resize(QSize(480, 560))


class AboutDialog(QDialog):
    """What this program is, in which version, by whose licences, and where its log lies."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(_("About SRGAN Desktop"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        icon = QLabel()
        icon.setPixmap(app_icon().pixmap(QSize(64, 64)))
        self.versions = quiet(versions())
        self.versions.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        words = QVBoxLayout()
        words.setSpacing(6)
        words.addWidget(titled(f"SRGAN Desktop {VERSION}", "headline"))
        words.addWidget(quiet(_("Upscales pictures with SRGAN networks, and trains them. MIT licence.")))
        words.addWidget(self.versions)
        words.addWidget(
            quiet(
                _(
                    "Qt and PySide6 are used under the LGPL; all other parts have licences that go with MIT. The "
                    "models that come with the program are MIT; others say their licence on the Models page."
                )
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
        copy = QPushButton(_("&Copy versions"))
        copy.setToolTip(_("For a report"))
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(versions()))
        log, licences = QPushButton(_("Open &log folder")), QPushButton(_("Open l&icences"))
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
    close = QPushButton(_("Close"))
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
