"""What suits a picture: model, clean-up and detail by what it has been through. Plain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.images.wear import BLURRED, COLOUR_NOISE, COMPRESSED, GRAIN, Kind, WearEstimate
from core.language import gettext as _
from core.models.catalogue import DEFAULT_MODEL

POLICY_VERSION = 3
"""Goes up when the same pictures begin to be given other settings, so that old results are not taken for new ones."""

BY_NOISE = ((GRAIN, 0), (5, 100))
"""Levels of luma noise, and the clean-up that they take, in percent; in between, in between. Clean-up begins where wear
is named: nothing is cleaned that is called clean.

All four are steep. Of sixteen held-out pictures, clean and worn in five ways, few were nearest to their originals by
ST-LPIPS when they were half cleaned (docs/training-log.md).
"""
BY_CHROMA_NOISE = ((COLOUR_NOISE, 0), (7, 100))
BY_QUALITY = ((80, 100), (COMPRESSED, 0))
BY_BLUR = ((BLURRED, 0), (0.5, 100))
"""Pixels of blur."""
FOR_INTERLACED = 60
FOR_HALFTONE = 80
LEAST_CLEAN_UP = 10
"""Percent under which a picture counts as clean."""
STEP = 10
"""Percent that clean-up is rounded to: the estimate is no finer."""

DETAIL: dict[Kind, int] = {"photograph": 100, "drawing": 20, "text": 0}
"""Percent; invented texture suits skin and leaves, not flat colours and letters."""


@dataclass(frozen=True, slots=True)
class AutomaticChoice:
    """Settings for one picture."""

    model: str
    """A key of the catalogue."""
    clean_up: int
    """Percent: 0 leaves wear alone, 100 takes all away."""
    detail: int
    """Percent of invented texture."""
    reason: str
    """In plain words, for the picture's row: `grain, JPEG about 55: clean-up 70 %`."""


def choose(estimate: WearEstimate) -> AutomaticChoice:
    """Choose by the worst of a picture's faults: clean-up for one takes the others away too."""
    needs = [
        _between(estimate.noise, BY_NOISE),
        _between(estimate.chroma_noise, BY_CHROMA_NOISE),
        _between(estimate.blur, BY_BLUR),
        FOR_INTERLACED * estimate.interlaced,
        FOR_HALFTONE * estimate.halftone,
    ]
    if estimate.jpeg_quality is not None:
        needs.append(_between(estimate.jpeg_quality, BY_QUALITY))
    clean_up = STEP * round(max(needs) / STEP)
    detail = DETAIL[estimate.kind]
    if clean_up < LEAST_CLEAN_UP:
        return AutomaticChoice(
            DEFAULT_MODEL, 0, detail, _("{estimate}: detail {detail} %").format(estimate=estimate, detail=detail)
        )
    return AutomaticChoice(
        DEFAULT_MODEL,
        clean_up,
        detail,
        _("{estimate}: clean-up {clean_up} %").format(estimate=estimate, clean_up=clean_up),
    )


def _between(value: float, points: tuple[tuple[float, float], ...]) -> float:
    return float(np.interp(value, [at for at, _ in points], [percent for _, percent in points]))
