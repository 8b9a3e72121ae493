"""What comes into the queue and goes out of it: searches, pasted pictures, removals to undo, what waited last time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QStandardPaths, Signal
from PySide6.QtGui import QImage

from core import paths
from core.language import gettext as _
from core.language import ngettext
from srgan_desktop import problems, settings
from srgan_desktop.background import Lane
from srgan_desktop.settings import Settings
from srgan_desktop.upscale.folders import AddedFolders
from srgan_desktop.upscale.links import Fetching, fetch_picture
from srgan_desktop.upscale.queue_model import Entry, Queue, State, folder_entry
from srgan_desktop.upscale.remembered import load_queue, save_queue
from srgan_desktop.upscale.run import Run
from srgan_desktop.upscale.scanning import Found, Scanned, Scanner

MOST_REMOVALS = 20
"""How many can be undone."""
SAMPLE = "astronaut.jpg"


@dataclass(frozen=True, slots=True)
class _Removal:
    """What was taken out of the queue at once."""

    entries: Sequence[Entry]
    folders: AddedFolders
    """The folders of the time before."""


class Filling(QObject):
    """Fills and empties the queue; what a run has before it stays in."""

    changed = Signal()
    """The queue, or whether something is searched, is not as before."""
    look_ahead = Signal()
    """There may be something else for a run to do."""
    searched = Signal(object)
    """The `Scanned` of a search that has ended, with words about what of it was new."""
    fetching = Signal(object)
    """How far a link is: a `Fetching`, and None once it is saved, refused or given up."""

    def __init__(self, queue: Queue, run: Run, options: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._run = run
        self._options = options
        self._scanner = Scanner(self)
        self._scanner.found.connect(self._on_found)
        self._scanner.finished.connect(self._on_scanned)
        self._keeper = Lane("queue file", self)
        self._links = Lane("links", self)
        self.lanes = (self._scanner, self._keeper, self._links)
        """Whose threads an orderly end waits for."""
        self.folders = AddedFolders()
        self.last_time: list[Path] = []
        """What waited when the window was closed the last time, until it is put in or something else is."""
        self._removals: list[_Removal] = []
        self._was_filled = False
        """Whether anything was put in since the window was opened."""
        self._found = self._added = 0
        """By the search under way: what it found, and what of that was new."""

    # In

    @property
    def scanning(self) -> bool:
        """Whether folders are being searched."""
        return self._scanner.busy

    def add(self, found: Iterable[Path]) -> None:
        """Search files and folders, off the main thread, and append the pictures in them."""
        self._scanner.search(list(found), self._options.get(settings.RECURSIVE))
        self.changed.emit()

    def add_image(self, image: QImage) -> None:
        """Save a pasted picture as a file of its own, and append it."""
        name = f"pasted-{datetime.now().strftime('%Y%m%d-%H%M%S-%f')[:-3]}.png"
        self._scanner.save_and_add(image, own_pictures() / name)
        self.changed.emit()

    def add_sample(self) -> None:
        """Append a picture that comes with the program, as a copy that its result can lie beside."""
        self._scanner.copy_and_add(paths.RESOURCES / "samples" / SAMPLE, own_pictures() / SAMPLE)
        self.changed.emit()

    def fetch(self, links: Iterable[str]) -> None:
        """Save the pictures that links lead to as files of their own, one after the other, and append them."""
        for link in links:
            work = partial(fetch_picture, link, own_pictures())
            self._links.stream(work, self._on_fetched, self._on_fetch_ended)

    def give_up_links(self) -> None:
        """Fetch no further; what is saved stays."""
        self._links.cancel_all()

    # Out

    def remove(self, rows: Iterable[int]) -> None:
        """Take pictures out; those that a run still has before it stay."""
        self._take_out(rows, self.folders)
        self.changed.emit()

    def clear(self) -> None:
        """Take out everything that no run has before it, and search no further; no folder is watched any more."""
        self._scanner.cancel_all()
        folders, self.folders = self.folders, AddedFolders()
        self._take_out(range(len(self._queue.entries)), folders)
        self.changed.emit()
        self.look_ahead.emit()

    def clear_finished(self) -> None:
        """Take out what is saved or was already done."""
        done = (State.DONE, State.SKIPPED)
        self.remove([row for row, entry in enumerate(self._queue.entries) if entry.state in done])

    @property
    def removed(self) -> int:
        """How many pictures `undo_removal` would put back."""
        return len(self._removals[-1].entries) if self._removals else 0

    def undo_removal(self) -> None:
        """Put back what was taken out last, with the folders that were cleared with it."""
        if self._removals:
            last = self._removals.pop()
            self.folders = last.folders
            self._queue.put_in_again(last.entries)
            self.changed.emit()
            self.look_ahead.emit()

    # From one start of the program to the next

    def recall(self) -> None:
        """Read what waited the last time."""
        self._keeper.run(load_queue, self._on_last_time)

    def put_in_last_time(self) -> None:
        """Go on with the pictures that waited when the window was closed the last time."""
        pictures, self.last_time = self.last_time, []
        self.add(pictures)

    def close(self) -> None:
        """Keep what waits for the next start, and end all threads; where nothing was put in, what was kept stays."""
        if self._was_filled:
            left = [entry.path for entry in self._queue.entries if not entry.is_folder and not entry.has_result]
            self._keeper.run(partial(save_queue, left), lambda _nothing: None, writes=True)
        for lane in self.lanes:
            lane.close()

    # Within

    def _take_out(self, rows: Iterable[int], folders: AddedFolders) -> None:
        """`folders` are those to come back with what is taken out."""
        entries = self._queue.entries
        chosen = [row for row in rows if entries[row].path not in self._run.pending]
        if chosen:
            self._removals.append(_Removal([entries[row] for row in chosen], folders))
            del self._removals[:-MOST_REMOVALS]
            self._queue.remove(chosen)

    def _on_fetched(self, event: Fetching | Path) -> None:
        if isinstance(event, Fetching):
            self.fetching.emit(event)
        else:
            self.add([event])

    def _on_fetch_ended(self, error: Exception | None) -> None:
        self.fetching.emit(None)
        if error is not None:
            self.searched.emit(Scanned("", problems.of_exception(error)))

    def _on_last_time(self, pictures: list[Path]) -> None:
        if not self._queue.entries:
            self.last_time = pictures
            self.changed.emit()

    def _on_found(self, found: Sequence[Found]) -> None:
        self._found += len(found)
        self._added += self._queue.add(_entry(each) for each in found)
        self._was_filled, self.last_time = True, []
        self.folders.meet(each.input.path for each in found)
        self.changed.emit()
        self.look_ahead.emit()

    def _on_scanned(self, scanned: Scanned) -> None:
        self.folders.add(scanned.folders, self._options.get(settings.RECURSIVE))
        new, known = self._added, self._found - self._added
        self._found = self._added = 0
        self.searched.emit(replace(scanned, words=_found_words(new, known)) if known and scanned.words else scanned)


def _entry(found: Found) -> Entry:
    if found.problem is not None:
        return folder_entry(found.input.path, found.problem)
    return Entry(found.input)


def _found_words(new: int, known: int) -> str:
    """What a search found of which some was in the queue before."""
    again = ngettext(
        "{count:,} picture is in the queue already", "{count:,} pictures are in the queue already", known
    ).format(count=known)
    return _("Found {new:,} new · {again}").format(new=new, again=again) if new else again


def own_pictures() -> Path:
    """The folder for pictures that come without a file: pasted ones, the sample, and what links lead to."""
    # Results lie beside their sources by default, so it goes where people look for pictures, not into a cache.
    pictures = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
    return Path(pictures) / "SRGAN Desktop" if pictures else paths.user_pasted()
