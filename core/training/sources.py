"""Which files of a folder are pictures to learn from, and which LR goes with which HR."""

from __future__ import annotations

import re
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


_SCALED = re.compile(
    r"(?P<name>.+?)(?:[_-]?(?:bic|bicubic|unknown|lr|lrbi|biclr))?[_-]?x(?P<scale>\d)(?:[a-wyz]\d?)?", re.I
)
"""How sets name LR pictures of several scales: `0801x4` (DIV2K; `0801x4m`, `0801x4w1` of its other tracks),
`baby_LRBI_x4`, `0801_bicLRx4`."""
_OF_HR, _OF_LR = (re.compile(rf"(?P<name>.+)[_-]{side}", re.I) for side in ("hr", "lr"))
"""How sets name both sides: `img_001_SRF_4_HR` and `img_001_SRF_4_LR`."""


def lr_of(hr: Sequence[Path], folder: Path, scale: int) -> tuple[dict[Path, Path], set[str]]:
    """The ready-made LR pictures of a folder of pairs.

    One lies where its HR does, under `LR_FOLDER` and with any suffix; or anywhere there, if of HR and of LR only one
    each has its name. Where none has, one counts that has its name and the scale behind it, as in `0801x4`, or says LR
    where that says HR.

    Args:
        hr: all pictures under `HR_FOLDER`.
        folder: that holds `HR_FOLDER` and `LR_FOLDER`.
        scale: of the model; LR pictures that are named after another one belong to nothing.

    Returns:
        LR by HR, where there is one, and the names without suffix that LR pictures have.
    """
    every_lr = pictures_in(folder / LR_FOLDER)
    by_place = {lr.relative_to(folder / LR_FOLDER).with_suffix(""): lr for lr in every_lr}
    hr_names, lr_names = (Counter(path.stem for path in side) for side in (hr, every_lr))
    by_name = {lr.stem: lr for lr in every_lr if lr_names[lr.stem] == 1}
    scaled = [(match["name"], lr) for lr in every_lr if (match := _named_for(lr, scale))]
    scaled += [(match["name"], lr) for lr in every_lr if (match := _OF_LR.fullmatch(lr.stem))]
    scaled_names = Counter(name for name, _lr in scaled)
    by_scaled_name = {name: lr for name, lr in scaled if scaled_names[name] == 1}
    found: dict[Path, Path] = {}
    for path in hr:
        lr = by_place.get(path.relative_to(folder / HR_FOLDER).with_suffix(""))
        if lr is None and hr_names[path.stem] == 1:
            lr = by_name.get(path.stem)
            if lr is None and path.stem not in lr_names:
                lr = by_scaled_name.get(path.stem)
            if lr is None and (match := _OF_HR.fullmatch(path.stem)) and match["name"] not in hr_names:
                lr = by_scaled_name.get(match["name"])
        if lr is not None:
            found[path] = lr
    return found, {*lr_names, *scaled_names}


def _named_for(lr: Path, scale: int) -> re.Match[str] | None:
    match = _SCALED.fullmatch(lr.stem)
    return match if match and int(match["scale"]) == scale else None


def _written_by_us(folder: Path) -> bool:
    return RunFolder(folder).holds_run or (folder / PREPARED).is_file()
