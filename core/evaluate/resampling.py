"""Separable resampling of pictures on the CPU: what makes LR pictures and what bicubic is measured by.

The kernels are antialiased when reducing (stretched by the factor, as MATLAB's imresize and torch's
`interpolate(antialias=True)` do), with Keys' bicubic at a = -0.5, and taps beyond the border are left out and the rest
renormalised. Being linear and separable, a resize is one matrix per axis; numpy multiplies them on whichever thread
calls, so loader threads need nothing of torch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np

Kernel = Literal["bicubic", "bilinear", "area"]
KERNELS: tuple[Kernel, ...] = ("bicubic", "bilinear", "area")
_SUPPORT: dict[Kernel, float] = {"bicubic": 2.0, "bilinear": 1.0, "area": 0.5}


def resize(picture: np.ndarray, height: int, width: int, kernel: Kernel = "bicubic") -> np.ndarray:
    """Resample to `height` x `width`.

    Args:
        picture: H x W x C, any real type.
        height: of the result, at least 1.
        width: of the result, at least 1.
        kernel: `area` is the mean over each target pixel when reducing and nearest when enlarging.

    Returns:
        height x width x C float32, neither rounded nor clipped.
    """
    rows = resize_matrix(picture.shape[0], height, kernel)
    columns = resize_matrix(picture.shape[1], width, kernel)
    reduced = np.tensordot(rows, picture.astype(np.float32), axes=(1, 0))
    return np.ascontiguousarray(np.tensordot(reduced, columns, axes=(1, 1)).transpose(0, 2, 1))


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """Round values in 0..255 to the nearest byte."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


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


@lru_cache(maxsize=64)
def resize_matrix(size: int, target: int, kernel: Kernel = "bicubic") -> np.ndarray:
    """The `target` x `size` float32 matrix that resamples one axis; its rows sum to 1."""
    ratio = size / target
    stretch = max(ratio, 1.0)
    centres = (np.arange(target) + 0.5) * ratio - 0.5
    distance = np.abs(np.arange(size)[None, :] - centres[:, None]) / stretch
    if kernel == "bicubic":
        a = -0.5
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
        weights = np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
    elif kernel == "bilinear":
        weights = np.maximum(1 - distance, 0.0)
    else:
        # How much of each source pixel the target pixel covers; half a source pixel beyond its edges still touches one.
        edge = (0.5 * stretch + 0.5) - distance * stretch
        weights = np.clip(edge, 0.0, 1.0)
    matrix = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    matrix.flags.writeable = False
    return matrix
