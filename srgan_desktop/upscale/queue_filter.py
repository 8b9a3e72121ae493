"""Finding rows of the queue: a strip over it with a word to search for and a state to show."""

from __future__ import annotations

import os
from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QToolButton

from core.language import gettext as _
from srgan_desktop.fields import Choice
from srgan_desktop.theme import Theme
from srgan_desktop.upscale.queue_model import Entry, State

SHOWN: tuple[tuple[str, frozenset[State]], ...] = (
    (_("All"), frozenset(State)),
    (_("Waiting"), frozenset({State.WAITING, State.WORKING})),
    (_("Saved"), frozenset({State.DONE, State.SKIPPED})),
    (_("Only failed"), frozenset({State.FAILED})),
)
"""(label, states)."""
DIFFERS = _("Different from the source")


class QueueFilter(QFrame):
    """Hidden until somebody searches; Esc closes it, and shows all rows again."""

    changed = Signal()
    """`matches` is another."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setObjectName("queueFilter")
        self.search = QLineEdit()
        self.search.setPlaceholderText(_("Search names and folders"))
        self.search.setAccessibleName(_("Search the queue"))
        self.search.setClearButtonEnabled(True)
        self.state = Choice()
        self.state.setAccessibleName(_("Which pictures are shown"))
        for label, states in SHOWN:
            self.state.addItem(label, states)
        self.state.addItem(DIFFERS, None)
        close = QToolButton()
        close.setIconSize(QSize(16, 16))
        close.setToolTip(_("Show all pictures again (Esc)"))
        close.setAccessibleName(_("Close the search"))
        close.clicked.connect(self.close_filter)
        theme.set_icon(close, "close")
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 0, 6, 6)
        row.setSpacing(8)
        row.addWidget(self.search, 3)
        row.addWidget(self.state, 2)
        row.addWidget(close)
        self.search.textChanged.connect(self.changed)
        self.state.currentIndexChanged.connect(self.changed)
        self.hide()

    def open_filter(self) -> None:
        """Let somebody search."""
        self.show()
        self.search.setFocus()
        self.search.selectAll()

    def close_filter(self) -> None:
        """Show all rows again."""
        self.hide()
        self.search.clear()
        self.state.setCurrentIndex(0)

    @property
    def matches(self) -> Callable[[Entry], bool] | None:
        """Whether a row is shown; None where all are."""
        # Whichever slash somebody types on Windows.
        words = self.search.text().lower().replace(os.sep, "/").split()
        states: frozenset[State] | None = self.state.currentData()
        if not words and self.state.currentIndex() == 0:
            return None

        def matching(entry: Entry) -> bool:
            if states is None:
                if not entry.differs_much:
                    return False
            elif entry.state not in states and not (entry.problem is not None and State.FAILED in states):
                return False
            path = entry.path.as_posix().lower() if words else ""
            return all(word in path for word in words)

        return matching

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close_filter()
        else:
            super().keyPressEvent(event)
