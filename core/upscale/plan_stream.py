"""A plan that is made while it is worked on: the first portion at once, the rest by a thread, ahead of the work.

What is planned waits in a temporary file, so that of millions of pictures two portions are in memory. How many there
are is known long before the last one's turn.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from core.contract.cancel import Cancelled, CancelToken
from core.contract.jobs import Notice
from core.contract.upscale import BatchEvent, FileFailed, FileSkipped, Planned, UpscaleRequest
from core.upscale.journal import Journal
from core.upscale.plan import PORTION, Plan, plans
from core.upscale.spool import Place, Spool

NEWS_SECONDS = 5
"""How often is told how many pictures are known by now."""
_PATIENCE_SECONDS = 0.2


class PlanStream:
    """The plan of one batch, portion by portion; a context that ends the planning with it."""

    def __init__(self, request: UpscaleRequest, cancel: CancelToken, most: int = PORTION) -> None:
        """Take the batch, and how many pictures a portion has that may end."""
        self._token = _PlanningToken(cancel)
        self._portions = plans(request, self._token, most)
        self._thread = threading.Thread(target=self._go_on, name="plan", daemon=True)
        self._spool: Spool | None = None
        self._news = threading.Condition()
        self._ready: deque[Plan | Place] = deque()
        """Portions that nobody has taken, or where they lie in the file."""
        self._journals: Mapping[Path, Journal] = {}
        self._error: BaseException | None = None
        self._listed = False
        self._known = Planned(0, 0, 0, complete=False)
        self._pixels = 0
        self._told: Planned | None = None
        self._told_at = 0.0

    def __enter__(self) -> PlanStream:
        """Plan the first portion.

        Raises:
            Cancelled, UserError: as `plan`.
        """
        first = next(self._portions)
        self._count(first)
        self._journals = first.journals
        self._ready.append(first)
        if not first.complete:
            self._spool = Spool()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._token.cancel()
        if self._spool is not None:
            self._thread.join()
            self._spool.close()

    @property
    def pixels(self) -> int:
        """How many the results have that are planned by now and are to be made."""
        return self._pixels

    @property
    def complete(self) -> bool:
        """Whether all is planned."""
        return self._listed

    @property
    def over(self) -> bool:
        """Whether every portion was taken."""
        with self._news:
            return self._listed and not self._ready and self._error is None

    def take(self, cancel: CancelToken | None = None) -> Plan | None:
        """The next portion; None where there is none any more.

        Args:
            cancel: stops the wait for one that is not there yet; without it nobody waits, and None says that, too.

        Raises:
            Cancelled: as `cancel.check`, or the batch was cancelled.
            UserError: what is wrong with a portion that is still to come: it is told as soon as it is known.
        """
        while True:
            with self._news:
                if self._error is None and not self._ready and not self._listed and cancel is not None:
                    self._news.wait(_PATIENCE_SECONDS)
                if self._error is not None:
                    raise self._error
                if self._ready:
                    there = self._ready.popleft()
                    return there if isinstance(there, Plan) else self._fetched(there)
                if self._listed or cancel is None:
                    return None
            cancel.check()

    def announced(self, portion: Plan) -> Iterator[BatchEvent]:
        """What is to be said of a portion that was taken: what is known of all by now, and what of it is not to do."""
        with self._news:
            is_new = self._known != self._told
            self._told, self._told_at = self._known, time.monotonic()
        if is_new:
            yield self._told
        for warning in portion.warnings:
            yield Notice(warning)
        for done in portion.done:
            yield FileSkipped(done.source, done.output, done.reason, done.consistency)
        for refused in portion.refused:
            yield FileFailed(refused.source, refused.error.message, refused.error.hint)

    def news(self) -> Planned | None:
        """What is known of all by now, if there is more to say than before; asked for between two pictures.

        Raises:
            Cancelled, UserError: as `take`.
        """
        with self._news:
            if self._error is not None:
                raise self._error
            due = self._listed or time.monotonic() - self._told_at > NEWS_SECONDS
            if not due or self._known == self._told:
                return None
            self._told, self._told_at = self._known, time.monotonic()
            return self._told

    def _go_on(self) -> None:
        try:
            assert self._spool is not None
            for portion in self._portions:
                # The journals are those of the first, and stay with this process.
                place = self._spool.put(replace(portion, journals={}))
                with self._news:
                    self._ready.append(place)
                    self._count(portion)
                    self._news.notify_all()
        except BaseException as error:
            with self._news:
                self._error = error
                self._news.notify_all()

    def _fetched(self, place: Place) -> Plan:
        assert self._spool is not None
        portion: Plan = self._spool.get(place)
        return replace(portion, journals=self._journals)

    def _count(self, portion: Plan) -> None:
        known = self._known
        self._known = Planned(
            known.files + len(portion.tasks),
            known.skipped + len(portion.done),
            known.refused + len(portion.refused),
            known.pictures + sum(task.pictures for task in portion.tasks),
            portion.complete,
        )
        self._pixels += sum(task.pixels for task in portion.tasks)
        self._listed = portion.complete


class _PlanningToken(CancelToken):
    """The caller's token, and one more reason to stop, which is heard while the caller's is paused."""

    def __init__(self, outer: CancelToken) -> None:
        super().__init__()
        self._outer = outer

    def check(self) -> None:
        super().check()
        while self._outer.paused and not self._outer.cancelled:
            self._cancelled.wait(_PATIENCE_SECONDS)
            super().check()
        if self._outer.cancelled:
            raise Cancelled
