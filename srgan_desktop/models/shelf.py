"""What is done to model files, on a thread of its own: a large one takes a while to read or to copy."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from core.models.catalogue import remove_model, rename_model
from srgan_desktop import problems
from srgan_desktop.problems import Problem


class Shelf(QObject):
    """Asked from the main thread; answers come in the order of the questions."""

    hashed = Signal(object, str)
    """Path of a file, and its SHA-256."""
    renamed = Signal(str, str)
    """Key of a model before and after."""
    removed = Signal(str)
    """Key of a model that is gone."""
    failed = Signal(object)
    """The `Problem` of any of these."""
    stopped = Signal()
    """After `close`: the thread is gone."""

    _arrived = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    def hash(self, path: Path) -> None:
        """Compute a file's SHA-256; ends with `hashed` or `failed`."""
        self._put(lambda: _Hashed(path, _sha256(path)))

    def rename(self, key: str, name: str) -> None:
        """Give a model of the user's another name; ends with `renamed` or `failed`."""
        self._put(lambda: _Renamed(key, rename_model(key, name).key))

    def remove(self, key: str) -> None:
        """Delete a model of the user's; ends with `removed` or `failed`."""
        self._put(lambda: _remove(key))

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
            self._thread = threading.Thread(target=self._work, name="shelf", daemon=True)
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
            case _Hashed(path, digest):
                self.hashed.emit(path, digest)
            case _Renamed(old, new):
                self.renamed.emit(old, new)
            case _Removed(key):
                self.removed.emit(key)
            case Problem():
                self.failed.emit(answer)


@dataclass(frozen=True, slots=True)
class _Hashed:
    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class _Renamed:
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class _Removed:
    key: str


def _remove(key: str) -> _Removed:
    remove_model(key)
    return _Removed(key)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
