"""What the Upscale page knows and does, without widgets: queue, run, preview, and the worker behind them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from PySide6.QtCore import QObject, QStandardPaths, QTimer, Signal
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
    Input,
    PreviewReady,
    PreviewRequest,
    Progress,
    Stamp,
    UpscaleRequest,
    WatchRequest,
)
from srgan_desktop import problems, settings
from srgan_desktop.detail import detail_in_use
from srgan_desktop.job import Job
from srgan_desktop.problems import Problem
from srgan_desktop.session import Session
from srgan_desktop.settings import Option, Settings
from srgan_desktop.thumbnails import Thumbnails
from srgan_desktop.upscale.queue_model import FINISHED, Entry, Queue, State
from srgan_desktop.upscale.scanning import Found, Scanned, Scanner

log = logging.getLogger(__name__)

TELL_MS = 50
"""How long results are collected before `changed`: where all is done already, they come by the thousand a second."""


class Phase(Enum):
    """Of the run."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a run, from Start to its end."""

    saved: int
    skipped: int
    failed: int
    seconds: float
    cancelled: bool
    failures: tuple[tuple[str, Problem], ...]
    """(file, what was wrong), in the order in which they failed."""


class UpscaleSession(Session):
    """Queue, run and preview.

    A run is: `changed` (Phase.RUNNING), `changed` at any progress, then `changed` (Phase.IDLE), and after that either
    `finished` with its summary or `failed`.
    """

    finished = Signal(object)
    """A run came to its end or was cancelled: its `Summary`."""
    saved = Signal(object)
    """The `Entry` of a picture whose result now lies on the disk."""
    preview_ready = Signal(object)
    """`PreviewReady` of the newest preview asked for."""
    preview_failed = Signal(object)
    """The `Problem` that it met."""

    def __init__(self, options: Settings, parent: QObject | None = None, job: Job | None = None) -> None:
        super().__init__(options, job or Job(), parent)
        self.thumbnails = Thumbnails(self)
        self.await_end_of(self.thumbnails.stopped, writes=lambda: False)
        self.queue = Queue(self.thumbnails, self)
        self.phase = Phase.IDLE
        self.fraction = 0.0
        self.seconds_left: float | None = None
        self._scanner = Scanner(self)
        self._scanner.found.connect(self._on_found)
        self._scanner.finished.connect(self._on_scanned)
        self.await_end_of(self._scanner.stopped, writes=lambda: self._scanner.writes)
        self._folders: dict[Path, None] = {}
        """Those that were added, in that order."""
        self._met: dict[Path, Stamp | None] = {}
        """Pictures that were found, also those taken out of the queue since, as a watch last took them."""
        self._batch: int | None = None
        self._watches: tuple[Path, ...] = ()
        """What the job under way watches."""
        self._rests = False
        """Whether it has nothing to do at the moment."""
        self._hands_over = False
        """Whether it was stopped for another one that also does what was added since."""
        self._preview: int | None = None
        self._in_run: set[Path] = set()
        self._tally = _Tally()
        self._tell_timer = QTimer(self, singleShot=True, interval=TELL_MS)
        self._tell_timer.timeout.connect(self.changed)
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
        """Save a pasted picture as a file of its own, and append it.

        Results lie beside their sources by default, so it goes where people look for pictures, not into a cache.
        """
        pictures = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
        folder = Path(pictures) / "SRGAN Desktop" if pictures else paths.user_pasted()
        name = f"pasted-{datetime.now().strftime('%Y%m%d-%H%M%S-%f')[:-3]}.png"
        self._scanner.save_and_add(image, folder / name)
        self.changed.emit()

    def remove(self, rows: Iterable[int]) -> None:
        """Take pictures out of the queue; those that a run still has before it stay."""
        kept = [row for row in rows if not self._is_busy(self.queue.entries[row])]
        self.queue.remove(kept)
        self.changed.emit()

    def clear(self) -> None:
        """Take out everything that no run has before it, and search no further; no folder is watched any more."""
        self._scanner.give_up()
        self._folders.clear()
        self._met.clear()
        self.remove(range(len(self.queue.entries)))
        self._go_on_with_what_waits()

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
        self._count_no_more(chosen)
        folders = [row for row in chosen if entries[row].is_folder]
        self.queue.reset(row for row in chosen if not entries[row].is_folder)
        if folders:
            searched = [entries[row].path for row in folders]
            self.queue.remove(folders)
            self.add(searched)
        self.changed.emit()
        self._go_on_with_what_waits()

    def _count_no_more(self, rows: Iterable[int]) -> None:
        """These will be counted once more."""
        paths = {self.queue.entries[row].path for row in rows}
        self._in_run -= paths
        failures = [failure for failure in self._tally.failures if Path(failure[0]) not in paths]
        self._tally.total -= len(self._tally.failures) - len(failures)
        self._tally.failures = failures

    # The run

    @property
    def busy(self) -> bool:
        """Whether a run is under way, paused ones included."""
        return self.phase is not Phase.IDLE

    @property
    def waits_for_search(self) -> bool:
        """Whether a run has done all that was found so far, and is kept open for what a search still finds, or, paused,
        for what was added to it."""
        return self.busy and self._batch is None

    @property
    def watched(self) -> tuple[Path, ...]:
        """The folders that a run watches: those that were added, where the option says so. It then ends by `cancel`."""
        return tuple(self._folders) if self.settings.get(settings.WATCH) else ()

    @property
    def rests(self) -> bool:
        """Whether a run has done all that there was, and waits for what comes into the watched folders."""
        return self.busy and self._rests and not self._hands_over

    @property
    def can_start(self) -> bool:
        """Whether there is anything to do, or to watch."""
        return not self.busy and (len(self.queue.entries) > 0 or len(self.watched) > 0)

    @property
    def starts_again(self) -> bool:
        """Whether everything is finished, and nothing to be watched, so that Start does all of it once more."""
        return self.can_start and self.queue.count(State.WAITING) == 0 and not self.watched

    @property
    def done_in_run(self) -> tuple[int, int]:
        """(finished, all) pictures of the run under way."""
        return self._tally.finished, self._tally.total

    def start_engine(self) -> None:
        """Start the worker process before it is needed."""
        self._job.start()
        self.changed.emit()

    def start(self) -> None:
        """Upscale what waits, then watch; or, when there is neither, everything once more (what is the same is then
        skipped)."""
        if not self.can_start or self.shutting_down:
            return
        if self.starts_again:
            self.retry(range(len(self.queue.entries)))
        self._tally = _Tally()
        if self.queue.count(State.WAITING) or self.watched:
            self._run_waiting()

    def pause(self) -> None:
        """Make the run wait."""
        if self.phase is Phase.RUNNING:
            if self._batch is not None:
                self._job.pause(self._batch)
            self._enter(Phase.PAUSED)

    def resume(self) -> None:
        """Let a paused run go on."""
        if self.phase is Phase.PAUSED:
            if self._batch is not None:
                self._job.resume(self._batch)
            self._enter(Phase.RUNNING)
            self._go_on_with_what_waits()

    def cancel(self) -> None:
        """Stop the run; what is saved stays, the rest waits in the queue."""
        if self.waits_for_search:
            self._end(cancelled=True)
        elif self.phase in (Phase.RUNNING, Phase.PAUSED) and self._batch is not None:
            self._job.cancel(self._batch)
            self._enter(Phase.CANCELLING)

    # Preview

    def preview(self, source: Path, region: tuple[int, int, int, int]) -> bool:
        """Upscale a region of a picture now; an older preview is given up. False while a run has the engine.

        Args:
            source: the picture.
            region: x, y, width, height in its pixels.
        """
        if self.busy or self.shutting_down:
            return False
        self.drop_preview()
        value = self.settings.get
        self._preview = self._job.run(
            PreviewRequest(
                source,
                region,
                model=value(settings.MODEL),
                detail=detail_in_use(self.settings, value(settings.MODEL)),
                device=value(settings.DEVICE),
                precision=value(settings.PRECISION),  # type: ignore[arg-type]
                tile=value(settings.TILE),
                ensemble=value(settings.ENSEMBLE),
                size=value(settings.SIZE),
            )
        )
        self.changed.emit()
        return True

    @property
    def previewing(self) -> bool:
        """Whether a preview is under way."""
        return self._preview is not None

    def drop_preview(self) -> None:
        """Forget the preview that is under way."""
        if self._preview is not None:
            self._job.cancel(self._preview)
            self._preview = None

    # Within

    def _close(self) -> None:
        self.thumbnails.close()
        self._scanner.close()
        self._job.shutdown()
        if self.busy:
            self._enter(Phase.CANCELLING)

    def request(self) -> UpscaleRequest:
        """What Start asks for: the waiting pictures and the options as they are."""
        value = self.settings.get
        output = value(settings.OUTPUT)
        return UpscaleRequest(
            inputs=tuple(entry.input for entry in self.queue.entries if entry.state is State.WAITING),
            output=Path(output) if output else None,
            model=value(settings.MODEL),
            detail=detail_in_use(self.settings, value(settings.MODEL)),
            size=value(settings.SIZE),
            format=value(settings.FORMAT),
            quality=value(settings.QUALITY),
            existing=value(settings.EXISTING),  # type: ignore[arg-type]
            recursive=value(settings.RECURSIVE),
            keep_metadata=value(settings.METADATA),
            device=value(settings.DEVICE),
            precision=value(settings.PRECISION),  # type: ignore[arg-type]
            tile=value(settings.TILE),
            ensemble=value(settings.ENSEMBLE),
        )

    def _run_waiting(self) -> None:
        self.drop_preview()
        request = self.request()
        self._in_run = {each.path for each in request.inputs}
        self._tally.total += len(request.inputs)
        self.fraction = 0.0
        self.seconds_left = None
        self._watches = self.watched
        self._rests = not request.inputs
        if self._watches:
            known = tuple((path, stamp) for path, stamp in self._met.items() if path not in self._in_run)
            self._batch = self._job.run(WatchRequest(request, self._watches, known))
        else:
            self._batch = self._job.run(request)
        self._enter(Phase.RUNNING)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.changed.emit()

    def _is_busy(self, entry: Entry) -> bool:
        return self.busy and entry.path in self._in_run and entry.state not in FINISHED

    def _on_job(self, job: int, event: object) -> None:
        if job == self._batch:
            self._on_batch(event)
        elif job == self._preview:
            self._on_preview(event)

    def _on_preview(self, event: object) -> None:
        match event:
            case PreviewReady():
                self._preview = None
                self.preview_ready.emit(event)
            case JobFailed():
                self._preview = None
                self.preview_failed.emit(problems.of_event(event))
            case JobDone() | JobCancelled():
                self._preview = None

    def _on_batch(self, event: object) -> None:
        match event:
            case FileStarted():
                self._update(
                    event.source,
                    state=State.WORKING,
                    size=event.input_size,
                    output_size=event.output_size,
                    fraction=0.0,
                )
            case Progress():
                self.fraction = event.total_fraction
                self.seconds_left = event.seconds_left
                self._update(event.source, fraction=event.fraction)
                self.changed.emit()
            case FileSaved():
                self._tally.saved += 1
                self._update(
                    event.source,
                    state=State.DONE,
                    size=event.input_size,
                    output_size=event.output_size,
                    output=event.output,
                    consistency=event.consistency,
                    seconds=event.seconds,
                    notes=event.notes,
                    fraction=1.0,
                )
                row = self.queue.row_of(event.source)
                if row is not None:
                    self.saved.emit(self.queue.entries[row])
                self._tell_soon()
            case FileSkipped():
                self._tally.skipped += 1
                self._update(
                    event.source,
                    state=State.SKIPPED,
                    output=event.output,
                    consistency=event.consistency,
                    notes=(event.reason,),
                )
                self._tell_soon()
            case FileFailed():
                if self._watches and self.queue.row_of(event.source) is None:
                    # A folder inside of a watched one, which cannot be searched.
                    self.queue.add([Entry(Input(event.source), is_folder=True)])
                    self._tally.total += 1
                problem = problems.of_event(event)
                self._tally.failures.append((str(event.source), problem))
                if event.details:
                    log.error("%s: %s\n%s", event.source, event.message, event.details)
                self._update(event.source, state=State.FAILED, problem=problem, fraction=0.0)
                self._tell_soon()
            case Notice():
                self.notice.emit(event.message)
            case BatchStarted():
                self._take(event)
            case BatchInterrupted():
                self.notice.emit(f"{event.message} It is waited for.")
                self._rest()
            case BatchFinished():
                self._tally.seconds += event.seconds
                if self._watches:
                    self._rest()
            case JobDone():
                self._end(cancelled=False)
            case JobCancelled():
                self._on_cancelled()
            case JobFailed():
                if event.details:
                    log.error("run failed: %s\n%s", event.message, event.details)
                self._let_go()
                self.failed.emit(problems.of_event(event))

    def _take(self, arrived: BatchStarted) -> None:
        """Make rows of newcomers, and let those that come again wait as if they were new."""
        self._rests = False
        stamps = {each.path: stamp for each, stamp in arrived.pictures}
        rows = [row for path in stamps if (row := self.queue.row_of(path)) is not None]
        again = [row for row in rows if self.queue.entries[row].state in FINISHED]
        self._count_no_more(again)
        self.queue.reset(again)
        self.queue.add(Entry(each) for each, _stamp in arrived.pictures)
        self._met |= stamps
        new = stamps.keys() - self._in_run
        self._in_run |= new
        self._tally.total += len(new)
        self.changed.emit()

    def _rest(self) -> None:
        """The watch has done what there was; what was added by hand since is for another one."""
        self._rests = True
        self._put_back()
        self.changed.emit()
        self._go_on_with_what_waits()

    def _on_cancelled(self) -> None:
        handed_over = self._hands_over and self.phase is not Phase.CANCELLING
        self._hands_over = False
        if handed_over:
            self._put_back()
            # What it had begun with just then is counted when the next one takes it.
            entries = self.queue.entries
            left = [each for each in entries if each.state is State.WAITING and each.path in self._in_run]
            self._tally.total -= len(left)
            self._in_run = set()
            self._end(cancelled=False)
        else:
            # To stop watching when all is done is how such a run ends.
            self._end(cancelled=not self._rests or self.queue.count(State.WAITING) > 0)

    def _tell_soon(self) -> None:
        if not self._tell_timer.isActive():
            self._tell_timer.start()

    def _update(self, source: Path, **changes: object) -> None:
        row = self.queue.row_of(source)
        if row is not None:
            self.queue.update(row, **changes)

    def _end(self, cancelled: bool) -> None:
        # What was added during the run belongs to it, unless the window is closing, and so does what is still searched.
        # Who pressed Cancel when it was just done wants neither.
        if not cancelled and self.phase is not Phase.CANCELLING and not self.shutting_down:
            self._batch = None
            self._rests = False
            if self._has_newcomers() or (self.watched and not self.scanning):
                # Paused while the last of them was being written: the newcomers wait for Resume.
                if self.phase is Phase.PAUSED:
                    self.changed.emit()
                else:
                    self._run_waiting()
                return
            if self.scanning:
                self.changed.emit()
                return
        self._let_go()
        tally = self._tally
        self.finished.emit(
            Summary(tally.saved, tally.skipped, len(tally.failures), tally.seconds, cancelled, tuple(tally.failures))
        )

    def _has_newcomers(self) -> bool:
        """Whether something waits that the job under way knows nothing of."""
        return any(entry.state is State.WAITING and entry.path not in self._in_run for entry in self.queue.entries)

    def _go_on_with_what_waits(self) -> None:
        if self.phase is not Phase.RUNNING:
            return
        if self.waits_for_search:
            self._end(cancelled=False)
        elif self._rests and not self._hands_over and (self._has_newcomers() or self._watches != self.watched):
            assert self._batch is not None
            self._hands_over = True
            self._job.cancel(self._batch)

    def _put_back(self) -> None:
        """Let what was begun and not finished wait again."""
        for path in self._in_run:
            row = self.queue.row_of(path)
            if row is not None and self.queue.entries[row].state is State.WORKING:
                self.queue.reset([row])

    def _let_go(self) -> None:
        """Back to idle."""
        self._batch = None
        self._put_back()
        self._in_run = set()
        self._watches = ()
        self._rests = self._hands_over = False
        self.fraction = 0.0
        self.seconds_left = None
        self._enter(Phase.IDLE)

    def _on_found(self, found: Sequence[Found]) -> None:
        self.queue.add(_entry(each) for each in found)
        self._met |= {each.input.path: None for each in found if each.input.path not in self._met}
        self.changed.emit()
        self._go_on_with_what_waits()

    def _on_scanned(self, scanned: Scanned) -> None:
        self._folders |= dict.fromkeys(folder for folder in scanned.folders if not self._is_watched_with(folder))
        if scanned.problem is not None and scanned.folders and self.watched:
            self.notice.emit(f"No picture yet; {'watched from now on' if self.busy else 'Start watches for the first'}")
        elif scanned.problem is not None:
            self.failed.emit(scanned.problem)
        elif scanned.words:
            self.notice.emit(scanned.words)
        self.changed.emit()
        self._go_on_with_what_waits()

    def _is_watched_with(self, folder: Path) -> bool:
        """Whether it lies in one that was added: its results then have their place with those of that one."""
        return self.settings.get(settings.RECURSIVE) and any(folder.is_relative_to(other) for other in self._folders)

    def _on_option(self, option: Option) -> None:
        if option is settings.SIZE:
            self.queue.show_output_size(self.settings.get(settings.SIZE))
        elif option is settings.WATCH:
            self.changed.emit()
            self._go_on_with_what_waits()


class _Tally:
    """Of one run, from Start to its end, pictures that were added on the way included."""

    def __init__(self) -> None:
        self.total = 0
        self.saved = 0
        self.skipped = 0
        self.seconds = 0.0
        self.failures: list[tuple[str, Problem]] = []

    @property
    def finished(self) -> int:
        return self.saved + self.skipped + len(self.failures)


def _entry(found: Found) -> Entry:
    if found.problem is not None:
        return Entry(found.input, state=State.FAILED, problem=found.problem, is_folder=True)
    return Entry(found.input, size=found.size)
