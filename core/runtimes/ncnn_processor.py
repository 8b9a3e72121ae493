"""Networks in ncnn on the processor: what computes in the light edition where OpenVINO is not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from core import processor
from core.contract.device import DeviceInfo
from core.contract.errors import UserError
from core.contract.settings import Precision
from core.edition import needs_torch
from core.language import gettext as _
from core.models.graph import Graph
from core.runtimes.graph_network import GraphNetwork
from core.runtimes.loading import read_graphs
from core.runtimes.ncnn_graph import files_of, value_name
from core.runtimes.ncnn_network import NcnnCompute, ncnn_package
from core.runtimes.network import TileGeometry, UnsupportedPrecisionError

WATCHED = 24
"""In how many steps a tile is computed, at most: between two of them it can be cancelled."""
LEAST_CONVOLUTIONS = 4
"""In a step: what it ends with is copied once."""


class ProcessorModel:
    """A `LoadedModel`."""

    def __init__(self, graphs: Sequence[Graph], geometry: TileGeometry) -> None:
        """Take a model's layers, as `core.runtimes.loading` gives them."""
        self.geometry = geometry
        self.device = "cpu"
        self.device_label = _label()
        self.fast_precision: Precision = "fp32"
        self._graphs = tuple(graphs)

    def network(self, precision: Precision) -> GraphNetwork:
        """Its network in fp32.

        Raises:
            UnsupportedPrecisionError: another precision.
            UserError: ncnn is not installed.
        """
        if precision != "fp32":
            raise UnsupportedPrecisionError(precision)
        computes = [
            NcnnCompute(files_of(graph), len(graph.inputs), None, "fp32", _threads(), _steps(graph))
            for graph in self._graphs
        ]
        weights = sum(graph.weights_bytes for graph in self._graphs)
        return GraphNetwork(self.geometry, precision, weights, computes)

    def memory(self) -> tuple[int, int]:
        """(total, free) bytes."""
        return processor.system_memory()

    def release_memory(self) -> None:
        """Give back what the last tile took."""
        processor.release_memory()


def load(parts: Sequence[tuple[Path, float]], device: str) -> ProcessorModel:
    """Load a model.

    Args:
        parts: model files and their shares (`core.models.catalogue.Mix`).
        device: `cpu`.

    Raises:
        UserError: ncnn is not installed, the files are no usable model, or it takes torch to read them.
    """
    if device != "cpu":
        raise UserError(
            _("There is no device “{device}” here.").format(device=device), _("The processor is called cpu.")
        )
    found = read_graphs(parts)
    if found is None:
        raise needs_torch(parts[0][0].name)
    # Other runtimes are compared with what this one makes, so that there is nothing to check.
    return ProcessorModel(*found)


def devices() -> list[DeviceInfo]:
    """The processor, where ncnn is installed."""
    try:
        ncnn_package()
    except UserError:
        return []
    return [DeviceInfo("cpu", _label(), "fp32", *processor.system_memory())]


def driver_of(_device: str) -> str:
    """What a measurement holds for: the processor's name."""
    return processor.processor_name()


def _label() -> str:
    return _("{processor_name} by ncnn").format(processor_name=processor.processor_name())


def _threads() -> int:
    """The number of threads that the environment names, as for torch and OpenVINO; 0 leaves it to ncnn."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() else 0


def _steps(graph: Graph) -> list[str]:
    """The names of the values at which a tile pauses."""
    last = len(graph.layers) - 1
    found = [number for number, layer in enumerate(graph.layers[:last]) if layer.kind == "convolution"]
    apart = max(LEAST_CONVOLUTIONS, -(-len(found) // WATCHED))
    return [value_name(number) for number in found[apart - 1 :: apart]]
