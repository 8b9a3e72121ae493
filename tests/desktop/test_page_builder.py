"""Pages are made while the window rests, and not under somebody's hands."""

import sys
import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from srgan_desktop import page_builder
from srgan_desktop.page_builder import PageBuilder


@pytest.fixture
def window(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    window.show()
    return window


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Two that note the thread which imports them, and one that is broken."""
    (tmp_path / "first_page.py").write_text("import threading\nthread = threading.current_thread()\n")
    (tmp_path / "broken_page.py").write_text("raise RuntimeError('broken')\n")
    (tmp_path / "last_page.py").write_text("import threading\nthread = threading.current_thread()\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("first_page", "last_page"):
        sys.modules.pop(name, None)


def close(qtbot, builder):
    with qtbot.waitSignal(builder.stopped):
        builder.close()


def test_all_that_can_be_imported_are_made_in_the_main_thread(qtbot, window, modules, monkeypatch):
    monkeypatch.setattr(page_builder, "IDLE_MS", 0)
    made = []
    builder = PageBuilder(
        window,
        [("a", "first_page"), ("b", "broken_page"), ("c", "last_page")],
        lambda key: bool(made.append((key, threading.current_thread()))),
    )
    builder.begin()
    qtbot.waitUntil(lambda: len(made) == 2)
    assert made == [("a", threading.main_thread()), ("c", threading.main_thread())]
    assert sys.modules["first_page"].thread is not threading.main_thread()
    close(qtbot, builder)


def test_whoever_uses_the_window_is_not_held_up(qtbot, window, modules, monkeypatch):
    monkeypatch.setattr(page_builder, "IDLE_MS", 60_000)
    builder = PageBuilder(window, [("a", "first_page")], print)
    builder.begin()
    timer = builder.rest.timerId()
    QTest.mouseClick(window.windowHandle(), Qt.MouseButton.LeftButton)
    assert builder.rest.timerId() != timer
    close(qtbot, builder)
    assert "first_page" not in sys.modules


def test_a_page_is_made_piece_by_piece_before_the_next(qtbot, window, modules, monkeypatch):
    monkeypatch.setattr(page_builder, "IDLE_MS", 0)
    monkeypatch.setattr(page_builder, "PIECE_MS", 0)
    made = []

    def make(key):
        made.append(key)
        return made.count(key) < 3

    builder = PageBuilder(window, [("a", "first_page"), ("b", "last_page")], make)
    builder.begin()
    qtbot.waitUntil(lambda: len(made) == 6)
    assert "".join(made) == "aaabbb"
    close(qtbot, builder)


def test_between_two_pieces_the_user_comes_first(qtbot, window, modules, monkeypatch):
    monkeypatch.setattr(page_builder, "IDLE_MS", 0)
    monkeypatch.setattr(page_builder, "PIECE_MS", 60_000)
    made = []
    builder = PageBuilder(window, [("a", "first_page")], lambda key: made.append(key) or len(made) < 2)
    builder.begin()
    qtbot.waitUntil(lambda: made == ["a"])
    monkeypatch.setattr(page_builder, "PIECE_MS", 0)
    # Whoever moves the mouse is left alone for as long as before a page is begun.
    QTest.mouseClick(window.windowHandle(), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: made == ["a", "a"])
    close(qtbot, builder)


def test_nothing_is_made_after_the_end(qtbot, window, modules, monkeypatch):
    monkeypatch.setattr(page_builder, "IDLE_MS", 0)
    made = []
    builder = PageBuilder(window, [("a", "first_page")], lambda key: bool(made.append(key)))
    builder.begin()
    close(qtbot, builder)
    qtbot.wait(1)
    assert made == []
