"""Progress in the taskbar, on a real message bus of the test's own."""

import shutil
import subprocess
import sys

import pytest
from PySide6.QtGui import QGuiApplication

from srgan_desktop import taskbar
from srgan_desktop.taskbar import TaskbarProgress, launcher_entry

needs_bus = pytest.mark.skipif(shutil.which("dbus-monitor") is None, reason="no D-Bus here")


@pytest.fixture
def bus():
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True
    )
    assert daemon.stdout is not None
    with daemon.stdout:
        yield daemon.stdout.readline().strip()
    daemon.terminate()
    daemon.wait()


@needs_bus
def test_the_desktop_hears_of_progress_and_of_its_end(qapp, bus, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    QGuiApplication.setDesktopFileName("srgan-desktop")
    watch = ["dbus-monitor", "--address", bus, "interface=com.canonical.Unity.LauncherEntry"]
    with subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as monitor:
        assert monitor.stdout is not None
        heard = ""
        # It listens once its own registration has gone by.
        while "NameLost" not in heard:
            heard += monitor.stdout.readline()
        show = launcher_entry(bus)
        show(0.25, False)
        show(None, False)
        heard = ""
        while "boolean false" not in heard:
            heard += monitor.stdout.readline()
        monitor.terminate()
    assert "member=Update" in heard
    assert 'string "application://srgan-desktop.desktop"' in heard
    assert "double 0.25" in heard
    assert heard.index("boolean true") < heard.index("boolean false")


def test_only_what_is_new_is_told(monkeypatch):
    told = []
    monkeypatch.setattr(taskbar, "connect_taskbar", lambda _window: lambda *state: told.append(state))
    progress = TaskbarProgress(None)
    progress.show(None)
    assert not told
    for fraction in (0.1, 0.1004, 0.5, 2.0):
        progress.show(fraction)
    progress.show(None)
    assert told == [(0.1, False), (0.5, False), (1.0, False), (None, False)]


def test_a_desktop_that_cannot_be_told_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(taskbar, "launcher_entry", lambda: (_ for _ in ()).throw(OSError("no bus")))
    progress = TaskbarProgress(None)
    progress.show(0.5)
    progress.show(0.6)
