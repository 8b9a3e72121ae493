"""Look at every training picture once, before the first step."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.training import HR_FOLDER, LR_FOLDER, PictureQuarantined, ScanFinished, ScanProgress
from core.training.dataset import Picture

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif"})

ScanEvent = ScanProgress | PictureQuarantined | ScanFinished


@dataclass(frozen=True, slots=True)
class Scan:
    """What may be trained on."""

    training: tuple[Picture, ...]
    validation: tuple[Picture, ...]
    fingerprint: str


def scan(
    data: Path, validation: Path | None, scale: int, minimum: int, held_out: float, seed: int, cancel: CancelToken
) -> Generator[ScanEvent, None, Scan]:
    begin = time.monotonic()
    training = yield from _folder(data, minimum, cancel)
    if validation is not None:
        held = yield from _folder(validation, minimum, cancel)
    else:
        order = np.random.default_rng(seed).permutation(len(training))
        count = max(1, round(held_out * len(training)))
        held = [training[i] for i in sorted(order[:count])]
        training = [training[i] for i in sorted(order[count:])]
    if not training or not held:
        raise UserError(f"{data} holds no picture to train on.", "Choose another folder.")
    fingerprint = hashlib.sha256("\n".join(sorted(p.sha256 for p in training)).encode()).hexdigest()
    yield ScanFinished(len(training), len(held), 0, fingerprint, time.monotonic() - begin)
    return Scan(tuple(training), tuple(held), fingerprint)


def _folder(folder: Path, minimum: int, cancel: CancelToken) -> Generator[ScanEvent, None, list[Picture]]:
    found = []
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    for number, path in enumerate(paths):
        cancel.check()
        with Image.open(path) as image:
            width, height = ImageOps.exif_transpose(image).size
        found.append(Picture(path, width, height, hashlib.sha256(path.read_bytes()).hexdigest()))
        if number % 50 == 0:
            yield ScanProgress(number, len(paths))
    return found
