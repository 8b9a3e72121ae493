"""A second start: what it hands over, and when it opens a window of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QUrl
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from srgan_desktop import opening
from srgan_desktop.opening import InstanceServer, hand_over
from tests.homes import move_in

START = """
import ast, os, sys
from pathlib import Path
from srgan_desktop.opening import hand_over
paths, output, name = ast.literal_eval(sys.stdin.read())
paths = [Path(os.fsdecode(path)) for path in paths]
sys.stdout.write(str(hand_over(paths, Path(output) if output else None, name)))
"""


@pytest.fixture
def name(tmp_path: Path) -> str:
    # Paths of sockets have about a hundred bytes, those of tests more.
    return f"srgan-test-{os.getpid()}-{abs(hash(tmp_path)):x}"


@pytest.fixture
def server(qapp, name: str) -> Iterator[InstanceServer]:
    made = InstanceServer(qapp, name)
    yield made
    made.close()
    qapp.removeEventFilter(made)
    made.deleteLater()


class Later:
    """A later start of the program: a process of its own, as here it would hold up the event loop."""

    def __init__(self, paths: list[Path], output: Path | None, name: str) -> None:
        said = repr(([os.fsencode(path) for path in paths], str(output or ""), name))
        self._process = subprocess.Popen([sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        self._process.stdin.write(said.encode())
        self._process.stdin.close()

    @property
    def taken(self) -> bool:
        assert self._process.stdout is not None
        with self._process.stdout as answer:
            text = answer.read()
        assert self._process.wait() == 0
        return text == b"True"


def test_hands_over_files_and_folder(server, name, qtbot):
    paths = [Path("/pictures/ein Bild.png"), Path("/pictures/été\n€.png")]
    if sys.platform != "win32":
        # Where names are bytes, they need not be text.
        paths.append(Path(os.fsdecode(b"/pictures/\xff.png")))
    with qtbot.waitSignal(server.asked, timeout=60_000) as asked:
        later = Later(paths, Path("/out"), name)
    assert later.taken is True
    assert asked.args == [paths, str(Path("/out"))]


def test_a_bare_start_only_brings_forward(server, name, qtbot):
    with qtbot.waitSignal(server.asked, timeout=60_000) as asked:
        later = Later([], None, name)
    assert (later.taken, asked.args) == (True, [[], ""])


def test_many_at_once_all_arrive(server, name, qtbot):
    arrived = []
    server.asked.connect(lambda paths, _output: arrived.extend(paths))
    wanted = {Path(f"/pictures/{number}.png") for number in range(6)}
    starts = [Later([path], None, name) for path in wanted]
    qtbot.waitUntil(lambda: len(arrived) == len(wanted), timeout=60_000)
    assert set(arrived) == wanted
    assert all(start.taken for start in starts)


def test_thousands_of_paths_fit(server, name, qtbot):
    paths = [Path(f"/a folder with a rather long name/{number:06}.png") for number in range(20_000)]
    with qtbot.waitSignal(server.asked, timeout=60_000) as asked:
        later = Later(paths, None, name)
    assert later.taken
    assert asked.args[0] == paths


def test_nobody_there(qapp, name):
    assert hand_over([Path("/a.png")], None, name) is False


def test_closed_doors_take_nothing(server, name):
    server.close()
    assert hand_over([Path("/a.png")], None, name) is False


def test_a_window_that_hangs_is_not_waited_for(qapp, name, monkeypatch):
    monkeypatch.setattr(opening, "ANSWER_MS", 50)
    deaf = QLocalServer()
    assert deaf.listen(name)
    assert hand_over([Path("/a.png")], None, name) is False
    deaf.close()


@pytest.mark.parametrize(
    "line", [b"hello\n", b"[]\n", b'{"paths": [1], "output": "", "token": ""}\n', b'{"paths": "a"}\n', b"\xff\xfe\n"]
)
def test_strangers_are_sent_away(server, name, qtbot, line):
    stranger = QLocalSocket()
    stranger.connectToServer(name)
    assert stranger.waitForConnected(1000)
    with qtbot.assertNotEmitted(server.asked), qtbot.waitSignal(stranger.disconnected):
        stranger.write(line)
        stranger.flush()


def test_the_socket_of_a_killed_program_is_replaced(qapp, name, qtbot):
    leaves = "import os, sys; from PySide6.QtNetwork import QLocalServer; from PySide6.QtCore import QCoreApplication\n"
    leaves += "app = QCoreApplication([]); server = QLocalServer(); assert server.listen(sys.argv[1]); os._exit(0)"
    subprocess.run([sys.executable, "-c", leaves, name], check=True)
    assert hand_over([], None, name) is False
    server = InstanceServer(qapp, name)
    with qtbot.waitSignal(server.asked, timeout=60_000):
        later = Later([], None, name)
    assert later.taken
    server.close()
    qapp.removeEventFilter(server)
    server.deleteLater()


def test_macos_opens_files_by_an_event(qapp, name, qtbot, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        server = InstanceServer(qapp, name)
    event = QFileOpenEvent(QUrl.fromLocalFile(str(tmp_path / "a.png")))
    assert event.type() is QEvent.Type.FileOpen
    with qtbot.waitSignal(server.asked, timeout=60_000) as asked:
        qapp.sendEvent(qapp, event)
    assert asked.args == [[tmp_path / "a.png"], ""]
    server.close()
    qapp.removeEventFilter(server)
    server.deleteLater()


def test_names_differ_by_home_and_screen(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("DISPLAY", ":1")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    first = opening.server_name()
    assert first == opening.server_name()
    monkeypatch.setenv("DISPLAY", ":2")
    second = opening.server_name()
    move_in(monkeypatch, tmp_path, "config")
    assert len({first, second, opening.server_name()}) == 3
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert Path(opening.server_name()).parent == tmp_path
