"""Models of ncnn, a `.param` that lists layers beside a `.bin` with their weights, as plain graphs. Plain.

The format is ncnn's own (its wiki, "param and model file structure", and the `load_param` of each layer). Neither file
is trusted: sizes are bounded, and what cannot be read here is refused by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from core.contract.errors import UserError
from core.language import gettext as _
from core.models.graph import (
    Graph,
    GraphError,
    Sides,
    check_graph,
    odd_constants,
    odd_options,
    own_size,
    parts_misfit,
    unfit_weights,
)

MAGIC = b"7767517"
"""How a `.param` begins."""
MAX_PARAM_BYTES = 16 << 20
MAX_BIN_BYTES = 2 << 30
MAX_LAYERS = 1 << 16

_FP16 = 0x01306B47
_FP32 = (0, 0x0002C056)
_INT8 = 0x000D4B38
"""What a block of weights begins with: how its numbers are stored."""
_ELSEWHERE = _("Get the model as .safetensors or .pth, or as ncnn files with weights of 16 or 32 bits.")


def param_of(path: Path) -> Path | None:
    """The `.param` of a pair, given either file; None where this is something else."""
    for each in (path, path.with_suffix(".param")):
        try:
            with each.open("rb") as file:
                if file.read(len(MAGIC)) == MAGIC:
                    return each
        except OSError:
            continue
        if path.suffix.lower() != ".bin":
            break
    return None


def bin_of(param: Path) -> Path:
    """The file of weights that belongs to a `.param`."""
    found = [param.with_suffix(suffix) for suffix in (".bin", ".BIN")]
    return next((each for each in found if each.is_file()), found[0])


def read_ncnn(path: Path) -> Graph:
    """Read a pair of ncnn's files.

    Args:
        path: of either.

    Raises:
        UserError: one is missing, damaged, or too large; or the network has layers or weights that are not known here.
    """
    param = param_of(path) or path
    binary = bin_of(param)
    if not binary.is_file():
        raise UserError(
            _("{name} describes a network for ncnn, and its weights are not beside it.").format(name=param.name),
            _("Put {name} into the same folder.").format(name=binary.name),
        )
    try:
        if param.stat().st_size > MAX_PARAM_BYTES or binary.stat().st_size > MAX_BIN_BYTES:
            raise UserError(
                _("{name} or its weights are too large.").format(name=param.name),
                _("That is not an upscaler; choose another file."),
            )
        text = param.read_bytes().decode("ascii")
        weights = _Weights(binary.read_bytes())
    except OSError as error:
        raise UserError(
            _("{param} cannot be read: {strerror}.").format(param=param, strerror=error.strerror),
            _("Check the files and their permissions."),
        ) from error
    except UnicodeDecodeError as error:
        raise _damaged(param) from error
    try:
        graph = check_graph(_NcnnReader(weights).read(text))
        weights.check_end()
        return graph
    except GraphError as error:
        raise UserError(
            _("{name} cannot be used: {error}.").format(name=param.name, error=error), _ELSEWHERE
        ) from error
    except (ValueError, KeyError, IndexError, ArithmeticError, AttributeError, TypeError) as error:
        raise _damaged(param) from error


def _damaged(param: Path) -> UserError:
    return UserError(
        _("{name} was not opened: it, or its .bin, is damaged or cut short.").format(name=param.name),
        _("Fetch both files again."),
    )


def _stored_as_integers(layer: str) -> GraphError:
    return GraphError(_("the weights of {layer} are stored as integers of 8 bits").format(layer=layer))


class _Weights:
    """The bytes of a `.bin`, taken from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def plain(self, count: int) -> np.ndarray:
        """So many float32."""
        return self._take(count, np.dtype("<f4"))

    def marked(self, count: int, what: str) -> np.ndarray:
        """So many numbers, behind four bytes that say how they are stored."""
        mark = int(self._take(1, np.dtype("<u4"), exact=True)[0])
        if mark in _FP32:
            return self.plain(count)
        if mark == _FP16:
            return self._take(count, np.dtype("<f2"))
        if mark == _INT8:
            raise _stored_as_integers(what)
        raise GraphError(_("the weights of {layer} are stored as a table of 256 values (quantised)").format(layer=what))

    def check_end(self) -> None:
        """Make sure that there are no weights left, as there would be if a layer had been read wrongly."""
        if len(self._data) - self._at >= 4:
            raise GraphError(_("its .bin holds more weights than its layers take, so the two do not belong together"))

    def _take(self, count: int, kind: np.dtype[Any], *, exact: bool = False) -> np.ndarray:
        if not 0 < count <= (len(self._data) - self._at) // kind.itemsize:
            raise GraphError(_("its .bin holds fewer weights than its layers take"))
        values = np.frombuffer(self._data, kind, count, self._at)
        self._at += -(-values.nbytes // 4) * 4
        return values if exact else values.astype(np.float32)


Options = Mapping[int, Any]
_Blob = int | np.ndarray
"""The number of a value in the graph, or a constant of C or C x H x W."""


class _NcnnLayers:
    """Reads layers that take one value and give one of the same size."""

    def __init__(self, weights: _Weights) -> None:
        self._weights = weights
        self._graph = Graph()
        self._blobs: dict[str, _Blob] = {}
        self._vectors: set[int] = set()
        """Values of C x 1 x 1, which ncnn has as plain rows of numbers."""

    def _value(self, blob: _Blob, kind: str) -> int:
        if not isinstance(blob, int):
            raise odd_constants(kind)
        return blob

    def _channels(self, value: int) -> int:
        return self._graph.layers[value].channels

    def _add(self, kind: Any, *inputs: int, **options: Any) -> int:
        number = self._graph.add(kind, *inputs, **options)
        if kind == "mean" or (inputs and all(each in self._vectors for each in inputs)):
            self._vectors.add(number)
        return number

    def _affine(self, x: int, factor: Any, shift: Any) -> int:
        count = self._channels(x)
        weight, bias = (np.broadcast_to(np.asarray(each, np.float32), count).copy() for each in (factor, shift))
        return self._add("affine", x, weight=weight, bias=bias)

    def _input(self) -> int:
        return self._add("input", channels=3)

    def _memory(self, options: Options) -> np.ndarray:
        width, height, channels = (int(options.get(key, 0)) for key in (0, 1, 2))
        shape = [each for each in (channels, height, width) if each]
        count = int(np.prod(shape, dtype=np.int64))
        values = self._weights.plain(count) if options.get(21, 1) == 1 else self._weights.marked(count, "MemoryData")
        return values.reshape(shape)

    # Convolutions.

    def _convolution(self, x: int, options: Options) -> int:
        if options.get(19, 0) or options.get(18, 0.0):
            raise odd_options("Convolution")
        kernel, sides = _kernel_of(options)
        stride, dilation = _both(options, 3, 13, 1), _both(options, 2, 12, 1)
        out, groups = int(options[0]), int(options.get(7, 1))
        inputs = self._channels(x)
        weight = self._kernels(options, (out, inputs // max(1, groups), *kernel), "Convolution")
        bias = self._weights.plain(out) if options.get(5, 0) else np.zeros(out, np.float32)
        if sides is None:
            sides = _same(kernel, dilation)
        y = self._add(
            "convolution",
            x,
            channels=out,
            weight=weight,
            bias=bias,
            stride=stride,
            dilation=dilation,
            groups=groups,
            sides=sides,
        )
        return self._activated(y, options)

    _convolutiondepthwise = _convolution

    def _deconvolution(self, x: int, options: Options) -> int:
        if any(options.get(key, 0) for key in (18, 19, 20, 21)) or options.get(28, 0):
            raise own_size("Deconvolution")
        kernel, sides = _kernel_of(options)
        if _both(options, 2, 12, 1) != 1 or sides is None:
            raise odd_options("Deconvolution")
        out, groups = int(options[0]), max(1, int(options.get(7, 1)))
        inputs = self._channels(x)
        weight = self._kernels(options, (out, inputs // groups, *kernel), "Deconvolution")
        bias = self._weights.plain(out) if options.get(5, 0) else np.zeros(out, np.float32)
        # ncnn has the weights of a group by what they give, torch by what they take.
        grouped = weight.reshape(groups, out // groups, inputs // groups, *kernel).swapaxes(1, 2)
        turned = np.ascontiguousarray(grouped).reshape(inputs, out // groups, *kernel)
        y = self._add(
            "deconvolution",
            x,
            channels=out,
            weight=turned,
            bias=bias,
            stride=_both(options, 3, 13, 1),
            groups=groups,
            sides=sides,
        )
        return self._activated(y, options)

    _deconvolutiondepthwise = _deconvolution

    def _innerproduct(self, x: int, options: Options) -> int:
        if x not in self._vectors:
            raise own_size("InnerProduct")
        out, inputs = int(options[0]), self._channels(x)
        if options.get(8, 0):
            raise _stored_as_integers("InnerProduct")
        if int(options[2]) != out * inputs:
            raise unfit_weights("InnerProduct")
        weight = self._weights.marked(out * inputs, "InnerProduct").reshape(out, inputs, 1, 1)
        bias = self._weights.plain(out) if options.get(1, 0) else np.zeros(out, np.float32)
        return self._activated(self._add("convolution", x, channels=out, weight=weight, bias=bias), options)

    def _kernels(self, options: Options, shape: tuple[int, ...], what: str) -> np.ndarray:
        if options.get(8, 0):
            raise _stored_as_integers(what)
        count = int(options[6])
        if min(shape) < 1 or count != int(np.prod(shape, dtype=np.int64)):
            raise unfit_weights(what)
        return self._weights.marked(count, what).reshape(shape)

    def _activated(self, y: int, options: Options) -> int:
        kind, values = int(options.get(9, 0)), np.asarray(options.get(10, []), np.float64).reshape(-1)
        match kind:
            case 0:
                return y
            case 1:
                return self._leaky(y, 0.0)
            case 2:
                return self._leaky(y, float(values[0]))
            case 3:
                return self._add("clip", y, low=float(values[0]), high=float(values[1]))
            case 4:
                return self._add("sigmoid", y)
            case 5:
                return self._add("mish", y)
            case 6:
                return self._hardswish(y, {0: values[0], 1: values[1]})
        raise odd_options(f"activation {kind}")

    # What is done to each value by itself.

    def _leaky(self, x: int, slope: float) -> int:
        return self._add("prelu", x, weight=np.full(self._channels(x), slope, np.float32))

    def _relu(self, x: int, options: Options) -> int:
        return self._leaky(x, float(options.get(0, 0.0)))

    def _prelu(self, x: int, options: Options) -> int:
        slopes = self._weights.plain(int(options[0]))
        return self._add("prelu", x, weight=np.broadcast_to(slopes, self._channels(x)).copy())

    def _clip(self, x: int, options: Options) -> int:
        return self._add("clip", x, low=float(options.get(0, -np.inf)), high=float(options.get(1, np.inf)))

    def _sigmoid(self, x: int, _options: Options) -> int:
        return self._add("sigmoid", x)

    def _tanh(self, x: int, _options: Options) -> int:
        return self._add("tanh", x)

    def _swish(self, x: int, _options: Options) -> int:
        return self._add("silu", x)

    def _mish(self, x: int, _options: Options) -> int:
        return self._add("mish", x)

    def _gelu(self, x: int, _options: Options) -> int:
        return self._add("gelu", x)

    def _elu(self, x: int, options: Options) -> int:
        if float(options.get(0, 0.1)) != 1:
            raise odd_options("ELU")
        return self._add("elu", x)

    def _hardsigmoid(self, x: int, options: Options) -> int:
        factor, shift = float(options.get(0, 0.2)), float(options.get(1, 0.5))
        return self._add("clip", self._affine(x, factor, shift), low=0.0, high=1.0)

    def _hardswish(self, x: int, options: Options) -> int:
        return self._add("multiply", x, self._hardsigmoid(x, options))

    def _scale(self, x: int, options: Options) -> int:
        count = int(options[0])
        if count != self._channels(x):
            raise unfit_weights("Scale")
        factor = self._weights.plain(count)
        return self._affine(x, factor, self._weights.plain(count) if options.get(1, 0) else 0)

    def _bias(self, x: int, options: Options) -> int:
        return self._affine(x, 1, self._weights.plain(int(options[0])))

    def _batchnorm(self, x: int, options: Options) -> int:
        count = int(options[0])
        slope, mean, variance, bias = (self._weights.plain(count) for _ in range(4))
        factor = slope / np.sqrt(np.maximum(variance + np.float32(options.get(1, 0.0)), 1e-30))
        return self._affine(x, factor, bias - mean * factor)

    def _unaryop(self, x: int, options: Options) -> int:
        kind = int(options.get(0, 0))
        if kind == 1:
            return self._affine(x, -1, 0)
        if kind == 4:
            return self._add("multiply", x, x)
        if kind not in (0, 5, 7, 16):
            raise odd_options(f"UnaryOp {kind}")
        return self._add({0: "abs", 5: "sqrt", 7: "exp", 16: "tanh"}[kind], x)


_TURNED = {7: 1, 8: 3}
"""BinaryOp's differences and quotients of the second by the first, and the kinds that they are turned round."""


class _NcnnReader(_NcnnLayers):
    """Reads all layers, line by line."""

    def read(self, text: str) -> Graph:
        lines = [line.split() for line in text.splitlines() if line.strip()]
        if not lines or lines[0] != [MAGIC.decode()]:
            raise GraphError(_("its .param is damaged or cut short"))
        count = int(lines[1][0])
        if count != len(lines) - 2 or count > MAX_LAYERS:
            raise GraphError(_("its .param is damaged or cut short"))
        last: _Blob = 0
        for kind, name, inputs, outputs, *rest in lines[2:]:
            taken, given = int(inputs), int(outputs)
            if taken < 0 or given < 1 or taken + given > len(rest):
                raise GraphError(_("its .param is damaged or cut short"))
            blobs = [self._blobs[each] for each in rest[:taken]]
            options = _options(rest[taken + given :])
            results = self._layer(kind, name, blobs, options, given)
            self._blobs.update(zip(rest[taken : taken + given], results, strict=True))
            last = results[-1]
        if not isinstance(last, int) or last != len(self._graph.layers) - 1:
            raise parts_misfit()
        return self._graph

    def _layer(self, kind: str, name: str, blobs: list[_Blob], options: Options, outputs: int) -> list[_Blob]:
        if kind in ("Split", "Noop", "Dropout"):
            return list(blobs[:1]) * outputs
        if kind == "MemoryData":
            return [self._memory(options)]
        if kind == "Slice":
            return self._slices(self._value(blobs[0], kind), options, outputs)
        read: Callable[..., _Blob] | None = getattr(self, f"_{kind.lower()}", None)
        if read is None or kind not in LAYERS:
            raise GraphError(
                _("it has a layer “{layer}” ({name}), which is not known here").format(layer=kind, name=name)
            )
        if outputs != 1:
            raise parts_misfit()
        if kind == "Input":
            return [read()]
        if kind in ("BinaryOp", "Eltwise", "Concat"):
            return [read(blobs, options)]
        return [read(self._value(blobs[0], kind), options)]

    # What brings values together.

    def _binaryop(self, blobs: list[_Blob], options: Options) -> int:
        kind = int(options.get(0, 0))
        second: Any = np.float32(options.get(2, 0.0)) if options.get(1, 0) else blobs[1]
        first: Any = blobs[0]
        if kind in _TURNED:
            first, second, kind = second, first, _TURNED[kind]
        if kind not in (0, 1, 2, 3, 4, 5):
            raise odd_options(f"BinaryOp {kind}")
        if isinstance(first, int) and isinstance(second, int):
            return self._of_two(kind, first, second)
        return self._with_constant(kind, first, second)

    def _of_two(self, kind: int, first: int, second: int) -> int:
        if kind == 1:
            return self._of_two(0, first, self._affine(second, -1, 0))
        if first in self._vectors and second not in self._vectors:
            if kind == 3:
                raise odd_constants("BinaryOp")
            first, second = second, first
        return self._add({0: "add", 2: "multiply", 3: "divide", 4: "maximum", 5: "minimum"}[kind], first, second)

    def _with_constant(self, kind: int, first: Any, second: Any) -> int:
        x, constant, turned = (first, second, False) if isinstance(first, int) else (second, first, True)
        if not isinstance(x, int):
            raise odd_constants("BinaryOp")
        values = _per_channel(constant, self._channels(x))
        match kind:
            case 0:
                return self._affine(x, 1, values)
            case 1:
                return self._affine(x, -1, values) if turned else self._affine(x, 1, -values)
            case 2:
                return self._affine(x, values, 0)
            case 3 if not turned and np.all(values):
                return self._affine(x, 1 / values, 0)
            case 4 | 5 if values.min() == values.max():
                end = {"low" if kind == 4 else "high": float(values.max())}
                return self._add("clip", x, **end)
        raise odd_constants("BinaryOp")

    def _eltwise(self, blobs: list[_Blob], options: Options) -> int:
        kind = int(options.get(0, 0))
        values = [self._value(each, "Eltwise") for each in blobs]
        shares = options.get(1, [])
        if kind not in (0, 1, 2) or (shares and len(shares) != len(values)):
            raise odd_options(f"Eltwise {kind}")
        if kind == 1 and shares:
            values = [
                each if share == 1 else self._affine(each, share, 0) for each, share in zip(values, shares, strict=True)
            ]
        total = values[0]
        for each in values[1:]:
            total = self._of_two({0: 2, 1: 0, 2: 4}[kind], total, each)
        return total

    def _concat(self, blobs: list[_Blob], options: Options) -> int:
        if options.get(0, 0) not in (0, -3):
            raise odd_options("Concat")
        values = [self._value(each, "Concat") for each in blobs]
        if len(values) == 1:
            return values[0]
        return self._add("concat", *values, channels=sum(self._channels(each) for each in values))

    def _slices(self, x: int, options: Options, outputs: int) -> list[_Blob]:
        if options.get(1, 0) not in (0, -3):
            raise odd_options("Slice")
        sizes = [int(each) for each in options.get(0, [])]
        if len(sizes) != outputs:
            raise odd_options("Slice")
        found: list[_Blob] = []
        first, whole = 0, self._channels(x)
        for index, size in enumerate(sizes):
            # -233 is an equal share of the rest.
            count = size if size != -233 else (whole - first) // (len(sizes) - index)
            found.append(self._add("slice", x, channels=count, first=first))
            first += count
        return found

    # What changes sizes.

    def _pixelshuffle(self, x: int, options: Options) -> int:
        factor = int(options.get(0, 1))
        if options.get(1, 0):
            raise odd_options("PixelShuffle")
        return self._add("shuffle", x, channels=self._channels(x) // max(1, factor**2), factor=Fraction(factor))

    def _reorg(self, x: int, options: Options) -> int:
        factor = int(options.get(0, 1))
        if options.get(1, 0):
            raise odd_options("Reorg")
        return self._add("unshuffle", x, channels=self._channels(x) * factor**2, factor=Fraction(factor))

    def _interp(self, x: int, options: Options) -> int:
        kinds = {1: "nearest", 2: "bilinear", 3: "bicubic"}
        kind, high, wide = options.get(0, 0), float(options.get(1, 1.0)), float(options.get(2, 1.0))
        factor = Fraction(high).limit_denominator(64)
        if kind not in kinds or high != wide or abs(float(factor) - high) > 1e-6 or options.get(6, 0):
            raise odd_options("Interp")
        if any(options.get(key, 0) for key in (3, 4, 5)) or 9 in options:
            raise own_size("Interp")
        return x if factor == 1 else self._add(kinds[kind], x, factor=factor)

    def _pooling(self, x: int, options: Options) -> int:
        average = options.get(0, 0) == 1
        if options.get(7, 0):
            raise own_size("Pooling")
        if options.get(4, 0):
            if not average:
                raise own_size("Pooling")
            return self._add("mean", x)
        window = _both(options, 1, 11, 0)
        side = int(options.get(3, 0))
        if options.get(5, 0) != 1 or any(key in options for key in (13, 14, 15)) or (side and options.get(6, 0)):
            raise odd_options("Pooling")
        kind = "average_pool" if average else "max_pool"
        return self._add(kind, x, window=window, stride=_both(options, 2, 12, 1), sides=(side,) * 4)

    def _padding(self, x: int, options: Options) -> int:
        top, bottom, left, right = (int(options.get(key, 0)) for key in (0, 1, 2, 3))
        kind = int(options.get(4, 0))
        if (
            kind not in (0, 1, 2)
            or (kind == 0 and options.get(5, 0.0))
            or any(options.get(key, 0) for key in (6, 7, 8))
        ):
            raise odd_options("Padding")
        fill = ("constant", "replicate", "reflect")[kind]
        return self._add("pad", x, sides=(top, left, bottom, right), fill=fill)

    def _crop(self, x: int, options: Options) -> int:
        left, top, right, bottom = (int(options.get(key, 0)) for key in (0, 1, 6, 7))
        sizes = any(options.get(key, 0) not in (0, -233) for key in (2, 3, 4, 5, 8))
        ends = [int(each) for each in options.get(10, [])]
        if ends or 9 in options or 11 in options:
            axes = [int(each) for each in options.get(11, range(len(ends)))]
            starts = [int(each) for each in options.get(9, [])]
            if sizes or not len(axes) == len(starts) == len(ends) or not set(axes) <= {-2, -1, 1, 2}:
                raise own_size("Crop")
            for axis, start, end in zip(axes, starts, ends, strict=True):
                if start < 0 or not (end < 0 or end in (-233, 2**31 - 1)):
                    raise own_size("Crop")
                rest = 0 if end in (-233, 2**31 - 1) else -end
                if axis in (1, -2):
                    top, bottom = start, rest
                else:
                    left, right = start, rest
        elif sizes or not (right or bottom or left or top):
            raise own_size("Crop")
        return self._add("crop", x, sides=(top, left, bottom, right))

    def _reshape(self, x: int, options: Options) -> int:
        sides = [int(options.get(key, -233)) for key in (0, 1, 2)]
        kept = [each for each in sides if each != -233]
        if x in self._vectors and all(each in (1, -1, self._channels(x)) for each in kept):
            return x
        raise odd_options("Reshape")

    def _flatten(self, x: int, _options: Options) -> int:
        return self._reshape(x, {})


# fmt: off
LAYERS = frozenset((
    "Input", "Convolution", "ConvolutionDepthWise", "Deconvolution", "DeconvolutionDepthWise", "InnerProduct",
    "ReLU", "PReLU", "Clip", "Sigmoid", "TanH", "Swish", "Mish", "GELU", "ELU", "HardSigmoid", "HardSwish", "Scale",
    "Bias", "BatchNorm", "UnaryOp", "BinaryOp", "Eltwise", "Concat", "PixelShuffle", "Reorg", "Interp", "Pooling",
    "Padding", "Crop", "Reshape", "Flatten",
))
# fmt: on
"""The layers that are read, beside those that change nothing, Slice and MemoryData."""


def _options(words: list[str]) -> dict[int, Any]:
    """`0=64 -23310=1,0.2`: numbers by their number, lists where that is below -23300."""
    found: dict[int, Any] = {}
    for word in words:
        key, _equals, text = word.partition("=")
        if int(key) <= -23300:
            count, *values = text.split(",")
            if int(count) != len(values):
                raise GraphError(_("its .param is damaged or cut short"))
            found[-23300 - int(key)] = [_number(each) for each in values]
        else:
            found[int(key)] = [_number(each) for each in text.split(",")] if "," in text else _number(text)
    return found


def _number(text: str) -> float | int:
    return float(text) if "." in text or "e" in text.lower() else int(text)


def _both(options: Options, wide: int, high: int, otherwise: int) -> int:
    """An option of both directions, which have to agree here."""
    first = int(options.get(wide, otherwise))
    if int(options.get(high, first)) != first:
        raise GraphError(_("it treats width and height differently"))
    return first


def _kernel_of(options: Options) -> tuple[tuple[int, int], Sides | None]:
    """Height and width of a kernel, and its padding; None for what keeps the size."""
    width = int(options.get(1, 0))
    kernel = (int(options.get(11, width)), width)
    left = int(options.get(4, 0))
    if left in (-233, -234):
        return kernel, None
    top, right = int(options.get(14, left)), int(options.get(15, left))
    return kernel, (top, left, int(options.get(16, top)), right)


def _same(kernel: tuple[int, int], dilation: int) -> Sides:
    high, wide = ((each - 1) * dilation for each in kernel)
    if high % 2 or wide % 2:
        raise odd_options("Convolution")
    return high // 2, wide // 2, high // 2, wide // 2


def _per_channel(constant: Any, count: int) -> np.ndarray:
    values = np.asarray(constant, np.float32)
    if values.size not in (1, count) or (values.ndim == 3 and values.shape[1:] != (1, 1)):
        raise odd_constants("BinaryOp")
    return np.broadcast_to(values.reshape(-1), count).astype(np.float32)
