"""What is drawn, pixel for pixel, and what the mouse does: on a real canvas, offscreen."""

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QNativeGestureEvent, QPointingDevice, QWheelEvent
from PySide6.QtWidgets import QApplication

from core.contract.cancel import CancelToken
from srgan_desktop.compare.arrangement import Mode
from srgan_desktop.compare.canvas import GRIP, Canvas
from srgan_desktop.compare.pyramid import Pyramid, build, rough
from srgan_desktop.compare.scene import Patch, Scene
from srgan_desktop.compare.tiles import TileCache
from tests.desktop.grabbed import from_qimage

WIDTH, HEIGHT = 500, 360


@pytest.fixture
def canvas(qtbot, theme):
    canvas = Canvas(theme)
    qtbot.addWidget(canvas)
    canvas.resize(WIDTH, HEIGHT)
    # No focus, no ring.
    canvas.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    canvas.show()
    return canvas


@pytest.fixture
def show(canvas):
    """Shows arrays; gives their pyramids back."""

    def set_scene(*pixels, **more) -> list[Pyramid]:
        pyramids = [None if each is None else build(each, CancelToken()) for each in pixels]
        canvas.set_scene(Scene(tuple(pyramids), **more), [])
        return pyramids

    return set_scene


def only(canvas: Canvas, index: int) -> None:
    """Show one picture, with no divider over it."""
    canvas.set_mode(Mode.TOGGLE)
    canvas.choose(index)


def painted(canvas: Canvas) -> np.ndarray:
    """Pixels on the canvas once all tiles are there."""
    for _ in range(200):
        pixels = from_qimage(canvas.grab().toImage())[..., :3]
        if canvas.sharp:
            return pixels
    raise AssertionError("never sharp")


def press(canvas, x, y, button=Qt.MouseButton.LeftButton):
    _mouse(canvas, QEvent.Type.MouseButtonPress, x, y, button, button)


def move(canvas, x, y, button=Qt.MouseButton.LeftButton):
    _mouse(canvas, QEvent.Type.MouseMove, x, y, Qt.MouseButton.NoButton, button)


def release(canvas, x, y, button=Qt.MouseButton.LeftButton):
    _mouse(canvas, QEvent.Type.MouseButtonRelease, x, y, button, Qt.MouseButton.NoButton)


def drag(canvas, start: tuple[float, int], end: tuple[float, int], button=Qt.MouseButton.LeftButton):
    press(canvas, *start, button)
    for part in (0.3, 0.7, 1):
        x, y = (round(a + (b - a) * part) for a, b in zip(start, end, strict=True))
        move(canvas, x, y, button)
    release(canvas, *end, button)


def _mouse(canvas, kind, x, y, button, buttons):
    at = QPointF(x, y)
    event = QMouseEvent(kind, at, canvas.mapToGlobal(at), button, buttons, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(canvas, event)


def wheel(canvas, x, y, angle):
    at = QPointF(x, y)
    event = QWheelEvent(
        at,
        canvas.mapToGlobal(at),
        QPoint(),
        QPoint(0, angle),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(canvas, event)


# Drawing


def test_at_100_percent_every_pixel_is_one_of_the_screens(canvas, show, noise):
    large = noise(900, 1_100, 3)
    show(noise(225, 275, 3), large)
    only(canvas, 1)
    canvas.zoom_to(1)
    canvas.pan(0.137, -0.211)
    x, y = (-place for place in canvas.viewport.origin)
    np.testing.assert_array_equal(painted(canvas), large[y : y + HEIGHT, x : x + WIDTH])


def test_before_and_after_meet_at_the_divider(canvas, show):
    before, after = np.zeros((90, 110, 3), np.uint8), np.full((900, 1_100, 3), 255, np.uint8)
    before[..., 0] = 200
    show(before, after)
    canvas.zoom_to(1)
    row = painted(canvas)[20]
    assert (row[: WIDTH // 2 - 4] == (200, 0, 0)).all()
    assert (row[WIDTH // 2 + 4 :] == 255).all()


def test_the_smaller_picture_is_drawn_as_bicubic_enlarges_it(canvas, show, noise):
    small = noise(225, 275, 3) // 4 + 96
    show(small, noise(900, 1_100, 3))
    only(canvas, 0)
    canvas.zoom_to(1)
    canvas.pan(0.31, 0.17)
    x, y = (-place for place in canvas.viewport.origin)
    whole = np.asarray(Image.fromarray(small).resize((1_100, 900), Image.Resampling.BICUBIC)).astype(int)
    difference = np.abs(painted(canvas) - whole[y : y + HEIGHT, x : x + WIDTH])
    assert difference.max() <= 2


def test_or_as_squares(canvas, show, noise):
    small = noise(225, 275, 3)
    show(small, noise(900, 1_100, 3))
    only(canvas, 0)
    canvas.set_nearest(True)
    canvas.zoom_to(2)
    canvas.pan(0.31, 0.17)
    x, y = (-place for place in canvas.viewport.origin)
    whole = small.repeat(8, axis=0).repeat(8, axis=1)
    np.testing.assert_array_equal(painted(canvas), whole[y : y + HEIGHT, x : x + WIDTH])


def test_at_half_size_means_of_four_pixels_are_shown(canvas, show, noise):
    large = noise(1_800, 2_200, 3)
    _small, pyramid = show(noise(450, 550, 3), large)
    only(canvas, 1)
    canvas.zoom_to(0.5)
    x, y = (-place for place in canvas.viewport.origin)
    np.testing.assert_array_equal(painted(canvas), pyramid.levels[1][y : y + HEIGHT, x : x + WIDTH])


@pytest.mark.parametrize("zoom", [0.37, 0.9, 1.3, 2.5])
def test_no_seams_at_any_zoom(canvas, show, zoom):
    # A smooth slope: a seam between tiles would be a step.
    slope = np.linspace(0, 255, 1_400).astype(np.uint8)[None, :].repeat(1_400, axis=0)
    show(slope, slope.copy())
    only(canvas, 1)
    canvas.zoom_to(zoom)
    row = painted(canvas)[HEIGHT // 2, :, 0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert np.diff(row).max() <= 2


def test_transparent_pixels_show_squares_of_two_greys(canvas, show):
    clear = np.zeros((100, 100, 4), np.uint8)
    clear[50:] = (10, 200, 30, 255)
    show(clear)
    canvas.zoom_to(1)
    pixels = painted(canvas)
    left, top = canvas.viewport.origin
    assert len(np.unique(pixels[top : top + 50, left : left + 100].reshape(-1, 3), axis=0)) == 2
    assert (pixels[top + 51 : top + 100, left : left + 100] == (10, 200, 30)).all()


def test_a_patch_lies_on_the_right_of_the_divider_only(canvas, show, noise):
    small, red = np.zeros((225, 275, 3), np.uint8), np.zeros((400, 800, 3), np.uint8)
    red[..., 0] = 255
    show(small, None, patches=(Patch(build(red, CancelToken()), (30, 40, 200, 100), 4),))
    canvas.zoom_to(1)
    left, top = canvas.viewport.origin
    pixels = painted(canvas)
    wanted = np.zeros((HEIGHT, WIDTH), bool)
    wanted[max(0, top + 160) : top + 560, max(0, left + 120) : left + 920] = True
    wanted[:, : WIDTH // 2] = False
    far = np.ones((HEIGHT, WIDTH), bool)
    far[:, WIDTH // 2 - 20 : WIDTH // 2 + 20] = False
    # The outline: dashes along the edges of the patch, a pixel wide.
    for y in (top + 160, top + 560):
        if 0 <= y < HEIGHT:
            far[max(0, y - 1) : y + 1] = False
    for x in (left + 120, left + 920):
        if 0 <= x < WIDTH:
            far[:, max(0, x - 1) : x + 1] = False
    assert far.mean() > 0.9
    np.testing.assert_array_equal((pixels == (255, 0, 0)).all(axis=2)[far], wanted[far])


def test_side_by_side_shows_the_same_place_in_both(canvas, show, noise):
    one, other = noise(900, 1_100, 3), noise(900, 1_100)
    show(one, other)
    canvas.set_mode(Mode.SIDE)
    canvas.zoom_to(1)
    wheel(canvas, 400, 100, 240)
    wheel(canvas, 400, 100, -240)
    canvas.zoom_to(1)
    first, second = canvas.panes
    x, y = (-place for place in canvas.viewport.origin)
    pixels = painted(canvas)
    for pane, picture in ((first, one), (second, np.stack([other] * 3, axis=2))):
        area = pane.area
        seen = pixels[area.top() : area.bottom() + 1, area.left() : area.right() + 1]
        np.testing.assert_array_equal(seen, picture[y : y + area.height(), x : x + area.width()])


def test_one_at_a_time(canvas, show):
    show(*(np.full((80, 80), level, np.uint8) for level in (10, 20, 30)))
    canvas.set_mode(Mode.TOGGLE)
    middle = HEIGHT // 2, WIDTH // 2, 0
    seen = []
    for _ in range(4):
        seen.append(painted(canvas)[middle])
        canvas.show_next()
    assert seen == [20, 30, 10, 20]
    canvas.choose(0)
    assert painted(canvas)[middle] == 10
    canvas.choose(7)
    assert painted(canvas)[middle] == 10


@pytest.mark.parametrize("mode", Mode)
def test_holding_shows_the_original_everywhere(canvas, show, mode):
    show(np.full((80, 80), 10, np.uint8), np.full((80, 80), 20, np.uint8))
    canvas.set_mode(mode)
    canvas.hold_original(True)
    pixels = painted(canvas)
    assert (pixels == 10).any()
    assert not (pixels == 20).all(axis=2).any()
    canvas.hold_original(False)
    assert (painted(canvas) == 20).all(axis=2).any()


def test_words_stand_where_there_is_no_picture(canvas, show, theme):
    canvas.set_message("Nothing to compare yet")
    pixels = painted(canvas)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 2
    canvas.set_message("")
    background = QColor(theme.tokens.window)
    assert (painted(canvas) == (background.red(), background.green(), background.blue())).all()


def test_focus_is_seen(canvas, show, qtbot):
    canvas.set_message("")
    before = painted(canvas)
    canvas.activateWindow()
    canvas.setFocus()
    qtbot.waitUntil(canvas.hasFocus)
    changed = np.argwhere((painted(canvas) != before).any(axis=2))
    assert len(changed) > 2 * (WIDTH + HEIGHT) - 40
    # A ring, and nothing within.
    assert not ((changed > 6) & (changed < (HEIGHT - 6, WIDTH - 6))).all(axis=1).any()


# Only what is seen


def huge(value: int = 0) -> np.ndarray:
    """12,000 x 9,000 RGB pixels in the memory of one row."""
    row = (np.arange(12_000 * 3) % 251 + value).astype(np.uint8).reshape(1, 12_000, 3)
    return np.broadcast_to(row, (9_000, 12_000, 3))


def test_a_huge_picture_is_touched_only_where_it_is_seen(canvas):
    before, after = rough(np.ascontiguousarray(huge()[::4, ::4])), rough(huge())
    canvas.set_scene(Scene((before, after)), [])
    assert canvas.viewport.fits
    painted(canvas)
    # All of it, from the coarse levels of both.
    assert canvas.tiles.made <= 24
    made = canvas.tiles.made
    canvas.zoom_to(1)
    painted(canvas)
    # 500 x 360 pixels lie on at most 3 x 3 tiles a picture.
    assert canvas.tiles.made - made <= 18
    made = canvas.tiles.made
    for _ in range(10):
        canvas.pan(-0.01, 0)
        painted(canvas)
    # 50 pixels further, at most one more column of each.
    assert canvas.tiles.made - made <= 6
    only(canvas, 1)
    x, y = (-place for place in canvas.viewport.origin)
    np.testing.assert_array_equal(painted(canvas), huge()[y : y + HEIGHT, x : x + WIDTH])


def test_when_time_is_up_a_coarser_tile_stands_in(canvas, show, noise, qtbot, monkeypatch):
    monkeypatch.setattr("srgan_desktop.compare.surface.PAINT_SECONDS", 0.0)
    monkeypatch.setattr("srgan_desktop.compare.surface.NEW_SCENE_SECONDS", 0.0)
    large = noise(900, 1_100, 3)
    show(noise(225, 275, 3), large)
    only(canvas, 1)
    canvas.zoom_to(1)
    canvas.grab()
    assert not canvas.sharp
    # And the rest follows by itself, a paint at a time.
    qtbot.waitUntil(lambda: canvas.sharp)
    x, y = (-place for place in canvas.viewport.origin)
    np.testing.assert_array_equal(painted(canvas), large[y : y + HEIGHT, x : x + WIDTH])


def test_tiles_used_longest_ago_are_thrown_away(qapp, noise):
    pyramid = build(noise(600, 600), CancelToken())
    cache = TileCache(limit=2 * 4 * 258 * 258)
    for column in (0, 1):
        cache.make(pyramid, 0, column, 0)
    assert cache.get(pyramid, 0, 0, 0) is not None
    cache.make(pyramid, 0, 1, 1)
    assert cache.get(pyramid, 0, 1, 0) is None
    assert cache.get(pyramid, 0, 0, 0) is not None
    assert cache.bytes <= cache.limit
    cache.keep_only([build(noise(9, 9), CancelToken())])
    assert cache.bytes == 0
    assert cache.get(pyramid, 0, 0, 0) is None


def test_tiles_of_a_scene_go_with_it(canvas, show, noise):
    show(noise(225, 275, 3), noise(900, 1_100, 3))
    painted(canvas)
    assert canvas.tiles.bytes > 0
    canvas.set_message("Gone")
    assert canvas.tiles.bytes == 0


# The mouse


@pytest.fixture
def compared(canvas, show, noise):
    show(noise(225, 275, 3), noise(900, 1_100, 3))
    return canvas


def test_near_it_a_drag_moves_the_divider_without_a_jump(compared):
    compared.zoom_to(1)
    centre = compared.viewport.centre
    drag(compared, (WIDTH / 2 + GRIP - 2, 40), (WIDTH / 2 + GRIP - 2 + 100, 300))
    assert compared.divider == pytest.approx((WIDTH / 2 + 100) / WIDTH)
    assert compared.viewport.centre == centre


def test_elsewhere_a_drag_pans_what_is_zoomed_in(compared):
    compared.zoom_to(1)
    origin = compared.viewport.origin
    drag(compared, (60, 300), (95, 270))
    assert compared.divider == 0.5
    assert compared.viewport.origin == (origin[0] + 35, origin[1] - 30)


def test_of_what_fits_a_drag_from_anywhere_moves_the_divider(compared):
    left, _top, right, _bottom = compared.viewport.shown
    drag(compared, (60, 300), (150, 270))
    assert compared.divider == pytest.approx((150 - left) / (right - left))
    drag(compared, (150, 20), (-400, 20))
    assert compared.divider == 0
    drag(compared, (400, 20), (900, 20))
    assert compared.divider == 1
    assert compared.viewport.fits


def test_the_middle_button_pans_over_the_divider_too(compared):
    compared.zoom_to(1)
    origin = compared.viewport.origin
    drag(compared, (WIDTH // 2, 100), (WIDTH // 2 - 20, 110), Qt.MouseButton.MiddleButton)
    assert compared.divider == 0.5
    assert compared.viewport.origin == (origin[0] - 20, origin[1] + 10)


def test_the_wheel_zooms_at_the_pointer(compared):
    compared.zoom_to(1)
    under = compared.viewport.to_scene(120, 77)
    wheel(compared, 120, 77, 360)
    assert compared.viewport.zoom == pytest.approx(2)
    assert compared.viewport.to_scene(120, 77) == pytest.approx(under, abs=1)
    # Never past 100 % unnoticed, whatever came before.
    wheel(compared, 120, 77, -200)
    wheel(compared, 120, 77, -360)
    assert compared.viewport.zoom == 1
    for _ in range(30):
        wheel(compared, 120, 77, -120)
    assert compared.viewport.fits


def test_a_pinch_zooms_at_its_middle(compared):
    compared.zoom_to(1)
    under = compared.viewport.to_scene(300, 200)
    at = QPointF(300, 200)
    event = QNativeGestureEvent(
        Qt.NativeGestureType.ZoomNativeGesture,
        QPointingDevice.primaryPointingDevice(),
        2,
        at,
        at,
        compared.mapToGlobal(at),
        0.5,
        QPointF(),
    )
    QApplication.sendEvent(compared, event)
    assert compared.viewport.zoom == pytest.approx(1.5)
    assert compared.viewport.to_scene(300, 200) == pytest.approx(under, abs=1)


def test_in_toggle_mode_a_click_shows_the_next_and_a_drag_does_not(compared):
    compared.set_mode(Mode.TOGGLE)
    compared.zoom_to(1)
    drag(compared, (100, 100), (160, 100))
    assert compared.shown == 1
    press(compared, 100, 100)
    release(compared, 101, 100)
    assert compared.shown == 0


def test_the_pointer_tells_what_a_press_would_do(compared):
    move(compared, WIDTH // 2 + 3, 50, Qt.MouseButton.NoButton)
    assert compared.cursor().shape() == Qt.CursorShape.SplitHCursor
    move(compared, 20, 50, Qt.MouseButton.NoButton)
    assert compared.cursor().shape() == Qt.CursorShape.ArrowCursor
    compared.zoom_to(1)
    move(compared, 20, 50, Qt.MouseButton.NoButton)
    assert compared.cursor().shape() == Qt.CursorShape.OpenHandCursor
    press(compared, 20, 50)
    move(compared, 40, 50)
    assert compared.cursor().shape() == Qt.CursorShape.ClosedHandCursor
    release(compared, 40, 50)
    assert compared.cursor().shape() == Qt.CursorShape.OpenHandCursor


def test_without_a_picture_the_mouse_does_nothing(canvas):
    canvas.set_message("Nothing to compare yet")
    drag(canvas, (100, 100), (200, 200))
    wheel(canvas, 100, 100, 120)
    assert canvas.viewport is None


# Size and scene


def test_a_fit_follows_the_window_and_a_zoom_does_not(compared):
    compared.resize(300, 300)
    assert compared.viewport.fits
    assert compared.viewport.pane == (300, 300)
    compared.zoom_to(1)
    centre = compared.viewport.centre
    compared.resize(420, 310)
    assert compared.viewport.zoom == 1
    assert compared.viewport.centre == centre


def test_a_result_that_comes_later_does_not_move_the_view(canvas, show, noise):
    small = noise(225, 275, 3)
    show(small, None)
    canvas.zoom_to(4)
    canvas.pan(0.2, 0.1)
    seen = canvas.scene.to_first(*canvas.viewport.to_scene(0, 0), *canvas.viewport.to_scene(WIDTH, HEIGHT))
    show(small, noise(900, 1_100, 3))
    assert canvas.viewport.zoom == pytest.approx(1)
    later = canvas.scene.to_first(*canvas.viewport.to_scene(0, 0), *canvas.viewport.to_scene(WIDTH, HEIGHT))
    assert later == pytest.approx(seen, abs=1)


def test_zoom_and_place_outlive_a_message(compared, show, noise):
    compared.zoom_to(1)
    compared.pan(0.2, 0.1)
    viewport = compared.viewport
    compared.set_message("Opening…")
    show(noise(225, 275, 3), noise(900, 1_100, 3))
    assert compared.viewport == viewport


def test_every_pair_of_four_can_be_put_beside_the_divider(canvas, show, noise):
    show(*(noise(30 + number, 40) for number in range(4)))
    assert canvas.pair == (0, 1)
    canvas.choose(3)
    assert canvas.pair == (0, 3)
    canvas.choose(0)
    assert canvas.pair == (3, 0)
    canvas.choose(2)
    assert canvas.pair == (3, 2)
    show(noise(30, 40), noise(30, 40))
    assert canvas.pair == (0, 1)
