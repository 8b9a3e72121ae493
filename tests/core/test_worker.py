"""The worker process, over a real pipe."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import pytest

from core import worker as worker_module
from core.contract.cancel import CancelToken
from core.contract.jobs import DevicesFound, JobCancelled, JobDone, JobFailed, Notice, WorkerReady
from core.contract.protocol import NO_JOB, Cancel, Pause, Report, Resume, Shutdown, Submit
from core.contract.training import TrainingStep, TrainRequest
from core.contract.upscale import FileSaved, Input, Planned, PreviewReady, PreviewRequest, UpscaleRequest
from core.worker_entry import run_worker
from tests import warm_start
from tests.core.networks import save_small_model
from tests.core.training.pictures import TINY, picture_folder
from tests.core.upscale.conftest import picture

TIMEOUT = 150
"""Seconds; where others compute, too, to import torch may take one."""

pytestmark = pytest.mark.timeout(600)


@dataclass
class Worker:
    pipe: Connection
    process: Any
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def submit(self, request: object) -> int:
        job = next(self.numbers)
        self.pipe.send(Submit(job, request))
        return job

    def next(self) -> Report:
        assert self.pipe.poll(TIMEOUT), "the worker says nothing"
        report: Report = self.pipe.recv()
        return report

    def until(self, wanted: Callable[[Report], bool]) -> list[Report]:
        reports = [self.next()]
        while not wanted(reports[-1]):
            reports.append(self.next())
        return reports

    def end_of(self, job: int) -> list[Report]:
        return self.until(lambda r: r.job == job and isinstance(r.event, JobDone | JobFailed | JobCancelled))


def _started(context: Any) -> Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=run_worker, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    worker = Worker(ours, process)
    first = worker.next()
    assert first.job == NO_JOB
    assert isinstance(first.event, WorkerReady)
    second = worker.next()
    assert second.job == NO_JOB
    assert isinstance(second.event, DevicesFound)
    assert "cpu" in [each.name for each in second.event.devices]
    assert first.event.device
    return worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    """One of its own, for a test that ends it."""
    worker = _started(warm_start.context())
    yield worker
    worker.pipe.close()
    worker.process.join(TIMEOUT)
    exit_code = worker.process.exitcode
    worker.process.close()
    assert exit_code is not None


@pytest.fixture(scope="module")
def warm_worker() -> Iterator[Worker]:
    """One for all tests that leave it well, started as the window starts it; it ends as it is asked to."""
    worker = _started(multiprocessing.get_context("spawn"))
    yield worker
    worker.pipe.send(Shutdown())
    worker.process.join(TIMEOUT)
    exit_code = worker.process.exitcode
    worker.process.close()
    worker.pipe.close()
    assert exit_code == 0


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_small_model(tmp_path_factory.mktemp("model") / "small.safetensors"))


def request(tmp_path: Path, model: str, count: int, side: int = 12) -> UpscaleRequest:
    for index in range(count):
        picture(tmp_path / "in" / f"{index}.png", side, side, seed=index)
    return UpscaleRequest((Input(tmp_path / "in"),), tmp_path / "out", model=model)


def test_jobs_are_done_in_order_and_each_ends_once(tmp_path: Path, model: str, warm_worker: Worker) -> None:
    worker, upscaling = warm_worker, request(tmp_path, model, 3)
    numbers = [
        worker.submit(each)
        for each in (
            upscaling,
            PreviewRequest(tmp_path / "in" / "0.png", (0, 0, 5, 5), model=model),
            PreviewRequest(tmp_path / "none.png", (0, 0, 5, 5), model=model),
            "no request at all",
        )
    ]
    one, two, three, four = map(worker.end_of, numbers)
    assert isinstance(one[0].event, Planned)
    assert sum(isinstance(report.event, FileSaved) for report in one) == 3
    assert isinstance(one[-1].event, JobDone)
    assert isinstance(two[0].event, PreviewReady)
    assert two[0].event.pixels.shape == (20, 20, 3)
    assert isinstance(three[-1].event, JobFailed)
    assert "does not exist" in three[-1].event.message
    assert isinstance(four[-1].event, JobFailed)
    # And it is still well.
    assert isinstance(worker.end_of(worker.submit(upscaling))[-1].event, JobDone)


def test_cancel_pause_and_resume_are_heard_while_it_works(tmp_path: Path, model: str, warm_worker: Worker) -> None:
    worker = warm_worker
    one = worker.submit(request(tmp_path, model, 150, 40))
    two = worker.submit(PreviewRequest(tmp_path / "in" / "0.png", (0, 0, 5, 5), model=model))
    worker.until(lambda report: isinstance(report.event, FileSaved))
    worker.pipe.send(Pause(one))
    worker.pipe.send(Cancel(two))
    # What was under way arrives, then nothing.
    while worker.pipe.poll(1.5):
        assert not isinstance(worker.pipe.recv().event, JobDone)
    worker.pipe.send(Resume(one))
    worker.until(lambda report: isinstance(report.event, FileSaved))
    worker.pipe.send(Cancel(one))
    assert isinstance(worker.end_of(one)[-1].event, JobCancelled)
    assert isinstance(worker.end_of(two)[-1].event, JobCancelled)


def test_ctrl_c_in_the_terminal_is_for_the_window(tmp_path: Path, model: str, warm_worker: Worker) -> None:
    os.kill(warm_worker.process.pid, signal.SIGINT)
    job = warm_worker.submit(request(tmp_path, model, 1))
    assert isinstance(warm_worker.end_of(job)[-1].event, JobDone)


def test_it_ends_when_the_window_is_gone(tmp_path: Path, model: str, worker: Worker) -> None:
    worker.pipe.send(Submit(1, request(tmp_path, model, 150, 40)))
    worker.until(lambda report: isinstance(report.event, FileSaved))
    worker.pipe.close()
    worker.process.join(TIMEOUT)
    assert worker.process.exitcode is not None
    assert not list((tmp_path / "out").glob("*.part"))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_logout_lets_a_training_run_save_its_state(tmp_path: Path, worker: Worker, name: str) -> None:
    data = picture_folder(tmp_path / "hr")
    endless = (("psnr.steps", "100000"), ("validation.every", "100000"), ("checkpoint_every", "100000"))
    run = tmp_path / "run"
    worker.pipe.send(Submit(1, TrainRequest("quick", data, run, overrides=(*TINY, *endless), device="cpu", threads=1)))
    worker.until(lambda report: isinstance(report.event, TrainingStep) and report.event.step > 2)
    os.kill(worker.process.pid, getattr(signal, name))
    assert isinstance(worker.end_of(1)[-1].event, JobCancelled)
    assert list((run / "checkpoints").glob("checkpoint-*.safetensors"))
    worker.process.join(TIMEOUT)
    assert worker.process.exitcode == 0


def slow_to_stop(request: TrainRequest, cancel: CancelToken) -> Iterator[object]:
    """A run whose last step takes three times as long as other jobs may take."""
    yield Notice("training")
    try:
        while True:
            cancel.check()
    finally:
        time.sleep(0.6)
        (request.run / "saved").touch()


def serve_slowly(connection: Connection) -> None:
    worker_module.WORK["TrainRequest"] = f"{__name__}:slow_to_stop"
    worker_module.EXIT_GRACE_SECONDS = 0.2
    worker_module.serve(connection)


def test_a_training_run_has_its_own_time_to_stop_when_the_window_is_gone(tmp_path: Path) -> None:
    context = warm_start.context()
    ours, theirs = context.Pipe()
    process = context.Process(target=serve_slowly, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    ours.send(Submit(1, TrainRequest("quick", tmp_path, tmp_path)))
    Worker(ours, process).until(lambda report: isinstance(report.event, Notice))
    ours.close()
    process.join(TIMEOUT)
    assert process.exitcode == 0
    assert (tmp_path / "saved").exists()


def test_a_killed_worker_leaves_no_child(tmp_path: Path, model: str, worker: Worker) -> None:
    worker.pipe.send(Submit(1, request(tmp_path, model, 150, 40)))
    worker.until(lambda report: isinstance(report.event, FileSaved))
    family = psutil.Process(worker.process.pid).children(recursive=True)
    worker.process.kill()
    worker.process.join(TIMEOUT)
    _, left = psutil.wait_procs(family, timeout=TIMEOUT)
    assert left == []
    with suppress(EOFError, OSError):
        while worker.pipe.poll(TIMEOUT):
            worker.pipe.recv()
