"""A coloured strip over a page: how a run ended, or what went wrong. It stays until it is closed or replaced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from core.language import gettext as _
from srgan_desktop.theme import Theme, repolish

Level = Literal["info", "good", "warn", "bad"]
WIDEST = 760
"""Pixels; longer lines are hard to read."""
MARGIN = 12
"""Between a floating banner and the edges of its place."""


class Banner(QFrame):
    """Hidden until there is something to say."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._level: Level = "info"
        self._place: Callable[[], QRect] | None = None
        self._at_top = False
        self._icon = QLabel(self)
        self._icon.setFixedSize(22, 22)
        self._title = QLabel(self)
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._title.setWordWrap(True)
        self._title.setProperty("role", "strong")
        self._advice = QLabel(self)
        self._advice.setTextFormat(Qt.TextFormat.PlainText)
        self._advice.setWordWrap(True)
        self._advice.setProperty("role", "muted")
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(self._title)
        words.addWidget(self._advice)
        self._actions = QHBoxLayout()
        self._actions.setSpacing(6)
        close = QToolButton(self)
        close.setIconSize(QSize(16, 16))
        close.setToolTip(_("Close this message"))
        close.setAccessibleName(_("Close this message"))
        close.clicked.connect(self.hide)
        theme.set_icon(close, "close")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(10)
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addLayout(words, 1)
        row.addLayout(self._actions)
        row.addWidget(close)
        theme.changed.connect(self._tint)
        self.hide()

    def float_in(self, place: Callable[[], QRect], *, at_top: bool = False) -> None:
        """Lie over the page instead of in its layout, so that nothing moves under the pointer when it comes and goes.

        Args:
            place: where on the page, asked for whenever it is shown.
            at_top: whether it lies at the top of that place, at the right; else at the bottom, in the middle.
        """
        self._place = place
        self._at_top = at_top

    def fit_place(self) -> None:
        """Take the size that its words need, at its place."""
        if self._place is None or self.isHidden():
            return
        place = self._place()
        width = min(place.width() - 2 * MARGIN, WIDEST)
        self.ensurePolished()
        height = max(self.heightForWidth(width), self.minimumSizeHint().height())
        if self._at_top:
            self.setGeometry(place.right() - width - MARGIN, place.top(), width, height)
        else:
            left = place.left() + (place.width() - width) // 2
            self.setGeometry(left, place.bottom() - height - MARGIN, width, height)
        self.raise_()

    @property
    def text(self) -> str:
        """All that it says."""
        return f"{self._title.text()} {self._advice.text()}".strip()

    def say(
        self, level: Level, title: str, advice: str = "", actions: Sequence[tuple[str, Callable[[], object]]] = ()
    ) -> None:
        """Show a message in place of the one before.

        Args:
            level: its colour.
            title: what happened.
            advice: what to do, or the figures.
            actions: (label, what a click does).
        """
        self._level = level
        self._title.setText(title)
        self._advice.setText(advice)
        self._advice.setVisible(bool(advice))
        while (item := self._actions.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for label, act in actions:
            button = QPushButton(label)
            button.clicked.connect(act)
            self._actions.addWidget(button)
            # A layout that is already seen shows what it is given only one turn of the event loop later.
            button.show()
        self.setProperty("banner", level)
        repolish(self)
        self._tint()
        self.show()
        self.fit_place()
        # Screen readers say it without the focus moving here.
        self.setAccessibleName(self.text)
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def advise(self, advice: str) -> None:
        """Change the second line alone, as of something that goes on."""
        self._advice.setText(advice)
        self._advice.setVisible(bool(advice))
        self.fit_place()

    def _tint(self) -> None:
        tokens = self._theme.tokens
        colour = {"info": tokens.accent_text, "good": tokens.good, "warn": tokens.warn, "bad": tokens.bad}[self._level]
        self._icon.setPixmap(self._theme.icon(self._level, colour).pixmap(QSize(22, 22)))
