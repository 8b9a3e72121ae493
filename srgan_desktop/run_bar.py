"""The bar under a page with a run: how far it is, in words and as a bar, and the buttons that steer it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QKeySequence, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from core.language import gettext as _
from srgan_desktop.fields import Elided, keep_width
from srgan_desktop.progress_line import ProgressLine
from srgan_desktop.theme import Theme, repolish


@dataclass(frozen=True, slots=True)
class BarState:
    """What the bar says."""

    title: str
    words: str = ""
    fraction: float | None = None
    """How much is done, 0 to 1; None while nobody can tell: stripes then move along, so that nothing looks stuck."""
    has_progress: bool = True
    """Whether there is an end that the run comes nearer to."""
    paused: bool = False
    warns: bool = False
    """Whether the words are a warning."""


class RunBar(QFrame):
    """Says what its page tells it; the page connects the buttons, and may add some."""

    def __init__(
        self,
        theme: Theme,
        orientation: Qt.Orientation,
        *,
        stop: str,
        stop_tooltip: str,
        pause_tooltip: str,
        resume: str,
        elide: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
        parent: QWidget | None = None,
    ) -> None:
        """Lay it out.

        Args:
            theme: for the icons.
            orientation: whether the words stand beside the title or under it.
            stop: label of the button that ends the run.
            stop_tooltip: what that button does.
            pause_tooltip: what Pause does.
            resume: label of Pause while the run is paused.
            elide: where the title and the words are cut when there is no room.
            parent: what it stands in.
        """
        super().__init__(parent)
        self.setProperty("role", "card")
        self._theme = theme
        self._resume = resume
        self._line: QBoxLayout | None = None
        """What title and words stand in where they may stand beside each other."""
        self.title = Elided("strong", elide)
        self.words = Elided("muted", elide)
        self.progress = ProgressLine(theme)
        self.progress.setAccessibleName(_("Progress of the run"))
        self.stop = QPushButton(stop)
        self.stop.setToolTip(_("{stop_tooltip} (Ctrl+.)").format(stop_tooltip=stop_tooltip))
        self.stop.setShortcut(QKeySequence("Ctrl+."))
        self.pause = QPushButton(_("&Pause"))
        self.pause.setToolTip(_("{pause_tooltip} (Ctrl+P)").format(pause_tooltip=pause_tooltip))
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 10, 12, 10)
        row.setSpacing(8)
        row.addLayout(self._beside() if orientation == Qt.Orientation.Horizontal else self._below(), 1)
        row.addSpacing(10)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(8)
        row.addLayout(self._buttons)
        self.add_button(self.stop, "stop")
        self.add_button(self.pause, "pause")
        keep_width(self.pause, _("&Pause"), resume)

    def _beside(self) -> QVBoxLayout:
        self._line = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._line.addWidget(self.title)
        self._line.addWidget(self.words, 1)
        self.words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        column = QVBoxLayout()
        column.setSpacing(7)
        column.addStretch(1)
        column.addLayout(self._line)
        column.addWidget(self.progress)
        column.addStretch(1)
        return column

    def _below(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(4)
        column.addWidget(self.title)
        column.addWidget(self.words)
        column.addWidget(self.progress)
        return column

    def add_button(self, button: QPushButton, icon: str, at: int = -1) -> None:
        """Put a button on the right of the others, or at a place among them."""
        button.setIconSize(QSize(16, 16))
        self._theme.set_icon(button, icon, accented=button.property("role") == "primary")
        self._buttons.insertWidget(at, button)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_words()

    def _fit_words(self) -> None:
        """Put the words under the title where there is no room beside it, and no progress below."""
        room = 0 if self._line is None else self._line.geometry().width()
        if self._line is None or not room:
            # Not laid out yet.
            return
        needed = self.title.sizeHint().width() + self._line.spacing() + self.words.sizeHint().width()
        below = self.progress.isHidden() and needed > room
        direction = QBoxLayout.Direction.TopToBottom if below else QBoxLayout.Direction.LeftToRight
        if self._line.direction() != direction:
            self._line.setDirection(direction)
            side = Qt.AlignmentFlag.AlignLeft if below else Qt.AlignmentFlag.AlignRight
            self.words.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            self._line.setSpacing(2 if below else -1)

    def show_state(self, state: BarState) -> None:
        """Say how the run goes."""
        self.title.say(state.title)
        self.words.say(state.words)
        role = "warning" if state.warns else "muted"
        if self.words.property("role") != role:
            self.words.setProperty("role", role)
            repolish(self.words)
        self.progress.setVisible(state.has_progress)
        self.progress.show_fraction(state.fraction)
        self._fit_words()
        look = "paused" if state.paused else ""
        if self.progress.property("state") != look:
            self.progress.setProperty("state", look)
            repolish(self.progress)

    def show_steering(self, active: bool, *, can_pause: bool, can_stop: bool, paused: bool) -> None:
        """Show Pause and Stop while a run is active, and let them be pressed where they do something."""
        self.stop.setVisible(active)
        self.pause.setVisible(active)
        self.stop.setEnabled(can_stop)
        self.pause.setEnabled(can_pause)
        wanted = self._resume if paused else _("&Pause")
        if self.pause.text() != wanted:
            self.pause.setText(wanted)
            self._theme.set_icon(self.pause, "play" if paused else "pause")
