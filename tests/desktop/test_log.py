"""The log file, and errors that nobody caught."""

import faulthandler
import logging
import sys
import threading

import pytest
from PySide6.QtCore import QTimer, qInstallMessageHandler, qWarning
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QWidget

from srgan_desktop import log
from srgan_desktop.dialogs import ProblemDialog


@pytest.fixture
def begun(own_home, monkeypatch):
    """The log as the program begins it, and everything as it was afterwards."""
    # The tests' own crash report stays in force.
    crash_files = []
    monkeypatch.setattr(faulthandler, "enable", crash_files.append)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    log.begin_log()
    yield log.log_file()
    qInstallMessageHandler(None)
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = handlers, level
    assert [each.name for each in crash_files] == [str(log.log_file().parent / "crash.log")]
    crash_files[0].close()


def test_words_of_python_and_qt_go_into_one_file(qapp, begun, own_home):
    logging.getLogger("srgan_desktop").info("Something happened.")
    qWarning("Qt complains.")
    text = begun.read_text(encoding="utf-8")
    assert begun.is_relative_to(own_home)
    assert "Something happened." in text
    assert "Qt complains." in text


def test_streams_that_are_not_there_are_replaced(begun, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    log.replace_missing_streams()
    print("a progress bar")
    assert not sys.stdout.isatty()
    assert "a progress bar" in begun.read_text(encoding="utf-8")


def dialogs():
    return [each for each in QApplication.topLevelWidgets() if isinstance(each, ProblemDialog) and each.isVisible()]


@pytest.mark.parametrize("where", ["main thread", "another thread"])
def test_uncaught_errors_are_logged_and_shown_once(qtbot, monkeypatch, caplog, where):
    window = QWidget()
    qtbot.addWidget(window)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    log.report_uncaught(window)

    def fail():
        raise RuntimeError("a defect")

    for _ in range(3):
        if where == "main thread":
            try:
                fail()
            except RuntimeError:
                sys.excepthook(*sys.exc_info())
        else:
            thread = threading.Thread(target=fail)
            thread.start()
            thread.join()
    qtbot.waitUntil(lambda: len(dialogs()) == 1)
    QTimer.singleShot(0, window, window.update)
    assert "a defect" in dialogs()[0].findChild(QPlainTextEdit).toPlainText()
    assert caplog.text.count("RuntimeError: a defect") == 3
    dialogs()[0].accept()
    assert dialogs() == []
