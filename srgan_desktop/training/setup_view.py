"""Setting up a run: an invitation while no folder is chosen, then pictures, recipe, and the bar that starts it."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QSize, Qt, Signal
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
from srgan_desktop import problems
from srgan_desktop.fields import Elided, Panes, Scrolled, card, keep_width, quiet, titled
from srgan_desktop.job import EngineState
from srgan_desktop.progress_line import ProgressLine
from srgan_desktop.theme import Theme, repolish
from srgan_desktop.training.pictures_card import PicturesCard
from srgan_desktop.training.recipe_card import RecipeCard
from srgan_desktop.training.session import TrainSession

STEPS = (
    (
        _("Choose pictures"),
        _(
            "A folder of sharp photographs of any size. A hundred are enough to begin with. Your "
            "originals are never changed, and nothing leaves this computer."
        ),
    ),
    (
        _("Choose a recipe"),
        _(
            "“quick” takes minutes and shows the way. “finetune” improves the shipped model for "
            "pictures like yours. “default” trains for hours, and also learns to draw texture."
        ),
    ),
    (
        _("Watch, then use it"),
        _(
            "Curves and pictures show the progress. Pause, stop and resume whenever you like. If "
            "the new model is better, one click adds it to the Upscale page."
        ),
    ),
)


ESTIMATE, STOP_ESTIMATING = _("&Estimate"), _("Stop e&stimating")


class SetupView(QWidget):
    """Everything before the first step."""

    def __init__(
        self,
        theme: Theme,
        session: TrainSession,
        parent: QWidget | None = None,
    ) -> None:
        """Show nothing yet: `build` makes what is in it."""
        super().__init__(parent)
        self.theme = theme
        self.session = session

    def build(self) -> Iterator[None]:
        """Make it in pieces, each a moment's work; whatever else it has is there when they are all made."""
        theme, session = self.theme, self.session
        self.contents = QStackedWidget(self)
        self.welcome = Welcome(theme, self.contents)
        yield
        filled = QWidget(self.contents)
        self.panes = Panes(theme, _("1  Pictures"), _("2  Recipe"), filled)
        self.pictures = PicturesCard(theme, session, self.panes)
        yield
        self.recipe = RecipeCard(theme, session, self.panes)
        yield
        yield from self.recipe.build()
        self.panes.hold(self.pictures, self.recipe, (5, 6))
        yield
        column = QVBoxLayout(filled)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        column.addWidget(self.panes, 1)
        column.addWidget(self._bar(theme, filled))
        self.contents.addWidget(self.welcome)
        self.contents.addWidget(filled)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.contents)
        self.start.clicked.connect(session.start)
        self.estimate.clicked.connect(self._estimate)
        session.changed.connect(self.show_state)
        session.draft.changed.connect(self.show_state)
        self.show_state()

    def show_state(self) -> None:
        """Bring the bar in line with the session."""
        session = self.session
        self.contents.setCurrentIndex(0 if session.data is None else 1)
        reason = session.why_not_start
        self.start.setEnabled(session.can_start)
        self.start.setToolTip(reason or _("Begin the run (Ctrl+Return)"))
        self.estimate.setEnabled(session.can_start or session.estimator.busy)
        self.estimate.setText(STOP_ESTIMATING if session.estimator.busy else ESTIMATE)
        self.progress.setVisible(session.estimator.busy)
        self.progress.show_fraction(session.estimator.activity.fraction)
        title, words, faulty = self._words(reason)
        self.title.say(title)
        self.words.say(words)
        role = "fault" if faulty else "muted"
        if self.words.property("role") != role:
            self.words.setProperty("role", role)
            repolish(self.words)

    def _words(self, reason: str) -> tuple[str, str, bool]:
        session, recipe = self.session, self.session.draft.recipe
        if session.estimator.busy:
            doing = (
                _("Starting the engine") if session.engine is EngineState.STARTING else session.estimator.activity.words
            )
            return f"{doing}…", _("measuring a few steps of each stage; nothing is saved"), False
        if session.estimator.problem is not None:
            problem = session.estimator.problem
            return problem.message, problem.hint, True
        if session.estimator.estimate is not None:
            found = session.estimator.estimate
            parts = [
                words.format(seconds=found.seconds_per_step[key])
                for key, words in STEP_WORDS.items()
                if key in found.seconds_per_step
            ]
            title = _("About {rough_duration}, {gigabytes} of memory").format(
                rough_duration=problems.rough_duration(found.seconds_total),
                gigabytes=problems.gigabytes(found.peak_memory),
            )
            return title, _("{parts}; validations come on top").format(parts=" · ".join(parts)), False
        if reason:
            faulty = bool(session.draft.faults) or session.examiner.found.problem is not None
            return _("Not ready yet"), reason, faulty
        assert recipe is not None
        steps = (
            _("{total_steps:,} steps").format(total_steps=recipe.total_steps)
            if recipe.total_steps
            else _("steps by passes over the pictures")
        )
        return (
            _("Ready: {name}, {steps}").format(name=recipe.name, steps=steps),
            _("Estimate measures how long it takes on this computer"),
            False,
        )

    def _estimate(self) -> None:
        if self.session.estimator.busy:
            self.session.estimator.give_up()
        else:
            self.session.try_steps()

    def _bar(self, theme: Theme, parent: QWidget) -> QWidget:
        self.title = Elided("strong", Qt.TextElideMode.ElideRight)
        self.words = Elided("muted", Qt.TextElideMode.ElideRight)
        self.progress = ProgressLine(theme)
        self.progress.setAccessibleName(_("Progress of the estimate"))
        column = QVBoxLayout()
        column.setSpacing(4)
        column.addWidget(self.title)
        column.addWidget(self.words)
        column.addWidget(self.progress)
        self.estimate = QPushButton(ESTIMATE)
        self.estimate.setToolTip(_("Measure a few steps to estimate time and memory"))
        self.start = QPushButton(_("&Start training"))
        self.start.setProperty("role", "primary")
        theme.set_icon(self.estimate, "clock")
        theme.set_icon(self.start, "play", accented=True)
        bar = card(parent)
        row = QHBoxLayout(bar)
        row.setContentsMargins(16, 10, 12, 10)
        row.setSpacing(8)
        row.addLayout(column, 1)
        row.addSpacing(10)
        for button in (self.estimate, self.start):
            button.setIconSize(QSize(16, 16))
            row.addWidget(button)
        keep_width(self.estimate, ESTIMATE, STOP_ESTIMATING)
        return bar


STEP_WORDS = {"psnr": _("{seconds:.2f} s a first-stage step"), "gan": _("{seconds:.2f} s a GAN step")}


class Welcome(QFrame):
    """What the page is for, in three steps, and the button that begins."""

    folder_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("dropArea")
        self._theme = theme
        area = Scrolled("welcome", self)
        self._icon = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        title = titled(_("Train a model on your own pictures"), "headline")
        title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.choose = QPushButton(_("&Choose a folder…"))
        self.choose.setProperty("role", "primary")
        self.choose.setToolTip("Ctrl+O")
        self.choose.setIconSize(QSize(18, 18))
        theme.set_icon(self.choose, "add-folder", accented=True)
        self.choose.clicked.connect(self.folder_requested)
        button = QHBoxLayout()
        button.addStretch(1)
        button.addWidget(self.choose)
        button.addStretch(1)
        hint = QLabel(_("or drop one here"), alignment=Qt.AlignmentFlag.AlignCenter)
        hint.setProperty("role", "muted")
        steps = QHBoxLayout()
        steps.setSpacing(14)
        for number, (name, words) in enumerate(STEPS, 1):
            steps.addWidget(_step(number, name, words, area.inside), 1)
        column = QVBoxLayout(area.inside)
        column.setContentsMargins(28, 18, 28, 18)
        column.addStretch(3)
        column.addWidget(self._icon)
        column.addSpacing(8)
        column.addWidget(title)
        column.addSpacing(18)
        column.addLayout(steps)
        column.addSpacing(22)
        column.addLayout(button)
        column.addSpacing(2)
        column.addWidget(hint)
        column.addStretch(4)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(3, 3, 3, 3)
        outer.addWidget(area)
        theme.changed.connect(self._tint)
        self._tint()

    def light_up(self, over: bool) -> None:
        """Show that a drop would be taken."""
        self.setProperty("over", over)
        repolish(self)

    def _tint(self) -> None:
        self._icon.setPixmap(self._theme.icon("train", self._theme.tokens.accent_text).pixmap(QSize(48, 48)))


def _step(number: int, name: str, words: str, parent: QWidget) -> QFrame:
    frame = QFrame(parent)
    frame.setProperty("role", "step")
    figure = QLabel(str(number), alignment=Qt.AlignmentFlag.AlignCenter)
    figure.setProperty("role", "figure")
    figure.setFixedSize(26, 26)
    heading = QHBoxLayout()
    heading.setSpacing(8)
    heading.addWidget(figure, 0, Qt.AlignmentFlag.AlignTop)
    title = titled(name)
    title.setWordWrap(True)
    heading.addWidget(title, 1)
    column = QVBoxLayout(frame)
    column.setContentsMargins(14, 12, 14, 14)
    column.setSpacing(8)
    column.addLayout(heading)
    column.addWidget(quiet(words))
    column.addStretch(1)
    return frame
