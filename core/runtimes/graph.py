"""A convolutional network as a plain list of layers, from which each runtime builds its own. Plain.

Only what such networks are made of: whoever adds a layer here adds it to each runtime that builds from graphs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

Kind = Literal[
    "input",
    "convolution",
    "affine",
    "prelu",
    "sigmoid",
    "tanh",
    "silu",
    "add",
    "multiply",
    "concat",
    "shuffle",
    "bicubic",
    "nearest",
    "mean",
]


@dataclass(frozen=True, slots=True, eq=False)
class GraphLayer:
    """One layer; its number in the graph is the number of its value, C x H x W."""

    kind: Kind
    inputs: tuple[int, ...]
    """The values that it takes: one, but two for `add` and `multiply`, and some for `concat`."""
    channels: int
    """How many its value has."""
    weight: np.ndarray | None = None
    """`convolution`: out x in x k x k, odd k, stride 1, zero padding that keeps the size. `affine`: the factor of each
    channel. `prelu`: the slope of each channel below zero."""
    bias: np.ndarray | None = None
    """`convolution`, `affine`: what is added to each channel."""
    factor: int = 1
    """`shuffle` (channels to pixels), `bicubic` (a = -0.75, as torch's), `nearest`: how many times larger each side
    becomes."""


@dataclass(slots=True)
class Graph:
    """Layers in an order in which they can be computed; the value of the last is the network's."""

    layers: list[GraphLayer] = field(default_factory=list)

    def add(
        self,
        kind: Kind,
        *inputs: int,
        channels: int = 0,
        weight: np.ndarray | None = None,
        bias: np.ndarray | None = None,
        factor: int = 1,
    ) -> int:
        """Append a layer; returns the number of its value. Unless given, it has as many channels as its first input."""
        first = self.layers[inputs[0]].channels if inputs else 0
        self.layers.append(GraphLayer(kind, inputs, channels or first, weight, bias, factor))
        return len(self.layers) - 1

    @property
    def inputs(self) -> list[GraphLayer]:
        """What goes in, in order."""
        return [layer for layer in self.layers if layer.kind == "input"]

    @property
    def values_per_pixel(self) -> float:
        """About how many values are alive at once per pixel of the first input, at the peak: those of the largest
        layer, what it takes and what it gives, and as many again for skips and workspace."""
        sizes = [1] * len(self.layers)
        largest = 0
        for number, layer in enumerate(self.layers):
            before = max((sizes[each] for each in layer.inputs), default=1)
            sizes[number] = before * (layer.factor if layer.kind in ("shuffle", "bicubic", "nearest") else 1)
            alive = [number, *layer.inputs]
            largest = max(largest, sum(self.layers[each].channels * sizes[each] ** 2 for each in alive))
        return 2.0 * largest

    @property
    def weights_bytes(self) -> int:
        """In float32."""
        arrays = (array for layer in self.layers for array in (layer.weight, layer.bias) if array is not None)
        return sum(array.size * 4 for array in arrays)


def split_end(graph: Graph) -> tuple[Graph, Graph] | None:
    """Cut a graph behind its last convolution, so that what it makes can be put together in float32.

    Returns:
        A graph up to that convolution, and one that takes its value and then all that the first takes; None where
        nothing comes behind it, or more than that is needed there.
    """
    convolutions = [number for number, layer in enumerate(graph.layers) if layer.kind == "convolution"]
    cut = convolutions[-1] if convolutions else 0
    end = graph.layers[cut + 1 :]
    inputs = [number for number, layer in enumerate(graph.layers) if layer.kind == "input"]
    before = {each for layer in end for each in layer.inputs if each < cut}
    if not convolutions or not end or not before <= set(inputs):
        return None
    first = Graph(graph.layers[: cut + 1])
    second = Graph()
    numbers = {cut: second.add("input", channels=graph.layers[cut].channels)}
    for each in inputs:
        numbers[each] = second.add("input", channels=graph.layers[each].channels)
    for number, layer in enumerate(end, start=cut + 1):
        second.layers.append(replace(layer, inputs=tuple(numbers[each] for each in layer.inputs)))
        numbers[number] = len(second.layers) - 1
    return first, second
