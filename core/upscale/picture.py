"""One picture in, one picture out: what a person calls upscaling, on top of the engine's arrays.

Brings grey and alpha through a network that knows RGB, keeps grey pictures grey, reaches any output size, and scores
the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.upscale import Region
from core.images import Picture, bleed_colour
from core.language import gettext as _
from core.upscale.colour_tie import REACH, tie_colours
from core.upscale.engine import Engine
from core.upscale.pass_sizes import pass_sizes

GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601 luma: what Pillow makes of RGB, so grey and colour versions of a picture agree."""
BAND = 256
"""Rows that colour is taken out of at once."""


def clipped(region: Region | None, width: int, height: int, name: str) -> Region:
    """The part of a `width` x `height` picture that a region covers; None covers all of it.

    Raises:
        UserError: it lies outside.
    """
    x, y, across, down = region or (0, 0, width, height)
    left, top = max(0, x), max(0, y)
    right, bottom = min(width, x + across), min(height, y + down)
    if right <= left or bottom <= top:
        raise UserError(
            _("The region lies outside {name}, which is {width} x {height}.").format(
                name=name, width=width, height=height
            ),
            _("Move it over the picture."),
        )
    return left, top, right - left, bottom - top


def margin_of(engine: Engine, passes: int = 1, tie: bool = True, restorers: Sequence[Engine] = ()) -> int:
    """How many source pixels around a region change its result.

    Args:
        engine: what enlarges it.
        passes: how often it goes through that; each sees further, in pixels of the source.
        tie: whether colours are tied to the source's, which may look further than the network.
        restorers: engines before it.
    """
    return max(passes * engine.reach, REACH if tie else 0) + sum(each.reach for each in restorers)


def with_margin(picture: Picture, region: Region, margin: int) -> tuple[Picture, int, int]:
    """Cut a region out with its surroundings, as far as there are any.

    Returns:
        The part, and the left and top of the region within it: both even where the region's are, as colours are
        compared in cells of two pixels that begin where the picture does.
    """
    x, y, width, height = region
    left, top = max(0, x - margin) // 2 * 2, max(0, y - margin) // 2 * 2
    right, bottom = min(picture.width, x + width + margin), min(picture.height, y + height + margin)
    return picture.part(np.s_[top:bottom, left:right]), x - left, y - top


def upscale_picture(
    engine: Engine,
    picture: Picture,
    size: tuple[int, int],
    ensemble: bool,
    cancel: CancelToken,
    on_progress: Callable[[float], None] = lambda _fraction: None,
    tie: bool = True,
) -> Picture:
    """Enlarge a picture to exactly `size` (width, height) in pixels.

    Sizes up to the model's scale take one pass and an antialiased reduction. Larger ones take more passes; what goes
    into the last is first reduced to a `scale`th of the target, as the network makes better detail of a clean smaller
    picture than a reduction does of a larger one, at a fraction of the work. Sizes below the source are only reduced.
    With `tie`, colours are those of the source, as seen from afar (`tie_colours`).

    Raises:
        Cancelled: as `cancel.check`.
        UserError: as `Engine.upscale`.
    """
    colour = picture.pixels
    has_soft_alpha = picture.alpha is not None and bool((picture.alpha != picture.alpha.flat[0]).any())
    # Alpha, where it is more than one constant, takes a pass of its own, which is half of the work.
    colour_share = 0.5 if has_soft_alpha else 1.0

    def colour_progress(fraction: float) -> None:
        on_progress(fraction * colour_share)

    def alpha_progress(fraction: float) -> None:
        on_progress(colour_share + fraction * (1 - colour_share))

    if picture.alpha is not None and has_soft_alpha:
        colour = bleed_colour(colour, picture.alpha)
    pixels = _enlarge(engine, colour, size, ensemble, cancel, colour_progress, grey=picture.colourless)
    if tie and pass_sizes((picture.width, picture.height), size, engine.scale):
        cancel.check()
        pixels = tie_colours(pixels, colour, out=pixels)
    alpha = picture.alpha
    if picture.alpha is not None:
        if has_soft_alpha:
            alpha = _enlarge(engine, picture.alpha[..., None], size, ensemble, cancel, alpha_progress)[..., 0]
        else:
            alpha = np.full((size[1], size[0]), picture.alpha.flat[0], picture.alpha.dtype)
    return replace(picture, pixels=pixels, alpha=alpha)


_SMALL = 1 << 22
"""Samples, before and after, of a picture that may take several times its memory while it is resized."""
_SPARE = 16
"""Source pixels by which a margin may be longer, so that it is a whole number of result pixels."""


@dataclass(frozen=True, slots=True)
class Wrap:
    """A picture whose edges join, a seamless texture, on its way through what knows only what lies beside."""

    across: int
    """Source pixels of the other edge that lie beside each edge, and above and below."""
    down: int
    size: tuple[int, int]
    """Width and height that the widened picture is enlarged to."""
    box: tuple[float, float, float, float]
    """Left, top, right and bottom of the result within that, in its pixels, which may begin and end within one."""

    @classmethod
    def of(cls, source: tuple[int, int], size: tuple[int, int], margin: int, scale: int) -> Wrap:
        """At least `margin` pixels on each side of a picture that a model of this scale enlarges to `size`.

        Where no margin of about that length is a whole number of result pixels, the picture is enlarged as far as the
        passes take it, and the result cut out of that as it is reduced.
        """
        shortest = -(-margin // 2) * 2
        whole = [_whole_margin(*sides, margin) for sides in zip(source, size, strict=True)]
        is_whole = max(whole) <= shortest + _SPARE
        across, down = whole if is_whole else (shortest, shortest)
        wide = (source[0] + 2 * across, source[1] + 2 * down)
        passes = len(pass_sizes(source, size, scale))

        def enlarged(side: int, factor: float) -> int:
            if is_whole:
                return round(side * factor)
            most = side * scale**passes
            # As many passes as without the margins, and no resize after the last of them.
            return min(most, math.ceil(side * factor / scale) * scale) if passes > 1 else most

        width, height = (enlarged(side, to / of) for side, to, of in zip(wide, size, source, strict=True))
        left, top = across * width / wide[0], down * height / wide[1]
        return cls(across, down, (width, height), (left, top, width - left, height - top))

    def widened(self, picture: Picture) -> Picture:
        """The picture with its other edges beside it."""
        sides = ((self.down, self.down), (self.across, self.across))
        alpha = None if picture.alpha is None else np.pad(picture.alpha, sides, mode="wrap")
        return replace(picture, pixels=np.pad(picture.pixels, (*sides, (0, 0)), mode="wrap"), alpha=alpha)

    def cut(self, result: Picture, size: tuple[int, int]) -> Picture:
        """The result, of this width and height, out of that of the widened picture."""
        alpha = None if result.alpha is None else resize(result.alpha[..., None], size, self.box)[..., 0]
        return replace(result, pixels=resize(result.pixels, size, self.box), alpha=alpha)


def _whole_margin(source: int, result: int, margin: int) -> int:
    """The least even number of source pixels from `margin` on that is a whole number of result pixels."""
    step = math.lcm(2, source // math.gcd(source, result))
    return -(-margin // step) * step


def restore_picture(
    engines: Sequence[Engine],
    picture: Picture,
    cancel: CancelToken,
    on_progress: Callable[[float], None] = lambda _fraction: None,
) -> Picture:
    """Put a picture through networks of scale 1, one after the other; its size, alpha and greyness stay.

    Raises:
        Cancelled: as `cancel.check`.
        UserError: as `Engine.upscale`.
    """
    if not engines:
        return picture
    pixels = picture.pixels if picture.alpha is None else bleed_colour(picture.pixels, picture.alpha)
    channels = pixels.shape[2]
    rgb = np.repeat(pixels, 3, axis=2) if channels == 1 else pixels
    for index, engine in enumerate(engines):

        def report(fraction: float, index: int = index) -> None:
            on_progress((index + fraction) / len(engines))

        rgb = engine.upscale(rgb, cancel, report)
    grey = channels == 1 or picture.colourless
    return replace(picture, pixels=without_colour(rgb, channels) if grey else rgb)


def _enlarge(
    engine: Engine,
    pixels: np.ndarray,
    size: tuple[int, int],
    ensemble: bool,
    cancel: CancelToken,
    on_progress: Callable[[float], None],
    *,
    grey: bool = False,
) -> np.ndarray:
    """H x W x C (C 1 or 3, uint8 or uint16) to height x width x C, three channels without colour if `grey`."""
    sizes = pass_sizes((pixels.shape[1], pixels.shape[0]), size, engine.scale)
    if not sizes:
        return resize(pixels, size)
    channels = pixels.shape[2]
    rgb = np.repeat(pixels, 3, axis=2) if channels == 1 else pixels
    work = [width * height for width, height in sizes]
    for index, source_size in enumerate(sizes):
        rgb = resize(rgb, source_size)
        before, share = sum(work[:index]) / sum(work), work[index] / sum(work)

        def report(fraction: float, before: float = before, share: float = share) -> None:
            on_progress(before + fraction * share)

        rgb = engine.upscale(rgb, cancel, report, ensemble=ensemble)
    result = resize(rgb, size)
    return without_colour(result, channels) if grey or channels == 1 else result


def without_colour(rgb: np.ndarray, channels: int = 3) -> np.ndarray:
    """H x W x 3 to its luma, H x W x `channels`: networks that learnt from colour photographs tint grey ones."""
    result = np.empty((*rgb.shape[:2], channels), rgb.dtype)
    # In bands: floats of a whole large picture would take several times its own memory.
    for top in range(0, rgb.shape[0], BAND):
        result[top : top + BAND] = np.rint(rgb[top : top + BAND] @ GREY_WEIGHTS)[..., None]
    return result


def resize(
    pixels: np.ndarray, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """Antialiased bicubic (a = -0.5) resize of H x W x C, uint8 or uint16, to `size` (width, height).

    With `box` (left, top, right, bottom, in pixels and parts of them), only of what lies in it, which the pixels around
    it reach into.
    """
    if box is None:
        box = (0, 0, pixels.shape[1], pixels.shape[0])
    left, top, right, bottom = (round(edge) for edge in box)
    is_whole = all(edge.is_integer() for edge in map(float, box))
    if is_whole and (right - left, bottom - top) == size:
        return np.ascontiguousarray(pixels[top:bottom, left:right])
    deep = pixels.dtype == np.uint16
    if pixels.shape[2] == 3 and not deep and max(pixels.size, 3 * size[0] * size[1]) <= _SMALL:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return np.array(image.resize(size, Image.Resampling.BICUBIC, box=box))
    # One channel at a time: Pillow keeps colour pictures in four bytes a pixel, twice over while it works, and knows
    # values of 16 bits only as floats.
    resized = np.empty((size[1], size[0], pixels.shape[2]), pixels.dtype)
    for channel in range(pixels.shape[2]):
        plane = pixels[..., channel]
        image = Image.fromarray(plane.astype(np.float32) if deep else np.ascontiguousarray(plane))
        image = image.resize(size, Image.Resampling.BICUBIC, box=box)
        made = np.asarray(image)
        if not deep:
            resized[..., channel] = made
            continue
        for top in range(0, size[1], BAND):
            resized[top : top + BAND, :, channel] = np.rint(made[top : top + BAND]).clip(0, 65535)
    return resized


def consistency(result: Picture, source: Picture) -> float:
    """PSNR in dB of the result, reduced to the source's size, against the source; infinite when equal.

    High means that nothing was invented that the source contradicts: detail that the source could not show costs
    nothing, a colour shift or a black tile costs much. Compared at the smaller of both sizes, where anything is opaque.
    """
    size = (min(result.width, source.width), min(result.height, source.height))
    top = float(np.iinfo(source.pixels.dtype).max)
    small = resize(result.pixels, size).astype(np.float32)
    wanted = resize(source.pixels, size).astype(np.float32)
    if small.shape[2] != wanted.shape[2]:
        small, wanted = (x.mean(axis=2, keepdims=True) for x in (small, wanted))
    squared = np.square(small / np.iinfo(result.pixels.dtype).max - wanted / top).mean(axis=2)
    if source.alpha is not None:
        seen = resize(source.alpha[..., None], size)[..., 0] > 0
        if not seen.any():
            return float("inf")
        squared = squared[seen]
    error = float(squared.mean(dtype=np.float64))
    return float("inf") if error == 0 else -10 * float(np.log10(error))
