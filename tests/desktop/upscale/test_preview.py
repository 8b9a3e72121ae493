"""Which parts of a picture the live preview does, and in which order."""

from pathlib import Path

import numpy as np
import pytest

from core.contract.upscale import PreviewReady
from srgan_desktop.upscale.preview import FIRST_PIXELS, PreviewRegion

SOURCE = Path("/pictures/a.png")


def ready(region, seconds=1.0, source=SOURCE):
    return PreviewReady(source, region, 4, np.zeros((4, 4, 3), np.uint8), seconds)


def all_parts(regions, seen, source=SOURCE):
    parts = []
    while (part := regions.choose(source, seen)) is not None:
        parts.append(part)
        regions.learn(ready(part, source=source))
    return parts


def test_what_is_small_is_done_at_once_and_only_once():
    regions = PreviewRegion()
    assert regions.choose(SOURCE, (10, 20, 200, 100)) == (10, 20, 200, 100)
    assert not regions.is_part
    assert regions.choose(SOURCE, (10, 20, 200, 100)) is None
    regions.forget()
    assert regions.choose(SOURCE, (10, 20, 200, 100)) == (10, 20, 200, 100)


@pytest.mark.parametrize("seen", [(0, 0, 1000, 700), (13, 7, 333, 999), (5, 5, 3000, 40)])
def test_parts_cover_all_that_is_seen_once_from_the_middle_outwards(seen):
    parts = all_parts(PreviewRegion(), seen)
    x, y, width, height = seen
    covered = np.zeros((height, width), int)
    for left, top, wide, high in parts:
        assert wide * high <= FIRST_PIXELS * 1.02
        covered[top - y : top - y + high, left - x : left - x + wide] += 1
    assert (covered == 1).all()
    left, top, wide, high = parts[0]
    assert abs(left + wide / 2 - (x + width / 2)) <= 1
    assert abs(top + high / 2 - (y + height / 2)) <= 1


def test_the_first_part_replaces_what_is_there_and_the_others_join_it():
    regions = PreviewRegion()
    seen = (0, 0, 1000, 700)
    first = regions.choose(SOURCE, seen)
    assert first is not None
    assert regions.is_part
    assert not regions.adds
    regions.learn(ready(first))
    assert regions.adds
    regions.forget()
    assert not regions.adds


def test_what_is_done_is_not_done_again_when_the_view_comes_closer():
    regions = PreviewRegion()
    all_parts(regions, (0, 0, 1000, 700))
    assert regions.choose(SOURCE, (480, 340, 30, 20)) is None
    # Another picture has nothing done yet.
    assert regions.choose(Path("/pictures/b.png"), (480, 340, 30, 20)) == (480, 340, 30, 20)
