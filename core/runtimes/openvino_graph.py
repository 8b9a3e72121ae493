"""A plain graph as an OpenVINO model, in floats or with 8-bit convolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.models.graph import Graph, GraphLayer
from core.runtimes.openvino_package import openvino

Ranges = Mapping[int, np.ndarray]
"""What goes into each convolution, by the number of its layer: 2 x C, the lowest and the highest of each channel."""

_LEVELS = 256
_BALANCE = 0.85
"""The nearest of 0.5, 0.7, 0.85 and 1 on Set5 and on letters; 0 would leave each channel its width."""
_WEIGHT_LEVELS = 255
"""-127 to 127: the products of two eight-bit numbers are then the same on processors with and without VNNI."""


def model_of(graph: Graph, ranges: Ranges | None = None, watched: Sequence[int] = ()) -> Any:
    """Build an `openvino.Model` of any height and width: 1 x C x H x W in, 1 x C x H x W out.

    Args:
        graph: a network.
        ranges: where given, convolutions that have one compute in eight bits, as their inputs and weights are rounded
            to as many levels ("fake quantisation"; OpenVINO turns it into integers).
        watched: the numbers of the values that come out, in place of the last.
    """
    builder = _Builder(graph, ranges or {})
    results = [builder.result(number) for number in watched or [len(graph.layers) - 1]]
    return openvino().Model(results, builder.parameters)


class _Builder:
    def __init__(self, graph: Graph, ranges: Ranges) -> None:
        self._ops: Any = openvino().opset13
        self._ranges = ranges
        self._nodes: list[Any] = []
        self.parameters: list[Any] = []
        for number, layer in enumerate(graph.layers):
            self._nodes.append(self._node(number, layer))

    def result(self, number: int) -> Any:
        """What makes a value one of the model's outputs."""
        return self._ops.result(self._nodes[number])

    def _node(self, number: int, layer: GraphLayer) -> Any:
        ops = self._ops
        inputs = [self._nodes[each] for each in layer.inputs]
        match layer.kind:
            case "input":
                parameter = ops.parameter([1, layer.channels, -1, -1], np.float32)
                self.parameters.append(parameter)
                return parameter
            case "convolution":
                return self._convolution(number, layer)
            case "deconvolution":
                return self._deconvolution(inputs[0], layer)
            case "affine":
                return ops.add(ops.multiply(inputs[0], _each(layer.weight)), _each(layer.bias))
            case "prelu":
                assert layer.weight is not None
                if not layer.weight.any():
                    return ops.relu(inputs[0])
                same = np.unique(layer.weight)
                return ops.prelu(inputs[0], same if same.size == 1 else layer.weight)
            case "clip":
                return ops.clamp(inputs[0], max(layer.low, -_LARGEST), min(layer.high, _LARGEST))
            case "concat":
                return ops.concat(inputs, 1)
            case "slice":
                ends = [layer.first, layer.first + layer.channels]
                return ops.slice(inputs[0], *([each] for each in ends), [1], [1])
            case "shuffle":
                return ops.depth_to_space(inputs[0], "depth_first", int(layer.factor))
            case "unshuffle":
                return ops.space_to_depth(inputs[0], "depth_first", int(layer.factor))
            case "mean":
                return ops.reduce_mean(inputs[0], np.array([2, 3]), keep_dims=True)
            case "average_pool" | "max_pool":
                return self._pooled(inputs[0], layer)
            case "pad":
                modes = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}
                begins, ends = ([0, 0, *layer.sides[edge : edge + 2]] for edge in (0, 2))
                return ops.pad(inputs[0], begins, ends, modes[layer.fill], ops.constant(np.float32(0)))
            case "crop":
                return self._cropped(inputs[0], layer)
            case "bicubic" | "bilinear" | "nearest":
                return self._resized(inputs[0], layer)
            case "gelu":
                return ops.gelu(inputs[0], "erf")
            case "elu":
                return ops.elu(inputs[0], 1.0)
            case "hardsigmoid":
                return ops.hard_sigmoid(inputs[0], np.float32(1 / 6), np.float32(0.5))
            case _:
                return getattr(ops, _PLAIN.get(layer.kind, layer.kind))(*inputs)

    def _convolution(self, number: int, layer: GraphLayer) -> Any:
        ops = self._ops
        assert layer.weight is not None
        x, weight = self._nodes[layer.inputs[0]], layer.weight
        if number in self._ranges:
            x, weight = self._in_eight_bits(layer.inputs[0], weight, self._ranges[number])
        options = [layer.stride] * 2, layer.sides[:2], layer.sides[2:], [layer.dilation] * 2
        if layer.groups == 1:
            y = ops.convolution(x, weight, *options)
        else:
            y = ops.group_convolution(x, weight.reshape(layer.groups, -1, *weight.shape[1:]), *options)
        return ops.add(y, _each(layer.bias))

    def _deconvolution(self, x: Any, layer: GraphLayer) -> Any:
        ops = self._ops
        assert layer.weight is not None
        options = [layer.stride] * 2, layer.sides[:2], layer.sides[2:], [1, 1]
        if layer.groups == 1:
            y = ops.convolution_backprop_data(x, layer.weight, [layer.stride] * 2, None, *options[1:])
        else:
            weight = layer.weight.reshape(layer.groups, -1, *layer.weight.shape[1:])
            y = ops.group_convolution_backprop_data(x, weight, [layer.stride] * 2, None, *options[1:])
        return ops.add(y, _each(layer.bias))

    def _pooled(self, x: Any, layer: GraphLayer) -> Any:
        ops = self._ops
        options = [layer.stride] * 2, layer.sides[:2], layer.sides[2:], [layer.window] * 2
        if layer.kind == "average_pool":
            return ops.avg_pool(x, *options, True)
        return ops.max_pool(x, options[0], [1, 1], *options[1:]).output(0)

    def _cropped(self, x: Any, layer: GraphLayer) -> Any:
        begins = list(layer.sides[:2])
        ends = [-each if each else np.iinfo(np.int64).max for each in layer.sides[2:]]
        return self._ops.slice(x, begins, ends, [1, 1], [2, 3])

    def _in_eight_bits(self, number: int, weight: np.ndarray, extremes: np.ndarray) -> tuple[Any, Any]:
        """Round a value and the weights that it meets.

        One step size serves all channels of a value, and one each row of weights. So channels are first scaled to share
        their width between both (SmoothQuant, Xiao et al. 2023, eq. 4), which changes nothing but the rounding.
        """
        ops = self._ops
        low, high = extremes
        widest = np.maximum(high - low, 1e-6)
        meets = np.maximum(np.abs(weight).max(axis=(0, 2, 3)), 1e-6)
        share = widest**_BALANCE / meets ** (1 - _BALANCE)
        lowest, highest = min(0.0, float((low / share).min())), max(0.0, float((high / share).max()))
        # Zero is one of the levels, so that padding stays exact.
        below = round(-lowest * (_LEVELS - 1) / max(highest - lowest, 1e-6))
        above = _LEVELS - 1 - below
        step = max(-lowest / below if below else 0.0, highest / above if above else 0.0, 1e-9)
        lowest, highest = -below * step, above * step
        each = share.reshape(1, -1, 1, 1).astype(np.float32)
        ends = np.float32(lowest), np.float32(highest)
        x = ops.fake_quantize(self._nodes[number], *(end * each for end in ends), *ends, _LEVELS)
        weight = weight * each
        largest = np.maximum(np.abs(weight).max(axis=(1, 2, 3), keepdims=True), 1e-12)
        return x, ops.fake_quantize(ops.constant(weight), -largest, largest, -largest, largest, _WEIGHT_LEVELS)

    def _resized(self, x: Any, layer: GraphLayer) -> Any:
        mode = {"bicubic": "cubic", "bilinear": "linear_onnx"}.get(layer.kind, layer.kind)
        return self._ops.interpolate(
            x,
            np.array([float(layer.factor)] * 2, np.float32),
            mode=mode,
            shape_calculation_mode="scales",
            coordinate_transformation_mode="asymmetric" if layer.kind == "nearest" else "half_pixel",
            nearest_mode="floor",
            cube_coeff=-0.75,
            axes=np.array([2, 3]),
        )


_PLAIN = {"silu": "swish", "hardswish": "hswish"}
"""What OpenVINO calls operations that have other names here."""
_LARGEST = float(np.finfo(np.float32).max)


def _each(values: np.ndarray | None) -> np.ndarray:
    assert values is not None
    return values.reshape(1, -1, 1, 1).astype(np.float32)
