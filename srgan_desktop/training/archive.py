"""The user's runs, read, copied and deleted on a thread of its own: a long run's log takes a while."""

from __future__ import annotations

import contextlib
import queue
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from core import paths
from core.contract.errors import UserError
from srgan_desktop import problems
from srgan_desktop.problems import Problem
from srgan_desktop.training.runs import RunRecord, install_model, read_run, read_runs


class Archive(QObject):
    """Asked from the main thread; answers come in the order of the questions."""

    listed = Signal(object)
    """A list of `RunRecord` without curves, the newest first."""
    opened = Signal(object)
    """A `RunRecord` with its curves."""
    installed = Signal(str)
    """Key of a model that can now be used."""
    failed = Signal(object)
    """The `Problem` of a copy or a deletion."""
    stopped = Signal()
    """After `close`: the thread is gone."""

    _arrived = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    def list(self) -> None:
        """Look which runs there are; ends with `listed`."""
        root = paths.user_runs()
        self._put(lambda: _Listed(read_runs(root)))

    def open(self, folder: Path) -> None:
        """Read one with its curves; ends with `opened`."""
        self._put(lambda: _Opened(read_run(folder)))

    def install(self, model: Path) -> None:
        """Copy a model among the user's own; ends with `installed` or `failed`."""
        self._put(lambda: install_model(model))

    def delete(self, folder: Path) -> None:
        """Delete a run's folder for good, then list what is left."""
        root = paths.user_runs()
        self._put(lambda: _delete(folder, root))

    def close(self) -> None:
        """Finish what was asked for; ends with `stopped`."""
        if self._closed:
            return
        self._closed = True
        if self._thread is None:
            QTimer.singleShot(0, self, self.stopped.emit)
        else:
            self._tasks.put(None)

    def _put(self, task: Callable[[], object]) -> None:
        if self._closed:
            return
        self._tasks.put(task)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="archive", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        # The window may be gone when a test or a crash tears everything down.
        with contextlib.suppress(RuntimeError):
            while (task := self._tasks.get()) is not None:
                try:
                    self._arrived.emit(task())
                except Exception as error:
                    self._arrived.emit(problems.of_exception(error))
            self._arrived.emit(None)

    def _on_arrived(self, answer: object) -> None:
        match answer:
            case None:
                assert self._thread is not None
                self._thread.join()
                self.stopped.emit()
            case _Listed():
                self.listed.emit(answer.records)
            case _Opened():
                self.opened.emit(answer.record)
            case str():
                self.installed.emit(answer)
            case Problem():
                self.failed.emit(answer)


@dataclass(frozen=True, slots=True)
class _Listed:
    records: list[RunRecord]


@dataclass(frozen=True, slots=True)
class _Opened:
    record: RunRecord


def _delete(folder: Path, root: Path) -> _Listed:
    # Nothing but a run of ours is ever deleted, whatever a link or a caller's mistake may say.
    if folder.parent != root or folder.is_symlink() or not (folder / "recipe.toml").is_file():
        raise UserError(f"{folder} is no run of this program.", "Delete it in the file manager.")
    shutil.rmtree(folder)
    return _Listed(read_runs(root))
