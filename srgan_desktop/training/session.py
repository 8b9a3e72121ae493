"""What the Train page knows and does, without widgets: pictures, recipe, run, and the worker behind them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.contract.errors import UserError
from core.contract.jobs import JobCancelled, JobDone, JobFailed, Notice
from core.contract.models import DownloadProgress
from core.contract.training import (
    STOP_SECONDS,
    ScanFinished,
    ScanProgress,
    StageStarted,
    TeacherProgress,
    TrainingFinished,
    TrainingStarted,
    TrainingStep,
    TrainRequest,
    Validation,
)
from core.edition import has_torch, needs_torch
from core.language import gettext as _
from core.training.recipe import shipped_recipes
from core.training.run import RunFolder
from srgan_desktop import problems, settings
from srgan_desktop.background import Throttle
from srgan_desktop.job import Job, JobCutShort
from srgan_desktop.problems import Problem
from srgan_desktop.session import Session
from srgan_desktop.settings import Settings
from srgan_desktop.training.activity import Activity, activity_of
from srgan_desktop.training.draft import Draft
from srgan_desktop.training.estimate import Estimator
from srgan_desktop.training.examination import Examiner
from srgan_desktop.training.files import RunFiles
from srgan_desktop.training.requests import samples_request, scan_request, suggested_name, train_request
from srgan_desktop.training.runs import RunRecord, new_run_folder

log = logging.getLogger(__name__)

TRIAL_FOLDER = Path("trial")
"""Stands for a run's folder where there is none: trial steps write nothing."""
SCAN_DELAY_MS = 700
"""A recipe must rest so long before the pictures are looked at for it."""


class TrainingPhase(Enum):
    """Where a run is."""

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run came to rest."""

    record: RunRecord | None
    """None where it was stopped before its first step."""
    stopped: bool
    """By the user."""
    problem: Problem | None = None
    """What kept a stopped run from being saved."""


class TrainSession(Session):
    """Pictures, recipe and run.

    A run is: `changed` (`TrainingPhase.STARTING`), `begun`, then `stepped` and `validated`, then `changed`
    (`TrainingPhase.IDLE`), and after that either `ended` or `failed`.
    """

    begun = Signal()
    """`record` is another run."""
    stepped = Signal()
    """`record` has another point."""
    validated = Signal(object)
    """The `Validation` that `record` has been given."""
    ended = Signal(object)
    """`Ended`."""

    def __init__(self, options: Settings, parent: QObject | None = None, job: Job | None = None) -> None:
        super().__init__(options, job or Job(cancel_grace_ms=round(STOP_SECONDS * 1000)), parent)
        self.draft = Draft(self)
        self.phase = TrainingPhase.IDLE
        self.examiner = Examiner(self._job, self)
        self.examiner.settled.connect(self.changed)
        self.estimator = Estimator(self._job, self)
        self.estimator.changed.connect(self.changed)
        self.record: RunRecord | None = None
        """The run that is looked at: the one under way, or one of the past."""
        self.activity = Activity()
        """What a starting run is busy with."""
        self.files = RunFiles(self)
        self.files.opened.connect(self._on_opened)
        self.files.failed.connect(self.failed)
        self.await_end_of(self.files.stopped)
        self._run: int | None = None
        self.active: RunRecord | None = None
        """The record of the run under way; `record` may be another one meanwhile."""
        self._to_resume: Path | None = None
        self.scan_timer = Throttle(SCAN_DELAY_MS, self._examine, self)
        """Runs out when the recipe has rested; then the pictures are looked at, if it asks for others."""
        self._load_first_recipe()
        self.draft.changed.connect(self._on_draft)
        options.changed.connect(self._on_option)

    # Setting up

    @property
    def data(self) -> Path | None:
        """The chosen folder."""
        folder = self.settings.get(settings.TRAIN_FOLDER)
        return Path(folder) if folder else None

    def choose_data(self, folder: Path | None) -> None:
        """Take a folder of pictures, and look at them; None takes it back."""
        same = folder == self.data
        self.settings.set(settings.TRAIN_FOLDER, str(folder) if folder else "")
        if same:
            self.examiner.ask_again()
            self._examine()

    def choose_recipe(self, source: str) -> bool:
        """Take a recipe by name or file; all changes are forgotten. False where it is not valid."""
        name = self.draft.text("name") if "name" in self.draft.changes else None
        try:
            self.draft.load(source)
        except UserError as error:
            self.failed.emit(problems.of_exception(error))
            return False
        if name is not None:
            self.draft.set("name", name)
        self.settings.set(settings.TRAIN_RECIPE, source)
        return True

    def look_at_pictures(self) -> None:
        """Examine the chosen folder if that was not done yet; called when the page is shown."""
        if self.data is not None and not self.examiner.knows:
            self._examine()

    @property
    def can_start(self) -> bool:
        """Whether Start would begin a run."""
        return not self.busy and self.why_not_start == ""

    @property
    def why_not_start(self) -> str:
        """What is missing, in words; empty when nothing is."""
        if not has_torch():
            return str(needs_torch(_("Training")))
        if self.data is None:
            return _("Choose a folder of pictures first.")
        if self.draft.faults:
            return _("A field of the recipe is not valid: it is marked in red.")
        if self.draft.lacks_teacher:
            return _("Choose a teacher: this recipe learns from one.")
        found = self.examiner.found
        if found.problem is not None:
            return found.problem.message
        if self.busy:
            return _("Another run is in progress.")
        if found.running or found.finished is None:
            return _("Still checking the pictures.")
        return ""

    def request(self, run: Path) -> TrainRequest:
        """What Start asks for."""
        return train_request(self.settings, self.draft, run)

    def try_steps(self) -> None:
        """Measure a few steps of each stage, to tell what a run would cost."""
        if self.can_start and not self.estimator.busy and not self.shutting_down:
            self.estimator.ask(self.request(TRIAL_FOLDER))

    # The run

    @property
    def busy(self) -> bool:
        """Whether a run is under way, paused ones included."""
        return self.phase is not TrainingPhase.IDLE

    @property
    def shows_active(self) -> bool:
        """Whether `record` is the run under way."""
        return self.record is not None and self.record is self.active

    @property
    def active_folder(self) -> Path | None:
        """The folder of the run under way."""
        return self.active.folder if self.active is not None else None

    def start(self) -> None:
        """Begin a run with the chosen pictures and the recipe as it is."""
        if not self.can_start or self.shutting_down:
            return
        assert self.draft.recipe is not None
        name = self.draft.recipe.name
        if "name" not in self.draft.changes:
            name = suggested_name(self.settings, self.draft)
        folder = new_run_folder(name)
        record = RunRecord(folder, name, self.draft.recipe.total_steps)
        overrides = self.draft.overrides(name if name != self.draft.recipe.name else "")
        self._begin(record, replace(self.request(folder), overrides=overrides))

    def resume(self, folder: Path) -> None:
        """Go on with a run from its newest checkpoint, also one of an earlier start of the program."""
        if self.busy or self.shutting_down:
            return
        self._to_resume = folder
        self.files.open(folder)

    def pause(self) -> None:
        """Make the run wait."""
        if self.phase is TrainingPhase.RUNNING and self._run is not None:
            self._job.pause(self._run)
            self._enter(TrainingPhase.PAUSED)

    def go_on(self) -> None:
        """Let a paused run go on."""
        if self.phase is TrainingPhase.PAUSED and self._run is not None:
            self._job.resume(self._run)
            self._enter(TrainingPhase.RUNNING)

    def stop(self) -> None:
        """End the run after the step it is at, with a checkpoint to go on from."""
        if (
            self.phase in (TrainingPhase.STARTING, TrainingPhase.RUNNING, TrainingPhase.PAUSED)
            and self._run is not None
        ):
            self._job.cancel(self._run)
            self._enter(TrainingPhase.STOPPING)

    # Past runs

    def open_run(self, folder: Path) -> None:
        """Make a run of the past the one that is looked at; ends with `begun`."""
        self.files.open(folder)

    def delete_run(self, folder: Path) -> None:
        """Delete a run for good; never the one under way."""
        if folder == self.active_folder:
            return
        if self.record is not None and self.record.folder == folder:
            self.record = None
            self.begun.emit()
        self.files.delete(folder)

    # Within

    def _close(self) -> None:
        self.scan_timer.stop()
        self.files.close()
        self.examiner.give_up()
        self.estimator.give_up()
        if self._run is None:
            self._job.shutdown()
        else:
            # The worker is only told to exit once the checkpoint is on the disk.
            self.stop()

    def _load_first_recipe(self) -> None:
        for source in (self.settings.get(settings.TRAIN_RECIPE), settings.TRAIN_RECIPE.default, *shipped_recipes()):
            try:
                self.draft.load(source)
                return
            except UserError as error:
                log.warning("recipe %s: %s", source, error)

    def _on_draft(self) -> None:
        self._forget_stale_estimate()
        self.scan_timer.when_quiet()
        self.changed.emit()

    def _on_option(self, option: object) -> None:
        if option in (settings.TRAIN_FOLDER, settings.TRAIN_VALIDATION):
            self._examine()
        if option in (
            settings.TRAIN_FOLDER,
            settings.TRAIN_VALIDATION,
            settings.TRAIN_CONTENT,
            settings.TRAIN_DEVICE,
        ):
            self._forget_stale_estimate()
            self.changed.emit()

    def _forget_stale_estimate(self) -> None:
        if self.estimator.knows:
            whole = self.data is not None and self.draft.recipe is not None
            self.estimator.keep_for(self.request(TRIAL_FOLDER) if whole else None)

    def _examine(self) -> None:
        """Scan the pictures, and make samples, where the last ones were of something else."""
        recipe = self.draft.recipe
        if self.shutting_down:
            return
        if self.data is None:
            self.examiner.forget()
            return
        if recipe is None:
            return
        if self.busy:
            self.examiner.wait()
            return
        self.examiner.ask(scan_request(self.settings, recipe), samples_request(self.settings, self.draft))

    def _begin(self, record: RunRecord, request: TrainRequest) -> None:
        self.estimator.give_up()
        self.examiner.give_up()
        self.record = record
        self.active = record
        self.activity = Activity(_("Starting"))
        self._run = self._job.run(request)
        self._enter(TrainingPhase.STARTING)
        self.begun.emit()

    def _enter(self, phase: TrainingPhase) -> None:
        self.phase = phase
        self.changed.emit()

    def _on_job(self, job: int, event: object) -> None:
        if job == self._run:
            self._on_run(event)
        self.examiner.take(job, event)
        self.estimator.take(job, event)

    def _on_run(self, event: object) -> None:
        match event:
            case DownloadProgress() | ScanProgress() | ScanFinished() | TeacherProgress():
                self.activity = activity_of(event) or self.activity
                self.changed.emit()
            case TrainingStarted() | TrainingStep() | Validation() | TrainingFinished():
                self._on_record(event)
            case StageStarted() if self.active is not None:
                self.active.stage = event.stage
                self.stepped.emit()
            case Notice():
                self.notice.emit(event.message)
            case JobDone():
                self._end(stopped=False)
            case JobCancelled():
                self._end(stopped=True, cut_short=isinstance(event, JobCutShort))
            case JobFailed():
                if event.details:
                    log.error("training failed: %s\n%s", event.message, event.details)
                active = self._let_go()
                can_go_on = active is not None and active.can_go_on
                died = partial(problems.training_died, can_go_on=can_go_on)
                self.failed.emit(problems.of_job(event, self._job.running, died))
                self._after_run()

    def _on_record(self, event: object) -> None:
        if self.active is None:
            return
        self.active.take(event)
        if isinstance(event, TrainingStarted) and self.phase is TrainingPhase.STARTING:
            self._enter(TrainingPhase.RUNNING)
        if isinstance(event, Validation):
            self.validated.emit(event)
        self.stepped.emit()

    def _end(self, stopped: bool, cut_short: bool = False) -> None:
        active = self._let_go()
        problem = problems.training_cut_short(active.can_go_on) if cut_short and active is not None else None
        if not self.shutting_down:
            self.ended.emit(Ended(active, stopped, problem))
        self._after_run()

    def _let_go(self) -> RunRecord | None:
        """Back to idle; answers with the record of what ran, or None where nothing of it is on the disk."""
        self._run = None
        record, self.active = self.active, None
        self.activity = Activity()
        if record is not None and not (record.folder / "recipe.toml").is_file():
            if self.record is record:
                self.record = None
                self.begun.emit()
            record = None
        if record is not None:
            record.can_go_on = record.finished is None and RunFolder(record.folder).holds_checkpoint
        self._enter(TrainingPhase.IDLE)
        return record

    def _after_run(self) -> None:
        if self.shutting_down:
            self._job.shutdown()
            return
        self.files.reload()
        if self.examiner.found.waiting or self.examiner.found.finished is None:
            self._examine()

    def _on_opened(self, record: RunRecord) -> None:
        if self._to_resume == record.folder:
            self._to_resume = None
            self._go_on_with(record)
            return
        if self.active is not None and self.active.folder == record.folder:
            record = self.active
        self.record = record
        self.begun.emit()

    def _go_on_with(self, record: RunRecord) -> None:
        if self.busy or self.shutting_down:
            return
        try:
            request = RunFolder(record.folder).request()
        except UserError as error:
            self.failed.emit(problems.of_exception(error))
            return
        if request.data is None or not request.data.is_dir():
            self.failed.emit(_pictures_are_gone(request.data))
            return
        self._begin(record, replace(request, run=record.folder))


def _pictures_are_gone(data: Path | None) -> Problem:
    return Problem(
        _("The pictures of this run are gone: {data}.").format(data=data), _("Bring the folder back, then resume.")
    )
