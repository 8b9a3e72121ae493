"""What goes wrong in enlarged pictures, as figures: mesh, ringing, and colour that drifts.

PSNR hardly sees any of these and the eye sees all of them. Each score compares a result with the picture it should have
become, so that texture which is really there does not count; 0 is a result without the fault.
"""

from __future__ import annotations

import numpy as np

from core.contract.evaluate import Artefacts
from core.evaluate.metrics import luma
from core.evaluate.resampling import resize

TILE = 64
"""Side of the windows whose spectra are averaged."""
GRID = 8
"""Pixels: the longest period of a mesh that is looked for. Networks draw them at the strides of their own layers and of
the content network's: 2, 4 and 8."""
AROUND = 3
"""Spectrum bins each way that a peak is compared with."""
FAINTEST = 0.5
"""Levels: an error with less than this root mean square is rounding, and is not blown up to the size of others."""
EDGE = 64.0
"""Levels by which luma differs within `NEAR` pixels at what is called an edge."""
NEAR = 4
"""Pixels: how far from an edge ringing is looked for."""
BLOCK = 16
"""Side of the blocks whose mean colours are compared."""


def artefacts(original: np.ndarray, result: np.ndarray) -> Artefacts:
    """Measure a result against the picture it should have become.

    Args:
        original: H x W x 3 uint8 RGB, at least 64 pixels a side for a mesh to be seen (0 below).
        result: the same size.

    Raises:
        ValueError: the sizes differ.
    """
    if original.shape != result.shape:
        raise ValueError(f"pictures of {original.shape} and {result.shape} cannot be compared")
    true, made = luma(original), luma(result)
    return Artefacts(mesh(made - true), _ringing(true, made), _colour_shift(original, result))


def mesh(error: np.ndarray) -> float:
    """How far the strongest peak on the grid of periods 2, 4 and 8 stands above its neighbourhood, in dB.

    The mean power spectrum of windows of the error (Welch 1967) is smooth but where a pattern repeats at the same
    period all over the picture, which no natural texture does. What lies within the spread of the estimate itself, as
    the grid's other points show it, counts as nothing.

    Args:
        error: H x W, result minus original.
    """
    height, width = error.shape
    if min(height, width) < TILE:
        return 0.0
    line = np.hanning(TILE)
    window = line[:, None] * line[None, :]
    total = np.zeros((TILE, TILE))
    for top in range(0, height - TILE + 1, TILE // 2):
        for left in range(0, width - TILE + 1, TILE // 2):
            part = error[top : top + TILE, left : left + TILE]
            power = np.abs(np.fft.fft2((part - part.mean()) * window)) ** 2
            # Each window counts alike: the eye finds a mesh where the picture is calm, and there the error is small.
            total += power / (power.mean() + FAINTEST**2 * np.sum(window**2))
    levels = 10 * np.log10(total + 1e-6)
    step = TILE // GRID
    # The lowest row and column hold most of a natural error's energy, and no grid.
    heights = [
        _prominence(levels, y, x) for y in range(0, TILE, step) for x in range(0, TILE, step) if (y, x) != (0, 0)
    ]
    return max(0.0, float(np.max(heights) - 2 * np.std(_off_grid(levels))))


def _prominence(levels: np.ndarray, y: int, x: int) -> float:
    """A bin above the median of the ring around it, in dB."""
    # A Hann window spreads a line over its neighbours, so these are left out of the ring.
    near = [
        levels[(y + dy) % TILE, (x + dx) % TILE]
        for dy in range(-AROUND, AROUND + 1)
        for dx in range(-AROUND, AROUND + 1)
        if max(abs(dy), abs(dx)) > 1
    ]
    return float(levels[y, x] - np.median(near))


def _off_grid(levels: np.ndarray) -> list[float]:
    """Prominence half-way between the grid's points: what chance alone does."""
    step = TILE // GRID
    return [_prominence(levels, y, x) for y in range(step // 2, TILE, step) for x in range(step // 2, TILE, step)]


def _ringing(true: np.ndarray, made: np.ndarray) -> float:
    low, high = _lowest(true, NEAR), -_lowest(-true, NEAR)
    edges = high - low > EDGE
    if not edges.any():
        return 0.0
    beyond = np.maximum(made - high, 0) + np.maximum(low - made, 0)
    return float(beyond[edges].mean())


def _lowest(plane: np.ndarray, reach: int) -> np.ndarray:
    """Minimum over a square of `reach` pixels each way; outside the picture lies its border."""
    for axis in (0, 1):
        width = [(0, 0), (0, 0)]
        width[axis] = (reach, reach)
        padded = np.pad(plane, width, mode="edge")
        plane = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=axis).min(-1)
    return plane


def _colour_shift(original: np.ndarray, result: np.ndarray) -> float:
    height, width = (max(1, side // BLOCK) for side in original.shape[:2])
    difference = result.astype(np.float32) - original
    return float(np.sqrt(np.mean(resize(difference, height, width, "area") ** 2)))
