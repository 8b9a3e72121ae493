"""Upscale what comes into folders, until somebody says stop."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.jobs import Notice
from core.contract.upscale import (
    BatchInterrupted,
    BatchStarted,
    FileFailed,
    FileSaved,
    FileSkipped,
    Input,
    Stamp,
    WatchEvent,
    WatchRequest,
)
from core.hashing import stamp_of
from core.images.decode import shown
from core.language import gettext as _
from core.language import listed
from core.upscale.batch import upscale
from core.upscale.scan import Unusable, scan

EVERY = 2.0
"""Seconds between two looks into the folders; twice as long as a look takes, where that is more."""


class Arrivals:
    """Tells pictures that came into folders from one look to the next.

    A picture has come once it has not changed between two looks, as it may still be on its way; one that changes
    afterwards comes again. A folder whose disk is unplugged is waited for.
    """

    def __init__(self, folders: Iterable[Path], recursive: bool, leave_out: Path | None = None) -> None:
        """`leave_out` is a folder of results, as for `scan`."""
        self._folders = [Input(folder) for folder in folders]
        self._recursive = recursive
        self._leave_out = leave_out
        self._before: dict[Path, Stamp] = {}
        self._reported: dict[Path, Stamp] = {}
        self._known_unseen: frozenset[Path] = frozenset()

    def mark_known(self, pictures: Mapping[Path, Stamp | None]) -> None:
        """These do not come while they have this stamp; without one, that of the first look."""
        self._reported |= {path: stamp for path, stamp in pictures.items() if stamp is not None}
        self._known_unseen |= {path for path, stamp in pictures.items() if stamp is None}

    def forget(self, paths: Iterable[Path]) -> None:
        """These come again, although they have not changed."""
        for path in paths:
            self._reported.pop(path, None)

    def look(self, cancel: CancelToken) -> Iterator[tuple[Input, Stamp] | Unusable]:
        """What has come since the look before; what cannot be searched is told at every look.

        Raises:
            Cancelled: as `cancel.check`; what the look has not told comes at a later one.
        """
        now: dict[Path, Stamp] = {}
        for each in scan(self._folders, self._recursive, cancel, self._leave_out):
            if isinstance(each, Unusable):
                yield each
                continue
            # An entry without a root is the folder itself, whose disk is gone.
            stamp = stamp_of(each.path) if each.root is not None else None
            if stamp is None:
                continue
            path = each.path
            now[path] = stamp
            if path in self._known_unseen:
                self._reported[path] = stamp
            elif self._before.get(path) == stamp and self._reported.get(path) != stamp:
                self._reported[path] = stamp
                yield each, stamp
        self._before = now
        self._known_unseen = frozenset()


def watch(request: WatchRequest, cancel: CancelToken, every: float = EVERY) -> Iterator[WatchEvent]:
    """Upscale a batch, then what comes into folders (see `Arrivals`).

    Where a folder goes away in the middle of a batch, what that could not do is done once it is back.

    Args:
        request: what, and which folders.
        cancel: ends it; nothing else does, but what ends a batch while all folders are there.
        every: as `EVERY`.

    Raises:
        Cancelled: asked for.
        UserError: no folder was named, or as `upscale`.
    """
    if not request.folders:
        raise UserError(_("No folder to watch was named."), _("Name folders, not files."))
    names = listed(f"“{shown(folder)}”" for folder in request.folders)
    yield Notice(_("Watching {names}.").format(names=names))
    arrivals = Arrivals(request.folders, request.batch.recursive, request.batch.output)
    arrivals.mark_known(dict(request.known))
    reported: set[Path] = set()
    before: set[Path] = set()
    # The batch reports a picture that is gone by now as failed.
    coming = [(each, stamp_of(each.path) or (0, 0)) for each in request.batch.inputs]
    arrivals.mark_known({each.path: stamp for each, stamp in coming})
    while True:
        if coming:
            yield BatchStarted(tuple(coming))
            yield from _batch(request, [each for each, _stamp in coming], arrivals, cancel)
        begun = time.monotonic()
        coming = []
        unusable: set[Path] = set()
        for each in arrivals.look(cancel):
            if not isinstance(each, Unusable):
                coming.append(each)
                continue
            unusable.add(each.path)
            # At the second look: a folder may be renamed, or its disk unplugged, just while it is looked into.
            if each.path in before and each.path not in reported:
                reported.add(each.path)
                yield FileFailed(each.path, each.error.message, each.error.hint)
        reported &= unusable
        before = unusable
        if not coming:
            cancel.sleep(max(every, 2 * (time.monotonic() - begun)))


def _batch(
    request: WatchRequest, inputs: Iterable[Input], arrivals: Arrivals, cancel: CancelToken
) -> Iterator[WatchEvent]:
    """One batch; what a folder that is gone kept from being done is forgotten, so that it comes again."""
    batch = replace(request.batch, inputs=tuple(inputs), roots=request.folders)
    left = {each.path for each in batch.inputs}

    def is_gone() -> bool:
        return not all(folder.is_dir() for folder in request.folders)

    try:
        for event in upscale(batch, cancel):
            if isinstance(event, FileSaved | FileSkipped):
                left.discard(event.source)
            yield event
    except UserError as error:
        if not is_gone():
            raise
        arrivals.forget(left)
        yield BatchInterrupted(error.message)
    else:
        if is_gone():
            arrivals.forget(left)
