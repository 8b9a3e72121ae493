"""The picture alone on the whole screen."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

LEAVING = (Qt.Key.Key_Escape, Qt.Key.Key_F11)


class FullScreen(QWidget):
    """A window that holds a comparison's canvas. Its keys are those of the view; Esc and F11 close it."""

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
