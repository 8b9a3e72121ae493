"""The worker process: does what the window asks for, one job after another, and says what happens.

Four threads: the main one works; one listens, so that cancel and pause are heard while it does; one sends, so that a
window that is busy for a moment never makes the device wait; one sees to the end. A pipe that closes means that the
window is gone, and SIGTERM or SIGHUP that the user's session ends: the job is cancelled, which lets a training run save
its state, and the process ends.
"""

from __future__ import annotations

import importlib
import logging
import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

from core import processor
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.jobs import DevicesFound, Event, JobCancelled, JobDone, JobFailed, WorkerReady
from core.contract.protocol import NO_JOB, Cancel, Pause, Report, Resume, Shutdown, Submit
from core.contract.training import STOP_SECONDS, TrainRequest
from core.edition import missing_torch
from core.language import gettext as _

log = logging.getLogger(__name__)

WORK: dict[str, str] = {
    "UpscaleRequest": "core.upscale.batch:upscale",
    "WatchRequest": "core.upscale.watch:watch",
    "PreviewRequest": "core.upscale.preview:preview",
    "TrainRequest": "core.training.trainer:train",
    "TrainingEstimateRequest": "core.training.trainer:estimate",
    "ScanRequest": "core.training.scan:scan",
    "SamplesRequest": "core.training.samples:samples",
    "PrepareRequest": "core.training.prepare:prepare",
    "EvaluateRequest": "core.evaluate.benchmark:evaluate",
    "CheckRequest": "core.evaluate.check:check",
    "CompareRequest": "core.evaluate.compare:compare",
    "BlindRequest": "core.evaluate.blind:blind",
    "DownloadRequest": "core.models.downloads:download",
    "ImportRequest": "core.models.importing:import_models",
    "BlendRequest": "core.models.blend:blend_models",
}
"""What does a request, by its class: a generator of events, imported when it is first asked for."""

_WITH_TORCH = {
    "TrainRequest": _("Training"),
    "TrainingEstimateRequest": _("Training"),
    "BlendRequest": _("Blending models"),
    "ImportRequest": _("Importing this model"),
}
"""What the light edition says that it cannot do."""

EXIT_GRACE_SECONDS = 15.0
"""How long a job may take to stop once the process is to end; then it ends all the same. Training has its own."""
IDLE_SECONDS = 0.5
"""How long there is to be nothing to do before devices are listed."""


def serve(connection: Connection) -> None:
    """Serve requests from `connection` until it closes, or `Shutdown`, SIGTERM or SIGHUP comes."""
    worker = _JobServer(connection)
    # Ctrl-C in a terminal reaches every process there; the window decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A logout reaches every process too, this one perhaps before the window.
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda _number, _frame: worker.end())
    worker.run()


class _JobServer:
    """Jobs in the order in which they came, and the tokens to stop them by."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._jobs: queue.SimpleQueue[Submit | None] = queue.SimpleQueue()
        self._tokens: dict[int, CancelToken] = {}
        self._tokens_lock = threading.Lock()
        self._outbox: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self._ends: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._at_work: Submit | None = None
        self._has_listed = True
        """Whether all devices were named, or cannot be."""

    def end(self) -> None:
        """Cancel everything and exit, soon. May be called in the middle of anything, as a signal comes."""
        # A SimpleQueue can be put to from a signal handler; taking a lock here could deadlock.
        self._ends.put(None)

    def run(self) -> None:
        threading.Thread(target=self._close_when_asked, name="close", daemon=True).start()
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        sender = threading.Thread(target=self._send, name="send", daemon=True)
        sender.start()
        self._warm_up()
        while (job := self._next_job()) is not None:
            self._do(job)
        self._outbox.put(None)
        sender.join(EXIT_GRACE_SECONDS)

    def _warm_up(self) -> None:
        """Import what computes, and choose a device before the first request."""
        try:
            from core.runtimes import choice

            processor.keep_large_blocks()
            # Loads the modules of the most likely request, too.
            importlib.import_module("core.upscale.stages")
            self._report(NO_JOB, WorkerReady(choice.first_label()))
        except Exception as error:
            log.exception("no engine")
            failure = JobFailed(
                _("The engine could not be started."),
                _("Reinstall the program."),
                "".join(traceback.format_exception(error)),
            )
            self._report(NO_JOB, failure)
            return
        self._has_listed = False

    def _next_job(self) -> Submit | None:
        """What to do next. The first time that there is nothing for a moment, devices are listed."""
        while not self._has_listed:
            try:
                return self._jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._list_devices()
        return self._jobs.get()

    def _list_devices(self) -> None:
        from core.runtimes import choice

        self._has_listed = True
        try:
            # Imports torch, which takes a second or two, and the first request may do without.
            self._report(NO_JOB, DevicesFound(tuple(choice.devices())))
        except Exception:
            # The window goes on listing what could be there.
            log.exception("devices")

    def _do(self, job: Submit) -> None:
        token = self._token(job.job)
        self._at_work = job
        try:
            token.check()
            for event in generator_for(job.request)(job.request, token):
                self._report(job.job, event)
            end: JobDone | JobCancelled | JobFailed = JobDone()
        except Cancelled:
            end = JobCancelled()
        except UserError as error:
            end = JobFailed(error.message, error.hint)
        except ImportError as error:
            end = _failed_to_import(error, type(job.request).__name__)
        except MemoryError:
            end = JobFailed(_("Memory ran out."), _("Close other programs, or choose smaller pictures."))
        except Exception as error:
            log.exception("job %d", job.job)
            end = _fault(error)
        with self._tokens_lock:
            del self._tokens[job.job]
        self._report(job.job, end)

    def _token(self, job: int) -> CancelToken:
        with self._tokens_lock:
            return self._tokens.setdefault(job, CancelToken())

    def _listen(self) -> None:
        try:
            while True:
                self._receive(self._connection.recv())
        except (EOFError, OSError):
            self.end()

    def _receive(self, message: object) -> None:
        match message:
            case Submit():
                self._token(message.job)
                self._jobs.put(message)
            case Cancel() | Pause() | Resume():
                with self._tokens_lock:
                    token = self._tokens.get(message.job)
                if token is None:
                    return  # it has ended meanwhile
                if isinstance(message, Cancel):
                    token.cancel()
                elif isinstance(message, Pause):
                    token.pause()
                else:
                    token.resume()
            case Shutdown():
                self.end()

    def _close_when_asked(self) -> None:
        self._ends.get()
        self._jobs.put(None)
        with self._tokens_lock:
            for token in self._tokens.values():
                token.cancel()
        trains = self._at_work is not None and isinstance(self._at_work.request, TrainRequest)
        # A job that does not stop must not keep the process alive.
        time.sleep(STOP_SECONDS if trains else EXIT_GRACE_SECONDS)
        os._exit(1)

    def _report(self, job: int, event: Event) -> None:
        self._outbox.put(Report(job, event))

    def _send(self) -> None:
        try:
            while (report := self._outbox.get()) is not None:
                self._connection.send(report)
        except OSError:
            pass  # the window is gone, as the listener finds out too


def _failed_to_import(error: ImportError, kind: str) -> JobFailed:
    missing = missing_torch(error, _WITH_TORCH.get(kind, _("This")))
    if missing is not None:
        return JobFailed(missing.message, missing.hint)
    log.error("import", exc_info=error)
    return _fault(error)


def _fault(error: Exception) -> JobFailed:
    return JobFailed(
        _("This could not be done: {name}.").format(name=type(error).__name__),
        _("This is a bug in the program; the details help to fix it."),
        "".join(traceback.format_exception(error)),
    )


def generator_for(request: object) -> Callable[[object, CancelToken], Iterator[Event]]:
    """What does `request`: a function that takes it and a cancel token, and gives a generator of events.

    Raises:
        UserError: there is no such kind of work.
    """
    kind = type(request).__name__
    if kind not in WORK:
        raise UserError(
            _("The engine does not know what a {kind} is.").format(kind=kind),
            _("Restart the program: its parts do not match."),
        )
    module, name = WORK[kind].split(":")
    generator: Callable[[object, CancelToken], Iterator[Event]] = getattr(importlib.import_module(module), name)
    return generator
