from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srgan_desktop.compare.viewport import LADDER, MAX_ZOOM, Viewport

sizes = st.tuples(st.integers(1, 20_000), st.integers(1, 20_000))
panes = st.tuples(st.integers(1, 4_000), st.integers(1, 3_000))
part = st.floats(0, 1)
moves = st.one_of(
    st.tuples(st.just("zoom"), st.floats(1e-3, 1e3), part, part),
    st.tuples(st.just("pan"), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)),
    st.tuples(st.just("resize"), panes),
    st.tuples(st.just("carry"), sizes, st.floats(1e-3, 1e3)),
)


def moved(view: Viewport, move: tuple) -> Viewport:
    match move:
        case "zoom", zoom, x, y:
            return view.zoomed(zoom, x * view.pane[0], y * view.pane[1])
        case "pan", x, y:
            return view.panned(x, y)
        case "resize", pane:
            return view.resized(pane)
        case "carry", scene, zoom:
            return view.carried(scene, zoom)
    raise AssertionError(move)


@given(sizes, panes, st.lists(moves, max_size=8))
def test_no_movement_leaves_the_scene(scene, pane, steps):
    view = Viewport.fitted(scene, pane)
    for step in steps:
        view = moved(view, step)
        assert view.min_zoom * (1 - 1e-9) <= view.zoom <= MAX_ZOOM
        for axis in (0, 1):
            length, side = view.scene[axis] * view.zoom, view.pane[axis]
            first, last = view.shown[axis], view.shown[axis + 2]
            if length > side + 1:
                # No empty margin beside what is larger than the pane.
                assert first <= 1
                assert last >= side - 1
            else:
                assert abs(first - (side - last)) <= 2
                assert last - first >= min(side, length) - 2


@given(
    st.floats(3_000, 7_000),
    st.floats(3_000, 7_000),
    st.floats(0.5, 8),
    st.floats(0.5, 8),
    st.floats(0, 500),
    st.floats(0, 400),
)
def test_zooming_keeps_what_is_under_the_pointer(centre_x, centre_y, before, after, x, y):
    view = replace(Viewport.fitted((10_000, 10_000), (500, 400)), zoom=before, centre=(centre_x, centre_y), fits=False)
    zoomed = view.zoomed(after, x, y)
    assert zoomed.zoom == after
    for old, new in zip(view.to_scene(x, y), zoomed.to_scene(x, y), strict=True):
        # Both origins are rounded to whole device pixels.
        assert abs(old - new) <= 0.5 / before + 0.5 / after + 1e-6


def test_many_small_zooms_do_not_drift():
    view = replace(Viewport.fitted((9_000, 7_000), (801, 603)), zoom=1.3, centre=(4_001.3, 3_123.7), fits=False)
    there = view
    for _ in range(60):
        there = there.zoomed(there.zoom * 1.02, 13, 590)
    for _ in range(60):
        there = there.zoomed(there.zoom / 1.02, 13, 590)
    assert there.centre == pytest.approx(view.centre, abs=1e-6)
    assert there.zoom == pytest.approx(view.zoom)


@given(sizes, panes)
def test_a_fit_shows_all_and_stays_one(scene, pane):
    view = Viewport.fitted(scene, pane)
    assert view.fits
    assert not view.pannable
    assert view.resized((pane[1], pane[0])) == Viewport.fitted(scene, (pane[1], pane[0]))
    assert view.carried((100, 50), 3.0) == Viewport.fitted((100, 50), pane)


def test_zooming_out_all_the_way_is_a_fit():
    view = Viewport.fitted((4_000, 3_000), (800, 600)).zoomed(2, 10, 10)
    assert not view.fits
    assert view.zoomed(0.0001, 700, 50) == Viewport.fitted((4_000, 3_000), (800, 600))
    small = Viewport.fitted((40, 30), (800, 600))
    # A small scene may be looked at in its own size.
    assert small.zoomed(0.0001, 0, 0).zoom == 1


def test_another_scene_is_seen_at_the_same_place():
    view = Viewport.fitted((4_000, 3_000), (800, 600)).zoomed(1, 800, 600)
    other = view.carried((2_000, 1_500), 2.0)
    assert other.zoom == 2
    assert [place / 2_000 for place in other.centre] == pytest.approx([place / 4_000 for place in view.centre])


def test_the_ladder_goes_up_and_down_and_ends():
    view = Viewport.fitted((30_000, 30_000), (300, 300))
    seen = []
    for _ in range(len(LADDER) + 3):
        view = view.zoomed(view.stepped(1), 150, 150)
        seen.append(view.zoom)
    assert seen == sorted(seen)
    assert 1.0 in seen
    assert view.zoom == MAX_ZOOM
    assert view.zoomed(1.0, 0, 0).stepped(-1) == 2 / 3
    # Rounding must not make a step that changes nothing.
    assert replace(view, zoom=1 - 1e-9).stepped(1) == 1.5


def test_at_100_percent_pixels_of_scene_and_screen_are_the_same():
    view = Viewport.fitted((1_001, 777), (300, 201)).zoomed(1, 77.3, 12.9).panned(-3.7, -5.2)
    for x, y in ((0, 0), (1, 200), (299, 3)):
        assert all(float(place).is_integer() for place in view.to_scene(x, y))
