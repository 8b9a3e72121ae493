"""What the Upscale page knows and does, without widgets: the queue, the run, previews, and the worker behind them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.contract.jobs import JobCancelled, JobDone, JobFailed, Notice
from core.contract.upscale import (
    ArchiveSaved,
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
    UpscaleRequest,
    WatchRequest,
)
from core.language import gettext as _
from core.language import sentences
from srgan_desktop import problems, settings
from srgan_desktop.background import Throttle
from srgan_desktop.job import Job
from srgan_desktop.session import Session
from srgan_desktop.settings import Option, Settings
from srgan_desktop.thumbnails import Thumbnails
from srgan_desktop.upscale.filling import Filling
from srgan_desktop.upscale.forecast import Forecast
from srgan_desktop.upscale.pins import Pins
from srgan_desktop.upscale.preview import Previews
from srgan_desktop.upscale.queue_model import FINISHED, Entry, Queue, State, folder_entry
from srgan_desktop.upscale.requests import OPTIONS, RunSettings
from srgan_desktop.upscale.run import Happening, Order, Run
from srgan_desktop.upscale.scanning import Scanned

log = logging.getLogger(__name__)

TELL_MS = 50
"""How long results are collected before `changed`: where all is done already, they come by the thousand a second."""


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
        self.filling = Filling(self.queue, self.run, options, self)
        self.filling.changed.connect(self.changed)
        self.filling.searched.connect(self._on_searched)
        self.filling.look_ahead.connect(self._look_ahead)
        for lane in self.filling.lanes:
            self.await_end_of(lane.stopped)
        self._number: int | None = None
        """The run's job."""
        self.pins = Pins(options, self.queue, self.run, self.run_settings, self)
        self.pins.changed.connect(self.forecast.refresh)
        self.pins.changed.connect(self.changed)
        self.await_end_of(self.pins.lane.stopped)
        self._job_settings: UpscaleRequest | None = None
        """Those of that job: its own for pictures that have some."""
        self._changed_timer = Throttle(TELL_MS, self.changed.emit, self)
        options.changed.connect(self._on_option)
        self.queue.show_output_size(options.get(settings.SIZE))

    # Filling the queue

    @property
    def scanning(self) -> bool:
        """Whether folders are being searched."""
        return self.filling.scanning

    def add(self, found: Iterable[Path]) -> None:
        """Search files and folders, off the main thread, and append the pictures in them."""
        self.filling.add(found)

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
        return self.filling.folders.paths if self.settings.get(settings.WATCH) else ()

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
        return len(self.queue.made_otherwise(self.run_settings.wanted)) if self.starts_again else 0

    @property
    def kept_settings(self) -> str:
        """The settings of the run under way that are no longer those of the options, in words."""
        return self.run_settings.words_in_force() if self.busy else ""

    def start_engine(self) -> None:
        """Start the worker process before it is needed."""
        self._job.start()
        self.filling.recall()
        self.changed.emit()

    def start(self) -> None:
        """Upscale what waits, then watch; or, when there is neither, everything once more (what is the same is then
        skipped)."""
        if not self.can_start or self.shutting_down:
            return
        self.pins.end_editing(keep=True)
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
        return self.pins.preview_request(source, region)

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
        self._job_settings, inputs = self.pins.next_job()
        request = replace(self._job_settings, inputs=inputs)
        self.run.give((each.path for each in request.inputs), self.watched)
        if self.watched:
            known = self.filling.folders.known(self.run.pending)
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
            case ArchiveSaved():
                self.queue.follow_moves(event.moved)
                self.notice.emit(sentences((_("{name} is packed.").format(name=event.output.name), *event.notes)))
            case Notice():
                self.notice.emit(event.message)
            case BatchStarted():
                self._on_batch_started(event)
            case BatchInterrupted():
                self.notice.emit(_("{message} Waiting for it.").format(message=event.message))
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
                self.forecast.learn_picture(event, self._job_settings)
            case FileSkipped():
                self.run.count_skipped(event.source)
            case FileFailed():
                if self.run.watches:
                    # A folder inside of a watched one, which cannot be searched; a picture has its row by now.
                    self.queue.add([folder_entry(event.source)])
                self.run.count_failed(event.source, problems.of_event(event))
                if event.details:
                    log.error("%s: %s\n%s", event.source, event.message, event.details)
        self.queue.follow(event, self._job_settings)
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
        self.filling.folders.stamp(stamps)
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

    def _on_searched(self, scanned: Scanned) -> None:
        if scanned.problem is not None and scanned.folders and self.watched:
            self.notice.emit(
                _("No pictures yet; watching from now on") if self.busy else _("No pictures yet; Start begins to watch")
            )
        elif scanned.problem is not None:
            self.failed.emit(scanned.problem)
        elif scanned.words:
            self.notice.emit(scanned.words)
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
        self.thumbnails.close()
        self.filling.close()
        self.forecast.lane.close()
        self.pins.close()
        self._job.shutdown()
        self._tell(Happening.CLOSE)
