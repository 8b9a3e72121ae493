from __future__ import annotations

import math

import numpy as np
import pytest

from core.evaluate.metrics import luma, mean_psnr, psnr_y, ssim_y


def noisy_pair(height: int = 40, width: int = 53) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    first = np.clip(np.stack([3 * x, 5 * y, 2 * (x + y)], -1), 0, 255).astype(np.uint8)
    second = np.clip(first + random.normal(0, 12, first.shape), 0, 255).astype(np.uint8)
    return first, second


def test_luma_is_matlabs() -> None:
    # rgb2ycbcr of black, white, red, green and blue, by its documentation's matrix.
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    np.testing.assert_allclose(luma(colours)[0], [16, 235, 81.481, 144.553, 40.966], atol=1e-9)


def test_psnr_by_hand() -> None:
    first = np.full((20, 20, 3), 100, np.uint8)
    second = np.full((20, 20, 3), 110, np.uint8)
    # Ten levels of grey are 10 * 219 / 255 of luma.
    assert psnr_y(first, second, 4) == pytest.approx(20 * math.log10(255 / (10 * 219 / 255)))
    assert psnr_y(first, first, 4) == math.inf


def test_an_equal_picture_does_not_make_a_mean_infinite() -> None:
    assert mean_psnr([20.0, 31.0]) == pytest.approx(25.5)
    assert mean_psnr([20.0, math.inf]) == pytest.approx(60.0)


def test_the_border_does_not_count() -> None:
    first, second = noisy_pair()
    spoiled = second.copy()
    spoiled[:4], spoiled[-4:], spoiled[:, :4], spoiled[:, -4:] = 0, 255, 0, 255
    assert psnr_y(first, spoiled, 4) == psnr_y(first, second, 4)
    assert ssim_y(first, spoiled, 4) == ssim_y(first, second, 4)
    assert psnr_y(first, spoiled, 3) < psnr_y(first, second, 3)


def test_ssim_equals_scikit_images() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    first, second = noisy_pair()
    _, full = metrics.structural_similarity(
        luma(first),
        luma(second),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    # scikit-image also counts windows that stand out over the edge; MATLAB's program does not.
    assert ssim_y(first, second, 0) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-6)
    assert ssim_y(first, first, 4) == pytest.approx(1)


def test_what_cannot_be_compared_is_refused() -> None:
    first, second = noisy_pair()
    with pytest.raises(ValueError, match="cannot be compared"):
        psnr_y(first, second[:-1], 4)
    with pytest.raises(ValueError, match="nothing of"):
        psnr_y(first[:8, :8], second[:8, :8], 4)
    with pytest.raises(ValueError, match="at least 11"):
        ssim_y(first[:18, :18], second[:18, :18], 4)
