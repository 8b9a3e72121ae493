"""The letters that Alt leads to are underlined while Alt is held, and not before."""

from __future__ import annotations

import sys

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QWindow
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QProxyStyle,
    QStyle,
    QStyleHintReturn,
    QStyleOption,
    QWidget,
)

_UNDERLINE = QStyle.StyleHint.SH_UnderlineShortcut


class QuietStyle(QProxyStyle):
    """Fusion, which otherwise underlines all letters all the time."""

    shown = False
    """Whether letters are underlined just now."""

    def styleHint(
        self,
        hint: QStyle.StyleHint,
        option: QStyleOption | None = None,
        widget: QWidget | None = None,
        returnData: QStyleHintReturn | None = None,  # noqa: N803 - Qt's name
    ) -> int:
        # Asked for ten thousand things while a window is made: the one of ours first.
        if hint is _UNDERLINE:
            return int(self.shown)
        return super().styleHint(hint, option, widget, returnData)


class Underlines(QObject):
    """Follows the Alt key in whichever of the program's windows has the focus."""

    def __init__(self, app: QApplication, style: QuietStyle) -> None:
        super().__init__(app)
        self._style = style
        self._window: QWindow | None = None
        # A Mac has no such keys.
        if sys.platform != "darwin":
            app.focusWindowChanged.connect(self._follow)
            self._follow(QGuiApplication.focusWindow())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Alt:
                self._show(event.type() == QEvent.Type.KeyPress)
        elif event.type() == QEvent.Type.FocusOut:
            # Alt+Tab: the release is heard elsewhere.
            self._show(False)
        return super().eventFilter(watched, event)

    def _follow(self, window: QWindow | None) -> None:
        self._show(False)
        if self._window is not None:
            self._window.removeEventFilter(self)
        self._window = window
        if window is not None:
            window.installEventFilter(self)
            window.destroyed.connect(self._forget)

    def _forget(self) -> None:
        self._window = None

    def _show(self, shown: bool) -> None:
        if shown is self._style.shown:
            return
        self._style.shown = shown
        for widget in QApplication.allWidgets():
            if isinstance(widget, QAbstractButton | QLabel) and "&" in widget.text() and widget.isVisible():
                widget.update()
