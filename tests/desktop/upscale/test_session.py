"""What the page knows and does, with a worker whose every word the test says."""

import threading
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QImage

from core import paths
from core.contract.jobs import JobCancelled, JobDone, JobFailed, Notice, WorkerReady
from core.contract.protocol import NO_JOB
from core.contract.settings import OutputSize
from core.contract.upscale import (
    BatchFinished,
    BatchInterrupted,
    BatchStarted,
    FileFailed,
    FileSkipped,
    Input,
    PreviewReady,
    PreviewRequest,
    Progress,
    UpscaleRequest,
)
from core.hashing import stamp_of
from core.models.catalogue import AUTOMATIC
from srgan_desktop import settings
from srgan_desktop.job import EngineState
from srgan_desktop.thumbnails import MadeThumbnail
from srgan_desktop.upscale.queue_model import State
from srgan_desktop.upscale.requests import upscale_request
from srgan_desktop.upscale.run import Phase
from srgan_desktop.upscale.session import UpscaleSession
from tests.core.networks import save_pair
from tests.desktop.conftest import make_picture
from tests.desktop.upscale.scripted import begin, save, source, states


@pytest.fixture
def session(qtbot, options, job):
    session = UpscaleSession(options, job=job)
    yield session
    with qtbot.waitSignal(session.stopped, timeout=20_000):
        session.shutdown()
    session.deleteLater()


@pytest.fixture
def filled(qtbot, session, tmp_path):
    """Three pictures wait."""
    for name in "abc":
        make_picture(tmp_path / "in" / f"{name}.png")
    session.add([tmp_path / "in"])
    assert session.scanning
    qtbot.waitUntil(lambda: not session.scanning, timeout=20_000)
    return session


class Told:
    def __init__(self, session):
        self.finished, self.failed, self.notices, self.saved = [], [], [], []
        session.finished.connect(self.finished.append)
        session.failed.connect(self.failed.append)
        session.notice.connect(self.notices.append)
        session.saved.connect(self.saved.append)


def counted(session):
    """How many pictures of the run are finished, and how many it has."""
    return session.run.finished, session.run.total


@pytest.fixture
def told(session):
    return Told(session)


def test_a_run_from_start_to_summary(filled, job, told):
    filled.start()
    (request,) = job.requests
    assert isinstance(request, UpscaleRequest)
    assert [each.path.name for each in request.inputs] == ["a.png", "b.png", "c.png"]
    assert filled.run.phase is Phase.WORKING
    job.say(begin(filled, 0), Progress(source(filled, 0), 0.5, 0.2, 61.0))
    assert (filled.queue.entries[0].fraction, filled.run.fraction, filled.run.seconds_left) == (0.5, 0.2, 61.0)
    assert states(filled) == [State.WORKING, State.WAITING, State.WAITING]
    job.say(save(filled, 0))
    assert told.saved == [filled.queue.entries[0]]
    assert filled.queue.entries[0].consistency == 40.0
    job.say(FileSkipped(source(filled, 1), Path("/out/b.png"), "Made before.", 38.0))
    assert filled.queue.entries[1].consistency == 38.0
    job.say(FileFailed(source(filled, 2), "It is broken.", "Get another."))
    assert counted(filled) == (3, 3)
    assert told.finished == []
    job.say(BatchFinished(1, 1, 1, 8.0), JobDone())
    (summary,) = told.finished
    assert (summary.saved, summary.skipped, summary.failed, summary.seconds) == (1, 1, 1, 8.0)
    assert summary.failures[0][1].hint == "Get another."
    assert states(filled) == [State.DONE, State.SKIPPED, State.FAILED]
    assert filled.run.phase is Phase.IDLE


def test_the_request_has_the_options(filled, job, options, tmp_path):
    options.set(settings.OUTPUT, str(tmp_path / "out"))
    options.set(settings.SIZE, OutputSize("width", 500))
    options.set(settings.FORMAT, "webp")
    options.set(settings.QUALITY, 70)
    options.set(settings.EXISTING, "replace")
    options.set(settings.RECURSIVE, False)
    options.set(settings.METADATA, False)
    options.set(settings.DEVICE, "cpu")
    options.set(settings.PRECISION, "fp32")
    options.set(settings.TILE, 256)
    options.set(settings.ENSEMBLE, True)
    options.set(settings.MODEL, "faithful-x4")
    filled.start()
    inputs = job.requests[0].inputs
    assert job.requests[0] == UpscaleRequest(
        inputs,
        tmp_path / "out",
        model="faithful-x4",
        size=OutputSize("width", 500),
        format="webp",
        quality=70,
        existing="replace",
        recursive=False,
        keep_metadata=False,
        device="cpu",
        precision="fp32",
        tile=256,
        ensemble=True,
    )
    assert {each.root for each in inputs} == {tmp_path / "in"}


def test_pause_resume_cancel(filled, job, told):
    filled.resume()
    filled.start()
    filled.pause()
    assert filled.run.paused
    filled.pause()
    filled.resume()
    assert filled.run.phase is Phase.WORKING
    job.say(begin(filled, 0))
    filled.cancel()
    filled.cancel()
    filled.pause()
    assert filled.run.phase is Phase.CANCELLING
    assert job.told == [("pause", 1), ("resume", 1), ("cancel", 1)]
    job.say(JobCancelled())
    assert told.finished[0].cancelled
    assert states(filled) == [State.WAITING] * 3
    assert filled.can_start


def test_a_dead_engine_keeps_the_queue_and_start_goes_on(filled, job, told):
    filled.start_engine()
    job.say(WorkerReady("a card"), job=NO_JOB)
    assert (filled.engine, filled.device) == (EngineState.READY, "a card")
    filled.start()
    job.say(begin(filled, 0), save(filled, 0), begin(filled, 1))
    job.engine = EngineState.STOPPED
    job.say(JobFailed("The engine crashed.", "Press Start."))
    assert told.failed[0].message == "The engine crashed."
    assert filled.engine is EngineState.STOPPED
    assert states(filled) == [State.DONE, State.WAITING, State.WAITING]
    filled.start()
    assert [each.path.name for each in job.requests[1].inputs] == ["b.png", "c.png"]
    assert filled.engine is EngineState.STARTING


def test_what_is_added_during_a_run_belongs_to_it(qtbot, filled, job, told, tmp_path):
    filled.start()
    filled.add([make_picture(tmp_path / "late.png")])
    qtbot.waitUntil(lambda: not filled.scanning, timeout=20_000)
    job.say(*(save(filled, row) for row in range(3)), BatchFinished(3, 0, 0, 1.0), JobDone(), job=1)
    assert told.finished == []
    assert [each.path.name for each in job.requests[1].inputs] == ["late.png"]
    job.say(save(filled, 3), BatchFinished(1, 0, 0, 1.0), JobDone())
    assert told.finished[0].saved == 4


@pytest.fixture
def gated(session, monkeypatch):
    """Searches of the folder `slow` find one picture, and the second when they are let."""
    from core.upscale import scan as scanning

    gate = threading.Event()
    real = scanning.scan

    def scan(inputs, recursive, cancel):
        for place, each in enumerate(real(inputs, recursive, cancel)):
            if place == 1:
                gate.wait()
            yield each

    monkeypatch.setattr(scanning, "scan", scan)
    # Each find is told at once.
    monkeypatch.setattr("srgan_desktop.upscale.scanning.BATCH_SECONDS", -1)
    yield gate
    gate.set()


@pytest.fixture
def searching(qtbot, gated, session, job, tmp_path):
    """A run has done the first picture of a folder whose search goes on."""
    for name in "ab":
        make_picture(tmp_path / "slow" / f"{name}.png")
    session.add([tmp_path / "slow"])
    qtbot.waitUntil(lambda: len(session.queue.entries) == 1, timeout=20_000)
    session.start()
    job.say(save(session, 0), BatchFinished(1, 0, 0, 1.0), JobDone())
    assert session.run.phase is Phase.BETWEEN_JOBS
    assert session.busy
    return session


def test_a_run_does_what_a_search_under_way_still_finds(qtbot, gated, searching, job, told):
    assert told.finished == []
    gated.set()
    qtbot.waitUntil(lambda: len(job.requests) == 2, timeout=20_000)
    assert [each.path.name for each in job.requests[1].inputs] == ["b.png"]
    qtbot.waitUntil(lambda: not searching.scanning, timeout=20_000)
    job.say(save(searching, 1), BatchFinished(1, 0, 0, 1.0), JobDone())
    assert told.finished[0].saved == 2


def test_a_run_that_waits_for_a_search_can_be_paused_and_cancelled(qtbot, gated, searching, job, told):
    searching.pause()
    assert searching.run.paused
    gated.set()
    qtbot.waitUntil(lambda: not searching.scanning, timeout=20_000)
    assert len(job.requests) == 1
    searching.resume()
    assert [each.path.name for each in job.requests[1].inputs] == ["b.png"]
    searching.cancel()
    job.say(JobCancelled())
    assert told.finished[0].cancelled


def test_clear_gives_up_the_search_and_ends_the_run_that_waits_for_it(qtbot, gated, searching, told):
    searching.filling.clear()
    gated.set()
    qtbot.waitUntil(lambda: not searching.scanning, timeout=20_000)
    assert searching.queue.rowCount() == 0
    assert told.finished[0].saved == 1
    assert not searching.busy


def test_a_cancel_that_comes_as_the_batch_is_done_ends_the_run_all_the_same(gated, qtbot, session, job, told, tmp_path):
    for name in "ab":
        make_picture(tmp_path / "slow" / f"{name}.png")
    session.add([tmp_path / "slow"])
    qtbot.waitUntil(lambda: len(session.queue.entries) == 1, timeout=20_000)
    session.start()
    session.cancel()
    job.say(save(session, 0), BatchFinished(1, 0, 0, 1.0), JobDone())
    assert not session.busy
    assert told.finished[0].saved == 1


def test_a_retry_while_a_run_waits_for_a_search_is_done_at_once(searching, job):
    searching.retry([0])
    assert [each.path.name for each in job.requests[1].inputs] == ["a.png"]
    searching.cancel()
    job.say(JobCancelled())


def test_a_run_that_waits_for_a_search_is_cancelled_at_once(searching, job, told):
    searching.cancel()
    assert told.finished[0].cancelled
    assert job.told == []
    assert searching.scanning


def search(qtbot, session, *places):
    session.add(places)
    qtbot.waitUntil(lambda: not session.scanning, timeout=20_000)


@pytest.fixture
def watching(qtbot, options, filled, job, tmp_path):
    """A run has done the three pictures of the folder `in`, and watches it."""
    options.set(settings.WATCH, True)
    filled.start()
    pictures = tuple((entry.input, stamp_of(entry.path)) for entry in filled.queue.entries)
    job.say(BatchStarted(pictures), *(save(filled, row) for row in range(3)), BatchFinished(3, 0, 0, 1.0))
    assert filled.run.rests
    assert counted(filled) == (3, 3)
    return filled


def test_a_watch_is_one_job_that_newcomers_get_rows_from(watching, job, told, tmp_path):
    (request,) = job.requests
    assert [each.path.name for each in request.batch.inputs] == ["a.png", "b.png", "c.png"]
    assert (request.folders, request.known) == ((tmp_path / "in",), ())
    late = make_picture(tmp_path / "in" / "deep" / "d.png")
    job.say(BatchStarted(((Input(late, tmp_path / "in"), stamp_of(late)),)))
    assert not watching.run.rests
    assert states(watching) == [*[State.DONE] * 3, State.WAITING]
    assert counted(watching) == (3, 4)
    job.say(begin(watching, 3), save(watching, 3), BatchFinished(1, 0, 0, 1.0))
    assert watching.run.rests
    assert told.finished == []
    watching.cancel()
    assert job.told == [("cancel", 1)]
    job.say(JobCancelled())
    # Nothing was left to do: so ends a watch.
    (summary,) = told.finished
    assert (summary.saved, summary.cancelled) == (4, False)
    # The next one knows what this one took, and does not do it again.
    watching.start()
    assert job.requests[1].batch.inputs == ()
    assert dict(job.requests[1].known) == {entry.path: stamp_of(entry.path) for entry in watching.queue.entries}
    assert watching.run.rests
    job.say(JobCancelled())


def test_what_comes_again_is_counted_again(watching, job, told):
    first = watching.queue.entries[0]
    job.say(BatchStarted(((first.input, (1, 1)),)))
    assert states(watching)[0] is State.WAITING
    job.say(FileFailed(first.path, "Broken."), BatchFinished(0, 0, 1, 1.0))
    assert counted(watching) == (4, 4)
    job.say(BatchStarted(((first.input, (2, 2)),)), save(watching, 0), BatchFinished(1, 0, 0, 1.0))
    assert counted(watching) == (4, 4)
    watching.cancel()
    job.say(JobCancelled())
    assert (told.finished[0].saved, told.finished[0].failed) == (4, 0)


def test_an_interrupted_batch_leaves_the_watch_open(watching, job, told):
    first, second = (entry.input for entry in watching.queue.entries[:2])
    job.say(BatchStarted(((first, (1, 1)), (second, (1, 1)))), begin(watching, 0), BatchInterrupted("It is gone."))
    assert watching.run.rests
    assert states(watching) == [State.WAITING, State.WAITING, State.DONE]
    assert told.notices[-1] == "It is gone. Waiting for it."
    job.say(BatchStarted(((first, (1, 1)), (second, (1, 1)))), save(watching, 0), save(watching, 1))
    job.say(BatchFinished(2, 0, 0, 1.0))
    watching.cancel()
    job.say(JobCancelled())
    assert told.finished[0].saved == 5


def test_what_is_added_during_a_watch_is_done_by_another_one(qtbot, watching, job, told, tmp_path):
    search(qtbot, watching, make_picture(tmp_path / "late.png"))
    assert job.told == [("cancel", 1)]
    assert watching.busy
    assert not watching.run.rests
    job.say(JobCancelled())
    assert [each.path.name for each in job.requests[1].batch.inputs] == ["late.png"]
    assert job.requests[1].folders == (tmp_path / "in",)
    assert len(job.requests[1].known) == 3
    # While that one is at work, a further folder waits until it rests.
    make_picture(tmp_path / "more" / "e.png")
    search(qtbot, watching, tmp_path / "more")
    assert len(job.told) == 1
    job.say(save(watching, 3), BatchFinished(1, 0, 0, 1.0))
    assert job.told[1:] == [("cancel", 2)]
    job.say(JobCancelled())
    assert job.requests[2].folders == (tmp_path / "in", tmp_path / "more")
    assert [each.path.name for each in job.requests[2].batch.inputs] == ["e.png"]
    job.say(save(watching, 4), BatchFinished(1, 0, 0, 1.0))
    watching.cancel()
    job.say(JobCancelled())
    assert told.finished[0].saved == 5


def test_a_batch_that_begins_as_a_watch_is_handed_over_is_done_by_the_next(qtbot, watching, job, tmp_path):
    search(qtbot, watching, make_picture(tmp_path / "late.png"))
    first = watching.queue.entries[0]
    job.say(BatchStarted(((first.input, (1, 1)),)), begin(watching, 0), JobCancelled(), job=1)
    assert [each.path.name for each in job.requests[1].batch.inputs] == ["a.png", "late.png"]
    assert counted(watching) == (3, 5)
    job.say(JobCancelled())


@pytest.mark.parametrize("when", ["before", "after"])
def test_cancel_while_a_watch_is_handed_over_ends_it(qtbot, watching, job, told, tmp_path, when):
    search(qtbot, watching, make_picture(tmp_path / "late.png"))
    if when == "after":
        job.say(JobCancelled(), job=1)
    watching.cancel()
    job.say(JobCancelled())
    assert not watching.busy
    assert told.finished[0].cancelled
    assert states(watching)[3] is State.WAITING


def test_a_paused_watch_is_handed_over_when_it_goes_on(qtbot, watching, job, tmp_path):
    watching.pause()
    search(qtbot, watching, make_picture(tmp_path / "late.png"))
    assert job.told == [("pause", 1)]
    watching.resume()
    assert job.told[1:] == [("resume", 1), ("cancel", 1)]
    watching.pause()
    job.say(JobCancelled())
    assert len(job.requests) == 1
    watching.resume()
    assert [each.path.name for each in job.requests[1].batch.inputs] == ["late.png"]
    job.say(JobCancelled())


@pytest.mark.parametrize("how", ["option", "clear"])
def test_a_run_that_is_to_watch_no_more_ends(watching, options, job, told, how):
    if how == "option":
        options.set(settings.WATCH, False)
    else:
        watching.filling.clear()
    assert job.told == [("cancel", 1)]
    job.say(JobCancelled())
    (summary,) = told.finished
    assert (summary.saved, summary.cancelled) == (3, False)
    assert not watching.busy


def test_a_run_begins_to_watch_where_that_is_asked_for_on_the_way(filled, options, job, told, tmp_path):
    filled.start()
    assert isinstance(job.requests[0], UpscaleRequest)
    options.set(settings.WATCH, True)
    job.say(*(save(filled, row) for row in range(3)), BatchFinished(3, 0, 0, 1.0), JobDone())
    assert job.requests[1].folders == (tmp_path / "in",)
    assert filled.run.rests
    assert told.finished == []
    filled.cancel()
    job.say(JobCancelled())
    assert told.finished[0].saved == 3


def test_an_empty_folder_can_be_watched(qtbot, session, options, job, told, tmp_path):
    (tmp_path / "in").mkdir()
    search(qtbot, session, tmp_path / "in")
    assert "No readable pictures" in told.failed[0].message
    assert not session.can_start
    options.set(settings.WATCH, True)
    assert session.watched == (tmp_path / "in",)
    search(qtbot, session, tmp_path / "in")
    assert len(told.failed) == 1
    assert session.can_start
    assert not session.starts_again
    session.start()
    assert session.run.rests
    assert job.requests[0].batch.inputs == ()
    job.say(JobCancelled())


def test_what_was_taken_out_of_the_queue_is_known_to_the_watch(filled, options, job):
    gone = filled.queue.entries[1].path
    filled.filling.remove([1])
    options.set(settings.WATCH, True)
    filled.start()
    assert job.requests[0].known == ((gone, None),)
    job.say(JobCancelled())


def test_a_folder_inside_a_watched_one_has_its_results_there(qtbot, watching, tmp_path):
    make_picture(tmp_path / "in" / "deep" / "d.png")
    search(qtbot, watching, tmp_path / "in" / "deep")
    assert watching.watched == (tmp_path / "in",)


def test_a_folder_that_a_watch_cannot_search_gets_a_row(watching, job, tmp_path):
    job.say(FileFailed(tmp_path / "in" / "locked", "It may not be read."))
    assert watching.queue.entries[3].is_folder
    assert states(watching)[3] is State.FAILED
    assert counted(watching) == (4, 4)


def test_an_engine_that_dies_ends_the_watch_with_words(watching, job, told):
    job.engine = EngineState.STOPPED
    job.say(JobFailed("The engine crashed.", "Press Start."))
    assert told.failed[0].message == "The engine crashed."
    assert not watching.busy
    watching.start()
    assert watching.run.rests
    job.say(JobCancelled())


def test_a_retry_during_a_run_is_done_at_its_end(filled, job, told):
    filled.start()
    job.say(FileFailed(source(filled, 0), "Locked."))
    filled.retry([0])
    assert states(filled)[0] is State.WAITING
    job.say(save(filled, 1), save(filled, 2), BatchFinished(2, 0, 1, 1.0), JobDone(), job=1)
    assert [each.path.name for each in job.requests[1].inputs] == ["a.png"]
    job.say(save(filled, 0), BatchFinished(1, 0, 0, 1.0), JobDone())
    assert (told.finished[0].saved, told.finished[0].failed) == (3, 0)


def test_a_retry_during_a_run_counts_each_picture_once(filled, job):
    filled.start()
    job.say(FileFailed(source(filled, 0), "Locked."))
    filled.retry([0])
    job.say(save(filled, 1), save(filled, 2), BatchFinished(2, 0, 1, 1.0), JobDone(), job=1)
    job.say(save(filled, 0))
    assert counted(filled) == (3, 3)


def test_what_is_there_already_is_not_found_again(qtbot, told, filled, tmp_path):
    first = source(filled, 0)
    search(qtbot, filled, first)
    search(qtbot, filled, first, make_picture(tmp_path / "new.png"))
    search(qtbot, filled, tmp_path / "in")
    assert told.notices == [
        "Found 3 pictures",
        "1 picture is in the queue already",
        "Found 1 new · 1 picture is in the queue already",
        "3 pictures are in the queue already",
    ]


def test_a_run_keeps_its_settings_to_its_end(qtbot, filled, options, job, tmp_path):
    filled.start()
    assert filled.kept_settings == ""
    options.set(settings.SIZE, OutputSize("factor", 2))
    options.set(settings.QUALITY, 60)
    assert filled.kept_settings == "4×, quality 95"
    filled.pause()
    assert filled.kept_settings == "4×, quality 95"
    filled.resume()
    search(qtbot, filled, make_picture(tmp_path / "late.png"))
    job.say(*(save(filled, row) for row in range(3)), BatchFinished(3, 0, 0, 1.0), JobDone(), job=1)
    assert (job.requests[1].size, job.requests[1].quality) == (OutputSize(), 95)
    assert [entry.made_with.quality for entry in filled.queue.entries[:3]] == [95] * 3
    job.say(JobCancelled())
    assert filled.kept_settings == ""
    filled.start()
    assert (job.requests[2].size, job.requests[2].quality) == (OutputSize("factor", 2), 60)


@pytest.fixture
def paused(qtbot, filled, job, tmp_path):
    """A run was paused while its last picture was being written, and another was added: the batch ends all the same."""
    filled.start()
    filled.add([make_picture(tmp_path / "late.png")])
    qtbot.waitUntil(lambda: not filled.scanning, timeout=20_000)
    filled.pause()
    job.say(*(save(filled, row) for row in range(3)), BatchFinished(3, 0, 0, 1.0), JobDone(), job=1)
    return filled


def test_what_was_added_to_a_paused_run_waits_for_resume(paused, job, told):
    assert (paused.run.paused, len(job.requests), told.finished) == (True, 1, [])
    paused.resume()
    assert paused.run.phase is Phase.WORKING
    assert [each.path.name for each in job.requests[1].inputs] == ["late.png"]
    job.say(save(paused, 3), BatchFinished(1, 0, 0, 1.0), JobDone())
    assert told.finished[0].saved == 4


def test_a_paused_run_with_newcomers_can_be_cancelled(paused, told):
    paused.cancel()
    assert told.finished[0].cancelled
    assert not paused.busy


def test_what_a_run_has_before_it_cannot_be_removed(filled, job):
    filled.start()
    job.say(save(filled, 0))
    filled.filling.clear()
    assert [entry.path.name for entry in filled.queue.entries] == ["b.png", "c.png"]
    job.say(JobCancelled())
    filled.filling.clear()
    assert filled.queue.rowCount() == 0
    assert not filled.can_start


def test_start_when_all_is_finished_does_all_again(filled, job):
    filled.start()
    job.say(*(save(filled, row) for row in range(3)), JobDone())
    assert filled.starts_again
    filled.start()
    assert len(job.requests[1].inputs) == 3
    job.say(save(filled, 0), FileFailed(source(filled, 1), "No."), JobCancelled())
    filled.filling.clear_finished()
    assert [entry.path.name for entry in filled.queue.entries] == ["b.png", "c.png"]


def test_a_folder_that_could_not_be_searched_is_searched_again(qtbot, session, job, tmp_path, monkeypatch):
    from core.contract.errors import UserError
    from core.upscale import scan as scanning
    from core.upscale.scan import Unusable

    folder = tmp_path / "in"
    make_picture(folder / "a.png")
    with monkeypatch.context() as locked:
        locked.setattr(scanning, "scan", lambda *_: iter([Unusable(folder, UserError("It may not be read."))]))
        session.add([folder])
        qtbot.waitUntil(lambda: not session.scanning, timeout=20_000)
    assert states(session) == [State.FAILED]
    assert not session.queue.count(State.WAITING)
    session.retry([0])
    qtbot.waitUntil(lambda: not session.scanning, timeout=20_000)
    assert [entry.path.name for entry in session.queue.entries] == ["a.png"]


def test_a_retry_does_not_ask_the_disk_about_every_row(filled, job, monkeypatch):
    filled.start()
    job.say(*(FileFailed(source(filled, row), "No.") for row in range(3)), JobDone())
    asked = []
    monkeypatch.setattr(Path, "is_dir", lambda path: asked.append(path))
    filled.retry(range(3))
    assert states(filled) == [State.WAITING] * 3
    assert asked == []


def test_thousands_of_results_are_told_together(qtbot, filled, job):
    filled.start()
    told = []
    filled.changed.connect(lambda: told.append(filled.run.finished))
    job.say(*(FileSkipped(source(filled, 0), Path("/out/a.png"), "Made before."),) * 1000)
    qtbot.waitUntil(lambda: told[-1:] == [1000], timeout=20_000)
    assert len(told) < 100


def test_notices_and_words_of_a_search(told, filled, job):
    filled.start()
    job.say(Notice("Half precision is off on this card."))
    assert told.notices == ["Found 3 pictures", "Half precision is off on this card."]


def test_previews_give_way_to_runs_and_to_newer_ones(filled, job):
    heard = []
    filled.previews.ready.connect(heard.append)
    assert filled.preview(source(filled, 0), (0, 0, 9, 9))
    assert filled.preview(source(filled, 1), (0, 0, 9, 9))
    assert job.told == [("cancel", 1)]
    assert isinstance(job.requests[1], PreviewRequest)
    old, new = (PreviewReady(source(filled, row), (0, 0, 9, 9), 4, None, 0.1) for row in (0, 1))
    job.say(old, JobCancelled(), job=1)
    job.say(new, JobDone(), job=2)
    assert heard == [new]
    filled.preview(source(filled, 2), (0, 0, 9, 9))
    filled.start()
    assert job.told[-1] == ("cancel", 3)
    assert not filled.preview(source(filled, 0), (0, 0, 9, 9))


def test_a_failed_preview_ends_no_run(filled, job, told):
    heard = []
    filled.previews.failed.connect(heard.append)
    filled.preview(source(filled, 0), (0, 0, 9, 9))
    job.say(JobFailed("It is broken.", "Get another."))
    assert heard[0].message == "It is broken."
    assert told.failed == []
    assert filled.engine is EngineState.STARTING


def test_a_pasted_picture_goes_where_people_look(qtbot, session, own_home):
    image = QImage(9, 9, QImage.Format.Format_RGB32)
    image.fill(QColor("red"))
    session.filling.add_image(image)
    qtbot.waitUntil(lambda: not session.scanning, timeout=20_000)
    path = source(session, 0)
    assert path.is_file()
    assert path.is_relative_to(own_home)


def test_the_size_option_shows_in_waiting_rows(filled, options):
    filled.queue.update(0, size=(24, 18))
    options.set(settings.SIZE, OutputSize("factor", 2))
    assert filled.queue.output_size_of(filled.queue.entries[0]) == (48, 36)


def test_shutdown_in_a_run(qtbot, options, job, tmp_path):
    session = UpscaleSession(options, job=job)
    session.add([make_picture(tmp_path / "a.png")])
    qtbot.waitUntil(lambda: not session.scanning, timeout=20_000)
    session.start()
    with qtbot.waitSignal(session.stopped, timeout=20_000):
        session.shutdown()
        session.shutdown()
    assert session.run.phase is Phase.CANCELLING
    assert job.told == [("shutdown",)]
    session.deleteLater()


def test_a_thumbnail_that_hangs_does_not_keep_the_session(qtbot, options, job, tmp_path, monkeypatch):
    monkeypatch.setattr("srgan_desktop.background.GRACE_MS", 0)
    reading, gate = threading.Event(), threading.Event()

    def hang(path):
        reading.set()
        gate.wait()
        return MadeThumbnail(path, None, None, "")

    monkeypatch.setattr("srgan_desktop.thumbnails.make_thumbnail", hang)
    session = UpscaleSession(options, job=job)
    session.thumbnails.get(tmp_path / "on a drive that is gone.png")
    assert reading.wait(20)
    try:
        with qtbot.waitSignal(session.stopped, timeout=20_000):
            session.shutdown()
    finally:
        gate.set()
    session.deleteLater()


def test_detail_is_asked_for_only_of_models_that_know_it(session, job, options, tmp_path):
    save_pair(paths.user_models())
    options.set(settings.DETAIL, 40)
    for model, detail in (("sharp", 40), ("soft", 100), ("", 40)):
        options.set(settings.MODEL, model)
        assert upscale_request(options, ()).detail == detail
        assert session.preview(tmp_path / "a.png", (0, 0, 8, 8))
        assert job.requests[-1].detail == detail


def test_pictures_with_settings_of_their_own_are_done_with_them(filled, job, options):
    options.set(settings.SIZE, OutputSize("factor", 2.0))
    filled.pins.pin([1])
    options.set(settings.SIZE, OutputSize("factor", 8.0))
    assert filled.queue.output_size_of(filled.queue.entries[1]) in (None, (48, 36))
    assert filled.pins.settings_of(filled.queue.entries[0]).size == OutputSize("factor", 8.0)
    count = len(filled.queue.entries)
    filled.start()
    first = job.requests[-1]
    assert (first.size, len(first.inputs)) == (OutputSize("factor", 8.0), count - 1)
    for row in range(count):
        if row != 1:
            job.say(begin(filled, row), save(filled, row))
    job.say(JobDone())
    # What waits with other settings is the next job of the same run.
    second = job.requests[-1]
    assert filled.busy
    assert second.size == OutputSize("factor", 2.0)
    assert [each.path for each in second.inputs] == [source(filled, 1)]
    job.say(begin(filled, 1), save(filled, 1), JobDone())
    assert not filled.busy
    assert filled.queue.entries[1].made_with.size == OutputSize("factor", 2.0)
    # Neither was made otherwise than it should be.
    assert filled.made_otherwise == 0
    filled.pins.unpin([1])
    assert filled.made_otherwise == 1


def test_what_automatic_chooses_becomes_a_pictures_own(filled, qtbot, options, tmp_path):
    options.set(settings.MODEL, AUTOMATIC)
    noisy, missing = filled.queue.entries[0], filled.queue.entries[1]
    missing.path.unlink()
    assert filled.pins.is_automatic(noisy)
    with qtbot.waitSignal(filled.pins.failed):
        filled.pins.take_over([0, 1])
    assert noisy.own is not None
    assert noisy.own.model not in ("", AUTOMATIC)
    assert f"Clean-up {noisy.own.clean_up} %" in noisy.own_words
    assert missing.own is None
    assert not filled.pins.is_automatic(noisy)


def test_own_settings_are_in_the_estimate(filled, qtbot, options):
    count = len(filled.queue.entries)
    options.set(settings.SIZE, OutputSize("factor", 2.0))
    filled.pins.pin([0])
    options.set(settings.SIZE, OutputSize("factor", 4.0))
    small, large = 48 * 36, 96 * 72
    qtbot.waitUntil(lambda: filled.forecast.estimate.pixels == small + (count - 1) * large)


def test_a_preview_of_a_picture_with_settings_of_its_own_shows_these(filled, job, options):
    options.set(settings.ENSEMBLE, True)
    filled.pins.pin([0])
    options.set(settings.ENSEMBLE, False)
    filled.preview(source(filled, 0), (0, 0, 8, 8))
    assert job.requests[-1].ensemble
    filled.preview(source(filled, 1), (0, 0, 8, 8))
    assert not job.requests[-1].ensemble
