"""What in people's folders is no picture of theirs. Plain."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

_OF_SYSTEMS = frozenset(
    {
        "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "recycler", "system volume information",  # Windows
        "__macosx", "network trash folder",  # macOS, as archives and shares have it
        "lost+found",  # Linux
        "@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", ".@__thumb",  # NAS
    }
)  # fmt: skip
"""Thumbnails, bins and snapshots that systems and NAS keep beside pictures, in lower case."""


def real_path(path: Path | str) -> str:
    """Where a path leads, through links; itself where the system cannot tell, as of the name of a device on Windows.

    One into a store leads where it says.
    """
    if "://" in str(path):
        return str(path)
    try:
        return os.path.realpath(path)
    except OSError:
        return os.path.abspath(path)  # noqa: PTH100


def is_left_out(name: str) -> bool:
    """Whether a file or folder is hidden, or one of those that systems keep for themselves."""
    return name.startswith(".") or name.lower() in _OF_SYSTEMS


def walk(folder: Path, enter: Callable[[Path], bool] = lambda _folder: True) -> Iterator[Path]:
    """The files below a folder, but those that are left out; links are followed, and no folder is searched twice.

    Args:
        folder: where to begin, whatever it is called.
        enter: whether a folder inside it is searched.
    """
    visited: set[str] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        real = real_path(here)
        if real in visited:
            continue
        visited.add(real)
        try:
            with os.scandir(here) as listing:
                entries = [entry for entry in listing if not is_left_out(entry.name)]
        except OSError:
            continue
        for entry in entries:
            path = here / entry.name
            try:
                is_folder = entry.is_dir()
            except OSError:
                continue
            if not is_folder:
                yield path
            elif enter(path):
                waiting.append(path)
