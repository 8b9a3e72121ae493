"""Traces of JPEG: in a file's quantisation tables, and in pixels that were JPEG once and are no longer called so.

A screenshot of a JPEG, or one saved as PNG, still steps at the borders of its 8 x 8 blocks, and the DCT coefficients of
those blocks still lie on multiples of the quantisation steps (Fan and de Queiroz 2003, Identification of bitmap
compression history). Planes are n x h x w float32 luma in 0..255: one picture, or patches that share one grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

BLOCK = 8
LOWEST, HIGHEST = 5, 95
"""Qualities that are told from pixels; above, rounding to whole levels hides the steps."""

_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).ravel()
"""The luma table of ITU-T T.81, annex K.1, which quality 50 of libjpeg is."""

_LINE = np.cos(np.pi / 16 * (2 * np.arange(8) + 1) * np.arange(8)[:, None]) * 0.5
_LINE[0] *= np.sqrt(0.5)
DCT = np.ascontiguousarray(np.kron(_LINE, _LINE).T.astype(np.float32))
"""64 x 64: a block's 64 pixels (a row vector) to its orthonormal DCT-II coefficients, both row by row."""

_TOLD = np.array([k for k in range(1, 64) if 1 <= k // 8 + k % 8 <= 6])
"""Low frequencies, whose coefficients are seldom zero."""
_TOLD_DCT = np.ascontiguousarray(DCT[:, _TOLD])
_HIGHEST = 256
"""Coefficients beyond are left out of the histograms: few, and multiples of everything."""
_NUMBERS = (np.arange(_TOLD.size) * (_HIGHEST + 1) + 0.5).astype(np.float32)
_QUALITIES = np.arange(LOWEST, HIGHEST + 1)
_MOST_BLOCKS = 1536
_FIT = 0.5
"""Mean cosine of the coefficients' phases, in units of a quantisation step, from which a quality counts as used: 1 is
exactly on the multiples, 0 anywhere."""
_SURE = 6.0
"""Standard deviations that this mean must lie above what chance gives."""


@dataclass(frozen=True, slots=True)
class JpegTraces:
    """What the pixels themselves say of compression."""

    quality: float | None
    """On libjpeg's scale, the lowest that was found; None where coefficients lie on no multiples."""
    fit: float
    """How well they do: 0 not at all, 1 exactly."""
    steps: tuple[float, float]
    """How much larger, in levels, differences at block borders are than elsewhere: across and down."""
    prominence: tuple[float, float]
    """How far, in deviations of the other phases, breaks at block borders stand out: across and down."""
    offset: tuple[int, int]
    """Rows and columns before the first whole block."""


def quality_of_tables(tables: Mapping[int, Sequence[int]]) -> float:
    """The quality, on libjpeg's scale of 1 to 100, whose luma table is nearest to a file's.

    Args:
        tables: as Pillow's `quantization`: 64 steps each, row by row, the luma table first.

    Raises:
        ValueError: there is no table of 64 steps.
    """
    if not tables or any(len(table) != 64 for table in tables.values()):
        raise ValueError("a quantisation table has 64 steps")
    table = np.asarray(tables[min(tables)], np.float64)
    # Steps of 1 and 255 are where libjpeg cuts off, and say nothing of the rest.
    inside = (table > 1) & (table < 255)
    if not inside.any():
        return 100.0 if table.mean() < 128 else 1.0
    percent = float(np.median(100 * table[inside] / _LUMA[inside]))
    return float(np.clip(5000 / percent if percent > 100 else (200 - percent) / 2, 1, 100))


def blocks_of(planes: np.ndarray, offset: tuple[int, int] = (0, 0)) -> np.ndarray:
    """The whole 8 x 8 blocks of n x h x w planes from `offset` (rows, columns) on: n x rows x columns x 64."""
    cut = planes[:, offset[0] :, offset[1] :]
    count, rows, columns = cut.shape[0], cut.shape[1] // BLOCK, cut.shape[2] // BLOCK
    cut = cut[:, : rows * BLOCK, : columns * BLOCK].reshape(count, rows, BLOCK, columns, BLOCK)
    return cut.transpose(0, 1, 3, 2, 4).reshape(count, rows, columns, BLOCK * BLOCK)


def find_traces(planes: np.ndarray, seen: np.ndarray | None = None) -> JpegTraces:
    """Look for a block grid at any offset, and for what the blocks were quantised by.

    Args:
        planes: n x h x w float32, at least 16 pixels a side; their origins lie on multiples of 8 in the picture.
        seen: of the same shape, False where pixels are transparent and must not count.
    """
    across, down = _profile(planes, 2), _profile(planes, 1)
    # What was cut off at black or white lies on no multiples.
    hidden = (planes < 1) | (planes > 254)
    if seen is not None:
        hidden |= ~seen
    unseen = hidden if hidden.any() else None
    # Saved whole most often, so the corner is tried as well, even where nothing points there.
    candidates = dict.fromkeys([(0, 0), *product(down.likely, across.likely)])
    best: tuple[float, float, tuple[int, int]] | None = None
    for offset in candidates:
        found = _quality(_usable(planes, unseen, offset))
        # A picture saved twice shows both grids; the coarser steps are what is to be mended.
        if found is not None and (best is None or found[0] < best[0]):
            best = (*found, offset)
    offset = best[2] if best is not None else (down.likely[0], across.likely[0])
    return JpegTraces(
        best[0] if best is not None else None,
        best[1] if best is not None else 0.0,
        (float(across.steps[offset[1]]), float(down.steps[offset[0]])),
        (float(across.prominence[offset[1]]), float(down.prominence[offset[0]])),
        offset,
    )


@dataclass(frozen=True, slots=True)
class _Profile:
    """The eight phases that a grid may have along one axis."""

    steps: np.ndarray
    prominence: np.ndarray

    @property
    def likely(self) -> list[int]:
        """The two phases that stand out most."""
        return [int(phase) for phase in np.argsort(-self.prominence)[:2]]


def _profile(planes: np.ndarray, axis: int) -> _Profile:
    if axis == 1:
        planes = planes.transpose(0, 2, 1)
    # Some of the lines are plenty, and those apart are less alike than neighbours.
    lines = planes[:, :: 1 if planes.size < 1 << 15 else 3]
    step = np.diff(np.ascontiguousarray(lines), axis=2)
    size = np.abs(step)
    # A border breaks what goes on evenly on both of its sides; where much goes on anyway it tells less.
    broken = np.abs(step[..., 2:-2] - (step[..., 1:-3] + step[..., 3:-1]) * 0.5)
    around = size[..., 1:-3] + size[..., 3:-1]
    excess = np.clip(size[..., 2:-2] - around * 0.5, -12, 12)
    around += size[..., :-4]
    around += size[..., 4:]
    broken /= 1 + around * 0.25
    np.tanh(broken, out=broken)
    # At index i lies the step between pixels i + 2 and i + 3, so the block that follows begins at i + 3.
    phases = (np.arange(broken.shape[2]) + 3) % BLOCK
    columns = np.maximum(np.bincount(phases, minlength=BLOCK), 1)
    mean, share = (np.bincount(phases, values.mean((0, 1)), BLOCK) / columns for values in (excess, broken))
    spread = np.sort(np.abs(share - np.median(share)))[5] + 1e-3
    others = (share.sum() - share) / (BLOCK - 1)
    return _Profile(mean - (mean.sum() - mean) / (BLOCK - 1), (share - others) / spread)


def _usable(planes: np.ndarray, hidden: np.ndarray | None, offset: tuple[int, int]) -> np.ndarray:
    """Blocks, N x 64, whose pixels are all as they were decoded."""
    blocks = blocks_of(planes, offset).reshape(-1, BLOCK * BLOCK)
    # An odd stride walks over all rows and columns.
    stride = len(blocks) // _MOST_BLOCKS
    chosen = slice(None, None, stride + 1 - stride % 2)
    if hidden is None:
        return blocks[chosen]
    return blocks[chosen][~blocks_of(hidden, offset).reshape(-1, BLOCK * BLOCK)[chosen].any(1)]


def _steps_of(qualities: np.ndarray) -> np.ndarray:
    """Quantisation steps (quality x coefficient) as libjpeg scales its luma table."""
    scale = np.where(qualities < 50, 5000 // np.maximum(qualities, 1), 200 - 2 * qualities)
    return np.clip((_LUMA[_TOLD] * scale[:, None] + 50) // 100, 1, 255)


_USED, _ROWS = np.unique(_steps_of(_QUALITIES), return_inverse=True)
"""All steps that occur, and which of them each quality (row) has for each coefficient (column)."""
_SIZES = np.arange(_HIGHEST)
_COUNTED = (_USED[:, None] < 2 * _SIZES).astype(np.float32)
"""Steps x sizes of coefficients: whether they are not rounded to zero."""
_COMB = (np.cos(2 * np.pi * _SIZES / _USED[:, None]) * _COUNTED).astype(np.float32)


def _quality(blocks: np.ndarray) -> tuple[float, float] | None:
    """Quality and fit of the coarsest steps that the coefficients of N x 64 blocks lie on."""
    if len(blocks) < 8:
        return None
    sizes = np.abs(blocks @ _TOLD_DCT)
    np.minimum(sizes, _HIGHEST, out=sizes)
    # Rounded by cutting off, and numbered by coefficient.
    sizes += _NUMBERS
    counts = np.bincount(sizes.astype(np.int32).ravel(), minlength=_TOLD.size * (_HIGHEST + 1)).reshape(_TOLD.size, -1)
    counts = counts[:, :_HIGHEST].astype(np.float32)
    column = np.arange(_TOLD.size)
    fits = (_COMB @ counts.T)[_ROWS, column].sum(1)
    weights = (_COUNTED @ counts.T)[_ROWS, column].sum(1)
    fit = fits / np.maximum(weights, 1)
    sure = fit * np.sqrt(2 * weights)
    peak = np.ones(len(fit), bool)
    for shift in (1, 2, 3):
        peak[shift:] &= fit[shift:] >= fit[:-shift]
        peak[:-shift] &= fit[:-shift] >= fit[shift:]
    # The end of the scale is a peak only of what lies beyond it, which is as good as no compression.
    peak[-1] = False
    found = np.flatnonzero(peak & (fit > _FIT) & (sure > _SURE))
    return (float(_QUALITIES[found[0]]), float(fit[found[0]])) if found.size else None
