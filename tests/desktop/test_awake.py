"""Keeping the machine awake, by a program that stands in for the system's."""

import sys

import pytest

from srgan_desktop import awake
from srgan_desktop.awake import Awake


@pytest.fixture
def holder(monkeypatch):
    """Waits for the end of its input, as the real command's does."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(awake, "inhibit_command", lambda: [sys.executable, "-c", "import sys; sys.stdin.read()"])


def test_it_is_held_for_as_long_as_it_is_wanted(holder):
    keeper = Awake()
    keeper.hold(True)
    process = keeper.process
    assert process is not None
    assert process.poll() is None
    # Once is enough.
    keeper.hold(True)
    assert keeper.process is process
    keeper.hold(False)
    assert process.poll() is not None
    assert not keeper.held


def test_a_system_that_cannot_be_asked_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(awake, "inhibit_command", lambda: ["/no/such/program"])
    keeper = Awake()
    keeper.hold(True)
    keeper.hold(False)
    assert not keeper.held
