"""The packaged window on an X server: from a folder to files, a second start, and nothing left of it."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from srgan_desktop.settings import PRECISION, Settings, default_path
from tests.desktop.test_xvfb import PATIENCE, Person, display, family, leave, person, wait_for  # noqa: F401
from tests.packaging.conftest import EXACTLY, LIGHT, assert_same_pictures, files_below


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    if LIGHT:
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        saved = Settings(default_path())
        saved.set(PRECISION, "fp32")
        saved.save()
    return folder


@pytest.fixture
def start(bundle: Path, display: str, bare: dict[str, str], home: Path) -> Iterator[Callable[..., subprocess.Popen]]:  # noqa: F811
    environment = bare | {"DISPLAY": display, "HOME": str(home), "QT_QPA_PLATFORM": "xcb"}
    running = []

    def begin(*arguments: str | Path) -> subprocess.Popen:
        program = subprocess.Popen(
            [bundle / "srgan-desktop", *map(str, arguments)], env=environment, stderr=subprocess.PIPE, text=True
        )
        running.append(program)
        return program

    yield begin
    for process in of_bundle(bundle):
        process.kill()
    for program in running:
        program.wait()
        program.stderr.close()


def of_bundle(bundle: Path) -> list[psutil.Process]:
    """Every process that runs one of the two programs."""
    programs = {str((bundle / name).resolve()) for name in ("srgan", "srgan-desktop")}
    found = []
    for process in psutil.process_iter():
        try:
            if process.exe() in programs:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            pass
    return found


def assert_nothing_left(bundle: Path) -> None:
    _, alive = psutil.wait_procs(of_bundle(bundle), PATIENCE)
    assert not alive


def test_from_a_folder_to_the_pictures_of_the_command(bundle, start, person, unfrozen, pictures, home, tmp_path):  # noqa: F811
    begun = time.monotonic()
    program = start("-o", tmp_path / "frozen", pictures)
    window = person.window("SRGAN Desktop", program)
    print(f"\nwindow after {time.monotonic() - begun:.2f} s")
    command = [unfrozen, "upscale", pictures, "-o", tmp_path / "unfrozen", *EXACTLY]
    subprocess.run(command, check=True, capture_output=True)
    person.look_at(window)
    wanted = files_below(tmp_path / "unfrozen")

    def press_start() -> bool:
        # Until the folder is searched there is nothing to start.
        if not files_below(tmp_path / "frozen"):
            person.do("key", "ctrl+Return")
        return bool(files_below(tmp_path / "frozen"))

    wait_for("the first result", press_start)
    wait_for("all results", lambda: files_below(tmp_path / "frozen") == wanted)
    # One window: the worker process, which is the same program again, must not open another.
    assert len(person.do("search", "--onlyvisible", "--name", "SRGAN Desktop").splitlines()) == 1
    processes = family(program)
    assert len(processes) > 1
    assert {process.exe() for process in processes} == {str((bundle / "srgan-desktop").resolve())}
    assert leave(program, person, window) == (0, "")
    assert_nothing_left(bundle)
    assert_same_pictures(tmp_path / "frozen", tmp_path / "unfrozen")
    logs = list(home.rglob("window.log"))
    assert len(logs) == 1
    assert "ERROR" not in logs[0].read_text()


def test_a_second_start_gives_its_files_to_the_first_window(bundle, start, person, pictures, tmp_path):  # noqa: F811
    first = start("-o", tmp_path / "out", pictures / "cat.jpg")
    window = person.window("SRGAN Desktop", first)
    wait_for("the worker", lambda: len(family(first)) > 1)
    second = start(pictures / "album")
    _, complaints = second.communicate(timeout=PATIENCE)
    assert (second.returncode, complaints) == (0, "")
    assert person.do("search", "--onlyvisible", "--name", "SRGAN Desktop").splitlines() == [window]
    person.look_at(window)
    wanted = {Path("cat.jpg"), Path("cup.png"), Path("deep.png")}

    def press_start() -> bool:
        person.do("key", "ctrl+Return")
        return {Path(path.name) for path in files_below(tmp_path / "out")} == wanted

    wait_for("the results of both", press_start)
    assert leave(first, person, window) == (0, "")
    assert_nothing_left(bundle)


def test_a_killed_window_takes_its_worker_along(bundle, start, person):  # noqa: F811
    program = start()
    person.window("SRGAN Desktop", program)
    wait_for("the worker", lambda: len(family(program)) > 1)
    program.kill()
    program.communicate()
    assert_nothing_left(bundle)


@pytest.mark.skipif(os.name != "posix", reason="HOME is read otherwise there")
def test_opens_where_nothing_can_be_written(bundle, start, person, home):  # noqa: F811
    shutil.rmtree(home)
    home.write_text("a file, where no folder can be made")
    program = start()
    window = person.window("SRGAN Desktop", program)
    code, complaints = leave(program, person, window)
    assert code == 0
    assert "Traceback" not in complaints
    assert_nothing_left(bundle)
