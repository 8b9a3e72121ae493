"""A run as it goes on, or as it went: curves, validations, verdict, and the bar that steers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from core.contract.training import Validation
from core.language import gettext as _
from core.language import listed, percent
from srgan_desktop import problems
from srgan_desktop.banner import Banner
from srgan_desktop.fields import Panes, card, quiet, titled
from srgan_desktop.job import EngineState
from srgan_desktop.run_bar import BarState, RunBar
from srgan_desktop.theme import Theme, repolish
from srgan_desktop.training.session import TrainingPhase, TrainSession
from srgan_desktop.training.validations import ValidationPanel

if TYPE_CHECKING:
    from srgan_desktop.training.curves import Curves

STAGES = {"psnr": _("First stage"), "gan": _("Second stage (GAN)")}


class RunView(QWidget):
    """Shows the session's `record`."""

    set_up_requested = Signal()
    folder_requested = Signal(object)
    """Path of the run that is to be opened in the file manager."""

    def __init__(self, theme: Theme, session: TrainSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme = theme
        self.session = session
        self.verdict = Banner(theme, self)
        self.curves: Curves | None = None
        """Made when this view is first shown: importing pyqtgraph takes longer than all the rest."""
        self.contents = QStackedWidget(self)
        self.panes = Panes(theme, _("Pictures"), _("Curves"), self.contents)
        validation_card, curves_card = card(self.panes), card(self.panes)
        for frame in (validation_card, curves_card):
            QVBoxLayout(frame).setContentsMargins(0, 0, 0, 0)
        self.validations = ValidationPanel(theme, validation_card)
        _fill(validation_card, self.validations)
        self._curves_card = curves_card
        self.panes.hold(validation_card, curves_card, (5, 4))
        self.contents.addWidget(self._nothing())
        self.contents.addWidget(self.panes)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        column.addWidget(self.verdict)
        column.addWidget(self.contents, 1)
        column.addWidget(self._bar())
        self._bind()
        self.show_record()

    def show_record(self) -> None:
        """Another run is looked at."""
        record = self.session.record
        self.contents.setCurrentIndex(0 if record is None else 1)
        if self.curves is not None:
            self.curves.show_record(record)
        self.validations.show_record(record)
        self._show_verdict()
        self.show_state()

    def showEvent(self, event: QShowEvent) -> None:
        if self.curves is None:
            from srgan_desktop.training.curves import Curves

            self.curves = Curves(self.theme, self._curves_card)
            _fill(self._curves_card, self.curves)
            self.curves.show_record(self.session.record)
        super().showEvent(event)

    def show_state(self) -> None:
        """Bring bar and buttons in line with the session."""
        session, record = self.session, self.session.record
        active = session.shows_active
        phase = session.phase if active else TrainingPhase.IDLE
        self.bar.setVisible(record is not None)
        self.bar.show_steering(
            active,
            can_pause=phase in (TrainingPhase.RUNNING, TrainingPhase.PAUSED),
            can_stop=phase in (TrainingPhase.STARTING, TrainingPhase.RUNNING, TrainingPhase.PAUSED),
            paused=phase is TrainingPhase.PAUSED,
        )
        self.resume.setVisible(not active and record is not None and record.can_go_on)
        self.resume.setEnabled(not session.busy)
        self.resume.setToolTip(
            _("Another run is in progress.")
            if session.busy
            else _("Continue exactly where this run stopped (Ctrl+Return)")
        )
        usable = record is not None and not active and record.model is not None
        self.use.setVisible(usable)
        finished = record is not None and record.finished is not None
        self.use.setText(_("&Use this model") if finished else _("&Use the best so far"))
        for button, primary in ((self.use, finished), (self.resume, not finished)):
            role = "primary" if primary else ""
            if button.property("role") != role:
                button.setProperty("role", role)
                repolish(button)
                self.theme.set_icon(button, button.property("iconName"), accented=primary)
        self.folder.setVisible(record is not None and (record.folder / "recipe.toml").exists())
        self._show_progress(phase)

    def _show_progress(self, phase: TrainingPhase) -> None:
        session, record = self.session, self.session.record
        if record is None:
            return
        title, words = "", ""
        done = _("step {step:,} of {total_steps:,}").format(step=record.step, total_steps=record.total_steps)
        match phase:
            case TrainingPhase.STARTING:
                title = f"{session.activity.words}…"
                if session.engine is EngineState.STARTING:
                    title = _("Starting the engine…")
                words = record.name
            case TrainingPhase.RUNNING:
                title = listed((STAGES.get(record.stage, _("Training")), done))
                words = self._speed()
            case TrainingPhase.PAUSED:
                title, words = _("Paused at {done}").format(done=done), _("nothing is computed")
            case TrainingPhase.STOPPING:
                title, words = _("Stopping…"), _("finishing the step and saving")
            case TrainingPhase.IDLE:
                title = record.name
                words = (
                    _("finished, {step:,} steps").format(step=record.step)
                    if record.finished
                    else _("stopped at {done}").format(done=done)
                )
        fraction: float | None = record.step / record.total_steps if record.total_steps else 0.0
        if phase is TrainingPhase.STARTING:
            fraction = session.activity.fraction
        elif phase is TrainingPhase.STOPPING:
            fraction = None
        has_progress = phase is not TrainingPhase.IDLE or not record.finished
        self.bar.show_state(BarState(title, words, fraction, has_progress, paused=phase is TrainingPhase.PAUSED))

    def _speed(self) -> str:
        record = self.session.record
        last = record.last if record is not None else None
        if record is None or last is None:
            return ""
        if last.skipped:
            return _("step left out: {skipped}").format(skipped=last.skipped)
        left = problems.time_left(last.seconds_left)
        if last.seconds_left and last.step + last.seconds_left / last.seconds_per_step < last.total_steps - 1:
            left += _(" in this stage")
        parts = [_("{seconds_per_step:.2f} s a step").format(seconds_per_step=last.seconds_per_step), left]
        if record.teacher:
            parts.append(_("taught by {teacher}").format(teacher=record.teacher))
        if last.waited > 0.1:
            parts.insert(1, _("waits {waited} of it for pictures").format(waited=percent(last.waited)))
        return " · ".join(parts)

    def _show_verdict(self) -> None:
        record = self.session.record
        finished = record.finished if record is not None else None
        self.verdict.hide()
        if finished is None:
            return
        better = finished.better_than_bicubic and finished.better_than_parent is not False
        title = _("Better than before") if better else _("Not better than before")
        if better and finished.better_than_parent is None:
            title = _("Better than bicubic")
        self.verdict.say("good" if better else "warn", title, finished.verdict)

    def _nothing(self) -> QWidget:
        frame = card(self.contents)
        column = QVBoxLayout(frame)
        button = QPushButton(_("&Set up a training run"))
        button.setProperty("role", "primary")
        button.clicked.connect(self.set_up_requested)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(button)
        row.addStretch(1)
        title = titled(_("No run is open"), "headline")
        words = quiet(_("Start one, or open an earlier one from History."))
        for label in (title, words):
            label.setAlignment(title.alignment().AlignHCenter)
        column.addStretch(2)
        column.addWidget(title)
        column.addSpacing(4)
        column.addWidget(words)
        column.addSpacing(14)
        column.addLayout(row)
        column.addStretch(3)
        return frame

    def _bar(self) -> RunBar:
        self.bar = RunBar(
            self.theme,
            Qt.Orientation.Vertical,
            stop=_("S&top"),
            stop_tooltip=_("Stop after this step; everything is saved, and you can resume later"),
            pause_tooltip=_("Pause the run; nothing is computed meanwhile"),
            resume=_("&Continue"),
            elide=Qt.TextElideMode.ElideMiddle,
            parent=self,
        )
        self.pause, self.stop = self.bar.pause, self.bar.stop
        self.folder = QPushButton(_("&Folder"))
        self.folder.setToolTip(_("Show the files of the run in the file manager"))
        self.resume = QPushButton(_("&Resume"))
        self.use = QPushButton(_("&Use this model"))
        self.use.setToolTip(_("Add the model to yours and choose it on the Upscale page"))
        self.bar.add_button(self.folder, "folder", 0)
        self.bar.add_button(self.resume, "play")
        self.bar.add_button(self.use, "good")
        return self.bar

    def _bind(self) -> None:
        session = self.session
        session.changed.connect(self.show_state)
        session.begun.connect(self.show_record)
        session.stepped.connect(self._on_step)
        session.validated.connect(self._on_validation)
        session.ended.connect(self._on_end)
        session.failed.connect(self.show_state)
        self.pause.clicked.connect(self.pause_or_go_on)
        self.stop.clicked.connect(session.stop)
        self.resume.clicked.connect(self.go_on)
        self.use.clicked.connect(self._use)
        self.folder.clicked.connect(self._show_folder)

    def pause_or_go_on(self) -> None:
        """What the pause button says."""
        if self.session.phase is TrainingPhase.PAUSED:
            self.session.go_on()
        else:
            self.session.pause()

    def go_on(self) -> None:
        """Resume the run that is looked at."""
        record = self.session.record
        if record is not None and record.can_go_on and not self.session.busy:
            self.session.resume(record.folder)

    def _use(self) -> None:
        if self.session.record is not None:
            self.session.files.install(self.session.record)

    def _show_folder(self) -> None:
        if self.session.record is not None:
            self.folder_requested.emit(self.session.record.folder)

    def _on_step(self) -> None:
        if self.session.shows_active:
            if self.curves is not None:
                self.curves.draw_soon()
            self._show_progress(self.session.phase)

    def _on_validation(self, _validation: Validation) -> None:
        if self.session.shows_active:
            self.validations.add_validation()

    def _on_end(self, _ended: object) -> None:
        self._show_verdict()
        if self.curves is not None:
            self.curves.draw()
        self.show_state()


def _fill(frame: QWidget, widget: QWidget) -> None:
    layout = frame.layout()
    assert layout is not None
    layout.addWidget(widget)
