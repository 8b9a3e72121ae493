"""Upscale a batch: settle what is to be done, then let the stages do it; their callers see one generator of events."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

from core import stores
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.upscale import BatchEvent, BatchFinished, FileFailed, FileSaved, FileSkipped, UpscaleRequest
from core.images.decode import shown
from core.language import gettext as _
from core.upscale.packing import pack
from core.upscale.plan import Plan
from core.upscale.plan_stream import PlanStream
from core.upscale.result_names import Packing

Run = Callable[[UpscaleRequest, Plan, PlanStream, CancelToken], Iterator[BatchEvent]]
"""Does the tasks of a portion of a plan and of all that follow it: yields what becomes of each, and raises as
`upscale`."""
T = TypeVar("T")
_PATIENCE_SECONDS = 0.2


def upscale(request: UpscaleRequest, cancel: CancelToken, run: Run | None = None) -> Iterator[BatchEvent]:
    """Upscale pictures and folders of pictures.

    Args:
        request: what to do.
        cancel: stops or pauses it.
        run: what does the tasks; by default this process.

    Yields:
        `Planned`, of a large batch several times; a `FileSkipped` or `FileFailed` for each that needs nothing or cannot
        be done; per picture `FileStarted`, `Progress`, and one of `FileSaved` and `FileFailed`; an `ArchiveSaved` for
        each archive that becomes one; last `BatchFinished`. `Notice` at any time.
        A `FileSaved` may come after the next picture's `FileStarted`, as it is written meanwhile.

    Raises:
        Cancelled: as `cancel.check`. Results that were complete by then are saved and told of first.
        UserError: nothing can be done at all, or not go on: no such model or device, the disk is full, or a folder is
            gone. What is saved stays, and the next run with the same request does the rest.
    """
    begun = cancel.clock()
    saved, skipped, failed, pictures = 0, 0, 0, 0
    with PlanStream(request, cancel) as more:
        for event in _events(request, more, cancel, run or run_here):
            if isinstance(event, FileSaved):
                saved += 1
                pictures += event.pictures
            skipped += isinstance(event, FileSkipped)
            failed += isinstance(event, FileFailed)
            yield event
    yield BatchFinished(saved, skipped, failed, cancel.clock() - begun, pictures)


def _events(request: UpscaleRequest, more: PlanStream, cancel: CancelToken, run: Run) -> Iterator[BatchEvent]:
    checked = False
    settled = more.take(cancel)
    while settled is not None:
        if settled.tasks and not checked and request.output is not None:
            stores.check_reachable(stores.given(request.output), for_writing=True)
            checked = True
        yield from more.announced(settled)
        if settled.tasks:
            # Takes all portions that follow.
            yield from run(request, settled, more, cancel)
        # Archives are made of a batch that is one portion.
        for packing in settled.packings:
            try:
                packed = pack(packing, request, settled, cancel)
            except (UserError, OSError) as error:
                yield FileFailed(packing.source, *_words_of(error, packing))
            else:
                if packed is not None:
                    yield packed
        settled = more.take(cancel)


def _words_of(error: UserError | OSError, packing: Packing) -> tuple[str, str]:
    if isinstance(error, UserError):
        return error.message, error.hint
    what = _("“{output}” could not be written: {strerror}.").format(
        output=shown(packing.output), strerror=error.strerror or error
    )
    return what, _("Start again once that is fixed: the results are kept, and need only be packed.")


def _next(events: queue.SimpleQueue[T]) -> T:
    """The next event. Waited for in short pieces, as Ctrl-C does not interrupt a longer wait on Windows."""
    while True:
        with suppress(queue.Empty):
            return events.get(timeout=_PATIENCE_SECONDS)


def run_here(request: UpscaleRequest, settled: Plan, more: PlanStream, cancel: CancelToken) -> Iterator[BatchEvent]:
    """Drive the stages from a thread of their own, and yield what they say."""
    # Imported here, as it brings torch, which a run that finds everything done does not need.
    from core.upscale.stages import Stages

    events: queue.SimpleQueue[BatchEvent | BaseException | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            Stages(request, settled, cancel, events.put, more).run()
        except BaseException as error:
            events.put(error)
        else:
            events.put(None)

    thread = threading.Thread(target=work, name="upscale", daemon=True)
    thread.start()
    ended = False
    try:
        while (event := _next(events)) is not None:
            if isinstance(event, BaseException):
                ended = True
                raise event
            yield event
        ended = True
    finally:
        if not ended:
            # The caller closed the generator: stop the work.
            cancel.cancel()
        thread.join()
