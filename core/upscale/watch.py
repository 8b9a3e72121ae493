"""Upscale what comes into folders, until somebody says stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.events import BatchEvent, FileFailed, FileSaved, FileSkipped, Notice
from core.contract.requests import Input, UpscaleRequest
from core.upscale.batch import upscale
from core.upscale.journal import source_stamp
from core.upscale.scan import Unusable, scan

EVERY = 2.0
"""Seconds between two looks into the folders."""

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A picture that is there whole."""

    input: Input
    changed: bool
    """Whether it came before, and was another one then."""


class Arrivals:
    """Tells pictures that came into folders from one look to the next.

    A picture has come once it has not changed between two looks, as it may still be on its way; one that changes
    afterwards comes again. A folder whose disk is unplugged is waited for.
    """

    def __init__(self, known: Iterable[Path] = ()) -> None:
        """`known` are pictures that came before; as the first look finds them, they do not come again."""
        self._known = frozenset(known)
        self._before: dict[Path, _Stamp] = {}
        self._come: dict[Path, _Stamp] = {}

    def forget(self, paths: Iterable[Path]) -> None:
        """Let these come again, although they have not changed."""
        for path in paths:
            self._come.pop(path, None)

    def look(
        self, folders: Iterable[Input], recursive: bool, cancel: CancelToken, leave_out: Path | None = None
    ) -> Iterator[Arrival | Unusable]:
        """What has come since the look before; what cannot be searched is told at every look.

        Args:
            folders: also files, which never come.
            recursive: also look into the folders inside folders.
            cancel: asked at every entry.
            leave_out: as `scan`.

        Raises:
            Cancelled: as `cancel.check`; what the look has not told comes at a later one.
        """
        now: dict[Path, _Stamp] = {}
        for each in scan(folders, recursive, cancel, leave_out):
            if isinstance(each, Unusable):
                yield each
                continue
            stamp = _stamp(each)
            if stamp is None:
                continue
            path = each.path
            now[path] = stamp
            if path in self._known:
                self._come[path] = stamp
            elif self._before.get(path) == stamp and self._come.get(path) != stamp:
                changed = path in self._come
                self._come[path] = stamp
                yield Arrival(each, changed)
        self._before = now
        self._known = frozenset()


def watch(request: UpscaleRequest, cancel: CancelToken, every: float = EVERY) -> Iterator[BatchEvent]:
    """Upscale the pictures of one folder, and those that come into it later (see `Arrivals`).

    Where the folder goes away in the middle of a batch, what that could not do is done once it is back.

    Args:
        request: its `inputs` are one folder.
        cancel: ends it; nothing else does, but what ends a batch while the folder is there.
        every: seconds between two looks.

    Yields:
        A `Notice`, then the events of one batch after another.

    Raises:
        Cancelled: asked for.
        UserError: the inputs are not one folder; or as `upscale`.
    """
    folder = request.inputs[0].path if len(request.inputs) == 1 else None
    if folder is None or not folder.is_dir():
        raise UserError("Only one folder can be watched.", "Name one folder, and no files.")
    yield Notice(f"Watching “{folder}”.")
    arrivals = Arrivals()
    unusable: set[Path] = set()
    while True:
        ready: list[Input] = []
        met: set[Path] = set()
        for each in arrivals.look(request.inputs, request.recursive, cancel, request.output):
            if isinstance(each, Arrival):
                ready.append(each.input)
            else:
                met.add(each.path)
                if each.path not in unusable:
                    yield FileFailed(each.path, each.error.message, each.error.hint)
        if ready:
            left = {each.path for each in ready}
            try:
                for event in upscale(replace(request, inputs=tuple(ready)), cancel):
                    if isinstance(event, FileSaved | FileSkipped):
                        left.discard(event.source)
                    yield event
            except UserError as error:
                if folder.is_dir():
                    raise
                arrivals.forget(left)
                yield Notice(f"{error.message} It is waited for.")
            else:
                if not folder.is_dir():
                    arrivals.forget(left)
        unusable = met
        cancel.sleep(every)


def _stamp(found: Input) -> _Stamp | None:
    """None where it is gone since, or is the folder itself, whose disk is."""
    try:
        return source_stamp(found.path) if found.root is not None else None
    except OSError:
        return None
