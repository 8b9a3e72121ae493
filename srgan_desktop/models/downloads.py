"""Downloads of known models, in this process: they go on while the engine does something else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from PySide6.QtCore import QObject, Signal

from core.contract.cancel import CancelToken
from core.contract.models import DownloadProgress, DownloadRequest, ModelAdded
from srgan_desktop import problems
from srgan_desktop.background import Lane, LaneTask

DownloadEvent = DownloadProgress | ModelAdded


class ModelDownloads(Lane):
    """Fetches any number of models at once. Closing gives all of them up; what came is kept for the next time."""

    progressed = Signal(object)
    """`DownloadProgress`; its name is the model's key."""
    fetched = Signal(object)
    """`ModelAdded`."""
    ended = Signal(str, object)
    """Key, and the `Problem` that ended its download; None where that came to its end or was given up."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("download", parent, threads=None)
        self._by_key: dict[str, LaneTask] = {}

    def start(self, key: str) -> None:
        """Fetch a model, going on where an earlier attempt was; ends with `ended`."""
        if key not in self._by_key:
            self._by_key[key] = self.stream(
                partial(_download, key), self._on_event, partial(self._on_end, key), writes=True
            )

    def give_up(self, key: str) -> None:
        """Stop a download; what came is kept for the next time."""
        if key in self._by_key:
            self.cancel(self._by_key[key])

    def _on_event(self, event: DownloadEvent) -> None:
        if isinstance(event, DownloadProgress):
            self.progressed.emit(event)
        else:
            self.fetched.emit(event)

    def _on_end(self, key: str, error: Exception | None) -> None:
        del self._by_key[key]
        self.ended.emit(key, None if error is None else problems.of_exception(error))


def _download(key: str, token: CancelToken) -> Iterator[DownloadEvent]:
    # Here, as the window is painted before anybody downloads anything.
    from core.models.downloads import download

    yield from download(DownloadRequest(key), token)
