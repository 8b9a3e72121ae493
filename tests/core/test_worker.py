"""The worker process, over a real pipe."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
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
from tests.core.networks import save_small_model
from tests.core.training.pictures import TINY, picture_folder
from tests.core.upscale.conftest import picture

TIMEOUT = 60


@dataclass
class Worker:
    pipe: Connection
    process: Any

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


@pytest.fixture
def worker() -> Iterator[Worker]:
    context = multiprocessing.get_context("spawn")
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
    yield worker
    ours.close()
    process.join(TIMEOUT)
    exit_code = process.exitcode
    process.close()
    assert exit_code is not None


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_small_model(tmp_path_factory.mktemp("model") / "small.safetensors"))


def request(tmp_path: Path, model: str, count: int, side: int = 12) -> UpscaleRequest:
    for index in range(count):
        picture(tmp_path / "in" / f"{index}.png", side, side, seed=index)
    return UpscaleRequest((Input(tmp_path / "in"),), tmp_path / "out", model=model)


def test_jobs_are_done_in_order_and_each_ends_once(tmp_path: Path, model: str, worker: Worker) -> None:
    first = request(tmp_path, model, 3)
    worker.pipe.send(Submit(1, first))
    worker.pipe.send(Submit(2, PreviewRequest(tmp_path / "in" / "0.png", (0, 0, 5, 5), model=model)))
    worker.pipe.send(Submit(3, PreviewRequest(tmp_path / "none.png", (0, 0, 5, 5), model=model)))
    worker.pipe.send(Submit(4, "no request at all"))
    one = worker.end_of(1)
    assert isinstance(one[0].event, Planned)
    assert sum(isinstance(report.event, FileSaved) for report in one) == 3
    assert isinstance(one[-1].event, JobDone)
    two = worker.end_of(2)
    assert isinstance(two[0].event, PreviewReady)
    assert two[0].event.pixels.shape == (20, 20, 3)
    three = worker.end_of(3)
    assert isinstance(three[-1].event, JobFailed)
    assert "does not exist" in three[-1].event.message
    four = worker.end_of(4)
    assert isinstance(four[-1].event, JobFailed)
    # And it is still well.
    worker.pipe.send(Submit(5, first))
    assert isinstance(worker.end_of(5)[-1].event, JobDone)
    worker.pipe.send(Shutdown())
    worker.process.join(TIMEOUT)
    assert worker.process.exitcode == 0


def test_cancel_pause_and_resume_are_heard_while_it_works(tmp_path: Path, model: str, worker: Worker) -> None:
    worker.pipe.send(Submit(1, request(tmp_path, model, 150, 40)))
    worker.pipe.send(Submit(2, PreviewRequest(tmp_path / "in" / "0.png", (0, 0, 5, 5), model=model)))
    worker.until(lambda report: isinstance(report.event, FileSaved))
    worker.pipe.send(Pause(1))
    worker.pipe.send(Cancel(2))
    # What was under way arrives, then nothing.
    while worker.pipe.poll(1.5):
        assert not isinstance(worker.pipe.recv().event, JobDone)
    worker.pipe.send(Resume(1))
    worker.until(lambda report: isinstance(report.event, FileSaved))
    worker.pipe.send(Cancel(1))
    assert isinstance(worker.end_of(1)[-1].event, JobCancelled)
    assert isinstance(worker.end_of(2)[-1].event, JobCancelled)


def test_it_ends_when_the_window_is_gone(tmp_path: Path, model: str, worker: Worker) -> None:
    worker.pipe.send(Submit(1, request(tmp_path, model, 150, 40)))
    worker.until(lambda report: isinstance(report.event, FileSaved))
    worker.pipe.close()
    worker.process.join(TIMEOUT)
    assert worker.process.exitcode is not None
    assert not list((tmp_path / "out").glob("*.part"))


def test_ctrl_c_in_the_terminal_is_for_the_window(tmp_path: Path, model: str, worker: Worker) -> None:
    os.kill(worker.process.pid, signal.SIGINT)
    worker.pipe.send(Submit(1, request(tmp_path, model, 1)))
    assert isinstance(worker.end_of(1)[-1].event, JobDone)


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
    context = multiprocessing.get_context("spawn")
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
    assert not any(child.is_running() for child in family)
    with suppress(EOFError, OSError):
        while worker.pipe.poll(TIMEOUT):
            worker.pipe.recv()
