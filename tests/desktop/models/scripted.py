"""A worker process that plays a part: the name of a model or file says which. Knows no torch."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from core.contract.evaluate import (
    CheckProgress,
    CheckReady,
    CheckRequest,
    CompareFailed,
    CompareRequest,
    ModelCompared,
    PictureQuality,
)
from core.contract.jobs import Event, JobCancelled, JobDone, JobFailed
from core.contract.models import BlendRequest, ImportRequest, ModelAdded, ModelRefused
from core.contract.protocol import Cancel, Shutdown, Submit
from tests.desktop.scripted import Tell, be_ended, play

PIXELS = np.zeros((64, 64, 3), np.uint8)


def scripted(connection: Connection) -> None:
    play(connection, _do)


def _do(run: Submit, connection: Connection, tell: Tell) -> Event:
    match run.request:
        case ImportRequest(files):
            for file in files:
                if file.stem == "evil":
                    tell(ModelRefused(file, f"{file.name} would run code.", "Get it as .safetensors."))
                else:
                    tell(ModelAdded(file.stem, file))
        case BlendRequest(first, second, share, name):
            if first == "fails":
                return JobFailed("These models are different networks.", "Choose others.")
            tell(ModelAdded(f"{first}-{second}-{share:g}-{name}", Path(name)))
        case CheckRequest() as request:
            tell(CheckProgress(0.5))
            if request.model == "dies":
                be_ended()
            if request.model == "waits":
                return _wait(run, connection)
            better, worse = PictureQuality(31.0, 0.9, None), PictureQuality(28.0, 0.8, None)
            tell(
                CheckReady(
                    request.source,
                    request.region,
                    request.model,
                    4,
                    PIXELS,
                    PIXELS[:16, :16],
                    PIXELS,
                    PIXELS,
                    better,
                    worse,
                    0.1,
                    "Nearer.",
                    "It measures this.",
                )
            )
        case CompareRequest() as request:
            for index, model in enumerate(request.models):
                tell(CheckProgress(index / len(request.models)))
                if model == "fails":
                    tell(CompareFailed(index, model, "Memory ran out.", "Choose less."))
                else:
                    tell(ModelCompared(index, model, request.region, 1, PIXELS, 1.5, 2_000_000, "a device"))
    return JobDone()


def _wait(run: Submit, connection: Connection) -> Event:
    while True:
        message = connection.recv()
        if isinstance(message, Shutdown) or (isinstance(message, Cancel) and message.job == run.job):
            return JobCancelled()
