"""Networks in ncnn, on any graphics card that has a Vulkan driver: AMD's, Intel's, NVIDIA's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from core import paths
from core.contract.device import DeviceInfo
from core.contract.errors import UserError, how_to_install
from core.contract.settings import Precision
from core.language import gettext as _
from core.models.graph import Graph
from core.runtimes.graph_network import Compute, GraphModel, GraphNetwork
from core.runtimes.ncnn_graph import OUTPUT, files_of, input_name
from core.runtimes.network import (
    DeviceLostError,
    DeviceMemoryError,
    Report,
    TileGeometry,
    UnsupportedPrecisionError,
)

LARGEST_SIDE = 512
"""The largest side of a tile, in source pixels: a tile cannot be cancelled, and takes a slow card about a second."""
SOFTWARE = 3
"""What Vulkan calls a driver that computes on the processor, as llvmpipe of Mesa: slower than any other runtime."""
OUT_OF_MEMORY = -100
"""What ncnn answers when a value could not be allocated; anything else that is not 0 comes of the driver."""


class VulkanModel(GraphModel):
    """A `LoadedModel`."""

    def __init__(self, graphs: Sequence[Graph], geometry: TileGeometry, device: str = "vulkan") -> None:
        """Take a model's layers.

        Args:
            graphs: as `core.runtimes.loading` gives them.
            geometry: of the model.
            device: as a request names it.

        Raises:
            UserError: ncnn is not installed, or there is no such device here.
        """
        self.geometry = replace(geometry, largest_side=min(geometry.largest_side, LARGEST_SIDE))
        self._index = _index_of(device)
        self.device = f"vulkan:{self._index}"
        self._files = [files_of(graph) for graph in graphs]
        self._inputs = [len(graph.inputs) for graph in graphs]

    @property
    def device_label(self) -> str:
        """The card's name, and the runtime's."""
        return _label(self._index)

    @property
    def fast_precision(self) -> Precision:
        """fp16: ncnn stores values so wherever the card can, and the engine sees whether that is right."""
        return "fp16"

    def build(self, precision: Precision) -> GraphNetwork:
        """Make its network in this precision.

        Raises:
            UnsupportedPrecisionError: neither fp32 nor fp16.
        """
        if precision not in ("fp32", "fp16"):
            raise UnsupportedPrecisionError(precision)
        computes = [
            NcnnCompute(files, inputs, self._index, precision)
            for files, inputs in zip(self._files, self._inputs, strict=True)
        ]
        weights = sum(len(data) for _param, data in self._files) // (1 if precision == "fp32" else 2)
        return GraphNetwork(self.geometry, precision, weights, computes)

    def memory(self) -> tuple[int, int]:
        """(total, free) bytes: what the driver lets this program have, for both."""
        budget = int(ncnn_library().get_gpu_device(self._index).get_heap_budget()) << 20
        return budget, budget

    def release_memory(self) -> None:
        """Nothing: each tile's memory goes with its extractor."""


def load(parts: Sequence[tuple[Path, float]], device: str) -> VulkanModel:
    """Load a model for a card.

    Args:
        parts: model files and their shares (`core.models.catalogue.Mix`).
        device: `vulkan` (the first card) or `vulkan:1`.

    Raises:
        UserError: ncnn or the card is not there, the files are no usable model, or it is made of layers that are not
            known here.
    """
    _index_of(device)
    # Not before it is known that it is there: this may import torch.
    from core.runtimes.loading import load_graphs

    traced = load_graphs(parts, "Vulkan")
    model = VulkanModel(traced.graphs, traced.geometry, device)
    model.check(traced, model.device_label)
    return model


def devices() -> list[DeviceInfo]:
    """The cards with a Vulkan driver, real ones first; none where ncnn is not installed."""
    try:
        ncnn = ncnn_library()
    except UserError:
        return []
    found = []
    for index in sorted(range(ncnn.get_gpu_count()), key=lambda each: ncnn.get_gpu_info(each).type() == SOFTWARE):
        budget = int(ncnn.get_gpu_device(index).get_heap_budget()) << 20
        found.append(DeviceInfo(f"vulkan:{index}", _label(index), "fp16", budget, budget))
    return found


def driver_of(device: str) -> str:
    """What a measurement on this card holds for: its name and its driver's version."""
    info = ncnn_library().get_gpu_info(_index_of(device))
    return f"{info.device_name()} {info.driver_version()}"


def rivals() -> list[DeviceInfo]:
    """What may be faster than torch on a processor: cards, and not drivers that compute on the processor."""
    return [each for each in devices() if ncnn_library().get_gpu_info(_index_of(each.name)).type() != SOFTWARE]


def on_processor(graph: Graph) -> Compute:
    """What computes a graph of a small picture in fp32 on the processor: without Vulkan, by nothing but ncnn itself.

    Raises:
        UserError: ncnn is not installed.
    """
    # Several threads would wait for each other longer than so small a picture takes.
    return NcnnCompute(files_of(graph), len(graph.inputs), None, "fp32", threads=1)


class NcnnCompute:
    """A graph on a card, or on the processor where no card is named: arrays in, array out."""

    def __init__(
        self,
        files: tuple[str, bytes],
        inputs: int,
        index: int | None,
        precision: Precision,
        threads: int = 0,
        watched: Sequence[str] = (),
    ) -> None:
        """Take what `files_of` gives.

        Args:
            files: of the graph.
            inputs: how many it has.
            index: of the card; None for the processor.
            precision: fp32, or fp16 on a card.
            threads: on the processor; 0 leaves it to ncnn.
            watched: names of values, in order, at which a tile's progress is told and it can be cancelled.

        Raises:
            UnsupportedPrecisionError: ncnn does not load it.
        """
        ncnn = ncnn_library() if index is not None else ncnn_package()
        self._inputs = inputs
        self._watched = tuple(watched)
        self._net = ncnn.Net()
        options = self._net.opt
        options.use_vulkan_compute = index is not None
        if threads:
            options.num_threads = threads
        half = precision == "fp16"
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = half
        options.use_bf16_storage = options.use_bf16_packed = False
        if index is not None:
            self._net.set_vulkan_device(index)
        param, data = files
        with _quiet():
            loaded = self._net.load_param_mem(param) == 0
            self._net.load_model_mem(data)
        if not loaded:
            raise UnsupportedPrecisionError(f"ncnn does not load this model in {precision}")

    def __call__(self, arrays: Sequence[np.ndarray], report: Report) -> np.ndarray:
        """Compute a tile from its inputs, C x h x w each; `report` may raise to end it.

        Raises:
            DeviceMemoryError, DeviceLostError: the card could not.
        """
        ncnn = ncnn_package()
        extractor = self._net.create_extractor()
        for index, array in zip(range(self._inputs), arrays, strict=True):
            # A Mat refers to the array's memory without keeping it; its clone has its own.
            extractor.input(input_name(index), ncnn.Mat(np.ascontiguousarray(array, np.float32)).clone())
        for done, name in enumerate(self._watched):
            # What is computed for it is kept, and the rest goes on from there.
            _extracted(extractor, name)
            report((done + 1) / (len(self._watched) + 1))
        return np.array(_extracted(extractor, OUTPUT))


def _extracted(extractor: Any, name: str) -> Any:
    code, value = extractor.extract(name)
    if code == OUT_OF_MEMORY:
        raise DeviceMemoryError("ncnn could not allocate a value")
    if code:
        raise DeviceLostError(f"ncnn answered {code}")
    return value


@cache
def ncnn_library() -> Any:
    """The library, with Vulkan started.

    Raises:
        UserError: it is not installed, or its driver crashed when it was last started.
    """
    ncnn = ncnn_package()
    with _noted():
        ncnn.get_gpu_count()
    return ncnn


@cache
def ncnn_package() -> Any:
    """The library, which starts Vulkan when it is first asked for a card."""
    try:
        import ncnn
    except ImportError as error:
        raise UserError(_("ncnn, which computes by Vulkan, is not installed."), how_to_install("ncnn")) from error
    return ncnn


@contextmanager
def _noted() -> Iterator[None]:
    """Leave a note while Vulkan starts: a driver that brings the process down then does so once, not at every job."""
    note = paths.user_cache() / "vulkan-starting"
    with suppress(OSError, ValueError):
        process = int(note.read_text(encoding="ascii"))
        if not psutil.pid_exists(process):
            raise UserError(
                _("The Vulkan driver of the graphics card crashed when it was started."),
                _("Update the driver, then delete {note}.").format(note=note),
            )
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(str(os.getpid()), encoding="ascii")
    try:
        # ncnn tells the terminal of every card that it finds.
        with _quiet():
            yield
    finally:
        with suppress(OSError):
            note.unlink(missing_ok=True)


def _index_of(device: str) -> int:
    number = device.partition(":")[2]
    count = ncnn_library().get_gpu_count()
    index = int(number) if number.isdigit() else (0 if not number else -1)
    if not 0 <= index < count:
        there = ", ".join(f"vulkan:{each}" for each in range(count))
        raise UserError(
            _("There is no device “{device}” here.").format(device=device),
            _("Choose one of: {there}.").format(there=there)
            if count
            else _("No graphics card here has a Vulkan driver; install the card's."),
        )
    if not number:
        real = (each for each in range(count) if ncnn_library().get_gpu_info(each).type() != SOFTWARE)
        return next(real, 0)
    return index


def _label(index: int) -> str:
    info = ncnn_library().get_gpu_info(index)
    kind = " (software)" if info.type() == SOFTWARE else ""
    return _("{device_name}{kind} by Vulkan").format(device_name=info.device_name(), kind=kind)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a library writes to the terminal by itself, past Python, from it."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (AttributeError, OSError):  # a program without a terminal has no stderr
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
