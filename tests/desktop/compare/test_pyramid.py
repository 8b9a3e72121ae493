import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.contract.cancel import Cancelled, CancelToken
from srgan_desktop.compare.pyramid import ROUGH_SIDE, TILE, Enlarged, build, rough

channels = st.sampled_from([(), (3,), (4,)])


def halved(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).reduce(2))


def as_seen(pixels: np.ndarray) -> np.ndarray:
    """Colours under transparent pixels may differ: nobody sees them."""
    if pixels.shape[2:] != (4,):
        return pixels.astype(float)
    return np.concatenate([pixels[..., :3] * (pixels[..., 3:] / 255), pixels[..., 3:]], axis=2)


@settings(max_examples=25)
@given(st.integers(1, 700), st.integers(1, 1_300), channels, st.integers(0, 2**32 - 1))
def test_every_level_is_the_whole_level_before_halved(width, height, depth, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *depth), dtype=np.uint8)
    pyramid = build(pixels, CancelToken())
    assert pyramid.levels[0] is pixels
    assert pyramid.exact
    assert max(pyramid.level_size(pyramid.coarsest)) <= TILE
    for level in range(pyramid.coarsest):
        finer, coarser = pyramid.levels[level], pyramid.levels[level + 1]
        np.testing.assert_array_equal(coarser, halved(finer))
        assert pyramid.level_size(level + 1) == coarser.shape[1::-1]


def test_a_rough_pyramid_is_whole_at_both_ends(noise):
    pixels = noise(2_500, 4_999, 3)
    pyramid = rough(pixels)
    assert not pyramid.exact
    assert pyramid.levels[0] is pixels
    assert pyramid.levels[1] is None
    assert pyramid.available(0) == 0
    # Between them, the next coarser one stands in.
    assert pyramid.available(1) == pyramid.available(2) == 2
    exact = build(pixels, CancelToken())
    assert pyramid.coarsest == exact.coarsest
    for level in range(2, pyramid.coarsest + 1):
        assert pyramid.level_size(level) == exact.level_size(level) == pyramid.levels[level].shape[1::-1]
    assert max(pyramid.level_size(2)) <= ROUGH_SIDE
    # Samples of the picture, from the middle of what they stand for.
    np.testing.assert_array_equal(pyramid.levels[2][:-1, :-1], pixels[2::4, 2::4][: 625 - 1, : 1_250 - 1])


def test_small_pictures_have_all_levels_at_once(noise):
    assert rough(noise(700, 900, 3)).exact
    assert rough(noise(1, 1)).levels[0].shape == (1, 1)


def test_building_stops_when_nobody_wants_it(noise):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        build(noise(300, 300, 3), token)


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.floats(1, 6), st.floats(1, 6)),
    channels,
    st.data(),
)
def test_tiles_of_an_enlarged_picture_equal_those_of_the_whole(size, factor, depth, data):
    grid = round(size[0] * factor[0]), round(size[1] * factor[1])
    left, top = data.draw(st.integers(0, grid[0] - 1)), data.draw(st.integers(0, grid[1] - 1))
    right, bottom = data.draw(st.integers(left + 1, grid[0])), data.draw(st.integers(top + 1, grid[1]))
    check_tile(size, grid, depth, (left, top, right, bottom))


def test_a_tile_of_a_transparent_picture_may_lose_a_fraction_more():
    # Found by the test above: premultiplied these are 2 levels apart, the fraction is what dividing by alpha dropped.
    check_tile((24, 57), (36, 228), (4,), (24, 111, 26, 138))


def check_tile(size: tuple[int, int], grid: tuple[int, int], depth: tuple[int, ...], tile: tuple[int, ...]) -> None:
    width, height = size
    left, top, right, bottom = tile
    # Muted, as what overshoots is clipped between Pillow's passes, whose order depends on sizes.
    pixels = np.random.default_rng(width * height).integers(88, 168, (height, width, *depth), dtype=np.uint8)
    whole = np.asarray(Image.fromarray(pixels).resize(grid, Image.Resampling.BICUBIC))
    cut = Enlarged(build(pixels, CancelToken()), *grid).cut(0, left, top, right, bottom)
    wanted = whole[top:bottom, left:right]
    # Pillow rounds weights to 1/256 and each of its two passes to whole levels.
    allowed = np.full(wanted.shape, 2.0)
    if depth == (4,):
        # It interpolates colours multiplied by alpha, and drops the fraction when it divides by alpha again: of what is
        # seen that is less than alpha / 255 of a level.
        allowed[..., :3] += np.maximum(cut, wanted)[..., 3:] / 255
    assert (np.abs(as_seen(cut) - as_seen(wanted)) <= allowed).all()


@pytest.mark.parametrize("level", [1, 2, 3])
def test_reduced_levels_of_an_enlarged_picture_equal_the_whole_resized(noise, level):
    pixels = noise(144, 208, 3)
    enlarged = Enlarged(build(pixels, CancelToken()), 208 * 4, 144 * 4)
    width, height = enlarged.level_size(level)
    whole = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))
    cut = enlarged.cut(level, 30, 11, width - 7, height)
    assert np.abs(cut.astype(int) - whole[11:, 30 : width - 7]).max() <= 1


def test_the_last_column_of_a_reduced_level_may_stand_for_less(noise):
    enlarged = Enlarged(build(noise(301, 517, 4), CancelToken()), 1_203, 905)
    for level in range(enlarged.coarsest + 1):
        width, height = enlarged.level_size(level)
        assert enlarged.cut(level, 0, 0, width, height).shape == (height, width, 4)


def test_equal_enlargements_are_one_cache_key(noise):
    pyramid, other = build(noise(9, 9), CancelToken()), build(noise(9, 9), CancelToken())
    assert len({Enlarged(pyramid, 36, 36), Enlarged(pyramid, 36, 36), Enlarged(other, 36, 36)}) == 2
