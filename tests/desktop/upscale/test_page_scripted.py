"""The Upscale page over a worker whose every word the test says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QPushButton

from core.contract.device import DeviceInfo
from core.contract.jobs import DevicesFound, JobCancelled, JobDone, JobFailed, WorkerReady
from core.contract.protocol import NO_JOB
from core.contract.settings import OutputSize
from core.contract.upscale import BatchFinished, FileFailed, FileSkipped, PreviewReady, PreviewRequest, UpscaleRequest
from srgan_desktop import settings
from srgan_desktop.job import EngineState
from srgan_desktop.upscale.page import UpscalePage
from srgan_desktop.upscale.queue_model import State
from srgan_desktop.upscale.remembered import load_queue, save_queue
from srgan_desktop.upscale.session import UpscaleSession
from tests.desktop.conftest import drop_mime, make_picture
from tests.desktop.upscale.scripted import begin, save

TIMEOUT = 20_000


@pytest.fixture
def page(qtbot, theme, options, job, tmp_path, monkeypatch):
    """Five pictures wait; every result may be followed at once."""
    monkeypatch.setattr("srgan_desktop.upscale.page.FOLLOW_EVERY_MS", 0)
    options.set(settings.PREVIEW, False)
    page = UpscalePage(theme, options, session=UpscaleSession(options, job=job))
    page.resize(1150, 740)
    page.show()
    page.open([make_picture(tmp_path / "in" / f"{name}.png", 40, 30) for name in "abcde"])
    qtbot.waitUntil(lambda: not page.session.scanning, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: page.compare.view.canvas.scene is not None, timeout=TIMEOUT)
    yield page
    with qtbot.waitSignal(page.stopped, timeout=TIMEOUT):
        page.shutdown()
    page.deleteLater()


def finish(qtbot, page, job, row):
    job.say(begin(page.session, row), save(page.session, row))
    # The comparison may move on in the next turn of the event loop.
    QTest.qWait(0)


def turn_wheel(canvas):
    middle = QPointF(canvas.rect().center())
    QApplication.sendEvent(
        canvas,
        QWheelEvent(
            middle,
            canvas.mapToGlobal(middle),
            QPoint(),
            QPoint(0, 120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        ),
    )


@pytest.mark.parametrize("end", [JobCancelled(), JobFailed("The disk is full.", "Make room.")], ids=["cancel", "fail"])
def test_a_preview_that_gave_way_to_a_run_comes_back_after_it(qtbot, page, job, end):
    page.compare.preview_button.setChecked(True)
    qtbot.waitUntil(lambda: page.compare.words.whole == "Upscaling the visible part…", timeout=TIMEOUT)
    page.start_button.click()
    assert isinstance(job.requests[-1], UpscaleRequest)
    assert page.compare.words.whole == "Previews resume when the run ends"
    job.say(end)
    qtbot.waitUntil(lambda: isinstance(job.requests[-1], PreviewRequest), timeout=TIMEOUT)
    job.say(JobCancelled())


def test_the_devices_that_the_worker_finds_can_be_chosen(page, job):
    found = DeviceInfo("cpu", "A processor", "bf16", 1, 1), DeviceInfo("vulkan:1", "A card by Vulkan", "fp16", 1, 1)
    job.say(WorkerReady("A processor"), DevicesFound(found), job=NO_JOB)
    assert page.session.engine is EngineState.READY
    box = page.options.device
    assert [box.itemText(row) for row in range(box.count())] == ["Automatic", "A processor", "A card by Vulkan"]
    box.setCurrentIndex(2)
    assert page.session.settings.get(settings.DEVICE) == "vulkan:1"


def test_a_watch_says_what_it_waits_for(qtbot, page, job, tmp_path):
    page.open([tmp_path / "in"])
    qtbot.waitUntil(lambda: not page.session.scanning, timeout=TIMEOUT)
    page.options.watch.click()
    assert page.bar.words.whole.startswith("Start also watches “in”")
    page.start_button.click()
    job.say(WorkerReady("a card"), job=NO_JOB)
    assert page.bar.progress.isVisible()
    job.say(*(save(page.session, row) for row in range(5)), BatchFinished(5, 0, 0, 0.0), job=1)
    assert (page.bar.title.whole, page.bar.words.whole) == ("Watching “in”", "5 finished so far")
    assert not page.bar.progress.isVisible()
    assert not page.banner.isVisible()
    page.bar.stop.click()
    job.say(JobCancelled(), job=1)
    assert page.banner.text == "Finished 5 pictures saved."
    page.queue.clear.trigger()
    assert (page.bar.title.whole, page.start_button.isEnabled()) == ("The queue is empty", False)


def test_retry_looks_at_every_row_once(page, job, monkeypatch):
    page.start_button.click()
    job.say(*(FileFailed(entry.path, "No.") for entry in page.session.queue.entries), JobDone())
    page.queue.table.selectAll()
    sets = []
    monkeypatch.setattr("srgan_desktop.upscale.page.set", lambda rows: sets.append(rows) or {*rows}, raising=False)
    page.queue.retry.trigger()
    assert {entry.state for entry in page.session.queue.entries} == {State.WAITING}
    assert len(sets) <= 1


HANDS = {
    "walking": lambda page: QTest.keyClick(page.queue.table, Qt.Key.Key_Down),
    "selecting": lambda page: QTest.keyClick(page.queue.table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier),
    "pressing": lambda page: QTest.mousePress(page.compare.view.canvas, Qt.MouseButton.LeftButton),
    "wheel": lambda page: turn_wheel(page.compare.view.canvas),
    "zooming by button": lambda page: QTest.mouseClick(page.compare.view.bar.in_button, Qt.MouseButton.LeftButton),
    "zooming by key": lambda page: QTest.keyClick(page.compare.view.canvas, Qt.Key.Key_Plus),
}


@pytest.mark.parametrize("act", HANDS.values(), ids=HANDS)
def test_who_works_on_a_picture_in_a_run_keeps_it(qtbot, page, job, act):
    page.start_button.click()
    finish(qtbot, page, job, 1)
    assert page.queue.table.selected_rows() == [1]
    # A modifier alone begins a shortcut, Tab leads elsewhere: neither touches anything.
    QTest.keyClick(page.queue.table, Qt.Key.Key_Control)
    QTest.keyClick(page.queue.table, Qt.Key.Key_Tab)
    finish(qtbot, page, job, 2)
    assert page.queue.table.selected_rows() == [2]
    act(page)
    chosen = page.queue.table.selected_rows()
    finish(qtbot, page, job, 4)
    assert page.queue.table.selected_rows() == chosen != [4]


def badges(page):
    return page.compare.view.canvas.accessibleDescription()


@pytest.fixture
def done(qtbot, page, job):
    """All five are saved, and the first one is looked at."""
    page.start_button.click()
    results = [Path(save(page.session, row).output) for row in range(5)]
    for row, result in enumerate(results):
        source = page.session.queue.entries[row].path
        output = make_picture(source.parent / f"out{result.name}", 160, 120)
        job.say(begin(page.session, row), replace(save(page.session, row), source=source, output=output))
    job.say(BatchFinished(5, 0, 0, 1.0), JobDone())
    page.queue.table.choose(0)
    qtbot.waitUntil(lambda: "After  160 × 120" in badges(page), timeout=TIMEOUT)
    return page


def answer(page, job, *then):
    """A white preview of what was asked for."""
    request = job.requests[-1]
    _, _, width, height = request.region
    pixels = np.full((4 * height, 4 * width, 3), 255, np.uint8)
    job.say(PreviewReady(request.source, request.region, 4, pixels, 0.5), *then)


def test_a_finished_picture_is_tried_anew(qtbot, done, options, job):
    page, compare = done, done.compare
    compare.preview_button.setChecked(True)
    qtbot.waitUntil(lambda: compare.words.whole == "Source and result", timeout=TIMEOUT)
    assert not compare.sides.isVisible()
    options.set(settings.ENSEMBLE, True)
    assert page.start_button.text() == "Up&scale 5 again with the new settings"
    assert "Saved: 1 pass  160 × 120" in badges(page)
    assert page.bar.title.whole == "5 results have other settings"
    qtbot.waitUntil(lambda: "megapixels" in page.bar.words.whole, timeout=TIMEOUT)
    # How the run ended was read, and is no longer in the way.
    assert not page.banner.isVisible()
    qtbot.waitUntil(lambda: isinstance(job.requests[-1], PreviewRequest), timeout=TIMEOUT)
    assert job.requests[-1].ensemble
    answer(page, job, JobDone())
    qtbot.waitUntil(lambda: "Preview: 8 passes" in badges(page), timeout=TIMEOUT)
    assert compare.words.whole == "Previewed in 0.5 s"
    # Both stand in the same place, one key apart.
    seen = compare.view.visible_region()
    compare.view.canvas.setFocus()
    QTest.keyClick(compare.view.canvas, Qt.Key.Key_P)
    assert compare.sides.buttons["saved"].isChecked()
    assert "Saved: 1 pass" in badges(page)
    assert compare.view.visible_region() == seen
    QTest.keyClick(page.start_button, Qt.Key.Key_P)
    assert compare.sides.buttons["preview"].isChecked()
    assert "Preview: 8 passes" in badges(page)
    assert compare.words.whole == "Previewed in 0.5 s"
    # The smallest window has room for both words.
    page.resize(775, 520)
    QTest.qWait(0)
    assert all(button.width() >= button.sizeHint().width() for button in compare.sides.buttons.values())
    # As it was made: there is nothing to try.
    options.set(settings.ENSEMBLE, False)
    assert not compare.sides.isVisible()
    assert "After  160 × 120" in badges(page)
    assert page.start_button.text() == "&Start again"


def test_a_preview_says_that_the_slider_has_moved_on(qtbot, done, options, job):
    page, compare = done, done.compare
    compare.preview_button.setChecked(True)
    options.set(settings.DETAIL, 50)
    options.set(settings.MODEL, "detail-x4")
    qtbot.waitUntil(lambda: isinstance(job.requests[-1], PreviewRequest), timeout=TIMEOUT)
    options.set(settings.DETAIL, 20)
    answer(page, job)
    qtbot.waitUntil(lambda: "Preview: Photographs, Detail 50 % · updating" in badges(page), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: job.requests[-1].detail == 20, timeout=TIMEOUT)
    answer(page, job)
    qtbot.waitUntil(lambda: "Preview: Photographs, Detail 20 %" in badges(page), timeout=TIMEOUT)
    qtbot.waitUntil(lambda: "updating" not in badges(page), timeout=TIMEOUT)


def test_in_a_run_options_say_that_it_keeps_its_own(page, options, job):
    page.start_button.click()
    assert not page.options_notice.isVisible()
    options.set(settings.ENSEMBLE, True)
    assert page.options_notice.isVisible()
    assert "1 pass" in page.options_notice.words.text()
    job.say(JobCancelled())
    assert not page.options_notice.isVisible()


def test_a_result_that_was_there_already_is_shown(qtbot, page, job):
    page.start_button.click()
    source = page.session.queue.entries[0].path
    output = make_picture(source.parent / "out.png", 160, 120)
    job.say(FileSkipped(source, output, "Made before."), JobCancelled())
    qtbot.waitUntil(lambda: "After  160 × 120" in badges(page), timeout=TIMEOUT)


def test_file_dialogs_begin_among_the_pictures_and_then_where_the_last_one_ended(page, own_home, tmp_path, monkeypatch):
    (own_home / "Pictures").mkdir()
    begun = []
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *args: begun.append(args[2]) or ([], ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: begun.append(args[2]) or str(tmp_path))
    page.queue.add_files.trigger()
    page.queue.add_folder.trigger()
    page.queue.add_files.trigger()
    assert [Path(each) for each in begun] == [own_home / "Pictures", own_home / "Pictures", tmp_path]


def test_in_a_narrow_window_the_options_are_in_a_drawer(page):
    assert page.options.isVisible()
    assert not page.options_button.isVisible()
    page.resize(780, 480)
    assert not page.options.isVisible()
    page.options_button.click()
    assert page.options.isVisible()
    assert page.options_button.isChecked()
    page.resize(1150, 740)
    assert page.options.isVisible()
    assert not page.drawer.isVisible()
    assert not page.options_button.isVisible()


def test_no_button_comes_under_the_pointer_when_a_run_starts(page, job):
    """A double click on Start must not pause or cancel."""
    where = page.start_button.geometry()
    page.start_button.click()
    assert page.busy
    QTest.qWait(0)
    assert page.start_button.geometry() == where
    assert not page.start_button.isEnabled()
    paused = page.bar.pause.geometry()
    job.say(WorkerReady("cpu"), job=NO_JOB)
    page.session.pause()
    QTest.qWait(0)
    assert (page.bar.pause.text(), page.bar.pause.geometry()) == ("&Resume", paused)


def names(page):
    return [entry.path.name for entry in page.session.queue.entries]


def shown(page):
    return [name for row, name in enumerate(names(page)) if not page.queue.table.isRowHidden(row)]


def test_rows_are_searched_and_only_those_found_are_acted_on(qtbot, page, job):
    page.start_button.click()
    finish(None, page, job, 0)
    page.queue.searching.trigger()
    assert page.queue.filter.isVisible()
    page.queue.filter.search.setText("in/ B")
    assert shown(page) == ["b.png"]
    page.queue.filter.search.clear()
    page.queue.filter.state.setCurrentIndex(page.queue.filter.state.findText("Saved"))
    assert shown(page) == ["a.png"]
    # Another one is done meanwhile.
    job.say(begin(page.session, 1), save(page.session, 1))
    qtbot.waitUntil(lambda: shown(page) == ["a.png", "b.png"])
    page.queue.table.selectAll()
    assert page.queue.table.selected_rows() == [0, 1]
    QTest.keyClick(page.queue.filter.search, Qt.Key.Key_Escape)
    assert shown(page) == names(page)
    assert not page.queue.filter.isVisible()


def test_only_failed_ones_are_shown(page):
    page.session.queue.update(2, state=State.FAILED)
    page.queue.filter.open_filter()
    page.queue.filter.state.setCurrentIndex(page.queue.filter.state.findText("Only failed"))
    assert shown(page) == ["c.png"]
    page.queue.table.choose(2)
    assert not page.queue.step(1)


def test_a_click_on_a_title_sorts_and_the_third_one_no_longer(page):
    page.session.queue.update(0, size=(900, 900))
    header = page.queue.table.horizontalHeader()

    def click_size():
        where = header.sectionPosition(1) + 20
        QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(where, 10))

    click_size()
    assert names(page)[-1] == "a.png"
    click_size()
    assert names(page)[0] == "a.png"
    click_size()
    assert names(page) == [f"{name}.png" for name in "abcde"]


def test_what_was_cleared_can_be_put_back(page):
    page.queue.clear.trigger()
    assert names(page) == []
    assert page.drop_area.undo.isVisible()
    assert page.drop_area.undo.text() == "Put back 5 pictures"
    page.drop_area.undo.click()
    assert names(page) == [f"{name}.png" for name in "abcde"]
    page.queue.table.choose(1)
    page.queue.remove.trigger()
    page.queue.table.choose(2)
    page.queue.remove.trigger()
    assert names(page) == ["a.png", "c.png", "e.png"]
    page.queue.undo.trigger()
    page.queue.undo.trigger()
    assert names(page) == [f"{name}.png" for name in "abcde"]
    assert not page.queue.undo.isEnabled()


def test_files_are_copied_results_before_sources(page, job, tmp_path):
    page.start_button.click()
    finish(None, page, job, 0)
    page.queue.table.selectAll()
    page.queue.copy.trigger()
    urls = QGuiApplication.clipboard().mimeData().urls()
    assert [url.fileName() for url in urls] == ["0.png", "b.png", "c.png", "d.png", "e.png"]


def test_a_message_moves_nothing_under_the_pointer(page):
    page.resize(900, 600)
    QApplication.processEvents()
    parts = (page.queue, page.compare, page.bar, page.start_button)
    before = [part.geometry() for part in parts]
    page.banner.say("bad", "It did not work.", "Try something else. " * 12, [("Details…", lambda: None)])
    QApplication.processEvents()
    assert [part.geometry() for part in parts] == before
    assert page.rect().contains(page.banner.geometry())
    assert page.banner.geometry().bottom() < page.compare.view.bar.mapTo(page, QPoint(0, 0)).y()


def test_settings_of_one_picture_are_edited_in_the_options(page, qtbot, options):
    options.set(settings.SIZE, OutputSize("factor", 2.0))
    page.session.pins.pin([0])
    options.set(settings.SIZE, OutputSize("factor", 8.0))
    page.queue.table.choose(0)
    page.queue.edit_own.trigger()
    assert not page.options_notice.isHidden()
    assert "Own settings of" in page.options_notice.words.text()
    assert page.options.output_size.preset.currentText() == "2×"
    options.set(settings.SIZE, OutputSize("factor", 3.0))
    page.options_notice.keep.click()
    entry = page.session.queue.entries[0]
    assert entry.own.size == OutputSize("factor", 3.0)
    assert "3×" in entry.own_words
    # The options are those of all others again.
    assert options.get(settings.SIZE) == OutputSize("factor", 8.0)
    assert page.options.output_size.preset.currentText() == "8×"
    assert page.options_notice.isHidden()
    page.queue.edit_own.trigger()
    options.set(settings.SIZE, OutputSize("factor", 4.0))
    page.options_notice.drop.click()
    assert page.session.queue.entries[0].own.size == OutputSize("factor", 3.0)
    assert options.get(settings.SIZE) == OutputSize("factor", 8.0)
    page.queue.use_for_all.trigger()
    assert options.get(settings.SIZE) == OutputSize("factor", 3.0)


def dropped_link(link):
    mime = QMimeData()
    mime.setUrls([QUrl(link)])
    return mime


def test_a_link_from_a_browser_is_fetched_into_a_folder_that_was_named(page, qtbot, web, own_home):
    mime = dropped_link(f"{web.url}/cat%20one.png?size=large")
    before = len(page.session.queue.entries)
    assert drop_mime(page, mime)
    assert "Pictures" in page.drop_overlay.label.text() or "SRGAN" in page.drop_overlay.label.text()
    qtbot.waitUntil(lambda: len(page.session.queue.entries) == before + 1)
    path = page.session.queue.entries[-1].path
    assert path.name == "cat one.png"
    assert own_home in path.parents
    assert path.read_bytes() == web.picture
    assert page.banner.isHidden()


def test_a_link_that_leads_to_no_picture_is_refused_in_words(page, qtbot, web):
    assert drop_mime(page, dropped_link(f"{web.url}/page"))
    qtbot.waitUntil(lambda: "web page" in page.banner.text)
    assert "paste" in page.banner.text


def test_a_link_can_be_given_up(page, qtbot, web):
    before = len(page.session.queue.entries)
    assert drop_mime(page, dropped_link(f"{web.url}/slow.png"))
    qtbot.waitUntil(lambda: "Fetching" in page.banner.text)
    page.banner.findChild(QPushButton).click()
    qtbot.waitUntil(page.banner.isHidden)
    web.released.set()
    assert len(page.session.queue.entries) == before


def test_the_queue_of_last_time_is_offered_again(qtbot, theme, options, job, tmp_path):
    pictures = [make_picture(tmp_path / f"{name}.png") for name in "xyz"]
    save_queue([*pictures, tmp_path / "gone.png"])
    page = UpscalePage(theme, options, session=UpscaleSession(options, job=job))
    page.show()
    page.start_engine()
    qtbot.waitUntil(page.drop_area.last_time.isVisible)
    assert page.drop_area.last_time.text() == "Continue with 3 pictures from last time"
    page.drop_area.last_time.click()
    qtbot.waitUntil(lambda: len(page.session.queue.entries) == 3)
    assert not page.session.filling.last_time
    page.session.queue.update(0, state=State.DONE, output=tmp_path / "out.png")
    with qtbot.waitSignal(page.stopped, timeout=TIMEOUT):
        page.shutdown()
    page.deleteLater()
    # What is done is not offered again.
    assert [path.name for path in load_queue()] == ["y.png", "z.png"]


def test_a_sample_is_copied_where_its_result_can_lie_beside_it(qtbot, theme, options, job, own_home):
    page = UpscalePage(theme, options, session=UpscaleSession(options, job=job))
    page.show()
    assert page.drop_area.sample.isVisible()
    page.drop_area.sample.click()
    qtbot.waitUntil(lambda: len(page.session.queue.entries) == 1)
    path = page.session.queue.entries[0].path
    assert path.is_relative_to(own_home)
    assert path.is_file()
    with qtbot.waitSignal(page.stopped, timeout=TIMEOUT):
        page.shutdown()
    page.deleteLater()
