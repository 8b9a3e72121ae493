"""What is in a folder, in the order in which people count; of one with millions of files little is in memory. Plain.

Large ones are sorted in runs, which are then merged (Knuth, The Art of Computer Programming, vol. 3, sec. 5.4).
"""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from core.folders import is_left_out
from core.upscale.spool import Place, Spool

RUN = 50_000
"""Entries that are sorted at a time; a folder with no more stays in memory."""
_CHUNK = 1_000
"""Entries that are read back at a time."""

Entry = tuple[str, bool]
"""A name, and whether it is that of a folder."""


class FolderListing:
    """The entries of a folder but for those that are left out; as often as they are asked for. Close it after use."""

    def __init__(self, folder: Path, check: Callable[[], None] = lambda: None) -> None:
        """Read the folder; `check` is called every now and then, as long as it is in use, and may raise.

        Raises:
            OSError: it cannot be read.
            UserError: the disk for temporary files is full.
        """
        self._check = check
        self._spool: Spool | None = None
        self._places: list[Place] = []
        self._entries: list[Entry] = []
        runs: list[list[Place]] = []
        with os.scandir(folder) as listing:
            entries = ((entry.name, _is_folder(entry)) for entry in listing if not is_left_out(entry.name))
            while run := sorted(islice(entries, RUN), key=_order):
                check()
                if not runs and len(run) < RUN:
                    self._entries = run
                    return
                self._spool = self._spool or Spool()
                runs.append(self._put(run))
        if self._spool is not None:
            self._places = self._put(heapq.merge(*map(self._read, runs), key=_order))

    def __enter__(self) -> FolderListing:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._spool is not None:
            self._spool.close()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries) if self._spool is None else self._read(self._places)

    def _put(self, entries: Iterable[Entry]) -> list[Place]:
        assert self._spool is not None
        places, entries = [], iter(entries)
        while chunk := list(islice(entries, _CHUNK)):
            places.append(self._spool.put(chunk))
        return places

    def _read(self, places: list[Place]) -> Iterator[Entry]:
        assert self._spool is not None
        for place in places:
            self._check()
            yield from self._spool.get(place)


def natural(name: str) -> list[tuple[int, int | str]]:
    """A sort key that puts `a2` before `a10`."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(0, int(part)) if part.isdigit() and part.isascii() else (1, part) for part in parts if part]


def _order(entry: Entry) -> list[tuple[int, int | str]]:
    return natural(entry[0])


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
