"""What the Train page knows and does, without widgets: pictures, recipe, run, and the worker behind them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.contract.errors import UserError
from core.contract.jobs import JobCancelled, JobDone, JobFailed, Notice
from core.contract.models import DownloadProgress
from core.contract.training import (
    STOP_SECONDS,
    PictureQuarantined,
    SamplesReady,
    SamplesRequest,
    ScanFinished,
    ScanProgress,
    ScanRequest,
    StageStarted,
    TeacherProgress,
    TrainingEstimated,
    TrainingEstimateRequest,
    TrainingFinished,
    TrainingStarted,
    TrainingStep,
    TrainRequest,
    Validation,
)
from core.training.recipe import shipped_recipes
from core.training.run import RunFolder
from srgan_desktop import problems, settings
from srgan_desktop.background import Throttle
from srgan_desktop.job import Job, JobCutShort
from srgan_desktop.problems import Problem
from srgan_desktop.session import Session
from srgan_desktop.settings import Settings
from srgan_desktop.training.archive import RunArchive
from srgan_desktop.training.draft import Draft
from srgan_desktop.training.runs import RunRecord, new_run_folder

log = logging.getLogger(__name__)

SCAN_DELAY_MS = 700
"""A recipe must rest so long before the pictures are looked at for it."""


SHOWN_IN_SAMPLES = {
    "seed",
    "generator.scale",
    "data.minimum_side",
    "data.degradation",
    "data.synthetic",
    "data.candidates",
    "data.reduce_to",
    "data.recolour",
}
"""Fields of a recipe that decide what the crops look like."""


class TrainingPhase(Enum):
    """Where a run is."""

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"


@dataclass
class Examination:
    """What is known of the chosen pictures."""

    running: bool = False
    waiting: bool = False
    """For a run that has the engine."""
    done: int = 0
    total: int = 0
    quarantined: list[PictureQuarantined] = field(default_factory=list)
    finished: ScanFinished | None = None
    problem: Problem | None = None


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

    examined = Signal()
    """Something new is known of the chosen pictures."""
    samples_ready = Signal(object)
    """`SamplesReady`, or the `Problem` that kept them from being made."""
    begun = Signal()
    """`record` is another run."""
    stepped = Signal()
    """`record` has another point."""
    validated = Signal(object)
    """The `Validation` that `record` has been given."""
    ended = Signal(object)
    """`Ended`."""
    runs_changed = Signal()
    """`runs` is another list."""
    model_ready = Signal(str)
    """Key of a model that can be used now."""

    def __init__(self, options: Settings, parent: QObject | None = None, job: Job | None = None) -> None:
        super().__init__(options, job or Job(cancel_grace_ms=round(STOP_SECONDS * 1000)), parent)
        self.draft = Draft(self)
        self.phase = TrainingPhase.IDLE
        self.examination = Examination()
        self.record: RunRecord | None = None
        """The run that is looked at: the one under way, or one of the past."""
        self.runs: list[RunRecord] = []
        self.activity = ""
        """What a starting run does at the moment, in words."""
        self.fraction: float | None = None
        """How much of that activity is done, 0 to 1; None while nobody can tell."""
        self.estimate: TrainingEstimated | None = None
        """What the set-up as it is now would cost."""
        self.estimate_problem: Problem | None = None
        self._archive = RunArchive(self)
        self._archive.listed.connect(self._on_listed)
        self._archive.opened.connect(self._on_opened)
        self._archive.installed.connect(self.model_ready)
        self._archive.failed.connect(self.failed)
        self.await_end_of(self._archive.stopped)
        self._run: int | None = None
        self._scan: int | None = None
        self._sampling: int | None = None
        self._estimating: int | None = None
        self._scanned: ScanRequest | None = None
        self._sampled: SamplesRequest | None = None
        self._estimated: TrainRequest | None = None
        self._running_record: RunRecord | None = None
        """The record of the run under way; `record` may be another one meanwhile."""
        self._to_resume: Path | None = None
        self._scan_timer = Throttle(SCAN_DELAY_MS, self._examine, self)
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
            self._scanned = self._sampled = None
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
        if self.data is not None and self._scanned is None:
            self._examine()

    @property
    def can_start(self) -> bool:
        """Whether Start would begin a run."""
        return not self.busy and self.why_not_start == ""

    @property
    def why_not_start(self) -> str:
        """What is missing, in words; empty when nothing is."""
        if self.data is None:
            return "Choose a folder of pictures first."
        if self.draft.faults:
            return "A field of the recipe is not valid: it is marked in red."
        if self.draft.lacks_teacher:
            return "Choose a teacher: this recipe learns from one."
        if self.examination.problem is not None:
            return self.examination.problem.message
        if self.busy:
            return "Another run is under way."
        if self.examination.running or self.examination.finished is None:
            return "The pictures are still being looked at."
        return ""

    def request(self, run: Path) -> TrainRequest:
        """What Start asks for."""
        assert self.data is not None
        value = self.settings.get
        return TrainRequest(
            recipe=self.draft.source,
            data=self.data,
            run=run,
            validation=_path(value(settings.TRAIN_VALIDATION)),
            overrides=self.draft.overrides(),
            content_weights=_path(value(settings.TRAIN_CONTENT)) if self.draft.wants_content else None,
            device=value(settings.TRAIN_DEVICE),
        )

    # Estimating

    @property
    def estimating(self) -> bool:
        """Whether trial steps are under way."""
        return self._estimating is not None

    def try_steps(self) -> None:
        """Measure a few steps of each stage."""
        if self.can_start and not self.estimating and not self.shutting_down:
            self.estimate = self.estimate_problem = None
            self.activity, self.fraction = "Starting the engine", None
            self._estimated = self.request(Path("trial"))
            self._estimating = self._job.run(TrainingEstimateRequest(self._estimated))
            self.changed.emit()

    def drop_estimate(self) -> None:
        """Give the trial steps up."""
        if self._estimating is not None:
            self._job.cancel(self._estimating)
            self._estimating = None
            self.changed.emit()

    # The run

    @property
    def busy(self) -> bool:
        """Whether a run is under way, paused ones included."""
        return self.phase is not TrainingPhase.IDLE

    @property
    def shows_active(self) -> bool:
        """Whether `record` is the run under way."""
        return self.record is not None and self.record is self._running_record

    @property
    def active_folder(self) -> Path | None:
        """The folder of the run under way."""
        return self._running_record.folder if self._running_record is not None else None

    def start(self) -> None:
        """Begin a run with the chosen pictures and the recipe as it is."""
        if not self.can_start or self.shutting_down:
            return
        assert self.draft.recipe is not None
        folder = new_run_folder(self.draft.recipe.name)
        record = RunRecord(folder, self.draft.recipe.name, self.draft.recipe.total_steps)
        self._begin(record, self.request(folder))

    def resume(self, folder: Path) -> None:
        """Go on with a run from its newest checkpoint, also one of an earlier start of the program."""
        if self.busy or self.shutting_down:
            return
        self._to_resume = folder
        self._archive.open(folder)

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

    def list_runs(self) -> None:
        """Look again which runs there are; ends with `runs_changed`."""
        self._archive.list()

    def open_run(self, folder: Path) -> None:
        """Make a run of the past the one that is looked at; ends with `begun`."""
        self._archive.open(folder)

    def delete_run(self, folder: Path) -> None:
        """Delete a run for good; never the one under way."""
        if folder == self.active_folder:
            return
        if self.record is not None and self.record.folder == folder:
            self.record = None
            self.begun.emit()
        self._archive.delete(folder)

    def use_model(self, record: RunRecord) -> None:
        """Copy a run's model among the user's own; ends with `model_ready`."""
        if record.model is not None:
            self._archive.install(record.model)

    # Within

    def _close(self) -> None:
        self._scan_timer.stop()
        self._archive.close()
        for job in (self._scan, self._sampling, self._estimating):
            if job is not None:
                self._job.cancel(job)
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
        self._scan_timer.when_quiet()
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
        if self._estimated is None:
            return
        if self.data is None or self.draft.recipe is None or self.request(Path("trial")) != self._estimated:
            self.drop_estimate()
            self.estimate = self.estimate_problem = self._estimated = None

    def _examine(self) -> None:
        """Scan the pictures, and make samples, where the last ones were of something else."""
        recipe = self.draft.recipe
        if self.shutting_down:
            return
        if self.data is None:
            self._drop_examination()
            self._scanned = self._sampled = None
            self.examination = Examination()
            self.examined.emit()
            self.changed.emit()
            return
        if recipe is None:
            return
        if self.busy:
            self.examination.waiting = True
            self.examined.emit()
            return
        stages = [stage for stage in (recipe.psnr, recipe.gan) if stage.steps or stage.epochs]
        largest = max(crop for stage in stages for crop in stage.crops)
        scan = ScanRequest(
            self.data,
            recipe.generator.scale,
            max(recipe.data.minimum_side, largest * recipe.generator.scale),
            _path(self.settings.get(settings.TRAIN_VALIDATION)),
            recipe.data.held_out,
            recipe.seed,
            recipe.data.quarantine,
        )
        changes = tuple(each for each in self.draft.overrides() if each[0] in SHOWN_IN_SAMPLES)
        samples = SamplesRequest(self.draft.source, self.data, changes)
        if scan != self._scanned:
            if self._scan is not None:
                self._job.cancel(self._scan)
            self.examination = Examination(running=True)
            self._scanned = scan
            self._scan = self._job.run(scan)
            self.examined.emit()
            self.changed.emit()
        if samples != self._sampled:
            if self._sampling is not None:
                self._job.cancel(self._sampling)
            self._sampled = samples
            self._sampling = self._job.run(samples)

    def _drop_examination(self) -> None:
        for job in (self._scan, self._sampling):
            if job is not None:
                self._job.cancel(job)
        if self._scan is not None:
            self._scanned = None
        if self._sampling is not None:
            self._sampled = None
        self._scan = self._sampling = None

    def _begin(self, record: RunRecord, request: TrainRequest) -> None:
        self.drop_estimate()
        self._drop_examination()
        self.record = record
        self._running_record = record
        self.activity, self.fraction = "Starting", None
        self._run = self._job.run(request)
        self._enter(TrainingPhase.STARTING)
        self.begun.emit()

    def _enter(self, phase: TrainingPhase) -> None:
        self.phase = phase
        self.changed.emit()

    def _on_job(self, job: int, event: object) -> None:
        if job == self._run:
            self._on_run(event)
        elif job == self._scan:
            self._on_scan(event)
        elif job == self._sampling:
            self._on_samples(event)
        elif job == self._estimating:
            self._on_estimate(event)

    def _on_scan(self, event: object) -> None:
        found = self.examination
        match event:
            case ScanProgress():
                found.done, found.total = event.done, event.total
            case PictureQuarantined():
                found.quarantined.append(event)
                if len(found.quarantined) % 50:
                    # Thousands of them arrive at once; the page hears of them with the next progress or the end.
                    return
            case ScanFinished():
                found.finished = event
            case JobDone():
                self._end_scan(None)
            case JobCancelled():
                self._scanned = None
                self._end_scan(None)
            case JobFailed():
                # Whatever was in the way may be gone when the page is shown again, or something is changed.
                self._scanned = None
                self._end_scan(self._problem(event, problems.scan_died))
        self.examined.emit()
        if not found.running:
            self.changed.emit()

    def _problem(self, event: JobFailed, died: Callable[[JobFailed], Problem]) -> Problem:
        """What the worker said, or what its death means for the job that it was at."""
        return problems.of_event(event) if self._job.running else died(event)

    def _end_scan(self, problem: Problem | None) -> None:
        self._scan = None
        self.examination.running = False
        self.examination.problem = problem

    def _on_samples(self, event: object) -> None:
        match event:
            case SamplesReady():
                self.samples_ready.emit(event)
            case JobDone():
                self._sampling = None
            case JobCancelled() | JobFailed():
                self._sampling = self._sampled = None
                if isinstance(event, JobFailed):
                    self.samples_ready.emit(self._problem(event, problems.scan_died))

    def _on_estimate(self, event: object) -> None:
        match event:
            case TrainingEstimated():
                self.estimate = event
            case JobDone() | JobCancelled():
                self._estimating = None
            case JobFailed():
                self._estimating = None
                self.estimate_problem = self._problem(event, problems.estimate_died)
            case _:
                self._say_activity(event)
                if isinstance(event, ScanFinished):
                    self.activity, self.fraction = "Trying a few steps", None
        self.changed.emit()

    def _on_run(self, event: object) -> None:
        match event:
            case DownloadProgress() | ScanProgress() | ScanFinished() | TeacherProgress():
                self._say_activity(event)
                self.changed.emit()
            case TrainingStarted() | TrainingStep() | Validation() | TrainingFinished():
                self._on_record(event)
            case StageStarted() if self._running_record is not None:
                self._running_record.stage = event.stage
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
                self.failed.emit(self._problem(event, lambda death: problems.training_died(death, can_go_on)))
                self._after_run()

    def _on_record(self, event: object) -> None:
        if self._running_record is None:
            return
        self._running_record.take(event)
        if isinstance(event, TrainingStarted) and self.phase is TrainingPhase.STARTING:
            self._enter(TrainingPhase.RUNNING)
        if isinstance(event, Validation):
            self.validated.emit(event)
        self.stepped.emit()

    def _say_activity(self, event: object) -> None:
        match event:
            case DownloadProgress():
                self.activity = f"Downloading {event.name}"
                self.fraction = event.done / event.total if event.total else None
            case ScanProgress():
                self.activity = f"Looking at the pictures: {event.done:,} of {event.total:,}"
                self.fraction = event.done / event.total if event.total else None
            case TeacherProgress():
                self.activity = f"{event.teacher} enlarges what it teaches: {event.done:,} of {event.total:,}"
                self.fraction = event.done / event.total
            case ScanFinished():
                self.activity, self.fraction = "Preparing the networks", None

    def _end(self, stopped: bool, cut_short: bool = False) -> None:
        active = self._let_go()
        problem = problems.training_cut_short(active.can_go_on) if cut_short and active is not None else None
        if not self.shutting_down:
            self.ended.emit(Ended(active, stopped, problem))
        self._after_run()

    def _let_go(self) -> RunRecord | None:
        """Back to idle; answers with the record of what ran, or None where nothing of it is on the disk."""
        self._run = None
        record, self._running_record = self._running_record, None
        self.activity, self.fraction = "", None
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
        self.list_runs()
        if self.examination.waiting or self.examination.finished is None:
            self._examine()

    def _on_listed(self, records: list[RunRecord]) -> None:
        self.runs = records
        self.runs_changed.emit()

    def _on_opened(self, record: RunRecord) -> None:
        if self._to_resume == record.folder:
            self._to_resume = None
            self._go_on_with(record)
            return
        if self._running_record is not None and self._running_record.folder == record.folder:
            record = self._running_record
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
            self.failed.emit(
                Problem(f"The pictures of this run are gone: {request.data}.", "Bring the folder back, then resume.")
            )
            return
        self._begin(record, replace(request, run=record.folder))


def _path(text: str) -> Path | None:
    return Path(text) if text else None
