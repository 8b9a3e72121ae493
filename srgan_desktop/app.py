"""From the command line to a running event loop and back."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
from pathlib import Path
from types import FrameType

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QImageReader
from PySide6.QtWidgets import QApplication

from core.language import gettext as _
from core.version import VERSION
from srgan_desktop.log import begin_log, replace_missing_streams, report_uncaught
from srgan_desktop.main_window import MainWindow
from srgan_desktop.opening import InstanceServer, hand_over
from srgan_desktop.settings import OUTPUT, Settings
from srgan_desktop.spoken import start_again, translate_qt
from srgan_desktop.theme import Theme, app_icon

COLLECT_EVERY_MS = 5_000


def run(arguments: list[str]) -> int:
    """Show the window until it is closed; answers with the exit code.

    Where this user has one already, that one is brought forward, and gets the files.
    """
    replace_missing_streams()
    options = _parse(arguments)
    inputs = [path.absolute() for path in options.inputs]
    output = options.output.absolute() if options.output is not None else None
    begin_log()
    app = QApplication([sys.argv[0]])
    app.setApplicationName("srgan-desktop")
    app.setApplicationDisplayName("SRGAN Desktop")
    app.setDesktopFileName("srgan-desktop")
    app.setWindowIcon(app_icon())
    translate_qt(app)
    if hand_over(inputs, output):
        return 0
    # Closing hides the window at once and lets the worker end behind it.
    app.setQuitOnLastWindowClosed(False)
    # Qt refuses pictures over 256 MB, in MB.
    QImageReader.setAllocationLimit(16_384)
    settings = Settings(parent=app)
    if output is not None:
        settings.override(OUTPUT, str(output))
    theme = Theme(app, settings)
    collect_garbage_in_main_thread(app)
    window = MainWindow(theme, settings)
    window.closed.connect(app.quit)
    server = InstanceServer(app)
    window.closing.connect(server.close)

    def open_asked(paths: list[Path], named: str) -> None:
        if named:
            settings.override(OUTPUT, named)
        window.come_forward()
        if paths:
            window.open(paths)

    server.asked.connect(open_asked)
    report_uncaught(window)
    _close_on_signals(window)
    # What a session manager says at a logout; where there is none, SIGTERM or SIGHUP comes.
    app.commitDataRequest.connect(window.close_now)
    window.show()
    if inputs:
        window.open(inputs)
    code = app.exec()
    if window.restarts:
        start_again()
    window.deleteLater()
    return code


def collect_garbage_in_main_thread(owner: QObject) -> None:
    """Keep Python's cyclic collector out of other threads: it deletes QObjects wherever it happens to run.

    What the start made is frozen, so that a collection looks at little and takes well under a frame. It is not looked
    at before: of its 70,000 objects some hundred are garbage.
    """
    gc.freeze()
    gc.disable()
    timer = QTimer(owner)
    timer.timeout.connect(_collect)
    timer.start(COLLECT_EVERY_MS)


def _collect() -> None:
    gc.collect()


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="srgan-desktop", description=_("Upscale pictures in a window. For scripts, use the `srgan` command.")
    )
    parser.add_argument("inputs", nargs="*", type=Path, metavar="FILE_OR_FOLDER", help=_("put into the queue"))
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help=_("save results there, this time"))
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    return parser.parse_args(arguments)


def _close_on_signals(window: MainWindow) -> None:
    def close(_number: int, _frame: FrameType | None) -> None:
        QTimer.singleShot(0, window, window.close_now)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), close)
    # Python looks at signals only while it runs: without this one would wait for the next click.
    ticker = QTimer(window)
    ticker.timeout.connect(_let_python_run)
    ticker.start(500)


def _let_python_run() -> None:
    return
