"""What a preview looks like while the Detail slider is dragged: both ends mixed as pixels, until it is made.

A mix of pixels is not what a mix of weights gives, but it comes near, and at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.contract.upscale import PreviewReady, PreviewRequest, Region
from core.late import np

ENDS = (0, 100)
"""Percent of detail at both ends of the slider."""


@dataclass(frozen=True, slots=True)
class Faded:
    """A mix of both ends."""

    region: Region
    scale: int
    pixels: np.ndarray
    """uint8, as of a `PreviewReady`."""


class Crossfade:
    """Keeps both ends of the slider for one region, as far as they were made."""

    def __init__(self) -> None:
        self._of: PreviewRequest | None = None
        """What both ends are of, at 0 % detail."""
        self._ends: dict[int, PreviewReady] = {}

    def keep(self, request: PreviewRequest, done: PreviewReady) -> None:
        """Note a preview; others of another region or with other settings are forgotten."""
        of = _plain(request)
        if of != self._of:
            self._of, self._ends = of, {}
        if request.detail in ENDS:
            self._ends[request.detail] = done

    def missing(self, request: PreviewRequest) -> PreviewRequest | None:
        """The request for an end that is not there yet, of what this one asks for; None where both are."""
        have = self._ends if _plain(request) == self._of else {}
        return next((replace(request, detail=end) for end in ENDS if end not in have), None)

    def mix(self, request: PreviewRequest) -> Faded | None:
        """What `request` would give, roughly; None while an end is missing."""
        if _plain(request) != self._of or len(self._ends) < len(ENDS):
            return None
        soft, full = (self._ends[end] for end in ENDS)
        if soft.pixels.shape != full.pixels.shape or soft.region != full.region:
            return None
        # In parts of 256, as whole numbers are far quicker than floats.
        share = round(256 * request.detail / 100)
        mixed = soft.pixels.astype(np.uint16) * (256 - share) + full.pixels.astype(np.uint16) * share + 128
        return Faded(soft.region, soft.scale, (mixed >> 8).astype(np.uint8))


def _plain(request: PreviewRequest) -> PreviewRequest:
    return replace(request, detail=ENDS[0])
