"""What stands beside a page, or in a drawer over it where there is no room."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from srgan_desktop.drawer import Drawer


class Beside(QWidget):
    """A page with a field, and contents with two fields beside it."""

    def __init__(self):
        super().__init__()
        self.row = QHBoxLayout(self)
        self.row.addWidget(QLineEdit(), 1)
        self.side = QWidget()
        self.side.setMaximumWidth(300)
        inside = QVBoxLayout(self.side)
        self.first, self.second = QLineEdit(), QLineEdit()
        inside.addWidget(self.first)
        inside.addWidget(self.second)
        self.row.addWidget(self.side)
        self.drawer = Drawer(self, self.side)


@pytest.fixture
def page(qtbot):
    page = Beside()
    page.resize(700, 400)
    qtbot.addWidget(page)
    page.show()
    page.activateWindow()
    qtbot.waitUntil(page.isActiveWindow)
    return page


def test_contents_go_into_the_drawer_and_back(page):
    assert page.side.isVisible()
    page.drawer.hold()
    assert page.drawer.holds
    assert not page.side.isVisible()
    page.drawer.show_open(True)
    assert page.side.isVisible()
    assert page.side.mapTo(page, QPoint(0, 0)).x() > 380
    page.drawer.release(page.row)
    assert not page.drawer.isVisible()
    assert page.side.isVisible()
    assert page.side.parent() is page


def test_it_opens_with_the_focus_on_its_first_field_and_esc_closes_it(page):
    page.drawer.hold()
    told = []
    page.drawer.opened.connect(told.append)
    page.drawer.show_open(True)
    assert page.first.hasFocus()
    QTest.keyClick(page.first, Qt.Key.Key_Escape)
    assert not page.drawer.isVisible()
    assert told == [True, False]


def test_a_click_beside_it_closes_it_and_one_in_it_does_not(page):
    page.drawer.hold()
    page.drawer.show_open(True)
    QTest.mouseClick(page.drawer, Qt.MouseButton.LeftButton, pos=QPoint(680, 200))
    assert page.drawer.isVisible()
    QTest.mouseClick(page.drawer, Qt.MouseButton.LeftButton, pos=QPoint(100, 200))
    assert not page.drawer.isVisible()
