"""What the sessions of the pages have in common: a worker process and how it is, and an orderly end."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, SignalInstance

from core.contract.jobs import DevicesFound, JobCancelled, JobFailed, WorkerReady
from core.contract.protocol import NO_JOB, Report
from srgan_desktop.job import EngineState, Job
from srgan_desktop.settings import Settings


class Session(QObject):
    """Base of what a page knows and does.

    Everything happens in the main thread; signals come in the order of what happened.
    """

    changed = Signal()
    """Engine, progress or what can be started is not as before."""
    devices_found = Signal(object)
    """What the worker can compute on: a tuple of `DeviceInfo`."""
    failed = Signal(object)
    """A `Problem` that ended something, or kept it from being done."""
    notice = Signal(str)
    """One line for the user."""
    stopped = Signal()
    """After `shutdown`: no process is left, and no thread but one that hangs in reading (see `Lane`)."""

    def __init__(self, options: Settings, job: Job, parent: QObject | None = None) -> None:
        """Start nothing yet; `job` becomes the session's."""
        super().__init__(parent)
        self.settings = options
        self.device = ""
        """What the engine computes on, in words, once it is ready."""
        self.shutting_down = False
        self._job = job
        self._job.setParent(self)
        self._job.reported.connect(self._on_report)
        self._awaited = 0
        self.await_end_of(self._job.stopped)

    @property
    def busy(self) -> bool:
        """Whether closing would end or break something off."""
        raise NotImplementedError

    @property
    def engine(self) -> EngineState:
        """How the worker process is."""
        return self._job.engine

    @property
    def worker_pid(self) -> int | None:
        """The number of the worker process; None while there is none."""
        return self._job.pid

    def shutdown(self) -> None:
        """Give everything up and let go of process and threads; ends with `stopped`."""
        if not self.shutting_down:
            self.shutting_down = True
            self._close()

    def _close(self) -> None:
        """Shut the job and all threads down, now or as soon as what is under way allows it."""
        raise NotImplementedError

    def await_end_of(self, stopped: SignalInstance) -> None:
        """Have the session's own `stopped` wait for this signal, which tells once that threads or a process ended."""
        self._awaited += 1
        stopped.connect(self._on_stopped)

    def _on_job(self, job: int, event: object) -> None:
        """Take an event of one of the session's jobs."""
        raise NotImplementedError

    def _on_report(self, report: Report) -> None:
        if report.job == NO_JOB:
            self._on_engine(report.event)
        else:
            self._on_job(report.job, report.event)
        if isinstance(report.event, JobFailed | JobCancelled) and self.engine is not EngineState.READY:
            self.changed.emit()

    def _on_engine(self, event: object) -> None:
        if isinstance(event, WorkerReady):
            self.device = event.device
        elif isinstance(event, DevicesFound):
            self.devices_found.emit(event.devices)
        elif isinstance(event, JobFailed):
            self.notice.emit(event.message)
        self.changed.emit()

    def _on_stopped(self) -> None:
        self._awaited -= 1
        if self._awaited == 0:
            self.stopped.emit()
