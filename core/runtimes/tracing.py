"""From a network in torch to a plain graph, by following a symbol through it (torch.fx)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from core.contract.errors import UserError
from core.language import gettext as _
from core.models.generator_graph import graphs_of_generator
from core.models.graph import Graph
from core.models.graph_module import GraphModule
from core.models.serving import ServedGenerator, load_served
from core.models.weights import generator_of, load_state
from core.runtimes.graph_network import Traced
from core.runtimes.loading import SIDES
from core.runtimes.network import OTHERWISE
from core.runtimes.torch_network import geometry_of

if TYPE_CHECKING:
    from core.models.serving import ForeignNetwork


class UntraceableError(Exception):
    """The network does something that no plain graph says."""


def trace(parts: Sequence[tuple[Path, float]], runtime: str) -> Traced:
    """Load a model as plain graphs.

    Args:
        parts: model files and their shares (`core.models.catalogue.Mix`).
        runtime: that wants it, for people.

    Raises:
        UserError: the files are no usable model, or it is made of layers that have no place in a graph.
    """
    network, card = load_served(parts)
    try:
        graphs = _graphs_of(network, parts[0][0])
    except UntraceableError as error:
        raise UserError(
            _("{name} cannot be computed by {runtime}: {error}.").format(name=card.name, runtime=runtime, error=error),
            OTHERWISE,
        ) from error
    source = np.random.default_rng(0).random((*SIDES, 3), np.float32)
    with torch.inference_mode():
        y = network(torch.from_numpy(source).permute(2, 0, 1)[None])[0]
    return Traced(card.name, graphs, geometry_of(network), source, y.clamp(0, 1).permute(1, 2, 0).numpy())


def _graphs_of(network: ServedGenerator | ForeignNetwork, path: Path) -> tuple[Graph, ...]:
    if isinstance(network, GraphModule):
        return (network.graph,)
    if isinstance(network, ServedGenerator):
        # An SRGAN in a pickle, ours or another program's.
        state = generator_of(load_state(path)[0], path.name).state_dict()
        return graphs_of_generator({key: _array(value) for key, value in state.items()}, path.name)[1]
    if network.channels != 3:
        raise UntraceableError(f"it takes {network.channels} channels")
    return (graph_of(network.network, (3,)),)


def graph_of(module: nn.Module, channels: tuple[int, ...]) -> Graph:
    """Read a module's layers; `channels` are those of its inputs."""
    tracer = _Tracer()
    module = copy.deepcopy(module)
    # Some networks keep what they computed, which then is a symbol.
    untouched = copy.deepcopy(module)
    try:
        traced = tracer.trace(module)
    except Exception as error:  # whatever a symbol cannot do
        raise UntraceableError(str(error)) from error
    return _Reader((untouched, tracer.root), channels).read(traced)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        # SPAN's convolutions change their weights while they run; what they come to is in `eval_conv`.
        return hasattr(m, "eval_conv") or super().is_leaf_module(m, module_qualified_name)


_SAME = frozenset({"to", "float", "contiguous", "clone", "type", "type_as", "detach"})


class _Reader:
    """Turns the nodes of one trace into layers."""

    def __init__(self, roots: tuple[nn.Module, nn.Module], channels: tuple[int, ...]) -> None:
        """Take the module, and it once more with the constants that tracing added."""
        self._roots = roots
        self._channels = list(channels)
        self._graph = Graph()
        self._values: dict[fx.Node, _Value | Any] = {}

    def read(self, traced: fx.Graph) -> Graph:
        for node in traced.nodes:
            if node.op == "output":
                result = self._values[node.args[0]] if isinstance(node.args[0], fx.Node) else None
                if not isinstance(result, _Value) or result.number != len(self._graph.layers) - 1:
                    raise UntraceableError("its result is not its last layer")
                return self._graph
            self._values[node] = self._value_of(node)
        raise UntraceableError("it has no result")

    def _value_of(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            if not self._channels:
                return None
            return self._layer("input", channels=self._channels.pop(0))
        if node.op == "get_attr":
            for root in self._roots:
                found: Any = root
                for name in str(node.target).split("."):
                    found = getattr(found, name, None)
                if found is not None:
                    return found
            raise UntraceableError(f"it has no {node.target}")
        args, kwargs = self._given(node)
        if not _holds_value((args, kwargs)):
            return self._constant(node, args, kwargs)
        if node.op == "call_module":
            return self._module(node, self._roots[0].get_submodule(str(node.target)), args[0])
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        if node.op == "call_method" and name in _SAME:
            return args[0]
        return self._function(node, name, args, kwargs)

    def _given(self, node: fx.Node) -> tuple[Any, Any]:
        """What a node is given: values of the graph, and constants."""
        look: Any = self._values.__getitem__
        return fx.map_arg(node.args, look), fx.map_arg(node.kwargs, look)

    def _constant(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        if node.op == "call_function":
            assert callable(node.target)
            return node.target(*args, **kwargs)
        raise UntraceableError(f"{node.target} is given no picture")

    def _module(self, node: fx.Node, module: nn.Module, x: _Value) -> _Value:
        if hasattr(module, "eval_conv"):
            module(torch.zeros(1, x.channels(self._graph), 3, 3))
            result = self._convolution(module.eval_conv, x)  # type: ignore[arg-type]
            if getattr(module, "has_relu", False):
                result = self._activation(result, 0.05)
        elif isinstance(module, nn.Conv2d):
            result = self._convolution(module, x)
        elif isinstance(module, nn.PReLU):
            slopes = _array(module.weight)
            count = x.channels(self._graph)
            result = self._layer("prelu", x, weight=np.broadcast_to(slopes, count).copy())
        elif isinstance(module, nn.LeakyReLU):
            result = self._activation(x, module.negative_slope)
        elif isinstance(module, nn.ReLU):
            result = self._activation(x, 0.0)
        elif isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d):
            return x
        elif type(module) in _SIMPLE:
            result = self._layer(_SIMPLE[type(module)], x)
        elif isinstance(module, nn.PixelShuffle):
            result = self._shuffle(x, module.upscale_factor)
        elif isinstance(module, nn.Upsample):
            result = self._resize(x, module.scale_factor, module.mode, module.align_corners)
        else:
            raise UntraceableError(f"it has a layer {type(module).__name__}")
        if getattr(module, "inplace", False):
            # Whoever looks at its input later sees its result.
            self._overwrite(node.args[0], result)
        return result

    def _function(self, node: fx.Node, name: str, args: Any, kwargs: Any) -> _Value:
        if name in ("add", "iadd", "mul", "imul", "sub", "isub"):
            result = self._arithmetic(name.removeprefix("i"), *args[:2])
            if name.startswith("i"):
                self._overwrite(node.args[0], result)
            return result
        if name in ("cat", "concat"):
            if (kwargs.get("dim", args[1] if len(args) > 1 else 0)) not in (1, -3):
                raise UntraceableError("it joins pictures")
            parts = args[0]
            return self._layer("concat", *parts, channels=sum(each.channels(self._graph) for each in parts))
        if name == "interpolate":
            given = dict(zip(("size", "scale_factor", "mode", "align_corners"), args[1:], strict=False)) | kwargs
            if given.get("size") is not None or given.get("antialias"):
                raise UntraceableError("it resizes to a size of its own")
            return self._resize(
                args[0], given.get("scale_factor"), given.get("mode", "nearest"), given.get("align_corners")
            )
        if name == "pixel_shuffle":
            return self._shuffle(args[0], args[1] if len(args) > 1 else kwargs["upscale_factor"])
        if name == "mean" and tuple(args[1]) in ((2, 3), (-2, -1)) and kwargs.get("keepdim"):
            return self._layer("mean", args[0])
        if name in ("relu", "relu_"):
            return self._activation(args[0], 0.0)
        if name == "leaky_relu":
            return self._activation(args[0], kwargs.get("negative_slope", args[1] if len(args) > 1 else 0.01))
        if name in ("sigmoid", "tanh", "silu"):
            return self._layer(name, args[0])
        raise UntraceableError(f"it calls {name or node.target}")

    def _convolution(self, module: nn.Conv2d, x: _Value) -> _Value:
        size = module.kernel_size[0]
        same = isinstance(module.padding, tuple) and set(module.padding) == {size // 2} and size % 2 == 1
        plain = (module.stride, module.dilation, module.groups) == ((1, 1), (1, 1), 1)
        square = len(set(module.kernel_size)) == 1
        if not (same and plain and square and module.padding_mode == "zeros"):
            raise UntraceableError("it has convolutions with strides, groups, gaps or other padding")
        bias = np.zeros(module.out_channels, np.float32) if module.bias is None else _array(module.bias)
        return self._layer(
            "convolution",
            x,
            channels=module.out_channels,
            weight=_array(module.weight),
            bias=bias,
            sides=(size // 2,) * 4,
        )

    def _activation(self, x: _Value, slope: float) -> _Value:
        return self._layer("prelu", x, weight=np.full(x.channels(self._graph), slope, np.float32))

    def _shuffle(self, x: _Value, factor: int) -> _Value:
        return self._layer("shuffle", x, channels=x.channels(self._graph) // factor**2, factor=Fraction(factor))

    def _resize(self, x: _Value, scale: Any, mode: str, align_corners: bool | None) -> _Value:
        factors = set(scale) if isinstance(scale, tuple | list) else {scale}
        factor = float(factors.pop()) if len(factors) == 1 else 0.0
        if factor != int(factor) or factor < 1 or mode not in ("bicubic", "nearest") or align_corners:
            raise UntraceableError(f"it resizes by {scale} ({mode})")
        return self._layer(mode, x, factor=Fraction(int(factor)))

    def _arithmetic(self, name: str, first: Any, second: Any) -> _Value:
        if isinstance(first, _Value) and isinstance(second, _Value):
            if name == "sub":
                count = second.channels(self._graph)
                second = self._affine(second, -np.ones(count, np.float32), np.zeros(count, np.float32))
            # What is scaled by one value a channel comes first.
            return self._layer("multiply" if name == "mul" else "add", first, second)
        x, constant, turned = (first, second, False) if isinstance(first, _Value) else (second, first, True)
        count = x.channels(self._graph)
        values = _per_channel(constant, count)
        ones, zeros = np.ones(count, np.float32), np.zeros(count, np.float32)
        if name == "mul":
            return self._affine(x, values, zeros)
        if name == "add":
            return self._affine(x, ones, values)
        return self._affine(x, -ones, values) if turned else self._affine(x, ones, -values)

    def _affine(self, x: _Value, factor: np.ndarray, shift: np.ndarray) -> _Value:
        return self._layer("affine", x, weight=factor, bias=shift)

    def _overwrite(self, node: Any, result: _Value) -> None:
        """An operation in place: all that was this value is the result from now on."""
        before = self._values[node]
        for each, value in self._values.items():
            if isinstance(value, _Value) and value.number == before.number:
                self._values[each] = result

    def _layer(self, kind: Any, *inputs: _Value, **options: Any) -> _Value:
        return _Value(self._graph.add(kind, *(each.number for each in inputs), **options))


class _Value:
    """The result of a layer of the graph."""

    def __init__(self, number: int) -> None:
        self.number = number

    def channels(self, graph: Graph) -> int:
        return graph.layers[self.number].channels


_SIMPLE: dict[type[nn.Module], str] = {nn.Sigmoid: "sigmoid", nn.Tanh: "tanh", nn.SiLU: "silu"}


def _holds_value(things: Any) -> bool:
    found = False

    def look(thing: Any) -> None:
        nonlocal found
        if isinstance(thing, _Value):
            found = True
        elif isinstance(thing, tuple | list):
            for each in thing:
                look(each)
        elif isinstance(thing, dict):
            look(list(thing.values()))

    look(things)
    return found


def _array(value: Tensor) -> np.ndarray:
    return value.detach().float().cpu().numpy()


def _per_channel(constant: Any, count: int) -> np.ndarray:
    values = _array(constant) if isinstance(constant, Tensor) else np.float32(constant)
    if values.size not in (1, count) or (values.size == count > 1 and values.squeeze().ndim != 1):
        raise UntraceableError("it adds or multiplies by a picture of its own")
    return np.broadcast_to(values.reshape(-1), count).astype(np.float32)
