"""The Upscale page in the real window with the real worker, driven by real Qt events, down to files on the disk."""

import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from PySide6.QtCore import QEventLoop, QMimeData, QPoint, Qt, QTimer, QUrl
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QGuiApplication,
    QImage,
)
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QMenu, QPlainTextEdit, QPushButton

from core.contract.cancel import CancelToken
from core.upscale.engine import open_engine
from srgan_desktop import settings
from srgan_desktop.job import EngineState
from srgan_desktop.main_window import MainWindow
from srgan_desktop.settings import Settings
from srgan_desktop.upscale.page import UpscalePage
from srgan_desktop.upscale.queue_model import Column, State
from tests.desktop.conftest import drop, drop_mime, make_picture, nothing_left
from tests.desktop.scripted import KILLED

TIMEOUT = 240_000
"""For a worker to begin: where others compute, to import torch may take minutes."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def window(qapp, theme, tmp_path_factory, small_model, warm_workers):
    """One window with one worker for all tests here: torch takes seconds to import."""
    options = Settings(tmp_path_factory.mktemp("page") / "settings.ini")
    options.set(settings.MODEL, small_model)
    window = MainWindow(theme, options)
    window.resize(1280, 800)
    with nothing_left():
        window.show()
        window.activateWindow()
        yield window
        closed = []
        window.closed.connect(lambda: closed.append(True))
        loop = QEventLoop()
        window.closed.connect(loop.quit)
        QTimer.singleShot(TIMEOUT, loop.quit)
        window.close_now()
        loop.exec()
        assert closed
        window.deleteLater()


@pytest.fixture(autouse=True)
def nothing_left_running():
    """The window outlives the tests here, and is looked at when it is closed."""


@pytest.fixture
def page(qtbot, window, tmp_path):
    """The page, empty, with results going to `out`, and without previews."""
    page = window.page("upscale")
    before = {option: page.settings.get(option) for option in settings.UPSCALE.values()}
    page.settings.set(settings.OUTPUT, str(tmp_path / "out"))
    page.compare.preview_button.setChecked(False)
    # Keys need it, and other tests have windows too.
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    yield page
    page.compare.preview_button.setChecked(False)
    page.session.cancel()
    qtbot.waitUntil(lambda: not page.busy and not page.session.scanning, timeout=TIMEOUT)
    page.session.filling.clear()
    page.options.watch.setChecked(False)
    # The window is every test's: what one sets must not be what another one starts from.
    for option, value in before.items():
        page.settings.set(option, value)
    page.banner.hide()
    assert page.contents.currentWidget() is page.drop_area


def fill(qtbot, page, *paths):
    assert drop(page, *paths)
    qtbot.waitUntil(lambda: not page.session.scanning, timeout=TIMEOUT)


def wait_for_end(qtbot, page):
    qtbot.waitUntil(lambda: not page.busy, timeout=TIMEOUT)


def states(page):
    return {entry.path.name: entry.state for entry in page.session.queue.entries}


def click(button):
    # A box with a short label does not hear a click in the middle of its row.
    place = button.rect().center() if button.hitButton(button.rect().center()) else QPoint(8, button.height() // 2)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=place)


def dialog():
    return next(
        widget for widget in QApplication.topLevelWidgets() if isinstance(widget, QDialog) and widget.isVisible()
    )


def bomb(path: Path) -> Path:
    """A PNG whose header promises 60,000 x 60,000 pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    )
    return path


def test_drop_start_and_files_on_the_disk(qtbot, page, tmp_path):
    pictures = [make_picture(tmp_path / "in" / "sub" / f"{n}.png", seed=n) for n in range(3)]
    single = make_picture(tmp_path / "single.png")
    fill(qtbot, page, tmp_path / "in", single, pictures[0])
    assert page.contents.currentWidget() is page.split
    assert list(states(page)) == ["0.png", "1.png", "2.png", "single.png"]
    assert "4 pictures ready" in page.bar.title.whole
    told = []
    page.notify.connect(lambda *words: told.append(words))
    click(page.start_button)
    assert not page.start_button.isEnabled()
    assert page.bar.progress.isVisible()
    wait_for_end(qtbot, page)
    assert set(states(page).values()) == {State.DONE}
    for n in range(3):
        with Image.open(tmp_path / "out" / "sub" / f"{n}.png") as result:
            assert result.size == (96, 72)
    assert (tmp_path / "out" / "single.png").is_file()
    assert "4 pictures saved" in page.banner.text
    assert told == [("Finished", page.banner.text.removeprefix("Finished "))]
    consistency = page.session.queue.index(0, Column.CONSISTENCY).data()
    assert consistency in ("✓", "⚠ differs")
    # Once more, and all of it is there already.
    assert page.start_button.text() == "&Start again"
    click(page.start_button)
    wait_for_end(qtbot, page)
    assert set(states(page).values()) == {State.SKIPPED}
    assert "4 already done" in page.banner.text


def test_by_keyboard_alone(qtbot, page, window, tmp_path):
    """Paste, walk, start, look, remove."""
    picture = make_picture(tmp_path / "in" / "a.png")
    make_picture(tmp_path / "in" / "b.png")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(picture.parent))])
    QGuiApplication.clipboard().setMimeData(mime)
    page.drop_area.findChildren(QPushButton)[0].setFocus()
    QTest.keyClick(window.focusWidget(), Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(states(page)) == 2, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: not page.session.scanning, timeout=TIMEOUT)
    assert page.queue.table.hasFocus()
    assert page.queue.table.currentIndex().row() == 0
    QTest.keyClick(page.queue.table, Qt.Key.Key_Down)
    assert page.queue.table.selected_rows() == [1]
    QTest.keyClick(page.queue.table, Qt.Key.Key_Home)
    assert page.queue.table.selected_rows() == [0]
    QTest.keyClick(page.queue.table, Qt.Key.Key_End)
    assert page.queue.table.selected_rows() == [1]
    # From the table to every other control, and never into a trap.
    visited = []
    for _ in range(40):
        QTest.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        visited.append(window.focusWidget())
        if window.focusWidget() is page.queue.table:
            break
    assert visited[-1] is page.queue.table
    for control in (
        page.compare.view.canvas,
        page.options.model,
        page.options.quality,
        page.options.fold,
        page.start_button,
    ):
        assert control in visited
    QTest.keyClick(page.queue.table, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert page.busy
    wait_for_end(qtbot, page)
    assert (tmp_path / "out" / "b.png").is_file()
    page.queue.table.choose(0)
    page.compare.view.setFocus()
    QTest.keyClick(page.compare.view.canvas, Qt.Key.Key_PageDown)
    assert page.queue.table.selected_rows() == [1]
    QTest.keyClick(page.compare.view.canvas, Qt.Key.Key_PageUp)
    assert page.queue.table.selected_rows() == [0]
    QTest.keyClick(page.queue.table, Qt.Key.Key_Delete)
    assert list(states(page)) == ["b.png"]
    assert picture.is_file()
    page.compare.view.setFocus()
    QTest.keyClick(page.compare.view.canvas, Qt.Key.Key_PageDown)
    assert page.queue.table.currentIndex().row() == 0


def test_the_keys_of_the_page_are_heard_while_the_focus_is_on_the_rail(qtbot, page, window, tmp_path, monkeypatch):
    click(window.page_buttons["upscale"])
    window.page_buttons["upscale"].setFocus()
    chosen = []
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: chosen.append("files") or ([], ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: chosen.append("folder") or "")
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(window.focusWidget(), Qt.Key.Key_O, control)
    QTest.keyClick(window.focusWidget(), Qt.Key.Key_O, control | shift)
    assert chosen == ["files", "folder"]
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(make_picture(tmp_path / "a.png")))])
    QGuiApplication.clipboard().setMimeData(mime)
    QTest.keyClick(window.focusWidget(), Qt.Key.Key_V, control)
    qtbot.waitUntil(lambda: "a.png" in states(page), timeout=TIMEOUT)
    page.session.queue.update(0, state=State.FAILED)
    window.page_buttons["upscale"].setFocus()
    QTest.keyClick(window.focusWidget(), Qt.Key.Key_R, control)
    assert states(page) == {"a.png": State.WAITING}
    # A field that can take it itself still does, and pages that are not in front hear nothing.
    QGuiApplication.clipboard().setText("7")
    page.options.quality.setFocus()
    QTest.keyClick(window.focusWidget(), Qt.Key.Key_V, control)
    assert page.banner.isHidden()
    window.show_page("models")
    QTest.keyClick(window, Qt.Key.Key_V, control)
    window.show_page("upscale")
    assert page.banner.isHidden()


def test_bad_input_ends_in_rows_with_words(qtbot, page, tmp_path):
    folder = tmp_path / "in"
    # Windows has names without line breaks, paths of 260 characters, and links for administrators only.
    windows = sys.platform == "win32"
    fox, long_name = ("🦊 fox.png", "n" * 46 + ".png") if windows else ("🦊 fox\nline two.png", "n" * 246 + ".png")
    for name in ("good.png", fox, long_name):
        make_picture(folder / name)
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no picture")
    (folder / "cut.png").write_bytes(make_picture(folder / "whole.png", 200, 200).read_bytes()[:5000])
    bomb(folder / "bomb.png")
    if not windows:
        (folder / "loop").symlink_to(folder, target_is_directory=True)
    fill(qtbot, page, folder, tmp_path / "not there.png")
    click(page.start_button)
    wait_for_end(qtbot, page)
    bad = {"empty.png", "text.jpg", "cut.png", "bomb.png", "not there.png"}
    assert {name for name, state in states(page).items() if state is State.FAILED} == bad
    assert {name for name, state in states(page).items() if state is State.DONE} == {
        "good.png",
        "whole.png",
        fox,
        long_name,
    }
    for entry in page.session.queue.entries:
        if entry.state is State.FAILED:
            assert entry.path.name in entry.problem.message
            assert entry.problem.hint
    assert (tmp_path / "out" / fox).is_file()
    assert (tmp_path / "out" / long_name).is_file()
    assert "5 failed" in page.banner.text
    click(next(button for button in page.banner.findChildren(QPushButton) if button.text() == "Show failed…"))
    words = dialog().findChild(QPlainTextEdit).toPlainText()
    assert all(name in words for name in bad)
    dialog().accept()


def test_retry_what_has_been_mended(qtbot, page, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_text("broken")
    make_picture(tmp_path / "in" / "b.png")
    fill(qtbot, page, tmp_path / "in")
    click(page.start_button)
    wait_for_end(qtbot, page)
    assert states(page) == {"a.png": State.FAILED, "b.png": State.DONE}
    make_picture(tmp_path / "in" / "a.png")
    # Whatever is selected, as long as none of it failed.
    page.queue.table.choose(1)
    page.queue.retry.trigger()
    assert states(page) == {"a.png": State.WAITING, "b.png": State.DONE}
    click(page.start_button)
    wait_for_end(qtbot, page)
    assert states(page) == {"a.png": State.DONE, "b.png": State.DONE}


def test_pause_resume_and_cancel(qtbot, page, tmp_path):
    for n in range(200):
        make_picture(tmp_path / "in" / f"{n}.png", 60, 60)
    fill(qtbot, page, tmp_path / "in")
    click(page.start_button)
    qtbot.waitUntil(lambda: page.session.queue.count(State.DONE) > 0, timeout=TIMEOUT)
    click(page.bar.pause)
    assert page.bar.pause.text() == "&Resume"
    assert "Paused" in page.bar.title.whole
    assert page.session.run.paused
    click(page.bar.pause)
    done = page.session.queue.count(State.DONE)
    qtbot.waitUntil(lambda: page.session.queue.count(State.DONE) > done, timeout=TIMEOUT)
    click(page.bar.stop)
    wait_for_end(qtbot, page)
    saved = page.session.queue.count(State.DONE)
    assert 0 < saved < 200
    assert page.session.queue.count(State.WAITING) == 200 - saved
    assert page.banner.text.startswith("Cancelled")
    assert len(list((tmp_path / "out").glob("*.png"))) == saved
    assert not list((tmp_path / "out").rglob("*.part"))


def renamed(folder: Path, new: Path) -> bool:
    """Windows renames no folder that is looked through at the moment."""
    try:
        folder.rename(new)
    except PermissionError:
        return False
    return True


def test_what_comes_into_a_watched_folder_is_upscaled_until_somebody_stops(qtbot, page, tmp_path):
    make_picture(tmp_path / "in" / "a.png")
    fill(qtbot, page, tmp_path / "in")
    page.options.watch.click()
    click(page.start_button)
    qtbot.waitUntil(lambda: page.session.run.rests, timeout=TIMEOUT)
    assert states(page) == {"a.png": State.DONE}
    qtbot.waitUntil(lambda: renamed(tmp_path / "in", tmp_path / "unplugged"))
    make_picture(tmp_path / "unplugged" / "b.png")
    qtbot.waitUntil(lambda: renamed(tmp_path / "unplugged", tmp_path / "in"))
    qtbot.waitUntil(lambda: states(page).get("b.png") is State.DONE, timeout=TIMEOUT)
    # By hand, from elsewhere, between newcomers.
    page.open([make_picture(tmp_path / "c.png")])
    qtbot.waitUntil(lambda: states(page).get("c.png") is State.DONE, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: page.session.run.rests, timeout=TIMEOUT)
    assert page.bar.title.whole == "Watching “in”"
    click(page.bar.stop)
    wait_for_end(qtbot, page)
    assert page.banner.text.startswith("Finished 3 pictures saved")


def test_a_killed_engine_is_told_plainly_and_start_goes_on(qtbot, page, tmp_path):
    # The last one takes seconds, and the window needs but a moment to hear that it was begun.
    for n in range(8):
        make_picture(tmp_path / "in" / f"{n}.png")
    Image.new("RGB", (1000, 800), "grey").save(tmp_path / "in" / "large.png")
    fill(qtbot, page, tmp_path / "in")
    click(page.start_button)
    qtbot.waitUntil(
        lambda: page.session.queue.count(State.DONE) > 1 and states(page)["large.png"] is State.WORKING, timeout=TIMEOUT
    )
    psutil.Process(page.session.worker_pid).kill()
    wait_for_end(qtbot, page)
    saved = page.session.queue.count(State.DONE)
    assert 1 < saved < 9
    assert page.session.queue.count(State.WAITING) == 9 - saved
    assert KILLED in page.banner.text
    assert "Press Start" in page.banner.text
    assert page.session.engine is EngineState.STOPPED
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    click(page.start_button)
    assert page.banner.isHidden()
    wait_for_end(qtbot, page)
    assert set(states(page).values()) <= {State.DONE, State.SKIPPED}
    results = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    assert len(results) == 9
    # What was complete was not done again.
    assert before.items() <= results.items()
    for name in results:
        with Image.open(tmp_path / "out" / name) as result:
            result.load()


def test_the_visible_region_is_previewed_at_once(qtbot, page, tmp_path):
    before = make_picture(tmp_path / "a.png", 40, 30)
    fill(qtbot, page, before)
    with qtbot.waitSignal(page.session.previews.ready, timeout=TIMEOUT) as shown:
        click(page.compare.preview_button)
    assert page.compare.preview_button.isChecked()
    assert shown.args[0].region == (0, 0, 40, 30)
    assert shown.args[0].pixels.shape == (120, 160, 3)
    assert page.compare.words.whole.startswith("Previewed in")
    assert not (tmp_path / "out").exists()
    # However near one comes, what is seen of it is there already; other settings make it anew.
    page.compare.view.canvas.zoom_to(40)
    page.compare.ask_preview()
    assert not page.session.previews.under_way
    with qtbot.waitSignal(page.session.previews.ready, timeout=TIMEOUT) as shown:
        page.settings.set(settings.TIE_COLOURS, False)
    _, _, width, height = shown.args[0].region
    assert width < 40
    assert height < 30
    # The result takes its place.
    click(page.start_button)
    wait_for_end(qtbot, page)
    qtbot.waitUntil(lambda: page.compare.words.whole == "Source and result", timeout=TIMEOUT)


def test_a_picture_that_cannot_be_previewed_says_so(qtbot, page, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    page.compare.preview_button.setChecked(True)
    fill(qtbot, page, tmp_path / "a.png")
    qtbot.waitUntil(lambda: "a.png" in page.compare.words.whole, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: "a.png" in page.compare.view.canvas.message, timeout=TIMEOUT)


def test_what_is_dropped_without_a_file_or_picture_in_it(qtbot, page):
    assert not drop(page)
    QGuiApplication.clipboard().setText("only words")
    page.queue.paste.trigger()
    assert "Nothing usable" in page.banner.text


def test_a_dropped_picture_that_is_no_file(qtbot, page, own_home):
    image = QImage(20, 10, QImage.Format.Format_RGB32)
    image.fill(QColor("#336699"))
    mime = QMimeData()
    mime.setImageData(image)
    assert drop_mime(page, mime)
    qtbot.waitUntil(lambda: len(states(page)) == 1, timeout=TIMEOUT)
    (entry,) = page.session.queue.entries
    assert entry.path.is_relative_to(own_home)


def test_a_drag_is_seen_and_forgotten(qtbot, page, tmp_path):
    picture = make_picture(tmp_path / "a.png")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(picture))])
    enter = QDragEnterEvent(
        QPoint(9, 9), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(page, enter)
    assert page.drop_area.property("over") is True
    QApplication.sendEvent(page, QDragLeaveEvent())
    assert page.drop_area.property("over") is False
    fill(qtbot, page, picture)
    QApplication.sendEvent(page, enter)
    assert page.drop_overlay.isVisible()
    QApplication.sendEvent(page, QDragLeaveEvent())
    assert page.drop_overlay.isHidden()


def test_the_menu_of_a_row(qtbot, page, tmp_path, monkeypatch):
    fill(qtbot, page, make_picture(tmp_path / "a.png"))
    opened = []
    monkeypatch.setattr("srgan_desktop.upscale.queue_card.show_in_file_manager", opened.append)
    row = page.queue.table.visualRect(page.session.queue.index(0, 0)).center()
    viewport = page.queue.table.viewport()
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, row, viewport.mapToGlobal(row))
    QApplication.sendEvent(viewport, event)
    menu = next(widget for widget in QApplication.topLevelWidgets() if isinstance(widget, QMenu) and widget.isVisible())
    assert page.queue.show_source in menu.actions()
    assert not page.queue.show_result.isEnabled()
    page.queue.show_source.trigger()
    assert opened == [tmp_path / "a.png"]
    menu.close()


def test_of_hundreds_of_rows_those_in_sight_get_thumbnails(qtbot, page, tmp_path):
    made = []
    page.session.thumbnails.made.connect(made.append)
    first = make_picture(tmp_path / "in" / "0.png")
    for n in range(1, 400):
        os.link(first, tmp_path / "in" / f"{n}.png")
    fill(qtbot, page, tmp_path / "in")
    assert len(states(page)) == 400
    qtbot.waitUntil(lambda: len(made) > 0, timeout=TIMEOUT)
    page.queue.table.scrollToBottom()
    last = page.session.queue.entries[-1].path
    qtbot.waitUntil(lambda: last in made, timeout=TIMEOUT)
    page.session.thumbnails.made.disconnect(made.append)
    assert len(made) < 100


def test_the_shares_of_queue_and_comparison_are_remembered(qtbot, page, theme, tmp_path):
    fill(qtbot, page, make_picture(tmp_path / "a.png"))
    handle = page.split.handle(1)
    before = page.split.sizes()
    centre = handle.rect().center()
    QTest.mousePress(handle, Qt.MouseButton.LeftButton, pos=centre)
    QTest.mouseMove(handle, centre - QPoint(0, 60))
    QTest.mouseRelease(handle, Qt.MouseButton.LeftButton, pos=centre - QPoint(0, 60))
    assert page.split.sizes()[0] < before[0]
    again = UpscalePage(theme, page.settings)
    again.resize(page.size())
    again.contents.setCurrentWidget(again.split)
    again.show()
    assert again.split.sizes() == page.split.sizes()
    with qtbot.waitSignal(again.stopped, timeout=TIMEOUT):
        again.shutdown()
    again.deleteLater()


def test_a_low_queue_keeps_the_row_in_use_in_sight(qtbot, page, tmp_path):
    for n in range(30):
        make_picture(tmp_path / "in" / f"{n}.png")
    fill(qtbot, page, tmp_path / "in")
    page.queue.table.choose(3)
    page.banner.say("bad", "Something happened", "And it takes room.", [])
    QTest.qWait(0)
    shown = page.queue.table.visualRect(page.queue.table.currentIndex())
    assert page.queue.table.viewport().rect().contains(shown)


def test_dragging_the_detail_slider_is_followed_by_previews(qtbot, page, tmp_path, small_model):
    page.settings.set(settings.MODEL, "detail-x4")
    page.settings.set(settings.DETAIL, 0)
    page.settings.set(settings.TIE_COLOURS, False)
    # In which all runtimes agree: another process may well have found another to be the fastest.
    page.settings.set(settings.PRECISION, "fp32")
    fill(qtbot, page, make_picture(tmp_path / "a.png", 40, 30))
    shown = []
    page.session.previews.ready.connect(lambda event: shown.append(event))
    with qtbot.waitSignal(page.session.previews.ready, timeout=TIMEOUT):
        click(page.compare.preview_button)
    # As a drag does it: each new value sooner than a preview is done. The last one is shown in the end.
    for value in (10, 30, 50, 80, 100):
        page.options.detail.slider.setValue(value)
        qtbot.wait(20)
    source = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    wanted = open_engine("detail-x4", precision="fp32").upscale(source, CancelToken()).astype(int)

    def difference(event):
        left, top, width, height = (4 * each for each in event.region)
        return np.abs(event.pixels - wanted[top : top + height, left : left + width]).max()

    qtbot.waitUntil(lambda: difference(shown[-1]) <= 1, timeout=TIMEOUT)
    assert difference(shown[0]) > 5
    qtbot.waitUntil(lambda: page.compare.words.whole.startswith("Previewed in"), timeout=TIMEOUT)
