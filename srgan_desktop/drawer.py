"""A drawer: what stands beside a page where there is room, and slides over it where there is none."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

SHADE = QColor(0, 0, 0, 110)
"""Over the page, while the drawer is open."""


class Drawer(QWidget):
    """Covers a page, and holds a panel at its right edge. A click beside the panel and Esc close it."""

    opened = Signal(bool)
    """It was opened, or closed."""

    def __init__(self, page: QWidget, contents: QWidget) -> None:
        """Be closed.

        Args:
            page: is covered.
            contents: what the drawer is for; it stays where it is until `hold`.
        """
        super().__init__(page)
        self._page = page
        self._contents = contents
        self._panel = QFrame(self)
        self._panel.setObjectName("drawer")
        self._inside = QVBoxLayout(self._panel)
        self._inside.setContentsMargins(12, 12, 4, 12)
        self.hide()

    @property
    def holds(self) -> bool:
        """Whether the contents are in the drawer."""
        return self._panel.isAncestorOf(self._contents)

    def hold(self) -> None:
        """Take the contents; the drawer stays closed."""
        if not self.holds:
            self._inside.addWidget(self._contents)
            self._contents.show()

    def release(self, layout: QHBoxLayout) -> None:
        """Give the contents back to a layout of the page."""
        if self.holds:
            self.show_open(False)
            layout.addWidget(self._contents)
            self._contents.show()

    def show_open(self, open_: bool) -> None:
        """Open or close."""
        if open_ is not self.isHidden():
            return
        if open_:
            self.fit_page()
            self.raise_()
            self.show()
            self._first_field().setFocus()
        else:
            self.hide()
        self.opened.emit(open_)

    def _first_field(self) -> QWidget:
        """The one that Tab would reach first."""
        field = self._contents
        while not (field.isVisible() and field.focusPolicy() & Qt.FocusPolicy.TabFocus):
            following = field.nextInFocusChain()
            if following is None or following is self._contents:
                break
            field = following
        return field

    def fit_page(self) -> None:
        """Take the page's size."""
        self.setGeometry(self._page.rect())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        margins = self._inside.contentsMargins()
        width = min(self._contents.maximumWidth() + margins.left() + margins.right(), self.width() - 40)
        self._panel.setGeometry(self.width() - width, 0, width, self.height())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self._panel.geometry().contains(event.position().toPoint()):
            self.show_open(False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.show_open(False)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), SHADE)
        painter.end()
