"""Which convolutions of a model compute in eight bits, and which ranges those must cover. Measured once per model."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Sequence

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
NEAR = 49.5
"""How near to float32 the network must stay on the crops, in decibels of PSNR. At 50 a picture that is 31 dB from the
original loses 0.05 dB, and so does one on the crops at 49.5, which are harder than photographs."""
RUNGS = ((True, 0), (False, 0), (False, 4), (False, 8), (False, 16))
"""(whether ranges reach as far down as up, how many of the last convolutions stay in floats), the fastest first.

A range with zero in the middle wastes levels where values are mostly positive, and needs no correction: for 64 maps on
AMX it takes 0.75 of the time of one that fits. The last convolutions are those whose rounding shows most."""
CUTS = (0.65, 0.8)
"""Shares of its range that the input of a convolution behind the enlargement may be cut to, where ranges have zero in
their middle. What lies beyond is rare there, and what a finer step spares shows as texture."""
_VERSION = 3
"""Rises when ranges are measured or chosen otherwise."""

Computing = Callable[[Graph, Ranges | None], Callable[..., np.ndarray]]
Observing = Callable[[Graph, Sequence[int]], Callable[[Sequence[np.ndarray]], list[np.ndarray]]]


def ranges_for(graphs: Sequence[Graph], computing: Computing, observing: Observing) -> list[Ranges]:
    """Ranges with which a model stays near to what it gives in float32, kept from the first time on.

    Args:
        graphs: of the model.
        computing: makes of a graph what computes it, in eight bits where ranges are given, else in float32.
        observing: makes of a graph what gives the values with these numbers.

    Returns:
        For each graph the range of each channel that goes into a convolution, by its number; those that are to stay in
        floats are missing.
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
    crops = sample_crops()
    found = choose_ranges(graphs, measure_ranges(graphs, crops, computing, observing), crops, computing)
    arrays = {f"{index}-{number}": each for index, ranges in enumerate(found) for number, each in ranges.items()}
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with replacing(place) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
    except OSError:
        # It is measured again next time.
        pass
    return found


def measure_ranges(
    graphs: Sequence[Graph], crops: Sequence[np.ndarray], computing: Computing, observing: Observing
) -> list[Ranges]:
    """The smallest and the largest value of each channel that goes into each convolution.

    The extremes of all crops (MINMAX): what lies beyond is cut off, which shows on letters and specks.
    """
    watched = [sorted({layer.inputs[0] for layer in graph.layers if layer.kind == "convolution"}) for graph in graphs]
    observers = [observing(graph, numbers) for graph, numbers in zip(graphs, watched, strict=True)]
    trunk = computing(graphs[0], None) if len(graphs) > 1 else None
    seen: list[dict[int, np.ndarray]] = [{} for _ in graphs]
    for crop in crops:
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


def choose_ranges(
    graphs: Sequence[Graph], measured: Sequence[Ranges], crops: Sequence[np.ndarray], computing: Computing
) -> list[Ranges]:
    """The first of `RUNGS` that is `NEAR` enough to float32 on the crops, or the last, with what `CUTS` gain."""
    wanted = _outputs(graphs, [None] * len(graphs), crops, computing)

    def error_of(ranges: Sequence[Ranges]) -> float:
        given = _outputs(graphs, ranges, crops, computing)
        return float(np.mean([np.mean(np.square(a - b)) for a, b in zip(given, wanted, strict=True)]))

    in_order = sorted((index, number) for index, each in enumerate(measured) for number in each)
    found: list[dict[int, np.ndarray]] = []
    error, centred = 0.0, False
    for centred, in_floats in RUNGS:
        last = in_order[len(in_order) - in_floats :]
        found = [
            {
                number: _centred(extremes) if centred else extremes
                for number, extremes in each.items()
                if (index, number) not in last
            }
            for index, each in enumerate(measured)
        ]
        error = error_of(found)
        if error <= 10 ** (-NEAR / 10):
            break
    # Fitted ranges waste nothing; the trunk hands its errors on, and what it hands over has no rare extremes.
    for number in list(found[-1])[1:] if centred and len(found) > 1 else []:
        for share in CUTS:
            cut = [*found[:-1], found[-1] | {number: found[-1][number] * np.float32(share)}]
            error_when_cut = error_of(cut)
            if error_when_cut < error:
                found, error = cut, error_when_cut
                break
    return list(found)


def _outputs(
    graphs: Sequence[Graph], ranges: Sequence[Ranges | None], crops: Sequence[np.ndarray], computing: Computing
) -> list[np.ndarray]:
    """What a model makes of each crop, in 0..1."""
    computes = [computing(graph, each) for graph, each in zip(graphs, ranges, strict=True)]
    outputs = []
    for crop in crops:
        planes = computes[0]([crop], lambda _done: None)
        for compute in computes[1:]:
            planes = compute([planes, crop], lambda _done: None)
        outputs.append(planes.clip(0, 1))
    return outputs


def _centred(extremes: np.ndarray) -> np.ndarray:
    """Widen them to reach as far down as up, where anything lies below zero."""
    if extremes[0].min() >= 0:
        return extremes
    widest = np.maximum(-extremes[0], extremes[1])
    return np.stack([-widest, widest])


def sample_crops() -> list[np.ndarray]:
    """What a model is measured on: 3 x CROP x CROP in 0..1, from the corners of the sample pictures' middles."""
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
