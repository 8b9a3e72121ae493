"""What the machine does when all runs are finished: nothing, sleep, or shut down, after a countdown."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from PySide6.QtCore import QObject, QProcess, Qt, QTimer, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from core.language import gettext as _
from srgan_desktop.fields import quiet, titled
from srgan_desktop.problems import Problem

SECONDS = 60
"""How long there is to say no."""


class Afterwards(Enum):
    """The choices; the value is for the menu."""

    NOTHING = _("Do &nothing")
    SLEEP = _("&Sleep")
    SHUT_DOWN = _("Shut &down")


_DOING = {Afterwards.SLEEP: _("Going to sleep"), Afterwards.SHUT_DOWN: _("Shutting down")}
_FAILED = {
    Afterwards.SLEEP: _("The system did not sleep: {why}"),
    Afterwards.SHUT_DOWN: _("The system did not shut down: {why}"),
}
_NOW = {Afterwards.SLEEP: _("&Sleep now"), Afterwards.SHUT_DOWN: _("Shut &down now")}


def possible() -> tuple[Afterwards, ...]:
    """What this system can be asked for."""
    return tuple(each for each in Afterwards if each is Afterwards.NOTHING or command_for(each) is not None)


def command_for(what: Afterwards) -> list[str] | None:
    """The program that does it; None where there is none."""
    sleeps = what is Afterwards.SLEEP
    if sys.platform == "win32":
        return ["rundll32", "powrprof.dll,SetSuspendState", "0,1,0"] if sleeps else ["shutdown", "/s", "/t", "0"]
    if sys.platform == "darwin":
        ask = 'tell application "System Events" to shut down'
        return ["pmset", "sleepnow"] if sleeps else ["osascript", "-e", ask]
    if shutil.which("systemctl") is None or not Path("/run/systemd/system").is_dir():
        return None
    return ["systemctl", "suspend" if sleeps else "poweroff"]


class Countdown(QDialog):
    """Says what is about to happen, and lets it be stopped."""

    def __init__(self, what: Afterwards, parent: QWidget, seconds: int = SECONDS) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(_DOING[what])
        self._what = what
        self._left = seconds
        self.title = titled(_("All runs are finished"), "title")
        self.words = quiet()
        self._bar = QProgressBar(minimum=0, maximum=seconds, textVisible=False)
        self.stop = QPushButton(_("&Cancel"))
        self.stop.setDefault(True)
        self.stop.clicked.connect(self.reject)
        self.now = QPushButton(_NOW[what])
        self.now.clicked.connect(self.accept)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.now)
        buttons.addWidget(self.stop)
        column = QVBoxLayout(self)
        column.setContentsMargins(22, 18, 22, 14)
        column.setSpacing(12)
        for each in (self.title, self.words, self._bar):
            column.addWidget(each)
        column.addLayout(buttons)
        self.setMinimumWidth(360)
        self._timer = QTimer(self, interval=1_000)
        self._timer.timeout.connect(self.tick)
        self._timer.start()
        self._say()

    def tick(self) -> None:
        """A second has gone by."""
        self._left -= 1
        if self._left <= 0:
            self.accept()
        else:
            self._say()

    def done(self, result: int) -> None:
        self._timer.stop()
        super().done(result)

    def _say(self) -> None:
        self.words.setText(_("{doing} in {left} s.").format(doing=_DOING[self._what], left=self._left))
        self._bar.setValue(self._left)


class AfterRuns(QObject):
    """Keeps the choice, which is for this once, and does what was chosen when the last run has ended by itself."""

    changed = Signal()
    """The choice is another one."""
    failed = Signal(object)
    """The `Problem` with the system."""

    def __init__(self, window: QWidget, let_sleep: Callable[[], None]) -> None:
        """Choose nothing.

        Args:
            window: the countdown is shown over it.
            let_sleep: gives up what keeps the machine awake.
        """
        super().__init__(window)
        self._window = window
        self._let_sleep = let_sleep
        self.choice = Afterwards.NOTHING
        self.countdown: Countdown | None = None
        """While it is seen."""

    def choose(self, what: Afterwards) -> None:
        """Do this when all runs are finished."""
        if what is not self.choice:
            self.choice = what
            if self.countdown is not None:
                self.countdown.reject()
            self.changed.emit()

    def begin(self) -> None:
        """All runs are finished."""
        if self.choice is Afterwards.NOTHING or self.countdown is not None:
            return
        self.countdown = Countdown(self.choice, self._window)
        self.countdown.finished.connect(self._on_counted)
        self.countdown.open()

    def _on_counted(self, result: int) -> None:
        what, self.countdown = self.choice, None
        self.choose(Afterwards.NOTHING)
        command = command_for(what)
        if result != QDialog.DialogCode.Accepted or command is None:
            return
        self._let_sleep()
        process = QProcess(self)
        process.finished.connect(lambda code, _status: self._on_done(what, process, code))
        process.errorOccurred.connect(lambda _error: self._on_done(what, process, 1))
        process.start(command[0], command[1:])

    def _on_done(self, what: Afterwards, process: QProcess, code: int) -> None:
        said = bytes(process.readAllStandardError().data()).decode(errors="replace").strip()
        process.deleteLater()
        if code != 0:
            message = _FAILED[what].format(why=said or process.errorString())
            self.failed.emit(Problem(message, _("Use the system's own menu.")))
