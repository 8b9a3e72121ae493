"""What happens when all runs are finished, with programs that stand in for the system's."""

import sys

import pytest
from PySide6.QtCore import QProcess
from PySide6.QtWidgets import QWidget

from srgan_desktop import afterwards
from srgan_desktop.afterwards import AfterRuns, Afterwards, Countdown, possible


@pytest.fixture
def done(monkeypatch, tmp_path):
    """A file that is there once the machine would sleep."""
    file = tmp_path / "asleep"
    script = f"open({str(file)!r}, 'w').close()"
    monkeypatch.setattr(afterwards, "command_for", lambda _what: [sys.executable, "-c", script])
    return file


@pytest.fixture
def window(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    return window


def counting(after: AfterRuns) -> Countdown:
    assert after.countdown is not None
    return after.countdown


def test_it_sleeps_after_a_countdown_and_gives_up_what_keeps_it_awake(qtbot, window, done):
    let = []
    after = AfterRuns(window, lambda: let.append(done.exists()))
    after.begin()
    assert after.countdown is None
    after.choose(Afterwards.SLEEP)
    after.begin()
    assert counting(after).words.text() == "Going to sleep in 60 s."
    for _ in range(59):
        counting(after).tick()
    assert counting(after).words.text() == "Going to sleep in 1 s."
    assert not done.exists()
    counting(after).tick()
    assert after.countdown is None
    qtbot.waitUntil(lambda: done.exists() and after.findChild(QProcess) is None)
    assert let == [False]
    # It was for this once.
    assert after.choice is Afterwards.NOTHING


def test_the_countdown_can_be_stopped(window, done):
    after = AfterRuns(window, lambda: pytest.fail("it stays awake"))
    after.choose(Afterwards.SHUT_DOWN)
    after.begin()
    counting(after).stop.click()
    assert after.countdown is None
    assert after.choice is Afterwards.NOTHING
    after.choose(Afterwards.SHUT_DOWN)
    after.begin()
    # Chosen otherwise while it counts
    after.choose(Afterwards.NOTHING)
    assert after.countdown is None
    assert not done.exists()


def test_a_system_that_refuses_is_quoted(qtbot, window, monkeypatch):
    script = "import sys; sys.exit('Access denied')"
    monkeypatch.setattr(afterwards, "command_for", lambda _what: [sys.executable, "-c", script])
    after = AfterRuns(window, lambda: None)
    after.choose(Afterwards.SHUT_DOWN)
    after.begin()
    with qtbot.waitSignal(after.failed) as failed:
        counting(after).now.click()
    assert failed.args[0].message == "The system did not shut down: Access denied"


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_every_system_has_both(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert set(possible()) == set(Afterwards)
