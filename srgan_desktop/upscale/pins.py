"""Settings that single pictures have of their own, whatever the options become."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.contract.settings import SETTINGS
from core.contract.upscale import Input, PreviewRequest, Region, UpscaleRequest
from srgan_desktop.settings import Settings
from srgan_desktop.upscale.queue_model import Entry, Queue, State
from srgan_desktop.upscale.requests import RunSettings, preview_request, settings_words
from srgan_desktop.upscale.run import Run

NAMED = ("model", "detail", "clean_up", "size")
"""Settings that a row names; all of them are kept."""


class Pins(QObject):
    """Pins the options of a moment to rows of the queue."""

    changed = Signal()
    """A picture has other settings now."""

    def __init__(
        self, options: Settings, queue: Queue, run: Run, settings: RunSettings, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._options = options
        self._queue = queue
        self._run = run
        self._settings = settings

    def pin(self, rows: Iterable[int]) -> None:
        """Give pictures the options as they are now; those of the run under way keep theirs."""
        wanted = self._settings.wanted
        self._own(rows, wanted, f"Own: {settings_words(wanted, NAMED)}")

    def unpin(self, rows: Iterable[int]) -> None:
        """Let pictures follow the options again."""
        self._own(rows, None, "")

    def settings_of(self, entry: Entry) -> UpscaleRequest:
        """What a picture would be done with, in a request without inputs."""
        return entry.own or self._settings.wanted

    def preview_request(self, source: Path, region: Region) -> PreviewRequest:
        """What a preview of a region of a picture asks for."""
        row = self._queue.row_of(source)
        own = None if row is None else self._queue.entries[row].own
        if own is None:
            return preview_request(self._options, source, region)
        return PreviewRequest(source, region, **{name: getattr(own, name) for name in SETTINGS})

    def next_job(self) -> tuple[UpscaleRequest, tuple[Input, ...]]:
        """What waits with one kind of settings, top to bottom, and these; what waits with others is for another job."""
        assert self._settings.in_force is not None
        waiting = [entry for entry in self._queue.entries if entry.state is State.WAITING]
        own = waiting[0].own if waiting else None
        return own or self._settings.in_force, tuple(entry.input for entry in waiting if entry.own == own)

    def _own(self, rows: Iterable[int], settings: UpscaleRequest | None, words: str) -> None:
        entries = self._queue.entries
        for row in [row for row in rows if not entries[row].is_folder and entries[row].path not in self._run.pending]:
            self._queue.update(row, own=settings, own_words=words)
        self.changed.emit()
