"""Networks in OpenVINO: on processors in fp32, bf16 and int8, and on Intel's graphics and neural processors.

Graphs are built layer by layer and not through OpenVINO's own converters: those send usage data, and they round the
whole network where the last sum should stay in float32. What this runtime cannot build, torch computes.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from core import processor
from core.contract.device import DeviceInfo
from core.contract.errors import UserError
from core.contract.settings import Precision
from core.language import gettext as _
from core.models.graph import Graph, split_end
from core.runtimes.calibration import ranges_for
from core.runtimes.graph_network import GraphModel, GraphNetwork
from core.runtimes.network import DeviceMemoryError, Report, TileGeometry, UnsupportedPrecisionError
from core.runtimes.openvino_graph import Ranges, model_of
from core.runtimes.openvino_package import openvino

_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
"""What lies between 8-bit convolutions, or stays in floats, is computed in bf16 where the processor does (`_hint`)."""
_ASK_MS = 50
"""Milliseconds between two questions whether the job was cancelled."""
LARGE = 1 << 18
"""Pixels of a tile from which on its memory is given back after the picture."""
LARGEST_SIDE = 512
"""Largest side of a tile on a processor, in source pixels: 100 megapixels of result then take 1.2 GB, the light program
included."""
MOST_LANES = 4
"""One thread decodes for all of them, and two encode."""


class OpenVinoModel(GraphModel):
    """A `LoadedModel`."""

    def __init__(self, graphs: Sequence[Graph], geometry: TileGeometry, device: str = "openvino") -> None:
        """Take a model's layers.

        Args:
            graphs: as `core.runtimes.loading` gives them.
            geometry: of the model.
            device: as a request names it.

        Raises:
            UserError: OpenVINO is not installed, or knows no such device here.
        """
        self.device = device
        self._graphs = tuple(graphs)
        self._place = _place_of(device)
        side = min(geometry.largest_side, LARGEST_SIDE) if self._place == "CPU" else geometry.largest_side
        self.geometry = replace(geometry, largest_side=side)
        self._built: list[OpenVinoCompute] = []

    @property
    def device_label(self) -> str:
        """The device's name, and the runtime's."""
        return _("{full_name} by OpenVINO").format(full_name=_full_name(self._place))

    @property
    def fast_precision(self) -> Precision:
        """bf16 or fp16 where the device computes in it."""
        return _fast_precision(self._place)

    def build(self, precision: Precision) -> GraphNetwork:
        """Make its network in this precision; int8 is calibrated once for a model, in seconds.

        Raises:
            UnsupportedPrecisionError: the device does not compute in it.
        """
        computes = self._computes(precision)
        self._built += computes
        return self._network(precision, computes)

    def lanes(self, precision: Precision) -> Sequence[GraphNetwork]:
        """On a processor, one for each thread that a network of its own was given, up to `MOST_LANES`."""
        threads = self._built[0].threads if self._place == "CPU" and self._built else 1
        count = min(threads, MOST_LANES)
        if count < 2:
            return ()
        try:
            first = self._computes(precision, count)
        except UnsupportedPrecisionError:
            # It was built before in this precision, so that memory is what lacks: one at a time is as good a picture.
            return ()
        return [self._network(precision, [each.sibling() for each in first]) for _lane in range(count)]

    def _computes(self, precision: Precision, lanes: int = 1) -> list[OpenVinoCompute]:
        ranges: Sequence[Ranges | None] = [None] * len(self._graphs)
        if precision == "int8":
            ranges = ranges_for(self._graphs, computing, observing)
        return [
            OpenVinoCompute(graph, self._place, precision, each, lanes)
            for graph, each in zip(self._graphs, ranges, strict=True)
        ]

    def _network(self, precision: Precision, computes: Sequence[OpenVinoCompute]) -> GraphNetwork:
        weights = sum(graph.weights_bytes for graph in self._graphs) // {"fp32": 1, "int8": 4}.get(precision, 2)
        return GraphNetwork(self.geometry, precision, weights, computes)

    def memory(self) -> tuple[int, int]:
        """(total, free) bytes: graphics in processors shares the system's memory."""
        system = psutil.virtual_memory()
        if self._place.startswith("GPU"):
            total = int(openvino_core().get_property(self._place, "GPU_DEVICE_TOTAL_MEM_SIZE"))
            return total, min(total, system.available)
        return system.total, system.available

    def release_memory(self) -> None:
        """Give back what large tiles were computed in."""
        were_large = [compute.release_memory() for compute in self._built]
        if any(were_large):
            processor.release_memory()


def load(parts: Sequence[tuple[Path, float]], device: str) -> OpenVinoModel:
    """Load a model for a device.

    Args:
        parts: model files and their shares (`core.models.catalogue.Mix`).
        device: `openvino` (the processor), `openvino:gpu`, `openvino:gpu.1`, `openvino:npu`.

    Raises:
        UserError: OpenVINO or the device is not there, the files are no usable model, or it is made of layers that are
            not known here.
    """
    _place_of(device)
    # Not before it is known that it is there: this may import torch.
    from core.runtimes.loading import load_graphs

    traced = load_graphs(parts, "OpenVINO")
    model = OpenVinoModel(traced.graphs, traced.geometry, device)
    model.check(traced, "OpenVINO")
    return model


def devices() -> list[DeviceInfo]:
    """What OpenVINO can compute on here; nothing where it is not installed."""
    try:
        places = list(openvino_core().available_devices)
    except UserError:
        return []
    system = psutil.virtual_memory()
    return [
        DeviceInfo(
            _device_of(place),
            _("{full_name} by OpenVINO").format(full_name=_full_name(place)),
            _fast_precision(place),
            system.total,
            system.available,
        )
        for place in places
    ]


def rivals() -> list[DeviceInfo]:
    """What may be faster than torch on a processor; not the neural processor, which wants pictures of one size."""
    return [each for each in devices() if not each.name.startswith("openvino:npu")]


def driver_of(device: str) -> str:
    """What a measurement on this device holds for: its name."""
    return _full_name(_place_of(device))


class OpenVinoCompute:
    """A graph on a device: arrays in, array out. Its end is computed in float32, so that smooth gradients stay so."""

    def __init__(
        self, graph: Graph, place: str, precision: Precision, ranges: Ranges | None = None, lanes: int = 1
    ) -> None:
        split = None if precision == "fp32" else split_end(graph)
        body, end = split or (graph, None)
        hint = _hint(precision, place)
        self._body = _compiled(model_of(body, ranges), place, hint, lanes)
        # What cannot compute in a precision takes another without a word (f16 becomes bf16, say).
        used = self._body.get_property("INFERENCE_PRECISION_HINT").to_string()
        if used != hint:
            raise UnsupportedPrecisionError(f"{place} computes in {used} when asked for {hint}")
        self._end = None if end is None else _compiled(model_of(end), "CPU", "f32", lanes).create_infer_request()
        self._request = self._body.create_infer_request()
        self._seconds_per_pixel = 0.0
        self._largest = 0
        """Pixels of the largest tile since memory was given back."""

    def release_memory(self) -> bool:
        """Let go of what a large tile was computed in; whether there was one."""
        was_large = self._largest > LARGE
        if was_large:
            self._body.release_memory()
        self._largest = 0
        return was_large

    @property
    def threads(self) -> int:
        """How many it computes on, on a processor."""
        return int(self._body.get_property("INFERENCE_NUM_THREADS"))

    def sibling(self) -> OpenVinoCompute:
        """Another of the same compiled graph, for a thread of its own."""
        other = copy.copy(self)
        other._request = self._body.create_infer_request()
        if self._end is not None:
            other._end = self._end.get_compiled_model().create_infer_request()
        return other

    def __call__(self, arrays: Sequence[np.ndarray], report: Report) -> np.ndarray:
        """Compute a tile from its inputs, C x h x w each; `report` may raise to end it.

        The result holds until the next.
        """
        result = self.run_body(arrays, report)
        if self._end is None:
            return result
        return self._end.infer([result[None], *(each[None] for each in arrays)])[0][0]

    def run_body(self, arrays: Sequence[np.ndarray], report: Report) -> np.ndarray:
        """Compute all but the end.

        Raises:
            DeviceMemoryError: there is not enough for this tile.
        """
        pixels = arrays[0].shape[1] * arrays[0].shape[2]
        self._largest = max(self._largest, pixels)
        expected = max(self._seconds_per_pixel * pixels, 1e-3)
        begun = time.perf_counter()
        try:
            self._request.start_async([each[None] for each in arrays], share_inputs=True)
            while not self._request.wait_for(_ASK_MS):
                report(min(0.95, (time.perf_counter() - begun) / expected) if self._seconds_per_pixel else 0.0)
        except RuntimeError as error:
            raise as_engine_error(error) from None
        except BaseException:
            self._request.cancel()
            raise
        self._seconds_per_pixel = (time.perf_counter() - begun) / pixels
        # Not a copy, which of a large tile's features takes hundreds of megabytes.
        return self._request.get_output_tensor(0).data[0]


def computing(graph: Graph, ranges: Ranges | None) -> OpenVinoCompute:
    """What computes it on the processor."""
    return OpenVinoCompute(graph, "CPU", "fp32" if ranges is None else "int8", ranges)


def observing(graph: Graph, numbers: Sequence[int]) -> Any:
    """What computes all values with these numbers, in float32 on the processor."""
    compiled = _compiled(model_of(graph, watched=numbers), "CPU", "f32")
    return lambda arrays: [value[0] for value in compiled([each[None] for each in arrays]).values()]


def _hint(precision: Precision, place: str) -> str:
    # As near to float32 as in floats (0.1 dB of 50), in half of the time where four convolutions stay in floats.
    return _HINTS["bf16" if precision == "int8" and _fast_precision(place) == "bf16" else precision]


def _compiled(model: Any, place: str, hint: str, lanes: int = 1) -> Any:
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
    if lanes > 1:
        # Not pinned to cores: what decodes and encodes beside the lanes would stop one while another core is idle.
        options |= {"NUM_STREAMS": lanes, "ENABLE_CPU_PINNING": False}
    if place == "CPU" and "OMP_NUM_THREADS" in os.environ:
        # OpenVINO has threads of its own, and does not look there.
        options["INFERENCE_NUM_THREADS"] = int(os.environ["OMP_NUM_THREADS"])
    try:
        return openvino_core().compile_model(model, place, options)
    except RuntimeError as error:
        raise UnsupportedPrecisionError(str(error)) from error


def as_engine_error(error: RuntimeError) -> Exception:
    """What the engine takes an error of OpenVINO's for: `DeviceMemoryError` where memory ran out, else itself."""
    # There is no other sign: OpenVINO raises RuntimeError for everything.
    words = str(error).lower()
    if any(mark in words for mark in ("alloc", "out of memory", "out_of_", "exceeded max size")):
        return DeviceMemoryError(str(error))
    return error


@cache
def openvino_core() -> Any:
    """The library, begun once in a process.

    Raises:
        UserError: it is not installed.
    """
    return openvino().Core()


def _place_of(device: str) -> str:
    """What OpenVINO calls the device of a request."""
    wanted = device.partition(":")[2].upper() or "CPU"
    places = list(openvino_core().available_devices)
    # One card alone is called GPU, and one of several GPU.0.
    found = next((each for each in places if each == wanted or each == wanted.removesuffix(".0")), None)
    found = found or next((each for each in places if each == f"{wanted}.0"), None)
    if found is None:
        names = ", ".join(_device_of(each) for each in places)
        raise UserError(
            _("There is no device “{device}” here.").format(device=device),
            _("OpenVINO knows: {names}.").format(names=names),
        )
    return found


def _device_of(place: str) -> str:
    return "openvino" if place == "CPU" else f"openvino:{place.lower()}"


@cache
def _full_name(place: str) -> str:
    return str(openvino_core().get_property(place, "FULL_DEVICE_NAME"))


@cache
def _fast_precision(place: str) -> Precision:
    able = openvino_core().get_property(place, "OPTIMIZATION_CAPABILITIES")
    if place == "CPU":
        return "bf16" if "BF16" in able else "fp32"
    return "fp16" if "FP16" in able else "fp32"
