"""One worker process as the window sees it: order, cancelling, every way to die, and the end."""

import gc
import multiprocessing
import os
import threading
import time
from contextlib import closing

import psutil
import pytest
from PySide6.QtCore import QCoreApplication, QObject

from core.contract.jobs import JobCancelled, JobDone, JobFailed, Notice, WorkerReady
from core.contract.protocol import NO_JOB, Report
from srgan_desktop import app
from srgan_desktop import job as job_module
from srgan_desktop.job import EngineState, Job, JobCutShort
from tests.desktop import scripted

TIMEOUT = 30_000


class Ear:
    """All reports of a job, as they come, and in which thread."""

    def __init__(self, job):
        self.reports = []
        self.threads = set()
        job.reported.connect(self.hear)

    def hear(self, report):
        self.reports.append(report)
        self.threads.add(threading.current_thread())

    def events(self, job):
        return [report.event for report in self.reports if report.job == job]

    def words(self, job):
        return [event.message for event in self.events(job) if isinstance(event, Notice)]

    def ended(self, job):
        return any(isinstance(event, JobDone | JobFailed | JobCancelled) for event in self.events(job))


@pytest.fixture(autouse=True)
def workers_begin_as_in_the_program(monkeypatch):
    """Whatever other tests made of it."""
    monkeypatch.setattr(job_module, "multiprocessing", multiprocessing)


@pytest.fixture
def make(qtbot):
    """Makes jobs, and sees them off."""
    made = []

    def of(target=scripted.serve, **options):
        made.append(Job(target=target, **options))
        return made[-1], Ear(made[-1])

    yield of
    for job in made:
        if not job.shutting_down:
            with qtbot.waitSignal(job.stopped, timeout=TIMEOUT):
                job.shutdown()
        assert not job.running
        job.deleteLater()


def test_a_process_that_has_just_ended_can_be_killed_all_the_same(qtbot, make):
    """Its death is known to the link's thread before the window hears of it, and a timer may run out in between."""
    job, ear = make()
    number = job.run(("count", 1))
    qtbot.waitUntil(lambda: ear.ended(number), timeout=TIMEOUT)
    psutil.Process(job.pid).kill()
    while job.pid is not None:
        time.sleep(0.001)
    job.kill()
    qtbot.waitUntil(lambda: not job.running, timeout=TIMEOUT)


def test_what_a_worker_said_before_it_died_is_heard(qapp):
    heard = []
    link = job_module.WorkerLink(scripted.serve, heard.append)
    ours, theirs = multiprocessing.Pipe()
    report = Report(1, JobDone())
    theirs.send(report)
    theirs.close()
    with ours, closing(link), pytest.raises(EOFError):
        link.write(ours, "anything")
    assert [delivery.message for delivery in heard] == [report]


def test_jobs_end_once_each_in_order_and_in_the_main_thread(qtbot, make):
    job, ear = make()
    numbers = [job.run(("count", 3)) for _ in range(4)]
    qtbot.waitUntil(lambda: ear.ended(numbers[-1]), timeout=TIMEOUT)
    assert [report.job for report in ear.reports] == [NO_JOB, *(n for n in numbers for _ in range(4))]
    assert all(ear.words(number) == ["0", "1", "2"] for number in numbers)
    assert ear.threads == {threading.main_thread()}


def test_ten_thousand_reports_arrive_in_order(qtbot, make):
    job, ear = make()
    number = job.run(("count", 10_000))
    qtbot.waitUntil(lambda: ear.ended(number), timeout=TIMEOUT)
    assert ear.words(number) == [str(n) for n in range(10_000)]


def test_a_request_larger_than_the_pipe_does_not_hold_up_the_window(qtbot, make):
    job, ear = make()
    number = job.run(("measure", b"x" * 5_000_000))
    assert ear.reports == []
    qtbot.waitUntil(lambda: ear.ended(number), timeout=TIMEOUT)
    assert ear.words(number) == ["5000000"]


def test_pause_resume_and_cancel_reach_the_worker(qtbot, make):
    job, ear = make()
    number = job.run(("echo_until_cancelled",))
    qtbot.waitUntil(lambda: ear.words(number) == ["listening"], timeout=TIMEOUT)
    job.pause(number)
    job.resume(number)
    qtbot.waitUntil(lambda: len(ear.words(number)) == 3, timeout=TIMEOUT)
    assert ear.words(number) == ["listening", "Pause", "Resume"]
    job.cancel(number)
    job.cancel(number)
    qtbot.waitUntil(lambda: ear.ended(number), timeout=TIMEOUT)
    assert isinstance(ear.events(number)[-1], JobCancelled)


def test_a_job_that_will_not_stop_is_killed_and_the_next_gets_a_new_process(qtbot, make):
    job, ear = make(cancel_grace_ms=50)
    number = job.run(("ignore_everything",))
    qtbot.waitUntil(lambda: ear.words(number) == ["deaf"], timeout=TIMEOUT)
    first = job.pid
    job.cancel(number)
    qtbot.waitUntil(lambda: ear.ended(number), timeout=TIMEOUT)
    assert isinstance(ear.events(number)[-1], JobCutShort)
    assert job.engine is EngineState.STOPPED
    again = job.run(("count", 1))
    qtbot.waitUntil(lambda: ear.ended(again), timeout=TIMEOUT)
    assert isinstance(ear.events(again)[-1], JobDone)
    assert job.pid != first
    assert not psutil.pid_exists(first)


def test_those_behind_a_job_that_will_not_stop_are_done_all_the_same(qtbot, make):
    job, ear = make(cancel_grace_ms=50)
    deaf = job.run(("ignore_everything",))
    qtbot.waitUntil(lambda: ear.words(deaf) == ["deaf"], timeout=TIMEOUT)
    dropped, behind, paused = job.run(("count", 1)), job.run(("count", 3)), job.run(("echo_until_cancelled",))
    job.pause(paused)
    job.cancel(dropped)
    job.cancel(deaf)
    qtbot.waitUntil(lambda: ear.ended(behind), timeout=TIMEOUT)
    assert [type(event) for number in (deaf, dropped) for event in ear.events(number)[-1:]] == [
        JobCutShort,
        JobCancelled,
    ]
    assert ear.words(behind) == ["0", "1", "2"]
    assert isinstance(ear.events(behind)[-1], JobDone)
    qtbot.waitUntil(lambda: ear.words(paused) == ["listening", "Pause"], timeout=TIMEOUT)
    assert job.engine is EngineState.READY


def test_a_process_that_dies_of_being_asked_to_stop_has_saved_nothing(qtbot, make):
    job, ear = make()
    number = job.run(("die_when_cancelled",))
    qtbot.waitUntil(lambda: ear.words(number) == ["listening"], timeout=TIMEOUT)
    job.cancel(number)
    qtbot.waitUntil(lambda: ear.ended(number), timeout=TIMEOUT)
    assert isinstance(ear.events(number)[-1], JobCutShort)
    assert job.engine is EngineState.STOPPED


def test_a_killed_process_fails_its_jobs_in_words(qtbot, make):
    job, ear = make()
    dying = job.run(("be_killed",))
    behind = job.run(("count", 1))
    qtbot.waitUntil(lambda: ear.ended(behind), timeout=TIMEOUT)
    for number in (dying, behind):
        last = ear.events(number)[-1]
        assert isinstance(last, JobFailed)
        assert "memory" in last.message
        assert "Press Start" in last.hint
    assert not job.running
    after = job.run(("count", 1))
    qtbot.waitUntil(lambda: ear.ended(after), timeout=TIMEOUT)
    assert isinstance(ear.events(after)[-1], JobDone)


def test_an_exit_says_its_code(qtbot, make):
    job, ear = make()
    number = job.run(("exit_with", 3))
    qtbot.waitUntil(lambda: ear.ended(number), timeout=TIMEOUT)
    assert "exit code 3" in ear.events(number)[-1].message


@pytest.mark.parametrize("target", [scripted.die_at_once, scripted.talk_nonsense])
def test_a_worker_that_never_gets_ready_fails_what_waits(qtbot, make, target):
    job, ear = make(target)
    number = job.run(("count", 1))
    qtbot.waitUntil(lambda: ear.ended(number), timeout=TIMEOUT)
    assert isinstance(ear.events(number)[-1], JobFailed)
    assert not job.running


def test_death_in_idleness_is_told_too(qtbot, make):
    job, ear = make()
    job.start()
    job.start()
    qtbot.waitUntil(lambda: ear.events(NO_JOB) == [WorkerReady("a script")], timeout=TIMEOUT)
    psutil.Process(job.pid).kill()
    qtbot.waitUntil(lambda: len(ear.events(NO_JOB)) == 2, timeout=TIMEOUT)
    assert isinstance(ear.events(NO_JOB)[-1], JobFailed)
    assert job.pid is None


def test_shutdown_cancels_what_runs(qtbot, make):
    job, ear = make()
    number = job.run(("echo_until_cancelled",))
    qtbot.waitUntil(lambda: ear.words(number) == ["listening"], timeout=TIMEOUT)
    pid = job.pid
    with qtbot.waitSignal(job.stopped, timeout=TIMEOUT):
        job.shutdown()
    assert isinstance(ear.events(number)[-1], JobCancelled)
    assert not psutil.pid_exists(pid)
    with pytest.raises(RuntimeError, match="shut down"):
        job.run(("count", 1))


def test_shutdown_ends_a_process_that_hears_nothing(qtbot, make, monkeypatch):
    monkeypatch.setattr(job_module, "SHUTDOWN_GRACE_MS", 50)
    job, ear = make(scripted.serve_deafly)
    job.start()
    qtbot.waitUntil(lambda: bool(ear.reports), timeout=TIMEOUT)
    pid = job.pid
    with qtbot.waitSignal(job.stopped, timeout=TIMEOUT):
        job.shutdown()
    assert not psutil.pid_exists(pid)


def test_shutdown_before_the_process_has_started(qtbot, make):
    job, _ = make()
    job.start()
    with qtbot.waitSignal(job.stopped, timeout=TIMEOUT):
        job.shutdown()
    unused, _ = make()
    with qtbot.waitSignal(unused.stopped, timeout=TIMEOUT):
        unused.shutdown()


@pytest.mark.skipif(os.name == "nt", reason="priorities are classes there")
@pytest.mark.parametrize("niceness", [0, 12])
def test_the_worker_never_gets_more_priority_than_the_window(monkeypatch, niceness):
    asked = []

    class Process:
        def __init__(self, _pid):
            pass

        def nice(self, value=None):
            return niceness if value is None else asked.append(value)

    monkeypatch.setattr(psutil, "Process", Process)
    job_module.lower_priority(1)
    assert asked == [max(5, niceness)]


def test_garbage_is_collected_in_the_main_thread_alone(qtbot, monkeypatch):
    """Python's collector would delete QObjects in whichever thread it happens to run."""
    monkeypatch.setattr(app, "COLLECT_EVERY_MS", 1)
    collected = set()

    class Cycle:
        def __init__(self):
            self.me = self

        def __del__(self):
            collected.add(threading.current_thread())

    owner = QObject()
    try:
        app.collect_garbage_in_main_thread(owner)
        assert not gc.isenabled()
        thread = threading.Thread(target=lambda: [Cycle() for _ in range(20_000)])
        thread.start()
        thread.join()
        assert collected == set()
        qtbot.waitUntil(lambda: bool(collected), timeout=TIMEOUT)
        assert collected == {threading.main_thread()}
    finally:
        gc.unfreeze()
        owner.deleteLater()
        QCoreApplication.processEvents()
