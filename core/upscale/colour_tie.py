"""Colours of a result tied to its source: what the two differ by at low frequencies is added back. Plain.

A network may tint what it enlarges, flat colours and one-pixel patterns above all, which it has hardly seen in
training. Back projection (Irani and Peleg 1991) would mend that, and bring back the noise and blocks that were cleaned
away. Here only what a Gaussian of a few source pixels leaves of the difference is added, which holds neither.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

RADIUS = 6.0
"""Standard deviation of the Gaussian, in pixels of the source."""
REACH = 48
"""Pixels of the source around a region that may change its correction: four deviations, and the further passes."""
CELL = 2
"""Source pixels a side over which both pictures are averaged first; a whole number keeps one-pixel patterns even."""
GROSS = 8.0
"""Levels of 255: a larger correction means that the colour was simply wrong, and may have spilled over its edges."""
MISSED = 1.0
"""Levels of 255: what may still be missing where a correction was gross, or where black and white cut it off. Where it
is more, the rest is added too, more finely."""
MOST_PASSES = 8
_EAGER = 1.5
"""How much more than what is missing is added in further passes, as a part of it will be cut off again."""
_STRIP = 1 << 17
"""Samples that are worked on at once."""
_BAND = 16
"""Cells in a row that are worked on at once."""
_PRODUCT = 1 << 18
"""Multiplications of a product of matrices. OpenBLAS takes threads for larger ones, and those wait so busily that a
network, whose own threads begin meanwhile, takes half as long again."""


def tie_colours(
    result: np.ndarray, source: np.ndarray, radius: float = RADIUS, out: np.ndarray | None = None
) -> np.ndarray:
    """Give a result the colours of its source, as seen from afar, and leave its detail alone.

    Args:
        result: H' x W' x C, of any size; uint8, uint16 or float in 0..1.
        source: H x W x C or H x W x 1, of any of these types. Where it is transparent, its colours should be those of
            what is near (`bleed_colour`).
        radius: below which nothing is taken from the source, in its pixels; larger for one with coarse noise.
        out: where to put the tied result, of the result's shape and type; the result itself saves memory.

    Returns:
        `out`, or a new array. Values stay in their range.

    Raises:
        ValueError: the channels differ, or an array holds nothing.
    """
    if result.ndim != 3 or source.ndim != 3 or source.shape[2] not in (1, result.shape[2]):
        raise ValueError(f"colours of {source.shape} cannot be given to {result.shape}")
    if not result.size or not source.size:
        raise ValueError("a picture without pixels has no colours")
    if out is None:
        out = np.empty_like(result)
    # Compared at the smaller of both sizes, should the result have been reduced.
    small = (min(result.shape[0], source.shape[0]), min(result.shape[1], source.shape[1]))
    cells = (max(1, round(small[0] / CELL)), max(1, round(small[1] / CELL)))
    wanted = _means(source, cells)
    sigma = radius * cells[0] / source.shape[0], radius * cells[1] / source.shape[1]
    correction = _smooth(wanted - _means(result, cells), sigma)
    cut_off = _add(result, correction, out)
    if max(cut_off / MISSED, float(np.abs(correction).max()) * 255 / GROSS) > 1:
        _add_missed(out, wanted, sigma)
    return out


def _add_missed(pixels: np.ndarray, wanted: np.ndarray, sigma: tuple[float, float]) -> None:
    """Bring `pixels` nearer to the wanted means of cells where they are far off, and leave all others alone."""
    before = np.inf
    for number in range(2, MOST_PASSES + 2):
        lacking = wanted - _means(pixels, wanted.shape[:2])
        missed = np.abs(_smooth(lacking, sigma)).max(2, keepdims=True) * (255 / MISSED)
        # What hardly gets less cannot be had: all that could be added is white already.
        if missed.max() < 1 or missed.max() > 0.9 * before:
            break
        before = float(missed.max())
        where = _EAGER * np.clip(2 * missed - 1, 0, 1)
        _add(pixels, where * _smooth(lacking, (sigma[0] / number, sigma[1] / number)), pixels)


def _top(dtype: np.dtype) -> float:
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0


def _means(pixels: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """Mean colours over a grid of equal cells, rows x columns x C float32 in 0..1."""
    height, width, channels = pixels.shape
    means = np.empty((*cells, channels), np.float32)
    rows = _rows_at_once(pixels, cells[0])
    across = [_shares(width, cells[1], first, _BAND) for first in range(0, cells[1], _BAND)]
    for first in range(0, cells[0], rows):
        start, down = _shares(height, cells[0], first, rows)
        strip = pixels[start : start + down.shape[1]].reshape(down.shape[1], -1).astype(np.float32)
        # Products of matrices, as sums over a few neighbours each are slow in numpy.
        lowered = _product(down, strip).reshape(len(down), width, channels).transpose(0, 2, 1)
        planes = np.ascontiguousarray(lowered).reshape(-1, width)
        for number, (left, parts) in enumerate(across):
            column = number * _BAND
            block = planes[:, left : left + parts.shape[1]] @ parts.T
            block = block.reshape(len(down), channels, len(parts)).transpose(0, 2, 1)
            means[first : first + len(down), column : column + len(parts)] = block
    means *= np.float32(1 / _top(pixels.dtype))
    return means


def _rows_at_once(pixels: np.ndarray, cells: int) -> int:
    """Rows of cells whose pixels are multiplied at once; the more there are, the more of the factors are zeros."""
    a_row = pixels.size / cells
    return max(1, min(_BAND, round(_STRIP / a_row), int((_PRODUCT / a_row) ** 0.5)))


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """`left @ right`, in parts that OpenBLAS does on this thread."""
    columns = max(1, _PRODUCT // left.size)
    made = np.empty((len(left), right.shape[1]), np.float32)
    for first in range(0, right.shape[1], columns):
        np.matmul(left, right[:, first : first + columns], out=made[:, first : first + columns])
    return made


@lru_cache(256)
def _shares(size: int, cells: int, first: int, count: int) -> tuple[int, np.ndarray]:
    """Where the pixels of some cells in a row begin, and what share of a cell each is: at most `count` x pixels."""
    edges = np.arange(first, min(first + count, cells) + 1) * (size / cells)
    start, stop = int(edges[0]), min(size, int(np.ceil(edges[-1])))
    pixels = np.arange(start, stop)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares = covered.clip(0, 1)
    return start, (shares / shares.sum(1, keepdims=True)).astype(np.float32)


def _smooth(grid: np.ndarray, sigma: tuple[float, float]) -> np.ndarray:
    """Convolve rows x columns x C with a Gaussian; what lies outside has no weight."""
    for axis in (0, 1):
        size = grid.shape[axis]
        reach = min(int(np.ceil(3 * sigma[axis])), size - 1)
        if reach < 1:
            continue
        total = np.zeros_like(grid)
        weight = np.zeros((size, 1, 1) if axis == 0 else (1, size, 1), np.float32)
        for shift in range(-reach, reach + 1):
            tap = np.float32(np.exp(-0.5 * (shift / sigma[axis]) ** 2))
            to = (slice(None),) * axis + (slice(max(0, -shift), size - max(0, shift)),)
            come = (slice(None),) * axis + (slice(max(0, shift), size - max(0, -shift)),)
            total[to] += tap * grid[come]
            weight[to] += tap
        grid = total / weight
    return grid


def _add(pixels: np.ndarray, correction: np.ndarray, out: np.ndarray) -> float:
    """Write `pixels` plus a coarse correction (rows x columns x C, in 0..1), enlarged bilinearly, to `out`.

    Returns:
        The most by which a value went out of its range, in levels of 255.
    """
    height, width, channels = pixels.shape
    top = np.float32(_top(pixels.dtype))
    whole = np.issubdtype(pixels.dtype, np.integer)
    cut_off = 0.0
    # One long row of samples: numpy is slow at many short ones.
    channel = np.arange(channels)
    left, right, across = _between(width, correction.shape[1])
    left, right = ((side[:, None] * channels + channel).ravel() for side in (left, right))
    across = np.repeat(across, channels)
    correction = correction.reshape(len(correction), -1) * top
    is_far = np.abs(correction).max(1) * 255 > MISSED * top
    above, below, down = _between(height, correction.shape[0])
    # Rounded by cutting off, once it is in range.
    half = np.float32(0.5 if whole else 0)
    band = _rows_at_once(pixels, len(correction))
    for low in range(0, len(correction), band):
        # Rows of pixels between these rows of cells and the next.
        first, last = np.searchsorted(above, (low, low + band))
        high = int(below[last - 1]) if last > first else low
        if last == first or (out is pixels and not correction[low : high + 1].any()):
            continue
        wide = np.take(correction[low : high + 1], left, 1)
        wide += (np.take(correction[low : high + 1], right, 1) - wide) * across
        wide += half
        weights = np.zeros((last - first, high + 1 - low), np.float32)
        at = np.arange(last - first)
        weights[at, above[first:last] - low] = 1 - down[first:last]
        weights[at, below[first:last] - low] += down[first:last]
        rows = _product(weights, wide)
        rows += pixels[first:last].reshape(last - first, -1)
        if is_far[low : high + 1].any():
            cut_off = max(cut_off, float(rows.max() - top), float(-rows.min()))
        out[first:last] = np.clip(rows, 0, top, out=rows).reshape(last - first, width, channels)
    return cut_off * 255 / float(top)


def _between(size: int, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cells whose middles each of `size` pixels lies between, and how far it is from the first to the second."""
    at = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, cells - 1)
    low = np.minimum(at.astype(np.int64), max(cells - 2, 0))
    return low, np.minimum(low + 1, cells - 1), (at - low).astype(np.float32)
