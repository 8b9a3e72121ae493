"""How worn a picture is, in numbers: noise, compression, blur, and what kind of picture it is.

JPEG quality is read from quantisation tables, or from the multiples that DCT coefficients lie on. The rest is judged by
a small network from some 180 measurements; it was fitted to pictures whose wear is known (`scripts/calibrate_wear.py`).
Formulas for noise alone or blur alone go wrong where several met, as each changes what the others leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np

from core import paths
from core.images.jpeg_traces import HIGHEST, LOWEST
from core.images.wear_features import Measurements, measure
from core.language import gettext as _
from core.language import listed

Kind = Literal["photograph", "drawing", "text"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NETWORK = paths.RESOURCES / "estimator" / "wear.npz"
_KIND_WORDS: dict[Kind, str] = {"drawing": _("drawing"), "text": _("text")}
"""What is said of a picture that is no photograph."""
OUTPUTS = 4 + len(KINDS)
"""Which share of what deviates is noise, for luma and chroma; a hundredth of quality; blur; a score for each kind."""
LOUDEST = (2.5, 4.0)
"""The most that noise of luma and chroma may be of the deviations that were measured. More than these, as noise may be
louder elsewhere than in the calmest blocks, and chroma was measured at half the size."""
SHIFT = -1.0
"""What is added to the scores of shares, so that none is the middle of what the network says at first."""
MOST_DEVIATIONS = 6.0
"""Measurements further than this from the mean of those fitted to are taken as this far."""

GRAIN = 2.5
"""Levels of luma noise from which a picture is called grainy."""
HEAVY_GRAIN = 14.0
COLOUR_NOISE = 3.5
"""Levels of chroma noise from which it is named where there is no grain."""
COMPRESSED = 90
"""JPEG quality up to which compression is named."""
BLURRED = 0.3
"""Standard deviation of blur, in pixels, from which a picture is called soft."""
VERY_BLURRED = 1.6
_GUESSED = 80.0
"""JPEG quality from which nobody would see it, where there is no better sign than the look of the blocks."""
_FAINTEST_BLOCKS = 0.1
"""Levels by which borders of blocks must stand out, across and down together, for the look of them to say anything."""
_COMBED = 1.9
_DOTTED = 21.0


@dataclass(frozen=True, slots=True)
class WearEstimate:
    """What befell a picture, by its pixels and its file."""

    noise: float = 0.0
    """Standard deviation of noise or grain in luma, in levels of 0 to 255, as far as compression left it."""
    chroma_noise: float = 0.0
    """The same of both colour differences (Cb, Cr) together."""
    jpeg_quality: int | None = None
    """On libjpeg's scale, the worst of all times that it was saved; None where nothing speaks of JPEG, or of one so
    good that it does not matter."""
    blockiness: float = 0.0
    """How much larger differences at the borders of 8 x 8 blocks are than elsewhere, in levels of luma."""
    blur: float = 0.0
    """Standard deviation of the Gaussian that blurs as much, in pixels; 0 is as sharp as its size allows."""
    kind: Kind = "photograph"
    interlaced: bool = False
    """Whether every other row is from another moment, as in stills of old video."""
    halftone: bool = False
    """Whether it is a scan of print whose dots show."""

    def __str__(self) -> str:
        """In a few plain words: `grain, JPEG about 55`."""
        words: list[str] = [_KIND_WORDS[self.kind]] if self.kind in _KIND_WORDS else []
        if self.noise >= HEAVY_GRAIN:
            words.append(_("heavy grain"))
        elif self.noise >= GRAIN:
            words.append(_("grain"))
        elif self.chroma_noise >= COLOUR_NOISE:
            words.append(_("colour noise"))
        if self.jpeg_quality is not None and self.jpeg_quality <= COMPRESSED:
            words.append(_("JPEG about {jpeg_quality}").format(jpeg_quality=max(5, 5 * round(self.jpeg_quality / 5))))
        if self.blur >= VERY_BLURRED:
            words.append(_("blurred"))
        elif self.blur >= BLURRED:
            words.append(_("a little soft"))
        if self.interlaced:
            words.append(_("interlaced"))
        if self.halftone:
            words.append(_("printed dots"))
        worn = len(words) > (self.kind != "photograph")
        return listed(words if worn else [*words, _("clean")])


def estimate_wear(
    pixels: np.ndarray,
    alpha: np.ndarray | None = None,
    saved_at: float | None = None,
) -> WearEstimate:
    """Judge a decoded picture; the same one always alike.

    Large ones are looked at in 64 patches spread over them, so that the time does not depend on the size.

    Args:
        pixels: H x W x C, C = 1 or 3, uint8 or uint16 over their whole range.
        alpha: H x W of the same type; what is transparent does not count.
        saved_at: the quality that a JPEG file's quantisation tables stand for, 1 to 100 on libjpeg's scale.

    Returns:
        An estimate without wear for what is too small to tell (under 16 pixels a side) or transparent, but for what
        `saved_at` says.
    """
    measured = measure(pixels, alpha)
    if measured is None:
        return WearEstimate(jpeg_quality=None if saved_at is None else round(saved_at))
    judged = _judged(measured)
    share, chroma_share = 1 / (1 + np.exp(-(judged[:2] + SHIFT)))
    return WearEstimate(
        noise=round(float(share) * LOUDEST[0] * measured.deviation, 1),
        chroma_noise=round(float(chroma_share) * LOUDEST[1] * measured.chroma_deviation, 1),
        jpeg_quality=_quality(measured, float(judged[2]) * 100, saved_at),
        blockiness=round(max(0.0, sum(measured.jpeg.steps) / 2), 2),
        blur=round(max(0.0, float(judged[3])), 2),
        kind=KINDS[int(judged[4:].argmax())],
        interlaced=measured.combed > _COMBED,
        halftone=measured.dotted > _DOTTED,
    )


def _quality(measured: Measurements, judged: float, said: float | None) -> int | None:
    """The worst of what the file says, the coefficients show and the look of the blocks suggests."""
    found = [quality for quality in (said, measured.jpeg.quality) if quality is not None]
    seen = sum(measured.jpeg.steps) > _FAINTEST_BLOCKS
    if seen and judged < min([_GUESSED, *(quality - 15 for quality in found)]):
        found.append(float(np.clip(judged, LOWEST, HIGHEST)))
    return round(min(found)) if found else None


@cache
def _network() -> dict[str, np.ndarray]:
    with np.load(NETWORK) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


def _judged(measured: Measurements) -> np.ndarray:
    """The mean of what some networks of two hidden layers say: `OUTPUTS` numbers."""
    network = _network()
    hidden = (measured.values - network["mean"]) / network["scale"]
    hidden = np.clip(hidden, -MOST_DEVIATIONS, MOST_DEVIATIONS)
    hidden = np.maximum(hidden @ network["weight 1"] + network["bias 1"], 0)
    hidden = np.maximum((hidden[:, None] @ network["weight 2"])[:, 0] + network["bias 2"], 0)
    return ((hidden[:, None] @ network["weight 3"])[:, 0] + network["bias 3"]).mean(0)
