"""Numbers that are no picture values (measurements, slices, HDR floats) as 16-bit pixels, and back."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import archives
from core.images.refusal import UnreadableError
from core.language import gettext as _

_BELOW, _ABOVE = -0.125, 1.25
"""Floats between these were meant to be 0 to 1: filters and colour conversions overshoot by so much."""
_TOP = 65535


@dataclass(frozen=True, slots=True)
class Scale:
    """How a file's numbers became pixels of 16 bits."""

    low: float
    """The number that is 0."""
    high: float
    """The number that is 65,535."""
    dtype: str
    """The file's own type, as numpy names it."""
    no_data: float | None = None
    """What stands for no number in the file, beside NaN; its pixels are transparent."""

    def pixels(self, numbers: np.ndarray) -> np.ndarray:
        """The same shape as uint16; numbers beyond the range are clipped."""
        spread = numbers.astype(np.float64)
        spread -= self.low
        spread *= _TOP / ((self.high - self.low) or 1)
        return np.rint(np.clip(np.nan_to_num(spread, nan=0.0, posinf=_TOP), 0, _TOP)).astype(np.uint16)

    def numbers(self, pixels: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
        """The inverse, in the file's own type: of H x W x C and H x W uint16; less than half opaque is no data."""
        dtype = np.dtype(self.dtype)
        numbers = self.low + pixels * ((self.high - self.low) / _TOP)
        if dtype.kind != "f":
            numbers = np.clip(np.rint(numbers), np.iinfo(dtype).min, np.iinfo(dtype).max)
        result = numbers.astype(dtype)
        if alpha is not None:
            hole = self.no_data if self.no_data is not None else float("nan")
            if dtype.kind == "f" or self.no_data is not None:
                result[alpha < _TOP // 2 + 1] = hole
        return result


def holes(samples: np.ndarray, no_data: float | None) -> np.ndarray | None:
    """Which pixels of H x W x C numbers say nothing (NaN, or `no_data` in all channels): H x W, or None for none."""
    hole = np.isnan(samples).any(axis=2) if samples.dtype.kind == "f" else np.zeros(samples.shape[:2], bool)
    if no_data is not None and _fits(no_data, samples.dtype):
        # The tag is a decimal number, and the file's own type may hold only something near it.
        with np.errstate(over="ignore"):
            hole |= (samples == np.array(no_data).astype(samples.dtype)).all(axis=2)
    return hole if hole.any() else None


def extremes(samples: np.ndarray, hole: np.ndarray | None) -> tuple[float, float] | None:
    """The least and the largest finite number of H x W x C outside of the holes; None where there is none."""
    if samples.dtype.kind != "f" and hole is None:
        return float(samples.min()), float(samples.max())
    seen = np.isfinite(samples)
    if hole is not None:
        seen &= ~hole[..., None]
    if not seen.any():
        return None
    numbers = samples[seen]
    return float(numbers.min()), float(numbers.max())


def scale_of(
    samples: np.ndarray, hole: np.ndarray | None, no_data: float | None, series: tuple[float, float] | None
) -> tuple[Scale, str]:
    """How to turn H x W x C numbers into pixels, and what to tell the user.

    Floats of about 0 to 1 are taken as that and clipped, unsigned integers keep their whole range, and everything else
    is spread from its least to its largest number, over all files of its series.
    """
    if samples.dtype.kind not in "uif":
        raise UnreadableError(
            _("holds numbers of an unusual kind ({dtype}).").format(dtype=samples.dtype),
            _("Save it again as a 16-bit TIFF."),
        )
    own = extremes(samples, hole) or (0.0, 0.0)
    low, high = (min(own[0], series[0]), max(own[1], series[1])) if series else own
    dtype = samples.dtype.newbyteorder("=").str

    def over(low: float, high: float) -> Scale:
        return Scale(low, high, dtype, no_data)

    if samples.dtype.kind == "f" and low >= _BELOW and high <= _ABOVE:
        note = _("Its floating-point values from 0 to 1 became 16-bit integers")
        beyond = _("; what lay a little beyond was clipped") if low < 0 or high > 1 else ""
        return over(0.0, 1.0), f"{note}{beyond}."
    if samples.dtype.kind == "u":
        if high <= _TOP:
            return over(0.0, float(_TOP)), _("Its integers of {itemsize} bits all fit into 16.").format(
                itemsize=8 * samples.dtype.itemsize
            )
        top = float(np.iinfo(samples.dtype).max)
        return over(0.0, top), _("The whole range of its {itemsize}-bit integers became 16 bits.").format(
            itemsize=8 * samples.dtype.itemsize
        )
    if low == high:
        # Nothing to spread: one tone, dark or light as its type has it.
        full = float(np.iinfo(samples.dtype).max) if samples.dtype.kind == "i" else max(1.0, high)
        return over(0.0, full), _("All its values are {low:g}.").format(low=low)
    whose = _("Its values, like all of its series,") if series else _("Its values")
    return over(low, high), _("{whose} from {low:g} to {high:g} were spread over 16 bits.").format(
        whose=whose, low=low, high=high
    )


def _fits(number: float, dtype: np.dtype) -> bool:
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return number == int(number) and limits.min <= number <= limits.max if np.isfinite(number) else False


Kind = tuple[str, int]
"""Type of numbers and channels a pixel: files of one series have these alike."""

Survey = Callable[[Path], tuple[Kind, tuple[float, float] | None] | None]
"""What kind of numbers a file holds, and their extremes; None where it holds no such numbers."""

_MOST_KNOWN = 20_000
_known: dict[tuple[Path, int, int], tuple[Kind, tuple[float, float] | None] | None] = {}
_lock = threading.Lock()


def range_of_series(
    path: Path, kind: Kind, survey: Survey, check: Callable[[], None] = lambda: None, *, several: bool = False
) -> tuple[float, float] | None:
    """The extremes of the other files beside `path` whose names differ in digits alone, and with `several` of all pages
    of `path` itself; None where there are none.

    Slices of one volume and tiles of one map only fit together if one number has one tone in all of them. Each file is
    read once, as long as it stays what it is; `check` is called before each, to raise where nobody wants the rest.
    """
    pattern = _pattern(path.name)
    extremes = []
    for other in sorted(archives.siblings(path)) if "#" in pattern else (path,):
        is_other = other.name != path.name
        if _pattern(other.name) == pattern and (is_other or several):
            check()
            found = _surveyed(other, survey)
            if found is not None and found[0] == kind and found[1] is not None:
                extremes.append(found[1])
    if not extremes:
        return None
    return min(low for low, _ in extremes), max(high for _, high in extremes)


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _surveyed(path: Path, survey: Survey) -> tuple[Kind, tuple[float, float] | None] | None:
    stamp = archives.stamp_of(path)
    if stamp is None:
        return None
    key = (path, *stamp)
    with _lock:
        if key in _known:
            return _known[key]
    found = survey(path)
    with _lock:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = found
    return found
