"""Pages made before they are first shown, so that going to one does not hold up the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtWidgets import QWidget

from srgan_desktop.background import Lane, Throttle

IDLE_MS = 1_500
"""How long nobody may have touched the window before a page is begun, or gone on with."""
PIECE_MS = 30
"""Between two pieces of a page, each of which takes a frame or two."""
INPUT = frozenset(
    {QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove, QEvent.Type.Wheel, QEvent.Type.DragMove}
)


class PageBuilder(QObject):
    """Imports what pages need in a thread, and makes one after the other, piece by piece, while the window rests.

    Modules may be imported in a thread, as none of ours makes a QObject when it is imported.
    """

    stopped = Signal()
    """After `close`: nothing is imported any more."""

    def __init__(self, window: QWidget, pages: Sequence[tuple[str, str]], make: Callable[[str], bool]) -> None:
        """Start nothing yet.

        Args:
            window: whose rest is waited for.
            pages: (key, module) of each.
            make: makes another piece of the page of a key; answers with whether there is more to make.
        """
        super().__init__(window)
        self._window = window
        self._waiting = list(pages)
        self._ready: list[str] = []
        self._make = make
        self._imports = Lane("imports", self)
        self._imports.stopped.connect(self.stopped)
        self.rest = Throttle(IDLE_MS, self._go_on, self)
        """Runs out when nobody has used the window for a moment."""

    def begin(self) -> None:
        """Wait for the window to rest, and begin; the window has to be on the screen."""
        handle = self._window.windowHandle()
        if handle is not None:
            # On the window alone: a filter on the application would be called for every event there is.
            handle.installEventFilter(self)
        self._wait(IDLE_MS)

    def close(self) -> None:
        """Make no more; ends with `stopped`."""
        self.rest.stop()
        self._waiting.clear()
        self._ready.clear()
        self._imports.close()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in INPUT and self.rest.isActive():
            self._wait(IDLE_MS)
        return super().eventFilter(watched, event)

    def _go_on(self) -> None:
        if self._ready:
            if self._make(self._ready[0]):
                self._wait(PIECE_MS)
            else:
                self._ready.pop(0)
                self._wait(IDLE_MS)
        elif self._waiting:
            key, module = self._waiting.pop(0)
            # What cannot be imported says so when the page is asked for.
            self._imports.stream(partial(_imported, module), lambda _: self._ready.append(key), self._on_imported)
        else:
            handle = self._window.windowHandle()
            if handle is not None:
                handle.removeEventFilter(self)

    def _on_imported(self, _error: Exception | None) -> None:
        self._wait(IDLE_MS)

    def _wait(self, milliseconds: int) -> None:
        self.rest.setInterval(milliseconds)
        self.rest.when_quiet()


def _imported(module: str, _cancel: object) -> Sequence[object]:
    return (import_module(module),)
