"""In which range the values of each convolution lie: what eight-bit numbers must cover. Measured once per model."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from core import paths
from core.atomic import replacing
from core.images import load
from core.models.graph import Graph
from core.runtimes.network import unit_values
from core.runtimes.openvino_graph import Ranges

CROP = 64
"""Side of a crop, in pixels."""
CROPS = 4
"""How many of each sample picture."""
SAMPLES = ("astronaut.jpg", "cat.jpg", "coffee.webp", "cup.png", "photographer.png", "portrait.png", "rocket.jpg")
_VERSION = 1
"""Rises when ranges are measured otherwise."""

Compute = Callable[..., np.ndarray]


def ranges_for(
    graphs: Sequence[Graph],
    computing: Callable[[Graph], Compute],
    observing: Callable[[Graph, Sequence[int]], Callable[[Sequence[np.ndarray]], list[np.ndarray]]],
) -> list[Ranges]:
    """The smallest and the largest value of each channel that goes into each convolution on the sample pictures.

    The extremes of all crops (MINMAX): what lies beyond is cut off, which shows on letters and specks.

    Args:
        graphs: of the model.
        computing: makes of a graph what computes it in float32.
        observing: makes of a graph what gives the values with these numbers.

    Returns:
        For each graph the ranges of every convolution, by its number.
    """
    place = paths.user_cache() / "int8" / f"{_key(graphs)}.npz"
    try:
        with np.load(place, allow_pickle=False) as kept:
            return [
                {int(key.partition("-")[2]): kept[key] for key in kept.files if key.startswith(f"{index}-")}
                for index in range(len(graphs))
            ]
    except (OSError, ValueError, zipfile.BadZipFile):
        pass
    found = measure_ranges(graphs, computing, observing)
    arrays = {f"{index}-{number}": each for index, ranges in enumerate(found) for number, each in ranges.items()}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with replacing(place) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    except OSError:
        # It is measured again next time.
        pass
    return found


def measure_ranges(graphs: Sequence[Graph], computing: Any, observing: Any) -> list[Ranges]:
    """What reaches each convolution of a network's graphs, over all sample pictures."""
    watched = [sorted({layer.inputs[0] for layer in graph.layers if layer.kind == "convolution"}) for graph in graphs]
    observers = [observing(graph, numbers) for graph, numbers in zip(graphs, watched, strict=True)]
    trunk = computing(graphs[0]) if len(graphs) > 1 else None
    seen: list[dict[int, np.ndarray]] = [{} for _ in graphs]
    for crop in _crops():
        given = [crop]
        for index, observer in enumerate(observers):
            if index:
                assert trunk is not None
                given = [trunk([crop], lambda _done: None), crop]
            for number, value in zip(watched[index], observer(given), strict=True):
                now = np.stack([value.min((1, 2)), value.max((1, 2))])
                before = seen[index].get(number, now)
                seen[index][number] = np.stack([np.minimum(before[0], now[0]), np.maximum(before[1], now[1])])
    return [
        {number: each[layer.inputs[0]] for number, layer in enumerate(graph.layers) if layer.kind == "convolution"}
        for graph, each in zip(graphs, seen, strict=True)
    ]


def _crops() -> list[np.ndarray]:
    """3 x CROP x CROP in 0..1, from the corners of the sample pictures' middles."""
    crops = []
    for name in SAMPLES:
        pixels = load(paths.RESOURCES / "samples" / name).pixels
        pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
        rows = np.linspace(0, max(0, pixels.shape[0] - CROP), 2).astype(int)
        columns = np.linspace(0, max(0, pixels.shape[1] - CROP), 2).astype(int)
        crops += [unit_values(pixels[y : y + CROP, x : x + CROP]) for y in rows for x in columns]
    return [*crops, *_drawn()]


def _drawn() -> list[np.ndarray]:
    """What photographs have little of: single pixels that stick out, and hard edges, as of letters."""
    ramp = np.broadcast_to(np.linspace(0, 1, CROP, dtype=np.float32), (CROP, CROP))
    chance = np.random.default_rng(1)
    impulses = np.where(chance.random((CROP, CROP)) < 0.1, 1 - ramp, ramp)
    strokes = (chance.random((CROP // 4, CROP // 4)) < 0.5).astype(np.float32).repeat(4, 0).repeat(4, 1)
    return [np.ascontiguousarray(np.broadcast_to(each, (3, CROP, CROP))) for each in (impulses, strokes)]


def _key(graphs: Sequence[Graph]) -> str:
    digest = hashlib.sha256(repr((_VERSION, SAMPLES, CROP, CROPS)).encode())
    for graph in graphs:
        for layer in graph.layers:
            digest.update(repr((layer.kind, layer.inputs, layer.channels, layer.factor)).encode())
            for array in (layer.weight, layer.bias):
                if array is not None:
                    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]
