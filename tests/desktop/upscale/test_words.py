"""What the bar says in every phase of a run, over a worker whose every word the test says."""

import pytest

from core.contract.jobs import JobCancelled, JobDone, WorkerReady
from core.contract.protocol import NO_JOB
from core.contract.settings import OutputSize
from core.contract.upscale import FileFailed, Input, Progress
from srgan_desktop import problems, settings
from srgan_desktop.upscale.queue_model import Entry
from srgan_desktop.upscale.session import UpscaleSession
from srgan_desktop.upscale.words import bar_state, start_words
from tests.desktop.conftest import make_picture
from tests.desktop.upscale.scripted import begin, save, source


@pytest.fixture
def session(qtbot, options, job, tmp_path):
    """Three pictures wait."""
    session = UpscaleSession(options, job=job)
    session.queue.add(Entry(Input(make_picture(tmp_path / f"{name}.png"))) for name in "abc")
    yield session
    with qtbot.waitSignal(session.stopped):
        session.shutdown()
    session.deleteLater()


def test_what_the_bar_says_from_start_to_end(session, job):
    assert bar_state(session).title == "3 pictures ready to upscale"
    session.start()
    state = bar_state(session)
    assert (state.title, state.fraction, state.has_progress) == ("Starting the engine…", None, True)
    job.say(WorkerReady("a card"), job=NO_JOB)
    state = bar_state(session)
    assert (state.title, state.fraction) == ("Preparing…", None)
    job.say(begin(session, 0), Progress(source(session, 0), 0.5, 0.2, 61.0))
    state = bar_state(session)
    assert (state.title, state.words, state.fraction) == ("Upscaling 1 of 3", "about a minute left", 0.2)
    session.pause()
    state = bar_state(session)
    assert (state.title, state.fraction, state.paused) == ("Paused after 0 of 3", 0.2, True)
    session.resume()
    job.say(save(session, 0), FileFailed(source(session, 1), "It is broken."))
    # One of three can never be done: it is no more counted as done than as still to do.
    state = bar_state(session)
    assert (state.title, state.words) == ("Upscaling 2 of 2", "about a minute left · 1 failed")
    session.pause()
    assert (bar_state(session).title, bar_state(session).words) == ("Paused after 1 of 2", "1 failed")
    session.cancel()
    assert (bar_state(session).title, bar_state(session).fraction) == ("Stopping…", 0.2)
    job.say(JobCancelled())
    state = bar_state(session)
    assert (state.title, state.words) == ("1 picture ready to upscale", "1 saved · 1 failed")
    assert not state.has_progress


def test_pictures_with_own_settings_are_counted_from_the_start(session, job, options):
    session.pins.pin([2])
    options.set(settings.SIZE, OutputSize("factor", 2))
    session.start()
    job.say(WorkerReady("a card"), job=NO_JOB)
    assert len(job.requests[-1].inputs) == 2
    job.say(begin(session, 0), Progress(source(session, 0), 0.5, 0.25, 90.0))
    state = bar_state(session)
    assert (state.title, state.words) == ("Upscaling 1 of 3", problems.time_left(150.0))
    assert state.fraction == pytest.approx(0.5 / 3)
    job.say(save(session, 0), save(session, 1), Progress(source(session, 1), 1.0, 1.0, 0.0))
    assert bar_state(session).fraction == pytest.approx(2 / 3)
    job.say(JobDone())
    assert len(job.requests[-1].inputs) == 1
    # The bar goes on where it was, instead of starting over.
    assert bar_state(session).fraction == pytest.approx(2 / 3)
    job.say(begin(session, 2), Progress(source(session, 2), 0.5, 0.5, 30.0))
    state = bar_state(session)
    assert (state.title, state.words) == ("Upscaling 3 of 3", problems.time_left(30.0))
    assert state.fraction == pytest.approx(2.5 / 3)


def test_start_says_what_it_will_do(session, job, options):
    assert start_words(session)[0] == "&Start"
    session.start()
    job.say(save(session, 0), save(session, 1), FileFailed(source(session, 2), "It is broken."), JobDone())
    assert start_words(session)[0] == "&Start again"
    options.set(settings.SIZE, OutputSize("factor", 2))
    text, tooltip = start_words(session)
    assert text == "Up&scale 2 again with the new settings"
    assert "kept" in tooltip
    options.set(settings.EXISTING, "replace")
    assert "replaced" in start_words(session)[1]
    options.set(settings.SIZE, OutputSize())
    assert start_words(session)[0] == "&Start again"
    options.set(settings.SIZE, OutputSize("factor", 2))
    session.start()
    assert job.requests[-1].size == OutputSize("factor", 2)
    assert len(job.requests[-1].inputs) == 3
