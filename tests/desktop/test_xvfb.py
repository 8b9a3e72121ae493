"""The real program on a real X server, with keys and clicks of a person: from a folder to files; nothing stays."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from srgan_desktop.settings import MODEL, PREVIEW, Settings, default_path
from tests.desktop.conftest import make_picture

pytestmark = pytest.mark.display

MISSING = [name for name in ("Xvfb", "xdotool") if shutil.which(name) is None]
PATIENCE = 120


def wait_for(what: str, there: Callable[[], object]) -> object:
    deadline = time.monotonic() + PATIENCE
    while not (found := there()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)
    return found


@pytest.fixture
def display() -> Iterator[str]:
    """An X server of its own, on a display that it finds free by itself."""
    if MISSING:
        message = f"{' and '.join(MISSING)} missing: scripts/system_packages.sh test"
        # A CI that lost them must not look green.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    read, write = os.pipe()
    with os.fdopen(read) as said:
        server = subprocess.Popen(
            # Whenever its last client leaves, an X server starts anew, and turns away who comes just then: xdotool,
            # which asks and leaves again and again, would keep 1 in 20 programs from opening their window.
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp", "-noreset"],
            pass_fds=[write],
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        number = said.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait(PATIENCE)


class Person:
    """Somebody at the keyboard and the mouse."""

    def __init__(self, display: str) -> None:
        self._environment = os.environ | {"DISPLAY": display}

    def do(self, *words: str) -> str:
        done = subprocess.run(
            ["xdotool", *words], env=self._environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        return done.stdout.strip()

    def window(self, title: str, program: subprocess.Popen) -> str:
        """Wait for a program's window; told at once if the program has ended instead."""

        def found() -> str:
            ended = program.poll()
            assert ended is None, f"no window “{title}”: ended with {ended}, saying: {program.stderr.read()}"
            return self.do("search", "--onlyvisible", "--name", title)

        return str(wait_for(title, found)).splitlines()[0]

    def look_at(self, window: str) -> None:
        """Focus without a window manager."""
        wait_for("the focus", lambda: self.do("windowfocus", window) or self.do("getwindowfocus") == window)


def leave(program: subprocess.Popen, person: Person, window: str) -> tuple[int, str]:
    """Quit from the keyboard; the exit code and what the program complained of."""

    def press_quit() -> bool:
        # The last result lies there a little before the run has ended, and a window at work asks back. Without a
        # window manager nothing gives it the focus again once its question is closed.
        person.do("key", "--clearmodifiers", "Escape")
        person.do("windowfocus", window)
        person.do("key", "--clearmodifiers", "ctrl+q")
        return program.poll() is not None

    wait_for("the end", press_quit)
    return program.returncode, program.stderr.read()


@pytest.fixture
def person(display: str) -> Person:
    return Person(display)


@pytest.fixture
def started(display: str, small_model: str, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts the program as a user does; afterwards nothing of it may be left."""
    saved = Settings(default_path())
    saved.set(MODEL, small_model)
    saved.set(PREVIEW, False)
    saved.save()
    running = []

    def start(*arguments: str) -> subprocess.Popen:
        environment = os.environ | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}
        program = subprocess.Popen(
            [sys.executable, "-m", "srgan_desktop", *arguments],
            cwd=Path(__file__).parents[2],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(program)
        return program

    yield start
    for program in running:
        if program.poll() is None:
            for process in [*psutil.Process(program.pid).children(recursive=True), psutil.Process(program.pid)]:
                process.kill()
        program.communicate()


def family(program: subprocess.Popen) -> list[psutil.Process]:
    return [psutil.Process(program.pid), *psutil.Process(program.pid).children(recursive=True)]


def test_from_a_folder_to_files_and_closed(person, started, tmp_path):
    for n in range(3):
        make_picture(tmp_path / "in" / f"{n}.png", seed=n)
    program = started("-o", str(tmp_path / "out"), str(tmp_path / "in"))
    window = person.window("SRGAN Desktop", program)
    person.look_at(window)

    def results() -> list[Path]:
        return list((tmp_path / "out").glob("*.png"))

    def press_start() -> bool:
        # Until the folder is searched there is nothing to start.
        if not results():
            person.do("key", "ctrl+Return")
        return bool(results())

    wait_for("the first result", press_start)
    wait_for("all results", lambda: len(results()) == 3)
    for result in results():
        with Image.open(result) as image:
            image.load()
            assert image.size == (96, 72)
    # A click into the table, then Del: the picture leaves the queue, and stays on the disk.
    person.do("mousemove", "--window", window, "250", "150", "click", "1")
    person.do("key", "Delete")
    assert len(list((tmp_path / "in").glob("*.png"))) == 3
    processes = family(program)
    assert len(processes) > 1
    assert leave(program, person, window) == (0, "")
    _, alive = psutil.wait_procs(processes, PATIENCE)
    assert not alive


def test_closing_in_a_run_is_confirmed_by_keys(person, started, tmp_path):
    for n in range(300):
        make_picture(tmp_path / "in" / f"{n}.png", 80, 80)
    program = started("-o", str(tmp_path / "out"), str(tmp_path / "in"))
    window = person.window("SRGAN Desktop", program)
    person.look_at(window)

    def press_start() -> bool:
        person.do("key", "ctrl+Return")
        return any((tmp_path / "out").glob("*.png"))

    wait_for("the first result", press_start)
    processes = family(program)
    person.do("key", "ctrl+q")
    question = person.window("Close SRGAN Desktop", program)
    person.look_at(question)
    person.do("key", "alt+c")
    program.communicate(timeout=PATIENCE)
    assert program.returncode == 0
    _, alive = psutil.wait_procs(processes, PATIENCE)
    assert not alive
    assert 0 < len(list((tmp_path / "out").glob("*.png"))) < 300
    assert not list((tmp_path / "out").rglob("*.part"))
