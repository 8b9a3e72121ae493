"""Network interpolation: a model between two others (ESRGAN, Wang et al. 2018, sec. 3.4)."""

from __future__ import annotations

import datetime
from pathlib import Path

from core.contract.errors import UserError
from core.models.card import ModelCard
from core.models.catalogue import find_model
from core.models.generator import Generator
from core.models.weights import load_generator, save_generator


def blend(first: Generator, second: Generator, alpha: float) -> Generator:
    """A generator whose weights are (1 - alpha) * first + alpha * second, buffers too.

    It makes sense where `second` was trained on from `first`, as a GAN stage is from its PSNR stage.

    Raises:
        UserError: the networks differ, or alpha is not in 0..1.
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"A share of {alpha:g} is out of range.", "Choose 0 (the first model) to 1 (the second).")
    if first.config != second.config:
        raise UserError(
            f"These models are different networks: {first.config} and {second.config}.",
            "Only a model and one trained on from it can be blended.",
        )
    other = second.state_dict()
    mixed = {
        key: value.lerp(other[key], alpha) if value.is_floating_point() else value
        for key, value in first.state_dict().items()
    }
    result = Generator(first.config)
    result.load_state_dict(mixed)
    return result.eval()


def blend_files(first: str, second: str, alpha: float, output: Path) -> ModelCard:
    """Blend two models, by name or path, into a new file, and return its card.

    Raises:
        UserError: a model is unusable, or as `blend`.
    """
    one, other = find_model(first), find_model(second)
    result = blend(load_generator(one.path)[0], load_generator(other.path)[0], alpha)
    card = ModelCard(
        name=f"{one.card.name} + {alpha:.0%} {other.card.name}",
        license=one.card.license if one.card.license == other.card.license else "",
        scale=result.config.scale,
        size=one.card.size,
        tags=("blend",),
        description=f"Network interpolation: {1 - alpha:.0%} of the first's weights, {alpha:.0%} of the second's.",
        parent=f"{one.card.name}; {other.card.name}",
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    )
    save_generator(output, result.state_dict(), card)
    return card
