"""A plain graph as ncnn's two files: `.param`, which lists layers, and `.bin`, which holds their weights. Plain.

The format is ncnn's own (its wiki, "param and model file structure"): each value has one reader, so that one with
several goes through a `Split`; weights of convolutions begin with four bytes that say how they are stored.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from core.models.graph import Graph, GraphLayer

MAGIC = 7767517
OUTPUT = "out"
_FLOAT32 = np.uint32(0).tobytes()
"""Before the weights of a convolution."""


def input_name(index: int) -> str:
    """What the input with this number is called."""
    return f"in{index}"


def value_name(number: int) -> str:
    """What the value of the layer with this number is called, unless that is an input or the last."""
    return f"v{number}"


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
            name = OUTPUT if number == last else value_name(number)
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
            case "convolution" | "deconvolution":
                self._convolution(layer, name, taken)
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
            case "clip":
                low, high = np.clip([layer.low, layer.high], -_LARGEST, _LARGEST)
                self._line("Clip", name, taken, [name], f"0={low:.9e} 1={high:.9e}")
            case "average_pool" | "max_pool":
                top, left, bottom, right = layer.sides
                options = f"0={int(layer.kind == 'average_pool')} 1={layer.window} 2={layer.stride} 5=1"
                self._line("Pooling", name, taken, [name], f"{options} 3={left} 13={top} 14={right} 15={bottom}")
            case "slice":
                ends = f"-23309=1,{layer.first} -23310=1,{layer.first + layer.channels} -23311=1,0"
                self._line("Crop", name, taken, [name], ends)
            case "crop":
                top, left, bottom, right = layer.sides
                below, beside = -bottom or _TO_THE_END, -right or _TO_THE_END
                ends = f"-23309=2,{top},{left} -23310=2,{below},{beside} -23311=2,1,2"
                self._line("Crop", name, taken, [name], ends)
            case "pad":
                top, left, bottom, right = layer.sides
                how = ("constant", "replicate", "reflect").index(layer.fill)
                self._line("Padding", name, taken, [name], f"0={top} 1={bottom} 2={left} 3={right} 4={how}")
            case "bicubic" | "bilinear" | "nearest":
                how = ("nearest", "bilinear", "bicubic").index(layer.kind) + 1
                factor = float(layer.factor)
                self._line("Interp", name, taken, [name], f"0={how} 1={factor:.9e} 2={factor:.9e}")
            case _:
                kind, options = _SIMPLE[layer.kind]
                self._line(kind, name, taken, [name], options.format(factor=layer.factor))

    def _convolution(self, layer: GraphLayer, name: str, taken: list[str]) -> None:
        assert layer.weight is not None
        high, wide = layer.weight.shape[2:]
        top, left, bottom, right = layer.sides
        options = f"0={layer.channels} 1={wide} 11={high} 2={layer.dilation} 3={layer.stride} 5=1 6={layer.weight.size}"
        options += f" 4={left} 14={top} 15={right} 16={bottom}"
        kind, weight = "Convolution", layer.weight
        if layer.kind == "deconvolution":
            kind = "Deconvolution"
            grouped = weight.reshape(layer.groups, -1, *weight.shape[1:]).swapaxes(1, 2)
            weight = grouped.reshape(layer.channels, -1, high, wide)
        if layer.groups > 1:
            kind, options = f"{kind}DepthWise", f"{options} 7={layer.groups}"
        self._line(kind, name, taken, [name], options)
        self._data.append(_FLOAT32)
        self._append(weight, layer.bias)

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
    "gelu": ("GELU", "0=0"),
    "mish": ("Mish", ""),
    "hardswish": ("HardSwish", "0=1.666666667e-01 1=5.0e-01"),
    "hardsigmoid": ("HardSigmoid", "0=1.666666667e-01 1=5.0e-01"),
    "elu": ("ELU", "0=1.0"),
    "abs": ("UnaryOp", "0=0"),
    "sqrt": ("UnaryOp", "0=5"),
    "exp": ("UnaryOp", "0=7"),
    "add": ("BinaryOp", "0=0"),
    "multiply": ("BinaryOp", "0=2"),
    "divide": ("BinaryOp", "0=3"),
    "maximum": ("BinaryOp", "0=4"),
    "minimum": ("BinaryOp", "0=5"),
    "concat": ("Concat", "0=0"),
    "shuffle": ("PixelShuffle", "0={factor}"),
    "unshuffle": ("Reorg", "0={factor}"),
}
_TO_THE_END = -233
_LARGEST = float(np.finfo(np.float32).max)
