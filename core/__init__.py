"""SRGAN: pictures, networks, upscaling and training, without a window.

What this module names is the public API, explained with examples in docs/api.md. It keeps its names and their meaning
between minor versions; modules below it may move. Names are looked up when they are first asked for, so `import core`
costs nothing and imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, overload

from core.late import name_of_package
from core.version import VERSION

if TYPE_CHECKING:
    from core.contract.cancel import Cancelled, CancelToken
    from core.contract.errors import UserError
    from core.contract.evaluate import (
        CheckEvent,
        CheckReady,
        CheckRequest,
        Evaluated,
        EvaluateEvent,
        EvaluateRequest,
        SetEvaluated,
    )
    from core.contract.jobs import Event, Notice
    from core.contract.settings import OutputSize, UpscaleSettings
    from core.contract.training import (
        PrepareEvent,
        PrepareFinished,
        PrepareRequest,
        TrainingEvent,
        TrainingFinished,
        TrainingStep,
        TrainRequest,
        Validation,
    )
    from core.contract.upscale import (
        BatchEvent,
        BatchFinished,
        FileFailed,
        FileSaved,
        FileSkipped,
        Input,
        Planned,
        Progress,
        UpscaleRequest,
        WatchEvent,
        WatchRequest,
    )
    from core.images import Metadata, Picture, load, save
    from core.models.catalogue import find_model
    from core.upscale.engine import Engine, open_engine

__version__ = VERSION

_PLACES = {
    "core.contract.cancel": ("CancelToken", "Cancelled"),
    "core.contract.errors": ("UserError",),
    "core.contract.evaluate": ("CheckReady", "CheckRequest", "EvaluateRequest", "Evaluated", "SetEvaluated"),
    "core.contract.jobs": ("Notice",),
    "core.contract.settings": ("OutputSize", "UpscaleSettings"),
    "core.contract.training": (
        "Validation",
        "PrepareFinished",
        "PrepareRequest",
        "TrainRequest",
        "TrainingFinished",
        "TrainingStep",
    ),
    "core.contract.upscale": (
        "BatchFinished",
        "FileFailed",
        "FileSaved",
        "FileSkipped",
        "Input",
        "Planned",
        "Progress",
        "UpscaleRequest",
        "WatchRequest",
    ),
    "core.images": ("Metadata", "Picture", "load", "save"),
    "core.models.catalogue": ("find_model",),
    "core.upscale.engine": ("Engine", "open_engine"),
}
"""Which module each public name is from."""

__all__ = [
    "BatchFinished",
    "CancelToken",
    "Cancelled",
    "CheckReady",
    "CheckRequest",
    "Engine",
    "EvaluateRequest",
    "Evaluated",
    "FileFailed",
    "FileSaved",
    "FileSkipped",
    "Input",
    "Metadata",
    "Notice",
    "OutputSize",
    "Picture",
    "Planned",
    "PrepareFinished",
    "PrepareRequest",
    "Progress",
    "SetEvaluated",
    "TrainRequest",
    "TrainingFinished",
    "TrainingStep",
    "UpscaleRequest",
    "UpscaleSettings",
    "UserError",
    "Validation",
    "WatchRequest",
    "__version__",
    "find_model",
    "load",
    "open_engine",
    "run",
    "save",
]


@overload
def run(request: UpscaleRequest, cancel: CancelToken | None = None) -> Iterator[BatchEvent]: ...
@overload
def run(request: WatchRequest, cancel: CancelToken | None = None) -> Iterator[WatchEvent]: ...
@overload
def run(request: TrainRequest, cancel: CancelToken | None = None) -> Iterator[TrainingEvent]: ...
@overload
def run(request: PrepareRequest, cancel: CancelToken | None = None) -> Iterator[PrepareEvent]: ...
@overload
def run(request: EvaluateRequest, cancel: CancelToken | None = None) -> Iterator[EvaluateEvent]: ...
@overload
def run(request: CheckRequest, cancel: CancelToken | None = None) -> Iterator[CheckEvent]: ...
@overload
def run(request: object, cancel: CancelToken | None = None) -> Iterator[Event]: ...


def run(request: object, cancel: CancelToken | None = None) -> Iterator[Event]:
    """Do what a request asks for, in this process.

    Args:
        request: one of the `...Request` classes: upscale, watch, train, prepare, evaluate, check.
        cancel: stops or pauses the work from another thread.

    Yields:
        Events, as the generator of that kind of work says; the work goes on as they are taken.

    Raises:
        UserError: nothing can be done, in words for people. One bad file is a `FileFailed` and raises nothing.
        Cancelled: somebody called `cancel.cancel()`.
    """
    from core.contract.cancel import CancelToken
    from core.worker import generator_for

    yield from generator_for(request)(request, cancel or CancelToken())


def __getattr__(name: str) -> Any:
    return name_of_package(__name__, _PLACES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
