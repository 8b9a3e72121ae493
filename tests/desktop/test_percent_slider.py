"""The slider between two models: by mouse, by keys, and by a typed number."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QStyle

from srgan_desktop.percent_slider import PercentSlider


@pytest.fixture
def field(qtbot, theme):
    field = PercentSlider("Faithful", "More detail", 50)
    field.setAccessibleName("Detail")
    qtbot.addWidget(field)
    field.resize(300, 60)
    field.show()
    field.activateWindow()
    qtbot.waitUntil(field.isActiveWindow)
    return field


@pytest.fixture
def chosen(field):
    chosen = []
    field.chosen.connect(chosen.append)
    return chosen


def place(field, percent):
    """Where the middle of the handle is at so many percent."""
    groove = field.slider.part(QStyle.SubControl.SC_SliderGroove)
    handle = field.slider.part(QStyle.SubControl.SC_SliderHandle).width()
    return QPoint(round(groove.x() + handle / 2 + (groove.width() - handle) * percent / 100), groove.center().y())


def test_a_click_moves_it_there(field, chosen):
    QTest.mouseClick(field.slider, Qt.MouseButton.LeftButton, pos=place(field, 80))
    assert (chosen, field.value, field.percent.text()) == ([80], 80, "80 %")
    QTest.mouseClick(field.slider, Qt.MouseButton.LeftButton, pos=place(field, 0))
    assert chosen == [80, 0]


def test_it_can_be_dragged_from_where_it_was_clicked(field, chosen):
    QTest.mousePress(field.slider, Qt.MouseButton.LeftButton, pos=place(field, 20))
    for percent in (30, 60, 90):
        QTest.mouseMove(field.slider, place(field, percent))
    QTest.mouseRelease(field.slider, Qt.MouseButton.LeftButton, pos=place(field, 90))
    assert chosen == [20, 30, 60, 90]


def test_a_press_on_the_handle_moves_nothing(field, chosen):
    QTest.mouseClick(field.slider, Qt.MouseButton.LeftButton, pos=place(field, 50) + QPoint(3, 0))
    assert chosen == []


def test_a_double_click_resets_it(field, chosen):
    field.show_value(85)
    field.default = 25
    QTest.mouseDClick(field.slider, Qt.MouseButton.LeftButton, pos=place(field, 85))
    assert (chosen[-1], field.value) == (25, 25)


def test_a_number_can_be_typed(field, chosen):
    field.percent.selectAll()
    QTest.keyClicks(field.percent, "58")
    assert chosen == []
    QTest.keyClick(field.percent, Qt.Key.Key_Return)
    assert (chosen, field.slider.value()) == ([58], 58)


@pytest.mark.parametrize(("typed", "value"), [("250", 100), ("", 50), ("none", 50), ("7 %", 7), (" 8", 8)])
def test_whatever_is_typed_stays_in_range(field, typed, value):
    field.percent.selectAll()
    QTest.keyClick(field.percent, Qt.Key.Key_Delete)
    QTest.keyClicks(field.percent, typed)
    QTest.keyClick(field.percent, Qt.Key.Key_Return)
    assert (field.value, field.percent.text()) == (value, f"{value} %")


def test_a_digit_on_the_slider_begins_a_number(field, chosen, qtbot):
    field.setFocus()
    QTest.keyClick(field.slider, Qt.Key.Key_7)
    qtbot.waitUntil(field.percent.hasFocus)
    QTest.keyClicks(field.percent, "3")
    QTest.keyClick(field.percent, Qt.Key.Key_Return)
    assert (chosen, field.percent.text()) == ([73], "73 %")
    assert field.slider.hasFocus()


def test_keys_go_in_steps_that_can_be_told_apart(field, chosen):
    for key in (Qt.Key.Key_Right, Qt.Key.Key_PageUp, Qt.Key.Key_Home):
        QTest.keyClick(field.slider, key)
    assert chosen == [55, 75, 0]


def test_what_it_is_told_to_show_is_not_chosen(field, chosen):
    field.show_value(40)
    assert (chosen, field.value, field.slider.value()) == ([], 40, 40)
