"""Bring a model file from anywhere into the user's folder, as safetensors with a card.

Whatever the file was, the copy holds weights only, says what it is, and is never unpickled again. SRGAN generators of
other programs become ours: they can be trained on, blended and exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from core import paths
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.models import ImportRequest, ModelAdded, ModelRefused
from core.models.card import ModelCard
from core.models.catalogue import IMPORTED, OUR_ARCHITECTURE, card_of, free_key, models
from core.models.foreign import to_our_layout
from core.models.graph import Graph
from core.models.graph_files import digest_of, files_of, holds_graph, read_graph, save_graph
from core.models.known import known_by_hash
from core.models.weights import generator_of, is_generator, load_state, save_generator


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
        raise UserError(f"There is no model file {path}.", "Check the path, or choose a model from the list.")
    as_graph = holds_graph(path)
    path = files_of(path)[0]
    card = card_of(path)
    content = read_graph(path) if as_graph else load_state(path)[0]
    digest = digest_of(path)
    known = known_by_hash(digest)
    for model in models():
        same = model.path.resolve() == path.resolve() or (known is not None and model.key == known.key)
        if same or f"sha256 {digest}" in model.card.description:
            return ModelAdded(model.key, model.path, ("Already installed.",))
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
            save_generator(target, content, card)
    except OSError as error:
        raise UserError(
            f"{target} cannot be written: {error.strerror}.", "Free some space, or check the folder's rights."
        ) from error
    unknown = () if card.license else ("Its licence is not known; ask its author before you use what it makes.",)
    return ModelAdded(key, target, unknown)


def _described(state: Mapping[str, Tensor], card: ModelCard, path: Path) -> tuple[dict[str, Tensor], ModelCard]:
    """The weights as they are to be kept, and a card whose scale, architecture and size are read from them."""
    if is_generator(state):
        generator = generator_of(state, path.name)
        ours = to_our_layout(state)
        config = generator.config
        size = card.size or f"{config.features}nf {config.blocks}nb"
        if ours is not None:
            card = replace(card, tags=tuple(dict.fromkeys([*card.tags, "srgan"])))
        return generator.state_dict(), replace(card, scale=config.scale, architecture=OUR_ARCHITECTURE, size=size)
    from core.models.community import load_community

    network = load_community(state, path.name)
    card = replace(
        card,
        scale=network.scale,
        architecture=network.architecture,
        size=card.size or " ".join(network.tags),
    )
    return dict(state), card
