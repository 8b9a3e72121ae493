"""Our generator as plain graphs, straight from the arrays of its file: what runtimes without torch build theirs from.

The network is that of `generator.py`, rewritten for speed as `serving.py` does: batch normalisation is folded, and the
last pixel shuffle moves behind the last convolution. A test compares the two in every option. Plain.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from core.atomic import replacing
from core.contract.errors import UserError
from core.language import gettext as _
from core.models.card import ModelCard, is_safetensors, read_header
from core.models.config import GeneratorConfig, config_of_shapes
from core.models.graph import Graph

Arrays = dict[str, np.ndarray]
_EPSILON = 1e-5
"""Added to the variance by batch normalisation, as torch does."""


MAX_BYTES = 2 << 30
"""A file larger than this is no upscaler."""


def is_ours(path: Path) -> bool:
    """Whether a file claims to hold one of our networks, as safetensors."""
    small = path.is_file() and path.stat().st_size <= MAX_BYTES
    return small and is_safetensors(path) and "head.conv.weight" in read_header(path)


def load_arrays(path: Path) -> Arrays:
    """The weights of a safetensors file by name, in float32.

    Raises:
        UserError: the file is damaged.
    """
    try:
        found = safetensors.numpy.load(path.read_bytes())
    except (safetensors.SafetensorError, OSError, ValueError, TypeError) as error:
        raise UserError(
            _("{name} is damaged: {error}").format(name=path.name, error=error), _("Fetch or export it again.")
        ) from error
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def save_arrays(path: Path, arrays: Arrays, card: ModelCard) -> None:
    """Write weights and card as safetensors, whole or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(arrays, card.to_metadata()))


def mean_of_arrays(parts: Sequence[tuple[Arrays, float]]) -> Arrays:
    """The mean of sets of weights of one topology; their shares sum to 1.

    Raises:
        UserError: names or shapes differ.
    """
    shapes = [{name: value.shape for name, value in arrays.items()} for arrays, _share in parts]
    if any(each != shapes[0] for each in shapes[1:]):
        raise UserError(
            _("These models are different networks."), _("Only a model and one trained on from it can be blended.")
        )
    shares = [np.float32(share) for _arrays, share in parts]
    first, rest = parts[0][0], parts[1:]
    total: Arrays = {name: value * shares[0] for name, value in first.items()}
    for (arrays, _share), share in zip(rest, shares[1:], strict=True):
        total = {name: value + arrays[name] * share for name, value in total.items()}
    return total


def graphs_of_generator(arrays: Mapping[str, np.ndarray], name: str) -> tuple[GeneratorConfig, tuple[Graph, Graph]]:
    """Two graphs of a generator's weights: pixels to features, and features with their pixels to enlarged pixels.

    Args:
        arrays: as `load_arrays` gives them, or a mean of such.
        name: of the file, for people.

    Raises:
        UserError: they are no generator's.
    """
    try:
        config = config_of_shapes({key: value.shape for key, value in arrays.items()})
        builder = _GeneratorGraph(config, _folded(arrays))
        return config, (builder.trunk(), builder.tail())
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(
            _("{name} does not hold an SRGAN generator.").format(name=name),
            _("It was read, but its weights do not fit: {error}").format(error=error),
        ) from error


def _folded(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Batch normalisation in the convolutions before it, as `core.models.generator.fold_batch_norm` does."""
    folded = dict(arrays)
    pairs = [("trunk_end", "trunk_norm")]
    pairs += [
        (f"{match[1]}.conv{match[2]}", f"{match[1]}.norm{match[2]}")
        for key in arrays
        if (match := re.fullmatch(r"(trunk\.\d+)\.norm([12])\.weight", key))
    ]
    for conv, norm in pairs:
        if f"{norm}.weight" not in arrays:
            continue
        weight, bias, mean, variance = (
            arrays[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
        )
        gain = weight / np.sqrt(variance + _EPSILON)
        folded[f"{conv}.weight"] = (arrays[f"{conv}.weight"] * gain[:, None, None, None]).astype(np.float32)
        folded[f"{conv}.bias"] = ((arrays[f"{conv}.bias"] - mean) * gain + bias).astype(np.float32)
    return folded


class _GeneratorGraph:
    def __init__(self, config: GeneratorConfig, arrays: Arrays) -> None:
        self._config = config
        self._arrays = arrays
        self._graph = Graph()

    def trunk(self) -> Graph:
        graph = self._graph = Graph()
        x = graph.add("input", channels=3)
        if self._config.skip == "bicubic":
            x = graph.add("affine", x, weight=np.ones(3, np.float32), bias=-self._arrays["skip.mean"])
        shallow = y = self._act("head.act", self._conv("head.conv", x))
        for block in range(self._config.blocks):
            z = self._act(f"trunk.{block}.act", self._conv(f"trunk.{block}.conv1", y))
            z = self._conv(f"trunk.{block}.conv2", z)
            if self._config.attention == "channel":
                gate = self._conv(f"trunk.{block}.attention.squeeze", graph.add("mean", z))
                gate = graph.add("prelu", gate, weight=np.zeros(graph.layers[gate].channels, np.float32))
                gate = self._conv(f"trunk.{block}.attention.excite", gate)
                z = graph.add("multiply", z, graph.add("sigmoid", gate))
            y = graph.add("add", y, z)
        graph.add("add", shallow, self._conv("trunk_end", y))
        return graph

    def tail(self) -> Graph:
        graph, config = Graph(), self._config
        self._graph = graph
        y = graph.add("input", channels=config.features)
        x = graph.add("input", channels=3)
        shuffle = config.scale
        if config.upsampler == "shuffle":
            shuffle = 2
            last = int(math.log2(config.scale)) - 1
            for index in range(last):
                y = self._conv(f"upsample.{index}.conv", y)
                y = graph.add("shuffle", y, channels=config.features, factor=Fraction(2))
                y = self._act(f"upsample.{index}.act", y)
            y = self._conv(f"upsample.{last}.conv", y)
            # The shuffle interleaves channels 4c to 4c + 3 into channel c, so they share its slope.
            y = graph.add("prelu", y, weight=self._arrays[f"upsample.{last}.act.weight"].repeat(4))
            moved = convolution_before_shuffle(self._arrays["tail.weight"])
            y = self._convolution(y, moved, self._arrays["tail.bias"].repeat(4))
        else:
            y = self._conv("tail", y)
        y = graph.add("shuffle", y, channels=3, factor=Fraction(shuffle))
        if config.skip == "bicubic":
            y = graph.add("add", y, graph.add("bicubic", x, factor=Fraction(config.scale)))
        if config.output == "tanh":
            half = np.full(3, self._arrays["squash.middle"].reshape(-1)[0], np.float32)
            graph.add("affine", graph.add("tanh", y), weight=half, bias=half)
        return graph

    def _conv(self, name: str, x: int) -> int:
        return self._convolution(x, self._arrays[f"{name}.weight"], self._arrays[f"{name}.bias"])

    def _convolution(self, x: int, weight: np.ndarray, bias: np.ndarray) -> int:
        out, inputs, size, _rest = weight.shape
        if inputs != self._graph.layers[x].channels or bias.shape != (out,):
            raise ValueError("a convolution does not fit the layer before it")
        sides = (size // 2,) * 4
        return self._graph.add("convolution", x, channels=out, weight=weight, bias=bias, sides=sides)

    def _act(self, name: str, x: int) -> int:
        slopes = self._arrays[f"{name}.weight"]
        return self._graph.add("prelu", x, weight=np.broadcast_to(slopes, self._graph.layers[x].channels).copy())


def convolution_before_shuffle(weight: np.ndarray) -> np.ndarray:
    """The kernel K with shuffle(K(x)) == conv(shuffle(x)) for a pixel shuffle by 2.

    With output row 2i + a and kernel row u, the input row 2i + a + u - p lies in sub-pixel plane q = (a + u - p) mod 2
    at row i + (a + u - p - q) / 2; columns likewise.

    Args:
        weight: out x in x k x k, odd k, of a convolution with "same" zero padding and stride 1.

    Returns:
        4 out x 4 in x l x l, l = 2 ceil(k // 2 / 2) + 1, of another such convolution.
    """
    out, inputs, size, _rest = weight.shape
    padding = size // 2
    reach = (padding + 1) // 2
    side = 2 * reach + 1
    moved = np.zeros((out, 2, 2, inputs, 2, 2, side, side), np.float32)
    for a in range(2):
        for u in range(size):
            row, q = divmod(a + u - padding, 2)
            for b in range(2):
                for v in range(size):
                    column, t = divmod(b + v - padding, 2)
                    moved[:, a, b, :, q, t, row + reach, column + reach] = weight[:, :, u, v]
    return moved.reshape(4 * out, 4 * inputs, side, side)
