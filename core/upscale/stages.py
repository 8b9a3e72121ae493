"""What a batch runs through: decode ahead, compute, encode behind, so that the device never waits for a disk.

Three stages on four threads, joined by short queues: one decodes the next picture while the device works on this one,
and two encode, score and write the last ones. Small pictures are computed several at a time, where the engine has
lanes. Only this module knows of them.
"""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core import archives, processor, stores
from core.atomic import replacing
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.jobs import Notice
from core.contract.settings import SETTINGS, UpscaleSettings
from core.contract.upscale import BatchEvent, FileStarted, UpscaleRequest
from core.hashing import sha256_of
from core.images import FORMATS, Origin, Picture, Probe, load, load_all, save, save_all
from core.images.decode import shown
from core.language import gettext as _
from core.models.catalogue import AUTOMATIC, find_model
from core.upscale.automatic import AutomaticChoice
from core.upscale.choice import choice_for
from core.upscale.engine import Engine, open_engine, open_restorer
from core.upscale.journal import source_stamp
from core.upscale.pass_sizes import pass_sizes
from core.upscale.picture import Wrap, consistency, margin_of, restore_picture, upscale_picture
from core.upscale.plan import Plan, Task
from core.upscale.plan_stream import PlanStream
from core.upscale.progress import ProgressMeter, RunToken
from core.upscale.records import Encoded, Records, ResultFacts, Save, failure_of
from core.version import VERSION

AHEAD_PIXELS = 50_000_000
"""How many pixels of sources may lie decoded before the device wants them; one source always may."""
MOST_AHEAD = 8
"""Files that may be open ahead, however small their pictures."""
BEHIND_PIXELS = 150_000_000
"""How many pixels of results may wait to be written; one result always may."""
BEHIND_THREADS = 2
"""Two, as small pictures are encoded slower than a graphics card makes them."""
SENDING_THREADS = 8
"""The same where results go to a store, which takes its time for each but many at once."""
FETCHING_THREADS = 8
"""Sources that are fetched from a store at a time."""
LANE_PIXELS = 1 << 15
"""Pixels of a source, or sixteenths of those of its result, up to which lanes are sooner done (0.71 to 0.84 of the time
up to 160 x 160). Larger pictures have work enough for all cores in each layer, and two at a time share the cache: 256 x
256 take 1.15 to 1.21."""
LANES_FROM = 4
"""Pictures in a batch, as lanes take a tenth of a second to set up."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A source, decoded."""

    picture: Picture
    sha256: str
    stamp: tuple[int, int, int]
    times_ns: tuple[int, int]
    """When it was last read and last changed."""
    choice: AutomaticChoice
    held: ExitStack
    """Keeps what was fetched from a store at hand, where the file is read once more."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """A result that is to be computed next."""

    index: int
    task: Task
    source: _Loaded
    engines: Sequence[Engine]
    lanes: int
    """How many pictures are computed at a time."""
    lane: int
    at: float
    """When, by the run's clock."""


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
    """One run. `run` is the middle stage, on the calling thread and on lanes, and owns the other two.

    What a worker of a cluster does otherwise stands in methods of its own: `open`, `publish`, `report`, `fail`.
    """

    def __init__(
        self,
        request: UpscaleRequest,
        settled: Plan,
        cancel: CancelToken,
        send: Callable[[BatchEvent], None],
        more: PlanStream | None = None,
    ) -> None:
        """Take what is planned, and where the portions come from that follow it, if any do."""
        self.request = request
        self.send = send
        self.cancel = RunToken(cancel)
        self.tasks = _Tasks(settled.tasks, more, send)
        self.more = more
        self.progress = ProgressMeter(sum(task.pixels for task in settled.tasks), self.cancel)
        self.records = Records(request, settled)
        self.fatal: UserError | None = None
        self._told_of_engine = False
        self._telling = threading.Lock()

    def run(self) -> None:
        """Do all tasks, in order.

        Raises:
            Cancelled, UserError: as `upscale`, once what is being written has been.
        """
        request = self.request
        processor.keep_large_blocks()
        if request.model != AUTOMATIC:
            self._engines(AutomaticChoice(request.model, request.clean_up, request.detail, ""))
        try:
            with (
                self.records,
                _DecodeAhead(self.tasks, request, self.cancel) as ahead,
                _EncodeBehind(self.tasks.get(0)) as behind,
                _Lanes() as lanes,
            ):
                for index in itertools.count():
                    self._heed_plan()
                    task = self.tasks.get(index, self.cancel)
                    if task is None:
                        break
                    self.cancel.check()
                    begun = self._begin(index, task, ahead.take(index), lanes)
                    if begun is None:
                        self.progress.finish(index, task.pixels)
                    elif begun.lanes > 1:
                        lanes.put(begun.lane, partial(self._do, begun, behind))
                    else:
                        self._do(begun, behind)
                lanes.wait()
        except Cancelled:
            if self.fatal is None:
                raise
        if self.fatal is not None:
            raise self.fatal

    def _heed_plan(self) -> None:
        """Tell what is known of the batch by now."""
        if self.more is not None:
            self.progress.know(self.more.pixels, complete=self.more.complete)
            news = self.more.news()
            if news is not None:
                self.send(news)

    def _engines(self, choice: AutomaticChoice) -> list[Engine]:
        """What a picture goes through, the engine that enlarges last; the first of all are told of.

        Raises:
            UserError: as `open_engine`.
        """
        request = self.request
        where = request.device, request.precision, request.tile
        engines = [open_restorer(name, *where) for name in request.before]
        engine = open_engine(choice.model, *where, choice.detail, choice.clean_up)
        if not self._told_of_engine:
            self._told_of_engine = True
            automatic = request.model == AUTOMATIC
            self.send(Notice(engine.describe("Automatic") if automatic else engine.description))
        return [*engines, engine]

    def _begin(self, index: int, task: Task, loading: Future[_Loaded], lanes: _Lanes) -> _Begun | None:
        """Have all ready for one result, and say so; None, and a `FileFailed`, where that is not possible.

        Waits until there is a lane for it, or until all are done where it is not for a lane.
        """
        source: _Loaded | None = None
        try:
            source = loading.result()
            try:
                engines = self._engines(source.choice)
            except UserError as error:
                # No other picture would fare better.
                self.fatal = error
                self.cancel.cancel()
                raise Cancelled from error
            count = self._lanes_for(index, task, engines, lanes)
            if count > 1:
                lane = lanes.free(count)
                engines = [each.lanes()[lane] for each in engines]
                for each in engines:
                    # What was there before may have been cancelled.
                    each.drop_picture()
            else:
                lane = 0
                lanes.wait()
            self.open(task)
            picture = source.picture
            size = task.size if task.copied else self.request.size.of(picture.width, picture.height)
            reason = source.choice.reason
            self.send(FileStarted(task.source, task.output, (picture.width, picture.height), size, reason))
            return _Begun(index, task, source, engines, count, lane, self.cancel.clock())
        except Exception as error:
            if source is not None:
                source.held.close()
            if isinstance(error, Cancelled):
                raise
            self.fail(task, error)
            return None

    def _lanes_for(self, index: int, task: Task, engines: Sequence[Engine], lanes: _Lanes) -> int:
        """How many pictures of the kind of this one are computed at a time."""
        many = index >= LANES_FROM or self.tasks.get(LANES_FROM - 1) is not None
        large = max(_pixels(task.probe), task.pixels / 16) > LANE_PIXELS
        last = lanes.idle and self.tasks.get(index + 1) is None
        if not many or large or last or task.pictures > 1 or task.copied:
            return 1
        return max(1, min(len(each.lanes()) for each in engines))

    def _do(self, begun: _Begun, behind: _EncodeBehind) -> None:
        """Compute one result, and have it written."""
        made = self._make(begun)
        self.progress.finish(begun.index, begun.task.pixels)
        if made is not None:
            behind.put(begun.task.pixels, partial(self._write, made))

    def _make(self, begun: _Begun) -> _Result | None:
        """Compute one result; None, and a `FileFailed`, where that is not possible."""
        task, source, engines = begun.task, begun.source, begun.engines
        try:
            if task.copied:
                self._copy(task, source)
                return None
            report = partial(self.report, begun.index, task)
            if task.pictures > 1:
                self._make_sequence(task, source, engines, report)
                return None
            result = self._upscaled(_as_deep_as(task.probe, source.picture), engines, report)
            notes = (*source.picture.notes, *task.notes, *(note for each in engines for note in each.take_notes()))
            # On lanes, others were computed in the same time.
            return _Result(task, source, result, notes, (self.cancel.clock() - begun.at) / begun.lanes)
        except Cancelled:
            raise
        except Exception as error:
            for each in engines:
                each.drop_picture()
            self.fail(task, error)
            return None
        finally:
            source.held.close()

    def _copy(self, task: Task, source: _Loaded) -> None:
        """Let a source that is large enough be its own result."""
        begun = self.cancel.clock()
        size = (source.picture.width, source.picture.height)
        facts = ResultFacts(source.sha256, source.stamp, size, size, task.notes, source.choice.reason, copied=True)

        def copy(path: Path) -> Encoded:
            with replacing(path) as temporary:
                with archives.opened(task.source) as file, temporary.open("wb") as target:
                    shutil.copyfileobj(file, target)
                if self.request.keep_date:
                    os.utime(temporary, ns=source.times_ns)
            return Encoded(float("inf"), pictures=task.pictures)

        self.publish(task, facts, copy, lambda: self.cancel.clock() - begun)

    def _upscaled(self, picture: Picture, engines: Sequence[Engine], report: Callable[[float], None]) -> Picture:
        """One picture through the models of scale 1, and the one that enlarges, which is the last."""
        request = self.request
        restorers, engine = engines[:-1], engines[-1]
        # A network of scale 1 is about as much work as one that enlarges: most of that is at the source's size.
        share = len(restorers) / len(engines)
        size = request.size.of(picture.width, picture.height)
        wrap = None
        if request.wrap:
            passes = max(1, len(pass_sizes((picture.width, picture.height), size, engine.scale)))
            margin = margin_of(engine, passes, request.tie_colours, restorers)
            wrap = Wrap.of((picture.width, picture.height), size, margin, engine.scale)
            picture = wrap.widened(picture)
        restored = restore_picture(restorers, picture, self.cancel, lambda done: report(share * done))
        result = upscale_picture(
            engine,
            restored,
            wrap.size if wrap else size,
            request.ensemble,
            self.cancel,
            lambda done: report(share + (1 - share) * done),
            request.tie_colours,
        )
        if wrap:
            result = wrap.cut(result, size)
        metadata, dicom = result.metadata, result.dicom
        if not request.keep_metadata:
            metadata, dicom = metadata.only_colour(), None if dicom is None else dicom.without_patient()
        if request.size.dpi:
            # The size was asked for in print; whatever the source says of itself, this is the result's.
            metadata = replace(metadata, dpi=(float(request.size.dpi),) * 2)
        return replace(result, metadata=metadata, dicom=dicom)

    def _make_sequence(
        self, task: Task, source: _Loaded, engines: Sequence[Engine], report: Callable[[float], None]
    ) -> None:
        """Compute and write all pages or frames of one file, each before the next is read."""
        begun = self.cancel.clock()
        size = (source.picture.width, source.picture.height)
        facts = ResultFacts(
            source.sha256,
            source.stamp,
            size,
            task.size,
            reason=source.choice.reason,
            orientation=source.picture.orientation,
        )
        self.publish(
            task,
            facts,
            partial(self._save_sequence, task, source, engines, report),
            lambda: self.cancel.clock() - begun,
        )

    def _save_sequence(
        self, task: Task, source: _Loaded, engines: Sequence[Engine], report: Callable[[float], None], path: Path
    ) -> Encoded:
        request = self.request
        sequence = load_all(task.source, self.cancel.check, whole_range=FORMATS[task.format].own)
        scores: list[float] = []
        notes: dict[str, None] = {}

        def results() -> Iterator[Picture]:
            for picture in sequence.pictures:
                # `scores` has as many as there are before this one.
                deep = _as_deep_as(task.probe, picture)
                result = [self._upscaled(deep, engines, lambda done: report((len(scores) + done) / sequence.count))]
                scores.append(consistency(result[0], picture))
                notes.update(dict.fromkeys(picture.notes))
                # Neither is held here while the next is read.
                del picture, deep
                yield result.pop()

        channels = 4 if task.probe.alpha else 3
        written = save_all(
            path,
            results(),
            task.format,
            request.quality,
            timing=sequence.timing,
            expected_bytes=task.pixels * channels * (2 if task.probe.sixteen_bit else 1),
            **self._ways_to_save(source),
        )
        of_engines = (note for each in engines for note in each.take_notes())
        return Encoded(min(scores), (*notes, *task.notes, *of_engines, *written), len(scores))

    def report(self, index: int, task: Task, fraction: float) -> None:
        """Tell how far a task is, 0 to 1; called from lanes, too."""
        # In one piece, so that the run goes forward only.
        with self._telling:
            event = self.progress.report(index, task.source, task.pixels, fraction)
            if event is not None:
                self.send(event)

    def _write(self, made: _Result) -> None:
        """Write, score and record one result; runs on a thread of `_EncodeBehind`."""
        task, source, result = made.task, made.source, made.result
        begun = self.cancel.clock()
        facts = ResultFacts(
            source.sha256,
            source.stamp,
            (source.picture.width, source.picture.height),
            (result.width, result.height),
            made.notes,
            source.choice.reason,
            source.picture.orientation,
        )
        try:
            self.publish(task, facts, partial(self._save, made), lambda: made.seconds + self.cancel.clock() - begun)
        except Exception as error:
            self.fail(task, error)

    def open(self, task: Task) -> None:
        """Make the folder of a result ready.

        Raises:
            OSError, UserError: as `Records.open`.
        """
        self.records.open(task)

    def publish(self, task: Task, facts: ResultFacts, save: Save, seconds: Callable[[], float]) -> None:
        """Have a result saved under its name and recorded, and say so; `seconds` is the time spent on it by then.

        Raises:
            OSError, UserError: it cannot be written.
        """
        saved = self.records.publish(task, facts, save)
        self.send(replace(saved, seconds=seconds()))

    def _save(self, made: _Result, path: Path) -> Encoded:
        ways = self._ways_to_save(made.source)
        notes = save(path, made.result, made.task.format, self.request.quality, **ways)
        return Encoded(consistency(made.result, made.source.picture), notes)

    def _ways_to_save(self, source: _Loaded) -> dict[str, Any]:
        """What `save` and `save_all` are both told."""
        request = self.request
        return {
            # "Same" means a lossless WebP or AVIF, too.
            "lossless": request.format == "same" and source.picture.lossless,
            "keep_values": request.keep_values,
            "origin": origin_of(request, source.choice) if request.provenance else None,
            "date_ns": source.times_ns if request.keep_date else None,
        }

    def fail(self, task: Task, error: Exception) -> None:
        """Report one failure, and end the run where the rest would fail in the same way."""
        failed, ends = failure_of(task, error)
        self.send(failed)
        if ends is not None and self.fatal is None:
            self.fatal = ends
            self.cancel.cancel()


class _Tasks:
    """The tasks of a run by their numbers, as far as they are known and not over yet; more come as they are planned."""

    def __init__(self, tasks: Iterable[Task], more: PlanStream | None, send: Callable[[BatchEvent], None]) -> None:
        self._tasks = deque(tasks)
        self._first = 0
        """The number of the first of them."""
        self._more = more
        self._send = send

    def get(self, number: int, cancel: CancelToken | None = None) -> Task | None:
        """A task; None where there is none, or, without a token, none yet. With one it is the next, and those before
        it are over.

        Raises:
            Cancelled, UserError: as `PlanStream.take`.
        """
        while number >= self._first + len(self._tasks):
            portion = None if self._more is None else self._more.take(cancel)
            if self._more is None or portion is None:
                return None
            for event in self._more.announced(portion):
                self._send(event)
            self._tasks += portion.tasks
        while cancel is not None and self._first < number:
            self._tasks.popleft()
            self._first += 1
        return self._tasks[number - self._first]


class _DecodeAhead:
    """Decodes the tasks' sources in their order, as far ahead as memory should be used for it."""

    def __init__(self, tasks: _Tasks, settings: UpscaleSettings, cancel: CancelToken) -> None:
        self._cancel = cancel
        self._tasks = tasks
        self._settings = settings
        self._pool = ThreadPoolExecutor(1, "decode")
        self._fetching = ThreadPoolExecutor(FETCHING_THREADS, "fetch")
        self._held: dict[int, ExitStack] = {}
        self._futures: dict[int, Future[_Loaded]] = {}
        self._pixels: dict[int, int] = {}
        """How many the sources have that are decoded, or about to be."""
        self._next = 0

    def __enter__(self) -> _DecodeAhead:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._fetching.shutdown(cancel_futures=True)
        for held in self._held.values():
            held.close()

    def take(self, index: int) -> Future[_Loaded]:
        """The picture of this task, and start on those after it."""
        while self._next <= index + MOST_AHEAD and (task := self._tasks.get(self._next)) is not None:
            waiting = sum(pixels for number, pixels in self._pixels.items() if number > index)
            if self._next > index + 1 and waiting + _pixels(task.probe) > AHEAD_PIXELS:
                break
            held, fetching = ExitStack(), None
            if stores.is_store(task.source):
                self._held[self._next] = held
                fetching = self._fetching.submit(_fetch, task, held, self._cancel)
            self._futures[self._next] = self._pool.submit(_load, task, self._settings, self._cancel, held, fetching)
            self._pixels[self._next] = _pixels(task.probe)
            self._next += 1
        # The one before is over, and has let go of what it held.
        self._held.pop(index - 1, None)
        self._pixels.pop(index - 1, None)
        return self._futures.pop(index)


def _pixels(header: Probe) -> int:
    return header.width * header.height


def _as_deep_as(header: Probe, picture: Picture) -> Picture:
    """The picture in 16 bits, where its result is to have them."""
    if not header.sixteen_bit or picture.pixels.dtype == np.uint16:
        return picture
    alpha = None if picture.alpha is None else picture.alpha.astype(np.uint16) * 257
    return replace(picture, pixels=picture.pixels.astype(np.uint16) * 257, alpha=alpha, source_bits=None)


def _fetch(task: Task, held: ExitStack, cancel: CancelToken) -> None:
    cancel.check()
    held.enter_context(stores.at_hand(task.source))


def _load(
    task: Task, settings: UpscaleSettings, cancel: CancelToken, held: ExitStack, fetching: Future[None] | None
) -> _Loaded:
    path = task.source
    try:
        if fetching is not None:
            fetching.result()
        stamp, times = source_stamp(path), archives.times_of(path)
        picture, digest = load(path, cancel.check, whole_range=FORMATS[task.format].own), sha256_of(path)
        # A file that changed between the two gets no digest, so it is upscaled again next time.
        digest = digest if source_stamp(path) == stamp else ""
        if task.pictures == 1 and not task.copied:
            held.close()
        return _Loaded(picture, digest, stamp, times, choice_for(settings, picture), held)
    except OSError as error:
        held.close()
        raise UserError(
            _("“{path}” could not be read: {strerror}.").format(path=shown(path), strerror=error.strerror),
            stores.hint_for(path),
        ) from error
    except BaseException:
        held.close()
        raise


class _Lanes:
    """Threads on which small pictures are computed side by side, one on each lane of the engine."""

    def __init__(self) -> None:
        self._work: dict[int, Future[None]] = {}
        self._pool = ThreadPoolExecutor(thread_name_prefix="lane")

    def __enter__(self) -> _Lanes:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown()

    @property
    def idle(self) -> bool:
        """Whether nothing is computed on any."""
        return all(each.done() for each in self._work.values())

    def free(self, count: int) -> int:
        """The number of one of the first `count` lanes, once nothing is computed on it.

        Raises:
            Cancelled: as what was computed there before.
        """
        while len(self._work) >= count:
            done, _others = wait(self._work.values(), return_when=FIRST_COMPLETED)
            for number in [number for number, work in self._work.items() if work in done]:
                self._work.pop(number).result()
        return next(number for number in range(count) if number not in self._work)

    def put(self, number: int, work: Callable[[], None]) -> None:
        """Have it done on a lane that is free."""
        self._work[number] = self._pool.submit(work)

    def wait(self) -> None:
        """Let all be done.

        Raises:
            Cancelled: as what was computed there.
        """
        while self._work:
            self._work.popitem()[1].result()


class _EncodeBehind:
    """Writes results on a few threads, with no more of them waiting than memory should hold."""

    def __init__(self, first: Task | None) -> None:
        threads = SENDING_THREADS if first is not None and stores.is_store(first.output) else BEHIND_THREADS
        self._pool = ThreadPoolExecutor(threads, "encode")
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
