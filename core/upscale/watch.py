"""Upscale what comes into a folder, until somebody says stop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.events import BatchEvent, FileFailed, Notice
from core.contract.requests import Input, UpscaleRequest
from core.upscale.batch import upscale
from core.upscale.journal import source_stamp
from core.upscale.scan import Unusable, scan

EVERY = 2.0
"""Seconds between two looks into the folder."""

_Stamp = tuple[int, int, int]


def watch(request: UpscaleRequest, cancel: CancelToken, every: float = EVERY) -> Iterator[BatchEvent]:
    """Upscale the pictures of one folder, and those that come into it later.

    A picture is taken once it has not changed between two looks, as it may still be on its way here; one that changes
    afterwards, and one that failed and was mended, are taken again. A folder whose disk is unplugged is waited for.

    Args:
        request: its `inputs` are one folder.
        cancel: ends it; nothing else does, but what ends a batch.
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
    before: dict[Path, _Stamp] = {}
    taken: dict[Path, _Stamp] = {}
    unusable: set[Path] = set()
    while True:
        now: dict[Path, _Stamp] = {}
        ready: list[Input] = []
        met: set[Path] = set()
        for each in scan(request.inputs, request.recursive, cancel, request.output):
            if isinstance(each, Unusable):
                met.add(each.path)
                if each.path not in unusable:
                    yield FileFailed(each.path, each.error.message, each.error.hint)
                continue
            stamp = _stamp(each)
            if stamp is not None:
                now[each.path] = stamp
                if before.get(each.path) == stamp and taken.get(each.path) != stamp:
                    ready.append(each)
        if ready:
            taken |= {each.path: now[each.path] for each in ready}
            yield from upscale(replace(request, inputs=tuple(ready)), cancel)
        before, unusable = now, met
        cancel.sleep(every)


def _stamp(found: Input) -> _Stamp | None:
    """None where it is gone since, or is the folder itself, whose disk is."""
    try:
        return source_stamp(found.path) if found.root is not None else None
    except OSError:
        return None
