import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.contract.cancel import CancelToken
from srgan_desktop.compare.arrangement import side_by_side
from srgan_desktop.compare.pyramid import Enlarged, build
from srgan_desktop.compare.scene import BARE_FACTOR, Patch, Scene


@pytest.fixture
def picture(noise):
    return lambda width, height, *depth: build(noise(height, width, *(depth or (3,))), CancelToken())


def test_the_largest_picture_is_the_grid(picture):
    small, large = picture(30, 20), picture(121, 81)
    scene = Scene((small, large))
    assert scene.size == (121, 81)
    assert Scene((large, small)).size == (121, 81)
    assert scene.comparable
    assert scene.layers(1, 1.0, False)[0].source is large
    enlarged = scene.layers(0, 1.0, False)[0]
    assert enlarged.source == Enlarged(small, 121, 81)
    assert (enlarged.width, enlarged.height) == (121, 81)
    assert {small, large, enlarged.source} <= scene.sources


def test_squares_are_drawn_only_where_pixels_are_larger_than_the_screens(picture):
    small, large = picture(30, 20), picture(120, 80)
    scene = Scene((small, large))
    close = scene.layers(0, 1.0, nearest=True)[0]
    assert close.source is small
    assert close.crisp
    far = scene.layers(0, 0.2, nearest=True)[0]
    assert far.source == Enlarged(small, 120, 80)  # type: ignore[arg-type]
    assert not far.crisp


def test_a_picture_alone(picture):
    small = picture(30, 20)
    scene = Scene((small, None))
    assert not scene.comparable
    assert scene.size == (30, 20)
    assert scene.layers(0, 1.0, False)[0].source is small
    assert scene.layers(0, 2.0, False)[0].source == Enlarged(small, 30 * BARE_FACTOR, 20 * BARE_FACTOR)  # type: ignore[arg-type]
    assert scene.layers(0, 2.0, True)[0].crisp


def test_what_is_still_to_come_makes_room_at_once(picture):
    scene = Scene((picture(30, 20), None), promised=(120, 80))
    assert scene.size == (120, 80)
    assert scene.comparable
    assert scene.layers(1, 1.0, False)[0].source == Enlarged(scene.pictures[0], 120, 80)


def test_a_patch_lies_where_it_was_cut(picture):
    small = picture(30, 20)
    patch = Patch(picture(40, 20), (5, 3, 10, 5), 4)
    scene = Scene((small, None), (patch,))
    assert scene.size == (120, 80)
    base, laid = scene.layers(1, 1.0, False)
    assert base.source == Enlarged(small, 120, 80)
    assert (laid.x, laid.y, laid.width, laid.height) == (20, 12, 40, 20)
    assert len(scene.layers(0, 1.0, False)) == 1
    assert patch.source in scene.sources


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 8), st.data())
def test_a_region_seen_holds_all_pixels_it_touches(width, height, factor, data):
    scene = Scene((_blank(width, height),), promised=(width * factor, height * factor))
    left = data.draw(st.integers(0, width * factor - 1))
    right = data.draw(st.integers(left + 1, width * factor))
    x, y, wide, high = scene.to_first(left, 0, right, height * factor)
    assert x == left // factor
    assert x + wide == -(-right // factor)
    assert (y, high) == (0, height)


@given(
    st.integers(1, 4),
    st.tuples(st.integers(1, 5_000), st.integers(1, 5_000)),
    st.tuples(st.integers(100, 3_000), st.integers(100, 3_000)),
)
def test_cells_are_equal_and_apart(count, scene, canvas):
    cells = side_by_side(count, scene, canvas, gap=6)
    assert len(cells) == count
    assert len({(width, height) for _x, _y, width, height in cells}) == 1
    for index, (x, y, width, height) in enumerate(cells):
        assert x >= 0
        assert y >= 0
        assert x + width <= canvas[0]
        assert y + height <= canvas[1]
        for other_x, other_y, *_ in cells[:index]:
            assert abs(x - other_x) >= width + 6 or abs(y - other_y) >= height + 6


def test_cells_take_the_shape_that_shows_most():
    assert [cell[:2] for cell in side_by_side(2, (300, 100), (900, 700), 6)] == [(0, 0), (0, 353)]
    assert [cell[:2] for cell in side_by_side(2, (100, 300), (900, 700), 6)] == [(0, 0), (453, 0)]
    assert [cell[:2] for cell in side_by_side(4, (100, 100), (906, 506), 6)] == [(0, 0), (456, 0), (0, 256), (456, 256)]


def _blank(width, height):
    return build(np.zeros((height, width), np.uint8), CancelToken())
