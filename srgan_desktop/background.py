"""Work that would hold up the window: lanes of it on threads, and a throttle for what comes too often."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from core.contract.cancel import Cancelled, CancelToken
from srgan_desktop import problems

Event = TypeVar("Event")

GRACE_MS = 3_000
"""How long a cancelled task that only reads may take to stop: a network drive that is gone may hold it for ever."""


@dataclass(eq=False)
class LaneTask:
    """Something that a `Lane` was asked to do. Owners keep it to cancel it."""

    work: Callable[[CancelToken], Iterable[object]]
    take: Callable[[Any], object]
    ended: Callable[[Exception | None], object]
    writes: bool
    token: CancelToken = field(default_factory=CancelToken)


class Lane(QObject):
    """Does tasks of one kind in the order in which they were asked for. What hangs in one lane holds up no other.

    Everything is asked for and answered in the main thread; only a task's `work` runs in a thread of its own, which
    lives no longer than that work. Threads are plain ones, as a QThread that is destroyed while it runs aborts the
    program. They know no callback and of Qt only a mailbox, which they give back when the lane is deleted: then they
    are cancelled and never heard of again.

    * Of a task that was cancelled nothing arrives but its end. If it does not stop within `GRACE_MS` it counts as
      ended, and the lane goes on without it.
    * A task that writes is never given up: it runs to its end also when the lane is closed, unless it stops itself
      when its token says so, and its events arrive in any case.
    """

    failed = Signal(object)
    """The `Problem` that a task of `run` met."""
    stopped = Signal()
    """After `close`: nothing is under way any more but reading that hangs."""

    def __init__(self, name: str, parent: QObject | None = None, *, threads: int | None = 1) -> None:
        """Start nothing yet.

        Args:
            name: of its threads.
            parent: Qt's owner.
            threads: how many tasks may be under way at once; None for any number.
        """
        super().__init__(parent)
        self._name = name
        self._most = threads
        self._waiting: list[LaneTask] = []
        self._running: dict[_Thread, LaneTask] = {}
        self._tasks: list[LaneTask] = []
        """All that have not ended."""
        self._closed = False
        self._mailbox = _Mailbox()
        self._mailbox.posted.connect(self._on_posted, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether a task is under way or waiting."""
        return bool(self._tasks)

    def run(self, task: Callable[[], Event], take: Callable[[Event], object], *, writes: bool = False) -> LaneTask:
        """Call `task` in a thread and `take` with what it returned, or end with `failed`.

        Args:
            task: a plain function, best one that knows no QObject.
            take: called in the main thread.
            writes: whether it changes files, so that it must not be broken off.
        """
        return self.stream(partial(_once, task), take, self._on_run_ended, writes=writes)

    def stream(
        self,
        work: Callable[[CancelToken], Iterable[Event]],
        take: Callable[[Event], object],
        ended: Callable[[Exception | None], object],
        *,
        writes: bool = False,
    ) -> LaneTask:
        """Go through a generator in a thread. After `close` nothing is begun, and nothing arrives.

        Args:
            work: makes the generator, which asks the token whether anyone still wants its events.
            take: called with each event, in the main thread.
            ended: called once, last, in the main thread, with what `work` raised; None where it came to its end or was
                cancelled.
            writes: whether it changes files, so that it must not be broken off.
        """
        task = LaneTask(work, take, ended, writes)
        if not self._closed:
            self._tasks.append(task)
            self._waiting.append(task)
            self._start_waiting()
        return task

    def cancel(self, task: LaneTask) -> None:
        """Ask a task to stop; it ends soon."""
        if task.token.cancelled or task not in self._tasks:
            return
        task.token.cancel()
        if task.writes:
            return
        if task in self._waiting:
            self._waiting.remove(task)
            QTimer.singleShot(0, self, partial(self._end, task, None))
        else:
            QTimer.singleShot(GRACE_MS, self, partial(self._give_up, task))

    def cancel_all(self) -> None:
        """Ask everything under way or waiting to stop."""
        for task in list(self._tasks):
            self.cancel(task)

    def close(self) -> None:
        """Take nothing more, drop what only reads, finish what writes; ends with `stopped`."""
        if self._closed:
            return
        self._closed = True
        self.cancel_all()
        if not self._tasks:
            QTimer.singleShot(0, self, self.stopped.emit)

    def _start_waiting(self) -> None:
        while self._waiting and (self._most is None or len(self._running) < self._most):
            task = self._waiting.pop(0)
            thread = _Thread(self._name, task.work, task.token, self._mailbox)
            self._running[thread] = task
            self.destroyed.connect(thread.let_go)
            thread.start()

    def _on_posted(self, thread: _Thread, event: object) -> None:
        task = self._running.get(thread)
        if task is None:
            return
        if isinstance(event, _End):
            thread.join()
            self._release(thread)
            self._end(task, event.error)
        elif task.writes or not task.token.cancelled:
            task.take(event)

    def _give_up(self, task: LaneTask) -> None:
        thread = next((thread for thread, running in self._running.items() if running is task), None)
        if thread is not None:
            thread.let_go()
            self._release(thread)
            self._end(task, None)

    def _release(self, thread: _Thread) -> None:
        del self._running[thread]
        self.destroyed.disconnect(thread.let_go)
        self._start_waiting()

    def _end(self, task: LaneTask, error: Exception | None) -> None:
        self._tasks.remove(task)
        task.ended(error if task.writes or not task.token.cancelled else None)
        if self._closed and not self._tasks:
            self.stopped.emit()

    def _on_run_ended(self, error: Exception | None) -> None:
        if error is not None:
            self.failed.emit(problems.of_exception(error))


def _once(task: Callable[[], Event], _token: CancelToken) -> Iterator[Event]:
    yield task()


@dataclass(frozen=True, slots=True)
class _End:
    """The last thing that a thread posts."""

    error: Exception | None


class _Mailbox(QObject):
    """Where threads post what comes of their tasks.

    No part of the lane: nothing else keeps Qt from destroying a lane in the middle of an emission by a thread. Python
    keeps this one for as long as a thread has it, and Qt delivers nothing to a lane that is gone.
    """

    posted = Signal(object, object)


class _Thread(threading.Thread):
    """Does one task and posts what comes of it, as long as there is somebody to post to."""

    def __init__(
        self,
        name: str,
        work: Callable[[CancelToken], Iterable[object]],
        token: CancelToken,
        mailbox: _Mailbox,
    ) -> None:
        # A daemon, so that one that hangs does not keep the program.
        super().__init__(name=name, daemon=True)
        self._work = work
        self._token = token
        self._mailbox: _Mailbox | None = mailbox
        self._lock = threading.Lock()

    def run(self) -> None:
        """Go through the work's events."""
        error: Exception | None = None
        try:
            for event in self._work(self._token):
                self._deliver(event)
        except Cancelled:
            pass
        except Exception as raised:
            error = raised
        self._deliver(_End(error))

    def let_go(self) -> None:
        """Cancel the work and post nothing more."""
        with self._lock:
            self._mailbox = None
        self._token.cancel()

    def _deliver(self, event: object) -> None:
        with self._lock:
            if self._mailbox is not None:
                self._mailbox.posted.emit(self, event)


class Throttle(QTimer):
    """Does something once where it is asked for often."""

    def __init__(self, interval_ms: int, action: Callable[[], object], parent: QObject) -> None:
        """Do nothing yet.

        Args:
            interval_ms: how long requests are gathered.
            action: what is then done once.
            parent: Qt's owner.
        """
        super().__init__(parent, singleShot=True, interval=interval_ms)
        self.timeout.connect(action)

    def soon(self) -> None:
        """Act once the interval is over, however often this is called in it."""
        if not self.isActive():
            self.start()

    def when_quiet(self) -> None:
        """Act once this was not called for an interval."""
        self.start()
