"""How long the window is busy at a time: ten thousand rows beside a hundred, and the pieces that pages are made of.

Processor time, as ratios measured in one run: the least of several turns each. No screen is needed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
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

FEW, MANY = 100, 10_000
TURNS = 5
FRAME_MS = 16
"""A frame at 60 a second."""


def least(turn: Callable[[], object]) -> float:
    """Milliseconds of processor time of the quickest of some turns."""
    best = float("inf")
    for _ in range(TURNS):
        begun = time.process_time()
        turn()
        QApplication.processEvents()
        best = min(best, time.process_time() - begun)
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
        begun = time.process_time()
        more = page.build_piece()
        longest = max(longest, time.process_time() - begun)
    return 1000 * longest


def main() -> None:
    """Print it."""
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
