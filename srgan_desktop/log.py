"""Where the window writes down what happens, and what it does about errors nobody caught."""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, qInstallMessageHandler
from PySide6.QtWidgets import QWidget

from core import paths
from srgan_desktop import problems
from srgan_desktop.dialogs import ProblemDialog

log = logging.getLogger("srgan_desktop")

_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def log_file() -> Path:
    """The newest log; older ones end in `.1` and `.2`."""
    return paths.user_logs() / "window.log"


def replace_missing_streams() -> None:
    """A windowed program on Windows has no streams; whatever prints a line, `--version` first of all, would crash."""
    if sys.stdout is None:
        sys.stdout = _LogStream(logging.INFO)
    if sys.stderr is None:
        sys.stderr = _LogStream(logging.WARNING)


def begin_log() -> None:
    """Write a rotating log file from now on; where no folder can be written, to stderr."""
    handlers: list[logging.Handler] = []
    try:
        log_file().parent.mkdir(parents=True, exist_ok=True)
        handlers.append(RotatingFileHandler(log_file(), maxBytes=1 << 20, backupCount=2, encoding="utf-8"))
        crashes = (log_file().parent / "crash.log").open("a", encoding="utf-8")
    except OSError:
        crashes = None
    replace_missing_streams()
    if not isinstance(sys.stderr, _LogStream):
        handlers.append(logging.StreamHandler(sys.stderr))
        handlers[-1].setLevel(logging.ERROR)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s",
        handlers=handlers,
        force=True,
    )
    if crashes is not None:
        faulthandler.enable(crashes)
    qInstallMessageHandler(_on_qt_message)


def report_uncaught(parent: QWidget) -> None:
    """From now on log every uncaught error of any thread, and show it with its details."""
    reporter = _Reporter(parent)

    def in_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("uncaught", exc_info=(kind, error, trace))
        reporter.caught.emit(error)

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            in_main(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = in_main
    threading.excepthook = in_thread


class _Reporter(QObject):
    """Takes errors of all threads to the main one; shows one at a time, as a failing timer must not bury the screen."""

    caught = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self._shown = False
        self.caught.connect(self._show)

    def _show(self, error: BaseException) -> None:
        if self._shown:
            return
        self._shown = True
        dialog = ProblemDialog(problems.of_exception(error), self._parent)
        dialog.finished.connect(self._on_finished)
        dialog.open()

    def _on_finished(self, _result: int) -> None:
        self._shown = False


class _LogStream:
    """Stands in for a stream that is not there."""

    encoding = "utf-8"

    def __init__(self, level: int) -> None:
        self._level = level

    def write(self, text: str) -> int:
        if text.strip():
            log.log(self._level, text.rstrip())
        return len(text)

    def flush(self) -> None:
        return

    def isatty(self) -> bool:
        return False


def _on_qt_message(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    logging.getLogger("qt").log(_LEVELS.get(kind, logging.INFO), "%s %s", context.category or "", message)
