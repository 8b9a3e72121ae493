"""What comes out of a run: the finished model, its card, and whether it is better than what there was."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.training import StageName, TrainingFinished
from core.evaluate.metrics import mean_psnr, psnr_y
from core.language import gettext as _
from core.language import ngettext
from core.models.card import TEST_PICTURES, ModelCard
from core.models.catalogue import Model
from core.models.serving import load_served
from core.models.weights import load_generator, save_generator
from core.runtimes.torch_network import TorchModel
from core.training.recipe import Recipe, recipe_toml
from core.training.run import RunFolder
from core.training.setup import Setup
from core.training.step import enlarge_with
from core.training.teacher import Teacher
from core.training.validation import Figures, HeldOut, Validator
from core.upscale.engine import Engine

BESIDE_TEACHER = 4
"""Held-out pictures that the teacher enlarges at the end."""


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
        description="\n".join(filter(None, (recipe.description, _taught_by(setup)))),
        dataset=f"{len(setup.found.training)} pictures of {data.resolve().name}",
        dataset_sha256=setup.found.fingerprint,
        iterations=setup.training.taken,
        parent=_identified(setup.parent) if setup.parent is not None else "",
        metrics=_on_held_out(figures.named()),
        # Cards are passed on, and where its folders are is nobody's business.
        recipe=recipe_toml(recipe.model_copy(update=_without_folders(recipe))),
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    )


@dataclass(frozen=True, slots=True)
class _Beside:
    """The finished model beside one other."""

    better: bool
    words: str


def finish(setup: Setup, validator: Validator, data: Path, folder: RunFolder, cancel: CancelToken) -> TrainingFinished:
    """Save the best model of the last stage, measured in full precision against bicubic, its parent and its teacher."""
    stage: StageName = "gan" if setup.recipe.gan.steps else "psnr"
    metric = validator.metric(stage)
    device, held_out = setup.training.device, validator.held_out
    generator, _rest = load_generator(folder.best(stage))
    figures, _each = held_out.measure(enlarge_with(generator, device))
    metrics = figures.named() | held_out.bicubic.named("bicubic_")
    of_bicubic = _compared(_("bicubic enlargement"), figures, held_out.bicubic, metric)
    verdict, of_parent = of_bicubic.words, None
    if setup.parent is not None:
        parent, card = load_generator(setup.parent.path)
        its_figures, _its_each = held_out.measure(enlarge_with(parent, device))
        metrics |= its_figures.named("parent_")
        of_parent = _compared(_("its parent {name}").format(name=card.name), figures, its_figures, metric)
        verdict += " " + of_parent.words
    many = len(held_out)
    verdict += " " + ngettext("Measured on {count} test picture.", "Measured on {count} test pictures.", many).format(
        count=many
    )
    card = replace(card_of(setup, data, figures), metrics=_on_held_out(metrics))
    save_generator(folder.model, generator.state_dict(), card)
    if setup.teacher is not None:
        # The model is there already, whatever a stranger's network makes of these pictures.
        with contextlib.suppress(UserError):
            verdict += " " + _beside_teacher(setup.teacher, folder.model, held_out, device, cancel)
    return TrainingFinished(
        folder.path,
        folder.model,
        setup.training.taken,
        of_bicubic.better,
        of_parent.better if of_parent is not None else None,
        verdict,
        metrics,
    )


def _taught_by(setup: Setup) -> str:
    if setup.teacher is None:
        return ""
    words = f"Taught by {_identified(setup.teacher.model)}"
    licence = setup.teacher.model.card.license
    return f"{words}, whose licence is {licence}." if licence else f"{words}."


def _without_folders(recipe: Recipe) -> dict[str, str]:
    return {"start": Path(recipe.start).name, "teacher": Path(recipe.teacher).name}


def _beside_teacher(teacher: Teacher, model: Path, held_out: HeldOut, device: torch.device, cancel: CancelToken) -> str:
    """How near the student came, and how much faster it is: on a few pictures, as teachers are slow."""
    student = Engine(TorchModel(load_served([(model, 1.0)])[0], device), "student")
    contenders: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
        lambda lr: teacher.enlarge(lr, cancel),
        lambda lr: student.upscale(lr, cancel),
    )
    psnr: tuple[list[float], list[float]] = ([], [])
    seconds = [0.0, 0.0]
    pictures = list(zip(held_out.lr, held_out.hr, strict=True))[:BESIDE_TEACHER]
    student.upscale(pictures[0][0], cancel)  # the first takes longer
    for lr, hr in pictures:
        for number, enlarge in enumerate(contenders):
            begin = time.perf_counter()
            sr = enlarge(lr)
            seconds[number] += time.perf_counter() - begin
            psnr[number].append(psnr_y(hr, sr, held_out.scale))
    many = len(pictures)
    return _(
        "Its teacher {name} reaches {teacher:.2f} dB on {many} of them, where it reaches "
        "{student:.2f}, and takes {seconds:.1f} times as long."
    ).format(
        name=teacher.name,
        teacher=mean_psnr(psnr[0]),
        many=many,
        student=mean_psnr(psnr[1]),
        seconds=seconds[0] / seconds[1],
    )


def _identified(model: Model) -> str:
    """Name and SHA-256 of a model's file."""
    return f"{model.card.name} (sha256 {hashlib.sha256(model.path.read_bytes()).hexdigest()})"


def _on_held_out(metrics: dict[str, float]) -> dict[str, float]:
    return {f"{TEST_PICTURES} {name}": value for name, value in metrics.items()}


def _compared(what: str, mine: Figures, other: Figures, metric: str) -> _Beside:
    """One sentence: better or not better, and by which figures."""
    better = mine.clearly_better_than(other, metric)
    said = (
        _("Better than {what} by {words}: {figures}.") if better else _("Not better than {what} by {words}: {figures}.")
    )
    figures = _("PSNR {psnr_y:.2f} against {other_psnr_y:.2f} dB, SSIM {ssim_y:.4f} against {other_ssim_y:.4f}").format(
        psnr_y=mine.psnr_y, other_psnr_y=other.psnr_y, ssim_y=mine.ssim_y, other_ssim_y=other.ssim_y
    )
    if mine.perceptual is not None and other.perceptual is not None:
        figures += _(", perceptual distance {perceptual:.4f} against {other_perceptual:.4f}").format(
            perceptual=mine.perceptual, other_perceptual=other.perceptual
        )
    if mine.teacher is not None and other.teacher is not None:
        figures += _(", {teacher:.2f} against {other_teacher:.2f} dB towards the teacher").format(
            teacher=mine.teacher, other_teacher=other.teacher
        )
    words = {
        "psnr_y": "PSNR",
        "ssim_y": "SSIM",
        "perceptual": _("perceptual distance"),
        "teacher": _("nearness to the teacher"),
    }[metric]
    return _Beside(better, said.format(what=what, words=words, figures=figures))
