"""The picture that models are tried on, and which part of it. Plain but for the thread that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.contract.cancel import CancelToken
from core.contract.upscale import Region, Size
from core.images import load
from srgan_desktop.pixels import for_display

THUMBNAIL = 640
"""Longest side of the small picture on which a part is chosen."""
LEAST_SIDE = 64
"""Pixels; a part with a smaller side says nothing about a model."""


@dataclass(frozen=True, slots=True, eq=False)
class TrialPicture:
    """A picture that was read."""

    path: Path
    size: Size
    """Upright."""
    thumbnail: np.ndarray
    """uint8, H x W (grey), H x W x 3 (RGB) or H x W x 4 (RGBA, not premultiplied)."""


def read_trial_picture(path: Path, token: CancelToken) -> Iterator[TrialPicture]:
    """Read a picture, and make it small."""
    from PIL import Image

    picture = load(path)
    token.check()
    small = Image.fromarray(for_display(picture))
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    yield TrialPicture(path, (picture.width, picture.height), np.asarray(small))


def middle(size: Size, side: int) -> Region:
    """A square of at most `side` pixels in the middle of a picture."""
    width, height = min(size[0], side), min(size[1], side)
    return (size[0] - width) // 2, (size[1] - height) // 2, width, height


def whole(size: Size, most: int) -> Region:
    """All of a picture, or the largest part of its form in the middle that has at most `most` pixels."""
    shrink = min(1.0, (most / (size[0] * size[1])) ** 0.5)
    width, height = max(1, int(size[0] * shrink)), max(1, int(size[1] * shrink))
    return (size[0] - width) // 2, (size[1] - height) // 2, width, height


def fitted(region: Region, size: Size, most: int) -> Region:
    """A part moved and shrunk until it lies in the picture, with at most `most` pixels and no needlessly small side."""
    x, y, width, height = region
    width = min(size[0], max(LEAST_SIDE, width))
    height = min(size[1], max(LEAST_SIDE, height))
    if width * height > most:
        shrink = (most / (width * height)) ** 0.5
        width, height = max(1, int(width * shrink)), max(1, int(height * shrink))
    return min(max(0, x), size[0] - width), min(max(0, y), size[1] - height), width, height
