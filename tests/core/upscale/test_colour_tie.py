from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from core import paths
from core.contract.cancel import CancelToken
from core.evaluate.metrics import psnr_y
from core.evaluate.resampling import crop_to_multiple, enlarge_bicubic, reduce_bicubic, rgb8
from core.images import load
from core.upscale.colour_tie import tie_colours
from core.upscale.engine import open_engine
from tests.core.training.pictures import textured

SAMPLES = sorted((paths.RESOURCES / "samples").glob("*.[!m]*"))


def squares(picture: np.ndarray, factor: int = 4) -> np.ndarray:
    """Each pixel as a square."""
    return picture.repeat(factor, 0).repeat(factor, 1)


def off(result: np.ndarray, source: np.ndarray) -> float:
    """How far the mean colours are apart."""
    return float(np.abs(result.mean((0, 1)) - source.mean((0, 1))).max())


def two_colours(mask: np.ndarray, one: tuple[int, int, int], other: tuple[int, int, int]) -> np.ndarray:
    return np.where(mask[..., None], np.array(one, np.uint8), np.array(other, np.uint8))


Y, X = np.mgrid[0:48, 0:48]
PATTERNS = {
    "checker": two_colours((X + Y) % 2 == 0, (96, 128, 255), (160, 128, 255)),
    "black and white": two_colours((X + Y) % 2 == 0, (0, 0, 0), (255, 255, 255)),
    "stripes": two_colours(X % 2 == 0, (255, 0, 0), (0, 255, 0)),
    "one in three": two_colours(Y % 3 == 0, (255, 255, 255), (0, 0, 0)),
    "dither": two_colours((X % 4 == 0) & (Y % 2 == 0), (255, 255, 255), (0, 0, 0)),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_one_pixel_patterns_keep_their_mean_colour(pattern: str) -> None:
    source = PATTERNS[pattern]
    # Some are enlarged right but for their tone, some come out as one of their two colours, some turn grey.
    for made in (squares(source) * 0.5, squares(source) * 0.4 + 153, np.full((192, 192, 3), 12.0)):
        result = np.rint(made).astype(np.uint8)
        assert off(result, source) > 10
        assert off(tie_colours(result, source), source) < 2


@pytest.mark.parametrize("model", ["fast-x4", "faithful-x4", "detail-x4", "photo-x4"])
def test_every_model_that_ships_keeps_the_mean_colour_of_stripes_once_tied(model: str) -> None:
    source = PATTERNS["stripes"][:32, :32]
    result = open_engine(model, "cpu", "fp32").upscale(source, CancelToken())
    assert off(tie_colours(result, source), source) < 2 < off(result, source)


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (103, 97), (149, 31), (1, 5)])
def test_what_has_the_right_colours_stays_as_it_is(size: tuple[int, int]) -> None:
    source = textured(3, 160, 160)[: size[0], : size[1]]
    result = squares(source)
    np.testing.assert_array_equal(tie_colours(result, source), result)


@pytest.mark.parametrize("colour", [(128, 128, 255), (200, 30, 40), (0, 0, 0), (255, 255, 255)])
def test_flat_colours_come_within_half_a_level(colour: tuple[int, int, int]) -> None:
    source = np.full((30, 21, 3), colour, np.uint8)
    tinted = np.clip(squares(source).astype(int) + np.array([3, -2, 4]), 0, 255).astype(np.uint8)
    assert np.abs(tie_colours(tinted, source).astype(float) - colour).max() <= 0.5


def test_a_tint_goes_where_it_is_and_detail_stays(tmp_path: Path) -> None:
    truth = textured(5, 128, 128)
    source = reduce_bicubic(truth, 4)
    result = enlarge_bicubic(source, 4)
    # Redder to the right, as a generator may well be where the picture is brighter.
    tint = np.linspace(0, 14, 128)[None, :, None] * [1, 0, -0.5]
    tied = tie_colours(np.clip(np.rint(result + tint), 0, 255).astype(np.uint8), source)
    assert np.abs(tied.astype(float) - result).mean() < 0.7
    assert np.abs(tied.astype(float) - result).max() < 8


def test_greys_stay_grey() -> None:
    source = textured(4, 32, 40)[..., :1]
    result = squares(source).astype(float) * 0.9
    grey = tie_colours(result.astype(np.uint8), source)
    colour = tie_colours(np.repeat(result, 3, 2).astype(np.uint8), np.repeat(source, 3, 2))
    np.testing.assert_array_equal(colour, np.repeat(grey, 3, 2))
    # And become grey where the source is.
    tinted = np.clip(np.repeat(result, 3, 2) + np.array([6, 0, -6]), 0, 255).astype(np.uint8)
    mended = tie_colours(tinted, source).astype(float)
    assert np.abs(mended - mended.mean(2, keepdims=True)).mean() < 1


def test_noise_and_blocks_of_the_source_do_not_come_back() -> None:
    random = np.random.default_rng(7)
    clean = np.full((64, 64, 3), 120, np.uint8)
    noisy = np.clip(np.rint(clean + random.normal(0, 20, clean.shape)), 0, 255).astype(np.uint8)
    assert tie_colours(squares(clean), noisy).std((0, 1)).max() < 20 / 14
    number = np.arange(64) // 8
    blocks = (clean + 6 * ((number[:, None] + number) % 2)[..., None]).astype(np.uint8)
    assert tie_colours(squares(clean) + 3, blocks).std((0, 1)).max() < 1


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_enlarged_are_as_near_to_the_truth_as_before(path: Path) -> None:
    truth = crop_to_multiple(rgb8(load(path).pixels), 4)
    source = reduce_bicubic(truth, 4)
    result = open_engine("faithful-x4", "cpu", "fp32").upscale(source, CancelToken())
    assert psnr_y(tie_colours(result, source), truth, 4) > psnr_y(result, truth, 4) - 0.02


def test_a_wrong_colour_is_mended_without_spilling_over() -> None:
    source = np.full((64, 64, 3), 90, np.uint8)
    source[16:48, 16:48] = two_colours((X + Y) % 2 == 0, (230, 230, 230), (20, 20, 20))[:32, :32]
    wrong = squares(source)
    wrong[64:192, 64:192] = 30
    tied = tie_colours(wrong, source).astype(float)
    assert abs(tied[64:192, 64:192].mean() - 125) < 4
    around = np.ones((256, 256), bool)
    around[64:192, 64:192] = False
    # One Gaussian alone leaves 9 levels.
    assert np.abs(tied[around] - 90).mean() < 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 97), (128, 64)])
def test_type_and_range_are_kept_at_any_size(dtype: type, size: tuple[int, int]) -> None:
    top = 1.0 if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).max
    source = np.full((17, 32, 3), 0.25 * top).astype(dtype)
    result = np.full((*size, 3), 0.2 * top).astype(dtype)
    before = result.copy()
    tied = tie_colours(result, source)
    assert (tied.dtype, tied.shape) == (result.dtype, result.shape)
    assert np.abs(tied.astype(float) - source[0, 0].astype(float)).max() <= 0.5 * top / 255
    np.testing.assert_array_equal(result, before)
    assert tie_colours(result, source, out=result) is result
    np.testing.assert_array_equal(result, tied)


def test_sources_of_another_depth_and_results_at_black_and_white() -> None:
    random = np.random.default_rng(3)
    source = random.integers(0, 65536, (24, 24, 3), np.uint16)
    result = squares(np.where(source > 30000, 255, 0).astype(np.uint8))
    tied = tie_colours(result, source)
    assert tied.dtype == np.uint8
    assert off(tied, source / 257) < 2


def test_a_large_picture_takes_little_more_memory() -> None:
    source = np.full((512, 512, 3), 100, np.uint8)
    result = np.full((4096, 4096, 3), 99, np.uint8)
    tracemalloc.start()
    try:
        tie_colours(result, source, out=result)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (result == 100).all()
    assert peak < result.nbytes / 4


def test_what_cannot_be_tied_is_refused() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match=r"cannot be given"):
        tie_colours(picture[..., :1], picture)
    with pytest.raises(ValueError, match=r"cannot be given"):
        tie_colours(picture, picture[..., 0])
    with pytest.raises(ValueError, match=r"without pixels"):
        tie_colours(picture, picture[:0])
