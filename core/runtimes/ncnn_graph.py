"""A plain graph as ncnn's two files: `.param`, which lists layers, and `.bin`, which holds their weights. Plain.

The format is ncnn's own (its wiki, "param and model file structure"): each value has one reader, so that one with
several goes through a `Split`; weights of convolutions begin with four bytes that say how they are stored.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from core.runtimes.graph import Graph, GraphLayer

MAGIC = 7767517
OUTPUT = "out"
_FLOAT32 = np.uint32(0).tobytes()
"""Before the weights of a convolution."""


def input_name(index: int) -> str:
    """What the input with this number is called."""
    return f"in{index}"


def files_of(graph: Graph) -> tuple[str, bytes]:
    """The text of a `.param` and the bytes of a `.bin`, in float32."""
    return _Writer(graph).files()


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._lines: list[str] = []
        self._data: list[bytes] = []
        self._blobs = 0
        readers = Counter(each for layer in graph.layers for each in layer.inputs)
        self._readers = [readers[number] for number in range(len(graph.layers))]
        self._free: list[list[str]] = []
        """The names under which each value can be read, once each."""

    def files(self) -> tuple[str, bytes]:
        inputs = 0
        last = len(self._graph.layers) - 1
        for number, layer in enumerate(self._graph.layers):
            name = OUTPUT if number == last else f"v{number}"
            taken = [self._free[each].pop(0) for each in layer.inputs]
            if layer.kind == "input":
                name = input_name(inputs)
                inputs += 1
            self._write(layer, name, taken)
            self._free.append(self._split(name, self._readers[number]))
        head = f"{MAGIC}\n{len(self._lines)} {self._blobs}\n"
        return head + "\n".join(self._lines) + "\n", b"".join(self._data)

    def _split(self, name: str, readers: int) -> list[str]:
        if readers < 2:
            return [name]
        names = [f"{name}_{index}" for index in range(readers)]
        self._line("Split", f"{name}_split", [name], names)
        return names

    def _write(self, layer: GraphLayer, name: str, taken: list[str]) -> None:
        match layer.kind:
            case "input":
                self._line("Input", name, [], [name])
            case "convolution":
                assert layer.weight is not None
                size = layer.weight.shape[-1]
                options = f"0={layer.channels} 1={size} 4={size // 2} 5=1 6={layer.weight.size}"
                self._line("Convolution", name, taken, [name], options)
                self._data.append(_FLOAT32)
                self._append(layer.weight, layer.bias)
            case "affine":
                self._line("Scale", name, taken, [name], f"0={layer.channels} 1=1")
                self._append(layer.weight, layer.bias)
            case "prelu":
                self._line("PReLU", name, taken, [name], f"0={layer.channels}")
                self._append(layer.weight)
            case "mean":
                # Pooling gives a vector, which an operation on two values would take for a row.
                self._line("Pooling", f"{name}_pool", taken, [f"{name}_pool"], "0=1 4=1")
                self._line("Reshape", name, [f"{name}_pool"], [name], f"0=1 1=1 2={layer.channels}")
            case "bicubic" | "nearest":
                how = 3 if layer.kind == "bicubic" else 1
                self._line("Interp", name, taken, [name], f"0={how} 1={layer.factor}.0 2={layer.factor}.0")
            case _:
                kind, options = _SIMPLE[layer.kind]
                self._line(kind, name, taken, [name], options.format(factor=layer.factor))

    def _line(self, kind: str, name: str, taken: list[str], given: list[str], options: str = "") -> None:
        words = [kind, name, str(len(taken)), str(len(given)), *taken, *given, options]
        self._lines.append(" ".join(words).rstrip())
        self._blobs += len(given)

    def _append(self, *arrays: np.ndarray | None) -> None:
        for array in arrays:
            assert array is not None
            self._data.append(np.ascontiguousarray(array, np.float32).tobytes())


_SIMPLE = {
    "sigmoid": ("Sigmoid", ""),
    "tanh": ("TanH", ""),
    "silu": ("Swish", ""),
    "add": ("BinaryOp", "0=0"),
    "multiply": ("BinaryOp", "0=2"),
    "concat": ("Concat", "0=0"),
    "shuffle": ("PixelShuffle", "0={factor}"),
}
