"""A worker process that plays a part: the name of the data folder says which. It writes runs as the real one does."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from core.contract.jobs import Event, JobCancelled, JobDone, JobFailed, Notice
from core.contract.protocol import Cancel, Pause, Resume, Shutdown, Submit
from core.contract.training import (
    CheckpointSaved,
    PictureQuarantined,
    SamplesReady,
    SamplesRequest,
    ScanFinished,
    ScanProgress,
    ScanRequest,
    StageStarted,
    TrainingEstimated,
    TrainingEstimateRequest,
    TrainingFinished,
    TrainingStarted,
    TrainingStep,
    TrainRequest,
    Validation,
    ValidationPicture,
)
from core.training.recipe import load_recipe, recipe_toml
from core.training.run import RunFolder
from tests.desktop.scripted import Tell, be_ended, play

STEPS = 6
LOOK_EVERY = 2


def scripted(connection: Connection) -> None:
    play(connection, _do)


def _do(run: Submit, connection: Connection, tell: Tell) -> Event:
    match run.request:
        case ScanRequest():
            tell(ScanProgress(1, 2))
            if not run.request.data.is_dir():
                return JobFailed("The folder is not there.", "Bring it back.")
            if run.request.data.name == "dies-at-first" and not list(run.request.data.iterdir()):
                (run.request.data / "died").touch()
                be_ended()
            if run.request.data.name == "unusable":
                return JobFailed("There is nothing to learn from.", "Choose another folder.")
            tell(PictureQuarantined(run.request.data / "a.png", "small", "8 x 8, and at least 96 a side are needed"))
            tell(PictureQuarantined(run.request.data / "b.png", "duplicate", "nearly the same as a.png"))
            tell(ScanFinished(10, 2, 2, "f" * 64, 0.1))
        case SamplesRequest():
            tell(SamplesReady(((np.zeros((8, 8, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)),) * 3, 4))
        case TrainingEstimateRequest():
            if run.request.train.data.name == "dies":
                be_ended()
            tell(ScanFinished(10, 2, 2, "f" * 64, 0.1))
            tell(TrainingEstimated({"psnr": 0.5}, 7200.0, 2_100_000_000))
        case TrainRequest():
            return _train(run.request, run.job, connection, tell)
    return JobDone()


def _train(request: TrainRequest, job: int, connection: Connection, tell: Tell) -> Event:
    part = request.data.name
    if part == "fails":
        return JobFailed("The disk is full.", "Make room.")
    if part == "starts-slowly":
        tell(ScanProgress(1, 2))
        return JobCancelled() if _listen(connection, job, tell, wait=True) else JobDone()
    folder = RunFolder(request.run)
    first = 0
    if request.resume:
        first = max(int(path.stem.split("-")[1]) for path in folder.checkpoints.glob("checkpoint-*"))
        folder.forget_after(first)
    else:
        recipe = load_recipe(request.recipe, (*request.overrides, ("psnr.steps", str(STEPS))))
        folder.create(recipe, request)
    toml = recipe_toml(folder.recipe())
    started = TrainingStarted(request.run, toml, "cpu", "fp32", 1, first, STEPS, 27.0, 0.8, "")
    folder.log(started)
    tell(started)
    tell(StageStarted("psnr", 0, STEPS))
    for step in range(first + 1, STEPS + 1):
        if part == "dies" and step == 3 and not request.resume:
            be_ended()
        # A run that waits does so after its second step, until it hears something.
        cancelled = _listen(connection, job, tell, wait=part.startswith("waits") and step == 3)
        if cancelled and part == "waits-and-dies":
            be_ended()
        if cancelled:
            _checkpoint(folder, step - 1)
            return JobCancelled()
        event = TrainingStep("psnr", step, STEPS, 1e-3, {"l1": 1 / step}, {"l1": 1.0}, None, None, 0.1, 0.0, 1.0)
        folder.log(event)
        tell(event)
        if step % LOOK_EVERY == 0:
            validation = validation_event(folder, step)
            folder.log(validation)
            tell(validation)
            _checkpoint(folder, step)
            tell(CheckpointSaved(folder.checkpoints / f"checkpoint-{step:08d}.safetensors", step))
    _model(folder.model)
    finished = TrainingFinished(request.run, folder.model, STEPS, True, None, "Better than bicubic.", {"psnr_y": 28.0})
    folder.log(finished)
    tell(finished)
    return JobDone()


def _listen(connection: Connection, job: int, tell: Tell, *, wait: bool) -> bool:
    """Whether the job is to stop; stays here while it is paused."""
    paused = False
    while wait or paused or connection.poll():
        message = connection.recv()
        match message:
            case Cancel() if message.job == job:
                return True
            case Shutdown():
                return True
            case Pause():
                paused = True
                tell(Notice("paused"))
            case Resume():
                return False
    return False


def validation_event(folder: RunFolder, step: int) -> Validation:
    folder.validation(step).mkdir(parents=True, exist_ok=True)
    folder.references.mkdir(parents=True, exist_ok=True)
    places = {kind: folder.references / f"a-{kind}.png" for kind in ("lr", "hr", "bicubic")}
    for kind, path in places.items():
        Image.new("RGB", (8, 8) if kind == "lr" else (32, 32), (step * 20, 90, 120)).save(path)
    sr = folder.validation(step) / "a.png"
    Image.new("RGB", (32, 32), (step * 30, 90, 120)).save(sr)
    _model(folder.best("psnr"))
    picture = ValidationPicture("a", sr, psnr_y=27 + step / 10, bicubic_psnr_y=27.0, **places)
    return Validation("psnr", step, 27 + step / 10, 0.8, None, (picture,), True, folder.latest)


def _checkpoint(folder: RunFolder, step: int) -> None:
    folder.checkpoints.mkdir(exist_ok=True)
    (folder.checkpoints / f"checkpoint-{step:08d}.safetensors").write_bytes(b"a state")


def _model(path: Path) -> None:
    """A safetensors header with a card and no weights."""
    header = b'{"__metadata__":{"name":"my model x4"}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header)
