"""What the views of a check and of a comparison share: a column to set it up, a place for pictures, and words below."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from core.language import gettext as _
from core.language import percent
from srgan_desktop.compare.view import CompareView
from srgan_desktop.fields import Elided, Scrolled, card, quiet, titled
from srgan_desktop.job import EngineState
from srgan_desktop.models.picture_card import MOST_HEIGHT, PictureCard, RegionPicker
from srgan_desktop.models.session import ModelsSession, Trial
from srgan_desktop.models.trial_picture import TrialPicture
from srgan_desktop.progress_line import ProgressLine
from srgan_desktop.theme import Theme

SIDE_WIDTH, SIDE_CHARACTERS = 286, 40
"""Width of the column on the left: in pixels, and where that is more, in characters of middling width."""


class TrialView(QWidget):
    """A column on the left, pictures on the right. What is tried, and what is said of it, is the subclass's."""

    picture: PictureCard
    """Made by the subclass, for the part that it chooses."""

    def __init__(
        self,
        theme: Theme,
        session: ModelsSession,
        trial: Trial,
        start: str,
        title: str,
        steps: Sequence[str],
        parent: QWidget | None = None,
    ) -> None:
        """Lay out everything but the fields.

        Args:
            theme: for colours and icons.
            session: does it.
            trial: the kind that this view starts.
            start: label of the button.
            title: over the explanation that stands where pictures will be.
            steps: that explanation.
            parent: what this stands in.
        """
        super().__init__(parent)
        self.theme = theme
        self.session = session
        self._estimating = trial
        self._results_of: TrialPicture | None = None
        self._left, self._right = card(self), card(self)
        self._area = Scrolled("trial", self._left)
        self.place = self._area.inside
        """Where the fields stand."""
        self.contents = QStackedWidget(self._right)
        self.start = QPushButton(start)
        self.start.setProperty("role", "primary")
        self.start.setIconSize(QSize(16, 16))
        theme.set_icon(self.start, "play", accented=True)
        self.stop = QPushButton(_("&Stop"))
        self.stop.setIconSize(QSize(16, 16))
        theme.set_icon(self.stop, "stop")
        self.progress = ProgressLine(theme)
        self.progress.setAccessibleName(_("Progress"))
        self.words = Elided("muted")
        self.results = QWidget(self.contents)
        self.compare = CompareView(theme, self.results)
        self.fields = QVBoxLayout()
        self.fields.setSpacing(10)
        self.below = QVBoxLayout()
        self.below.setContentsMargins(14, 10, 14, 12)
        self.below.setSpacing(6)
        self._lay_out(title, steps)
        self.start.clicked.connect(self.try_it)
        self.stop.clicked.connect(session.stop_trial)
        session.changed.connect(self.show_state)
        session.picture_changed.connect(self._on_picture)
        session.listed.connect(self.show_models)

    def try_it(self) -> None:
        """Start, where that is possible."""
        raise NotImplementedError

    def why_not(self) -> str:
        """What is missing for that, in words; empty when nothing is."""
        raise NotImplementedError

    def show_models(self) -> None:
        """There are other models than before."""
        raise NotImplementedError

    @property
    def trying(self) -> bool:
        """Whether this view's trial is under way."""
        return self.session.trial is self._estimating

    def show_state(self) -> None:
        """Bring button, progress and words in line with the session."""
        session = self.session
        missing = self.why_not()
        self.start.setEnabled(not missing)
        self.start.setVisible(not self.trying)
        self.stop.setVisible(self.trying)
        self.progress.setVisible(self.trying)
        self.progress.show_fraction(session.fraction or None)
        if self.trying and session.engine is EngineState.STARTING:
            self.words.say(_("Starting the engine: some seconds…"))
        elif self.trying:
            self.words.say(
                _("{percent} done").format(percent=percent(session.fraction)) if session.fraction else _("Preparing…")
            )
        else:
            self.words.say(missing)
        self.words.setVisible(bool(self.words.whole))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # In a low window the fields below the picture are to stay in sight.
        self.picker.limit_height(max(110, min(MOST_HEIGHT, self.height() * 3 // 10)))

    @property
    def picker(self) -> RegionPicker:
        """Where the part of the picture is chosen."""
        return self.picture.picker

    def why_no_picture(self) -> str:
        """Why there is no picture yet, in words; empty where there is one."""
        if self.session.opening is not None:
            return _("The picture is being opened…")
        return "" if self.session.picture is not None else _("Choose a picture first.")

    def show_results(self) -> None:
        """Show pictures in place of the explanation."""
        self._results_of = self.session.picture
        self.contents.setCurrentIndex(1)

    def forget_results(self) -> None:
        """Show the explanation again: what was found is of another picture."""
        self._results_of = None
        self.compare.clear()
        self.contents.setCurrentIndex(0)

    def _on_picture(self) -> None:
        if self._results_of is not None and self._results_of is not self.session.picture:
            self.forget_results()
        self.show_state()

    def _lay_out(self, title: str, steps: Sequence[str]) -> None:
        self._area.inside.setLayout(self.fields)
        self.fields.setContentsMargins(14, 12, 12, 8)
        buttons = QVBoxLayout()
        buttons.setContentsMargins(14, 8, 14, 12)
        buttons.setSpacing(6)
        for widget in (self.start, self.stop, self.progress, self.words):
            buttons.addWidget(widget)
        side = self._left
        side.setFixedWidth(max(SIDE_WIDTH, SIDE_CHARACTERS * self.fontMetrics().averageCharWidth()))
        around = QVBoxLayout(side)
        around.setContentsMargins(1, 1, 1, 1)
        around.setSpacing(0)
        around.addWidget(self._area, 1)
        # Below what scrolls, so that it is in sight in the lowest window.
        around.addLayout(buttons)

        results = QVBoxLayout(self.results)
        results.setContentsMargins(0, 0, 0, 0)
        results.setSpacing(0)
        results.addWidget(self.compare, 1)
        results.addLayout(self.below)
        self.contents.addWidget(_explained(title, steps, self.contents))
        self.contents.addWidget(self.results)
        over = QVBoxLayout(self._right)
        over.setContentsMargins(1, 1, 1, 1)
        over.addWidget(self.contents)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addWidget(side)
        row.addWidget(self._right, 1)


def _explained(title: str, steps: Sequence[str], parent: QWidget) -> QWidget:
    frame = QFrame(parent)
    column = QVBoxLayout(frame)
    column.setContentsMargins(32, 20, 32, 20)
    column.setSpacing(14)
    head = titled(title, "headline")
    head.setWordWrap(True)
    column.addStretch(2)
    column.addWidget(head)
    column.addSpacing(6)
    for number, words in enumerate(steps, 1):
        figure = QLabel(str(number), alignment=Qt.AlignmentFlag.AlignCenter)
        figure.setProperty("role", "figure")
        figure.setFixedSize(26, 26)
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(figure, 0, Qt.AlignmentFlag.AlignTop)
        label = quiet(words)
        row.addWidget(label, 1)
        column.addLayout(row)
    column.addStretch(3)
    return frame
