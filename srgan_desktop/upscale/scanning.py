"""Searching files and folders for pictures without holding up the window."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QImage

from core.atomic import replacing
from core.contract.cancel import Cancelled, CancelToken
from core.contract.upscale import Input
from srgan_desktop import problems
from srgan_desktop.problems import Problem

BATCH_SECONDS = 0.1
"""How long finds are collected before the queue hears of them: a signal for each would swamp it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A picture, or a folder that cannot be searched."""

    input: Input
    problem: Problem | None = None
    """Why the folder cannot be searched."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """One search came to its end."""

    words: str
    """For the status strip."""
    problem: Problem | None = None
    """What ended it early, or that there was nothing."""
    folders: tuple[Path, ...] = ()
    """Those of the paths searched that are one."""


GIVEN_UP = Scanned("")


class Scanner(QObject):
    """One thread that lives as long as there is something to search; searches are done in the order they came."""

    found = Signal(object)
    """A list of `Found`."""
    finished = Signal(object)
    """`Scanned`."""
    stopped = Signal()
    """After `close`: the thread is gone."""

    _arrived = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._open: deque[_Task] = deque()
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether a search is under way or waiting."""
        return len(self._open) > 0

    @property
    def writes(self) -> bool:
        """Whether a pasted picture is being saved; one behind a search that hangs never would be."""
        return len(self._open) > 0 and isinstance(self._open[0], _Paste)

    def search(self, paths: Sequence[Path], recursive: bool) -> None:
        """Find the pictures among these files and in these folders."""
        self._put(_Search(tuple(paths), recursive, CancelToken()))

    def save_and_add(self, image: QImage, path: Path) -> None:
        """Write a pasted picture as PNG to `path`, then find it there."""
        self._put(_Paste(image, path))

    def give_up(self) -> None:
        """Let the searches under way and waiting find nothing more; each still ends with a `finished`."""
        for task in self._open:
            if isinstance(task, _Search):
                task.cancel.cancel()

    def close(self) -> None:
        """Give up what is under way; ends with `stopped`."""
        self._closed = True
        self.give_up()
        if self._thread is None:
            QTimer.singleShot(0, self, self.stopped.emit)
        else:
            self._tasks.put(None)

    def _put(self, task: _Task) -> None:
        if self._closed:
            return
        self._open.append(task)
        self._tasks.put(task)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="scanner", daemon=True)
            self._thread.start()

    def _on_arrived(self, message: object) -> None:
        if message is None:
            assert self._thread is not None
            self._thread.join()
            self.stopped.emit()
            return
        task = self._open[0]
        given_up = isinstance(task, _Search) and task.cancel.cancelled
        if isinstance(message, Scanned):
            self._open.popleft()
            self.finished.emit(GIVEN_UP if given_up else message)
        elif not given_up:
            self.found.emit(message)

    def _work(self) -> None:
        # The window may be gone when a test or a crash tears everything down.
        with contextlib.suppress(RuntimeError):
            while (task := self._tasks.get()) is not None:
                try:
                    self._arrived.emit(self._do(task))
                except Cancelled:
                    self._arrived.emit(GIVEN_UP)
                except Exception as error:
                    self._arrived.emit(Scanned("", problems.of_exception(error)))
            self._arrived.emit(None)

    def _do(self, task: _Task) -> Scanned:
        if isinstance(task, _Paste):
            task.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(task.path) as temporary:
                if not task.image.save(str(temporary), "PNG"):  # type: ignore[call-overload]
                    raise OSError(None, "the picture could not be written", str(task.path))
            self._arrived.emit([Found(Input(task.path))])
            return Scanned(f"Pasted picture saved as {task.path}")
        return self._search(task)

    def _search(self, task: _Search) -> Scanned:
        # Says no of what cannot be asked, as of a name that is too long.
        folders = tuple(path for path in task.paths if os.path.isdir(path))  # noqa: PTH112
        batch: list[Found] = []
        since = time.monotonic()
        pictures = 0
        for found in _pictures(task):
            batch.append(found)
            pictures += found.problem is None
            if time.monotonic() - since > BATCH_SECONDS:
                self._arrived.emit(batch)
                batch = []
                since = time.monotonic()
        if batch:
            self._arrived.emit(batch)
        if pictures == 0 and not batch:
            return Scanned("", problems.nothing_found(task.paths), folders)
        return Scanned(f"Found {problems.pictures(pictures)}", folders=folders)


@dataclass(frozen=True, slots=True)
class _Search:
    paths: tuple[Path, ...]
    recursive: bool
    cancel: CancelToken


@dataclass(frozen=True, slots=True)
class _Paste:
    image: QImage
    path: Path


_Task = _Search | _Paste


def _pictures(task: _Search) -> Iterator[Found]:
    # Here, as decoders are imported with it, and the window is to paint first.
    from core.upscale.scan import Unusable, scan

    for each in scan([Input(path) for path in task.paths], task.recursive, task.cancel):
        if isinstance(each, Unusable):
            yield Found(Input(each.path), problem=problems.of_exception(each.error))
        else:
            yield Found(each)
