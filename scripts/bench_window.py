"""How long the window is busy at a time: ten thousand rows beside a hundred, and the pieces that pages are made of.

With `--against TREE` also how long it takes to stand, beside that of another working tree (`git worktree add`).
Processor time, as ratios measured in one run: the least of several turns each, of starts the median of turn about. No
screen is needed.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from core.contract.upscale import Input
from srgan_desktop.models.page import ModelsPage
from srgan_desktop.page import Page
from srgan_desktop.settings import Settings
from srgan_desktop.theme import Theme
from srgan_desktop.thumbnails import Thumbnails
from srgan_desktop.training.page import TrainPage
from srgan_desktop.upscale.queue_model import Column, Entry, Queue
from srgan_desktop.upscale.queue_view import QueueView

ROOT = Path(__file__).parents[1]
FEW, MANY = 100, 10_000
TURNS = 20
FRAME_MS = 16
"""A frame at 60 a second."""
STARTS = 5
"""How often each tree is started, after one start that nobody counts: it compiles the modules."""

START = """
import os, sys, time
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication, QMainWindow

class Paints(QObject):
    seen = False
    def eventFilter(self, watched, event):
        self.seen = self.seen or event.type() == QEvent.Type.Paint
        return False

def until_painted(*_):
    sys.modules["srgan_desktop.upscale.page"].UpscalePage.start_engine = lambda page: None
    window = next(each for each in QApplication.topLevelWidgets() if isinstance(each, QMainWindow))
    paints = Paints(window)
    window.installEventFilter(paints)
    while not paints.seen:
        QApplication.processEvents()
    sys.stdout.write(str(time.process_time()))
    sys.stdout.flush()
    os._exit(0)

QApplication.exec = until_painted
sys.argv = ["srgan-desktop"]
from srgan_desktop.__main__ import main
main()
"""
"""Opens the window as the program does, without its worker, and says what that took once it is painted."""


def least(turn: Callable[[], object]) -> float:
    """Milliseconds of processor time of the quickest turn, in this thread: others make thumbnails meanwhile."""
    best = float("inf")
    collects = gc.isenabled()
    # As in the window, where garbage is collected every few seconds, and not in the middle of a sort.
    gc.disable()
    for _ in range(TURNS):
        begun = time.thread_time()
        turn()
        QApplication.processEvents()
        best = min(best, time.thread_time() - begun)
    if collects:
        gc.enable()
    return 1000 * best


def rows(theme: Theme, count: int) -> dict[str, float]:
    """What a queue of so many rows takes, in milliseconds by what is done."""
    thumbnails = Thumbnails()
    queue = Queue(thumbnails)
    view = QueueView(queue, theme)
    view.resize(800, 600)
    queue.add(Entry(Input(Path(f"/pictures/{7919 * number % count:05d} {number % 7}.jpg"))) for number in range(count))
    view.show()
    QApplication.processEvents()
    bar, orders = view.verticalScrollBar(), [Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder]
    places, words = [0, bar.maximum()], ["3.jpg", "5.jpg"]

    def scroll() -> None:
        bar.setValue(places[0])
        places.reverse()
        view.viewport().repaint()

    def sort() -> None:
        queue.sort(Column.PICTURE, orders[0])
        orders.reverse()

    def filter_rows() -> None:
        word = words[0]
        words.reverse()
        view.show_only(lambda entry: word in str(entry.path))

    times = {"scroll": least(scroll), "sort": least(sort), "first slice of a filter": least(filter_rows)}
    thumbnails.close()
    view.deleteLater()
    return times


def pieces(page: Page) -> float:
    """Milliseconds of the longest piece of a page."""
    longest = 0.0
    more = True
    while more:
        begun = time.thread_time()
        more = page.build_piece()
        longest = max(longest, time.thread_time() - begun)
    return 1000 * longest


def start(tree: Path, folder: Path) -> float:
    """Seconds of processor time, user and system, from the start of a process to the painted window.

    Args:
        tree: a working tree of this repository.
        folder: holds its settings and compiled modules.

    Raises:
        subprocess.CalledProcessError: it does not start; why was printed.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        environment[name] = str(folder)
    environment |= {"PYTHONPATH": str(tree), "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    said = subprocess.run([sys.executable, "-c", START], env=environment, cwd=tree, stdout=subprocess.PIPE, check=True)
    return float(said.stdout)


def starts(tree: Path) -> float:
    """How long this tree's window takes to stand, as a multiple of what another tree's takes."""
    with TemporaryDirectory() as ours, TemporaryDirectory() as theirs:
        turns = [(start(ROOT, Path(ours)), start(tree, Path(theirs))) for _ in range(STARTS + 1)][1:]
    return median(our for our, _ in turns) / median(their for _, their in turns)


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--against", type=Path, metavar="TREE", help="another working tree, to compare starts with")
    against = parser.parse_args().against
    if against is not None:
        print(f"start: {starts(against):.2f} times that of {against}")
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    with TemporaryDirectory() as folder:
        settings = Settings(Path(folder) / "settings.ini")
        theme = Theme(app, settings)
        few, many = rows(theme, FEW), rows(theme, MANY)
        for what, time_ms in many.items():
            ratio = time_ms / max(few[what], 0.01)
            late = f", over a frame of {FRAME_MS} ms" if time_ms > FRAME_MS else ""
            print(f"{what}, {MANY:,} rows: {time_ms:.1f} ms, {ratio:.1f} times that of {FEW}{late}")
        for page in (TrainPage(theme, settings, built=False), ModelsPage(theme, settings, built=False)):
            print(f"{type(page).__name__}: longest piece {pieces(page):.0f} ms")
            page.shutdown()


if __name__ == "__main__":
    main()
