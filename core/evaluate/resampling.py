"""Separable resampling of pictures on the CPU: what makes LR pictures and what bicubic is measured by.

The kernels are antialiased when reducing (stretched by the factor, as MATLAB's imresize and torch's
`interpolate(antialias=True)` do), with Keys' bicubic at a = -0.5, and taps beyond the border are left out and the rest
renormalised. A resize is a weighted sum of a few shifted copies per axis, in plain numpy: loader threads need neither
torch nor BLAS, whose own threads would fight the training step for the cores (5 times the time for a crop's blur,
noise and resizes, measured on two cores).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from PIL import Image

Kernel = Literal["bicubic", "bilinear", "area"]
KERNELS: tuple[Kernel, ...] = ("bicubic", "bilinear", "area")
_SUPPORT: dict[Kernel, float] = {"bicubic": 2.0, "bilinear": 1.0}


def resize(picture: np.ndarray, height: int, width: int, kernel: Kernel = "bicubic") -> np.ndarray:
    """Resample to `height` x `width`.

    Args:
        picture: H x W x C, any real type.
        height: of the result, at least 1.
        width: of the result, at least 1.
        kernel: `area` is the mean over what each target pixel covers.

    Returns:
        height x width x C float32, neither rounded nor clipped.
    """
    rows = _resized_rows(picture.astype(np.float32), height, kernel)
    columns = _resized_rows(np.ascontiguousarray(rows.transpose(1, 0, 2)), width, kernel)
    return np.ascontiguousarray(columns.transpose(1, 0, 2))


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """Round values in 0..255 to the nearest byte."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def rgb8(pixels: np.ndarray) -> np.ndarray:
    """Pixels of H x W x 1 or 3, uint8 or uint16, as H x W x 3 uint8: grey becomes RGB, 16 bits become 8."""
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)


def reduce_bicubic(picture: np.ndarray, scale: int) -> np.ndarray:
    """The LR picture of the benchmarks: H x W x C uint8 whose sides `scale` divides, to H/scale x W/scale x C uint8."""
    height, width = picture.shape[:2]
    return to_uint8(resize(picture, height // scale, width // scale))


def enlarge_bicubic(picture: np.ndarray, scale: int) -> np.ndarray:
    """What every model is measured against: H x W x C uint8 to scale*H x scale*W x C uint8."""
    height, width = picture.shape[:2]
    return to_uint8(resize(picture, height * scale, width * scale))


def crop_to_multiple(picture: np.ndarray, scale: int) -> np.ndarray:
    """The top left part whose sides `scale` divides, as a view."""
    height, width = picture.shape[:2]
    return picture[: height - height % scale, : width - width % scale]


def middle(shape: tuple[int, ...], side: int, step: int = 1) -> tuple[slice, slice]:
    """Rows and columns of the middle of a picture, at most `side` a side; multiples of `step` where `shape` has them.

    Args:
        shape: H x W, and whatever follows.
        side: in pixels.
        step: of position and size.
    """
    side -= side % step
    height, width = min(side, shape[0]), min(side, shape[1])
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    top, left = top - top % step, left - left % step
    return slice(top, top + height), slice(left, left + width)


def compressed(picture: np.ndarray, format: str, **options: Any) -> np.ndarray:
    """What is left of an H x W x 3 uint8 picture after Pillow saved it in a lossy format with these options."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format, **options)
    with Image.open(file) as decoded:
        return np.asarray(decoded.convert("RGB"))


def _resized_rows(picture: np.ndarray, target: int, kernel: Kernel) -> np.ndarray:
    if target == picture.shape[0]:
        return picture
    total = np.zeros((target, *picture.shape[1:]), np.float32)
    for tap in _taps(picture.shape[0], target, kernel):
        total[tap.target] += tap.weights * picture[tap.source]
    return total


@dataclass(frozen=True, slots=True)
class _Tap:
    """What one tap of the kernel adds to all target rows."""

    target: slice
    source: slice | np.ndarray
    """The rows to take; as a slice, which copies nothing, where the ratio is a whole number."""
    weights: np.ndarray
    """Target rows x 1 x 1."""


@lru_cache(maxsize=256)
def _taps(size: int, target: int, kernel: Kernel) -> tuple[_Tap, ...]:
    """Which source rows each target row is made of, and in what shares (their sum is 1)."""
    ratio = size / target
    stretch = max(ratio, 1.0)
    centres = (np.arange(target) + 0.5) * ratio - 0.5
    # How far a target pixel sees; half of a source pixel may stand out of what `area` covers.
    reach = ratio / 2 + 0.5 if kernel == "area" else _SUPPORT[kernel] * stretch
    first = np.ceil(centres - reach).astype(np.int64)
    index = first[None, :] + np.arange(int(np.ceil(2 * reach)) + 1)[:, None]
    distance = np.abs(index - centres[None, :]) / stretch
    if kernel == "bicubic":
        a = -0.5
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
        weights = np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
    elif kernel == "bilinear":
        weights = np.maximum(1 - distance, 0.0)
    else:
        weights = np.clip(reach - distance * stretch, 0.0, min(1.0, ratio))
    weights = np.where((index >= 0) & (index < size), weights, 0.0)
    weights = (weights / weights.sum(0)).astype(np.float32)[..., None, None]
    taps = []
    for rows, shares in zip(index, weights, strict=True):
        used = np.flatnonzero(shares)
        if used.size:
            part = slice(int(used[0]), int(used[-1]) + 1)
            taps.append(_Tap(part, _as_slice(rows[part]), shares[part]))
    return tuple(taps)


def _as_slice(rows: np.ndarray) -> slice | np.ndarray:
    """The same rows as a slice, where they lie at even distances."""
    step = int(rows[1] - rows[0]) if rows.size > 1 else 1
    if step > 0 and np.all(np.diff(rows) == step):
        return slice(int(rows[0]), int(rows[-1]) + 1, step)
    return rows
