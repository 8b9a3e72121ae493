"""Keeping the machine awake while a run works: asked of the system, which takes it back when the program ends."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys

log = logging.getLogger(__name__)

_CONTINUOUS, _SYSTEM_REQUIRED = 0x80000000, 0x00000001


class Awake:
    """Holds the system's promise not to fall asleep. The screen may go dark."""

    def __init__(self) -> None:
        """Ask for nothing yet."""
        self._held = False
        self.process: subprocess.Popen[bytes] | None = None
        """What holds the promise while it lives."""

    @property
    def held(self) -> bool:
        """Whether the machine is kept awake, as far as the system can be asked."""
        return self._held

    def hold(self, wanted: bool) -> None:
        """Keep the machine awake, or no longer."""
        if wanted == self._held:
            return
        self._held = wanted
        if sys.platform == "win32":
            _tell_windows(wanted)
        elif wanted:
            self._start()
        else:
            self._stop()

    def _start(self) -> None:
        command = inhibit_command()
        if command is None:
            return
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            log.info("the machine may fall asleep: %s", error)

    def _stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            # Its standard input closes with it, which ends `cat`, and so the promise; also when this program is killed.
            process.terminate()
            if process.stdin is not None:
                process.stdin.close()
            process.wait()


def inhibit_command() -> list[str] | None:
    """A program that keeps the machine awake until its standard input closes; None where there is none."""
    if sys.platform == "darwin":
        return ["caffeinate", "-i", "cat"]
    if shutil.which("systemd-inhibit") is None:
        return None
    why = ["--what=sleep:idle", "--who=SRGAN Desktop", "--why=A run is in progress", "--mode=block"]
    return ["systemd-inhibit", *why, "cat"]


def _tell_windows(wanted: bool) -> None:
    if sys.platform == "win32":
        import ctypes

        flags = _CONTINUOUS | _SYSTEM_REQUIRED if wanted else _CONTINUOUS
        ctypes.windll.kernel32.SetThreadExecutionState(flags)
