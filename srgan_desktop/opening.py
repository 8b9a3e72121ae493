"""How files reach a window that is already there: by a second start of the program, or from macOS."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtNetwork import QLocalServer, QLocalSocket
from PySide6.QtWidgets import QApplication

from srgan_desktop.settings import default_path

log = logging.getLogger(__name__)

CONNECT_MS = 1_000
ANSWER_MS = 5_000
"""How long a window may take to answer; one that hangs does not keep another from opening."""
_TAKEN = b"taken\n"
_MAX_BYTES = 16 << 20
_TOKEN = "XDG_ACTIVATION_TOKEN"


class InstanceServer(QObject):
    """Takes files from later starts, and from macOS, which starts nothing twice."""

    asked = Signal(object, str)
    """Paths of files and folders, perhaps none; and the output folder that was named, or ''."""

    def __init__(self, app: QApplication, name: str | None = None) -> None:
        """Open it.

        Args:
            app: Qt's owner.
            name: under which later starts find it; by default one for this user, settings and screen.
        """
        super().__init__(app)
        self._received: dict[QLocalSocket, bytes] = {}
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_connection)
        name = name or server_name()
        if not self._server.listen(name):
            # What a killed program left behind; one that lives has answered before.
            QLocalServer.removeServer(name)
            if not self._server.listen(name):
                log.warning("later starts open windows of their own: %s", self._server.errorString())
        if sys.platform == "darwin":
            # Other systems send no such event, and this is called for every event that there is.
            app.installEventFilter(self)

    def close(self) -> None:
        """From now on a start opens a window of its own."""
        self._server.close()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QFileOpenEvent) and event.file():
            self.asked.emit([Path(event.file())], "")
            return True
        return super().eventFilter(watched, event)

    def _on_connection(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            self._received[socket] = b""
            socket.readyRead.connect(self._on_ready)
            socket.disconnected.connect(self._on_gone)
            self._read(socket)

    def _on_ready(self) -> None:
        socket = self.sender()
        if isinstance(socket, QLocalSocket):
            self._read(socket)

    def _on_gone(self) -> None:
        socket = self.sender()
        if isinstance(socket, QLocalSocket):
            self._received.pop(socket, None)
            socket.deleteLater()

    def _read(self, socket: QLocalSocket) -> None:
        if socket not in self._received:
            return
        self._received[socket] += socket.readAll().data()
        line, end, _ = self._received[socket].partition(b"\n")
        if len(line) > _MAX_BYTES:
            socket.abort()
            return
        if not end:
            return
        del self._received[socket]
        try:
            message = json.loads(line)
            paths, output, token = message["paths"], message["output"], message["token"]
            if not (isinstance(paths, list) and all(isinstance(text, str) for text in [*paths, output, token])):
                raise TypeError("texts are expected")
        except (ValueError, KeyError, TypeError):
            log.warning("somebody sent what no start of this program sends")
            socket.abort()
            return
        socket.write(_TAKEN)
        socket.flush()
        if token:
            # Qt shows it to Wayland when the window asks to be brought forward, which else it may not.
            os.environ[_TOKEN] = token
        self.asked.emit([Path(os.fsdecode(bytes.fromhex(text))) for text in paths], output)


def hand_over(paths: list[Path], output: Path | None, name: str | None = None) -> bool:
    """Give files to the window that is already there.

    Args:
        paths: absolute ones.
        output: folder for their results, if one was named; absolute.
        name: as `InstanceServer` takes it.

    Returns:
        Whether one is there, and has taken them.
    """
    socket = QLocalSocket()
    socket.connectToServer(name or server_name())
    if not socket.waitForConnected(CONNECT_MS):
        return False
    _let_others_come_forward()
    message = {
        # File names need not be text.
        "paths": [os.fsencode(path).hex() for path in paths],
        "output": str(output or ""),
        "token": os.environ.get(_TOKEN, ""),
    }
    socket.write(json.dumps(message).encode() + b"\n")
    socket.flush()
    answer = b""
    while not answer.endswith(b"\n") and socket.waitForReadyRead(ANSWER_MS):
        answer += socket.readAll().data()
    socket.abort()
    return answer == _TAKEN


def server_name() -> str:
    """One for each user, home and screen: a window elsewhere would not be seen."""
    screen = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY", "")
    user = os.environ.get("USERNAME", "") if sys.platform == "win32" else os.getuid()
    what = f"{user}\n{default_path()}\n{screen}"
    name = f"srgan-desktop-{hashlib.sha256(what.encode(errors='surrogateescape')).hexdigest()[:20]}"
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    return str(Path(folder) / name) if folder and Path(folder).is_dir() else name


def _let_others_come_forward() -> None:
    """Windows lets only the program in front put another one there."""
    if sys.platform == "win32":
        import ctypes

        anybody = -1
        ctypes.windll.user32.AllowSetForegroundWindow(anybody)
