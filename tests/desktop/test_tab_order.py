"""Tab goes where people look next."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from srgan_desktop.tab_order import tab_as_laid_out


def test_tab_follows_the_layout_and_not_the_order_of_making(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    area = QScrollArea(window)
    inside = QWidget()
    area.setWidget(inside)
    fields = {name: QLineEdit(inside if name in "cd" else window) for name in "fdbeca"}
    above, below = QHBoxLayout(inside), QHBoxLayout()
    column = QVBoxLayout(window)
    column.addWidget(fields["a"])
    column.addWidget(fields["b"])
    column.addWidget(area)
    column.addLayout(below)
    above.addWidget(fields["c"])
    above.addWidget(QLabel("nothing to stop at"))
    above.addWidget(fields["d"])
    below.addWidget(fields["e"])
    below.addWidget(fields["f"])
    tab_as_laid_out(window)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    window.show()
    window.activateWindow()
    fields["a"].setFocus()
    qtbot.waitUntil(fields["a"].hasFocus)
    seen = ""
    for _ in fields:
        seen += next(name for name, field in fields.items() if field is QApplication.focusWidget())
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    assert seen == "abcdef"
