"""Small widgets of more than one page, where there is little room."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from srgan_desktop.fields import SECOND_LINE, WIDEST_LINE, Buttons, Choice, Tabs

PLAIN = Qt.ToolButtonStyle.ToolButtonTextOnly


def seen_rows(buttons):
    """The texts of what is seen, row by row."""
    rows = {}
    for button in buttons:
        if button.isVisible():
            rows.setdefault(button.y(), []).append((button.x(), button.text()))
    return [[text for _, text in sorted(row)] for _, row in sorted(rows.items())]


def test_buttons_take_the_rows_that_they_need(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    buttons = [QPushButton(f"a button {number}") for number in range(4)]
    held = Buttons(window, buttons, most=3, equal=True)
    QHBoxLayout(window).addWidget(held)
    window.resize(900, 200)
    window.show()
    first, second, third, fourth = (button.text() for button in buttons)
    qtbot.waitUntil(lambda: seen_rows(buttons) == [[first, second, third], [fourth]])
    widths = [button.width() for button in buttons[:3]]
    assert max(widths) - min(widths) <= 1
    window.resize(window.minimumSizeHint().width(), 300)
    qtbot.waitUntil(lambda: seen_rows(buttons) == [[first], [second], [third], [fourth]])
    buttons[1].hide()
    qtbot.waitUntil(lambda: seen_rows(buttons) == [[first], [third], [fourth]])
    window.resize(900, 200)
    qtbot.waitUntil(lambda: seen_rows(buttons) == [[first, third, fourth]])
    for button in buttons:
        assert button.isHidden() or button.width() >= button.sizeHint().width()


def test_a_list_of_two_lines_is_as_wide_as_what_rows_are_for(qtbot):
    choice = Choice()
    qtbot.addWidget(choice)
    choice.explain_rows()
    choice.addItem("short")
    words = "What it is for, in a line that is longer than its name"
    choice.setItemData(0, words, SECOND_LINE)
    choice.resize(80, 30)
    choice.show()
    choice.showPopup()
    metrics = QFontMetrics(choice.font())
    assert choice.view().width() > 0.8 * metrics.horizontalAdvance(words)
    choice.hidePopup()
    choice.setItemData(0, 20 * words, SECOND_LINE)
    choice.showPopup()
    assert choice.view().minimumWidth() < (WIDEST_LINE + 10) * metrics.averageCharWidth()
    choice.hidePopup()


def test_tabs_keep_their_words_rather_than_their_icons(qtbot, theme):
    window = QWidget()
    qtbot.addWidget(window)
    tabs = Tabs(theme, (("a", "Comparisons", "side"), ("b", "Measurements", "measure")))
    row = QHBoxLayout(window)
    row.addWidget(tabs)
    row.addStretch(1)
    window.resize(600, 60)
    window.show()
    shown = tabs.buttons.values()
    qtbot.waitUntil(lambda: all(button.toolButtonStyle() != PLAIN for button in shown))
    narrow = window.minimumSizeHint().width()
    window.resize(narrow, 60)
    qtbot.waitUntil(lambda: all(button.toolButtonStyle() == PLAIN for button in shown))
    assert window.width() == narrow
    qtbot.waitUntil(lambda: all(button.width() >= button.sizeHint().width() for button in shown))
    window.resize(600, 60)
    qtbot.waitUntil(lambda: all(button.toolButtonStyle() != PLAIN for button in shown))
