from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.evaluate.resampling import KERNELS, Kernel, crop_to_multiple, enlarge_bicubic, reduce_bicubic, resize, rgb8


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(10, 15), (13, 8), (40, 60), (97, 131), (160, 240)])
def test_bicubic_is_the_antialiased_one_of_torch(size: tuple[int, int]) -> None:
    source = picture(40, 60)
    tensor = torch.from_numpy(source).permute(2, 0, 1)[None].double()
    wanted = F.interpolate(tensor, size=size, mode="bicubic", antialias=True, align_corners=False)
    np.testing.assert_allclose(resize(source, *size), wanted[0].permute(1, 2, 0).numpy(), atol=2e-3)


@pytest.mark.parametrize("size", [(10, 15), (13, 8), (97, 131)])
def test_bilinear_is_the_antialiased_one_of_torch(size: tuple[int, int]) -> None:
    source = picture(40, 60)
    tensor = torch.from_numpy(source).permute(2, 0, 1)[None].double()
    wanted = F.interpolate(tensor, size=size, mode="bilinear", antialias=True, align_corners=False)
    np.testing.assert_allclose(resize(source, *size, "bilinear"), wanted[0].permute(1, 2, 0).numpy(), atol=2e-3)


def test_area_is_the_mean_of_what_a_pixel_covers() -> None:
    source = picture(40, 60)
    blocks = source.reshape(10, 4, 15, 4, 3).mean((1, 3))
    np.testing.assert_allclose(resize(source, 10, 15, "area"), blocks, atol=1e-3)
    # 5 pixels on 2: each covers two and a half.
    line = np.array([10, 20, 30, 40, 50], np.uint8).reshape(1, 5, 1)
    np.testing.assert_allclose(resize(line, 1, 2, "area").ravel(), [18, 42], atol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [(3, 3), (20, 50), (64, 64)])
def test_a_flat_picture_stays_flat(kernel: Kernel, size: tuple[int, int]) -> None:
    flat = np.full((20, 31, 3), 77, np.uint8)
    np.testing.assert_allclose(resize(flat, *size, kernel), 77, atol=1e-3)


def test_reducing_and_enlarging_round_to_bytes() -> None:
    source = picture(40, 60)
    small = reduce_bicubic(source, 4)
    assert (small.shape, small.dtype) == ((10, 15, 3), np.uint8)
    large = enlarge_bicubic(small, 4)
    assert (large.shape, large.dtype) == ((40, 60, 3), np.uint8)
    # Bicubic overshoots at edges, and bytes do not wrap around.
    edge = np.zeros((8, 8, 3), np.uint8)
    edge[:, 4:] = 255
    assert set(np.unique(enlarge_bicubic(edge, 4)[:, [0, -1]])) == {0, 255}


def test_grey_and_sixteen_bits_become_rgb_of_eight() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    assert np.array_equal(rgb8(grey), np.repeat(grey, 3, 2))
    deep = np.array([[[0, 128, 129], [257, 65535, 65407]]], np.uint16)
    assert rgb8(deep).tolist() == [[[0, 0, 1], [1, 255, 255]]]


def test_the_rest_that_the_scale_does_not_divide_is_cut_off() -> None:
    source = picture(43, 61)
    assert np.array_equal(crop_to_multiple(source, 4), source[:40, :60])
