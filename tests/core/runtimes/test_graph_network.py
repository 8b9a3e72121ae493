"""Every layer that a plain graph can have is computed alike by torch, OpenVINO and ncnn."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from core.models.graph import KINDS, Graph, check_graph
from core.models.graph_module import GraphLayers
from core.runtimes.ncnn_network import on_processor
from core.runtimes.openvino_graph import model_of
from core.runtimes.openvino_package import openvino

Build = Callable[[Graph, int], int]


def convolution(graph: Graph, x: int, out: int = 3, *, transposed: bool = False, **options: Any) -> int:
    """With random weights that keep values about as large as they are."""
    rng = np.random.default_rng(len(graph.layers))
    inputs, groups = graph.layers[x].channels, options.get("groups", 1)
    kernel = options.pop("kernel", (3, 3))
    options.setdefault("sides", tuple(each // 2 for each in (*kernel, *kernel)))
    shape = (inputs, out // groups, *kernel) if transposed else (out, inputs // groups, *kernel)
    spread = (inputs / groups * kernel[0] * kernel[1]) ** -0.5
    weight, bias = (rng.normal(0, spread, size).astype(np.float32) for size in (shape, out))
    kind: Any = "deconvolution" if transposed else "convolution"
    return graph.add(kind, x, channels=out, weight=weight, bias=bias, **options)


def plain(kind: Any, **options: Any) -> Build:
    return lambda graph, x: graph.add(kind, x, **options)


def two(kind: Any) -> Build:
    return lambda graph, x: graph.add(kind, x, convolution(graph, x))


def by_channel(graph: Graph, x: int) -> int:
    return graph.add("multiply", x, graph.add("sigmoid", graph.add("mean", x)))


def divided(graph: Graph, x: int) -> int:
    return graph.add("divide", x, graph.add("exp", convolution(graph, x)))


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


LAYERS: dict[str, Build] = {
    "convolution": lambda graph, x: convolution(graph, x),
    "convolution, oblong": lambda graph, x: convolution(graph, x, kernel=(1, 5)),
    "convolution, stride": lambda graph, x: convolution(graph, x, stride=2, kernel=(4, 4), sides=(1, 1, 1, 1)),
    "convolution, dilation": lambda graph, x: convolution(graph, x, dilation=2, sides=(2, 2, 2, 2)),
    "convolution, groups": lambda graph, x: convolution(graph, convolution(graph, x, 6), 3, groups=3),
    "convolution, by channel": lambda graph, x: convolution(graph, x, groups=3),
    "convolution, lopsided": lambda graph, x: convolution(graph, x, sides=(0, 2, 1, 0)),
    "deconvolution": lambda graph, x: convolution(graph, x, transposed=True, stride=2, kernel=(4, 4), sides=(1,) * 4),
    "deconvolution, groups": lambda graph, x: convolution(
        graph, convolution(graph, x, 6), 3, transposed=True, stride=3, kernel=(3, 3), sides=(0,) * 4, groups=3
    ),
    "deconvolution, lopsided": lambda graph, x: convolution(
        graph, x, transposed=True, stride=2, kernel=(5, 5), sides=(2, 1, 1, 2)
    ),
    "affine": plain("affine", weight=values(0.5, -1, 2), bias=values(0.1, 0, -0.3)),
    "prelu": plain("prelu", weight=values(0.1, 0, 0.5)),
    "clip": plain("clip", low=-0.1, high=0.2),
    "clip below": plain("clip", low=0.0),
    **{
        kind: plain(kind)
        for kind in ("sigmoid", "tanh", "silu", "gelu", "mish", "hardswish", "hardsigmoid", "elu", "abs", "exp")
    },
    "sqrt": lambda graph, x: graph.add("sqrt", graph.add("abs", x)),
    **{kind: two(kind) for kind in ("add", "multiply", "maximum", "minimum")},
    "multiply, by channel": by_channel,
    "divide": divided,
    "concat": lambda graph, x: convolution(graph, graph.add("concat", x, convolution(graph, x, 5), channels=8)),
    "slice": lambda graph, x: graph.add("slice", convolution(graph, x, 8), channels=3, first=2),
    "shuffle": lambda graph, x: graph.add("shuffle", convolution(graph, x, 12), channels=3, factor=Fraction(2)),
    "unshuffle": lambda graph, x: convolution(graph, graph.add("unshuffle", x, channels=12, factor=Fraction(2))),
    "mean": lambda graph, x: graph.add("add", x, graph.add("mean", x)),
    "nearest": plain("nearest", factor=Fraction(2)),
    "bicubic": plain("bicubic", factor=Fraction(3)),
    "bicubic, smaller": plain("bicubic", factor=Fraction(1, 2)),
    "bilinear": plain("bilinear", factor=Fraction(2)),
    "bilinear, smaller": plain("bilinear", factor=Fraction(1, 2)),
    "average_pool": plain("average_pool", window=3, stride=1, sides=(1, 1, 1, 1)),
    "average_pool, stride": plain("average_pool", window=2, stride=2),
    "max_pool": plain("max_pool", window=3, stride=2, sides=(1, 1, 1, 1)),
    "crop": plain("crop", sides=(1, 2, 3, 0)),
    **{f"pad, {fill}": plain("pad", sides=(1, 2, 3, 0), fill=fill) for fill in ("constant", "reflect", "replicate")},
}


def test_every_kind_is_looked_at() -> None:
    assert {name.partition(",")[0] for name in LAYERS} >= set(KINDS) - {"input"}


@pytest.mark.parametrize("name", LAYERS)
def test_runtimes_agree(name: str) -> None:
    graph = Graph()
    LAYERS[name](graph, convolution(graph, graph.add("input", channels=3)))
    check_graph(graph)
    x = np.random.default_rng(1).random((3, 18, 22), np.float32)
    with torch.inference_mode():
        wanted = GraphLayers(graph)(torch.from_numpy(x)[None])[0].numpy()
    assert wanted.std() > 0.01
    assert wanted.shape[1:] == graph.size_of(18, 22)
    compiled = openvino().Core().compile_model(model_of(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(compiled([x[None]])[0][0], wanted, atol=1e-4)
    np.testing.assert_allclose(on_processor(graph)([x], lambda _done: None), wanted, atol=1e-4)
