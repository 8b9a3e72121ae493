"""A plain graph in torch, so that whatever device torch knows computes models that came as ncnn's or ONNX files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.models.graph import Graph, GraphLayer, split_end


class GraphLayers(nn.Module):
    """The layers of any graph with one input, computed in torch."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self._cut = len(graph.layers) if (split := split_end(graph)) is None else len(split[0].layers)
        """The number of the first layer that stays in float32: what comes behind the last convolution shows."""
        self._work = [0 if layer.weight is None else layer.weight.size for layer in graph.layers]
        self._readers = [0] * len(graph.layers)
        for number, layer in enumerate(graph.layers):
            for each in layer.inputs:
                self._readers[each] += 1
            for part, array in (("weight", layer.weight), ("bias", layer.bias)):
                if array is not None:
                    values = torch.from_numpy(array.copy())
                    # Those of an affine layer stand for whole channels.
                    values = values.view(-1, 1, 1) if layer.kind == "affine" else values
                    self.register_parameter(f"{part}_{number}", nn.Parameter(values, requires_grad=False))
        self.eval()

    def use_precision(self, dtype: torch.dtype) -> Self:
        """Compute in `dtype` from now on, but for what lies behind the last convolution; returns itself."""
        for name, parameter in self.named_parameters():
            if int(name.rpartition("_")[2]) < self._cut:
                parameter.data = parameter.data.to(dtype)
        return self

    def run(self, x: Tensor, after_layer: Callable[[float], None]) -> Tensor:
        """Do what `forward` does; after each layer `after_layer` gets the share of the work done, and may raise."""
        dtype = next(self.parameters(), x).dtype
        total, done = max(1, sum(self._work)), 0
        values: list[Any] = []
        left = list(self._readers)
        for number, layer in enumerate(self.graph.layers):
            if layer.kind == "input":
                values.append(x.to(dtype))
                continue
            given = [values[each] for each in layer.inputs]
            if number >= self._cut:
                inputs = [self.graph.layers[each].kind == "input" for each in layer.inputs]
                given = [x if whole else each.float() for each, whole in zip(given, inputs, strict=True)]
            values.append(self._compute(number, layer, given))
            del given
            for each in layer.inputs:
                left[each] -= 1
                if not left[each]:
                    values[each] = None
            if self._work[number]:
                done += self._work[number]
                after_layer(done / total)
        return values[-1].float()

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W to what the graph makes of it, float32."""
        return self.run(x, lambda _done: None)

    def _compute(self, number: int, layer: GraphLayer, given: list[Tensor]) -> Tensor:
        x = given[0]
        # What a layer of its kind has, `check_graph` has seen to.
        parts = (getattr(self, f"{part}_{number}", None) for part in ("weight", "bias"))
        weight, bias = cast(tuple[Tensor, Tensor], tuple(parts))
        top, left, bottom, right = layer.sides
        match layer.kind:
            case "convolution":
                if (top, left) != (bottom, right):
                    x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
                return F.conv2d(x, weight, bias, layer.stride, (top, left), layer.dilation, layer.groups)
            case "deconvolution":
                y = F.conv_transpose2d(x, weight, bias, layer.stride, 0, 0, layer.groups)
                return _cropped(y, layer.sides)
            case "affine":
                return x * weight + bias
            case "prelu":
                return F.prelu(x, weight)
            case "clip":
                return x.clamp(layer.low, layer.high)
            case "concat":
                return torch.cat(given, 1)
            case "slice":
                return x[:, layer.first : layer.first + layer.channels]
            case "shuffle":
                return F.pixel_shuffle(x, int(layer.factor))
            case "unshuffle":
                return F.pixel_unshuffle(x, int(layer.factor))
            case "bicubic" | "bilinear":
                return F.interpolate(x, scale_factor=float(layer.factor), mode=layer.kind, align_corners=False)
            case "nearest":
                return F.interpolate(x, scale_factor=float(layer.factor), mode="nearest")
            case "mean":
                return x.mean((2, 3), keepdim=True)
            case "average_pool" | "max_pool":
                # Filled up by hand, as torch pads both ends alike.
                lowest = -float("inf") if layer.kind == "max_pool" else 0.0
                padded = F.pad(x, (left, right, top, bottom), value=lowest)
                if layer.kind == "max_pool":
                    return F.max_pool2d(padded, layer.window, layer.stride)
                share = F.pad(torch.ones_like(x[:1, :1]), (left, right, top, bottom))
                return F.avg_pool2d(padded, layer.window, layer.stride) / F.avg_pool2d(
                    share, layer.window, layer.stride
                )
            case "crop":
                return _cropped(x, layer.sides)
            case "pad":
                return F.pad(x, (left, right, top, bottom), mode=layer.fill)
            case _:
                return _PLAIN[layer.kind](*given)


class GraphModule(GraphLayers):
    """A loaded network: N x 3 x H x W (RGB, 0..1, float32) to N x 3 x sH x sW, as the engine runs it.

    What `CommunityNetwork` says of its attributes holds here.
    """

    channels = 3
    whole = False
    tiling_discouraged = False
    channels_last = True

    def __init__(self, graph: Graph) -> None:
        """Take the weights over.

        Raises:
            GraphError: it makes no picture out of a picture.
        """
        super().__init__(graph)
        geometry = graph.geometry()
        self.scale = geometry.scale
        self.multiple = geometry.multiple
        """The sides of what goes in are filled up to multiples of this."""
        self.reach, self.blended, self.aligned = geometry.reach, geometry.blended, geometry.aligned
        self.values_per_pixel = graph.values_per_pixel

    def supports(self, _dtype: torch.dtype) -> bool:
        """Any precision can be tried; the engine looks at what comes out."""
        return True

    def run(self, x: Tensor, after_layer: Callable[[float], None]) -> Tensor:
        """Do what `forward` does; after each layer `after_layer` gets the share of the work done, and may raise."""
        height, width = x.shape[-2:]
        right, bottom = -width % self.multiple, -height % self.multiple
        if right or bottom:
            x = F.pad(x, (0, right, 0, bottom), mode="replicate")
        y = super().run(x, after_layer)[..., : height * self.scale, : width * self.scale]
        # Clipped as spandrel does it: what is flat only because it is out of range shows as flat.
        return y.clamp(0, 1)


_PLAIN: dict[str, Callable[..., Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "gelu": F.gelu,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "elu": F.elu,
    "abs": torch.abs,
    "exp": torch.exp,
    "sqrt": torch.sqrt,
    "add": torch.add,
    "multiply": torch.mul,
    "divide": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}


def _cropped(x: Tensor, sides: tuple[int, int, int, int]) -> Tensor:
    top, left, bottom, right = sides
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]
