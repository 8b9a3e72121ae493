"""A worker whose every word the test says, and what it says most."""

from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from core.contract.jobs import WorkerReady
from core.contract.protocol import Report
from core.contract.upscale import FileSaved, FileStarted
from srgan_desktop.job import EngineState


class FakeJob(QObject):
    """Takes requests and says nothing by itself."""

    reported = Signal(object)
    stopped = Signal()

    def __init__(self):
        super().__init__()
        self.requests, self.told = [], []
        self.engine = EngineState.OFF

    def start(self):
        if self.engine is not EngineState.READY:
            self.engine = EngineState.STARTING

    def run(self, request):
        self.start()
        self.requests.append(request)
        return len(self.requests)

    def pause(self, job):
        self.told.append(("pause", job))

    def resume(self, job):
        self.told.append(("resume", job))

    def cancel(self, job):
        self.told.append(("cancel", job))

    def shutdown(self):
        self.told.append(("shutdown",))
        QTimer.singleShot(0, self, self.stopped.emit)

    def say(self, *events, job=None):
        for event in events:
            if isinstance(event, WorkerReady):
                self.engine = EngineState.READY
            self.reported.emit(Report(len(self.requests) if job is None else job, event))


def source(session, row):
    return session.queue.entries[row].path


def begin(session, row):
    return FileStarted(source(session, row), Path("/out.png"), (24, 18), (96, 72))


def save(session, row):
    return FileSaved(source(session, row), Path(f"/out/{row}.png"), (24, 18), (96, 72), 40.0, 1.5, ("A note.",))


def states(session):
    return [entry.state for entry in session.queue.entries]
