"""The look at the chosen pictures before a run: which can be learned from, and some samples of what it will see."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import QObject, Signal

from core.contract.jobs import JobCancelled, JobDone, JobFailed
from core.contract.training import (
    PictureQuarantined,
    SamplesReady,
    SamplesRequest,
    ScanFinished,
    ScanProgress,
    ScanRequest,
)
from srgan_desktop import problems
from srgan_desktop.job import Job
from srgan_desktop.problems import Problem

TELL_EVERY = 50
"""Quarantined pictures between two that the page hears of at once; thousands may come in a moment."""


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


class Examiner(QObject):
    """Has the pictures scanned and samples made, each again only where it would be of something else."""

    changed = Signal()
    """Something new is known of the chosen pictures."""
    settled = Signal()
    """A scan began or ended: whether a run can start may be otherwise now."""
    samples_ready = Signal(object)
    """`SamplesReady`, or the `Problem` that kept them from being made."""

    def __init__(self, job: Job, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.found = Examination()
        self._job = job
        self._scan: int | None = None
        self._sampling: int | None = None
        self._scanned: ScanRequest | None = None
        self._sampled: SamplesRequest | None = None

    @property
    def knows(self) -> bool:
        """Whether any pictures are, or are being, looked at."""
        return self._scanned is not None

    def ask(self, scan: ScanRequest, samples: SamplesRequest) -> None:
        """Look at these pictures, unless that is done or under way."""
        if scan != self._scanned:
            self._cancel(self._scan)
            self.found = Examination(running=True)
            self._scanned = scan
            self._scan = self._job.run(scan)
            self.changed.emit()
            self.settled.emit()
        if samples != self._sampled:
            self._cancel(self._sampling)
            self._sampled = samples
            self._sampling = self._job.run(samples)

    def ask_again(self) -> None:
        """Take nothing for done that is asked for next."""
        self._scanned = self._sampled = None

    def wait(self) -> None:
        """Say that the pictures are looked at once the engine is free."""
        self.found.waiting = True
        self.changed.emit()

    def forget(self) -> None:
        """Know nothing, as no pictures are chosen."""
        self.give_up()
        self.ask_again()
        self.found = Examination()
        self.changed.emit()
        self.settled.emit()

    def give_up(self) -> None:
        """Stop what is under way; it is done anew when it is asked for."""
        self._cancel(self._scan)
        self._cancel(self._sampling)
        if self._scan is not None:
            self._scanned = None
        if self._sampling is not None:
            self._sampled = None
        self._scan = self._sampling = None

    def take(self, job: int, event: object) -> None:
        """Take an event of one of the session's jobs."""
        if job == self._scan:
            self._on_scan(event)
        elif job == self._sampling:
            self._on_samples(event)

    def _cancel(self, job: int | None) -> None:
        if job is not None:
            self._job.cancel(job)

    def _on_scan(self, event: object) -> None:
        found = self.found
        match event:
            case ScanProgress():
                found.done, found.total = event.done, event.total
            case PictureQuarantined():
                found.quarantined.append(event)
                if len(found.quarantined) % TELL_EVERY:
                    # The page hears of them with the next progress or the end.
                    return
            case ScanFinished():
                found.finished = event
            case JobDone():
                self._end_scan()
            case JobCancelled():
                self._scanned = None
                self._end_scan()
            case JobFailed():
                # Whatever was in the way may be gone when the page is shown again, or something is changed.
                self._scanned = None
                self._end_scan(problems.of_job(event, self._job.running, problems.scan_died))
        self.changed.emit()
        if not found.running:
            self.settled.emit()

    def _end_scan(self, problem: Problem | None = None) -> None:
        self._scan = None
        self.found.running = False
        self.found.problem = problem

    def _on_samples(self, event: object) -> None:
        match event:
            case SamplesReady():
                self.samples_ready.emit(event)
            case JobDone():
                self._sampling = None
            case JobCancelled() | JobFailed():
                self._sampling = self._sampled = None
                if isinstance(event, JobFailed):
                    self.samples_ready.emit(problems.of_job(event, self._job.running, problems.scan_died))
