"""A convolutional network as a plain list of layers: what files of ncnn and ONNX are read into, and what each runtime
builds its own network from. Plain.

Only what such networks are made of: whoever adds a layer here adds it to `graph_module.py`, which computes it in torch,
and to each runtime that builds from graphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor, lcm
from typing import Any, Literal, get_args

import numpy as np

from core.language import gettext as _
from core.language import ngettext

Kind = Literal[
    "input",
    "convolution",
    "deconvolution",
    "affine",
    "prelu",
    "clip",
    "sigmoid",
    "tanh",
    "silu",
    "gelu",
    "mish",
    "hardswish",
    "hardsigmoid",
    "elu",
    "abs",
    "exp",
    "sqrt",
    "add",
    "multiply",
    "divide",
    "maximum",
    "minimum",
    "concat",
    "slice",
    "shuffle",
    "unshuffle",
    "bicubic",
    "bilinear",
    "nearest",
    "mean",
    "average_pool",
    "max_pool",
    "crop",
    "pad",
]
KINDS: tuple[str, ...] = get_args(Kind)
BINARY = ("add", "multiply", "divide", "maximum", "minimum")
RESIZING = ("bicubic", "bilinear", "nearest")
OVERLAP = 48
"""Source pixels that a tile of other people's networks looks over its edge. How far most see is not known, or is
hundreds of pixels in theory. Measured on Real-ESRGAN x4plus, the deepest of the common ones, tiles that look 16 pixels
far are up to 21 levels of 255 off, 32 pixels 6 levels, 48 pixels 2, 64 pixels under 1."""
BLENDED = 16
"""Source pixels across a seam over which two tiles are blended; each of them looks at least 40 pixels beyond."""
EXACT_REACH = 64
"""Source pixels: a network that looks no farther gets tiles that look as far as it, and their seams agree."""

Fill = Literal["constant", "reflect", "replicate"]
Sides = tuple[int, int, int, int]
"""Top, left, bottom, right."""


class GraphError(Exception):
    """A graph cannot be what it is meant to be; the message says why, in words that follow its file’s name."""


def odd_options(layer: str) -> GraphError:
    """Say that a layer, by its name in the file, does what none of ours does."""
    return GraphError(_("its layer {layer} has options that are not known here").format(layer=layer))


def own_size(layer: str) -> GraphError:
    """Say that a layer gives pictures of one size, whatever it gets."""
    return GraphError(_("its layer {layer} has a size of its own").format(layer=layer))


def odd_constants(layer: str) -> GraphError:
    """Say that a layer has a constant where there should be a picture, or the other way round."""
    return GraphError(_("its layer {layer} uses constants in a way that is not known here").format(layer=layer))


def unfit_weights(layer: str) -> GraphError:
    """Say that a layer has more or fewer weights than its channels need."""
    return GraphError(_("its weights do not fit ({layer})").format(layer=layer))


def parts_misfit() -> GraphError:
    """Say that its layers do not go together."""
    return GraphError(_("its parts do not fit together"))


@dataclass(frozen=True, slots=True, eq=False)
class GraphLayer:
    """One layer; its number in the graph is the number of its value, C x H x W."""

    kind: Kind
    inputs: tuple[int, ...]
    """The values that it takes: one, but two where `kind` is in `BINARY`, and some for `concat`. Of two, the second may
    be C x 1 x 1."""
    channels: int
    """How many its value has."""
    weight: np.ndarray | None = None
    """`convolution`: out x in/groups x k x l. `deconvolution`: in x out/groups x k x l. `affine`: the factor of each
    channel. `prelu`: the slope of each channel below zero. All float32."""
    bias: np.ndarray | None = None
    """`convolution`, `deconvolution`, `affine`: what is added to each channel."""
    factor: Fraction = Fraction(1)
    """`shuffle` (channels to pixels) and `unshuffle`: by how much each side changes. `bicubic` (a = -0.75, as torch's),
    `bilinear`, `nearest`: how many times larger each side becomes, rounded down; the centres of corners do not meet."""
    stride: int = 1
    """`convolution`, `deconvolution`, pools."""
    dilation: int = 1
    """`convolution`."""
    groups: int = 1
    """`convolution`, `deconvolution`."""
    window: int = 1
    """Pools: the side of what is looked at; `average_pool` leaves padding out of its mean."""
    sides: Sides = (0, 0, 0, 0)
    """What is put around (`convolution` with zeros, pools, `pad`) or cut off (`crop`, `deconvolution`)."""
    fill: Fill = "constant"
    """`pad`: with zeros, or with what."""
    low: float = -float("inf")
    """`clip`."""
    high: float = float("inf")
    first: int = 0
    """`slice`: the first channel that is taken."""

    @property
    def same(self) -> bool:
        """Whether a convolution is the plain kind that keeps the size: square and odd, of stride 1."""
        assert self.weight is not None
        size = self.weight.shape[-1]
        square = self.weight.shape[-2] == size and size % 2 == 1
        plain = (self.stride, self.dilation, self.groups) == (1, 1, 1)
        return square and plain and set(self.sides) == {size // 2}


@dataclass(slots=True)
class Graph:
    """Layers in an order in which they can be computed; the value of the last is the network's."""

    layers: list[GraphLayer] = field(default_factory=list)

    def add(self, kind: Kind, *inputs: int, channels: int = 0, **options: Any) -> int:
        """Append a layer; returns the number of its value. Unless given, it has as many channels as its first input."""
        first = self.layers[inputs[0]].channels if inputs else 0
        self.layers.append(GraphLayer(kind, inputs, channels or first, **options))
        return len(self.layers) - 1

    @property
    def inputs(self) -> list[GraphLayer]:
        """What goes in, in order."""
        return [layer for layer in self.layers if layer.kind == "input"]

    @property
    def values_per_pixel(self) -> float:
        """About how many values are alive at once per pixel of the first input, at the peak: those of the largest
        layer, what it takes and what it gives, and as many again for skips and workspace."""
        sizes = [Fraction(1)] * len(self.layers)
        largest = Fraction(0)
        for number, layer in enumerate(self.layers):
            before = max((sizes[each] for each in layer.inputs), default=Fraction(1))
            sizes[number] = before * _growth(layer)
            alive = [number, *layer.inputs]
            largest = max(largest, sum((self.layers[each].channels * sizes[each] ** 2 for each in alive), Fraction(0)))
        return 2.0 * float(largest)

    @property
    def weights_bytes(self) -> int:
        """In float32."""
        arrays = (array for layer in self.layers for array in (layer.weight, layer.bias) if array is not None)
        return sum(array.size * 4 for array in arrays)

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        """The height and width of the result for a source of this size.

        Raises:
            GraphError: parts that belong together would differ in size, or nothing would be left.
        """
        sizes: list[tuple[int, int]] = []
        for layer in self.layers:
            sizes.append(_size_of(layer, [sizes[each] for each in layer.inputs], (height, width)))
        return sizes[-1]

    def geometry(self) -> GraphGeometry:
        """How it enlarges, and how far it looks.

        Raises:
            GraphError: it is no network that makes a picture out of a picture, `scale` times as large.
        """
        scale, multiple = self._scale()
        reach: list[Fraction | None] = []
        steps: list[Fraction] = []
        for layer in self.layers:
            before = [reach[each] for each in layer.inputs]
            step = max((steps[each] for each in layer.inputs), default=Fraction(1))
            steps.append(step / _growth(layer))
            known = [each for each in before if each is not None]
            far = max(known, default=Fraction(0)) + step * _looks(layer)
            reach.append(None if len(known) < len(before) or layer.kind == "mean" else far)
        last = reach[-1]
        exact = last is not None and last <= EXACT_REACH
        return GraphGeometry(
            scale=scale,
            multiple=multiple,
            reach=ceil(last) if last is not None and exact else OVERLAP,
            blended=0 if exact else BLENDED,
            aligned=_aligned(multiple, self),
        )

    def _scale(self) -> tuple[int, int]:
        """The scale, and of which number the sides of a source have to be multiples."""
        misfit = parts_misfit()
        for multiple in (1, 2, 4, 8, 16, 32, 64):
            found = set()
            try:
                for times in (5, 8):
                    side = multiple * -(-24 // multiple) + multiple * times
                    height, width = self.size_of(side, side + multiple)
                    found.add((Fraction(height, side), Fraction(width, side + multiple)))
            except GraphError as error:
                misfit = error
                continue
            ratios = {each for pair in found for each in pair}
            if len(ratios) == 1 and (ratio := ratios.pop()).denominator == 1:
                return int(ratio), multiple
            if multiple == 64:
                misfit = GraphError(
                    _("it makes {made} pixels of {given}").format(
                        made=f"{width} × {height}", given=f"{side + multiple} × {side}"
                    )
                )
        raise misfit


@dataclass(frozen=True, slots=True)
class GraphGeometry:
    """How a graph enlarges, and how its tiles are cut."""

    scale: int
    """How many times each side becomes larger."""
    multiple: int
    """The number of which the sides of what goes in have to be multiples."""
    reach: int
    """How many source pixels around one a tile looks at."""
    blended: int
    """Source pixels across a seam over which two tiles are blended; 0 where they look as far as the network."""
    aligned: int
    """Tiles begin at multiples of so many source pixels, so that strides fall as in the whole picture."""


def _growth(layer: GraphLayer) -> Fraction:
    """How many times larger a layer makes each side."""
    if layer.kind in (*RESIZING, "shuffle", "deconvolution", "unshuffle"):
        return {"deconvolution": Fraction(layer.stride), "unshuffle": 1 / layer.factor}.get(layer.kind, layer.factor)
    return Fraction(1, layer.stride)


def _looks(layer: GraphLayer) -> Fraction:
    """How many values around one a layer takes in, in steps of what it takes."""
    match layer.kind:
        case "convolution":
            assert layer.weight is not None
            wide = [(each - 1) * layer.dilation for each in layer.weight.shape[2:]]
            return Fraction(max(max(side, wide[edge % 2] - side) for edge, side in enumerate(layer.sides)))
        case "deconvolution":
            assert layer.weight is not None
            return Fraction(max(layer.weight.shape[2:]), layer.stride)
        case "average_pool" | "max_pool":
            return Fraction(layer.window)
        case "pad" | "crop":
            return Fraction(max(layer.sides))
        case "bicubic" | "bilinear":
            return Fraction(2)
        case "unshuffle":
            return Fraction(layer.factor)
        case "nearest" | "shuffle":
            return Fraction(1)
    return Fraction(0)


def _size_of(layer: GraphLayer, given: Sequence[tuple[int, int]], source: tuple[int, int]) -> tuple[int, int]:
    match layer.kind:
        case "input":
            return source
        case "mean":
            return 1, 1
        case "convolution" | "average_pool" | "max_pool" | "deconvolution":
            kernel = (layer.window, layer.window) if layer.weight is None else layer.weight.shape[2:]
            size = tuple(
                (side - 1) * layer.stride + each - layer.sides[edge] - layer.sides[edge + 2]
                if layer.kind == "deconvolution"
                else (side + layer.sides[edge] + layer.sides[edge + 2] - (each - 1) * layer.dilation - 1)
                // layer.stride
                + 1
                for edge, (side, each) in enumerate(zip(given[0], kernel, strict=True))
            )
        case "pad" | "crop":
            sign = 1 if layer.kind == "pad" else -1
            size = tuple(
                side + sign * (layer.sides[edge] + layer.sides[edge + 2]) for edge, side in enumerate(given[0])
            )
            if layer.fill == "reflect" and max(layer.sides) >= min(given[0]):
                raise odd_options(layer.kind)
        case "shuffle" | "bicubic" | "bilinear" | "nearest":
            size = tuple(floor(side * layer.factor) for side in given[0])
        case "unshuffle":
            if any(side % layer.factor for side in given[0]):
                raise parts_misfit()
            size = tuple(int(side / layer.factor) for side in given[0])
        case _:
            size = given[0]
            if any(each != size and (each != (1, 1) or layer.kind == "concat") for each in given[1:]):
                raise parts_misfit()
    if min(size) < 1:
        raise parts_misfit()
    return size[0], size[1]


def check_graph(graph: Graph) -> Graph:
    """Look through a graph that was made of a stranger's file.

    Returns:
        The graph, without what does not lead to its result.

    Raises:
        GraphError: it is none, or could not be computed; its geometry is not looked at.
    """
    if not graph.layers or [layer.channels for layer in graph.inputs] != [3]:
        raise GraphError(_("it does not take one picture of three channels"))
    for number, layer in enumerate(graph.layers):
        if any(not 0 <= each < number for each in layer.inputs) or len(layer.inputs) < _least(layer.kind):
            raise parts_misfit()
        _check_layer(layer, [graph.layers[each].channels for each in layer.inputs])
    if graph.layers[-1].channels != 3:
        raise GraphError(
            ngettext(
                "it gives {count} channel and not three",
                "it gives {count} channels and not three",
                graph.layers[-1].channels,
            ).format(count=graph.layers[-1].channels)
        )
    return _without_dead_ends(graph)


def _least(kind: str) -> int:
    return 0 if kind == "input" else 2 if kind in BINARY else 1


MOST_CHANNELS = 1 << 16
_MOST_SIDE = 1 << 10
"""What a kernel, a stride or a border may be at most: more is made to fill memory."""


def _check_layer(layer: GraphLayer, given: list[int]) -> None:
    broken = unfit_weights(layer.kind)
    if not 1 <= layer.channels <= MOST_CHANNELS:
        raise parts_misfit()
    small = (layer.stride, layer.dilation, layer.groups, layer.window)
    if min(small) < 1 or max(layer.stride, layer.dilation, layer.window, *layer.sides) > _MOST_SIDE:
        raise broken
    if min(layer.sides) < 0 or not Fraction(1, 64) <= layer.factor <= 64:
        raise broken
    for array in (layer.weight, layer.bias):
        if array is not None and not np.isfinite(array).all():
            raise GraphError(_("its weights hold values that are not numbers"))
    expected = _channels(layer, given)
    if layer.channels != expected:
        raise broken
    shape = None if layer.weight is None else layer.weight.shape
    match layer.kind:
        case "convolution":
            wanted: Any = (layer.channels, Fraction(given[0], layer.groups))
        case "deconvolution":
            wanted = (given[0], Fraction(layer.channels, layer.groups))
        case "affine" | "prelu":
            wanted = (layer.channels,)
        case _:
            return
    if shape is None or shape[:2] != wanted or len(shape) not in (1, 4) or max(shape[2:], default=1) > _MOST_SIDE:
        raise broken
    if len(shape) == 4 and (min(shape) < 1 or given[0] % layer.groups or layer.channels % layer.groups):
        raise broken
    if layer.kind != "prelu" and (layer.bias is None or layer.bias.shape != (layer.channels,)):
        raise broken


def _channels(layer: GraphLayer, given: list[int]) -> Fraction:
    """How many channels the value of a layer must have."""
    match layer.kind:
        case "input" | "convolution" | "deconvolution":
            return Fraction(layer.channels)
        case "concat":
            return Fraction(sum(given))
        case "shuffle":
            return given[0] / layer.factor**2
        case "unshuffle":
            return given[0] * layer.factor**2
        case "slice":
            return Fraction(layer.channels if 0 <= layer.first <= given[0] - layer.channels else 0)
    same = len(set(given)) == 1
    return Fraction(given[0] if same else 0)


def _without_dead_ends(graph: Graph) -> Graph:
    needed = {len(graph.layers) - 1}
    for number in range(len(graph.layers) - 1, -1, -1):
        if number in needed:
            needed.update(graph.layers[number].inputs)
    kept, numbers = Graph(), dict[int, int]()
    for number, layer in enumerate(graph.layers):
        if number in needed or layer.kind == "input":
            numbers[number] = len(kept.layers)
            kept.layers.append(replace(layer, inputs=tuple(numbers[each] for each in layer.inputs)))
    return kept


def _aligned(multiple: int, graph: Graph) -> int:
    deepest, steps = multiple, list[Fraction]()
    for layer in graph.layers:
        step = max((steps[each] for each in layer.inputs), default=Fraction(1)) / _growth(layer)
        steps.append(step)
        deepest = lcm(deepest, step.numerator)
    return deepest


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
