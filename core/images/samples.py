"""Samples of any depth as the pixels of a `Picture`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.language import ngettext


def whole_range(samples: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned integers of so many bits, up to 16, as uint8 or uint16 over their whole range; not always a copy."""
    if bits == 8 * samples.dtype.itemsize:
        return samples.astype(samples.dtype.newbyteorder("="), copy=not samples.flags.writeable)
    if bits > 8:
        return spread(samples, bits)
    return spread(samples, bits, 255).astype(np.uint8)


def spread(samples: np.ndarray, bits: int, full: int = 65535) -> np.ndarray:
    """Unsigned integers of so many bits, up to 16, as uint16 from 0 to `full`."""
    top = (1 << bits) - 1
    if top == full:
        return samples.astype(np.uint16)
    return ((samples.astype(np.uint32) * full + top // 2) // top).astype(np.uint16)


def told_bits(bits: int) -> int:
    """The least of 8, 10, 12 and 16 bits that hold so many."""
    return next(each for each in (8, 10, 12, 16) if bits <= each or each == 16)


def parted(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels and alpha of H x W x C samples, C = 1 to 4 (grey, grey + alpha, RGB, RGBA)."""
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.shape[2] in (1, 3):
        return np.ascontiguousarray(samples), None
    return np.ascontiguousarray(samples[..., :-1]), np.ascontiguousarray(samples[..., -1])


def unmultiplied(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Pixels (H x W x C) that were multiplied by alpha (H x W), as they were before."""
    top = int(np.iinfo(pixels.dtype).max)
    divisor = np.maximum(alpha, 1).astype(np.uint64)[..., None]
    return np.minimum((pixels.astype(np.uint64) * top + divisor // 2) // divisor, top).astype(pixels.dtype)


def note_of_channels(left_out: int) -> tuple[str, ...]:
    """What to tell where a picture has so many channels more than are taken."""
    if not left_out:
        return ()
    words = ngettext("{count} further channel was left out.", "{count} further channels were left out.", left_out)
    return (words.format(count=left_out),)


TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda array: array,
    2: lambda array: array[:, ::-1],
    3: lambda array: array[::-1, ::-1],
    4: lambda array: array[::-1],
    5: lambda array: array.swapaxes(0, 1),
    6: lambda array: np.rot90(array, -1),
    7: lambda array: array[::-1, ::-1].swapaxes(0, 1),
    8: lambda array: np.rot90(array),
}
"""From pixels as stored to upright ones, by EXIF's orientation (CIPA DC-008)."""

TURNS_BACK: dict[int, Callable[[np.ndarray], np.ndarray]] = TURNS | {6: TURNS[8], 8: TURNS[6]}
"""The inverse."""


def turns_sides(orientation: int) -> bool:
    """Whether this EXIF orientation makes width of height."""
    return orientation >= 5
