"""Letters are underlined while Alt is held, and not otherwise."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPushButton, QStyle

from srgan_desktop.underlines import QuietStyle, Underlines
from tests.desktop.grabbed import from_qimage


def test_letters_are_underlined_only_while_alt_is_held(qtbot, qapp, theme):
    style = QuietStyle("Fusion")
    underlines = Underlines(qapp, style)
    button = QPushButton("&Start")
    button.setStyle(style)
    qtbot.addWidget(button)
    button.resize(120, 40)
    button.show()
    plain = from_qimage(button.grab().toImage())

    def press(kind: QEvent.Type, key: Qt.Key = Qt.Key.Key_Alt) -> None:
        underlines.eventFilter(QObject(), QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier))

    press(QEvent.Type.KeyPress, Qt.Key.Key_A)
    assert (from_qimage(button.grab().toImage()) == plain).all()
    press(QEvent.Type.KeyPress)
    assert style.styleHint(QStyle.StyleHint.SH_UnderlineShortcut) == 1
    assert (from_qimage(button.grab().toImage()) != plain).any()
    press(QEvent.Type.KeyRelease)
    assert (from_qimage(button.grab().toImage()) == plain).all()
    # The window loses the keys while Alt is down, as for Alt+Tab.
    press(QEvent.Type.KeyPress)
    underlines.eventFilter(QObject(), QEvent(QEvent.Type.FocusOut))
    assert (from_qimage(button.grab().toImage()) == plain).all()
