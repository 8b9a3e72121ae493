"""What keys do on a comparison's canvas."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent

from srgan_desktop.compare.arrangement import Mode
from srgan_desktop.compare.canvas import Canvas

DIVIDER_STEP = 0.01
"""How far an arrow key moves the divider; ten times as far with Shift."""
PAN_STEP = 0.1
"""How much of the pane an arrow key pans."""
MODES = {Qt.Key.Key_D: Mode.SPLIT, Qt.Key.Key_S: Mode.SIDE, Qt.Key.Key_T: Mode.TOGGLE}
ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
"""How far right and down each goes."""


def press_key(canvas: Canvas, event: QKeyEvent, numbered: int) -> bool:
    """Do what a key is for; False where it is for nothing.

    D, S, T: modes (T again: the next picture). 0, or 1 where pictures have no numbers: 100 %. F: fit. + and -: zoom.
    Space held: the original. L held: the loupe.
    Left, Right: the divider by 1 %, with Shift by 10 %; the picture shown. Up, Down, Ctrl and
    arrows: pan. N: nearest or bicubic. 1 to 4: pictures with numbers.

    Args:
        canvas: what it is done to.
        event: the key.
        numbered: how many pictures have numbers.
    """
    key, modifiers = event.key(), event.modifiers()
    control = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
    if modifiers & (Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier):
        return False
    if key in ARROWS:
        shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        _press_arrow(canvas, *ARROWS[Qt.Key(key)], shift, control)
        return True
    if control:
        return False
    digit = key - Qt.Key.Key_0
    if key in MODES:
        if key == Qt.Key.Key_T and canvas.mode is Mode.TOGGLE:
            canvas.show_next()
        canvas.set_mode(MODES[Qt.Key(key)])
    elif 1 <= digit <= numbered:
        canvas.choose(digit - 1)
    elif digit in (0, 1):
        canvas.zoom_to(1)
    elif key == Qt.Key.Key_F:
        canvas.fit()
    elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
        canvas.zoom_step(1)
    elif key in (Qt.Key.Key_Minus, Qt.Key.Key_Underscore):
        canvas.zoom_step(-1)
    elif key == Qt.Key.Key_N:
        canvas.set_nearest(not canvas.nearest)
    elif key == Qt.Key.Key_L:
        canvas.hold_loupe(True)
    elif key == Qt.Key.Key_Space:
        canvas.hold_original(True)
    else:
        return False
    return True


def _press_arrow(canvas: Canvas, right: int, down: int, shift: bool, control: bool) -> None:
    if right and not control and canvas.divided:
        canvas.set_divider(canvas.divider + right * DIVIDER_STEP * (10 if shift else 1))
    elif right and not control and canvas.mode is Mode.TOGGLE:
        canvas.show_next(right)
    else:
        canvas.pan(-right * PAN_STEP, -down * PAN_STEP)
