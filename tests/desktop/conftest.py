"""What every test of the window gets: a home of its own, and a look at what it left behind."""

import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from PIL import Image
from PySide6.QtCore import QCoreApplication, QEvent, QMimeData, QPointF, QStandardPaths, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from srgan_desktop import job
from srgan_desktop.settings import Settings
from srgan_desktop.theme import Theme
from tests.homes import move_in
from tests.warm_start import begin, context, is_server

# Qt aborts where there is no screen, and windows that pop up would take the keys of whoever runs the tests.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
if sys.platform == "win32":
    # Off screen Qt has no other place to look for fonts there, and no word would be painted.
    os.environ.setdefault("QT_QPA_FONTDIR", str(Path(os.environ["SYSTEMROOT"], "Fonts")))

PATIENCE = 15
"""Seconds that a thread or process may take to end."""


@pytest.fixture
def qtbot(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> QtBot:
    """Wait as long as these machines need: the first picture of all imports the decoders from a cold disk."""
    for name in ("waitUntil", "waitSignal", "waitSignals", "waitActive", "waitExposed"):
        monkeypatch.setattr(qtbot, name, partial(getattr(qtbot, name), timeout=1000 * PATIENCE))
    return qtbot


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory, monkeypatch) -> Path:
    """Keeps settings, models and pasted pictures out of the real home; the cache is that of all tests."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    move_in(monkeypatch, home, "config", "data", "state")
    if sys.platform != "linux":
        # Elsewhere Qt asks the system, which knows one folder of pictures: that of whoever runs the tests.
        real = QStandardPaths.writableLocation
        pictures = QStandardPaths.StandardLocation.PicturesLocation
        monkeypatch.setattr(
            QStandardPaths,
            "writableLocation",
            lambda kind: str(home / "Pictures") if kind == pictures else real(kind),
        )
    return home


@pytest.fixture(autouse=True)
def nothing_left_running():
    """Fails a test that leaves a thread or a process behind."""
    with nothing_left():
        yield


@pytest.fixture(autouse=True)
def empty_clipboard() -> Iterator[None]:
    """Takes back what a test put there: Qt would delete an object of Python's when Python is gone, and crash."""
    yield
    if QGuiApplication.instance() is not None:
        QGuiApplication.clipboard().clear()


@pytest.fixture(autouse=True)
def garbage_stays_in_the_main_thread() -> Iterator[None]:
    """Collect in the main thread, as the program does: Qt would crash where another thread deletes a widget."""
    before = gc.isenabled()
    gc.disable()
    yield
    if QGuiApplication.instance() is not None:
        # `processEvents` leaves these.
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect(1)
    if before:
        gc.enable()


@contextmanager
def nothing_left() -> Iterator[None]:
    """Every thread and process that begins within has ended soon after."""
    threads, processes = set(threading.enumerate()), set(our_processes())
    yield
    deadline = time.monotonic() + PATIENCE
    for thread in threading.enumerate():
        if thread not in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
    left = [process for process in our_processes() if process not in processes]
    psutil.wait_procs(left, max(0.0, deadline - time.monotonic()))
    # pytest-timeout has a thread of its own where the system has no alarms.
    late = [thread.name for thread in threading.enumerate() if thread not in threads]
    assert not [name for name in late if not name.startswith("pytest_timeout")]
    assert not [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def our_processes() -> list[psutil.Process]:
    """Children, but for those that Python keeps: one to clean up after all others, one to fork them from."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if not any("resource_tracker" in part for part in child.cmdline()) and not is_server(child):
                found.append(child)
        except psutil.NoSuchProcess:
            pass
    return found


@pytest.fixture(scope="session")
def warm_workers() -> Iterator[None]:
    """Workers begin with torch imported, which would else take longer than most tests."""
    begin()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "multiprocessing", SimpleNamespace(get_context=context))
        yield


@pytest.fixture
def options(tmp_path) -> Settings:
    """Settings in a file of the test."""
    return Settings(tmp_path / "settings.ini")


@pytest.fixture(scope="session")
def theme_settings(qapp, tmp_path_factory) -> Settings:
    """Those that the theme of all tests listens to."""
    return Settings(tmp_path_factory.mktemp("theme") / "settings.ini", qapp)


@pytest.fixture(scope="session")
def theme(qapp, theme_settings: Settings) -> Theme:
    return Theme(qapp, theme_settings)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory) -> str:
    """A real network of a few thousand weights."""
    # Here, as it brings torch, which the window and most of its tests do without.
    from tests.core.networks import save_small_model

    return str(save_small_model(tmp_path_factory.mktemp("model") / "small.safetensors"))


def drop(page: QWidget, *paths: Path) -> bool:
    """Drag files over a page and let go; whether it took them."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return drop_mime(page, mime)


def drop_mime(page: QWidget, mime: QMimeData) -> bool:
    """Drag something over a page and let go; whether it was taken."""
    point = page.rect().center()
    action, button, no_keys = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(point, action, mime, button, no_keys)
    QApplication.sendEvent(page, enter)
    if enter.isAccepted():
        QApplication.sendEvent(page, QDropEvent(QPointF(point), action, mime, button, no_keys))
    return enter.isAccepted()


def make_picture(path: Path, width: int = 24, height: int = 18, seed: int = 0) -> Path:
    """A picture file with something in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(30, 220, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def run_program(script: str, *arguments: str, timeout: int = 120) -> str:
    """What a Python script printed in a process of its own, which has to end well.

    Into files, as whatever a window starts may hold a pipe for longer.
    """
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as errors:
        run = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
            stdout=printed,
            stderr=errors,
            timeout=timeout,
        )
        printed.seek(0)
        errors.seek(0)
        assert run.returncode == 0, errors.read().decode(errors="replace")
        return printed.read().decode()
