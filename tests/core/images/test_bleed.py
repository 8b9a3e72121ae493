import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.images import bleed_colour

from . import making


@settings(max_examples=60)
@given(
    st.integers(1, 33),
    st.integers(1, 33),
    st.sampled_from([1, 3]),
    st.sampled_from([np.uint8, np.uint16]),
    st.integers(0, 9),
)
def test_only_hidden_pixels_change_and_only_to_colours_that_are_seen(width, height, channels, dtype, seed):
    pixels = making.noise(width, height, channels, dtype, seed)
    alpha = making.noise(width, height, 1, dtype, seed + 1)[..., 0]
    alpha[making.noise(width, height, 1, np.uint8, seed + 2)[..., 0] < 128] = 0
    before = pixels.copy()
    result = bleed_colour(pixels, alpha)
    np.testing.assert_array_equal(pixels, before)
    assert (result.dtype, result.shape) == (pixels.dtype, pixels.shape)
    np.testing.assert_array_equal(result[alpha > 0], pixels[alpha > 0])
    if (alpha > 0).any():
        seen = pixels[alpha > 0].astype(int)
        # One more or less is rounding.
        assert (result.astype(int) >= seen.min(axis=0) - 1).all()
        assert (result.astype(int) <= seen.max(axis=0) + 1).all()


@pytest.mark.parametrize("value", [0, 255])
def test_nothing_to_spread_or_nowhere_to(value):
    pixels = making.noise(5, 4, 3, np.uint8)
    assert bleed_colour(pixels, np.full((4, 5), value, np.uint8)) is pixels


def test_each_side_gets_the_colour_next_to_it():
    pixels = np.zeros((64, 64, 3), np.uint8)
    alpha = np.zeros((64, 64), np.uint8)
    pixels[:, :8], alpha[:, :8] = (200, 0, 0), 255
    pixels[:, -8:], alpha[:, -8:] = (0, 0, 200), 255
    result = bleed_colour(pixels, alpha)
    assert (result[:, 8:12, 0] > 150).all()
    assert (result[:, -12:-8, 2] > 150).all()
    assert (np.diff(result[32, :, 0].astype(int)) <= 0).all()


def test_a_cut_out_shape_has_no_fringe_when_enlarged():
    from PIL import Image

    y, x = np.mgrid[:80, :80]
    inside = (x - 40) ** 2 + (y - 40) ** 2 < 900
    pixels = np.where(inside[..., None], np.uint8(230), np.uint8(0)).repeat(3, axis=2)
    alpha = inside * np.uint8(255)
    enlarged = Image.fromarray(bleed_colour(pixels, alpha)).resize((320, 320), Image.Resampling.BICUBIC)
    veil = np.asarray(Image.fromarray(alpha).resize((320, 320), Image.Resampling.BICUBIC))
    assert np.asarray(enlarged)[veil > 0].min() >= 229
