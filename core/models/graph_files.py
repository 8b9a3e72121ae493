"""Model files that say themselves how their network is built: ncnn's and ONNX as they come, and imported ones.

Plain: whoever computes them reads them here, with torch or without. An imported one is a safetensors file with a card
like any other model; its layers stand in the header, its weights under the numbers of their layers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.numpy

from core.atomic import replacing
from core.contract.errors import UserError
from core.hashing import sha256_of, stamp_of
from core.language import gettext as _
from core.models.card import ModelCard, is_safetensors, read_header
from core.models.graph import KINDS, Graph, GraphError, GraphLayer, check_graph, parts_misfit
from core.models.ncnn_files import bin_of, param_of, read_ncnn
from core.models.onnx_files import external_files, is_onnx, read_onnx

LAYERS = "graph"
"""The entry of a header's metadata that lists the layers."""
_ARRAYS = ("weight", "bias")
_UNLISTED = {"kind", "inputs", "channels", *_ARRAYS}

SCALES = range(1, 17)
"""1 restores a picture at its size: such a network runs before one that enlarges."""

Origin = Literal["ncnn", "ONNX"]
"""What the card of such a model calls its architecture."""


def origin_of(path: Path) -> Origin | None:
    """Which program's file of layers this is; None where it is something else, an imported model among it."""
    if param_of(path) is not None:
        return "ncnn"
    return "ONNX" if is_onnx(path) and not is_safetensors(path) else None


def holds_graph(path: Path) -> bool:
    """Whether a file says itself how its network is built."""
    if origin_of(path) is not None:
        return True
    return is_safetensors(path) and LAYERS in read_header(path).get("__metadata__", {})


def states_layers(content: bytes) -> bool:
    """Whether the bytes of a sound safetensors file list a network's layers."""
    length = int.from_bytes(content[:8], "little")
    return LAYERS in json.loads(content[8 : 8 + length]).get("__metadata__", {})


def files_of(path: Path) -> tuple[Path, ...]:
    """All files that a model consists of, the given one first: weights of ncnn's and of large ONNX files lie beside."""
    if (param := param_of(path)) is not None:
        return param, bin_of(param)
    return (path, *external_files(path)) if origin_of(path) == "ONNX" else (path,)


def digest_of(path: Path) -> str:
    """Hex digest of a model's content: that of its file, or one of the digests of all.

    Raises:
        OSError: one cannot be read.
    """
    digests = [sha256_of(each) for each in files_of(path)]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def card_of_graph(path: Path) -> ModelCard:
    """The card of a file of ncnn's or ONNX, which has none of its own: its name, and what its layers say.

    Raises:
        UserError: as `read_graph`.
    """
    return _card_of_files(tuple((each, stamp_of(each)) for each in files_of(path)))


@lru_cache(maxsize=64)
def _card_of_files(files: tuple[tuple[Path, object], ...]) -> ModelCard:
    """Kept, as a list of models asks for it again and again."""
    path = files[0][0]
    graph = read_graph(path)
    scale = graph.geometry().scale
    convolutions = sum(layer.kind in ("convolution", "deconvolution") for layer in graph.layers)
    return ModelCard(
        name=path.stem, scale=scale, architecture=origin_of(path) or "", size=f"{convolutions} convolutions"
    )


def read_graph(path: Path) -> Graph:
    """Read a file's network.

    Raises:
        UserError: the file is none of these, or damaged, or has layers that are not known here.
    """
    if not path.is_file():
        raise UserError(
            _("There is no model file {path}.").format(path=path), _("Check the path, or choose a model from the list.")
        )
    match origin_of(path):
        case "ncnn":
            graph = read_ncnn(path)
        case "ONNX":
            graph = read_onnx(path)
        case _:
            graph = _read_imported(path)
    try:
        scale = graph.geometry().scale
    except GraphError as error:
        raise UserError(
            _("{name} does not turn a picture into one of a whole multiple of its size: {error}.").format(
                name=path.name, error=error
            ),
            _("Choose a model that enlarges pictures, or restores them at their size."),
        ) from error
    if scale not in SCALES:
        raise UserError(
            _("{name} enlarges by {scale}, which is out of range.").format(name=path.name, scale=scale),
            _("Scales of {start} to {stop} can be used.").format(start=SCALES.start, stop=SCALES.stop - 1),
        )
    return graph


def _read_imported(path: Path) -> Graph:
    text = read_header(path).get("__metadata__", {}).get(LAYERS, "")
    broken = UserError(
        _("{name} is damaged: its layers do not fit together.").format(name=path.name), _("Import its original again.")
    )
    try:
        return _from_tensors(safetensors.numpy.load(path.read_bytes()), text)
    except (GraphError, ValueError, TypeError, KeyError, AttributeError, RecursionError, ArithmeticError) as error:
        raise broken from error
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(
            _("{name} is damaged: {error}").format(name=path.name, error=error), _("Import its original again.")
        ) from error


def save_graph(path: Path, graph: Graph, card: ModelCard) -> None:
    """Write a network and its card as safetensors, whole or not at all.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    tensors = {
        f"{number}.{part}": np.ascontiguousarray(array)
        for number, layer in enumerate(graph.layers)
        for part in _ARRAYS
        if (array := getattr(layer, part)) is not None
    }
    metadata = {**card.to_metadata(), LAYERS: json.dumps([_plain(layer) for layer in graph.layers])}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(tensors, metadata))


def _plain(layer: GraphLayer) -> list[Any]:
    """Kind, inputs, channels, and whatever is not as usual."""
    options = {
        each.name: str(value) if isinstance(value, Fraction | float) else value
        for each in fields(GraphLayer)
        if each.name not in _UNLISTED and (value := getattr(layer, each.name)) != each.default
    }
    return [layer.kind, list(layer.inputs), layer.channels, options]


def _from_tensors(tensors: Mapping[str, np.ndarray], text: str) -> Graph:
    graph = Graph()
    for number, (kind, inputs, channels, given) in enumerate(json.loads(text)):
        if kind not in KINDS:
            raise parts_misfit()
        options = {
            each.name: _of_kind(given[each.name], each.default) for each in fields(GraphLayer) if each.name in given
        }
        arrays = {part: tensors.get(f"{number}.{part}") for part in _ARRAYS}
        floats: dict[str, Any] = {
            part: None if array is None else array.astype(np.float32) for part, array in arrays.items()
        }
        graph.layers.append(GraphLayer(kind, tuple(int(each) for each in inputs), int(channels), **floats, **options))
    return check_graph(graph)


def _of_kind(value: Any, default: Any) -> Any:
    """A stranger's value, as the field has it."""
    if isinstance(default, tuple):
        top, left, bottom, right = (int(each) for each in value)
        return top, left, bottom, right
    if isinstance(default, str) and value not in ("constant", "reflect", "replicate"):
        raise parts_misfit()
    return type(default)(value)
