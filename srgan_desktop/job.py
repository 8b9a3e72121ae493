"""The worker process, as the window sees it: requests go in, one Qt signal comes out.

The pipe is served by a plain Python thread and not by a QThread: a QThread that is destroyed while it runs aborts the
program, and needs an event loop only to wait on a pipe. Reports cross over to the main thread by one queued signal,
so they arrive there in the order in which they were sent.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from core.contract.jobs import DevicesFound, JobCancelled, JobDone, JobFailed, WorkerReady
from core.contract.protocol import NO_JOB, Cancel, Pause, Report, Resume, Shutdown, Submit
from core.worker_entry import run_worker
from srgan_desktop import problems

log = logging.getLogger(__name__)

CANCEL_GRACE_MS = 15_000
"""How long a running job may take to stop before its process is killed."""
SHUTDOWN_GRACE_MS = 6_000
"""How long the worker may take to exit before it is killed."""

Target = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class JobCutShort(JobCancelled):
    """The job was asked to stop, and its process ended first: what it saves when it stops may be missing."""


class EngineState(Enum):
    """What the worker process is doing."""

    OFF = "off"
    STARTING = "starting"
    READY = "ready"
    STOPPED = "stopped"


class Job(QObject):
    """Owns one worker process: starts it, gives it work, and sees to its end.

    All methods are called from the main thread and return at once. Every job that `run` began ends with exactly one
    `JobDone`, `JobFailed` or `JobCancelled`, also when the process dies; the next `run` then starts another process.
    Where it had to be killed for a job that did not stop, those behind that job are done by another one.
    """

    reported = Signal(object)
    """A `Report`, in the main thread. One of `NO_JOB` is `WorkerReady`, `DevicesFound`, or `JobFailed` for a worker
    that died idle."""
    stopped = Signal()
    """After `shutdown`: neither process nor thread is left."""

    _arrived = Signal(object)

    def __init__(
        self, parent: QObject | None = None, target: Target = run_worker, cancel_grace_ms: int = CANCEL_GRACE_MS
    ) -> None:
        """Start nothing yet.

        Args:
            parent: Qt's owner.
            target: what the process runs; importable by name, and served with the protocol of `core.contract`.
            cancel_grace_ms: how long a job may take to stop before its process is killed.
        """
        super().__init__(parent)
        self._target = target
        self._cancel_grace_ms = cancel_grace_ms
        self.engine = EngineState.OFF
        """What the process is doing; for others to read."""
        self._link: WorkerLink | None = None
        self._numbers = itertools.count(NO_JOB + 1)
        self._outstanding: dict[int, _OpenJob] = {}  # in the order in which they are done
        self._killed_for_one = False
        self.shutting_down = False
        """Whether `shutdown` was called; for others to read."""
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    @property
    def pid(self) -> int | None:
        """The worker process's number, from its start to its end; else None."""
        return self._link.pid if self._link else None

    @property
    def running(self) -> bool:
        """Whether there is a process, or one is about to start."""
        return self._link is not None

    def start(self) -> None:
        """Start the process, if there is none, so that the first job need not wait for its imports."""
        if self._link is None and not self.shutting_down:
            self.engine = EngineState.STARTING
            self._link = WorkerLink(self._target, self._arrived.emit)
            self._link.start()

    def run(self, request: object) -> int:
        """Have a request of `core.contract` done after those given before; answers with the job's number."""
        if self.shutting_down:
            raise RuntimeError("the worker is being shut down")
        job = next(self._numbers)
        self._submit(job, _OpenJob(request))
        return job

    def cancel(self, job: int) -> None:
        """Ask a job to stop; if it does not within a grace period, its process is killed."""
        if job in self._outstanding and not self._outstanding[job].asked_to_stop:
            self._outstanding[job].asked_to_stop = True
            self._send(Cancel(job))
            QTimer.singleShot(self._cancel_grace_ms, self, lambda: self._enforce(job))

    def pause(self, job: int) -> None:
        """Make a job wait where it is."""
        if job in self._outstanding:
            self._outstanding[job].paused = True
            self._send(Pause(job))

    def resume(self, job: int) -> None:
        """Let a paused job go on."""
        if job in self._outstanding:
            self._outstanding[job].paused = False
            self._send(Resume(job))

    def shutdown(self) -> None:
        """Cancel everything and end the process: it is asked, then killed. Ends with `stopped`."""
        if self.shutting_down:
            return
        self.shutting_down = True
        if self._link is None:
            QTimer.singleShot(0, self, self.stopped.emit)
            return
        for given in self._outstanding.values():
            given.asked_to_stop = True
        self._send(Shutdown())
        # While it imports torch it reads no messages, and has nothing to finish.
        ready = self.engine is EngineState.READY
        QTimer.singleShot(SHUTDOWN_GRACE_MS if ready else 0, self, self.kill)

    def _submit(self, job: int, given: _OpenJob) -> None:
        self.start()
        self._outstanding[job] = given
        self._send(Submit(job, given.request))
        if given.paused:
            self._send(Pause(job))

    def _send(self, message: object) -> None:
        if self._link is not None:
            self._link.send(message)

    def _enforce(self, job: int) -> None:
        if job not in self._outstanding:
            return
        if self.engine is EngineState.READY and next(iter(self._outstanding)) == job:
            log.warning("job %d did not stop when asked; killing its process", job)
            self._killed_for_one = True
            self.kill()
        else:
            # The job cannot have heard yet: the process still imports torch, or another job is before it.
            QTimer.singleShot(self._cancel_grace_ms, self, lambda: self._enforce(job))

    def kill(self) -> None:
        """End the process without asking, if there is one."""
        if self._link is not None:
            self._link.kill()

    def _on_arrived(self, delivery: _Delivery) -> None:
        if delivery.link is not self._link:
            return
        if isinstance(delivery.message, Report):
            self._pass_on(delivery.message)
        else:
            self._on_death(delivery.message)

    def _pass_on(self, report: Report) -> None:
        if isinstance(report.event, WorkerReady):
            self.engine = EngineState.READY
        elif report.job == NO_JOB and not isinstance(report.event, DevicesFound):
            self.engine = EngineState.STOPPED
        elif isinstance(report.event, JobDone | JobFailed | JobCancelled):
            self._outstanding.pop(report.job, None)
        elif report.job in self._outstanding:
            self._outstanding[report.job].begun = True
        self.reported.emit(report)

    def _on_death(self, death: _Died) -> None:
        assert self._link is not None
        self._link.join()
        self._link = None
        at_work = next(iter(self._outstanding), None) if self.engine is EngineState.READY else None
        self.engine = EngineState.STOPPED
        open_jobs, self._outstanding = self._outstanding, {}
        killed_for_one, self._killed_for_one = self._killed_for_one, False
        if not self.shutting_down:
            log.error("the worker died, exit code %s, jobs left: %s", death.exit_code, list(open_jobs))
        failure = problems.engine_died(death.exit_code)
        ends: list[Report] = []
        for job, given in open_jobs.items():
            if given.asked_to_stop:
                ends.append(Report(job, JobCutShort() if job == at_work else JobCancelled()))
            elif killed_for_one and not given.begun:
                self._submit(job, given)
            else:
                ends.append(Report(job, failure))
        for end in ends:
            self.reported.emit(end)
        if self.shutting_down:
            self.stopped.emit()
        elif not open_jobs:
            self.reported.emit(Report(NO_JOB, failure))


@dataclass(slots=True)
class _OpenJob:
    """A job that has not ended."""

    request: object
    asked_to_stop: bool = False
    paused: bool = False
    begun: bool = False
    """The worker has sent an event of it."""


@dataclass(frozen=True, slots=True)
class _Died:
    """Posted once, when a process has ended."""

    exit_code: int | None


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A message and the process it came from: one that has been given up may still have some under way."""

    link: WorkerLink
    message: Report | _Died


class WorkerLink(threading.Thread):
    """One worker process from its start to its end, and the only thread that reads from or writes to its pipe.

    Writing happens here too, as a request may be larger than the pipe holds, and the worker reads nothing until it has
    imported torch: the main thread would stand still that long.
    """

    def __init__(self, target: Target, deliver: Callable[[_Delivery], None]) -> None:
        super().__init__(name="worker link", daemon=True)
        # Never fork: the child would inherit Qt's threads and locks half-way.
        self._context = multiprocessing.get_context("spawn")
        self._target = target
        self._deliver = deliver
        self._outbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._woken, self._wake = self._context.Pipe(duplex=False)
        self._wake_lock = threading.Lock()
        self._process_lock = threading.Lock()
        self._process: BaseProcess | None = None
        """None before it starts and once it has ended."""
        self._killed = False

    @property
    def pid(self) -> int | None:
        with self._process_lock:
            return self._process.pid if self._process is not None else None

    def send(self, message: object) -> None:
        """Write soon; a message to a process that is gone is dropped, as its jobs fail anyway."""
        self._outbox.put(message)
        with self._wake_lock:
            if not self._wake.closed:
                self._wake.send_bytes(b"w")

    def kill(self) -> None:
        """End the process without asking, also one that has yet to start."""
        with self._process_lock:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """Close what `send` wakes the thread by; messages are dropped from now on."""
        with self._wake_lock:
            self._wake.close()
        self._woken.close()

    def run(self) -> None:
        """Serve the pipe until the process is gone."""
        exit_code: int | None = None
        try:
            exit_code = self._run_process()
        except Exception:
            log.exception("the link to the worker broke")
        finally:
            self.close()
            # The window may be gone when a test or a crash tears everything down.
            with contextlib.suppress(RuntimeError):
                self._deliver(_Delivery(self, _Died(exit_code)))

    def _run_process(self) -> int | None:
        connection, theirs = self._context.Pipe()
        with connection:
            # A daemon, so that Python ends it even if the window dies on an error.
            process = self._context.Process(target=self._target, args=(theirs,), name="srgan worker", daemon=True)
            process.start()
            # Keeping it open would hide the worker's death.
            theirs.close()
            lower_priority(process.pid)
            with self._process_lock:
                self._process = process
                if self._killed:
                    process.kill()
            try:
                self._serve(connection, process.sentinel)
            except (EOFError, OSError):
                log.info("the worker closed its pipe")
            except Exception:
                log.exception("the worker sent something unreadable")
                process.kill()
        process.join(SHUTDOWN_GRACE_MS / 1000)
        if process.exitcode is None:
            process.kill()
            process.join()
        exit_code: int | None = process.exitcode
        with self._process_lock:
            self._process = None
        process.close()
        return exit_code

    def _serve(self, connection: Connection, sentinel: int) -> None:
        while True:
            ready = wait([connection, self._woken, sentinel])
            if self._woken in ready:
                self._woken.recv_bytes()
                self.write(connection, self._outbox.get())
            if connection in ready:
                self._deliver(_Delivery(self, connection.recv()))
            elif sentinel in ready:
                return

    def write(self, connection: Connection, message: object) -> None:
        """Send a message; if nobody takes it any more, deliver what was said before, up to the end of the pipe.

        Raises:
            EOFError: the worker is gone.
        """
        try:
            connection.send(message)
        except OSError:
            while True:
                self._deliver(_Delivery(self, connection.recv()))


def lower_priority(pid: int | None) -> None:
    """Let the desktop stay responsive while every core computes."""
    # Here, as the first process is started only once the window is on the screen.
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        # If the window was started with an even lower priority, the engine keeps that.
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if psutil.WINDOWS else max(5, process.nice()))
