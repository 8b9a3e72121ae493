"""Several models on one region of one picture, with what each takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from core import processor
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.evaluate import CheckProgress, CompareFailed, CompareRequest, ModelCompared
from core.edition import has_torch
from core.evaluate.progress import with_progress
from core.images import Picture, load
from core.upscale.engine import Engine, open_engine
from core.upscale.picture import clipped, margin_of, upscale_picture, with_margin
from core.upscale.preview import for_display

SAMPLED_EVERY = 0.005
"""Seconds between two looks at the process's memory."""


def compare(request: CompareRequest, cancel: CancelToken) -> Iterator[CheckProgress | ModelCompared | CompareFailed]:
    """Enlarge the region by each model, with enough of its surroundings that it equals the whole picture's.

    Yields:
        `CheckProgress` at most about 20 times a second, and per model a `ModelCompared` or a `CompareFailed`.

    Raises:
        UserError: the picture cannot be read, or the region lies outside it.
        Cancelled: asked for.
    """
    picture = load(request.source)
    region = clipped(request.region, picture.width, picture.height, request.source.name)
    count = len(request.models)
    details = request.details or (100,) * count
    for index, (name, detail) in enumerate(zip(request.models, details, strict=True)):
        cancel.check()
        try:
            engine = open_engine(name, request.device, request.precision, request.tile, detail)
            yield from _one(index, engine, picture, region, index / count, (index + 1) / count, cancel)
        except UserError as error:
            yield CompareFailed(index, name, error.message, error.hint)


def _one(
    index: int,
    engine: Engine,
    picture: Picture,
    region: tuple[int, int, int, int],
    begin: float,
    end: float,
    cancel: CancelToken,
) -> Iterator[CheckProgress | ModelCompared]:
    cut, left, top = with_margin(picture, region, margin_of(engine))
    scale = engine.scale
    size = (cut.width * scale, cut.height * scale)
    start = time.perf_counter()
    with _peak_memory(engine.device) as memory:
        result = yield from with_progress(
            lambda report: upscale_picture(engine, cut, size, ensemble=False, cancel=cancel, on_progress=report),
            begin,
            end,
        )
    seconds = time.perf_counter() - start
    x, y, width, height = (side * scale for side in (left, top, *region[2:]))
    megapixels = size[0] * size[1] / 1e6
    yield ModelCompared(
        index,
        engine.name,
        region,
        scale,
        for_display(result, (slice(y, y + height), slice(x, x + width))),
        seconds / megapixels,
        round(memory.peak / megapixels),
        engine.description,
        engine.take_notes(),
    )


@dataclass(slots=True)
class _Memory:
    peak: int = 0
    """Bytes beyond what was there at the beginning."""


@contextmanager
def _peak_memory(device: str) -> Iterator[_Memory]:
    """Measure the most memory that the block takes: of torch's device if it has its own, else of this process."""
    memory = _Memory()
    if device.startswith("cuda"):
        import torch

        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        try:
            yield memory
        finally:
            memory.peak = torch.cuda.max_memory_allocated(device) - before
        return
    if has_torch():
        from core import devices

        devices.release_memory(devices.of_engine(device))
    else:
        processor.release_memory()
    process = psutil.Process()
    before = process.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            memory.peak = max(memory.peak, process.memory_info().rss - before)
            done.wait(SAMPLED_EVERY)

    thread = threading.Thread(target=watch, name="memory", daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        done.set()
        thread.join()
