from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject

from srgan_desktop.job import Job
from srgan_desktop.settings import TRAIN_FOLDER, TRAIN_RECIPE, Settings
from srgan_desktop.training.session import TrainSession
from tests.desktop.training.scripted import scripted
from tests.homes import move_in

WAIT_MS = 60_000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folders, in this process and in those that it starts."""
    move_in(monkeypatch, tmp_path, "config", "data", "state")
    return tmp_path


@pytest.fixture
def options(home: Path, qapp) -> Settings:
    settings = Settings(home / "settings.ini")
    settings.set(TRAIN_RECIPE, "quick")
    return settings


@pytest.fixture
def make_session(warm_workers: None, options: Settings, qtbot) -> Iterator[Callable[[], TrainSession]]:
    """Sessions over scripted workers; none leaves a process or thread behind."""
    made: list[TrainSession] = []

    def make() -> TrainSession:
        session = TrainSession(options, job=Job(target=scripted))
        made.append(session)
        return session

    yield make
    for session in made:
        if not session.shutting_down:
            with qtbot.waitSignal(session.stopped, timeout=WAIT_MS):
                session.shutdown()
        assert session.worker_pid is None
    left = [thread.name for thread in threading.enumerate() if thread.name in ("worker link", "run files")]
    assert not left


@pytest.fixture
def session(make_session: Callable[[], TrainSession]) -> TrainSession:
    return make_session()


class Heard(QObject):
    """What a session said, in order."""

    def __init__(self, session: TrainSession) -> None:
        super().__init__(session)
        self.words: list[str] = []
        for name in ("begun", "stepped", "validated", "ended", "failed", "notice"):
            getattr(session, name).connect(lambda *_, name=name: self.words.append(name))
        session.files.installed.connect(lambda *_: self.words.append("installed"))
        session.changed.connect(lambda: self._phase(session.phase.value))

    def _phase(self, phase: str) -> None:
        if phase not in self.words[-1:]:
            self.words.append(phase)


@pytest.fixture
def ready(session: TrainSession, options: Settings, qtbot, home: Path) -> Callable[[str], TrainSession]:
    """The session with a folder that plays a part, examined."""

    def make(part: str) -> TrainSession:
        folder = home / part
        folder.mkdir()
        options.set(TRAIN_FOLDER, str(folder))
        qtbot.waitUntil(lambda: session.can_start, timeout=WAIT_MS)
        return session

    return make
