"""Settings that single pictures have of their own, whatever the options become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from core.contract.cancel import CancelToken
from core.contract.settings import SETTINGS
from core.contract.upscale import Input, PreviewRequest, Region, UpscaleRequest
from core.language import gettext as _
from core.models.catalogue import AUTOMATIC
from srgan_desktop import problems, settings
from srgan_desktop.background import Lane
from srgan_desktop.problems import Problem
from srgan_desktop.settings import Settings
from srgan_desktop.upscale.queue_model import Entry, Queue, State
from srgan_desktop.upscale.requests import RunSettings, preview_request, settings_words
from srgan_desktop.upscale.run import Run

if TYPE_CHECKING:
    from core.upscale.automatic import AutomaticChoice

NAMED = ("model", "detail", "clean_up", "size")
"""Settings that a row names; all of them are kept."""


class Pins(QObject):
    """Pins settings to rows of the queue: the options of a moment, or what Automatic makes of each picture."""

    changed = Signal()
    """A picture has other settings now."""
    options_replaced = Signal()
    """Options have other values, all at once; their widgets are to show them."""
    failed = Signal(object)
    """The `Problem` with a picture that Automatic was to look at."""

    def __init__(
        self, options: Settings, queue: Queue, run: Run, settings: RunSettings, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.lane = Lane("automatic choice", self)
        self._options = options
        self._queue = queue
        self._run = run
        self._settings = settings
        self._edited: list[Path] = []
        """Pictures whose own settings are in the options just now."""
        self._before: dict[str, Any] = {}
        """The options as they were before that."""

    def pin(self, rows: Iterable[int]) -> None:
        """Give pictures the options as they are now; those of the run under way keep theirs."""
        self._own(self._free(rows), self._settings.wanted)

    def unpin(self, rows: Iterable[int]) -> None:
        """Let pictures follow the options again."""
        self._own(self._free(rows), None)

    # What Automatic chooses

    def take_over(self, rows: Iterable[int]) -> None:
        """Have Automatic look at pictures, and give them what it chooses as settings of their own, to be changed."""
        wanted = [(path, self.settings_of(self._queue.entries[self._row(path)])) for path in self._free(rows)]
        automatic = [(path, own) for path, own in wanted if own.model == AUTOMATIC]
        self.lane.stream(partial(_choices, automatic), self._on_choice, lambda _error: None)

    def is_automatic(self, entry: Entry) -> bool:
        """Whether a picture is left to Automatic."""
        return not entry.is_folder and self.settings_of(entry).model == AUTOMATIC

    def _on_choice(self, choice: tuple[Path, AutomaticChoice | Problem]) -> None:
        path, chosen = choice
        row = self._queue.row_of(path)
        if isinstance(chosen, Problem):
            self.failed.emit(chosen)
        elif row is not None and path not in self._run.pending:
            own = self.settings_of(self._queue.entries[row])
            own = replace(own, model=chosen.model, clean_up=chosen.clean_up, detail=chosen.detail)
            self._own([path], own)

    # Changing them again

    @property
    def edited(self) -> Sequence[Path]:
        """Pictures whose own settings the options show just now."""
        return self._edited

    def edit(self, rows: Iterable[int]) -> None:
        """Show the own settings of the first of these rows in the options, until `end_editing`; all rows get them."""
        paths = self._free(rows)
        first = next((own for path in paths if (own := self._queue.entries[self._row(path)].own) is not None), None)
        if first is not None:
            self.end_editing(keep=True)
            self._edited, self._before = paths, self._values()
            self._put_into_options(
                {name: getattr(first, name) for name in SETTINGS} | {"output": str(first.output or "")}
            )

    def end_editing(self, *, keep: bool) -> None:
        """Give the options their values back, and the pictures what the options were, or what they had."""
        if not self._edited:
            return
        paths, self._edited = self._edited, []
        if keep:
            self._own([path for path in paths if self._queue.row_of(path) is not None], self._settings.wanted)
        self._put_into_options(self._before)
        self.changed.emit()

    def use_for_all(self, entry: Entry) -> None:
        """Make the own settings of a picture the options."""
        if entry.own is not None:
            self.end_editing(keep=True)
            self._put_into_options({name: getattr(entry.own, name) for name in SETTINGS})

    def close(self) -> None:
        """End what is under way; the options are again those of all pictures."""
        self.end_editing(keep=False)
        self.lane.close()

    def _values(self) -> dict[str, Any]:
        return self._options.upscale() | {"output": self._options.get(settings.OUTPUT)}

    def _put_into_options(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self._options.set(settings.OUTPUT if name == "output" else settings.UPSCALE[name], value)
        self.options_replaced.emit()

    # What follows from them

    def settings_of(self, entry: Entry) -> UpscaleRequest:
        """What a picture would be done with, in a request without inputs."""
        if entry.path in self._edited:
            return self._settings.wanted
        return entry.own or self._settings.wanted

    def preview_request(self, source: Path, region: Region) -> PreviewRequest:
        """What a preview of a region of a picture asks for."""
        row = self._queue.row_of(source)
        own = None if row is None or source in self._edited else self._queue.entries[row].own
        if own is None:
            return preview_request(self._options, source, region)
        return PreviewRequest(source, region, **{name: getattr(own, name) for name in SETTINGS})

    def next_job(self) -> tuple[UpscaleRequest, tuple[Input, ...]]:
        """What waits with one kind of settings, top to bottom, and these; what waits with others is for another job."""
        assert self._settings.in_force is not None
        waiting = [entry for entry in self._queue.entries if entry.state is State.WAITING]
        own = waiting[0].own if waiting else None
        return own or self._settings.in_force, tuple(entry.input for entry in waiting if entry.own == own)

    def _free(self, rows: Iterable[int]) -> list[Path]:
        """The pictures in these rows that no run has before it."""
        entries = [self._queue.entries[row] for row in rows]
        return [entry.path for entry in entries if not entry.is_folder and entry.path not in self._run.pending]

    def _row(self, path: Path) -> int:
        row = self._queue.row_of(path)
        assert row is not None
        return row

    def _own(self, paths: Iterable[Path], own: UpscaleRequest | None) -> None:
        words = "" if own is None else _("Own: {settings_words}").format(settings_words=settings_words(own, NAMED))
        for path in paths:
            self._queue.update(self._row(path), own=own, own_words=words)
        self.changed.emit()


def _choices(
    pictures: Sequence[tuple[Path, UpscaleRequest]], cancel: CancelToken
) -> Iterator[tuple[Path, AutomaticChoice | Problem]]:
    # Here, in a thread: decoders take long to import.
    from core.images import load
    from core.upscale.choice import choice_for

    for path, wanted in pictures:
        cancel.check()
        try:
            yield path, choice_for(wanted, load(path))
        except Exception as error:
            yield path, problems.of_exception(error)
