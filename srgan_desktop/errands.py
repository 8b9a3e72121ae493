"""Work on files that takes a while, on one thread of its own, in the order in which it was asked for."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from srgan_desktop import problems

Result = TypeVar("Result")
_Told = Callable[[], object]
"""Called in the main thread."""


class Errands(QObject):
    """Base of those who do such work."""

    failed = Signal(object)
    """The `Problem` that a task met."""
    stopped = Signal()
    """After `close`: the thread is gone."""

    _arrived = Signal(object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        """Start nothing yet; `name` is the thread's."""
        super().__init__(parent)
        self._name = name
        self._tasks: queue.SimpleQueue[Callable[[], _Told] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._pending: deque[bool] = deque()
        """Of what is asked for and not told yet, whether it writes."""
        self._arrived.connect(self._tell, Qt.ConnectionType.QueuedConnection)

    @property
    def writes(self) -> bool:
        """Whether something is under way or waiting that changes files."""
        return any(self._pending)

    def close(self) -> None:
        """Finish what was asked for; ends with `stopped`."""
        if self._closed:
            return
        self._closed = True
        if self._thread is None:
            QTimer.singleShot(0, self, self.stopped.emit)
        else:
            self._pending.append(False)
            self._tasks.put(None)

    def _read(self, task: Callable[[], Result], tell: Callable[[Result], object]) -> None:
        """As `_write`, of a task that changes no file; at the end of the program nobody waits for one that hangs."""
        self._put(task, tell, writes=False)

    def _write(self, task: Callable[[], Result], tell: Callable[[Result], object]) -> None:
        """Have `task` done on the thread, and what it returns told in the main thread; else ends with `failed`."""
        self._put(task, tell, writes=True)

    def _put(self, task: Callable[[], Result], tell: Callable[[Result], object], *, writes: bool) -> None:
        if self._closed:
            return
        self._pending.append(writes)
        self._tasks.put(lambda: partial(tell, task()))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def _work(self) -> None:
        # The window may be gone when a test or a crash tears everything down.
        with contextlib.suppress(RuntimeError):
            while (task := self._tasks.get()) is not None:
                try:
                    told: _Told = task()
                except Exception as error:
                    told = partial(self.failed.emit, problems.of_exception(error))
                self._arrived.emit(told)
            self._arrived.emit(self._end)

    def _tell(self, told: _Told) -> None:
        self._pending.popleft()
        told()

    def _end(self) -> None:
        assert self._thread is not None
        self._thread.join()
        self.stopped.emit()
