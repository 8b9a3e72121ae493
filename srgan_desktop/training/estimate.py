"""What a run would cost: trial steps of the set-up as it is, forgotten once that changes."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from core.contract.jobs import JobCancelled, JobDone, JobFailed
from core.contract.training import ScanFinished, TrainingEstimated, TrainingEstimateRequest, TrainRequest
from core.language import gettext as _
from srgan_desktop import problems
from srgan_desktop.job import Job
from srgan_desktop.problems import Problem
from srgan_desktop.training.activity import Activity, activity_of


class Estimator(QObject):
    """Has a few steps of each stage measured."""

    changed = Signal()
    """Another activity, estimate or problem."""

    def __init__(self, job: Job, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.activity = Activity()
        self.estimate: TrainingEstimated | None = None
        """What the set-up as it is now would cost."""
        self.problem: Problem | None = None
        """What kept that from being known."""
        self._job = job
        self._number: int | None = None
        self._asked: TrainRequest | None = None

    @property
    def busy(self) -> bool:
        """Whether trial steps are under way."""
        return self._number is not None

    @property
    def knows(self) -> bool:
        """Whether anything was asked for that may no longer be that of the set-up."""
        return self._asked is not None

    def ask(self, request: TrainRequest) -> None:
        """Measure a few steps of each stage of this run."""
        self.estimate = self.problem = None
        self.activity = Activity(_("Starting the engine"))
        self._asked = request
        self._number = self._job.run(TrainingEstimateRequest(request))
        self.changed.emit()

    def give_up(self) -> None:
        """Stop the trial steps."""
        if self._number is not None:
            self._job.cancel(self._number)
            self._number = None
            self.changed.emit()

    def keep_for(self, request: TrainRequest | None) -> None:
        """Forget what is known, and stop, unless it is of this run."""
        if self.knows and request != self._asked:
            self.give_up()
            self.estimate = self.problem = self._asked = None

    def take(self, job: int, event: object) -> None:
        """Take an event of one of the session's jobs."""
        if job != self._number:
            return
        match event:
            case TrainingEstimated():
                self.estimate = event
            case JobDone() | JobCancelled():
                self._number = None
            case JobFailed():
                self._number = None
                self.problem = problems.of_job(event, self._job.running, problems.estimate_died)
            case ScanFinished():
                self.activity = Activity(_("Trying a few steps"))
            case _:
                self.activity = activity_of(event) or self.activity
        self.changed.emit()
