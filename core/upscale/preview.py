"""Upscale one region of one picture for looking at, before a batch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.upscale import PreviewReady, PreviewRequest
from core.images import Picture, load
from core.models.catalogue import AUTOMATIC
from core.upscale.automatic import AutomaticChoice
from core.upscale.choice import choice_for
from core.upscale.colour_tie import REACH
from core.upscale.engine import open_engine, open_restorer
from core.upscale.picture import restore_picture, upscale_picture

MOST_FACTOR = 2
"""Times the model's own factor, beyond which a preview does not go: larger results look the same, and take minutes."""


def preview(request: PreviewRequest, cancel: CancelToken) -> Iterator[PreviewReady]:
    """Upscale the region with enough of its surroundings that it equals the same part of the whole result.

    A result of no whole factor is shown enlarged to the model's own, plainly, as a viewer would.

    Raises:
        Cancelled: as `cancel.check`.
        UserError: the picture or the model cannot be read, or the region lies outside the picture.
    """
    start = time.perf_counter()
    stat = request.source.stat() if request.source.exists() else None
    picture = _load(request.source, (stat.st_mtime_ns, stat.st_size) if stat else None)
    cancel.check()
    choice = _choice(request, picture)
    restorers = [open_restorer(name, request.device, request.precision, request.tile) for name in request.before]
    engine = open_engine(choice.model, request.device, request.precision, request.tile, choice.detail, choice.clean_up)
    x, y, width, height = request.region
    left, top = max(0, x), max(0, y)
    right, bottom = min(picture.width, x + width), min(picture.height, y + height)
    width, height = right - left, bottom - top
    if width <= 0 or height <= 0:
        raise UserError(f"The region to preview lies outside {request.source.name}.", "Move the view over the picture.")
    whole = request.size.of(picture.width, picture.height)
    across, down = (
        min(result / source, MOST_FACTOR * engine.scale)
        for result, source in zip(whole, (picture.width, picture.height), strict=True)
    )
    # A second pass sees twice as far, in pixels of the source. Even, as colours are compared in cells of two pixels.
    margin = engine.reach if max(across, down) <= engine.scale else 2 * engine.reach
    if request.tie_colours:
        margin = max(margin, REACH)
    margin += sum(each.reach for each in restorers)
    outer = (
        max(0, left - margin) // 2 * 2,
        max(0, top - margin) // 2 * 2,
        min(picture.width, right + margin),
        min(picture.height, bottom + margin),
    )
    cut = restore_picture(restorers, picture.part(np.s_[outer[1] : outer[3], outer[0] : outer[2]]), cancel)
    size = (max(1, round(cut.width * across)), max(1, round(cut.height * down)))
    result = upscale_picture(engine, cut, size, request.ensemble, cancel, tie=request.tie_colours)
    left_in, top_in = left - outer[0], top - outer[1]
    scale = int(across)
    if (across, down) == (scale, scale):
        rows = slice(top_in * scale, (top_in + height) * scale)
        pixels = for_display(result, (rows, slice(left_in * scale, (left_in + width) * scale)))
    else:
        # The region's edges may fall within a pixel of the result.
        scale = engine.scale
        shown = (width * scale, height * scale)
        wider, higher = result.width / cut.width, result.height / cut.height
        box = (left_in * wider, top_in * higher, (left_in + width) * wider, (top_in + height) * higher)
        whole_cut = for_display(result, np.s_[:, :])
        pixels = np.asarray(Image.fromarray(whole_cut).resize(shown, Image.Resampling.BICUBIC, box=box))
    yield PreviewReady(
        request.source,
        (left, top, width, height),
        scale,
        pixels,
        time.perf_counter() - start,
        tuple(note for each in (*restorers, engine) for note in each.take_notes()),
        choice.reason,
    )


def _choice(request: PreviewRequest, picture: Picture) -> AutomaticChoice:
    """What `choice_for` says; the last picture is not looked at twice, as previews of one follow each other."""
    if request.model != AUTOMATIC:
        return choice_for(request, picture)
    if not _looked_at or _looked_at[0] is not picture or _looked_at[1] != request.before:
        _looked_at[:] = [picture, request.before, choice_for(request, picture)]
    found: AutomaticChoice = _looked_at[2]
    return found


_looked_at: list[Any] = []


@lru_cache(maxsize=1)
def _load(path: Path, _version: tuple[int, int] | None) -> Picture:
    """The last picture stays decoded, as a preview is usually followed by another of the same picture."""
    return load(path)


def for_display(picture: Picture, window: tuple[slice, slice]) -> np.ndarray:
    """uint8 RGB, or RGBA where there is alpha."""
    pixels = picture.pixels[window]
    planes = [np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels]
    if picture.alpha is not None:
        planes.append(picture.alpha[window][..., None])
    joined = np.concatenate(planes, axis=2)
    return joined if joined.dtype == np.uint8 else (joined // 257).astype(np.uint8)
