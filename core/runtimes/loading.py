"""Model files as plain graphs, with torch only where there is no other way. Plain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.edition import has_torch, needs_torch
from core.language import gettext as _
from core.models.catalogue import card_of
from core.models.config import GeneratorConfig
from core.models.generator_graph import graphs_of_generator, is_ours, load_arrays, mean_of_arrays
from core.models.graph import Graph
from core.models.graph_files import holds_graph, read_graph
from core.runtimes.graph_network import Traced
from core.runtimes.ncnn_network import on_processor
from core.runtimes.network import COMMUNITY_SIDE, GENERATOR_SIDE, TileGeometry

SIDES = (23, 21)
"""Height and width of the picture that a runtime's result is compared on: nothing divides both."""


def load_graphs(parts: Sequence[tuple[Path, float]], runtime: str) -> Traced:
    """Load a model as plain graphs.

    Args:
        parts: model files and their shares (`core.models.catalogue.Mix`).
        runtime: that wants it, for people.

    Raises:
        UserError: the files are no usable model; it is made of layers that have no place in a graph; or it takes torch
            to read it, which is not installed.
    """
    found = read_graphs(parts)
    if found is not None:
        return _checked_by_ncnn(card_of(parts[0][0]).name, *found)
    from core.runtimes.tracing import trace

    return trace(parts, runtime)


def read_graphs(parts: Sequence[tuple[Path, float]]) -> tuple[tuple[Graph, ...], TileGeometry] | None:
    """Read a model's files as plain graphs; None where that takes torch, which is here.

    Raises:
        UserError: the files are no usable model, or it takes torch to read them, which is not installed.
    """
    path = parts[0][0]
    if all(is_ours(each) for each, _share in parts):
        config, graphs = graphs_of_generator(
            mean_of_arrays([(load_arrays(each), share) for each, share in parts]), path.name
        )
        return graphs, geometry_of_config(config)
    if len(parts) == 1 and holds_graph(path):
        graph = read_graph(path)
        return (graph,), geometry_of_graph(graph)
    if not has_torch():
        raise needs_torch(path.name)
    return None


def _checked_by_ncnn(name: str, graphs: tuple[Graph, ...], geometry: TileGeometry) -> Traced:
    source = np.random.default_rng(0).random((*SIDES, 3), np.float32)
    x = np.ascontiguousarray(source.transpose(2, 0, 1))
    bottom, right = (-side % geometry.multiple for side in SIDES)
    values = [np.pad(x, ((0, 0), (0, bottom), (0, right)), mode="edge")]
    for graph in graphs:
        values = [on_processor(graph)(values[: len(graph.inputs)], lambda _done: None), x]
    height, width = (side * geometry.scale for side in SIDES)
    wanted = values[0][:, :height, :width].clip(0, 1).transpose(1, 2, 0)
    return Traced(name, graphs, geometry, source, wanted)


def geometry_of_config(config: GeneratorConfig) -> TileGeometry:
    """How tiles of our own generators are cut."""
    at_large = config.trunk_reach is None
    return TileGeometry(
        scale=config.scale,
        reach=config.reach,
        blended=0,
        aligned=1,
        whole=False,
        largest_side=GENERATOR_SIDE,
        tail_reach=config.tail_reach,
        values_per_pixel=config.values_per_pixel,
        tiles_note=_("This model looks at the whole picture; in tiles its result differs slightly.")
        if at_large
        else "",
        each_picture=True,
    )


def geometry_of_graph(graph: Graph) -> TileGeometry:
    """How tiles of a network that came as a graph are cut."""
    geometry = graph.geometry()
    return TileGeometry(
        scale=geometry.scale,
        reach=geometry.reach,
        blended=geometry.blended,
        aligned=geometry.aligned,
        whole=False,
        largest_side=COMMUNITY_SIDE,
        tail_reach=0,
        values_per_pixel=graph.values_per_pixel,
        tiles_note=tiles_are_blended(geometry.reach) if geometry.blended else "",
        each_picture=False,
        multiple=geometry.multiple,
    )


def tiles_are_blended(overlap: int) -> str:
    """What to know of tiles of a network of which nobody knows how far it looks; `{model}` is its place for a name."""
    return _("How far {{model}} looks is not known: its tiles overlap by {overlap} pixels and are blended.").format(
        overlap=overlap
    )
