"""Small widgets that more than one page needs."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QLabel, QSizePolicy, QWidget


class Choice(QComboBox):
    """A combo box that may be narrower than its longest row, with a list that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)

    def showPopup(self) -> None:
        self.view().setMinimumWidth(self.view().sizeHintForColumn(0) + 24)
        super().showPopup()


class Calm(QObject):
    """Keeps the wheel, meant for scrolling, from changing a value that nobody looked at."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False


def indent_number(box: QAbstractSpinBox) -> None:
    """Begin a number where the words of a combo box begin; Qt gives it none of the style sheet’s padding."""
    box.lineEdit().setTextMargins(6, 0, 0, 0)


class Elided(QLabel):
    """One line that is cut where there is no room, and then says all of it as a tooltip.

    A plain label would instead make the window as wide as the longest message.
    """

    def __init__(self, role: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight) -> None:
        super().__init__()
        self._whole = ""
        self._mode = mode
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        if role:
            self.setProperty("role", role)

    @property
    def whole(self) -> str:
        """The text before it was cut."""
        return self._whole

    def say(self, text: str, tooltip: str = "") -> None:
        """Show another text; `tooltip` is for what it does not say."""
        self._whole = " ".join(text.split())
        self._tooltip = tooltip
        self.setAccessibleName(self._whole)
        self.updateGeometry()
        self._cut()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._cut()

    def sizeHint(self) -> QSize:
        # Of the whole text, or a label that was cut once would never grow again.
        return QSize(self.fontMetrics().horizontalAdvance(self._whole) + 4, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(40 if self._whole else 0, super().minimumSizeHint().height())

    _tooltip = ""

    def _cut(self) -> None:
        cut = QFontMetrics(self.font()).elidedText(self._whole, self._mode, self.width())
        self.setText(cut)
        self.setToolTip("\n".join(part for part in (self._whole if cut != self._whole else "", self._tooltip) if part))
