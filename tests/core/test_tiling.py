"""Tiles cover a rectangle exactly once and look far enough."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.runtimes.network import GENERATOR_SIDE, TAIL_SIDE
from core.tiling import Rect, tiles


@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    side=st.integers(1, 40),
    reach=st.integers(0, 12),
    data=st.data(),
)
def test_every_pixel_belongs_to_one_core(width: int, height: int, side: int, reach: int, data: st.DataObject) -> None:
    within = Rect(0, 0, width, height)
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    area = Rect(left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    count = np.zeros((height, width), int)
    for tile in tiles(area, within, side, reach):
        core, padded = tile.core, tile.padded
        assert 1 <= core.width <= side
        assert 1 <= core.height <= side
        count[core.top : core.bottom, core.left : core.right] += 1
        assert padded == core.grown(reach, within)
        assert 0 <= padded.left <= core.left
        assert padded.right <= width
    expected = np.zeros_like(count)
    expected[area.top : area.bottom, area.left : area.right] = 1
    assert (count == expected).all()


def test_overlap_of_a_hundred_megapixels_costs_under_15_percent() -> None:
    """Counted in multiply-adds of the x4 network: trunk 1.23 M per source pixel of its tiles, the rest 0.99 M."""
    trunk_cost, tail_cost = 16 + 1180 + 37, 147 + 590 + 249
    picture = Rect(0, 0, 2500, 2500)
    work = 0
    for tile in tiles(picture, picture, GENERATOR_SIDE, 37 + 3):
        work += trunk_cost * tile.padded.width * tile.padded.height
        for part in tiles(tile.core, tile.padded, TAIL_SIDE, 3):
            work += tail_cost * part.padded.width * part.padded.height
    assert work / ((trunk_cost + tail_cost) * 2500 * 2500) < 1.15


@given(
    width=st.integers(1, 200), left=st.integers(0, 199), wide=st.integers(1, 200), multiple=st.sampled_from([1, 8, 16])
)
def test_what_is_widened_holds_what_it_was(width: int, left: int, wide: int, multiple: int) -> None:
    within = Rect(0, 0, width, 50)
    rect = Rect(min(left, width - 1), 7, min(min(left, width - 1) + wide, width), 33)
    found = rect.widened(multiple, within)
    assert within.left <= found.left <= rect.left
    assert rect.right <= found.right <= within.right
    assert (found.top, found.bottom) == (rect.top, rect.bottom)
    assert found.width % multiple == 0 or found.width == width
    assert found.width - rect.width < multiple
