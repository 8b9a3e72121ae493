"""What the Upscale page knows and does, without widgets: the queue, the run, previews, and the worker behind them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QStandardPaths, Signal
from PySide6.QtGui import QImage

from core import paths
from core.contract.jobs import JobCancelled, JobDone, JobFailed, Notice
from core.contract.upscale import (
    BatchFinished,
    BatchInterrupted,
    BatchStarted,
    FileFailed,
    FileSaved,
    FileSkipped,
    FileStarted,
    PreviewRequest,
    Progress,
    Region,
    WatchRequest,
)
from srgan_desktop import problems, settings
from srgan_desktop.background import Lane, Throttle
from srgan_desktop.job import Job
from srgan_desktop.session import Session
from srgan_desktop.settings import Option, Settings
from srgan_desktop.thumbnails import Thumbnails
from srgan_desktop.upscale.folders import AddedFolders
from srgan_desktop.upscale.forecast import Forecast
from srgan_desktop.upscale.preview import Previews
from srgan_desktop.upscale.queue_model import FINISHED, Entry, Queue, State, folder_entry
from srgan_desktop.upscale.remembered import load_queue, save_queue
from srgan_desktop.upscale.requests import OPTIONS, RunSettings, preview_request
from srgan_desktop.upscale.run import Happening, Order, Run
from srgan_desktop.upscale.scanning import Found, Scanned, Scanner

log = logging.getLogger(__name__)

TELL_MS = 50
"""How long results are collected before `changed`: where all is done already, they come by the thousand a second."""


MOST_REMOVALS = 20
"""That can be undone."""
SAMPLE = "astronaut.jpg"


@dataclass(frozen=True, slots=True)
class _Removal:
    """What was taken out of the queue at once."""

    entries: Sequence[Entry]
    folders: AddedFolders
    """The folders of the time before."""


class UpscaleSession(Session):
    """Queue, run and previews.

    A run is: `changed` when it starts and at any progress, `changed` when it has ended, and after that either
    `finished` with its summary or `failed`.
    """

    finished = Signal(object)
    """A run came to its end or was cancelled: its `Summary`."""
    saved = Signal(object)
    """The `Entry` of a picture whose result now lies on the disk."""

    def __init__(self, options: Settings, parent: QObject | None = None, job: Job | None = None) -> None:
        super().__init__(options, job or Job(), parent)
        self.thumbnails = Thumbnails(self)
        self.await_end_of(self.thumbnails.stopped)
        self.queue = Queue(self.thumbnails, self)
        self.run = Run()
        self.run_settings = RunSettings(options)
        self.previews = Previews(self._job, self)
        self.forecast = Forecast(self.queue, self.run_settings, self.previews, self)
        self.forecast.changed.connect(self.changed)
        self.await_end_of(self.forecast.lane.stopped)
        self._scanner = Scanner(self)
        self._scanner.found.connect(self._on_found)
        self._scanner.finished.connect(self._on_scanned)
        self.await_end_of(self._scanner.stopped)
        self._folders = AddedFolders()
        self._removals: list[_Removal] = []
        self._keeper = Lane("queue file", self)
        self.await_end_of(self._keeper.stopped)
        self.last_time: list[Path] = []
        """What waited when the window was closed the last time, until it is put in or something else is."""
        self._was_filled = False
        """Whether anything was put in since the window was opened."""
        self._number: int | None = None
        """The run's job."""
        self._found = self._added = 0
        """By the search under way: what it found, and what of that was new."""
        self._changed_timer = Throttle(TELL_MS, self.changed.emit, self)
        options.changed.connect(self._on_option)
        self.queue.show_output_size(options.get(settings.SIZE))

    # Filling the queue

    @property
    def scanning(self) -> bool:
        """Whether folders are being searched."""
        return self._scanner.busy

    def add(self, found: Iterable[Path]) -> None:
        """Search files and folders, off the main thread, and append the pictures in them."""
        self._scanner.search(list(found), self.settings.get(settings.RECURSIVE))
        self.changed.emit()

    def add_image(self, image: QImage) -> None:
        """Save a pasted picture as a file of its own, and append it."""
        self._scanner.save_and_add(image, _pasted_path())
        self.changed.emit()

    def remove(self, rows: Iterable[int]) -> None:
        """Take pictures out of the queue; those that a run still has before it stay."""
        self._take_out(rows, self._folders)
        self.changed.emit()

    def _take_out(self, rows: Iterable[int], folders: AddedFolders) -> None:
        """`folders` are those to come back with what is taken out."""
        entries = self.queue.entries
        chosen = [row for row in rows if entries[row].path not in self.run.pending]
        if chosen:
            self._removals.append(_Removal([entries[row] for row in chosen], folders))
            del self._removals[:-MOST_REMOVALS]
            self.queue.remove(chosen)

    @property
    def removed(self) -> int:
        """How many pictures `undo_removal` would put back."""
        return len(self._removals[-1].entries) if self._removals else 0

    def undo_removal(self) -> None:
        """Put back what was taken out last, with the folders that were cleared with it."""
        if self._removals:
            last = self._removals.pop()
            self._folders = last.folders
            self.queue.put_in_again(last.entries)
            self.changed.emit()
            self._look_ahead()

    def clear(self) -> None:
        """Take out everything that no run has before it, and search no further; no folder is watched any more."""
        self._scanner.cancel_all()
        folders, self._folders = self._folders, AddedFolders()
        self._take_out(range(len(self.queue.entries)), folders)
        self.changed.emit()
        self._look_ahead()

    def clear_finished(self) -> None:
        """Take out what is saved or was already done."""
        done = (State.DONE, State.SKIPPED)
        self.remove([row for row, entry in enumerate(self.queue.entries) if entry.state in done])

    def retry(self, rows: Iterable[int]) -> None:
        """Make finished pictures wait again, and search folders that could not be searched once more.

        During a run they belong to it again, and are done at its end.
        """
        entries = self.queue.entries
        chosen = [row for row in rows if entries[row].state in FINISHED]
        self.run.forget_failures(entries[row].path for row in chosen)
        folders = [row for row in chosen if entries[row].is_folder]
        self.queue.reset(row for row in chosen if not entries[row].is_folder)
        self.forecast.read(entries[row].path for row in chosen if not entries[row].is_folder)
        if folders:
            searched = [entries[row].path for row in folders]
            self.queue.remove(folders)
            self.add(searched)
        self.changed.emit()
        self._look_ahead()

    # The run

    @property
    def busy(self) -> bool:
        """Whether a run is under way, paused ones included."""
        return self.run.busy

    @property
    def watched(self) -> tuple[Path, ...]:
        """The folders that a run watches: those that were added, where the option says so. It then ends by `cancel`."""
        return self._folders.paths if self.settings.get(settings.WATCH) else ()

    @property
    def can_start(self) -> bool:
        """Whether there is anything to do, or to watch."""
        return not self.busy and (len(self.queue.entries) > 0 or len(self.watched) > 0)

    @property
    def starts_again(self) -> bool:
        """Whether everything is finished, and nothing to be watched, so that Start does all of it once more."""
        return self.can_start and self.queue.count(State.WAITING) == 0 and not self.watched

    @property
    def made_otherwise(self) -> int:
        """How many results Start would make again because the options have changed since."""
        return self.queue.count_made_otherwise(self.run_settings.wanted) if self.starts_again else 0

    @property
    def kept_settings(self) -> str:
        """The settings of the run under way that are no longer those of the options, in words."""
        return self.run_settings.words_in_force() if self.busy else ""

    def start_engine(self) -> None:
        """Start the worker process before it is needed."""
        self._job.start()
        self._keeper.run(load_queue, self._on_last_time)
        self.changed.emit()

    def _on_last_time(self, pictures: list[Path]) -> None:
        if not self.queue.entries:
            self.last_time = pictures
            self.changed.emit()

    def put_in_last_time(self) -> None:
        """Go on with the pictures that waited when the window was closed the last time."""
        pictures, self.last_time = self.last_time, []
        self.add(pictures)

    def _keep_queue(self) -> None:
        """Keep what waits for the next start; where nothing was put in this time, what was kept stays."""
        if self._was_filled:
            left = [entry.path for entry in self.queue.entries if not entry.is_folder and not entry.has_result]
            self._keeper.run(partial(save_queue, left), _ignore, writes=True)

    def add_sample(self) -> None:
        """Append a picture that comes with the program, as a copy that its result can lie beside."""
        self._scanner.copy_and_add(paths.RESOURCES / "samples" / SAMPLE, _own_pictures() / SAMPLE)
        self.changed.emit()

    def start(self) -> None:
        """Upscale what waits, then watch; or, when there is neither, everything once more (what is the same is then
        skipped)."""
        if not self.can_start or self.shutting_down:
            return
        if self.starts_again:
            self.retry(range(len(self.queue.entries)))
        if self.queue.count(State.WAITING) or self.watched:
            self.run.begin()
            self.run_settings.keep()
            self._tell(Happening.START)

    def pause(self) -> None:
        """Make the run wait."""
        self._tell(Happening.PAUSE)

    def resume(self) -> None:
        """Let a paused run go on."""
        self._tell(Happening.RESUME)

    def cancel(self) -> None:
        """Stop the run; what is saved stays, the rest waits in the queue."""
        self._tell(Happening.CANCEL)

    def preview_request(self, source: Path, region: Region) -> PreviewRequest:
        """What a preview of a region asks for, with the options as they are."""
        return preview_request(self.settings, source, region)

    def preview(self, source: Path, region: Region, detail: int | None = None) -> bool:
        """Upscale a region of a picture now; an older preview is given up. False while a run has the engine.

        Args:
            source: the picture.
            region: x, y, width, height in its pixels.
            detail: percent, in place of the option's.
        """
        if self.busy or self.shutting_down:
            return False
        request = self.preview_request(source, region)
        self.previews.ask(request if detail is None else replace(request, detail=detail))
        self.changed.emit()
        return True

    # What happens to the run

    def _tell(self, happening: Happening, failure: JobFailed | None = None) -> None:
        """Tell the run, and do what it answers. `failure` is what ended the job, where that is what happened."""
        order = self.run.tell(happening)
        self.queue.show_paused(self.run.paused)
        match order:
            case Order.RUN_JOB:
                self._run_job()
            case Order.LOOK_AHEAD:
                self._look_ahead()
            case Order.END:
                self._end(cancelled=False)
            case Order.END_EARLY:
                # To stop watching when all is done is how such a run ends.
                self._end(cancelled=self.scanning or self.queue.count(State.WAITING) > 0)
            case Order.FAIL:
                assert failure is not None
                self.changed.emit()
                self.failed.emit(problems.of_event(failure))
            case _:
                self._steer_job(order)
                self.changed.emit()
        if order is Order.RESUME_JOB:
            self._look_ahead()

    def _steer_job(self, order: Order | None) -> None:
        if self._number is None:
            return
        match order:
            case Order.PAUSE_JOB:
                self._job.pause(self._number)
            case Order.RESUME_JOB:
                self._job.resume(self._number)
            case Order.STOP_JOB:
                self._job.cancel(self._number)

    def _look_ahead(self) -> None:
        """Tell the run what is left for another job: something was added or found, or a job has ended."""
        if self.shutting_down or not self.run.looks_ahead:
            return
        if self._has_newcomers() or self._has_folders_to_watch():
            self._tell(Happening.MORE)
        else:
            self._tell(Happening.SEARCHING if self.scanning else Happening.NOTHING)

    def _has_newcomers(self) -> bool:
        """Whether something waits that the job under way knows nothing of."""
        pending = self.run.pending
        return any(entry.state is State.WAITING and entry.path not in pending for entry in self.queue.entries)

    def _has_folders_to_watch(self) -> bool:
        """Whether the folders to watch are others than those of the job under way."""
        if self.run.has_job:
            return self.run.watches != self.watched
        return len(self.watched) > 0 and not self.scanning

    def _run_job(self) -> None:
        self.previews.give_up()
        assert self.run_settings.in_force is not None
        request = replace(self.run_settings.in_force, inputs=tuple(self.queue.waiting()))
        self.run.give((each.path for each in request.inputs), self.watched)
        if self.watched:
            known = self._folders.known(self.run.pending)
            self._number = self._job.run(WatchRequest(request, self.watched, known))
        else:
            self._number = self._job.run(request)
        self.changed.emit()
        if not request.inputs:
            self._tell(Happening.BATCH_ENDED)

    def _end(self, cancelled: bool) -> None:
        self.forecast.refresh()
        self.changed.emit()
        self.finished.emit(self.run.summary(cancelled))

    # Events

    def _on_job(self, job: int, event: object) -> None:
        self.previews.take(job, event)
        if job == self._number:
            self._on_run(event)

    def _on_run(self, event: object) -> None:
        match event:
            case FileStarted():
                self.queue.follow(event)
            case Progress():
                self.run.fraction, self.run.seconds_left = event.total_fraction, event.seconds_left
                self.queue.follow(event)
                self.changed.emit()
            case FileSaved() | FileSkipped() | FileFailed():
                self._on_outcome(event)
            case Notice():
                self.notice.emit(event.message)
            case BatchStarted():
                self._on_batch_started(event)
            case BatchInterrupted():
                self.notice.emit(f"{event.message} It is waited for.")
                self._on_batch_end()
            case BatchFinished():
                self.run.seconds += event.seconds
                if self.run.watches:
                    self._on_batch_end()
            case JobDone():
                self._on_job_end(Happening.JOB_DONE)
            case JobCancelled():
                self._on_job_end(Happening.JOB_CANCELLED)
            case JobFailed():
                if event.details:
                    log.error("run failed: %s\n%s", event.message, event.details)
                self._on_job_end(Happening.JOB_FAILED, event)

    def _on_outcome(self, event: FileSaved | FileSkipped | FileFailed) -> None:
        match event:
            case FileSaved():
                self.run.count_saved(event.source)
                self.forecast.learn_picture(event)
            case FileSkipped():
                self.run.count_skipped(event.source)
            case FileFailed():
                if self.run.watches:
                    # A folder inside of a watched one, which cannot be searched; a picture has its row by now.
                    self.queue.add([folder_entry(event.source)])
                self.run.count_failed(event.source, problems.of_event(event))
                if event.details:
                    log.error("%s: %s\n%s", event.source, event.message, event.details)
        self.queue.follow(event, self.run_settings.in_force)
        row = self.queue.row_of(event.source)
        if isinstance(event, FileSaved) and row is not None:
            self.saved.emit(self.queue.entries[row])
        self._changed_timer.soon()

    def _on_batch_started(self, batch: BatchStarted) -> None:
        """Make rows of newcomers, and let those that come again wait as if they were new."""
        stamps = {each.path: stamp for each, stamp in batch.pictures}
        rows = [row for path in stamps if (row := self.queue.row_of(path)) is not None]
        self.queue.reset(row for row in rows if self.queue.entries[row].state in FINISHED)
        self.queue.add(Entry(each) for each, _stamp in batch.pictures)
        self._folders.stamp(stamps)
        self.run.take(stamps)
        self._tell(Happening.BATCH_BEGAN)

    def _on_batch_end(self) -> None:
        """The watch has done what there was; what was added by hand since is for another one."""
        self.queue.put_back()
        self._tell(Happening.BATCH_ENDED)

    def _on_job_end(self, happening: Happening, failure: JobFailed | None = None) -> None:
        self._number = None
        self.queue.put_back()
        self.run.drop_pending()
        self._tell(happening, failure)

    def _on_found(self, found: Sequence[Found]) -> None:
        self._found += len(found)
        self._added += self.queue.add(_entry(each) for each in found)
        self._was_filled, self.last_time = True, []
        self._folders.meet(each.input.path for each in found)
        self.changed.emit()
        self._look_ahead()

    def _on_scanned(self, scanned: Scanned) -> None:
        self._folders.add(scanned.folders, self.settings.get(settings.RECURSIVE))
        new, known = self._added, self._found - self._added
        self._found = self._added = 0
        if scanned.problem is not None and scanned.folders and self.watched:
            self.notice.emit(f"No picture yet; {'watched from now on' if self.busy else 'Start watches for the first'}")
        elif scanned.problem is not None:
            self.failed.emit(scanned.problem)
        elif scanned.words:
            self.notice.emit(_found_words(new, known) if known else scanned.words)
        self.changed.emit()
        self._look_ahead()

    def _on_option(self, option: Option) -> None:
        if option is settings.SIZE:
            self.queue.show_output_size(self.settings.get(settings.SIZE))
        if option in OPTIONS:
            self.run_settings.forget_wanted()
            self.forecast.refresh()
            self.changed.emit()
        elif option is settings.WATCH:
            self.changed.emit()
            self._look_ahead()

    def _close(self) -> None:
        self._keep_queue()
        self._keeper.close()
        self.thumbnails.close()
        self._scanner.close()
        self.forecast.lane.close()
        self._job.shutdown()
        self._tell(Happening.CLOSE)


def _found_words(new: int, known: int) -> str:
    """What a search found of which some was in the queue before."""
    again = f"{problems.pictures(known)} {'is' if known == 1 else 'are'} in the queue already"
    return f"Found {new:,} new · {again}" if new else again


def _own_pictures() -> Path:
    pictures = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
    return Path(pictures) / "SRGAN Desktop" if pictures else paths.user_pasted()


def _ignore(_nothing: None) -> None:
    return


def _pasted_path() -> Path:
    # Results lie beside their sources by default, so it goes where people look for pictures, not into a cache.
    return _own_pictures() / f"pasted-{datetime.now().strftime('%Y%m%d-%H%M%S-%f')[:-3]}.png"


def _entry(found: Found) -> Entry:
    if found.problem is not None:
        return folder_entry(found.input.path, found.problem)
    return Entry(found.input)
