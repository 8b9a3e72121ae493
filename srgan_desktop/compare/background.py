"""Decoding and reducing away from the main thread, where only the newest request counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal

from core.contract.cancel import Cancelled, CancelToken

Work = Callable[[CancelToken, Callable[[object], None]], None]
"""Runs in the thread; hands results to its second argument, asks the token whether anyone still wants them."""


class Background(QObject):
    """Does one thing at a time on a thread that lives while there is something to do.

    A request replaces the one before: that is cancelled, and nothing of it arrives any more. When this object goes, so
    does the thread, at its next look at the cancel token; nobody waits for it, and it touches no Qt object again. That
    is why it is a plain thread: a QThread that is destroyed while it decodes aborts the program.
    """

    arrived = Signal(object)
    """A result of the newest request, in the main thread. An exception is what its work raised."""

    _posted = Signal(object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._token = CancelToken()
        self._posted.connect(self._on_posted, Qt.ConnectionType.QueuedConnection)
        self._thread = _Thread(self._posted.emit)
        # Emitted before anything of this object is torn down.
        self.destroyed.connect(self._thread.close)

    def start(self, work: Work) -> None:
        """Have this done next, and nothing that was asked for before."""
        self._token.cancel()
        self._token = CancelToken()
        self._thread.submit(work, self._token)

    def cancel(self) -> None:
        """Drop what was asked for."""
        self._token.cancel()

    def _on_posted(self, token: CancelToken, result: object) -> None:
        if token is self._token and not token.cancelled:
            self.arrived.emit(result)


class _Thread:
    """The part that outlives the QObject."""

    def __init__(self, post: Callable[[Any, Any], None]) -> None:
        self._post = post
        self._lock = threading.Lock()
        self._next: tuple[Work, CancelToken] | None = None
        self._token = CancelToken()
        self._running = False
        self._closed = False

    def submit(self, work: Work, token: CancelToken) -> None:
        with self._lock:
            self._next = (work, token)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="compare", daemon=True).start()

    def close(self) -> None:
        # Waits for a delivery that is just being posted, so that none can meet a destroyed object.
        with self._lock:
            self._closed = True
            self._next = None
            self._token.cancel()

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._next is None:
                    self._running = False
                    return
                work, self._token = self._next
                self._next = None
                token = self._token
            try:
                work(token, partial(self._deliver, token))
            except Cancelled:
                pass
            except Exception as error:
                self._deliver(token, error)

    def _deliver(self, token: CancelToken, result: object) -> None:
        with self._lock:
            if self._closed or token.cancelled:
                return
            try:
                self._post(token, result)
            except RuntimeError:
                # Python's half of the QObject goes a moment before Qt's, and with it the signal.
                self._closed = True
                token.cancel()
