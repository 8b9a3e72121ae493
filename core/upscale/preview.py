"""Upscale one region of one picture for looking at, before a batch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from core.contract.cancel import CancelToken
from core.contract.settings import UpscaleSettings
from core.contract.upscale import PreviewReady, PreviewRequest, Stamp
from core.hashing import stamp_of
from core.images import Picture, load
from core.models.catalogue import AUTOMATIC
from core.upscale.automatic import AutomaticChoice
from core.upscale.choice import choice_for
from core.upscale.engine import open_engine, open_restorer
from core.upscale.picture import Wrap, clipped, margin_of, restore_picture, upscale_picture, with_margin

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
    version = stamp_of(request.source)
    picture = _load(request.source, version)
    cancel.check()
    # Previews of one picture follow each other, and it is looked at once.
    automatic = request.model == AUTOMATIC
    choice = _automatic_choice(request.source, version, request.before) if automatic else choice_for(request, picture)
    restorers = [open_restorer(name, request.device, request.precision, request.tile) for name in request.before]
    engine = open_engine(choice.model, request.device, request.precision, request.tile, choice.detail, choice.clean_up)
    region = clipped(request.region, picture.width, picture.height, request.source.name)
    whole = request.size.of(picture.width, picture.height)
    across, down = (
        min(result / source, MOST_FACTOR * engine.scale)
        for result, source in zip(whole, (picture.width, picture.height), strict=True)
    )
    passes = 1 if max(across, down) <= engine.scale else 2
    margin = margin_of(engine, passes, request.tie_colours, restorers)
    seen = region
    if request.wrap:
        own = (picture.width, picture.height)
        wrap = Wrap.of(own, own, margin, engine.scale)
        picture = wrap.widened(picture)
        seen = (region[0] + wrap.across, region[1] + wrap.down, *region[2:])
    part, left, top = with_margin(picture, seen, margin)
    cut = restore_picture(restorers, part, cancel)
    size = (max(1, round(cut.width * across)), max(1, round(cut.height * down)))
    result = upscale_picture(engine, cut, size, request.ensemble, cancel, tie=request.tie_colours)
    width, height = region[2:]
    scale = int(across)
    if (across, down) == (scale, scale):
        rows = slice(top * scale, (top + height) * scale)
        pixels = for_display(result, (rows, slice(left * scale, (left + width) * scale)))
    else:
        # The region's edges may fall within a pixel of the result.
        scale = engine.scale
        shown = (width * scale, height * scale)
        wider, higher = result.width / cut.width, result.height / cut.height
        box = (left * wider, top * higher, (left + width) * wider, (top + height) * higher)
        whole_cut = for_display(result, np.s_[:, :])
        pixels = np.asarray(Image.fromarray(whole_cut).resize(shown, Image.Resampling.BICUBIC, box=box))
    yield PreviewReady(
        request.source,
        region,
        scale,
        pixels,
        time.perf_counter() - start,
        tuple(note for each in (*restorers, engine) for note in each.take_notes()),
        choice.reason,
    )


@lru_cache(maxsize=1)
def _automatic_choice(path: Path, version: Stamp | None, before: tuple[str, ...]) -> AutomaticChoice:
    return choice_for(UpscaleSettings(model=AUTOMATIC, before=before), _load(path, version))


@lru_cache(maxsize=1)
def _load(path: Path, _version: Stamp | None) -> Picture:
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
