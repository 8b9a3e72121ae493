"""What is measured of a picture before its wear is judged: spectra of calm blocks, edges, block borders, colours.

Every figure is a mean or a quantile, so that pictures of all sizes can be compared, and none takes more than
`MOST_PIXELS` into account: a large picture is looked at in patches that are spread over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.images.bleed import bleed_colour
from core.images.jpeg_traces import BLOCK, DCT, JpegTraces, blocks_of, find_traces

PATCH = 64
"""Side of a patch, in pixels; a multiple of 16, so that the grids of all patches agree."""
GRID = 8
"""Patches across and down."""
MOST_PIXELS = GRID * GRID * PATCH * PATCH
"""Pictures up to this size are looked at whole."""
LEAST_SIDE = 16
"""Below, nothing can be measured."""

_SEED = 20151
_BANDS = np.zeros((BLOCK * BLOCK, 5), np.float32)
_BAND_OF = np.array([-1, 0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4])
for _k in range(1, BLOCK * BLOCK):
    _BANDS[_k, _BAND_OF[_k // BLOCK + _k % BLOCK]] = 1
_COUNTS = _BANDS.sum(0)
_BANDS /= _COUNTS
_SHARES = (0.06, 0.12, 0.25, 0.5, 1.0)
"""Shares of the blocks, the calmest first."""
_CALM = 0.12
"""The share of them whose deviation is given: few enough to be calm, and enough for a mean in small pictures."""
_MOST_BLOCKS = 6144
_MOST_COLOURS = 1 << 15
"""Pixels whose colours are counted."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """What is measured of one picture."""

    values: np.ndarray
    """Float32, in an order that is always the same."""
    jpeg: JpegTraces
    deviation: float
    """Standard deviation of luma within the calmest blocks, in levels: what is noise in a picture is a share of it."""
    chroma_deviation: float
    """The same of both colour differences, at half the size."""
    combed: float
    """How much more neighbouring rows differ than every other row does; 1 is alike."""
    dotted: float
    """How far the strongest peak of the spectrum at the periods of a printing screen stands out, in dB."""


def measure(pixels: np.ndarray, alpha: np.ndarray | None) -> Measurements | None:
    """Measure H x W x C uint8 or uint16; None where too little is there, or nothing is opaque."""
    planes = _planes(pixels, alpha)
    if planes is None:
        return None
    (luma, blue, red), seen = planes
    jpeg = find_traces(luma, seen)
    half = _halved(luma)
    seen_half = None if seen is None else _halved(seen.astype(np.float32)) > 0.99
    named = dict(_jpeg(jpeg))
    fine, deviation = _spectra("y", (luma,), seen, jpeg.offset)
    named |= fine
    coarse, _ = _spectra("half", (half,), seen_half, (0, 0))
    named |= coarse
    colour, chroma_deviation = _spectra("c", (_halved(blue), _halved(red)), seen_half, (0, 0))
    named |= colour
    named |= dict(_residues(luma, blue, red))
    named |= dict(_components("y", luma))
    named |= dict(_components("half", half))
    named |= dict(_coherence("y", luma))
    named |= dict(_coherence("half", half))
    named |= dict(_edges(luma))
    named |= dict(_colours(luma, blue, red, seen))
    values = np.array(list(named.values()), np.float32)
    return Measurements(values, jpeg, deviation, chroma_deviation, _combed(luma), _dotted(luma))


def _planes(
    pixels: np.ndarray, alpha: np.ndarray | None
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray | None] | None:
    """Luma and colour differences, n x h x w float32 each, and which of their pixels are opaque (None: all)."""
    height, width = pixels.shape[:2]
    if min(height, width) < LEAST_SIDE:
        return None
    windows = list(_windows(height, width))
    parts = np.stack([pixels[window] for window in windows])
    seen = None
    if alpha is not None:
        opaque = np.stack([alpha[window] for window in windows])
        if not opaque.all():
            seen = opaque > np.iinfo(alpha.dtype).max // 2
            kept = seen.mean((1, 2)) > 0.05
            if not kept.any():
                return None
            parts, seen, opaque = parts[kept], seen[kept], opaque[kept]
            parts = np.stack([bleed_colour(part, weight) for part, weight in zip(parts, opaque, strict=True)])
    channels = [parts[..., channel].astype(np.float32) for channel in range(parts.shape[3])]
    if pixels.dtype == np.uint16:
        channels = [channel / np.float32(257) for channel in channels]
    if len(channels) == 1:
        nothing = np.zeros_like(channels[0])
        return (channels[0], nothing, nothing), seen
    return _ycbcr(*channels), seen


def _windows(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """The whole of a small picture; of a large one a patch at random in each cell of a grid."""
    if height * width <= MOST_PIXELS:
        yield slice(None), slice(None)
        return
    # A picture less than a patch high has fewer, longer cells.
    tall, wide = min(PATCH, height - height % BLOCK), min(PATCH, width - width % BLOCK)
    down = min(GRID, height // tall)
    across = min(MOST_PIXELS // (tall * wide * down), width // wide)
    down = min(MOST_PIXELS // (tall * wide * across), height // tall)
    random = np.random.default_rng(_SEED)
    tops, lefts = np.linspace(0, height, down + 1), np.linspace(0, width, across + 1)
    for row in range(down):
        for column in range(across):
            y, x = random.random(2)
            top = _start(tops[row], tops[row + 1] - tall, y, height - tall)
            left = _start(lefts[column], lefts[column + 1] - wide, x, width - wide)
            yield slice(top, top + tall), slice(left, left + wide)


def _start(low: float, high: float, share: float, most: int) -> int:
    """A multiple of 16, as blocks of subsampled colour are that large."""
    at = int(low + share * max(high - low, 0)) // 16 * 16
    return min(at, most // 16 * 16)


def _ycbcr(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ITU-T T.871's luma and colour differences, these around 0."""
    luma = red * np.float32(0.299)
    luma += green * np.float32(0.587)
    luma += blue * np.float32(0.114)
    return luma, (blue - luma) * np.float32(0.564), (red - luma) * np.float32(0.713)


def _halved(planes: np.ndarray) -> np.ndarray:
    height, width = planes.shape[1] // 2 * 2, planes.shape[2] // 2 * 2
    rows = planes[:, 0:height:2] + planes[:, 1:height:2]
    return (rows[..., 0:width:2] + rows[..., 1:width:2]) * np.float32(0.25)


def _log(value: float | np.ndarray) -> np.ndarray:
    return np.log1p(np.maximum(value, 0))


def _jpeg(traces: JpegTraces) -> Iterator[tuple[str, float]]:
    yield "jpeg quality", 1.0 if traces.quality is None else traces.quality / 100
    yield "jpeg fit", traces.fit
    yield "steps", float(np.sign(sum(traces.steps)) * _log(abs(sum(traces.steps))))
    yield "least steps", float(np.sign(min(traces.steps)) * _log(abs(min(traces.steps))))
    yield "prominence", float(_log(min(traces.prominence)))
    yield "other prominence", float(_log(max(traces.prominence)))


def _spectra(
    name: str, planes: tuple[np.ndarray, ...], seen: np.ndarray | None, offset: tuple[int, int]
) -> tuple[dict[str, float], float]:
    """Root mean square of the DCT coefficients of blocks in five bands, low to high, for the calmest few to all.

    Noise is everywhere and texture is not: what the calmest blocks hold is an upper bound of noise, and the shape of
    their spectrum tells white noise from grain, and both from what a codec left of them.
    """
    blocks = np.stack([blocks_of(plane, offset) for plane in planes])
    blocks = blocks.reshape(len(planes), -1, BLOCK * BLOCK)
    good = np.ones(blocks.shape[1], bool)
    if seen is not None:
        good = np.asarray(blocks_of(seen, offset).reshape(-1, BLOCK * BLOCK).all(1))
    if len(planes) == 1:
        # Black and white cut noise off.
        inside = good & (blocks[0].min(1) > 0.5) & (blocks[0].max(1) < 254.5)
        if np.count_nonzero(inside) >= 8:
            good = inside
    blocks = blocks[:, good]
    if blocks.shape[1] > _MOST_BLOCKS:
        stride = blocks.shape[1] // _MOST_BLOCKS + 1
        blocks = blocks[:, :: stride + 1 - stride % 2]
    if blocks.shape[1] == 0:
        blocks = np.zeros((len(planes), 1, BLOCK * BLOCK), np.float32)
    powers = np.square(blocks @ DCT)
    energies = (powers @ _BANDS).mean(0)
    # Chosen by what is low, so that the high bands of the chosen are not the quietest by choice.
    order = np.argsort(energies[:, 0] + energies[:, 1])
    running = np.cumsum(energies[order], axis=0, dtype=np.float64)
    figures: dict[str, float] = {}
    deviation = 0.0
    for share in _SHARES:
        count = max(1, round(share * len(order)))
        mean = running[count - 1] / count
        for band, value in enumerate(_log(np.sqrt(mean))):
            figures[f"{name} {share:.0%} band {band}"] = float(value)
        if share == _CALM:
            deviation = float(np.sqrt((mean * _COUNTS).sum()) / BLOCK)
    if len(planes) == 1:
        # Noise is Gaussian; edges and texture are far more where they are than elsewhere.
        peaks = (np.square(powers[0]) @ _BANDS).mean(0) / (np.square(energies.mean(0)) + 1)
        for band, value in enumerate(_log(peaks)):
            figures[f"{name} kurtosis {band}"] = float(value)
    figures[f"{name} flat"] = float((energies[:, :2].max(1) < 0.3).mean())
    # The calmest by the high bands: where nothing is chosen by what is low, correlated noise shows less.
    for share in (0.1, 0.5):
        kept = np.partition(energies, int(share * (len(order) - 1)), axis=0)[int(share * (len(order) - 1))]
        for band, value in enumerate(_log(np.sqrt(kept))):
            figures[f"{name} quantile {share:.0%} band {band}"] = float(value)
    return figures, deviation


def _components(name: str, plane: np.ndarray) -> Iterator[tuple[str, float]]:
    """Deviations along the quietest principal components of 5 x 5 pixels, where texture hardly reaches (Chen 2015)."""
    side = 5
    patches = np.lib.stride_tricks.sliding_window_view(plane, (side, side), (1, 2))
    area = patches.shape[1] * patches.shape[2]
    # Steps without a common divisor with a block's side, so that all places in it are met.
    step = next(step for step in (1, 3, 5, 7, 9, 11, 13, 101) if patches.shape[0] * area // step**2 < 5000)
    points = patches[:, ::step, ::step].reshape(-1, side * side)
    points = points - points.mean(0)
    found = np.linalg.eigvalsh(points.T @ points / max(1, len(points) - 1))
    for rank in (0, 3, 7, 12):
        yield f"{name} component {rank}", float(_log(np.sqrt(max(float(found[rank]), 0.0))))


def _coherence(name: str, plane: np.ndarray) -> Iterator[tuple[str, float]]:
    """How far gradients agree in direction within blocks of 8 x 8: edges do, and noise, however coarse, does not."""
    height, width = ((side - 1) // BLOCK * BLOCK for side in plane.shape[1:])
    across = plane[:, :height, 1 : width + 1] - plane[:, :height, :width]
    down = plane[:, 1 : height + 1, :width] - plane[:, :height, :width]

    def summed(values: np.ndarray) -> np.ndarray:
        rows = values.reshape(len(values), height // BLOCK, BLOCK, width).sum(2)
        return rows.reshape(len(values), height // BLOCK, width // BLOCK, BLOCK).sum(3).ravel()

    xx, yy, xy = summed(across * across), summed(down * down), summed(across * down)
    coherence = np.sqrt((xx - yy) ** 2 + 4 * xy * xy) / (xx + yy + BLOCK * BLOCK)
    order = np.sort(coherence)
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        yield f"{name} coherence {share:.0%}", float(order[int(share * (order.size - 1))]) if order.size else 0.0
    yield f"{name} weighted coherence", float((coherence * (xx + yy)).sum() / max(float((xx + yy).sum()), 1e-6))


def _residues(luma: np.ndarray, blue: np.ndarray, red: np.ndarray) -> Iterator[tuple[str, float]]:
    """Medians of the finest diagonal detail (Donoho and Johnstone 1994), and how alike neighbours in it are."""
    for name, plane in (("y", luma), ("cb", blue), ("cr", red)):
        height, width = plane.shape[1] // 2 * 2, plane.shape[2] // 2 * 2
        rows = plane[:, 0:height:2] - plane[:, 1:height:2]
        diagonal = (rows[..., 0:width:2] - rows[..., 1:width:2]).ravel()
        diagonal = np.abs(diagonal[:: max(1, diagonal.size >> 15)])
        middle = diagonal.size // 2
        yield f"{name} diagonal", float(_log(np.partition(diagonal, middle)[middle] * 0.74))
        yield f"{name} none", float((diagonal < 0.6).mean())


def _edges(luma: np.ndarray) -> Iterator[tuple[str, float]]:
    """How wide the steepest edges are: steps over 1, 3, 5 and 7 pixels around the same middle."""
    sums = np.zeros((3, 4))
    steep = np.zeros(3)
    for plane in (luma, luma.transpose(0, 2, 1)):
        lines = np.ascontiguousarray(plane[:, :: 1 if plane.size < 1 << 15 else 3])
        size = np.abs(np.diff(lines, axis=2))
        steep += [(size > level).mean() for level in (12, 40, 90)]
        middle = size[..., 3:-3]
        peak = (middle >= size[..., 2:-4]) & (middle > size[..., 4:-2]) & (middle > 2)
        at = np.flatnonzero(np.pad(peak, ((0, 0), (0, 0), (3, 4))))
        if not at.size:
            continue
        flat = lines.ravel()
        widths = [np.abs(flat[at + 1 + reach] - flat[at - reach]) for reach in range(4)]
        ranks = [at.size - max(1, int(share * at.size)) for share in (0.3, 0.1, 0.02)]
        order = np.partition(widths[2], ranks)
        for index, rank in enumerate(ranks):
            chosen = widths[2] >= max(float(order[rank]), 6.0)
            sums[index] += [width[chosen].sum() for width in widths]
    for index, steepest in enumerate(("30%", "10%", "2%")):
        ratios = np.where(sums[index, 2] > 0, sums[index] / max(float(sums[index, 2]), 1e-6), 1.0)
        for reach in (0, 1, 3):
            yield f"edge {steepest} step {2 * reach + 1}", float(ratios[reach])
    for level, part in zip((12, 40, 90), steep / 2, strict=True):
        yield f"steeper than {level}", float(np.sqrt(part))


def _colours(
    luma: np.ndarray, blue: np.ndarray, red: np.ndarray, seen: np.ndarray | None
) -> Iterator[tuple[str, float]]:
    """What tells drawings and text from photographs: few colours, of which a few are everywhere."""
    grey, cool, warm = (plane if seen is None else plane[seen] for plane in (luma, blue, red))
    grey, cool, warm = grey.ravel(), cool.ravel(), warm.ravel()
    stride = max(1, grey.size // _MOST_COLOURS)
    stride += 1 - stride % 2
    grey, cool, warm = grey[::stride], cool[::stride], warm[::stride]
    levels = np.clip(grey + 0.5, 0, 255).astype(np.int64)
    histogram = np.bincount(levels, minlength=256) / grey.size
    wide = histogram.reshape(64, 4).sum(1)
    order = np.sort(wide)[::-1]
    yield "top tone", float(order[0])
    yield "top 4 tones", float(order[:4].sum())
    yield "top 16 tones", float(order[:16].sum())
    yield "single levels", float(np.sort(histogram)[::-1][:8].sum())
    yield "empty levels", float((histogram == 0).mean())
    yield "white", float(histogram[240:].sum())
    yield "black", float(histogram[:16].sum())
    used = wide[wide > 0]
    yield "tone entropy", float(-(used * np.log2(used)).sum() / 6)
    # Otsu's criterion: which part of the variance two tones would explain.
    share = np.cumsum(histogram)
    moment = np.cumsum(histogram * np.arange(256))
    inside = (share > 1e-6) & (share < 1 - 1e-6)
    between = np.zeros(256)
    between[inside] = (moment[-1] * share[inside] - moment[inside]) ** 2 / (share[inside] * (1 - share[inside]))
    variance = float((histogram * (np.arange(256) - moment[-1]) ** 2).sum())
    yield "two tones", float(between.max() / variance) if variance > 1 else 0.0
    yield "contrast", float(_log(np.sqrt(variance)))
    cells = (np.clip(plane + 128.5, 0, 255).astype(np.int64) >> 3 for plane in (cool, warm))
    keys = (levels >> 3 << 10) + (next(cells) << 5) + next(cells)
    counts = np.bincount(keys)
    counts = np.sort(counts[counts > 0])[::-1] / keys.size
    yield "top colour", float(counts[0])
    yield "top 8 colours", float(counts[:8].sum())
    yield "top 64 colours", float(counts[:64].sum())
    strength = np.abs(cool) + np.abs(warm)
    yield "saturation", float(_log(strength.mean()))
    yield "grey", float((strength < 4).mean())
    yield "brightness", float(moment[-1] / 255)


def _combed(luma: np.ndarray) -> float:
    """Rows of the other field lie apart, where something moved; every second row is alike."""
    if luma.shape[1] < 3:
        return 1.0
    # A column in four shows it.
    luma = luma[..., ::4]
    near = np.abs(luma[:, 1:-1] - luma[:, :-2])
    far = np.abs(luma[:, 2:] - luma[:, :-2])
    # Only where the middle row stands out from both in the same direction.
    out = (luma[:, 1:-1] - luma[:, :-2]) * (luma[:, 1:-1] - luma[:, 2:]) > 0
    return float((near * out).sum() / max(float((far * out).sum()), 1e-6)) if out.any() else 1.0


def _dotted(luma: np.ndarray) -> float:
    side = 64
    count, height, width = luma.shape
    if min(height, width) < side:
        return 0.0
    windows = [
        luma[sheet, top : top + side, left : left + side]
        for sheet in range(0, count, max(1, count // 6))
        for top in range(0, height - side + 1, max(side, (height - side) // 3))
        for left in range(0, width - side + 1, max(side, (width - side) // 3))
    ][:6]
    line = np.hanning(side).astype(np.float32)
    stack = np.stack(windows)
    stack -= stack.mean((1, 2), keepdims=True)
    power = np.square(np.abs(np.fft.rfft2(stack * (line[:, None] * line))))
    power /= power.mean((1, 2), keepdims=True) + 100
    # A screen is everywhere, and a pattern only here and there.
    levels = 10 * np.log10(power + 1e-4).mean(0)
    # Periods of 2.3 to 10 pixels, off the axes, where windows and rows of text have their peaks.
    fy = np.abs(np.fft.fftfreq(side))[:, None]
    fx = np.fft.rfftfreq(side)[None, :]
    radius = np.hypot(fy, fx)
    ring = (radius > 0.1) & (radius < 0.45) & (fy > 0.04) & (fx > 0.04)
    rolled = (np.roll(levels, shift, (0, 1)) for shift in ((-4, 0), (4, 0), (0, -4), (0, 4), (-3, -3), (3, 3)))
    around = sum(rolled) / 6
    return float((levels - around)[ring].max())
