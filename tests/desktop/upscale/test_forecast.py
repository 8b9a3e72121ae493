"""The estimate before Start, over real files and a worker whose every word the test says."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from core.contract.jobs import JobCancelled, JobDone
from core.contract.settings import OutputSize
from core.contract.upscale import BatchFinished, PreviewReady
from srgan_desktop import settings
from srgan_desktop.upscale.queue_model import Column
from srgan_desktop.upscale.session import UpscaleSession
from srgan_desktop.upscale.words import bar_state
from tests.desktop.conftest import make_picture
from tests.desktop.upscale.scripted import begin, save


@pytest.fixture
def session(qtbot, options, job, tmp_path):
    """Three pictures of 24 x 18 pixels wait."""
    session = UpscaleSession(options, job=job)
    session.add([make_picture(tmp_path / f"{name}.png") for name in "abc"])
    qtbot.waitUntil(lambda: session.forecast.estimate.pixels == 3 * 96 * 72)
    yield session
    with qtbot.waitSignal(session.stopped):
        session.shutdown()
    session.deleteLater()


def test_pixels_and_bytes_are_known_before_anything_was_measured(qtbot, session, options):
    qtbot.waitUntil(lambda: session.forecast.estimate.free is not None)
    assert session.forecast.estimate.seconds is None
    assert bar_state(session).words == "0.0 megapixels · 0 MB"
    options.set(settings.SIZE, OutputSize("factor", 8))
    qtbot.waitUntil(lambda: session.forecast.estimate.pixels == 3 * 192 * 144)
    session.filling.remove([0])
    qtbot.waitUntil(lambda: session.forecast.estimate.pixels == 2 * 192 * 144)


def test_a_preview_tells_how_long_it_takes(qtbot, session, job):
    assert session.preview(session.queue.entries[0].path, (0, 0, 12, 18))
    job.say(PreviewReady(session.queue.entries[0].path, (0, 0, 12, 18), 4, np.zeros((72, 48, 3), np.uint8), 30.0))
    job.say(JobDone())
    # Half a picture took 30 s, and three wait.
    qtbot.waitUntil(lambda: session.forecast.estimate.seconds == pytest.approx(180))
    assert bar_state(session).words.startswith("about 3 min · ")
    assert not bar_state(session).warns


def test_what_a_run_measured_counts_for_the_rest(qtbot, session, job):
    session.start()
    job.say(begin(session, 0), save(session, 0), JobCancelled())
    # The first took 1.5 s.
    qtbot.waitUntil(lambda: session.forecast.estimate.seconds == pytest.approx(3.0))
    session.start()
    job.say(save(session, 1), save(session, 2), BatchFinished(2, 0, 0, 1.0), JobDone())
    qtbot.waitUntil(lambda: session.forecast.estimate.pixels == 0)
    assert bar_state(session).words == "3 saved"


def test_what_does_not_fit_warns(qtbot, session, options, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1))
    options.set(settings.OUTPUT, str(tmp_path / "not" / "there" / "yet"))
    qtbot.waitUntil(lambda: session.forecast.estimate.free == 1)
    assert bar_state(session).warns
    assert bar_state(session).words.endswith("0 MB, and 0 MB are free")


def test_what_cannot_be_read_says_so_at_once_and_is_not_ready(qtbot, session, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    session.add([broken])
    qtbot.waitUntil(lambda: session.queue.unreadable == 1)
    assert bar_state(session).title == "3 pictures ready to upscale"
    assert "1 cannot be read" in bar_state(session).words
    assert "broken.png" in session.queue.index(3, Column.STATE).data()
    # Once it was mended and is tried again, it is as any other.
    make_picture(broken)
    session.start()
    assert len(session.queue.waiting()) == 4
