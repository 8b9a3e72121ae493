"""Network interpolation: a model between two others (ESRGAN, Wang et al. 2018, sec. 3.4)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from torch import Tensor

from core import paths
from core.atomic import check_free
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.models import BlendRequest, ModelAdded
from core.language import gettext as _
from core.models.card import ModelCard
from core.models.catalogue import Model, find_model, free_key
from core.models.generator import Generator, GeneratorConfig
from core.models.graph_files import digest_of
from core.models.weights import generator_of, is_generator, load_state, save_generator


def blend(first: Generator, second: Generator, alpha: float) -> Generator:
    """A generator whose weights are (1 - alpha) * first + alpha * second, buffers too.

    It makes sense where `second` was trained on from `first`, as a GAN stage is from its PSNR stage.

    Raises:
        UserError: the networks differ, or alpha is not in 0..1.
    """
    if first.config != second.config:
        raise UserError(
            _("These models are different networks: {differences}.").format(
                differences=_differences(first.config, second.config)
            ),
            _("Only a model and one trained on from it can be blended."),
        )
    result = Generator(first.config)
    result.load_state_dict(mixed(first.state_dict(), second.state_dict(), alpha))
    return result.eval()


def _differences(first: GeneratorConfig, second: GeneratorConfig) -> str:
    """In words: `features 64 and 32, upsampler shuffle and direct`."""
    pairs = ((field.name, getattr(first, field.name), getattr(second, field.name)) for field in fields(first))
    return ", ".join(f"{name} {mine} and {other}" for name, mine, other in pairs if mine != other)


def mixed(first: Mapping[str, Tensor], second: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """(1 - alpha) * first + alpha * second, for any two sets of weights of one topology, in float32.

    Raises:
        UserError: names or shapes differ, or alpha is not in 0..1.
    """
    if not 0 <= alpha <= 1:
        raise UserError(
            _("A share of {alpha:g} is out of range.").format(alpha=alpha),
            _("Choose 0 (the first model) to 1 (the second)."),
        )
    return mean_of(((first, 1 - alpha), (second, alpha)))


def mean_of(parts: Sequence[tuple[Mapping[str, Tensor], float]]) -> dict[str, Tensor]:
    """The mean of sets of weights of one topology, in float32; what is no float is the first one's.

    Args:
        parts: the sets and their shares, which sum to 1.

    Raises:
        UserError: names or shapes differ.
    """
    first = parts[0][0]
    shapes = {key: value.shape for key, value in first.items()}
    if any({key: value.shape for key, value in other.items()} != shapes for other, _ in parts[1:]):
        raise UserError(
            _("These models are different networks."), _("Only a model and one trained on from it can be blended.")
        )
    result = {}
    for key, value in first.items():
        if not value.is_floating_point():
            result[key] = value
            continue
        total = value.float() * parts[0][1]
        for other, share in parts[1:]:
            total += other[key].float() * share
        result[key] = total
    return result


def blend_models(request: BlendRequest, cancel: CancelToken) -> Iterator[ModelAdded]:
    """Blend two models into a new one in the user's folder.

    Raises:
        UserError: as `blend_files`.
    """
    cancel.check()
    one, other = find_model(request.first), find_model(request.second)
    key = free_key(request.name or f"{one.card.name} + {request.share:.0%} {other.card.name}")
    path = paths.user_models() / f"{key}.safetensors"
    blend_files(request.first, request.second, request.share, path, request.name)
    yield ModelAdded(key, path)


def blend_files(first: str, second: str, alpha: float, output: Path, name: str = "") -> ModelCard:
    """Blend two models, by name or path, into a new file, and return its card, which names both parents.

    Raises:
        UserError: a model is unusable, they are different networks, or the file cannot be written or is there already.
    """
    check_free([output])
    one, other = find_model(first), find_model(second)
    weights, scale, architecture, size = _blended_weights(one, other, alpha)
    card = ModelCard(
        name=name or f"{one.card.name} + {alpha:.0%} {other.card.name}",
        author=one.card.author if one.card.author == other.card.author else "",
        license=one.card.license if one.card.license == other.card.license else "",
        scale=scale,
        architecture=architecture,
        size=size,
        tags=("blend",),
        description=f"Network interpolation: {1 - alpha:.0%} of the first's weights, {alpha:.0%} of the second's.",
        parent=f"{_named(one)}; {_named(other)}",
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    )
    try:
        save_generator(output, weights, card)
    except OSError as error:
        raise UserError(
            _("{output} cannot be written: {strerror}.").format(output=output, strerror=error.strerror),
            _("Check the folder and its space."),
        ) from error
    return card


def _blended_weights(one: Model, other: Model, alpha: float) -> tuple[dict[str, Tensor], int, str, str]:
    """Weights, scale, architecture, size."""
    (first, card), (second, _rest) = load_state(one.path), load_state(other.path)
    if is_generator(first) and is_generator(second):
        result = blend(generator_of(first, one.path.name), generator_of(second, other.path.name), alpha)
        config = result.config
        return result.state_dict(), config.scale, "srgan", card.size or f"{config.features}nf {config.blocks}nb"
    if is_generator(first) or is_generator(second):
        raise UserError(
            _("{name} and {other} are different networks.").format(name=one.card.name, other=other.card.name),
            _("Only a model and one trained on from it can be blended."),
        )
    from core.models.community import load_community

    weights = mixed(first, second, alpha)
    network = load_community(weights, one.path.name)
    return weights, network.scale, network.architecture, " ".join(network.tags)


def _named(model: Model) -> str:
    return f"{model.card.name} (sha256 {digest_of(model.path)})"
