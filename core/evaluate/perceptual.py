"""The perceptual distance of pictures of any size, within bounded memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.edition import has_torch, needs_torch
from core.language import gettext as _

if TYPE_CHECKING:
    from core.models.content import ContentNetwork

LARGEST = 1 << 19
"""Pixels that are measured in one piece: VGG takes 1.7 GB a megapixel. The pictures of Set5, Set14 and BSD100 are
smaller."""


def content_network(weights: Path | None, device: str) -> ContentNetwork | None:
    """The network that the distance is measured by, where torch measures what an engine made; None if none is here.

    Args:
        weights: a file of VGG features; None takes torchvision's if they have been downloaded.
        device: of the engine, as a request names it.

    Raises:
        UserError: the file is unusable, or there is one and no torch.
    """
    if not has_torch():
        if weights is None:
            return None
        raise needs_torch(_("The perceptual distance"))
    from core import devices
    from core.models.content import content_for

    content = content_for(weights)
    return None if content is None else content.to(devices.of_engine(device))


def perceptual(content: ContentNetwork, original: np.ndarray, results: Sequence[np.ndarray]) -> list[float]:
    """`picture_distances`; a picture of more than `LARGEST` pixels in parts, whose mean by area is taken.

    At the cuts the network sees a border instead of the neighbouring part, so that the figure of a large picture is not
    quite that of the whole.

    Args:
        content: the network.
        original: H x W x 3 uint8 RGB, at least 16 pixels a side.
        results: each of the same size.
    """
    from core.models.content import picture_distances

    height, width = original.shape[:2]
    if height * width <= LARGEST:
        return picture_distances(content, original, results)
    total = np.zeros(len(results))
    for rows in _cut(height):
        for columns in _cut(width):
            part = original[rows, columns]
            distances = picture_distances(content, part, [result[rows, columns] for result in results])
            total += np.array(distances) * (part.shape[0] * part.shape[1])
    return [float(each) for each in total / (height * width)]


def _cut(side: int) -> list[slice]:
    """Parts of about equal length, of which two across make no more than `LARGEST` pixels."""
    count = math.ceil(side / math.isqrt(LARGEST))
    ends = [side * number // count for number in range(count + 1)]
    return [slice(begin, end) for begin, end in itertools.pairwise(ends)]
