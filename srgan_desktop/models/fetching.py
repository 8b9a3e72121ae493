"""Downloads of known models, each on a thread of this process: they go on while the engine does something else."""

from __future__ import annotations

import contextlib
import threading

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from core.contract.cancel import Cancelled, CancelToken
from core.contract.models import DownloadProgress, DownloadRequest, ModelAdded
from srgan_desktop import problems
from srgan_desktop.problems import Problem


class Fetching(QObject):
    """Asked from the main thread, which also gets the answers."""

    progressed = Signal(object)
    """`DownloadProgress`; its name is the model's key."""
    fetched = Signal(object)
    """`ModelAdded`."""
    ended = Signal(str, object)
    """Key, and the `Problem` that ended its download; None where that came to its end or was given up."""
    stopped = Signal()
    """After `close`: no thread of it is left."""

    _arrived = Signal(str, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tokens: dict[str, CancelToken] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._closed = False
        self._arrived.connect(self._on_arrived, Qt.ConnectionType.QueuedConnection)

    def start(self, key: str) -> None:
        """Fetch a model, going on where an earlier attempt was; ends with `ended`."""
        if key in self._threads or self._closed:
            return
        self._tokens[key] = CancelToken()
        self._threads[key] = threading.Thread(
            target=self._fetch, args=(key, self._tokens[key]), name=f"fetch {key}", daemon=True
        )
        self._threads[key].start()

    def cancel(self, key: str) -> None:
        """Give it up; what came is kept for the next time."""
        if key in self._tokens:
            self._tokens[key].cancel()

    def close(self) -> None:
        """Give all of them up; ends with `stopped`."""
        if self._closed:
            return
        self._closed = True
        for token in self._tokens.values():
            token.cancel()
        if not self._threads:
            QTimer.singleShot(0, self, self.stopped.emit)

    def _fetch(self, key: str, token: CancelToken) -> None:
        end = _End(None)
        # The window may be gone when a test or a crash tears everything down.
        with contextlib.suppress(RuntimeError):
            try:
                # Here, as the window is painted before anybody downloads anything.
                from core.models.downloads import download

                for event in download(DownloadRequest(key), token):
                    self._arrived.emit(key, event)
            except Cancelled:
                pass
            except Exception as error:
                end = _End(problems.of_exception(error))
            self._arrived.emit(key, end)

    def _on_arrived(self, key: str, event: object) -> None:
        match event:
            case DownloadProgress():
                self.progressed.emit(event)
            case ModelAdded():
                self.fetched.emit(event)
            case _End():
                self._threads.pop(key).join()
                del self._tokens[key]
                self.ended.emit(key, event.problem)
                if self._closed and not self._threads:
                    self.stopped.emit()


class _End:
    def __init__(self, problem: Problem | None) -> None:
        self.problem = problem
