"""Names for new files: the first that is free, and no longer than a file system can hold. Plain."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

MAX_NAME_BYTES = 255
"""The longest file name on all usual file systems."""

T = TypeVar("T")

_OF_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$", *(port + n for port in ("com", "lpt") for n in "123456789¹²³")}
)
"""Names that mean devices on Windows, in any folder and with any suffix."""
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]+')


def first_free(make: Callable[[int], T], taken: Callable[[T], bool]) -> T:
    """The first of `make(1)`, `make(2)` and so on that is not taken."""
    return next(name for name in map(make, itertools.count(1)) if not taken(name))


def free_path(path: Path, taken: Callable[[Path], bool] = os.path.lexists) -> Path:
    """`path`, or, where that is taken, the first free one of `a (2).png`, `a (3).png` and so on for `a.png`."""
    return first_free(lambda number: path if number == 1 else numbered(path, number), taken)


def free_folder(path: Path, taken: Callable[[Path], bool]) -> Path:
    """The same for a folder, in whose name a dot begins no suffix."""
    return first_free(lambda number: path if number == 1 else path.with_name(f"{path.name} ({number})"), taken)


def free_name(name: str, taken: Callable[[str], bool]) -> str:
    """`name`, or, where that is taken, the first free one of `name (2)`, `name (3)` and so on."""
    return first_free(lambda number: name if number == 1 else f"{name} ({number})", taken)


def numbered(path: Path, number: int) -> Path:
    """`a (2).png` for `a.png`."""
    return path.with_name(fitting_name(f"{path.stem} ({number})", path.suffix))


def portable_name(name: str) -> str:
    """`name`, changed as little as possible, so that every usual system can have such a file.

    Characters that Windows forbids become `-`, a name that means a device there gets one behind its stem, and dots and
    blanks at the end go. Never empty.
    """
    plain = _FORBIDDEN.sub("-", name).rstrip(" .") or "-"
    stem, dot, rest = plain.partition(".")
    if stem.rstrip(" ").lower() in _OF_DEVICES:
        plain = f"{stem}-{dot}{rest}"
    return plain


def fitting_name(stem: str, suffix: str) -> str:
    """`stem` + `suffix`, shortened where no file system could hold it; two long names never become one."""
    name = stem + suffix
    raw = os.fsencode(name)
    if len(raw) <= MAX_NAME_BYTES:
        return name
    mark = "~" + hashlib.sha256(raw).hexdigest()[:8]
    room = MAX_NAME_BYTES - len(os.fsencode(mark + suffix))
    return os.fsencode(stem)[:room].decode("utf-8", "ignore") + mark + suffix
