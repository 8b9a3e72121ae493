"""How good will it be on my picture? Measured where the truth is known: on the picture itself, made smaller.

A picture of the user's has no larger original to compare a result with. So it is reduced by the model's scale and
enlarged again, and what comes out stands beside bicubic and beside the picture itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.evaluate import CheckEvent, CheckReady, CheckRequest, PictureQuality
from core.evaluate.metrics import psnr_y, ssim_y
from core.evaluate.perceptual import content_network, perceptual
from core.evaluate.progress import with_progress
from core.evaluate.resampling import crop_to_multiple, enlarge_bicubic, reduce_bicubic, rgb8
from core.images import load
from core.language import gettext as _
from core.upscale.engine import open_engine
from core.upscale.picture import clipped, without_colour

SMALLEST = 48
"""Pixels: of a smaller side, the border and the windows of SSIM leave too little to speak of."""
MEANING = _(
    "This measures how well the model brings back what bicubic reduction by {scale} took "
    "from this picture; it does not measure what it makes of noise, blur or compression, "
    "nor of detail finer than this picture holds."
)
SAME_PSNR = 0.05
"""dB under which nobody should call one result nearer than another."""


def check(request: CheckRequest, cancel: CancelToken) -> Iterator[CheckEvent]:
    """Reduce a picture, enlarge it by the model and by bicubic, and measure both against it.

    Yields:
        `CheckProgress` at most about 20 times a second, then a `CheckReady`.

    Raises:
        UserError: the picture, the model or the content weights are unusable, or the picture is too small.
        Cancelled: asked for.
    """
    picture = load(request.source)
    cancel.check()
    engine = open_engine(
        request.model, request.device, request.precision, request.tile, request.detail, request.clean_up
    )
    content = content_network(request.content_weights, engine.device)
    scale = engine.scale
    left, top, width, height = clipped(request.region, picture.width, picture.height, request.source.name)
    part = picture.pixels[top : top + height, left : left + width]
    original = np.ascontiguousarray(crop_to_multiple(rgb8(part), scale))
    height, width = original.shape[:2]
    if min(height, width) < max(SMALLEST, 6 * scale):
        raise UserError(
            _("{width} x {height} pixels of {name} are too small to measure.").format(
                width=width, height=height, name=request.source.name
            ),
            _("Choose a picture or a region of at least {scale} pixels a side.").format(scale=max(SMALLEST, 6 * scale)),
        )
    reduced = reduce_bicubic(original, scale)
    start = time.perf_counter()
    upscaled = yield from with_progress(lambda report: engine.upscale(reduced, cancel, report))
    if picture.colourless:
        upscaled = without_colour(upscaled)
    seconds = time.perf_counter() - start
    bicubic = enlarge_bicubic(reduced, scale)
    cancel.check()
    mine, other = None, None
    if content is not None:
        mine, other = perceptual(content, original, [upscaled, bicubic])
    quality, bicubic_quality = _quality(original, upscaled, scale, mine), _quality(original, bicubic, scale, other)
    notes = [*picture.notes, *engine.take_notes()]
    if picture.alpha is not None:
        notes.append(_("Transparency is left out of the measurement."))
    yield CheckReady(
        request.source,
        (left, top, width, height),
        engine.name,
        scale,
        original,
        reduced,
        upscaled,
        bicubic,
        quality,
        bicubic_quality,
        seconds,
        _verdict(engine.name, quality, bicubic_quality),
        MEANING.format(scale=scale),
        tuple(notes),
    )


def _quality(original: np.ndarray, result: np.ndarray, scale: int, distance: float | None) -> PictureQuality:
    return PictureQuality(psnr_y(original, result, scale), ssim_y(original, result, scale), distance)


def _verdict(model: str, mine: PictureQuality, bicubic: PictureQuality) -> str:
    if math.isinf(mine.psnr_y) or math.isinf(bicubic.psnr_y):
        # A flat picture: there is nothing to bring back.
        return _("There is no detail in this picture to recover.")
    gain = mine.psnr_y - bicubic.psnr_y
    figures = _(
        "{psnr_y:.2f} dB against {bicubic_psnr_y:.2f} dB, SSIM {ssim_y:.3f} against {bicubic_ssim_y:.3f}"
    ).format(psnr_y=mine.psnr_y, bicubic_psnr_y=bicubic.psnr_y, ssim_y=mine.ssim_y, bicubic_ssim_y=bicubic.ssim_y)
    if gain > SAME_PSNR:
        words = _("{model} is {gain:.2f} dB nearer to this picture than bicubic").format(model=model, gain=gain)
    elif gain < -SAME_PSNR:
        words = _("{model} is {gain:.2f} dB further from this picture than bicubic").format(model=model, gain=-gain)
    else:
        words = _("{model} is as near to this picture as bicubic").format(model=model)
    if mine.perceptual is None or bicubic.perceptual is None:
        return f"{words} ({figures})."
    nearer = mine.perceptual < bicubic.perceptual
    eye = _("looks more like it") if nearer else _("looks less like it")
    joined = _("and") if nearer == (gain > 0) else _("but")
    return _(
        "{words}, {joined} {eye} ({figures}, perceptual distance {perceptual:.3f} against "
        "{bicubic_perceptual:.3f}, less is better)."
    ).format(
        words=words,
        joined=joined,
        eye=eye,
        figures=figures,
        perceptual=mine.perceptual,
        bicubic_perceptual=bicubic.perceptual,
    )
