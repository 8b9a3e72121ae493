"""What a batch runs through: decode ahead, compute, encode behind, so that the device never waits for a disk.

Three stages on four threads, joined by short queues: one decodes the next picture while the device works on this one,
and two encode, score and write the last ones. Only this module knows of them.
"""

from __future__ import annotations

import errno
import os
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from core import devices
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.jobs import Notice
from core.contract.settings import SETTINGS, UpscaleSettings
from core.contract.upscale import (
    LOW_CONSISTENCY,
    BatchEvent,
    FileFailed,
    FileSaved,
    FileStarted,
    Progress,
    Size,
    UpscaleRequest,
)
from core.hashing import sha256_of
from core.images import Origin, Picture, Probe, load, save
from core.images.companions import carry_companions
from core.images.decode import shown
from core.models.catalogue import AUTOMATIC, DEFAULT_MODEL, find_model
from core.names import free_path
from core.upscale.automatic import AutomaticChoice
from core.upscale.choice import choice_for
from core.upscale.engine import Engine, open_engine, open_restorer
from core.upscale.journal import Journal, Result, source_stamp
from core.upscale.picture import consistency, restore_picture, upscale_picture
from core.upscale.plan import Plan, Task
from core.upscale.settings import to_toml
from core.version import VERSION

EVENTS_A_SECOND = 20
AHEAD_PIXELS = 50_000_000
"""How many pixels of sources may lie decoded before the device wants them; one source always may."""
MOST_AHEAD = 8
"""Files that may be open ahead, however small their pictures."""
BEHIND_PIXELS = 150_000_000
"""How many pixels of results may wait to be written; one result always may."""
BEHIND_THREADS = 2
"""Two, as small pictures are encoded slower than a graphics card makes them."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A source, decoded."""

    picture: Picture
    sha256: str
    stamp: tuple[int, int, int]
    times_ns: tuple[int, int]
    """When it was last read and last changed."""
    choice: AutomaticChoice


@dataclass(frozen=True, slots=True)
class _Result:
    """A result that is not written yet."""

    task: Task
    source: _Loaded
    result: Picture
    notes: tuple[str, ...]
    seconds: float
    """Spent on computing it."""


def origin_of(request: UpscaleRequest, choice: AutomaticChoice) -> Origin:
    """What a result says of itself."""
    settings = [str(request.size)]
    settings += [f"detail {choice.detail} %"] * (choice.detail != SETTINGS["detail"].default)
    settings += [f"clean-up {choice.clean_up} %"] * (choice.clean_up != SETTINGS["clean_up"].default)
    settings += ["self-ensemble"] * request.ensemble
    settings += [f"before it {find_model(name).card.name}" for name in request.before]
    return Origin(f"SRGAN Desktop {VERSION}", find_model(choice.model).card.name, ", ".join(settings))


class Stages:
    """One run. `run` is the middle stage, on the calling thread, and owns the other two."""

    def __init__(
        self, request: UpscaleRequest, settled: Plan, cancel: CancelToken, send: Callable[[BatchEvent], None]
    ) -> None:
        self.request = request
        self.fingerprint = settled.fingerprint
        self.tasks = settled.tasks
        self.send = send
        self.cancel = _RunToken(cancel)
        self.progress = _ProgressMeter(sum(task.pixels for task in settled.tasks), self.cancel)
        self.records = _Records(request)
        self.fatal: UserError | None = None

    def run(self) -> None:
        """Do all tasks, in order.

        Raises:
            Cancelled, UserError: as `upscale`, once what is being written has been.
        """
        request = self.request
        devices.keep_large_blocks()
        self._restorers()
        if request.model == AUTOMATIC:
            self.send(Notice(self._engine(AutomaticChoice(DEFAULT_MODEL, 0, 100, "")).describe("Automatic")))
        else:
            engine = self._engine(AutomaticChoice(request.model, request.clean_up, request.detail, ""))
            self.send(Notice(engine.description))
        try:
            with self.records, _DecodeAhead(self.tasks, request) as ahead, _EncodeBehind() as behind:
                for index, task in enumerate(self.tasks):
                    self.cancel.check()
                    made = self._make(task, ahead.take(index))
                    self.progress.finish(task.pixels)
                    if made is not None:
                        behind.put(task.pixels, partial(self._write, made))
        except Cancelled:
            if self.fatal is None:
                raise
        if self.fatal is not None:
            raise self.fatal

    def _restorers(self) -> list[Engine]:
        request = self.request
        return [open_restorer(name, request.device, request.precision, request.tile) for name in request.before]

    def _engine(self, choice: AutomaticChoice) -> Engine:
        request = self.request
        return open_engine(
            choice.model, request.device, request.precision, request.tile, choice.detail, choice.clean_up
        )

    def _make(self, task: Task, loading: Future[_Loaded]) -> _Result | None:
        """Compute one result; None, and a `FileFailed`, where that is not possible."""
        engines: list[Engine] = []
        try:
            self.records.open(task)
            source = loading.result()
            picture = source.picture
            size = self.request.size.of(picture.width, picture.height)
            reason = source.choice.reason
            self.send(FileStarted(task.source, task.output, (picture.width, picture.height), size, reason))
            begun = time.monotonic()
            engines = [*self._restorers(), self._engine(source.choice)]
            restorers, engine = engines[:-1], engines[-1]
            # A network of scale 1 is about as much work as one that enlarges: most of that is at the source's size.
            share = len(restorers) / len(engines)
            restored = restore_picture(restorers, picture, self.cancel, lambda done: self._report(task, share * done))
            result = upscale_picture(
                engine,
                restored,
                size,
                self.request.ensemble,
                self.cancel,
                lambda done: self._report(task, share + (1 - share) * done),
                self.request.tie_colours,
            )
            if not self.request.keep_metadata:
                result = replace(result, metadata=result.metadata.only_colour())
            notes = (*picture.notes, *task.notes, *(note for each in engines for note in each.take_notes()))
            return _Result(task, source, result, notes, time.monotonic() - begun)
        except Cancelled:
            raise
        except Exception as error:
            for each in engines:
                each.drop_picture()
            self._fail(task, error)
            return None

    def _report(self, task: Task, fraction: float) -> None:
        event = self.progress.report(task, fraction)
        if event is not None:
            self.send(event)

    def _write(self, made: _Result) -> None:
        """Write, score and record one result; runs on a thread of `_EncodeBehind`."""
        task, source, result = made.task, made.source, made.result
        begun = time.monotonic()
        try:
            output, renamed = self._still_free(task)
            size = (result.width, result.height)
            announced = self.records.announce(
                task, self.fingerprint, source.sha256, source.stamp, output, size, source.choice.reason
            )
            notes = self._save(task, source, result, output)
            score = consistency(result, source.picture)
            if score < LOW_CONSISTENCY:
                notes += (f"It differs much from its source ({score:.0f} dB): look at it, or try another model.",)
            self.records.complete(task, announced, score)
        except Exception as error:
            self._fail(task, error)
            return
        self.send(
            FileSaved(
                task.source,
                output,
                (source.picture.width, source.picture.height),
                size,
                score,
                made.seconds + time.monotonic() - begun,
                (*made.notes, *renamed, *notes),
                source.choice.reason,
            )
        )

    def _save(self, task: Task, source: _Loaded, result: Picture, output: Path) -> tuple[str, ...]:
        request = self.request
        notes = save(
            output,
            result,
            task.format,
            request.quality,
            # "Same" means a lossless WebP or AVIF, too.
            lossless=request.format == "same" and source.picture.lossless,
            keep_values=request.keep_values,
            origin=origin_of(request, source.choice) if request.provenance else None,
            date_ns=source.times_ns if request.keep_date else None,
        )
        if request.keep_metadata:
            sizes = ((picture.width, picture.height) for picture in (source.picture, result))
            _written, more = carry_companions(task.source, output, *sizes)
            notes += more
        return notes

    def _still_free(self, task: Task) -> tuple[Path, tuple[str, ...]]:
        """The planned name, or another if somebody else has put a file there since."""
        if not os.path.lexists(task.output) or (self.request.existing == "replace" and self.records.made(task)):
            return task.output, ()
        output = free_path(task.output)
        return output, (f"Named {shown(output)}, as {shown(task.output)} is there already.",)

    def _fail(self, task: Task, error: Exception) -> None:
        """Report one failure, and end the run where the rest would fail in the same way."""
        words, ends = self._explain(task, error)
        expected = isinstance(error, UserError | OSError | MemoryError)
        details = "" if expected else "".join(traceback.format_exception(error))
        self.send(FileFailed(task.source, words.message, words.hint, details))
        if ends and self.fatal is None:
            self.fatal = words
            self.cancel.cancel()

    def _explain(self, task: Task, error: Exception) -> tuple[UserError, bool]:
        """What to tell people, and whether it ends the run."""
        if isinstance(error, UserError):
            if task.root is not None and not task.root.is_dir():
                gone = UserError(
                    f"The folder “{task.root}” is gone.",
                    "Connect its disk again, then start again: what is done stays.",
                )
                return gone, True
            return error, False
        if isinstance(error, MemoryError):
            return UserError(
                f"“{shown(task.source)}” does not fit into memory.",
                "Close other programs, choose a smaller size, or cut the picture into parts.",
            ), False
        if isinstance(error, OSError):
            folder = task.output.parent
            if error.errno in _FULL:
                return UserError(
                    f"The disk of “{folder}” is full.", "Free some space, then start again: what is done stays."
                ), True
            if not task.journal.is_dir():
                return UserError(
                    f"The output folder “{task.journal}” is gone.",
                    "Connect its disk again, then start again: what is done stays.",
                ), True
            return UserError(
                f"“{shown(task.output)}” could not be written: {error.strerror or error}.",
                f"Check the rights of “{folder}”, or choose another output folder.",
            ), False
        return UserError(
            f"“{shown(task.source)}” could not be upscaled: {type(error).__name__}.",
            "This is a fault of the program; the details help to mend it.",
        ), False


class _RunToken(CancelToken):
    """The caller's token, and one more reason to stop; knows how long it made the run wait."""

    def __init__(self, outer: CancelToken) -> None:
        super().__init__()
        self._outer = outer
        self.waited = 0.0
        """Seconds spent paused."""

    def check(self) -> None:
        super().check()
        begun = time.monotonic()
        self._outer.check()
        self.waited += time.monotonic() - begun


class _ProgressMeter:
    """How far the run is, by pixels of results, and how long the rest will take."""

    def __init__(self, total: int, token: _RunToken) -> None:
        self._total = max(1, total)
        self._token = token
        self._done = 0
        self._begun = time.monotonic()
        self._last_sent = 0.0

    def finish(self, pixels: int) -> None:
        """A task is over, well or not."""
        self._done += pixels

    def report(self, task: Task, fraction: float) -> Progress | None:
        """The event to send; None when the last one was only just sent."""
        now = time.monotonic()
        if now - self._last_sent < 1 / EVENTS_A_SECOND and fraction < 1:
            return None
        self._last_sent = now
        part = min(1.0, (self._done + fraction * task.pixels) / self._total)
        working = now - self._begun - self._token.waited
        left = working / part * (1 - part) if working > 1 and part > 0.005 else None
        return Progress(task.source, fraction, part, left)


class _Records:
    """The journals of the folders that this run writes into, opened when the first result is on its way there."""

    def __init__(self, request: UpscaleRequest) -> None:
        self._toml = to_toml(request)
        self._journals: dict[Path, Journal] = {}
        self._ready: set[Path] = set()
        self._refused: dict[Path, UserError] = {}
        """Why a folder cannot be used: no journal can be kept in it, or no result written to it."""
        self._lock = threading.Lock()

    def __enter__(self) -> _Records:
        return self

    def __exit__(self, *_error: object) -> None:
        for journal in self._journals.values():
            journal.end()

    def open(self, task: Task) -> None:
        """Make the folder of a result ready.

        Raises:
            UserError: it cannot be made or written, or another run has it.
        """
        with self._lock:
            if task.journal not in self._journals:
                self._once(task.journal, lambda: self._begin(task.journal))
            if task.output.parent not in self._ready:
                self._once(task.output.parent, lambda: self._make_ready(task))

    def _begin(self, folder: Path) -> None:
        journal = Journal(folder)
        journal.begin(self._toml)
        self._journals[folder] = journal

    def _make_ready(self, task: Task) -> None:
        folder = task.output.parent
        folder.mkdir(parents=True, exist_ok=True)
        self._journals[task.journal].clean(folder)
        self._ready.add(folder)

    def _once(self, folder: Path, prepare: Callable[[], None]) -> None:
        """Refuse what goes into a folder that was refused before without another try."""
        if folder in self._refused:
            raise self._refused[folder]
        try:
            prepare()
        except UserError as error:
            self._refused[folder] = error
            raise
        except OSError as error:
            if error.errno in _FULL:
                raise
            refusal = UserError(
                f"The folder “{folder}” cannot be written: {error.strerror}.", "Choose another output folder."
            )
            self._refused[folder] = refusal
            raise refusal from error

    def announce(
        self,
        task: Task,
        fingerprint: str,
        sha256: str,
        stamp: tuple[int, int, int],
        output: Path,
        size: Size,
        reason: str,
    ) -> Result:
        """Pass on to `Journal.announce`."""
        with self._lock:
            return self._journals[task.journal].announce(fingerprint, task.source, sha256, stamp, output, size, reason)

    def made(self, task: Task) -> bool:
        """Ask `Journal.made`."""
        with self._lock:
            return self._journals[task.journal].made(task.output)

    def complete(self, task: Task, announced: Result, score: float) -> None:
        """Pass on to `Journal.complete`."""
        with self._lock:
            self._journals[task.journal].complete(announced, score)


class _DecodeAhead:
    """Decodes the tasks' sources in their order, as far ahead as memory should be used for it."""

    def __init__(self, tasks: tuple[Task, ...], settings: UpscaleSettings) -> None:
        self._tasks = tasks
        self._settings = settings
        self._pool = ThreadPoolExecutor(1, "decode")
        self._futures: dict[int, Future[_Loaded]] = {}
        self._next = 0

    def __enter__(self) -> _DecodeAhead:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def take(self, index: int) -> Future[_Loaded]:
        """The picture of this task, and start on those after it."""
        while self._next < len(self._tasks):
            waiting = sum(_pixels(self._tasks[number].probe) for number in self._futures if number > index)
            if self._next > index + 1 and waiting + _pixels(self._tasks[self._next].probe) > AHEAD_PIXELS:
                break
            if self._next > index + MOST_AHEAD:
                break
            self._futures[self._next] = self._pool.submit(_load, self._tasks[self._next].source, self._settings)
            self._next += 1
        return self._futures.pop(index)


def _pixels(header: Probe) -> int:
    return header.width * header.height


def _load(path: Path, settings: UpscaleSettings) -> _Loaded:
    try:
        stamp, stat = source_stamp(path), path.stat()
        picture, digest = load(path), sha256_of(path)
        # A file that changed between the two gets no digest, so it is upscaled again next time.
        digest = digest if source_stamp(path) == stamp else ""
        return _Loaded(picture, digest, stamp, (stat.st_atime_ns, stat.st_mtime_ns), choice_for(settings, picture))
    except OSError as error:
        raise UserError(f"“{shown(path)}” could not be read: {error.strerror}.", "Check the disk.") from error


class _EncodeBehind:
    """Writes results on a few threads, with no more of them waiting than memory should hold."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(BEHIND_THREADS, "encode")
        self._room = threading.Condition()
        self._pixels = 0

    def __enter__(self) -> _EncodeBehind:
        return self

    def __exit__(self, *_error: object) -> None:
        # Write results that are computed already, even after a cancel: it takes a few seconds.
        self._pool.shutdown(wait=True)

    def put(self, pixels: int, work: Callable[[], None]) -> None:
        """Have it done soon; waits while too much is under way."""
        with self._room:
            self._room.wait_for(lambda: self._pixels == 0 or self._pixels + pixels <= BEHIND_PIXELS)
            self._pixels += pixels

        def do() -> None:
            try:
                work()
            finally:
                with self._room:
                    self._pixels -= pixels
                    self._room.notify_all()

        self._pool.submit(do)
