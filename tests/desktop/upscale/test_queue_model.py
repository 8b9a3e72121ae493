"""The queue's rows, and that views hear of every change."""

from pathlib import Path

import pytest
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester

from core.contract.settings import OutputSize
from core.contract.upscale import FileSaved, Input, UpscaleRequest
from core.images import Probe
from srgan_desktop.problems import Problem
from srgan_desktop.thumbnails import Thumbnails
from srgan_desktop.upscale.queue_model import ENTRY, Column, Entry, Queue, State

pytestmark = pytest.mark.qt_log_level_fail("WARNING")


@pytest.fixture
def queue(qtbot):
    thumbnails = Thumbnails()
    queue = Queue(thumbnails)
    # Complains by way of qWarning, which the mark above turns into a failure.
    tester = QAbstractItemModelTester(queue, QAbstractItemModelTester.FailureReportingMode.Warning)
    yield queue
    with qtbot.waitSignal(thumbnails.stopped):
        thumbnails.close()
    tester.deleteLater()


def entries(*names, **fields):
    return [Entry(Input(Path("/pictures") / name), **fields) for name in names]


def names(queue):
    return [entry.path.name for entry in queue.entries]


def text(queue, row, column):
    return queue.index(row, column).data()


def test_each_source_is_there_once(queue):
    assert queue.add(entries("a.png", "b.png", "a.png")) == 2
    assert queue.add(entries("b.png", "c.png")) == 1
    assert names(queue) == ["a.png", "b.png", "c.png"]
    assert queue.row_of(Path("/pictures/c.png")) == 2
    assert queue.count(State.WAITING) == 3


def test_views_hear_of_rows(queue, qtbot):
    with qtbot.waitSignal(queue.rowsInserted, check_params_cb=lambda _, first, last: (first, last) == (0, 3)):
        queue.add(entries(*"abcd"))
    removed = []
    queue.rowsRemoved.connect(lambda _, first, last: removed.append((first, last)))
    queue.remove([3, 0, 1])
    assert removed == [(3, 3), (0, 1)]
    assert names(queue) == ["c"]
    assert queue.row_of(Path("/pictures/c")) == 0
    assert queue.row_of(Path("/pictures/a")) is None
    assert queue.count(State.WAITING) == 1


def test_updates_keep_the_counts(queue, qtbot):
    queue.add(entries(*"ab"))
    with qtbot.waitSignal(queue.dataChanged):
        queue.update(1, state=State.WORKING, fraction=0.42)
    assert (queue.count(State.WAITING), queue.count(State.WORKING)) == (1, 1)
    assert text(queue, 1, Column.STATE) == "Upscaling, 42 %"
    queue.update(1, state=State.FAILED, problem=Problem("It is broken.", "Get another."))
    assert text(queue, 1, Column.STATE) == "Failed: It is broken."
    assert "Get another." in queue.index(1, Column.STATE).data(Qt.ItemDataRole.ToolTipRole)
    queue.reset([1])
    assert queue.count(State.WAITING) == 2
    assert queue.entries[1].problem is None


def test_sizes_before_and_after(queue):
    queue.add(entries("a", size=(100, 60)))
    assert text(queue, 0, Column.SIZE) == "100 × 60 → 400 × 240"
    queue.show_output_size(OutputSize("longest", 50))
    assert text(queue, 0, Column.SIZE) == "100 × 60 → 50 × 30"
    queue.update(0, state=State.DONE, output_size=(200, 120), consistency=41.26)
    assert text(queue, 0, Column.SIZE) == "100 × 60 → 200 × 120"
    assert text(queue, 0, Column.CONSISTENCY) == "✓"
    assert "41.3 dB" in queue.index(0, Column.CONSISTENCY).data(Qt.ItemDataRole.ToolTipRole)
    queue.update(0, consistency=22.0)
    assert text(queue, 0, Column.CONSISTENCY) == "⚠ differs"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("two\nlines.png", "two�lines.png"), ("🦊.png", "🦊.png"), ("é" * 125 + ".png", "é" * 125 + ".png")],
)
def test_any_name_is_one_line_and_the_tooltip_has_all_of_it(queue, name, shown):
    queue.add(entries(name))
    assert text(queue, 0, Column.PICTURE) == shown
    assert name in queue.index(0, Column.PICTURE).data(Qt.ItemDataRole.ToolTipRole)
    spoken = queue.index(0, Column.STATE).data(Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "State: Waiting"


def test_questions_about_rows_that_are_gone(queue):
    queue.add(entries("a"))
    index = queue.index(0, 0)
    queue.remove([0])
    assert queue.data(index) is None
    assert queue.data(QModelIndex()) is None
    assert queue.rowCount() == 0
    queue.remove([])


def test_thousands_of_rows_come_and_go_in_one_step_each(queue):
    signals = []
    queue.rowsInserted.connect(lambda *_: signals.append("in"))
    queue.rowsRemoved.connect(lambda *_: signals.append("out"))
    queue.add(entries(*(f"{n}.png" for n in range(5000))))
    assert queue.index(4999, 0).data(ENTRY).path.name == "4999.png"
    queue.remove(range(5000))
    assert signals == ["in", "out"]


def test_a_row_of_a_paused_run_says_so(queue, qtbot):
    queue.add(entries(*"ab"))
    queue.update(0, state=State.WORKING, fraction=0.42)
    with qtbot.waitSignal(queue.dataChanged):
        queue.show_paused(True)
    assert text(queue, 0, Column.STATE) == "Paused, 42 %"
    assert text(queue, 1, Column.STATE) == "Waiting"
    queue.show_paused(False)
    assert text(queue, 0, Column.STATE) == "Upscaling, 42 %"


def test_each_row_knows_the_settings_that_made_its_result(queue):
    queue.add(entries(*"abc"))
    plain, larger = UpscaleRequest(()), UpscaleRequest((), size=OutputSize("factor", 8), device="cpu")
    for row, made_with in enumerate((plain, plain, larger)):
        saved = FileSaved(queue.entries[row].path, Path("/out.png"), (2, 2), (8, 8), 40.0, 1.0)
        queue.follow(saved, made_with)
    assert [len(queue.made_otherwise(wanted)) for wanted in (plain, larger)] == [1, 2]
    # The device decides no result.
    assert len(queue.made_otherwise(UpscaleRequest((), device="cpu"))) == 1
    assert "8×" in queue.index(2, Column.STATE).data(Qt.ItemDataRole.ToolTipRole)
    queue.reset([2])
    assert queue.made_otherwise(plain) == []


def test_rows_are_sorted_and_brought_back_into_the_order_of_adding(queue):
    queue.add(entries("b.png", size=(10, 10)) + entries("A.png", size=(30, 10)) + entries("c.png", size=(20, 10)))
    queue.update(1, state=State.FAILED, problem=Problem("Broken."))
    queue.sort(Column.PICTURE)
    assert names(queue) == ["A.png", "b.png", "c.png"]
    queue.sort(Column.SIZE, Qt.SortOrder.DescendingOrder)
    assert names(queue) == ["A.png", "c.png", "b.png"]
    queue.sort(Column.STATE, Qt.SortOrder.DescendingOrder)
    assert names(queue)[0] == "A.png"
    assert queue.row_of(Path("/pictures/b.png")) == names(queue).index("b.png")
    # What comes later finds its place, too.
    queue.sort(Column.PICTURE)
    queue.add(entries("aa.png"))
    assert names(queue) == ["A.png", "aa.png", "b.png", "c.png"]
    queue.sort(-1)
    assert names(queue) == ["b.png", "A.png", "c.png", "aa.png"]


def test_what_is_put_in_again_finds_its_old_place(queue):
    queue.add(entries("a", "b", "c", "d"))
    out = [queue.entries[1], queue.entries[2]]
    queue.remove([1, 2])
    queue.add(entries("e"))
    queue.put_in_again(out)
    assert names(queue) == ["a", "b", "c", "d", "e"]


def test_an_index_that_is_kept_follows_its_row(queue):
    queue.add(entries("b", "a"))
    kept = QPersistentModelIndex(queue.index(0, 1))
    queue.sort(Column.PICTURE)
    assert (kept.row(), kept.column()) == (1, 1)


def test_a_row_says_how_many_pages_or_frames_its_picture_has(queue):
    queue.add(entries("a.tif", "b.gif", "c.heic", "d.png"))
    headers = (("a.tif", "tiff", 12), ("b.gif", "gif", 40), ("c.heic", "heic", 3), ("d.png", "png", 1))
    for name, format, frames in headers:
        queue.learn_header(Path("/pictures") / name, Probe(8, 6, format, False, False, frames))
    texts = [text(queue, row, Column.SIZE) for row in range(4)]
    assert texts[:2] == ["12 pages, 8 × 6 → 32 × 24", "40 frames, 8 × 6 → 32 × 24"]
    assert texts[2:] == ["8 × 6 → 32 × 24"] * 2


def test_a_header_that_comes_after_the_run_is_kept_for_the_next(queue):
    queue.add(entries("quick.png", "broken.png"))
    queue.update(0, state=State.DONE)
    queue.update(1, state=State.FAILED, problem=Problem("What the run said."))
    queue.learn_header(Path("/pictures/quick.png"), Probe(8, 6, "png", False, False, 1))
    queue.learn_header(Path("/pictures/broken.png"), Problem("What its header said."))
    assert queue.entries[0].header.width == 8
    assert queue.entries[1].problem == Problem("What the run said.")


def test_results_that_were_packed_are_found_in_their_archive(queue):
    queue.add(entries("a.png", "b.png"))
    old, new = Path("/out/.srgan/unpacked/a.png"), Path("/out/a.cbz/a.png")
    queue.update(0, state=State.DONE, output=old)
    queue.follow_moves([(old, new)])
    assert [entry.output for entry in queue.entries] == [new, None]
