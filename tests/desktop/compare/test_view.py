"""The whole view on real files: keys, buttons, loading, failures, and its end."""

import base64
import gc
import io
import re
import threading
import weakref

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QToolButton, QWidget

from core import images, language, paths
from core.contract.errors import UserError
from core.images import load as load_picture
from srgan_desktop.compare.arrangement import Mode
from srgan_desktop.compare.loupe import Loupe
from srgan_desktop.compare.navigator import Navigator
from srgan_desktop.compare.view import CompareView, Shown
from srgan_desktop.settings import APPEARANCE
from srgan_desktop.theme import TOKENS
from tests.desktop.grabbed import from_qimage

PORTRAIT = paths.RESOURCES / "samples" / "portrait.png"


@pytest.fixture
def view(qtbot, theme):
    view = CompareView(theme)
    qtbot.addWidget(view)
    view.resize(620, 440)
    view.show()
    return view


@pytest.fixture
def enlarged(tmp_path):
    path = tmp_path / "portrait_4x.png"
    with Image.open(PORTRAIT) as image:
        image.resize((image.width * 4, image.height * 4), Image.Resampling.LANCZOS).save(path)
    return path


@pytest.fixture
def settle(qtbot):
    """Waits until a view has nothing left to decode."""

    def wait(view):
        qtbot.waitUntil(lambda: not view.loading, timeout=20_000)

    return wait


@pytest.fixture
def compared(view, enlarged, settle):
    view.load_files(PORTRAIT, enlarged)
    settle(view)
    return view


@pytest.fixture
def four(view, settle, noise):
    shapes = ((24, 30, 3), (96, 120, 3), (96, 120), (96, 120, 4))
    captions = ("LR", "SR", "HR", "Bicubic")
    view.show_pictures([Shown(caption, noise(*shape)) for caption, shape in zip(captions, shapes, strict=True)])
    settle(view)
    return view


# Loading


def test_a_picture_and_its_result(compared):
    assert compared.canvas.scene.size == (512, 512)
    assert compared.canvas.viewport.fits
    assert compared.canvas.divider == 0.5
    assert compared.visible_region() == (0, 0, 128, 128)
    assert "Before  128 × 128 left of it, After  512 × 512 right" in compared.canvas.accessibleDescription()


def test_a_picture_alone_tells_where_it_is_seen(view, settle, qtbot):
    assert view.visible_region() is None
    with qtbot.waitSignal(view.view_changed):
        view.load_files(PORTRAIT, None)
    assert view.visible_region() == (0, 0, 128, 128)
    settle(view)
    assert not view.canvas.divided
    assert not view.bar.mode_buttons[Mode.SPLIT].isEnabled()
    with qtbot.waitSignal(view.view_changed):
        view.canvas.zoom_to(16)
    x, y, width, height = view.visible_region()
    assert 0 < x < 128 - width
    assert 0 < y < 128 - height
    assert width == pytest.approx(view.canvas.width() / 16, abs=2)


def test_the_view_is_announced_only_when_it_changed(compared, qtbot):
    with qtbot.assertNotEmitted(compared.view_changed):
        compared.canvas.set_divider(0.3)
        compared.canvas.fit()
        compared.canvas.set_nearest(True)


def test_both_pictures_become_a_page_with_a_slider(compared, qtbot, tmp_path):
    with qtbot.waitSignal(compared.saved) as saved:
        compared.save(tmp_path / "a & b.html")
    page = saved.args[0].read_text()
    pictures = re.findall('alt="([^"]+)" src="data:image/png;base64,([^"]+)"', page)
    sizes = {alt: Image.open(io.BytesIO(base64.b64decode(data))).size for alt, data in pictures}
    with Image.open(PORTRAIT) as image:
        assert sizes == {"Before": image.size, "After": (4 * image.width, 4 * image.height)}
    assert "<title>a &amp; b</title>" in page
    # Nothing is left to fill in, and nothing is loaded from elsewhere.
    assert not re.search(r"/\*[A-Z_]+\*/", page)
    assert '<html lang="en">' in page
    assert "http" not in page
    assert 'type="range"' in page


def test_the_page_speaks_the_language_of_the_window(compared, qtbot, tmp_path, monkeypatch):
    monkeypatch.setenv(language.VARIABLE, "")
    language.use("de")
    try:
        with qtbot.waitSignal(compared.saved) as saved:
            compared.save(tmp_path / "a.html")
    finally:
        language.use(language.ENGLISH)
    page = saved.args[0].read_text(encoding="utf-8")
    assert '<html lang="de">' in page
    assert "Pixel für Pixel" in page
    assert "Drag" not in page


def test_a_page_needs_both_pictures_and_a_folder_to_write_to(view, compared, qtbot, tmp_path):
    with qtbot.waitSignal(compared.failed) as failed:
        compared.save(tmp_path / "missing" / "page.html")
    assert isinstance(failed.args[0], OSError)


def test_another_file_keeps_zoom_and_place(compared, settle, save, noise):
    compared.canvas.zoom_to(2)
    compared.canvas.pan(-0.3, 0.2)
    seen = compared.visible_region()
    compared.load_files(save("other.png", noise(128, 128, 3)), save("other_4x.png", noise(512, 512)))
    # What was seen of the last one says nothing about this one.
    assert compared.visible_region() is None
    settle(compared)
    assert compared.visible_region() == seen
    assert compared.canvas.viewport.zoom == 2


def test_another_file_is_announced_even_at_the_same_place(compared, settle, save, noise, qtbot):
    with qtbot.waitSignal(compared.view_changed):
        compared.load_files(save("other.png", noise(128, 128, 3)), None)
    settle(compared)


def test_a_result_that_appears_later_lies_over_what_is_seen(view, settle, enlarged):
    view.load_files(PORTRAIT, None)
    settle(view)
    view.canvas.zoom_to(8)
    seen, before = view.visible_region(), view.canvas.scene.pictures[0]
    view.load_files(PORTRAIT, enlarged)
    settle(view)
    assert view.canvas.scene.pictures[0] is before
    assert view.canvas.viewport.zoom == 2
    assert view.visible_region() == seen


def test_the_newest_request_wins(view, settle, save, noise):
    files = [save(f"{number}.png", noise(40 + number, 50, 3)) for number in range(12)]
    for file in files:
        view.load_files(file, None)
    settle(view)
    assert view.canvas.scene.pictures[0].size == (50, 51)


def test_a_live_preview_is_laid_on_and_goes_with_the_next_file(view, settle, qtbot, save, noise):
    view.load_files(PORTRAIT, None)
    settle(view)
    view.canvas.zoom_to(8)
    seen = view.visible_region()
    white = np.full((80, 80, 3), 255, np.uint8)
    with qtbot.assertNotEmitted(view.view_changed):
        view.set_overlay_region((54, 54, 20, 20), 4, white)
        settle(view)
    assert view.visible_region() == seen
    assert view.canvas.viewport.zoom == 2
    assert view.canvas.divided
    assert "After · preview" in view.canvas.accessibleDescription()
    view.canvas.set_mode(Mode.TOGGLE)
    pixels = from_qimage(view.canvas.grab().toImage())
    assert (pixels[pixels.shape[0] // 2, pixels.shape[1] // 2, :3] == 255).all()
    view.load_files(save("other.png", noise(40, 40, 3)), None)
    settle(view)
    assert view.canvas.scene.patches == ()


def test_a_preview_and_the_result_change_places_and_nothing_moves(compared, settle):
    canvas = compared.canvas
    canvas.zoom_to(2)
    seen = compared.visible_region()
    compared.call_last("Saved: blue")
    # Larger than the result, as a preview at the network's own scale may be.
    compared.set_overlay_region((0, 0, 128, 128), 8, np.full((1024, 1024, 3), 255, np.uint8), "Preview: white")
    settle(compared)
    assert "Before  128 × 128 left of it, Preview: white right" in canvas.accessibleDescription()
    assert canvas.scene.pictures[1] is None
    zoom = canvas.viewport.zoom
    compared.hide_overlay(True)
    assert "Saved: blue  512 × 512 right" in canvas.accessibleDescription()
    assert canvas.scene.patches == ()
    assert (compared.visible_region(), canvas.viewport.zoom) == (seen, zoom)
    compared.hide_overlay(False)
    assert "Preview: white" in canvas.accessibleDescription()
    assert (compared.visible_region(), canvas.viewport.zoom) == (seen, zoom)
    compared.drop_overlay()
    compared.call_last("After")
    assert "After  512 × 512 right" in canvas.accessibleDescription()
    assert compared.visible_region() == seen


def test_a_preview_without_a_picture_goes_nowhere(view, settle):
    view.set_overlay_region((0, 0, 2, 2), 4, np.zeros((8, 8, 3), np.uint8))
    settle(view)
    assert view.canvas.scene is None


def test_a_file_that_cannot_be_read_says_so(compared, settle, tmp_path, qtbot):
    (tmp_path / "bad.png").write_bytes(b"no picture at all")
    with qtbot.waitSignal(compared.failed) as failure:
        compared.load_files(tmp_path / "bad.png", None)
    settle(compared)
    assert isinstance(failure.args[0], UserError)
    assert compared.canvas.scene is None
    assert "bad.png" in compared.canvas.message
    assert compared.canvas.accessibleDescription() == compared.canvas.message
    assert compared.visible_region() is None
    assert not compared.bar.fit_button.isEnabled()


def test_a_result_that_cannot_be_read_leaves_the_source(view, settle, tmp_path, qtbot):
    with qtbot.waitSignal(view.failed):
        view.load_files(PORTRAIT, tmp_path / "missing.png")
    settle(view)
    assert view.canvas.scene.size == (128, 128)
    assert not view.canvas.divided


def test_a_fault_of_the_program_is_shown_and_not_lost(view, settle, monkeypatch, qtbot):
    def burst(_path):
        raise MemoryError

    monkeypatch.setattr(images, "load", burst)
    with qtbot.waitSignal(view.failed) as failure:
        view.load_files(PORTRAIT, None)
    settle(view)
    assert isinstance(failure.args[0], MemoryError)
    assert "MemoryError" in view.canvas.message


def test_the_last_picture_stays_for_a_moment_and_then_a_word(compared, settle, monkeypatch, qtbot):
    go_on, load = threading.Event(), load_picture

    def slow(path):
        go_on.wait(10)
        return load(path)

    monkeypatch.setattr(images, "load", slow)
    compared.load_files(paths.RESOURCES / "samples" / "cat.jpg", None)
    assert compared.canvas.scene is not None
    qtbot.waitUntil(lambda: compared.canvas.message == "Opening cat.jpg…")
    assert compared.canvas.scene is None
    go_on.set()
    settle(compared)
    assert compared.canvas.scene is not None


def test_clearing_lets_go_of_the_pictures(compared):
    picture = weakref.ref(compared.canvas.scene.pictures[1])
    compared.clear()
    gc.collect()
    assert picture() is None
    assert compared.canvas.message == "Nothing to compare yet"
    assert compared.visible_region() is None


# Keys


@pytest.fixture
def keys(qtbot):
    def press(view, *pressed, modifier=Qt.KeyboardModifier.NoModifier):
        for key in pressed:
            qtbot.keyClick(view.canvas, key, modifier)

    return press


def test_keys_choose_the_mode(compared, keys):
    for key, mode in ((Qt.Key.Key_S, Mode.SIDE), (Qt.Key.Key_T, Mode.TOGGLE), (Qt.Key.Key_D, Mode.SPLIT)):
        keys(compared, key)
        assert compared.canvas.mode is mode
        assert compared.bar.mode_buttons[mode].isChecked()


def test_t_again_blinks(compared, keys):
    keys(compared, Qt.Key.Key_T)
    assert compared.canvas.shown == 1
    keys(compared, Qt.Key.Key_T)
    assert compared.canvas.shown == 0
    assert compared.canvas.accessibleDescription().startswith("Before  128 × 128. Zoom")
    keys(compared, Qt.Key.Key_Right)
    assert compared.canvas.shown == 1


def test_arrows_move_the_divider_by_a_hundredth(compared, keys):
    keys(compared, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left)
    assert compared.canvas.divider == pytest.approx(0.51)
    keys(compared, Qt.Key.Key_Left, modifier=Qt.KeyboardModifier.ShiftModifier)
    assert compared.canvas.divider == pytest.approx(0.41)
    assert "Divider at 41 %" in compared.canvas.accessibleDescription()
    keys(compared, *[Qt.Key.Key_Left] * 60)
    assert compared.canvas.divider == 0


def test_one_and_f_and_the_ladder(compared, keys):
    keys(compared, Qt.Key.Key_1)
    assert compared.canvas.viewport.zoom == 1
    # Percent of the original, whatever the size of the result.
    assert compared.bar.zoom_label.text() == "400 %"
    keys(compared, Qt.Key.Key_Plus, Qt.Key.Key_Equal)
    assert compared.canvas.viewport.zoom == 2
    keys(compared, Qt.Key.Key_Minus)
    assert compared.canvas.viewport.zoom == 1.5
    keys(compared, Qt.Key.Key_F)
    assert compared.canvas.viewport.fits


def test_all_of_a_large_picture_is_reached_by_keys(compared, keys):
    keys(compared, Qt.Key.Key_1, *[Qt.Key.Key_Plus] * 3)
    corner = compared.visible_region()
    keys(compared, *[Qt.Key.Key_Up] * 40)
    keys(compared, *[Qt.Key.Key_Left] * 40, modifier=Qt.KeyboardModifier.ControlModifier)
    assert compared.visible_region()[:2] == (0, 0)
    assert compared.canvas.divider == 0.5
    keys(compared, *[Qt.Key.Key_Down] * 60)
    keys(compared, *[Qt.Key.Key_Right] * 60, modifier=Qt.KeyboardModifier.ControlModifier)
    x, y, width, height = compared.visible_region()
    assert (x + width, y + height) == (128, 128)
    assert corner[:2] != (0, 0)


def test_space_shows_the_original_while_it_is_held(compared, qtbot):
    qtbot.keyPress(compared.canvas, Qt.Key.Key_Space)
    assert [pane.index for pane in compared.canvas.panes] == [0]
    qtbot.keyRelease(compared.canvas, Qt.Key.Key_Space)
    assert [pane.index for pane in compared.canvas.panes] == [0, 1]


def test_space_ends_when_the_focus_goes(compared, qtbot):
    compared.activateWindow()
    compared.canvas.setFocus()
    qtbot.waitUntil(compared.canvas.hasFocus)
    qtbot.keyPress(compared.canvas, Qt.Key.Key_Space)
    compared.bar.fit_button.setFocus()
    assert [pane.index for pane in compared.canvas.panes] == [0, 1]


def test_page_keys_ask_for_another_file(compared, qtbot, keys):
    steps = []
    compared.file_step_requested.connect(steps.append)
    keys(compared, Qt.Key.Key_PageDown, Qt.Key.Key_PageUp)
    assert steps == [1, -1]


def test_n_draws_squares(compared, keys):
    keys(compared, Qt.Key.Key_N)
    assert compared.canvas.nearest
    assert compared.bar.pixels_button.isChecked()
    keys(compared, Qt.Key.Key_N)
    assert not compared.canvas.nearest


def test_keys_of_others_are_left_to_them(qtbot, theme, compared):
    got = []

    class Outer(QWidget):
        def keyPressEvent(self, event):
            got.append((event.key(), event.modifiers()))

    outer = Outer()
    qtbot.addWidget(outer)
    compared.setParent(outer)
    none, control, alt = (
        Qt.KeyboardModifier.NoModifier,
        Qt.KeyboardModifier.ControlModifier,
        Qt.KeyboardModifier.AltModifier,
    )
    foreign = [(Qt.Key.Key_Q, none), (Qt.Key.Key_S, control), (Qt.Key.Key_D, alt)]
    for key, modifier in foreign:
        qtbot.keyClick(compared.canvas, key, modifier)
    assert [each for each in got if each[0] < Qt.Key.Key_Escape] == foreign
    assert compared.canvas.mode is Mode.SPLIT
    compared.setParent(None)


def test_keys_work_from_the_buttons_too(compared, qtbot):
    qtbot.keyClick(compared.bar.fit_button, Qt.Key.Key_S)
    assert compared.canvas.mode is Mode.SIDE


# Buttons


def test_buttons_do_what_the_keys_do(compared, qtbot):
    def click(button):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    for mode in (Mode.SIDE, Mode.TOGGLE, Mode.SPLIT):
        click(compared.bar.mode_buttons[mode])
        assert compared.canvas.mode is mode
    click(compared.bar.full_button)
    assert compared.canvas.viewport.zoom == 1
    click(compared.bar.in_button)
    assert compared.canvas.viewport.zoom == 1.5
    click(compared.bar.out_button)
    assert compared.canvas.viewport.zoom == 1
    click(compared.bar.pixels_button)
    assert compared.canvas.nearest
    click(compared.bar.fit_button)
    assert compared.canvas.viewport.fits


def test_everything_has_a_name_and_can_be_reached_by_tab(four):
    buttons = [button for button in four.findChildren(QToolButton) if button.isVisible()]
    assert len(buttons) == 14
    for button in buttons:
        assert button.accessibleName()
        assert button.toolTip()
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert four.canvas.accessibleName() == "Comparison"
    assert four.canvas.focusPolicy() == Qt.FocusPolicy.StrongFocus


# Several


def test_four_pictures_side_by_side(four, keys):
    keys(four, Qt.Key.Key_S)
    assert [pane.index for pane in four.canvas.panes] == [0, 1, 2, 3]
    assert four.canvas.scene.size == (120, 96)
    assert "1  LR  30 × 24, 2  SR  120 × 96" in four.canvas.accessibleDescription()


def test_number_keys_choose_between_them(four, keys, qtbot):
    keys(four, Qt.Key.Key_T, Qt.Key.Key_3)
    assert four.canvas.shown == 2
    assert [button.isChecked() for button in four.bar.choices] == [False, False, True, False]
    assert [button.accessibleName() for button in four.bar.choices] == ["LR", "SR", "HR", "Bicubic"]
    keys(four, Qt.Key.Key_1)
    assert four.canvas.shown == 0
    # Where 1 is a picture, 100 % is 0.
    keys(four, Qt.Key.Key_0)
    assert four.canvas.viewport.zoom == 1
    keys(four, Qt.Key.Key_D, Qt.Key.Key_4)
    assert four.canvas.pair == (0, 3)
    qtbot.mouseClick(four.bar.choices[2], Qt.MouseButton.LeftButton)
    assert four.canvas.pair == (0, 2)
    assert [button.isChecked() for button in four.bar.choices] == [True, False, True, False]


def test_one_of_several_that_cannot_be_read_leaves_the_others(view, settle, tmp_path, noise, qtbot):
    with qtbot.waitSignal(view.failed):
        view.show_pictures([Shown("Gone", tmp_path / "gone.png"), Shown("A", noise(30, 40)), Shown("B", noise(30, 40))])
    settle(view)
    view.canvas.set_mode(Mode.SIDE)
    assert "1  Gone · cannot be shown, 2  A  40 × 30" in view.canvas.accessibleDescription()
    assert view.canvas.grab().width() > 0


def test_one_picture_has_no_number(view, settle, noise):
    view.show_pictures([Shown("LR", noise(30, 40))])
    settle(view)
    assert not any(button.isVisible() for button in view.bar.choices)
    assert view.canvas.accessibleDescription().startswith("LR  40 × 30")


def test_pictures_that_are_all_still_to_come(view, settle, qtbot):
    view.show_pictures([Shown("SR", None), Shown("HR", None)])
    qtbot.waitUntil(lambda: view.canvas.message == "Nothing to compare yet")
    settle(view)


def test_too_many_or_none_are_refused(view, noise):
    for count in (0, 5):
        with pytest.raises(ValueError, match="compared"):
            view.show_pictures([Shown("A", noise(3, 3))] * count)


def test_files_after_several_have_no_numbers(four, settle, enlarged, keys):
    four.load_files(PORTRAIT, enlarged)
    settle(four)
    assert not any(button.isVisible() for button in four.bar.choices)
    keys(four, Qt.Key.Key_1)
    assert four.canvas.viewport.zoom == 1


# The end


def test_deleting_it_while_it_decodes_leaves_no_thread(qtbot, theme, monkeypatch):
    begun, go_on, load = threading.Event(), threading.Event(), load_picture

    def slow(path):
        begun.set()
        go_on.wait(10)
        return load(path)

    monkeypatch.setattr(images, "load", slow)
    window = QWidget()
    view = CompareView(theme, window)
    view.load_files(PORTRAIT, PORTRAIT)
    assert begun.wait(10)
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    go_on.set()
    qtbot.waitUntil(lambda: not [each for each in threading.enumerate() if each.name == "compare"])
    QCoreApplication.processEvents()


def test_colours_follow_the_appearance(view, theme_settings):
    seen = []
    for scheme in ("dark", "light"):
        theme_settings.set(APPEARANCE, scheme)
        seen.append(view.canvas.grab().toImage().pixelColor(20, 20).name())
    assert seen == [TOKENS["dark"].window, TOKENS["light"].window]


# The difference, the picture alone, and the comparison as a file


def test_the_difference_is_black_where_the_result_keeps_to_its_source(compared, settle, enlarged, qtbot, tmp_path):
    with Image.open(enlarged) as image:
        wrong = image.convert("RGB")
    wrong.paste((255, 0, 0), (40, 40, 120, 120))
    wrong.save(tmp_path / "wrong.png")
    compared.load_files(PORTRAIT, tmp_path / "wrong.png")
    settle(compared)
    qtbot.keyClick(compared, Qt.Key.Key_X)
    settle(compared)
    heat = compared.canvas.scene.pictures[1].levels[0]
    with Image.open(PORTRAIT) as source:
        assert heat.shape == (source.height, source.width, 3)
    assert heat[12:28, 12:28].min(axis=(0, 1)).max() > 200
    assert np.median(heat[40:].max(axis=2)) < 60
    assert "Difference" in compared.canvas.accessibleDescription()
    # And back to the result.
    qtbot.keyClick(compared, Qt.Key.Key_X)
    assert compared.canvas.scene.pictures[1].size == wrong.size


def test_the_difference_follows_to_the_next_picture(compared, settle, qtbot, save, noise):
    compared.bar.difference_button.click()
    settle(compared)
    pixels = noise(30, 40, 3)
    compared.load_files(save("a.png", pixels), save("b.png", pixels))
    settle(compared)
    assert not compared.canvas.scene.pictures[1].levels[0].any()


def test_there_is_no_difference_without_a_result(compared, settle, four):
    assert not four.bar.difference_button.isEnabled()
    four.load_files(PORTRAIT, None)
    settle(four)
    assert not four.bar.difference_button.isEnabled()


def test_zoom_and_place_stay_between_pictures_of_one_size_and_others_fit(view, settle, save, noise):
    first, second, other = (save(f"{n}.png", noise(60, 80 + 7 * (n == 2), 3)) for n in range(3))
    view.load_files(first, None)
    settle(view)
    view.canvas.zoom_to(20)
    view.canvas.pan(0.2, 0.1)
    seen = view.canvas.viewport
    view.load_files(second, None)
    settle(view)
    assert view.canvas.viewport == seen
    view.load_files(other, None)
    settle(view)
    assert view.canvas.viewport.fits


def test_the_picture_alone_and_back(compared, qtbot):
    before = compared.canvas.size()
    compared.activateWindow()
    qtbot.waitUntil(compared.isActiveWindow)
    qtbot.keyClick(compared, Qt.Key.Key_F11)
    alone = compared.canvas.window()
    assert alone is not compared.window()
    assert alone.isFullScreen()
    assert compared.canvas.isVisible()
    # The same keys as in the window.
    qtbot.keyClick(compared.canvas, Qt.Key.Key_T)
    assert compared.canvas.mode is Mode.TOGGLE
    qtbot.keyClick(compared.canvas, Qt.Key.Key_Escape)
    assert compared.canvas.window() is compared.window()
    qtbot.waitUntil(lambda: compared.canvas.size() == before)
    assert compared.canvas.isVisible()


def test_clearing_ends_the_picture_alone(compared):
    compared.toggle_full_screen()
    compared.clear()
    assert compared.canvas.window() is compared.window()
    # Nothing is there to be alone.
    compared.toggle_full_screen()
    assert compared.canvas.window() is compared.window()


@pytest.mark.parametrize("name", ["seen.png", "seen.jpg", "seen"])
def test_what_is_seen_becomes_a_file(compared, qtbot, tmp_path, name):
    with qtbot.waitSignal(compared.saved) as saved:
        compared.save(tmp_path / name)
    with Image.open(saved.args[0]) as image:
        ratio = compared.canvas.devicePixelRatioF()
        assert image.size == (round(compared.canvas.width() * ratio), round(compared.canvas.height() * ratio))
        assert len(image.convert("RGB").getcolors(1 << 24)) > 1000
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("seen")] == [saved.args[0].name]


def test_a_file_that_cannot_be_written_says_so(compared, qtbot, tmp_path):
    with qtbot.waitSignal(compared.failed) as failed:
        compared.save(tmp_path / "missing" / "seen.png")
    assert isinstance(failed.args[0], OSError)
    with qtbot.waitSignal(compared.failed):
        compared.save(tmp_path / "seen.xyz")
    assert not list(tmp_path.glob("seen*"))


def test_a_preview_of_a_part_is_outlined(view, settle, save, noise):
    grey = np.full((80, 100, 3), 128, np.uint8)
    view.load_files(save("grey.png", grey), None)
    settle(view)
    view.canvas.set_divider(0)
    view.canvas.zoom_to(40)

    def whites():
        image = view.canvas.picture().convertToFormat(QImage.Format.Format_Grayscale8)
        pixels = from_qimage(image)[60:-10, 20:-10, 0]
        return int((pixels > 240).sum())

    before = whites()
    view.set_overlay_region((46, 36, 8, 8), 4, np.full((32, 32, 3), 128, np.uint8))
    settle(view)
    part = whites()
    assert part > before + 20
    view.set_overlay_region((0, 0, 100, 80), 4, np.full((320, 400, 3), 128, np.uint8))
    settle(view)
    # Nothing but the preview is seen.
    assert whites() <= before


def test_parts_of_a_preview_join_and_say_that_they_are_old(view, settle, save, noise):
    view.load_files(save("a.png", noise(80, 100, 3)), None)
    settle(view)
    grey = np.full((32, 32, 3), 128, np.uint8)
    view.set_overlay_region((46, 36, 8, 8), 4, grey)
    view.set_overlay_region((54, 36, 8, 8), 4, grey, adds=True)
    settle(view)
    assert [patch.region for patch in view.canvas.scene.patches] == [(46, 36, 8, 8), (54, 36, 8, 8)]
    view.call_overlay_old()
    assert view.canvas.accessibleDescription().count("updating") == 1
    view.set_overlay_region((46, 36, 8, 8), 4, grey)
    settle(view)
    assert [patch.region for patch in view.canvas.scene.patches] == [(46, 36, 8, 8)]
    assert "updating" not in view.canvas.accessibleDescription()


def test_a_navigator_shows_the_part_that_is_seen_and_goes_elsewhere(view, settle, save, noise):
    view.load_files(save("a.png", noise(300, 400, 3)), None)
    settle(view)
    navigator = view.canvas.findChild(Navigator)
    assert not navigator.isVisible()
    view.canvas.zoom_to(8)
    assert navigator.isVisible()
    assert navigator.part.width() < navigator.width() / 2
    # A message of the page lies over the lower end of the picture.
    assert navigator.geometry().bottom() < 0.7 * view.canvas.height()
    QTest.mouseClick(navigator, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
    x, y, _, _ = view.visible_region()
    assert (x, y) == (0, 0)
    view.canvas.fit()
    assert not navigator.isVisible()


def test_a_held_key_magnifies_both_sides(qtbot, compared, keys):
    canvas = compared.canvas
    loupe = canvas.findChild(Loupe)
    keys(compared, Qt.Key.Key_Shift)
    canvas.hold_loupe(True)
    loupe.look_at(QPointF(canvas.rect().center()))
    assert loupe.isVisible()
    assert loupe.width() == 2 * loupe.height()
    glass = loupe.grab().toImage()
    assert glass.pixelColor(loupe.width() // 4, loupe.height() // 2) != glass.pixelColor(2, 2)
    QTest.keyRelease(canvas, Qt.Key.Key_L)
    assert not loupe.isVisible()


def test_nothing_is_magnified_beside_the_picture(compared):
    canvas = compared.canvas
    loupe = canvas.findChild(Loupe)
    left, top, _right, _bottom = canvas.viewport.shown
    assert max(left, top) > 1
    canvas.hold_loupe(True)
    loupe.look_at(QPointF(canvas.rect().center()))
    assert loupe.isVisible()
    loupe.look_at(QPointF(0, 0))
    assert not loupe.isVisible()


def test_a_narrow_bar_leaves_zoom_buttons_out_and_cuts_none(view, qtbot):
    bar = view.bar
    bar.show_choices(("a", "b", "c"))
    for width in (700, 1, 700):
        view.resize(max(width, view.minimumSizeHint().width()), 400)
        qtbot.waitUntil(lambda width=width: bar.zoom_label.isVisible() == (width == 700))
        shown = [button for button in bar.findChildren(QToolButton) if button.isVisible()]
        qtbot.waitUntil(lambda shown=shown: all(each.width() >= each.sizeHint().width() for each in shown))
        assert bar.full_button in shown
        assert (bar.in_button in shown) == (width == 700)
