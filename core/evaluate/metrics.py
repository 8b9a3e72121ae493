"""PSNR and SSIM as papers on super-resolution give them: on the luma of BT.601, a border of `scale` pixels left out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

MOST_DB = 100.0
"""What a picture counts for at most in a mean: an equal one, as a blank page may be, would make it infinite."""
_SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5


def luma(picture: np.ndarray) -> np.ndarray:
    """Y of MATLAB's rgb2ycbcr: H x W x 3 uint8 RGB to H x W float64 in 16..235, not rounded."""
    weights = np.array([65.481, 128.553, 24.966]) / 255.0
    return 16.0 + picture.astype(np.float64) @ weights


def psnr_y(first: np.ndarray, second: np.ndarray, border: int) -> float:
    """PSNR in dB of the luma of two H x W x 3 uint8 pictures; infinite when equal.

    Args:
        first: one picture.
        second: the other, of the same size.
        border: pixels left out at each side; papers use the scale.

    Raises:
        ValueError: the sizes differ, or nothing is left inside the border.
    """
    one, other = _inside(first, second, border)
    error = float(np.mean((one - other) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255.0**2 / error)


def mean_psnr(each: Sequence[float]) -> float:
    """Mean of the PSNR of several pictures in dB, none of which counts for more than `MOST_DB`."""
    return float(np.mean(np.minimum(each, MOST_DB)))


def ssim_y(first: np.ndarray, second: np.ndarray, border: int) -> float:
    """SSIM of the luma (Wang et al. 2004: 11 x 11 Gaussian of sigma 1.5, K = 0.01 and 0.03, valid windows only).

    Equal to the authors' MATLAB program at its full resolution. Same arguments and errors as `psnr_y`; a picture
    smaller than the window raises too.
    """
    one, other = _inside(first, second, border)
    if min(one.shape) < _SSIM_WINDOW:
        raise ValueError(f"SSIM needs at least {_SSIM_WINDOW} pixels inside the border")
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean1, mean2 = _blur(one), _blur(other)
    variance1 = _blur(one * one) - mean1**2
    variance2 = _blur(other * other) - mean2**2
    covariance = _blur(one * other) - mean1 * mean2
    numerator = (2 * mean1 * mean2 + c1) * (2 * covariance + c2)
    denominator = (mean1**2 + mean2**2 + c1) * (variance1 + variance2 + c2)
    return float(np.mean(numerator / denominator))


def _inside(first: np.ndarray, second: np.ndarray, border: int) -> tuple[np.ndarray, np.ndarray]:
    if first.shape != second.shape:
        raise ValueError(f"pictures of {first.shape} and {second.shape} cannot be compared")
    height, width = first.shape[:2]
    if min(height, width) <= 2 * border:
        raise ValueError(f"nothing of {width} x {height} is left inside a border of {border}")
    inside = (slice(border, height - border), slice(border, width - border))
    return luma(first[inside]), luma(second[inside])


def _blur(plane: np.ndarray) -> np.ndarray:
    offsets = np.arange(_SSIM_WINDOW) - _SSIM_WINDOW // 2
    window = np.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    window /= window.sum()
    rows = sliding_window_view(plane, _SSIM_WINDOW, axis=0) @ window
    return sliding_window_view(rows, _SSIM_WINDOW, axis=1) @ window
