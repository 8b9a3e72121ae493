"""What comes out of a run: the finished model, its card, and whether it is better than what there was."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from core.contract.training import StageName, TrainingFinished
from core.models.card import ModelCard
from core.models.catalogue import Model
from core.models.weights import load_generator, save_generator
from core.training.recipe import recipe_toml
from core.training.run import RunFolder
from core.training.setup import Setup
from core.training.step import enlarge_with
from core.training.validation import Figures, Validator


def card_of(setup: Setup, data: Path, figures: Figures) -> ModelCard:
    """What the weights of this moment say of themselves.

    Args:
        setup: of the run.
        data: folder of the training pictures.
        figures: of these weights, on the held-out pictures.
    """
    recipe = setup.recipe
    return ModelCard(
        name=f"{recipe.name} x{recipe.generator.scale}",
        scale=recipe.generator.scale,
        size=f"{recipe.generator.features}nf {recipe.generator.blocks}nb",
        tags=("gan" if setup.training.gan else "psnr", recipe.data.degradation),
        description=recipe.description,
        dataset=f"{len(setup.found.training)} pictures of {data.resolve().name}",
        dataset_sha256=setup.found.fingerprint,
        iterations=setup.training.taken,
        parent=_identified(setup.parent) if setup.parent is not None else "",
        metrics=_on_held_out(figures.named()),
        # Cards are passed on, and where its folders are is nobody's business.
        recipe=recipe_toml(recipe.model_copy(update={"start": Path(recipe.start).name})),
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    )


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The finished model beside one other."""

    better: bool
    words: str


def finish(setup: Setup, validator: Validator, data: Path, folder: RunFolder) -> TrainingFinished:
    """Save the best model of the last stage, measured in full precision against bicubic and its parent."""
    stage: StageName = "gan" if setup.recipe.gan.steps else "psnr"
    metric = validator.metric(stage)
    device, held_out = setup.training.device, validator.held_out
    generator, _ = load_generator(folder.best(stage))
    figures, _ = held_out.measure(enlarge_with(generator, device))
    metrics = figures.named() | held_out.bicubic.named("bicubic_")
    of_bicubic = _compared("bicubic enlargement", figures, held_out.bicubic, metric)
    verdict, of_parent = of_bicubic.words, None
    if setup.parent is not None:
        parent, card = load_generator(setup.parent.path)
        its_figures, _ = held_out.measure(enlarge_with(parent, device))
        metrics |= its_figures.named("parent_")
        of_parent = _compared(f"its parent {card.name}", figures, its_figures, metric)
        verdict += " " + of_parent.words
    many = len(held_out)
    verdict += f" Measured on {many} held-out picture{'s' if many > 1 else ''}."
    card = replace(card_of(setup, data, figures), metrics=_on_held_out(metrics))
    save_generator(folder.model, generator.state_dict(), card)
    return TrainingFinished(
        folder.path,
        folder.model,
        setup.training.taken,
        of_bicubic.better,
        of_parent.better if of_parent is not None else None,
        verdict,
        metrics,
    )


def _identified(model: Model) -> str:
    """Name and SHA-256 of a model's file."""
    return f"{model.card.name} (sha256 {hashlib.sha256(model.path.read_bytes()).hexdigest()})"


def _on_held_out(metrics: dict[str, float]) -> dict[str, float]:
    return {f"held-out {name}": value for name, value in metrics.items()}


def _compared(what: str, mine: Figures, other: Figures, metric: str) -> _Comparison:
    """One sentence: better or not better, and by which figures."""
    better = mine.clearly_better_than(other, metric)
    said = "Better than" if better else "Not better than"
    figures = f"PSNR {mine.psnr_y:.2f} against {other.psnr_y:.2f} dB, SSIM {mine.ssim_y:.4f} against {other.ssim_y:.4f}"
    if mine.perceptual is not None and other.perceptual is not None:
        figures += f", perceptual distance {mine.perceptual:.4f} against {other.perceptual:.4f}"
    words = {"psnr_y": "PSNR", "ssim_y": "SSIM", "perceptual": "perceptual distance"}[metric]
    return _Comparison(better, f"{said} {what} by {words}: {figures}.")
