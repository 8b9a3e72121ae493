"""Which files of a folder are pictures to learn from, and which LR goes with which HR."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from core.contract.training import HR_FOLDER, LR_FOLDER
from core.folders import walk
from core.images import READABLE_SUFFIXES
from core.training.run import RunFolder

PREPARED = "prepare.json"
"""In a folder that `srgan prepare` made: with what settings."""


def pictures_in(folder: Path) -> list[Path]:
    """The files below a folder that are named as pictures, sorted; empty where there is no such folder.

    A run's validations and samples and the pairs of `srgan prepare` are made of a folder's pictures, held-out ones
    included: where they lie in it, they are left out. `folder` itself may be such a place. Hidden files are left out
    too, and what systems keep for themselves (`core.folders`).
    """
    files = walk(folder, lambda inside: not _written_by_us(inside))
    return sorted(path for path in files if path.suffix.lower() in READABLE_SUFFIXES)


def lr_of(hr: Sequence[Path], folder: Path) -> tuple[dict[Path, Path], set[str]]:
    """The ready-made LR pictures of a folder of pairs.

    One lies where its HR does, under `LR_FOLDER` and with any suffix; or anywhere there, if of HR and of LR only one
    each has its name.

    Args:
        hr: all pictures under `HR_FOLDER`.
        folder: that holds `HR_FOLDER` and `LR_FOLDER`.

    Returns:
        LR by HR, where there is one, and the names without suffix that LR pictures have.
    """
    every_lr = pictures_in(folder / LR_FOLDER)
    by_place = {lr.relative_to(folder / LR_FOLDER).with_suffix(""): lr for lr in every_lr}
    by_name = {lr.stem: lr for lr in every_lr}
    hr_names, lr_names = (Counter(path.stem for path in side) for side in (hr, every_lr))
    found: dict[Path, Path] = {}
    for path in hr:
        lr = by_place.get(path.relative_to(folder / HR_FOLDER).with_suffix(""))
        if lr is None and hr_names[path.stem] == lr_names[path.stem] == 1:
            lr = by_name[path.stem]
        if lr is not None:
            found[path] = lr
    return found, set(lr_names)


def _written_by_us(folder: Path) -> bool:
    return RunFolder(folder).holds_run or (folder / PREPARED).is_file()
