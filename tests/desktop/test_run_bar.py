"""The bar under a page with a run."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from srgan_desktop.run_bar import BarState, RunBar


@pytest.fixture(params=[Qt.Orientation.Horizontal, Qt.Orientation.Vertical])
def bar(request, qtbot, theme):
    bar = RunBar(
        theme, request.param, stop="&Cancel", stop_tooltip="Stop", pause_tooltip="Let it wait", resume="&Resume"
    )
    qtbot.addWidget(bar)
    bar.show()
    return bar


@pytest.mark.parametrize("title", ["Upscaling 2 of 11", "Whatever ends like this…"])
def test_the_bar_moves_by_itself_only_where_nobody_knows_how_long(bar, title):
    bar.show_state(BarState(title, "some words", 0.25))
    assert (bar.progress.striped, bar.progress.value()) == (False, 250)
    bar.show_state(BarState(title, "some words"))
    assert bar.progress.striped
    bar.show_state(BarState(title, has_progress=False))
    assert not bar.progress.isVisible()


def test_a_bar_of_unknown_length_looks_the_same_at_both_ends(bar, theme):
    """A piece in one place, as Qt paints it, looks like a part that is done."""
    bar.resize(900, 70)
    bar.show_state(BarState("Preparing…"))
    line = bar.progress.grab().toImage()
    accent = QColor(theme.tokens.accent).rgb()
    row = [line.pixel(x, line.height() // 2) == accent for x in range(line.width())]
    half = len(row) // 2
    assert 0.3 < sum(row[:half]) / half < 0.6
    assert 0.3 < sum(row[half:]) / half < 0.6


def test_pause_becomes_resume(bar):
    bar.show_steering(True, can_pause=True, can_stop=True, paused=True)
    bar.show_state(BarState("Paused", "", 0.5, paused=True))
    assert bar.pause.text() == "&Resume"
    assert bar.progress.property("state") == "paused"
    bar.show_steering(True, can_pause=False, can_stop=True, paused=False)
    bar.show_state(BarState("Stopping…", "", 0.5))
    assert (bar.pause.text(), bar.pause.isEnabled(), bar.stop.isEnabled()) == ("&Pause", False, True)
    assert bar.progress.property("state") == ""
    bar.show_steering(False, can_pause=False, can_stop=False, paused=False)
    assert not bar.pause.isVisible()
    assert not bar.stop.isVisible()


def test_words_go_below_the_title_where_there_is_no_room_beside_it(bar, qtbot):
    state = BarState(
        "8 pictures ready to upscale", "about 20 s · 8.4 megapixels · 10 MB · 1 cannot be read", None, False
    )
    bar.show_state(state)
    bar.resize(1200, bar.height())
    beside = bar.title.y() == bar.words.y()
    bar.resize(bar.minimumSizeHint().width() + bar.words.sizeHint().width(), bar.height())
    qtbot.waitUntil(lambda: bar.title.y() < bar.words.y())
    assert bar.words.text() == bar.words.whole
    assert bar.title.text() == bar.title.whole
    bar.resize(1200, bar.height())
    qtbot.waitUntil(lambda: (bar.title.y() == bar.words.y()) == beside)
