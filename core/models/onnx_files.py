"""Models as ONNX files with one picture in and one out, as plain graphs. Plain.

ONNX is protobuf, and the few messages that are read here are declared below, as onnx.proto has them: the onnx package
would bring 31 MB along. Nothing in a file is trusted: sizes are bounded, weights may lie in other files only within the
model's own folder, and what cannot be read is refused by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from core.contract.errors import UserError
from core.language import gettext as _
from core.language import ngettext
from core.models.graph import (
    Graph,
    GraphError,
    check_graph,
    odd_constants,
    odd_options,
    own_size,
    parts_misfit,
    unfit_weights,
)

MAX_BYTES = 2 << 30
MAX_NODES = 1 << 16
_ELSEWHERE = _("Get the model as .safetensors or .pth, or exported with other options.")


def is_onnx(path: Path) -> bool:
    """Whether a file begins as ONNX files do: with the version of the format, and who made it or the network."""
    try:
        with path.open("rb") as file:
            beginning = file.read(3)
    except OSError:
        return False
    # Field 1, a number: 3 to 20 so far. Then any of the next fields.
    return len(beginning) == 3 and beginning[0] == 0x08 and 1 <= beginning[1] < 64 and beginning[2] in _FOLLOWING


_FOLLOWING = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)


def external_files(path: Path) -> tuple[Path, ...]:
    """The files beside an ONNX file that hold its weights; none where it cannot be read.

    Raises:
        UserError: one would lie elsewhere.
    """
    model = _parsed(path)
    names = dict.fromkeys(
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if tensor.data_location == 1 and entry.key == "location"
    )
    return tuple(_beside(path, name) for name in names)


def read_onnx(path: Path) -> Graph:
    """Read an ONNX file.

    Raises:
        UserError: it is damaged, or too large; it has operators that are not known here; its weights lie elsewhere.
    """
    model = _parsed(path)
    try:
        return check_graph(_OnnxReader(path, model).read())
    except GraphError as error:
        raise UserError(_("{name} cannot be used: {error}.").format(name=path.name, error=error), _ELSEWHERE) from error
    except (ValueError, KeyError, IndexError, ArithmeticError, AttributeError, TypeError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> UserError:
    return UserError(
        _("{name} was not opened: it is damaged, or not an ONNX network.").format(name=path.name),
        _("Fetch it again."),
    )


def _parsed(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(
                _("{name} is larger than 2 GB.").format(name=path.name),
                _("That is not an upscaler; choose another file."),
            )
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            _("The model {path} cannot be read: {strerror}.").format(path=path, strerror=error.strerror),
            _("Check the path."),
        ) from error
    from google.protobuf.message import DecodeError

    try:
        model = _messages()["ModelProto"].FromString(data)
    except (DecodeError, ValueError) as error:
        raise _damaged(path) from error
    if not model.graph.node:
        raise _damaged(path)
    return model


def _beside(path: Path, name: str) -> Path:
    """The file of weights called `name`, which must lie in the model's own folder."""
    target = path.parent / name
    outside = Path(name).is_absolute() or ".." in Path(name).parts or not name
    try:
        outside = outside or target.resolve().parent != path.parent.resolve()
    except (OSError, RuntimeError, ValueError):
        outside = True
    if outside:
        raise UserError(
            _("{name} was not opened: it asks for weights outside its own folder ({outside}).").format(
                name=path.name, outside=name[:100]
            ),
            _("Get it as one file."),
        )
    return target


@cache
def _messages() -> dict[str, Any]:
    """The messages of onnx.proto, as far as they are read."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="srgan_onnx.proto", package="srgan_onnx", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, described in _FIELDS.items():
        declared = file.message_type.add(name=message)
        for name, (number, kind) in described.items():
            many, plain = kind.startswith("*"), kind.lstrip("*")
            each = declared.field.add(name=name, number=number)
            each.label = kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL
            if plain in _FIELDS:
                each.type, each.type_name = kinds.TYPE_MESSAGE, f".srgan_onnx.{plain}"
            else:
                each.type = getattr(kinds, f"TYPE_{plain.upper()}")
                # Lists of numbers are packed in newer files, and a reader takes both.
                each.options.packed = many and plain not in ("bytes", "string")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"srgan_onnx.{name}")) for name in _FIELDS}


_FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "ModelProto": {"graph": (7, "GraphProto"), "opset_import": (8, "*OperatorSet")},
    "OperatorSet": {"domain": (1, "string"), "version": (2, "int64")},
    "GraphProto": {
        "node": (1, "*NodeProto"),
        "initializer": (5, "*TensorProto"),
        "input": (11, "*ValueInfo"),
        "output": (12, "*ValueInfo"),
    },
    "NodeProto": {
        "input": (1, "*string"),
        "output": (2, "*string"),
        "name": (3, "string"),
        "op_type": (4, "string"),
        "attribute": (5, "*Attribute"),
        "domain": (7, "string"),
    },
    "Attribute": {
        "name": (1, "string"),
        "f": (2, "float"),
        "i": (3, "int64"),
        "s": (4, "bytes"),
        "t": (5, "TensorProto"),
        "floats": (7, "*float"),
        "ints": (8, "*int64"),
        "type": (20, "int32"),
    },
    "TensorProto": {
        "dims": (1, "*int64"),
        "data_type": (2, "int32"),
        "float_data": (4, "*float"),
        "int32_data": (5, "*int32"),
        "int64_data": (7, "*int64"),
        "name": (8, "string"),
        "raw_data": (9, "bytes"),
        "double_data": (10, "*double"),
        "external_data": (13, "*StringEntry"),
        "data_location": (14, "int32"),
    },
    "StringEntry": {"key": (1, "string"), "value": (2, "string")},
    "ValueInfo": {"name": (1, "string"), "type": (2, "TypeProto")},
    "TypeProto": {"tensor_type": (1, "TensorType")},
    "TensorType": {"elem_type": (1, "int32"), "shape": (2, "Shape")},
    "Shape": {"dim": (1, "*Dimension")},
    "Dimension": {"dim_value": (1, "int64"), "dim_param": (2, "string")},
}
"""Field numbers and kinds; a star is for lists."""

_NUMBERS = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8", 16: "<u2"}
"""numpy's kinds for ONNX's data types; 16 is bfloat16, of which numpy knows the bits."""
_HALF, _BFLOAT = 10, 16


def _array(tensor: Any, path: Path) -> np.ndarray:
    """A tensor's values: float32 for all that is not whole numbers."""
    kind, shape = tensor.data_type, tuple(tensor.dims)
    if kind not in _NUMBERS:
        raise GraphError(_("its weights are of a kind that is not known here ({kind})").format(kind=kind))
    if any(each < 0 for each in shape) or len(shape) > 8:
        raise parts_misfit()
    count = 1
    for each in shape:
        count *= each
    numbers = np.dtype(_NUMBERS[kind])
    if tensor.data_location == 1:
        values = _external(tensor, path, count, numbers)
    elif tensor.raw_data:
        values = np.frombuffer(tensor.raw_data, numbers)
    elif kind in (_HALF, _BFLOAT):
        values = np.array(tensor.int32_data, np.int64).astype(np.uint16).view(numbers)
    else:
        lists = {1: tensor.float_data, 7: tensor.int64_data, 11: tensor.double_data}
        values = np.array(lists.get(kind, tensor.int32_data), numbers)
    if values.size != count:
        raise parts_misfit()
    if kind == _BFLOAT:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return (values if values.dtype.kind in "iub" else values.astype(np.float32)).reshape(shape)


def _external(tensor: Any, path: Path, count: int, numbers: np.dtype[Any]) -> np.ndarray:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    target = _beside(path, entries.get("location", ""))
    offset, wanted = int(entries.get("offset", "0")), count * numbers.itemsize
    try:
        if not 0 <= offset <= target.stat().st_size - wanted:
            raise GraphError(_("its weights in {name} are cut short").format(name=target.name))
        with target.open("rb") as file:
            file.seek(offset)
            return np.frombuffer(file.read(wanted), numbers)
    except OSError as error:
        raise GraphError(_("its weights in {name} are missing").format(name=target.name)) from error


_Value = int | np.ndarray
"""The number of a value in the graph, or a constant."""


class _OnnxOperators:
    """Reads operators that take one value and give one of the same size."""

    def __init__(self, path: Path, model: Any) -> None:
        self._path = path
        self._proto = model.graph
        self._opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=1)
        self._graph = Graph()
        self._values: dict[str, _Value] = {}

    def _check_input(self, given: Any) -> None:
        tensor = given.type.tensor_type
        sides = [each.dim_value for each in tensor.shape.dim]
        if tensor.elem_type not in (0, 1, _HALF, 11, _BFLOAT):
            raise GraphError(_("it takes whole numbers, and not values from 0 to 1"))
        if sides and len(sides) != 4:
            raise GraphError(_("it does not take one picture of three channels"))
        if sides and sides[1] not in (0, 3):
            raise GraphError(
                ngettext(
                    "it takes {count} channel and not three", "it takes {count} channels and not three", int(sides[1])
                ).format(count=sides[1])
            )

    def _read_node(self, node: Any) -> None:
        operator = node.op_type
        read: Callable[[_Node], list[_Value] | _Value] | None = getattr(self, f"_{operator.lower()}", None)
        if read is None or operator not in OPERATORS or node.domain not in ("", "ai.onnx"):
            raise GraphError(
                _("it has an operator “{operator}”, which is not known here").format(operator=operator[:60])
            )
        inputs = [self._values[name] if name else None for name in node.input]
        attributes = {each.name: _attribute(each, self._path) for each in node.attribute}
        results = read(_Node(operator, inputs, attributes, len(node.output)))
        each_result: list[_Value] = list(results) if isinstance(results, list) else [results]
        # What a Dropout or a pool gives beside its result is not asked for.
        self._values.update(zip(node.output, each_result, strict=False))

    def _channels(self, value: int) -> int:
        return self._graph.layers[value].channels

    def _affine(self, x: int, factor: Any, shift: Any) -> int:
        count = self._channels(x)
        weight, bias = (np.broadcast_to(np.asarray(each, np.float32), count).copy() for each in (factor, shift))
        return self._graph.add("affine", x, weight=weight, bias=bias)

    # Constants, and what changes nothing.

    def _constant(self, node: _Node) -> _Value:
        for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
            if name in node.attributes:
                return np.asarray(node.attributes[name])
        raise odd_options("Constant")

    def _identity(self, node: _Node) -> _Value:
        found = node.inputs[0]
        assert found is not None
        return found

    _dropout = _identity

    def _cast(self, node: _Node) -> _Value:
        if node.attributes.get("to") not in (1, _HALF, 11, _BFLOAT, 6, 7):
            raise odd_options("Cast")
        if node.attributes["to"] in (6, 7) and isinstance(node.inputs[0], int):
            raise odd_options("Cast")
        return self._identity(node)

    # Convolutions.

    def _conv(self, node: _Node) -> int:
        x, weight, bias = self._weighted(node, 0)
        kernel = weight.shape[2:]
        dilation = _one(node.attributes.get("dilations", [1]))
        sides = _sides(node, kernel, dilation)
        groups = int(node.attributes.get("group", 1))
        stride = _one(node.attributes.get("strides", [1]))
        return self._graph.add(
            "convolution",
            x,
            channels=weight.shape[0],
            weight=weight,
            bias=bias,
            stride=stride,
            dilation=dilation,
            groups=groups,
            sides=sides,
        )

    def _convtranspose(self, node: _Node) -> int:
        groups = int(node.attributes.get("group", 1))
        x, weight, bias = self._weighted(node, 1, groups)
        if _one(node.attributes.get("dilations", [1])) != 1 or any(node.attributes.get("output_shape", [])):
            raise own_size("ConvTranspose")
        top, left, bottom, right = _sides(node, weight.shape[2:], 1)
        down, beside = (int(each) for each in node.attributes.get("output_padding", [0, 0]))
        if min(bottom - down, right - beside) < 0:
            raise odd_options("ConvTranspose")
        return self._graph.add(
            "deconvolution",
            x,
            channels=weight.shape[1] * groups,
            weight=weight,
            bias=bias,
            stride=_one(node.attributes.get("strides", [1])),
            groups=groups,
            sides=(top, left, bottom - down, right - beside),
        )

    def _weighted(self, node: _Node, out: int, groups: int = 1) -> tuple[int, np.ndarray, np.ndarray]:
        x, weight = node.value(0), node.constant(1)
        bias = node.constant(2) if node.has(2) else np.zeros(weight.shape[out] * groups, np.float32)
        if weight.ndim != 4 or weight.dtype.kind != "f":
            raise unfit_weights(node.operator)
        return x, weight, bias

    def _batchnormalization(self, node: _Node) -> int:
        scale, bias, mean, variance = (node.constant(index) for index in (1, 2, 3, 4))
        factor = scale / np.sqrt(np.maximum(variance + np.float32(node.attributes.get("epsilon", 1e-5)), 1e-30))
        return self._affine(node.value(0), factor, bias - mean * factor)

    # What is done to each value by itself.

    def _leaky(self, x: int, slope: float) -> int:
        return self._graph.add("prelu", x, weight=np.full(self._channels(x), slope, np.float32))

    def _relu(self, node: _Node) -> int:
        return self._leaky(node.value(0), 0.0)

    def _leakyrelu(self, node: _Node) -> int:
        return self._leaky(node.value(0), float(node.attributes.get("alpha", 0.01)))

    def _prelu(self, node: _Node) -> int:
        x = node.value(0)
        return self._graph.add("prelu", x, weight=_per_channel(node.constant(1), self._channels(x)))

    def _clip(self, node: _Node) -> int:
        low, high = (
            float(node.constant(index).reshape(-1)[0])
            if node.has(index)
            else float(node.attributes.get(name, otherwise))
            for index, name, otherwise in ((1, "min", -np.inf), (2, "max", np.inf))
        )
        return self._graph.add("clip", node.value(0), low=low, high=high)

    def _sigmoid(self, node: _Node) -> int:
        return self._graph.add("sigmoid", node.value(0))

    def _tanh(self, node: _Node) -> int:
        return self._graph.add("tanh", node.value(0))

    def _mish(self, node: _Node) -> int:
        return self._graph.add("mish", node.value(0))

    def _abs(self, node: _Node) -> int:
        return self._graph.add("abs", node.value(0))

    def _exp(self, node: _Node) -> int:
        return self._graph.add("exp", node.value(0))

    def _sqrt(self, node: _Node) -> int:
        return self._graph.add("sqrt", node.value(0))

    def _hardswish(self, node: _Node) -> int:
        return self._graph.add("hardswish", node.value(0))

    def _gelu(self, node: _Node) -> int:
        if node.attributes.get("approximate", b"none") != b"none":
            raise odd_options("Gelu")
        return self._graph.add("gelu", node.value(0))

    def _elu(self, node: _Node) -> int:
        if float(node.attributes.get("alpha", 1.0)) != 1:
            raise odd_options("Elu")
        return self._graph.add("elu", node.value(0))

    def _hardsigmoid(self, node: _Node) -> int:
        factor, shift = float(node.attributes.get("alpha", 0.2)), float(node.attributes.get("beta", 0.5))
        return self._graph.add("clip", self._affine(node.value(0), factor, shift), low=0.0, high=1.0)

    def _neg(self, node: _Node) -> int:
        return self._affine(node.value(0), -1, 0)

    def _pow(self, node: _Node) -> int:
        x, power = node.value(0), node.constant(1)
        if power.size != 1 or float(power.reshape(-1)[0]) not in (2.0, 0.5):
            raise odd_options("Pow")
        return self._graph.add("multiply", x, x) if float(power.reshape(-1)[0]) == 2 else self._graph.add("sqrt", x)


class _OnnxReader(_OnnxOperators):
    """Reads all operators, node by node."""

    def read(self) -> Graph:
        if len(self._proto.node) > MAX_NODES:
            raise parts_misfit()
        self._values = {each.name: _array(each, self._path) for each in self._proto.initializer}
        inputs = [each for each in self._proto.input if each.name not in self._values]
        if len(inputs) != 1 or len(self._proto.output) != 1:
            raise GraphError(_("it does not make one picture of one picture"))
        self._check_input(inputs[0])
        self._values[inputs[0].name] = self._graph.add("input", channels=3)
        for node in self._proto.node:
            self._read_node(node)
        result = self._values[self._proto.output[0].name]
        if not isinstance(result, int):
            raise parts_misfit()
        if result != len(self._graph.layers) - 1:
            # Whatever was computed behind it leads nowhere.
            self._affine(result, 1, 0)
        return self._graph

    # What brings values together.

    def _add(self, node: _Node) -> _Value:
        return self._of_two(node, "add", np.add)

    def _sub(self, node: _Node) -> _Value:
        first, second = node.inputs[:2]
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
            return np.asarray(first - second)
        if isinstance(second, np.ndarray):
            return self._with_constant("add", node.value(0), -second)
        turned = self._affine(node.value(1), -1, 0)
        if isinstance(first, np.ndarray):
            return self._with_constant("add", turned, first)
        return self._two("add", node.value(0), turned)

    def _mul(self, node: _Node) -> _Value:
        return self._of_two(node, "multiply", np.multiply)

    def _div(self, node: _Node) -> _Value:
        first, second = node.inputs[:2]
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
            return np.asarray(first / second if first.dtype.kind == "f" else first // second)
        if isinstance(second, np.ndarray):
            if not np.all(second):
                raise odd_constants("Div")
            return self._with_constant("multiply", node.value(0), 1 / second.astype(np.float32))
        if isinstance(first, np.ndarray):
            raise odd_constants("Div")
        return self._graph.add("divide", node.value(0), node.value(1))

    def _max(self, node: _Node) -> _Value:
        return self._of_two(node, "maximum", np.maximum)

    def _min(self, node: _Node) -> _Value:
        return self._of_two(node, "minimum", np.minimum)

    def _of_two(self, node: _Node, kind: Any, constants: Any) -> _Value:
        if len(node.inputs) != 2:
            raise odd_options(node.operator)
        first, second = node.inputs
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
            return np.asarray(constants(first, second))
        if isinstance(second, np.ndarray):
            return self._with_constant(kind, node.value(0), second)
        if isinstance(first, np.ndarray):
            return self._with_constant(kind, node.value(1), first)
        return self._two(kind, node.value(0), node.value(1))

    def _two(self, kind: Any, first: int, second: int) -> int:
        # Only the second of two may be one value a channel.
        if self._graph.layers[first].kind in ("mean", "sigmoid", "clip") and self._is_vector(first):
            first, second = second, first
        return self._graph.add(kind, first, second)

    def _is_vector(self, value: int) -> bool:
        layer = self._graph.layers[value]
        return layer.kind == "mean" or (bool(layer.inputs) and all(self._is_vector(each) for each in layer.inputs))

    def _with_constant(self, kind: str, x: int, constant: np.ndarray) -> int:
        values = _per_channel(constant, self._channels(x))
        if kind == "add":
            return self._affine(x, 1, values)
        if kind == "multiply":
            return self._affine(x, values, 0)
        if values.min() != values.max():
            raise odd_constants("Max, Min")
        end: dict[str, Any] = {"low" if kind == "maximum" else "high": float(values.max())}
        return self._graph.add("clip", x, **end)

    def _concat(self, node: _Node) -> _Value:
        axis = int(node.attributes.get("axis", 1))
        if all(isinstance(each, np.ndarray) for each in node.inputs):
            return np.concatenate([np.atleast_1d(node.constant(index)) for index in range(len(node.inputs))], axis)
        if axis not in (1, -3):
            raise odd_options("Concat")
        values = [node.value(index) for index in range(len(node.inputs))]
        if len(values) == 1:
            return values[0]
        return self._graph.add("concat", *values, channels=sum(self._channels(each) for each in values))

    def _split(self, node: _Node) -> list[_Value]:
        x = node.value(0)
        if int(node.attributes.get("axis", 0)) not in (1, -3):
            raise odd_options("Split")
        whole = self._channels(x)
        sizes = [int(each) for each in (node.constant(1) if node.has(1) else node.attributes.get("split", []))]
        if not sizes:
            share = -(-whole // node.outputs)
            sizes = [min(share, whole - share * index) for index in range(node.outputs)]
        found: list[_Value] = []
        first = 0
        for size in sizes:
            found.append(self._graph.add("slice", x, channels=size, first=first))
            first += size
        return found

    def _slice(self, node: _Node) -> _Value:
        names = ("starts", "ends", "axes", "steps")
        given = [
            node.constant(index + 1).reshape(-1).tolist() if node.has(index + 1) else node.attributes.get(name)
            for index, name in enumerate(names)
        ]
        starts, ends, axes, steps = given
        if starts is None or ends is None or any(each != 1 for each in steps or ()):
            raise odd_options("Slice")
        if isinstance(node.inputs[0], np.ndarray):
            found = node.inputs[0]
            for start, end, axis in zip(starts, ends, axes or range(len(starts)), strict=True):
                found = found[(slice(None),) * (int(axis) % found.ndim) + (slice(int(start), int(end)),)]
            return found
        x = node.value(0)
        for start, end, axis in zip(starts, ends, axes or range(len(starts)), strict=True):
            x = self._cut(x, int(start), int(end), int(axis) % 4)
        return x

    def _cut(self, x: int, start: int, end: int, axis: int) -> int:
        if axis == 1:
            first, last, _step = slice(start, end).indices(self._channels(x))
            return self._graph.add("slice", x, channels=last - first, first=first)
        if axis not in (2, 3) or start < 0 or (end >= 0 and end < 2**31 - 1):
            raise own_size("Slice")
        rest = 0 if end >= 0 else -end
        sides = (start, 0, rest, 0) if axis == 2 else (0, start, 0, rest)
        return x if not any(sides) else self._graph.add("crop", x, sides=sides)

    # What changes sizes.

    def _depthtospace(self, node: _Node) -> int:
        x, factor = node.value(0), int(node.attributes.get("blocksize", 0))
        channels = self._channels(x) // max(1, factor**2)
        if node.attributes.get("mode", b"DCR") != b"CRD":
            x = self._permuted(x, np.arange(factor**2 * channels).reshape(factor**2, channels).T.reshape(-1))
        return self._graph.add("shuffle", x, channels=channels, factor=Fraction(factor))

    def _spacetodepth(self, node: _Node) -> int:
        x, factor = node.value(0), int(node.attributes.get("blocksize", 0))
        channels = self._channels(x)
        y = self._graph.add("unshuffle", x, channels=channels * factor**2, factor=Fraction(factor))
        return self._permuted(y, np.arange(factor**2 * channels).reshape(channels, factor**2).T.reshape(-1))

    def _permuted(self, x: int, order: np.ndarray) -> int:
        """Channels in another order."""
        if order.size != self._channels(x) or order.size > 4096:
            raise unfit_weights("DepthToSpace")
        if np.array_equal(order, np.arange(order.size)):
            return x
        weight = np.eye(order.size, dtype=np.float32)[order][..., None, None]
        return self._graph.add("convolution", x, weight=weight, bias=np.zeros(order.size, np.float32))

    def _resize(self, node: _Node) -> int:
        x = node.value(0)
        scales = node.constant(2) if node.has(2) and np.size(node.constant(2)) else None
        if self._opset < 11 and node.has(1):
            scales = node.constant(1)
        return self._resized(node, x, scales)

    def _upsample(self, node: _Node) -> int:
        scales = node.constant(1) if node.has(1) else np.array(node.attributes.get("scales", []), np.float32)
        return self._resized(node, node.value(0), scales)

    def _resized(self, node: _Node, x: int, scales: np.ndarray | None) -> int:
        if scales is None or scales.size not in (2, 4):
            raise own_size("Resize")
        wanted = [float(each) for each in scales.reshape(-1)]
        factor = Fraction(wanted[-1]).limit_denominator(64)
        if wanted[:-2] not in ([], [1, 1]) or wanted[-1] != wanted[-2] or abs(float(factor) - wanted[-1]) > 1e-6:
            raise odd_options("Resize")
        mode = bytes(node.attributes.get("mode", b"nearest")).decode("ascii", "replace")
        how = node.attributes.get(
            "coordinate_transformation_mode", b"half_pixel" if self._opset > 10 else b"asymmetric"
        )
        if node.attributes.get("antialias", 0) or node.attributes.get("exclude_outside", 0):
            raise odd_options("Resize")
        if factor == 1:
            return x
        if mode == "nearest":
            # All kinds agree where a whole number of pixels comes of each.
            floor = node.attributes.get("nearest_mode", b"round_prefer_floor") == b"floor"
            if factor.denominator != 1 or (how == b"asymmetric" and self._opset > 10 and not floor):
                raise odd_options("Resize")
            return self._graph.add("nearest", x, factor=factor)
        cubic = float(node.attributes.get("cubic_coeff_a", -0.75))
        kinds: dict[str, Any] = {"linear": "bilinear", "cubic": "bicubic"}
        if (
            mode not in kinds
            or how not in (b"half_pixel", b"pytorch_half_pixel")
            or (mode == "cubic" and cubic != -0.75)
        ):
            raise odd_options("Resize")
        return self._graph.add(kinds[mode], x, factor=factor)

    def _globalaveragepool(self, node: _Node) -> int:
        return self._graph.add("mean", node.value(0))

    def _reducemean(self, node: _Node) -> int:
        axes = node.constant(1).reshape(-1).tolist() if node.has(1) else node.attributes.get("axes", [])
        if sorted(int(each) % 4 for each in axes) != [2, 3] or not node.attributes.get("keepdims", 1):
            raise odd_options("ReduceMean")
        return self._graph.add("mean", node.value(0))

    def _averagepool(self, node: _Node) -> int:
        return self._pooled(node, "average_pool")

    def _maxpool(self, node: _Node) -> int:
        return self._pooled(node, "max_pool")

    def _pooled(self, node: _Node, kind: Any) -> int:
        window = _one(node.attributes["kernel_shape"])
        sides = _sides(node, (window, window), 1)
        inside = node.attributes.get("count_include_pad", 0) and any(sides)
        if inside or node.attributes.get("ceil_mode", 0) or _one(node.attributes.get("dilations", [1])) != 1:
            raise odd_options(node.operator)
        stride = _one(node.attributes.get("strides", [1]))
        return self._graph.add(kind, node.value(0), window=window, stride=stride, sides=sides)

    def _pad(self, node: _Node) -> int:
        x = node.value(0)
        pads = node.constant(1).reshape(-1).tolist() if node.has(1) else node.attributes.get("pads", [])
        fills = {b"constant": "constant", b"reflect": "reflect", b"edge": "replicate"}
        fill = fills.get(node.attributes.get("mode", b"constant"))
        value = node.constant(2) if node.has(2) else np.float32(node.attributes.get("value", 0.0))
        if fill is None or len(pads) != 8 or any(pads[:2]) or any(pads[4:6]) or np.any(value) or node.has(3):
            raise odd_options("Pad")
        top, left, bottom, right = (int(pads[index]) for index in (2, 3, 6, 7))
        if max(top, left, bottom, right) <= 0:
            cut = (-top, -left, -bottom, -right)
            return x if not any(cut) else self._graph.add("crop", x, sides=cut)
        return self._graph.add("pad", x, sides=(top, left, bottom, right), fill=fill)


# fmt: off
OPERATORS = frozenset((
    "Constant", "Identity", "Dropout", "Cast", "Conv", "ConvTranspose", "BatchNormalization", "Relu", "LeakyRelu",
    "PRelu", "Clip", "Sigmoid", "Tanh", "Mish", "Abs", "Exp", "Sqrt", "HardSwish", "HardSigmoid", "Gelu", "Elu",
    "Neg", "Pow", "Add", "Sub", "Mul", "Div", "Max", "Min", "Concat", "Split", "Slice", "DepthToSpace",
    "SpaceToDepth", "Resize", "Upsample", "GlobalAveragePool", "ReduceMean", "AveragePool", "MaxPool", "Pad",
))
# fmt: on


class _Node:
    """An operator with what it is given."""

    def __init__(
        self, operator: str, inputs: Sequence[_Value | None], attributes: dict[str, Any], outputs: int
    ) -> None:
        self.operator = operator
        self.inputs = inputs
        self.attributes = attributes
        self.outputs = outputs

    def has(self, index: int) -> bool:
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> int:
        found = self.inputs[index]
        if not isinstance(found, int):
            raise odd_constants(self.operator)
        return found

    def constant(self, index: int) -> np.ndarray:
        found = self.inputs[index]
        if not isinstance(found, np.ndarray):
            raise odd_constants(self.operator)
        return found


def _attribute(attribute: Any, path: Path) -> Any:
    kinds: dict[int, Callable[[], Any]] = {
        1: lambda: attribute.f,
        2: lambda: attribute.i,
        3: lambda: attribute.s,
        4: lambda: _array(attribute.t, path),
        6: lambda: list(attribute.floats),
        7: lambda: list(attribute.ints),
    }
    # Others belong to operators that are refused.
    return kinds.get(attribute.type, lambda: None)()


def _one(values: Sequence[int]) -> int:
    """A number for both directions, which have to agree here."""
    if len(set(values)) != 1:
        raise GraphError(_("it treats width and height differently"))
    return int(values[0])


def _sides(node: _Node, kernel: Sequence[int], dilation: int) -> tuple[int, int, int, int]:
    how = node.attributes.get("auto_pad", b"NOTSET")
    if how in (b"SAME_UPPER", b"SAME_LOWER"):
        high, wide = ((each - 1) * dilation for each in kernel)
        if high % 2 or wide % 2 or node.operator == "ConvTranspose" or max(node.attributes.get("strides", [1])) > 1:
            raise odd_options(node.operator)
        return high // 2, wide // 2, high // 2, wide // 2
    pads = [int(each) for each in node.attributes.get("pads", [0] * 4)] if how == b"NOTSET" else [0] * 4
    top, left, bottom, right = pads
    return top, left, bottom, right


def _per_channel(constant: np.ndarray, count: int) -> np.ndarray:
    values = np.asarray(constant, np.float32)
    plain = values.size == 1 or (values.ndim in (3, 4) and values.shape[-2:] == (1, 1))
    if not plain or values.size not in (1, count):
        raise odd_constants("Add, Mul")
    return np.broadcast_to(values.reshape(-1), count).astype(np.float32)
