"""Train a generator: scan, PSNR stage, GAN stage, verdict. A generator of events (`core.contract.training`)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core import devices
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.events import Notice
from core.contract.training import BundleSaved, StageStarted, TrainingFinished, TrainingStarted, TrainingStep, TrainRequest
from core.models.card import ModelCard
from core.models.catalogue import find_model
from core.models.generator import Generator, GeneratorConfig, initialise
from core.models.weights import load_generator
from core.training.checkpoint import bundles, newest_bundle, save_bundle
from core.training.dataset import CropLoader
from core.training.recipe import Recipe, StageRecipe, load_recipe, parse_recipe, recipe_toml
from core.training.run import RunFolder
from core.training.scan import Scan, scan
from core.training.step import BAD_STEPS, StepReport, Training, training_precision
from core.training.validation import HeldOut

EVENTS_A_SECOND = 20
AHEAD = 3
"""Steps whose crops are cut in advance."""
SATURATED = 0.97
"""Where D(real) - D(fake), averaged, passes this the discriminator has won and teaches nothing more."""


def train(request: TrainRequest, cancel: CancelToken) -> Iterator[Any]:
    """Train as `request` says, from nothing or from a run's newest bundle.

    Yields:
        The events of `core.contract.training`, in the order given there, and `Notice`.

    Raises:
        UserError: recipe, data, model or content weights are not usable (all found before the first step), the disk
            is full or the run's folder is gone (the newest bundle is whole).
        Cancelled: `cancel` was asked for; a bundle of the last step done has been saved.
    """
    folder = RunFolder(request.run)
    recipe = folder.recipe() if request.resume else load_recipe(request.recipe, request.overrides)
    device = devices.choose(request.device)
    devices.keep_large_blocks()
    if request.threads:
        torch.set_num_threads(request.threads)
    torch.manual_seed(recipe.seed)
    precision = training_precision(device, recipe.precision)
    generator, parent = _first_generator(recipe, request)
    found = yield from scan(
        request.data,
        request.validation,
        recipe.generator.scale,
        recipe.data.minimum_side,
        recipe.data.held_out,
        recipe.seed,
        cancel,
    )
    training = Training(recipe, generator, device, precision)
    if request.resume:
        path, bundle = newest_bundle(folder.bundles)
        training.restore(bundle)
        best = bundle.state["best"]
        folder.forget_after(training.step)
        yield Notice(f"Going on from {path.name}.")
    else:
        folder.create(recipe)
        best = {}
    held_out = HeldOut(found.validation, recipe, folder, best)
    yield TrainingStarted(
        folder.path, recipe_toml(recipe), str(device), precision, sum(p.numel() for p in generator.parameters()),
        training.step, recipe.total_steps, held_out.bicubic_psnr_y, held_out.bicubic_ssim_y, parent,
    )
    loader = CropLoader(
        found.training,
        scale=recipe.generator.scale,
        degradation=recipe.data.degradation,
        seed=recipe.seed,
        cache_bytes=recipe.data.cache_mb << 20,
        threads=recipe.data.loader_threads,
    )
    with loader:
        for gan in (False, True):
            yield from _stage(gan, training, loader, held_out, folder, request, cancel)
    yield TrainingFinished(folder.path, None, training.step, None, None, "")


def _stage(gan, training, loader, held_out, folder, request, cancel) -> Iterator[Any]:
    recipe = training.recipe
    first = recipe.psnr.steps if gan else 0
    stage: StageRecipe = recipe.gan if gan else recipe.psnr
    last = first + stage.steps
    if training.step < first or training.step >= last:
        return
    if not request.resume or training.step == first:
        training.begin_stage(gan)
    name = "gan" if gan else "psnr"
    yield StageStarted(name, first, stage.steps)
    if training.step == 0:
        yield BundleSaved(folder.save(training, held_out), 0)
    clock = _Clock(loader)
    while training.step < last:
        cancel.check()
        batches = _batches(training, loader, first, last)
        report = training.train_step(batches)
        done = training.step
        if training.bad_steps >= BAD_STEPS:
            _, bundle = newest_bundle(folder.bundles)
            factor = training.rate_factor / 2
            training.restore(bundle)
            training.rate_factor, training.bad_steps = factor, 0
            yield Notice(f"{report.skipped}; back to step {training.step} at half the learning rate.")
            continue
        if event := clock.event(name, training, report, recipe.total_steps, last=done == last):
            folder.log(event)
            yield event
        if done % recipe.validation.every == 0 or done == last:
            look = held_out.look(name, training)
            folder.log(look)
            yield look
            clock.restart()
        stop = bool(request.stop_after) and done >= request.stop_after
        if done % recipe.bundle_every == 0 or done == last or stop:
            yield BundleSaved(folder.save(training, held_out), done)
            clock.restart()
        if stop:
            return


def _batches(training: Training, loader: CropLoader, first: int, last: int):
    stage = training.stage

    def wanted(step: int) -> tuple[int, int, int]:
        return step, stage.crop_at(step - first), stage.batch_at(step - first)

    step = training.step
    ahead = [wanted(s) for s in range(step + 1, min(step + 1 + AHEAD, last))]
    return [loader.take(*wanted(step), ahead)]


class _Clock:
    """Tells how long steps take and how much of it was waiting, and when it is time for another event."""

    def __init__(self, loader: CropLoader) -> None:
        self.loader = loader
        self.seconds_per_step = 0.0
        self.restart()

    def restart(self) -> None:
        """Leave out what happened since the last step: a look, a bundle."""
        self.begin = time.perf_counter()
        self.waited = self.loader.waited
        self.steps = 0

    def event(self, name, training: Training, report: StepReport, total: int, *, last: bool) -> TrainingStep | None:
        self.steps += 1
        elapsed = time.perf_counter() - self.begin
        if elapsed < 1 / EVENTS_A_SECOND and not last and not report.skipped:
            return None
        seconds = elapsed / self.steps
        self.seconds_per_step = seconds if not self.seconds_per_step else 0.95 * self.seconds_per_step + 0.05 * seconds
        waited = (self.loader.waited - self.waited) / elapsed
        self.restart()
        return TrainingStep(
            name, training.step, total, training.rate(), report.losses, report.gradient_norms, report.d_real,
            report.d_fake, self.seconds_per_step, waited, (total - training.step) * self.seconds_per_step, report.skipped,
        )


def _first_generator(recipe: Recipe, request: TrainRequest) -> tuple[Generator, str]:
    wanted = GeneratorConfig(**recipe.generator.model_dump())
    start = request.start or recipe.start
    if not start:
        generator = Generator(wanted)
        initialise(generator)
        return generator, ""
    model = find_model(start)
    generator, card = load_generator(model.path)
    if generator.config != wanted:
        raise UserError(
            f"{model.path.name} is another network than the recipe's: {generator.config}.",
            "Set the recipe's [generator] to it, or start from another model.",
        )
    return generator, card.name
