"""How LR pictures are made from HR ones. numpy only, and every random choice comes from the generator handed in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.evaluate.resampling import resize, to_uint8

Degradation = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
"""(H x W x 3 uint8 RGB, scale that divides H and W, random generator) to H/scale x W/scale x 3 uint8."""


def bicubic(hr: np.ndarray, scale: int, random: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    """Clean antialiased bicubic reduction: what the benchmarks use."""
    return to_uint8(resize(hr, hr.shape[0] // scale, hr.shape[1] // scale))


DEGRADATIONS: dict[str, Degradation] = {"bicubic": bicubic}
"""What `data.degradation` in a recipe may say."""
