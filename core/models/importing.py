"""Bring a model file from anywhere into the user's folder, as safetensors with a card.

Whatever the file was, the copy holds weights only, says what it is, and is never unpickled again. SRGAN generators of
other programs become ours: they can be trained on, blended and exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core import paths
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.models import ImportRequest, ModelAdded, ModelRefused
from core.edition import has_torch, needs_torch
from core.language import gettext as _
from core.models.card import ModelCard
from core.models.catalogue import IMPORTED, OUR_ARCHITECTURE, card_of, free_key, models
from core.models.config import GeneratorConfig
from core.models.generator_graph import Arrays, graphs_of_generator, is_ours, load_arrays, save_arrays
from core.models.graph import Graph
from core.models.graph_files import digest_of, files_of, holds_graph, read_graph, save_graph
from core.models.known import known_by_hash

if TYPE_CHECKING:
    from torch import Tensor


def import_models(request: ImportRequest, cancel: CancelToken) -> Iterator[ModelAdded | ModelRefused]:
    """Take files over, one after another.

    Yields:
        A `ModelAdded` or a `ModelRefused` for each.

    Raises:
        Cancelled: asked for, between two files.
        UserError: the folder of models cannot be written.
    """
    for path in request.files:
        cancel.check()
        try:
            added = import_model(path)
        except UserError as error:
            yield ModelRefused(path, error.message, error.hint)
        else:
            yield added


def import_model(path: Path) -> ModelAdded:
    """Take one file over.

    Raises:
        UserError: it cannot be read, holds no network that enlarges pictures, or cannot be saved.
    """
    if not path.is_file():
        raise UserError(
            _("There is no model file {path}.").format(path=path), _("Check the path, or choose a model from the list.")
        )
    as_graph = holds_graph(path)
    path = files_of(path)[0]
    card = card_of(path)
    content = read_graph(path) if as_graph else _weights(path)
    digest = digest_of(path)
    known = known_by_hash(digest)
    for model in models():
        same = model.path.resolve() == path.resolve() or (known is not None and model.key == known.key)
        if same or f"sha256 {digest}" in model.card.description:
            return ModelAdded(model.key, model.path, (_("Already installed."),))
    if not isinstance(content, Graph):
        content, card = _described(content, card, path)
    if known is not None:
        card = replace(known.card, scale=card.scale, architecture=card.architecture, size=card.size)
    card = replace(card, description=f"{card.description}\n{IMPORTED}{path.name} (sha256 {digest}).".strip())
    key = free_key(card.name if known is None else f"{known.key}-imported")
    target = paths.user_models() / f"{key}.safetensors"
    try:
        if isinstance(content, Graph):
            save_graph(target, content, card)
        else:
            _save(target, content, card)
    except OSError as error:
        raise UserError(
            _("{target} cannot be written: {strerror}.").format(target=target, strerror=error.strerror),
            _("Free some space, or check the folder's permissions."),
        ) from error
    unknown = () if card.license else (_("Its licence is not known; ask its author before you use what it makes."),)
    return ModelAdded(key, target, unknown)


def _weights(path: Path) -> Mapping[str, Tensor] | Arrays:
    """By name; without torch, those of our own networks alone."""
    if has_torch():
        from core.models.weights import load_state

        return load_state(path)[0]
    if not is_ours(path):
        raise needs_torch(path.name)
    return load_arrays(path)


def _save(target: Path, weights: Mapping[str, Tensor] | Arrays, card: ModelCard) -> None:
    if has_torch():
        from core.models.weights import save_generator

        save_generator(target, weights, card)  # type: ignore[arg-type]
    else:
        save_arrays(target, weights, card)  # type: ignore[arg-type]


def _described(
    weights: Mapping[str, Tensor] | Arrays, card: ModelCard, path: Path
) -> tuple[Mapping[str, Tensor] | Arrays, ModelCard]:
    """The weights as they are to be kept, and a card whose scale, architecture and size are read from them."""
    if has_torch():
        return _described_by_torch(weights, card, path)  # type: ignore[arg-type]
    config, _graphs = graphs_of_generator(weights, path.name)  # type: ignore[arg-type]
    return weights, _as_ours(card, config)


def _as_ours(card: ModelCard, config: GeneratorConfig) -> ModelCard:
    size = card.size or f"{config.features}nf {config.blocks}nb"
    return replace(card, scale=config.scale, architecture=OUR_ARCHITECTURE, size=size)


def _described_by_torch(
    state: Mapping[str, Tensor], card: ModelCard, path: Path
) -> tuple[dict[str, Tensor], ModelCard]:
    from core.models.community import load_community
    from core.models.foreign import to_our_layout
    from core.models.weights import generator_of, is_generator

    if is_generator(state):
        generator = generator_of(state, path.name)
        if to_our_layout(state) is not None:
            card = replace(card, tags=tuple(dict.fromkeys([*card.tags, "srgan"])))
        return generator.state_dict(), _as_ours(card, generator.config)

    network = load_community(state, path.name)
    card = replace(
        card,
        scale=network.scale,
        architecture=network.architecture,
        size=card.size or " ".join(network.tags),
    )
    return dict(state), card
