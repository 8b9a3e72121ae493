"""What Start would take: time, pixels and bytes of all that waits, from the headers of the files and measured speed."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.contract.upscale import PreviewRequest, UpscaleRequest
from core.language import gettext as _
from core.language import ngettext
from srgan_desktop import problems

if TYPE_CHECKING:
    from core.images import Probe

REMEMBERED = 50
"""The last pictures of one kind whose speed counts."""
HOURS = 2 * 3600.0
"""Seconds from which a run is worth a warning before it starts."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """For the pictures that wait."""

    pixels: int
    """Pixels of all results."""
    size: float
    """Bytes of all results, roughly."""
    seconds: float | None
    """None while nothing like it was measured."""
    unread: int = 0
    """Pictures whose header was not read yet, and which are in none of these figures."""
    free: int | None = None
    """Bytes that are free where the results go; None where that is not known."""

    @property
    def fits(self) -> bool:
        """Whether there is room for the results on their disk."""
        return self.free is None or self.size <= self.free

    @property
    def warns(self) -> bool:
        """Whether it takes hours, or more room than there is."""
        return not self.fits or (self.seconds is not None and self.seconds >= HOURS)


class Pace:
    """How long one source pixel took lately, for each kind of settings."""

    def __init__(self) -> None:
        self._pictures: dict[Hashable, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._previews: dict[Hashable, float] = {}

    def learn(self, settings: UpscaleRequest, pixels: int, seconds: float) -> None:
        """Note how long a picture took."""
        if pixels > 0 and seconds > 0:
            self._pictures[_kind(settings)].append(seconds / pixels)

    def learn_preview(self, request: PreviewRequest, pixels: int, seconds: float) -> None:
        """Note how long a preview took: the quickest of its kind, as the first one of a model also loads it."""
        if pixels > 0 and seconds > 0:
            kind = _kind(request)
            self._previews[kind] = min(seconds / pixels, self._previews.get(kind, math.inf))

    def seconds(self, settings: UpscaleRequest, pixels: int) -> float | None:
        """How long so many source pixels will take; None where nothing of the kind was measured."""
        kind = _kind(settings)
        if self._pictures[kind]:
            from statistics import median

            # A picture during which the run was paused took longer than it needs.
            return median(self._pictures[kind]) * pixels
        return self._previews[kind] * pixels if kind in self._previews else None


def _kind(settings: UpscaleRequest | PreviewRequest) -> Hashable:
    """Equal where speed is: mixing models at another share costs nothing."""
    return settings.model, str(settings.size), settings.ensemble, settings.device, settings.precision, settings.tile


def total(parts: Iterable[Estimate], free: int | None) -> Estimate:
    """What several estimates are together; their time is known where that of each is.

    Args:
        parts: for pictures with settings of one kind each.
        free: bytes that are free where the results go.
    """
    every = list(parts)
    seconds = [part.seconds for part in every if part.pixels]
    return Estimate(
        sum(part.pixels for part in every),
        sum(part.size for part in every),
        sum(filter(None, seconds)) if seconds and None not in seconds else None,
        sum(part.unread for part in every),
        free,
    )


def estimate(waiting: Iterable[Probe | None], settings: UpscaleRequest, pace: Pace) -> Estimate:
    """What it takes to upscale these.

    Args:
        waiting: the headers of the pictures; None for one that was not read yet.
        settings: how.
        pace: what was measured.
    """
    # Here, as decoders are imported with it, and the window is to paint first.
    from core.upscale.plan import BYTES_PER_PIXEL, deepened, target_of

    source = pixels = unread = 0
    size = 0.0
    for header in waiting:
        if header is None:
            unread += 1
            continue
        width, height = settings.size.of(header.width, header.height)
        format, count = target_of(settings, header)
        source += header.width * header.height * count
        pixels += width * height * count
        depth = 2 if deepened(header, settings, format).sixteen_bit else 1
        size += width * height * count * depth * BYTES_PER_PIXEL[format]
    return Estimate(pixels, size, pace.seconds(settings, source) if source else None, unread)


def estimate_words(result: Estimate) -> str:
    """`about 3 min · 120 megapixels · 85 MB`."""
    parts = (
        []
        if result.seconds is None
        else [_("about {rough_duration}").format(rough_duration=problems.rough_duration(result.seconds))]
    )
    if result.pixels:
        parts.append(f"{problems.megapixels(result.pixels)}")
        parts.append(f"{problems.gigabytes(round(result.size))}")
    if not result.fits:
        assert result.free is not None
        parts[-1] += _(", and {gigabytes} are free").format(gigabytes=problems.gigabytes(result.free))
    if result.unread:
        parts.append(
            ngettext("{unread:,} not measured yet", "{unread:,} not measured yet", result.unread).format(
                unread=result.unread
            )
        )
    return " · ".join(parts)
