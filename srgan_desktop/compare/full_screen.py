"""The picture alone on the whole screen."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

LEAVING = (Qt.Key.Key_Escape, Qt.Key.Key_F11)


class FullScreen(QObject):
    """Lends a comparison's canvas to a window of its own, and puts it back on top of the comparison's column."""

    def __init__(self, canvas: QWidget, view: QWidget, column: QVBoxLayout) -> None:
        super().__init__(view)
        self._canvas = canvas
        self._view = view
        self._column = column
        self._window: _Window | None = None

    @property
    def is_on(self) -> bool:
        """Whether the picture is alone."""
        return self._window is not None

    def enter(self) -> None:
        """Show the picture alone."""
        if self._window is None:
            self._window = _Window(self._canvas, self._view)
            self._window.closed.connect(self._take_back)

    def leave(self) -> None:
        """Have the picture back in the comparison."""
        if self._window is not None:
            self._window.close()

    def _take_back(self) -> None:
        if self._window is not None:
            self._column.insertWidget(0, self._canvas, 1)
            self._canvas.show()
            self._canvas.setFocus()
            self._window.deleteLater()
            self._window = None


class _Window(QWidget):
    """Holds the canvas. Its keys are those of the view; Esc and F11 close it."""

    closed = Signal()
    """The canvas can be taken back."""

    def __init__(self, canvas: QWidget, view: QWidget) -> None:
        super().__init__(view, Qt.WindowType.Window)
        self._view = view
        self.setWindowTitle(view.window().windowTitle())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(canvas)
        self.showFullScreen()
        canvas.show()
        canvas.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in LEAVING:
            self.close()
        else:
            self._view.keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        self._view.keyReleaseEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        super().closeEvent(event)
        self.closed.emit()
