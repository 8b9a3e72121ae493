"""Which files of a folder are pictures to learn from: not those that the program wrote there itself."""

from __future__ import annotations

import os
from pathlib import Path

from core.images import READABLE_SUFFIXES
from core.training.run import RunFolder

PREPARED = "prepare.json"
"""In a folder that `srgan prepare` made: with what settings."""


def pictures_in(folder: Path) -> list[Path]:
    """The files below a folder that are named as pictures, sorted; empty where there is no such folder.

    A run's looks and samples and the pairs of `srgan prepare` are made of a folder's pictures, held-out ones included:
    where they lie in it, they are left out. `folder` itself may be such a place. Hidden files are left out too.
    """
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = [name for name in folders if not _written_by_us(here / name)]
        found += [here / name for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.suffix.lower() in READABLE_SUFFIXES)


def _written_by_us(folder: Path) -> bool:
    return RunFolder(folder).holds_run or (folder / PREPARED).is_file()
