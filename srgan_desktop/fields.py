"""Small widgets that more than one page needs."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontInfo, QFontMetrics, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QButtonGroup,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.language import without_letter
from srgan_desktop.theme import Theme

EDGE = 10
"""Beside the words of a row."""
SIDE_BY_SIDE = 880
"""Width from which two panes stand beside each other."""


class Choice(QComboBox):
    """A combo box that may be narrower than its longest row, with a list that is not; the wheel scrolls the page."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.installEventFilter(WheelGuard(self))

    def explain_rows(self) -> None:
        """Show below each name what is in `SECOND_LINE`."""
        self.setItemDelegate(TwoLines(self))

    def showPopup(self) -> None:
        self.view().setMinimumWidth(max(self.width(), self.view().sizeHintForColumn(0) + 24))
        super().showPopup()


SECOND_LINE = Qt.ItemDataRole.UserRole + 1
"""Role of a row of a `Choice`: what it is for, in a line below its name."""
WIDEST_LINE = 84
"""How far such a line widens a list, in characters of middling width; what is longer is cut."""


class TwoLines(QStyledItemDelegate):
    """Paints the rows of a list with what they are for below their names."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        line = option.fontMetrics.height()
        second = index.data(SECOND_LINE)
        width = option.fontMetrics.horizontalAdvance(str(index.data()))
        if second:
            widest = WIDEST_LINE * option.fontMetrics.averageCharWidth()
            width = max(width, min(widest, QFontMetrics(_smaller(option.font)).horizontalAdvance(second)))
        return QSize(width + 2 * EDGE, (2 * line if second else line) + 12)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        palette = option.palette
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, palette.highlight())
        box = option.rect.adjusted(EDGE, 5, -EDGE, -5)
        second = index.data(SECOND_LINE)
        upper = QRect(box)
        if second:
            upper.setHeight(box.height() // 2)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.setPen(palette.highlightedText().color() if chosen else palette.text().color())
        painter.setFont(option.font)
        flags = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        metrics = QFontMetrics(option.font)
        elide = Qt.TextElideMode.ElideRight
        painter.drawText(upper, flags, metrics.elidedText(str(index.data()), elide, box.width()))
        if second:
            lower = QRect(box)
            lower.setTop(upper.bottom() + 1)
            small = _smaller(option.font)
            painter.setFont(small)
            if not chosen:
                painter.setPen(palette.placeholderText().color())
            painter.drawText(lower, flags, QFontMetrics(small).elidedText(second, elide, box.width()))


def _smaller(font: QFont) -> QFont:
    small = QFont(font)
    small.setPointSizeF(QFontInfo(small).pointSizeF() * 0.88)
    return small


class WheelGuard(QObject):
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
        # The width of the whole text: a label that was cut once would otherwise never grow again.
        return QSize(self.fontMetrics().horizontalAdvance(self._whole) + 4, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(40 if self._whole else 0, super().minimumSizeHint().height())

    _tooltip = ""

    def _cut(self) -> None:
        cut = QFontMetrics(self.font()).elidedText(self._whole, self._mode, self.width())
        self.setText(cut)
        self.setToolTip("\n".join(part for part in (self._whole if cut != self._whole else "", self._tooltip) if part))


class Tabs(QWidget):
    """A row of buttons of which one is down; without their icons where there is no room for them."""

    chosen = Signal(str)

    def __init__(self, theme: Theme, entries: Sequence[tuple[str, str, str]], parent: QWidget | None = None) -> None:
        """Show them.

        Args:
            theme: for the icons.
            entries: (key, label, icon or nothing).
            parent: what they stand in.
        """
        super().__init__(parent)
        self.buttons: dict[str, QToolButton] = {}
        self._with_icons: list[QToolButton] = []
        group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for key, label, icon in entries:
            button = QToolButton(self)
            button.setText(label)
            button.setCheckable(True)
            button.setProperty("role", "tab")
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            if icon:
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
                button.setIconSize(QSize(18, 18))
                theme.set_icon(button, icon)
                self._with_icons.append(button)
            button.clicked.connect(lambda _checked, key=key: self.chosen.emit(key))
            group.addButton(button)
            row.addWidget(button)
            self.buttons[key] = button

    def show_chosen(self, key: str) -> None:
        """Press a button without telling."""
        self.buttons[key].setChecked(True)

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(hint.width() + self._icon_room(hidden=True), hint.height())

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        return QSize(hint.width() - self._icon_room(hidden=False), hint.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        roomy = self.width() >= self.sizeHint().width()
        style = Qt.ToolButtonStyle.ToolButtonTextBesideIcon if roomy else Qt.ToolButtonStyle.ToolButtonTextOnly
        for button in self._with_icons:
            button.setToolButtonStyle(style)

    def _icon_room(self, *, hidden: bool) -> int:
        """Pixels of the icons that are hidden, or seen; Qt puts 4 between an icon and its words."""
        plain = Qt.ToolButtonStyle.ToolButtonTextOnly
        icons = [each for each in self._with_icons if (each.toolButtonStyle() == plain) is hidden]
        return sum(each.iconSize().width() + 4 for each in icons)


class Panes(QWidget):
    """Two panes beside each other, or one at a time with a switch above where the window is narrow."""

    def __init__(self, theme: Theme, first: str, second: str, parent: QWidget | None = None) -> None:
        """Be empty; the panes are made with this as their parent, and then given to `hold`.

        Args:
            theme: for the switch.
            first: what the switch calls the first pane.
            second: and the second.
            parent: what this stands in.
        """
        super().__init__(parent)
        self._panes: dict[str, QWidget] = {}
        self._current = "first"
        self.tabs = Tabs(theme, (("first", first, ""), ("second", second, "")), self)
        self.tabs.show_chosen("first")
        self.tabs.chosen.connect(self.show_pane)
        switch = QHBoxLayout()
        switch.addWidget(self.tabs)
        switch.addStretch(1)
        self._both = QHBoxLayout()
        self._both.setSpacing(12)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(switch)
        column.addLayout(self._both, 1)

    def hold(self, first: QWidget, second: QWidget, shares: tuple[int, int] = (1, 1)) -> None:
        """Show these, with so large a share of the width each."""
        self._panes = {"first": first, "second": second}
        for widget, share in zip(self._panes.values(), shares, strict=True):
            self._both.addWidget(widget, share)
        self._arrange()

    @property
    def beside(self) -> bool:
        """Whether both are seen."""
        return self.width() >= SIDE_BY_SIDE

    def show_pane(self, key: str) -> None:
        """Bring `first` or `second` to the front where only one is seen."""
        self._current = key
        self.tabs.show_chosen(key)
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def minimumSizeHint(self) -> QSize:
        # The minimum of both panes side by side would keep the window from becoming narrow.
        widest = max((pane.minimumSizeHint().width() for pane in self._panes.values()), default=0)
        return QSize(widest, super().minimumSizeHint().height())

    def _arrange(self) -> None:
        self.tabs.setVisible(not self.beside)
        for key, pane in self._panes.items():
            pane.setVisible(self.beside or key == self._current)


class Buttons(QWidget):
    """Buttons beside each other, in as many rows as they need."""

    def __init__(self, parent: QWidget, buttons: Sequence[QAbstractButton], *, most: int, equal: bool) -> None:
        """Hold them.

        Args:
            parent: what they stand in.
            buttons: what is hidden takes no room.
            most: in a row.
            equal: whether they fill their rows, all as wide as the widest; else they are as wide as their words.
        """
        super().__init__(parent)
        self._buttons = list(buttons)
        self._most = most
        self._equal = equal
        self._placed: list[tuple[QAbstractButton, int]] = []
        """The buttons that are seen, with the number of columns."""
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(6 if equal else 8)
        for button in buttons:
            button.setParent(self)
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:
            self._arrange()
        return super().event(event)

    def sizeHint(self) -> QSize:
        seen = self._seen()
        width = self._width_of(seen, min(self._most, len(seen))) if seen else 0
        return QSize(width, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        widest = max(map(_room_for, self._seen()), default=0)
        return QSize(widest, super().minimumSizeHint().height())

    def _seen(self) -> list[QAbstractButton]:
        return [each for each in self._buttons if not each.isHidden()]

    def _arrange(self) -> None:
        seen = self._seen()
        columns = min(self._most, len(seen))
        while columns > 1 and self._width_of(seen, columns) > self.width():
            columns -= 1
        placed = [(each, columns) for each in seen]
        if placed == self._placed:
            return
        self._placed = placed
        while self._grid.takeAt(0) is not None:
            pass
        for column in range(self._most + 1):
            self._grid.setColumnStretch(column, 1 if self._equal and column < columns else 0)
        if not self._equal:
            self._grid.setColumnStretch(columns, 1)
        for index, button in enumerate(seen):
            self._grid.addWidget(button, index // columns, index % columns)

    def _width_of(self, buttons: Sequence[QAbstractButton], columns: int) -> int:
        widths = [_room_for(each) for each in buttons]
        of_columns = [max(widths)] * columns if self._equal else [max(widths[c::columns]) for c in range(columns)]
        return sum(of_columns) + self._grid.horizontalSpacing() * (columns - 1)


def _room_for(button: QAbstractButton) -> int:
    return max(button.minimumWidth(), button.sizeHint().width())


class Fold(QWidget):
    """A heading that folds what is below it."""

    toggled = Signal(bool)

    def __init__(self, theme: Theme, title: str, tooltip: str, parent: QWidget | None = None) -> None:
        """Be folded, over nothing yet."""
        super().__init__(parent)
        self._theme = theme
        self.contents = QWidget(self)
        """What is folded: a layout is to be given to it."""
        self.button = QToolButton(self)
        self.button.setText(title)
        self.button.setToolTip(tooltip)
        self.button.setProperty("role", "fold")
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setIconSize(QSize(16, 16))
        self.button.setCheckable(True)
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.button)
        column.addWidget(self.contents)
        self.button.toggled.connect(self._on_toggled)
        self._on_toggled(False)

    def show_open(self, open_: bool) -> None:
        """Fold or unfold."""
        self.button.setChecked(open_)

    def _on_toggled(self, open_: bool) -> None:
        self.contents.setVisible(open_)
        self._theme.set_icon(self.button, "down" if open_ else "right")
        self.toggled.emit(open_)


def card(parent: QWidget | None = None) -> QFrame:
    """A surface for one subject."""
    frame = QFrame(parent)
    frame.setProperty("role", "card")
    return frame


class Scrolled(QScrollArea):
    """Room for something that may be higher than the window.

    It scrolls up and down alone: it is never narrower than what is inside, with the scroll bar beside it.
    """

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        """Be empty.

        Args:
            name: what the style sheet calls the widget inside.
            parent: what this stands in.
        """
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.inside = QWidget(self.viewport())
        """What scrolls: a layout is to be given to it. It is in its place before it is filled, as all that is in a
        widget is styled again when that gets another parent."""
        self.inside.setObjectName(name)
        self.setWidget(self.inside)

    def minimumSizeHint(self) -> QSize:
        bar = self.verticalScrollBar().sizeHint().width()
        inside = max(self.inside.minimumWidth(), self.inside.minimumSizeHint().width())
        return QSize(inside + bar, super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest and watched is self.inside:
            self.updateGeometry()
        return super().eventFilter(watched, event)


def quiet(text: str = "") -> QLabel:
    """Words that explain."""
    label = QLabel(text)
    label.setProperty("role", "muted")
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label


def keep_width(button: QAbstractButton, *texts: str) -> None:
    """Make a button as wide as the longest of its texts needs, so that another one moves nothing under the pointer."""
    text = button.text()
    widths = []
    for each in texts:
        button.setText(each)
        widths.append(button.sizeHint().width())
    button.setText(text)
    button.setMinimumWidth(max(widths))


def titled(text: str, role: str = "strong") -> QLabel:
    """Words that stand above others."""
    label = QLabel(text)
    label.setProperty("role", role)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def labelled(label: str, tooltip: str, field: QWidget, *below: QWidget) -> QVBoxLayout:
    """A field under its label, and what belongs to it below."""
    above = titled(label, "section")
    above.setBuddy(field)
    above.setToolTip(tooltip)
    field.setToolTip(tooltip)
    field.setAccessibleName(without_letter(label))
    field.setAccessibleDescription(tooltip)
    column = QVBoxLayout()
    column.setSpacing(4)
    column.addWidget(above)
    column.addWidget(field)
    for widget in below:
        column.addWidget(widget)
    return column
