"""Keeps the estimate of what Start would take up to date: reads headers, remembers speed, looks at the free space."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Signal

from core.contract.upscale import FileSaved, PreviewReady, UpscaleRequest
from srgan_desktop import problems
from srgan_desktop.background import Lane, Throttle
from srgan_desktop.problems import Problem
from srgan_desktop.upscale.estimate import Estimate, Pace, estimate, total
from srgan_desktop.upscale.preview import Previews
from srgan_desktop.upscale.queue_model import Queue, State
from srgan_desktop.upscale.requests import RunSettings

if TYPE_CHECKING:
    from core.images import Probe

AT_ONCE = 100
"""Headers that are read before the queue hears of them."""
SETTLE_MS = 150
"""What changes within this time is reckoned once: a queue of thousands costs some milliseconds."""


class Forecast(QObject):
    """The estimate for the pictures of a queue that wait, or else for those that would be made again."""

    changed = Signal()

    def __init__(self, queue: Queue, settings: RunSettings, previews: Previews, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.estimate = Estimate(0, 0.0, None)
        self.lane = Lane("headers", self)
        self._queue = queue
        self._settings = settings
        self._previews = previews
        self._pace = Pace()
        self._place: Path | None = None
        """The folder whose disk was looked at."""
        self._free: int | None = None
        self._soon = Throttle(SETTLE_MS, self._reckon, self)
        queue.rowsInserted.connect(self._on_rows)
        queue.rowsRemoved.connect(self.refresh)
        previews.ready.connect(self._on_preview)

    def refresh(self) -> None:
        """Reckon soon: options, rows or what is known of them have changed."""
        self._soon.soon()

    def read(self, paths: Iterable[Path]) -> None:
        """Read the headers of these, also of those that were read before."""
        wanted = list(paths)
        for start in range(0, len(wanted), AT_ONCE):
            self.lane.run(partial(_read_headers, wanted[start : start + AT_ONCE]), self._on_read)

    def learn_picture(self, saved: FileSaved, settings: UpscaleRequest | None) -> None:
        """Note how long a picture of the run under way took with the settings of its job."""
        if settings is not None:
            self._pace.learn(settings, saved.input_size[0] * saved.input_size[1], saved.seconds)

    def _on_preview(self, done: PreviewReady) -> None:
        if self._previews.request is not None:
            self._pace.learn_preview(self._previews.request, done.region[2] * done.region[3], done.seconds)
            self.refresh()

    def _on_rows(self, _parent: QModelIndex, first: int, last: int) -> None:
        self.read(entry.path for entry in self._queue.entries[first : last + 1] if not entry.is_folder)
        self.refresh()

    def _on_read(self, headers: list[tuple[Path, Probe | Problem]]) -> None:
        for path, header in headers:
            self._queue.learn_header(path, header)
        self.refresh()

    def _reckon(self) -> None:
        waiting = [entry for entry in self._queue.entries if entry.state is State.WAITING and entry.problem is None]
        wanted = self._settings.wanted
        # Where nothing waits, Start makes again what was made with other settings.
        waiting = waiting or self._queue.made_otherwise(wanted)
        place = wanted.output or (waiting[0].path.parent if waiting else None)
        if place != self._place:
            self._place, self._free = place, None
            if place is not None:
                self.lane.run(partial(_free_bytes, place), partial(self._on_free, place))
        groups: dict[int, tuple[UpscaleRequest, list[Probe | None]]] = {}
        for entry in waiting:
            own = entry.own or wanted
            # Pictures that were given the same settings share the object, which is quicker to compare.
            groups.setdefault(id(own), (own, []))[1].append(entry.header)
        self.estimate = total(
            (estimate(headers, settings, self._pace) for settings, headers in groups.values()), self._free
        )
        self.changed.emit()

    def _on_free(self, place: Path, free: int | None) -> None:
        if place == self._place:
            self._free = free
            self.refresh()


def _read_headers(paths: Sequence[Path]) -> list[tuple[Path, Probe | Problem]]:
    # Here, as decoders take long to import and the window is to be painted first.
    from core.images import probe

    headers: list[tuple[Path, Probe | Problem]] = []
    for path in paths:
        try:
            headers.append((path, probe(path)))
        except Exception as error:
            headers.append((path, problems.of_exception(error)))
    return headers


def _free_bytes(folder: Path) -> int | None:
    """Free bytes on the disk that a folder is on, or will be."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
