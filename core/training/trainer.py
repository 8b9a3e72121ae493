"""Train a generator: scan, PSNR stage, GAN stage, verdict. A generator of events (`core.contract.training`)."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import math
import statistics
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch

from core import devices
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.jobs import Notice
from core.contract.training import (
    BundleSaved,
    Look,
    SamplesSaved,
    ScanRequest,
    StageName,
    StageStarted,
    TrainingFinished,
    TrainingStarted,
    TrainingStep,
    TrainRequest,
    TrialFinished,
    TrialRequest,
)
from core.models.card import ModelCard
from core.models.catalogue import Model, find_model
from core.models.content import ContentLoss, ContentNetwork, load_content
from core.models.generator import Generator as Network
from core.models.generator import GeneratorConfig, initialise
from core.models.weights import load_generator, save_generator
from core.training.checkpoint import Bundle, bundles, newest_bundle, save_bundle, step_of
from core.training.dataset import Batch, CropLoader
from core.training.processes import Place, any_of_all, joined, wait_for_all
from core.training.recipe import Recipe, StageRecipe, load_recipe, recipe_toml
from core.training.run import RunFolder
from core.training.scan import Scan, scan
from core.training.step import BAD_STEPS, StepReport, Training, enlarge_with, training_precision
from core.training.tensorboard import Board
from core.training.validation import MESH_SEEN, Figures, HeldOut, Seen, save_png

EVENTS_A_SECOND = 20
LOGGED_EVERY = 2.0
"""Seconds between two steps in the log: a run of days stays small."""
AHEAD = 3
"""Steps whose crops are cut in advance, for each process that cuts."""
SAMPLES = 8
LEAST_RATE = 2.0**-8
"""Halved below this share of its rate, a run is not held by smaller steps: something else is wrong."""
SATURATED = 0.9
"""A discriminator whose D(real) - D(fake) stays above this on average has won, and teaches nothing more."""
SATURATION_MEMORY = 100
"""Steps of that average."""


def train(request: TrainRequest, cancel: CancelToken) -> Iterator[Any]:
    """Train as `request` says, from nothing or from a run's newest bundle.

    Under `torchrun` every process calls this with the same request; only rank 0 yields.

    Yields:
        The events of `core.contract.training`, in the order given there, and `Notice`.

    Raises:
        UserError: recipe, data, model or content weights are unusable (all found before the first step), the disk is
            full or a folder is gone (the newest bundle is whole).
        Cancelled: asked for; a bundle of the last step has been saved.
    """
    with joined(request.device) as (place, device):
        for event in _train(replace(request, device=device), cancel, place):
            if place.first:
                yield event


def trial(request: TrialRequest, cancel: CancelToken) -> Iterator[Any]:
    """Measure a few steps of each stage, at its largest crops, without writing anything but into the cache.

    Yields:
        `DownloadProgress` where content weights are missing, the scan's events, then `TrialFinished`.

    Raises:
        UserError: as `train`.
    """
    wanted, recipe = _begun_or_new(request.train, RunFolder(request.train.run))
    setting = yield from _set_up(wanted, recipe, Place(), cancel)
    seconds: dict[str, float] = {}
    with setting.loader:
        for gan in (False, True):
            stage: StageRecipe = setting.recipe.gan if gan else setting.recipe.psnr
            if not stage.steps:
                continue
            # In a head start the generator rests; it is the steps after it that take time and memory.
            begun = min(setting.recipe.gan.head_start, stage.steps - 1)
            setting.training.step = setting.recipe.psnr.steps + begun if gan else 0
            setting.training.begin_stage(gan)
            measured = []
            for _ in range(request.steps + 1):
                cancel.check()
                # Outside the clock: pictures are decoded for the first time here, and in a run ahead of the step.
                batches = setting.batches(stage, stage.steps - 1)
                begin = time.perf_counter()
                setting.training.train_step(batches)
                measured.append(time.perf_counter() - begin)
            seconds["gan" if gan else "psnr"] = statistics.median(measured[1:])
    total = seconds.get("psnr", 0) * setting.recipe.psnr.steps + seconds.get("gan", 0) * setting.recipe.gan.steps
    device = setting.training.device
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else psutil.Process().memory_info().rss
    yield TrialFinished(seconds, total, memory)


@dataclass
class _Setting:
    """What a run works with."""

    recipe: Recipe
    found: Scan
    training: Training
    loader: CropLoader
    content: ContentNetwork | None
    parent: Model | None

    def batches(self, stage: StageRecipe, step: int, ahead: int = 0) -> list[Batch]:
        """The batches of step `step` (from 0) of a stage; the next `ahead` steps are prepared meanwhile."""
        first = self.recipe.psnr.steps if stage is self.recipe.gan else 0
        coming = [
            ((first + s) * stage.accumulate + part, stage.crop_at(s), self._batch(stage, s))
            for s in range(step, min(step + 1 + ahead, stage.steps))
            for part in range(stage.accumulate)
        ]
        return [self.loader.take(*coming[part], coming[part + 1 :]) for part in range(stage.accumulate)]

    def _batch(self, stage: StageRecipe, step: int) -> int:
        """Crops of a step, the same number for every process."""
        count = self.loader.shard[1]
        return max(count, round(stage.batch_at(step) / count) * count)


def _set_up(request: TrainRequest, recipe: Recipe, place: Place, cancel: CancelToken) -> Generator[Any, None, _Setting]:
    """Everything that can fail for a person's reasons, in the order of how soon it is known."""
    device = devices.choose(request.device)
    devices.keep_large_blocks()
    if request.threads:
        torch.set_num_threads(request.threads)
    torch.manual_seed(recipe.seed)
    generator, parent = _first_generator(recipe, request.start or recipe.start)
    if parent is None and recipe.psnr.losses.get("keep"):
        raise UserError(
            "psnr.losses.keep keeps what a model knows, and this run begins with random weights.",
            "Name a model to start from, or leave that loss out.",
        )
    content = None
    wants_content = recipe.gan.losses.get("content") or recipe.validation.gan_metric == "perceptual"
    if (recipe.gan.steps or recipe.gan.epochs) and wants_content:
        if not place.first:
            wait_for_all()  # until the first has downloaded it
        content = yield from load_content(recipe.gan.content.network, request.content_weights, cancel)
        if place.first:
            wait_for_all()
        content = content.to(device).to(memory_format=torch.channels_last)
    distance = _content_loss(recipe, content)
    crops = [crop for stage in (recipe.psnr, recipe.gan) if stage.steps or stage.epochs for crop in stage.crops]
    minimum = max(recipe.data.minimum_side, max(crops) * recipe.generator.scale)
    found = yield from scan(
        ScanRequest(
            request.data,
            recipe.generator.scale,
            minimum,
            request.validation,
            recipe.data.held_out,
            recipe.seed,
            recipe.data.quarantine,
        ),
        cancel,
    )
    if any(picture.lr is not None for picture in found.training):
        for field, is_set in (("data.drawn", recipe.data.drawn > 0), ("data.reduce_to", recipe.data.reduce_to < 1)):
            if is_set:
                raise UserError(
                    f"{field} does not go with ready-made pairs: how their small ones were made is not known.",
                    "Leave it out of the recipe, or choose a folder of large pictures alone.",
                )
    recipe = recipe.for_pictures(len(found.training))
    training = Training(recipe, generator, device, training_precision(device, recipe.precision), distance)
    loader = CropLoader(
        found.training,
        scale=recipe.generator.scale,
        degradation=recipe.data.degradation,
        drawn_share=recipe.data.drawn,
        candidates=recipe.data.candidates,
        reduce_to=recipe.data.reduce_to,
        recolour=recipe.data.recolour,
        seed=recipe.seed,
        cache_bytes=recipe.data.cache_mb << 20,
        threads=recipe.data.loader_threads,
        processes=recipe.data.loader_processes,
        shard=(place.rank, place.count),
    )
    return _Setting(recipe, found, training, loader, content, parent)


def _first_generator(recipe: Recipe, start: str) -> tuple[Network, Model | None]:
    wanted = GeneratorConfig(**recipe.generator.model_dump())
    if not start:
        generator = Network(wanted)
        initialise(generator)
        return generator, None
    model = find_model(start)
    generator, _ = load_generator(model.path)
    if generator.config != wanted:
        mine = generator.config
        raise UserError(
            f"{model.path.name} is another network than the recipe's.",
            f"It has scale = {mine.scale}, features = {mine.features}, blocks = {mine.blocks}, norm = {mine.norm}, "
            f"attention = {mine.attention}, skip = {mine.skip}, upsampler = {mine.upsampler}, output = {mine.output}: "
            "set these in the recipe's [generator], or start from another model.",
        )
    return generator, model


def _content_loss(recipe: Recipe, content: ContentNetwork | None) -> ContentLoss | None:
    if content is None:
        return None
    wanted = recipe.gan.content
    try:
        return ContentLoss(
            content,
            wanted.layers,
            before_activation=wanted.before_activation,
            distance=wanted.distance,
            normalise=wanted.normalise,
        )
    except ValueError as error:
        raise UserError(f"gan.content.layers: {error}.", "Correct the recipe.") from error


def _train(request: TrainRequest, cancel: CancelToken, place: Place) -> Iterator[Any]:
    folder = RunFolder(request.run)
    request, recipe = _begun_or_new(request, folder)
    path, bundle = newest_bundle(folder.bundles) if request.resume else (None, None)
    begun_at = step_of(path) if path is not None else 0
    if path is not None and 0 < request.stop_after <= begun_at:
        raise UserError(
            f"The run in {folder.path} is at step {begun_at:,} already, and was to stop after {request.stop_after:,}.",
            "Name a later step, or none.",
        )
    setting = yield from _set_up(request, recipe, place, cancel)
    run = _Run(request, setting, folder, place, cancel)
    try:
        if bundle is not None:
            yield Notice(f"Going on from step {begun_at:,}.")
            yield from run.go_on(bundle)
            if place.first:
                folder.note(request)
        elif place.first:
            folder.create(recipe, request)
            yield SamplesSaved(run.save_samples())
        wait_for_all()
        with setting.loader:
            yield from run.steps()
        yield run.finish()
    except OSError as error:
        raise UserError(
            f"The run in {folder.path} had to stop: {error.strerror or error}.",
            "Its newest bundle is whole: make room or bring the folder back, then go on with it (--resume).",
        ) from error
    finally:
        run.board.close()


def _begun_or_new(request: TrainRequest, folder: RunFolder) -> tuple[TrainRequest, Recipe]:
    """With its recipe; what a request to go on leaves open is as the run had it: other held-out pictures would be
    pictures it has seen."""
    if not request.resume:
        # Part of the recipe, which is checked as a whole: without a PSNR stage, a GAN stage needs a model.
        start = (("start", json.dumps(request.start)),) if request.start else ()
        recipe = load_recipe(request.recipe, (*request.overrides, *start))
        return replace(request, start=recipe.start), recipe
    recipe = folder.recipe()
    try:
        noted = folder.request()
    except UserError:
        return request, recipe  # of the first versions
    begun = replace(
        request,
        recipe=request.recipe or noted.recipe,
        validation=request.validation or noted.validation,
        start=request.start or noted.start,
        content_weights=request.content_weights or noted.content_weights,
    )
    return begun, recipe


class _Run:
    """One run under way."""

    def __init__(
        self, request: TrainRequest, setting: _Setting, folder: RunFolder, place: Place, cancel: CancelToken
    ) -> None:
        self.request = request
        self.setting = setting
        self.recipe = setting.recipe
        self.training = setting.training
        self.folder = folder
        self.place = place
        self.cancel = cancel
        self.held_out = HeldOut(setting.found.validation, self.recipe, setting.content)
        self.seen = Seen(setting.found.training, self.recipe)
        self.best: dict[str, Figures] = {}
        """Of each stage, at its best look."""
        self.looks_without_better = 0
        self.looks_at = self.recipe.extra_looks(len(setting.found.training))
        self.board = Board(folder.path if request.tensorboard and place.first else None)
        self.saturation = 0.0
        """Running mean of D(real) - D(fake)."""
        self.saturation_told = False
        self.mesh_told = False
        self.stopped = False

    def go_on(self, bundle: Bundle) -> Iterator[Notice]:
        """Become what a bundle holds."""
        if bundle.state.get("fingerprint", self.setting.found.fingerprint) != self.setting.found.fingerprint:
            yield Notice("The training pictures are not those that the run began with: it goes on, but not exactly.")
        self._restore(bundle)
        if self.place.first:
            self.folder.forget_after(self.training.step)
            self.held_out.save_references(self.folder.references)

    def save_samples(self) -> tuple[tuple[Any, Any], ...]:
        """Write what a first step would see, and the pictures that every look is compared with."""
        self.held_out.save_references(self.folder.references)
        stage = self.recipe.psnr if self.recipe.psnr.steps else self.recipe.gan
        batch = self.setting.loader.cut(0, stage.crop_at(stage.steps - 1), SAMPLES * self.place.count)
        pairs = []
        for number, (lr, hr) in enumerate(zip(batch.lr, batch.hr, strict=True)):
            names = self.folder.samples / f"{number}-lr.png", self.folder.samples / f"{number}-hr.png"
            save_png(names[0], lr)
            save_png(names[1], hr)
            pairs.append(names)
        return tuple(pairs)

    def steps(self) -> Iterator[Any]:
        """Both stages."""
        training = self.training
        started = TrainingStarted(
            self.folder.path,
            recipe_toml(self.recipe),
            str(training.device),
            training.precision,
            sum(p.numel() for p in training.generator.parameters()),
            training.step,
            self.recipe.total_steps,
            self.held_out.bicubic.psnr_y,
            self.held_out.bicubic.ssim_y,
            self.setting.parent.card.name if self.setting.parent else "",
        )
        if self.place.first:
            self.folder.log(started)
        yield started
        for gan in (False, True):
            try:
                yield from self._stage(gan)
            except Cancelled:
                yield from self._save()
                raise
            except Exception:
                # Whatever it was, the steps up to now are worth keeping. Several processes would wait for each other.
                if self.place.count == 1 and training.stage_begun:
                    with contextlib.suppress(Exception):
                        yield from self._save()
                raise
            if self.stopped:
                return

    def _stage(self, gan: bool) -> Iterator[Any]:
        training = self.training
        stage: StageRecipe = self.recipe.gan if gan else self.recipe.psnr
        name: StageName = "gan" if gan else "psnr"
        first = self.recipe.psnr.steps if gan else 0
        last = first + stage.steps
        if not stage.steps or training.step >= last:
            return
        if training.stage_begun != name:
            training.begin_stage(gan)
            self.looks_without_better = 0
        yield StageStarted(name, first, stage.steps)
        if training.step == first:
            yield from self._save()
        clock = _Clock(self.setting.loader)
        ahead = AHEAD * max(1, self.recipe.data.loader_processes)
        while training.step < last:
            self._check_cancel()
            rate = training.rate()
            report = training.train_step(self.setting.batches(stage, training.step - first, ahead))
            if training.bad_steps >= BAD_STEPS:
                yield from self._back_to_finite(report)
                clock.restart()
                continue
            done = training.step
            if clock.due(force=done == last or bool(report.skipped)):
                yield self._report(name, last, report, rate, clock)
            if gan:
                yield from self._watch_balance(report)
            stop = bool(self.request.stop_after) and done >= self.request.stop_after
            for lost in self.setting.loader.take_lost():
                yield Notice(f"{lost.message} The run goes on with other pictures in its place.")
            if done % self.recipe.validation.every == 0 or done == last or done in self.looks_at:
                yield from self._look(name)
                clock.restart()
                patience = self.recipe.validation.patience
                # The first process alone looks; all of them have to leave the stage.
                if any_of_all(bool(patience) and self.looks_without_better >= patience):
                    yield Notice(f"No better look for {patience} times: the {name} stage ends at step {done}.")
                    training.step = last
                    yield from self._save()
                    return
            if done % self.recipe.bundle_every == 0 or done == last or stop:
                yield from self._save()
                clock.restart()
            if stop:
                self.stopped = True
                return

    def _report(self, name: StageName, last: int, report: StepReport, rate: float, clock: _Clock) -> TrainingStep:
        total, done = self.recipe.total_steps, self.training.step
        event = TrainingStep(
            name,
            done,
            total,
            rate,
            report.losses,
            report.gradient_norms,
            report.d_real,
            report.d_fake,
            clock.seconds_per_step,
            clock.waited,
            (last - done) * clock.seconds_per_step,
            report.skipped,
        )
        if self.place.first and clock.log_due(force=bool(report.skipped)):
            self.folder.log(event)
            self.board.step(event)
        return event

    def _watch_balance(self, report: StepReport) -> Iterator[Notice]:
        if report.d_real is None or report.d_fake is None or report.skipped:
            return
        keep = 1 - 1 / SATURATION_MEMORY
        self.saturation = keep * self.saturation + (1 - keep) * (report.d_real - report.d_fake)
        if self.saturation > SATURATED and not self.saturation_told:
            self.saturation_told = True
            yield Notice(
                f"The discriminator has won: D(real) is {report.d_real:.2f} and D(fake) {report.d_fake:.2f}, so it "
                "teaches the generator nothing more. Lower gan.discriminator_rate, or raise the content loss."
            )
        elif self.saturation < SATURATED - 0.1:
            self.saturation_told = False

    def _look(self, name: StageName) -> Iterator[Look | Notice]:
        """Measure the moving average on the held-out pictures; rank 0 alone, while the others wait."""
        if self.place.first:
            training, folder = self.training, self.folder
            folder.check_present()
            figures, shown = self.held_out.measure(training.enlarge)
            metric = self.recipe.validation.gan_metric if name == "gan" else self.recipe.validation.metric
            best = name not in self.best or figures.better_than(self.best[name], metric)
            card = self._card(figures)
            save_generator(folder.latest, training.ema.state_dict(), card)
            if best:
                self.best[name] = figures
                save_generator(folder.best(name), training.ema.state_dict(), card)
            self.looks_without_better = 0 if best else self.looks_without_better + 1
            pictures = self.held_out.save_shown(shown, folder.references, folder.look(training.step))
            event = Look(
                name,
                training.step,
                figures.psnr_y,
                figures.ssim_y,
                figures.perceptual,
                pictures,
                best,
                folder.latest,
                self.seen.gain(training.enlarge),
                figures.mesh,
            )
            folder.log(event)
            self.board.look(event)
            yield event
            if name == "gan" and not self.mesh_told and figures.mesh > self.held_out.bicubic.mesh + MESH_SEEN:
                self.mesh_told = True
                yield Notice(
                    f"A regular pattern begins to show: it stands {figures.mesh:.1f} dB out of the error (bicubic "
                    f"{self.held_out.bicubic.mesh:.1f}). Raise the loss grid, or lower content and adversarial."
                )
            gain = figures.psnr_y - self.held_out.bicubic.psnr_y
            if name == "psnr" and self.seen.parts_from(gain, event.seen_gain):
                yield Notice(
                    "It begins to learn the training pictures by heart: there it still gets better, but on held-out "
                    f"pictures it has lost {self.seen.best_gain - gain:.2f} dB. More pictures, or fewer steps, help."
                )
        wait_for_all()

    def _save(self) -> Iterator[BundleSaved]:
        if self.place.first:
            state = {
                **self.training.state(),
                "fingerprint": self.setting.found.fingerprint,
                "best": {name: [f.psnr_y, f.ssim_y, f.perceptual] for name, f in self.best.items()},
                "looks_without_better": self.looks_without_better,
                "saturation": self.saturation,
                "told": [self.saturation_told, self.mesh_told],
                "seen": self.seen.state(),
            }
            path = save_bundle(
                self.folder.bundles, self.training.step, self.training.parts(), state, self.recipe.keep_bundles
            )
            yield BundleSaved(path, self.training.step)
        wait_for_all()

    def _restore(self, bundle: Bundle) -> None:
        self.training.restore(bundle)
        state = bundle.state
        # Bundles of the first days kept the PSNR alone.
        self.best = {
            name: Figures(*values) if isinstance(values, list) else Figures(values, 0.0, None)
            for name, values in state["best"].items()
        }
        self.looks_without_better = state.get("looks_without_better", 0)
        self.saturation = state.get("saturation", 0.0)
        self.saturation_told, self.mesh_told = state.get("told", (False, False))
        self.seen.restore(state.get("seen", {}))

    def _back_to_finite(self, report: StepReport) -> Iterator[Any]:
        # Not to a bundle of the bad steps themselves: what they found unbearable is in it.
        path, bundle = newest_bundle(self.folder.bundles, lambda bundle: bundle.state["bad_steps"] == 0)
        factor = self.training.rate_factor / 2
        if factor < LEAST_RATE:
            raise UserError(
                f"Training does not hold: {report.skipped}, at {self.training.rate_factor:g} of the learning rate too.",
                "Look at the pictures and at the weights of the losses; precision = fp32 may help.",
            )
        self._restore(bundle)
        self.training.rate_factor = factor
        # Every process has read it before the first one writes.
        wait_for_all()
        if self.place.first:
            self.folder.forget_after(self.training.step)
            for later in bundles(self.folder.bundles):
                if later.name > path.name:
                    later.unlink()
        yield Notice(
            f"{BAD_STEPS} steps in a row could not be taken ({report.skipped}): "
            f"back to step {self.training.step}, with {factor:g} times the learning rate."
        )
        yield from self._save()

    def _check_cancel(self) -> None:
        """Raise in every process at the same step, whichever was told."""
        stop = False
        try:
            self.cancel.check()
        except Cancelled:
            stop = True
        if any_of_all(stop):
            raise Cancelled

    def finish(self) -> TrainingFinished:
        """The finished model, measured in full precision against bicubic and the parent."""
        done = self.training.taken
        if self.stopped or not self.place.first:
            return TrainingFinished(self.folder.path, None, done, None, None, "The run was stopped, and can go on.")
        name: StageName = "gan" if self.recipe.gan.steps else "psnr"
        metric = self.recipe.validation.gan_metric if name == "gan" else self.recipe.validation.metric
        generator, _ = load_generator(self.folder.best(name))
        device = self.training.device
        figures, _ = self.held_out.measure(enlarge_with(generator, device))
        bicubic = self.held_out.bicubic
        metrics = figures.named() | bicubic.named("bicubic_")
        verdict = _verdict("bicubic enlargement", figures, bicubic, metric)
        better_than_parent = None
        if self.setting.parent is not None:
            parent, card = load_generator(self.setting.parent.path)
            of_parent, _ = self.held_out.measure(enlarge_with(parent, device))
            metrics |= of_parent.named("parent_")
            better_than_parent = figures.clearly_better_than(of_parent, metric)
            verdict += " " + _verdict(f"its parent {card.name}", figures, of_parent, metric)
        many = len(self.held_out)
        verdict += f" Measured on {many} held-out picture{'s' if many > 1 else ''}."
        save_generator(self.folder.model, generator.state_dict(), self._card(figures, metrics))
        event = TrainingFinished(
            self.folder.path,
            self.folder.model,
            done,
            figures.clearly_better_than(bicubic, metric),
            better_than_parent,
            verdict,
            metrics,
        )
        self.folder.log(event)
        return event

    def _card(self, figures: Figures, metrics: dict[str, float] | None = None) -> ModelCard:
        recipe, parent = self.recipe, self.setting.parent
        of_parent = ""
        if parent is not None:
            of_parent = f"{parent.card.name} (sha256 {hashlib.sha256(parent.path.read_bytes()).hexdigest()})"
        count = len(self.setting.found.training)
        return ModelCard(
            name=f"{recipe.name} x{recipe.generator.scale}",
            scale=recipe.generator.scale,
            size=f"{recipe.generator.features}nf {recipe.generator.blocks}nb",
            tags=("gan" if self.training.gan else "psnr", recipe.data.degradation),
            description=recipe.description,
            dataset=f"{count} pictures of {self.request.data.resolve().name}",
            dataset_sha256=self.setting.found.fingerprint,
            iterations=self.training.taken,
            parent=of_parent,
            metrics={f"held-out {k}": v for k, v in (metrics or figures.named()).items()},
            # Cards are passed on, and where its folders are is nobody's business.
            recipe=recipe_toml(recipe.model_copy(update={"start": Path(recipe.start).name})),
            date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        )


def _verdict(what: str, mine: Figures, other: Figures, metric: str) -> str:
    """One sentence: better or not better, and by which figures."""
    said = "Better than" if mine.clearly_better_than(other, metric) else "Not better than"
    figures = f"PSNR {mine.psnr_y:.2f} against {other.psnr_y:.2f} dB, SSIM {mine.ssim_y:.4f} against {other.ssim_y:.4f}"
    if mine.perceptual is not None and other.perceptual is not None:
        figures += f", perceptual distance {mine.perceptual:.4f} against {other.perceptual:.4f}"
    words = {"psnr_y": "PSNR", "ssim_y": "SSIM", "perceptual": "perceptual distance"}[metric]
    return f"{said} {what} by {words}: {figures}."


class _Clock:
    """How long steps take, how much of that was waiting for data, and when it is time for another event."""

    def __init__(self, loader: CropLoader) -> None:
        self.loader = loader
        self.seconds_per_step = 0.0
        """Running mean."""
        self.waited = 0.0
        """Share of the time since the last event."""
        self._logged = -math.inf
        self._told = -math.inf
        self._elapsed = self._waiting = 0.0
        self._steps = 0
        self.restart()

    def restart(self) -> None:
        """Leave out what happened since the last step: a look, a bundle."""
        self._begin = time.perf_counter()
        self._waited_before = self.loader.waited

    def due(self, *, force: bool) -> bool:
        """Count a step; true where the next event is due, whose figures are then set."""
        now = time.perf_counter()
        self._steps += 1
        self._elapsed += now - self._begin
        self._waiting += self.loader.waited - self._waited_before
        self.restart()
        # By the time of the last event and not of the last restart: looks may come faster than events.
        if now - self._told < 1 / EVENTS_A_SECOND and not force:
            return False
        seconds = self._elapsed / self._steps
        old = self.seconds_per_step or seconds
        self.seconds_per_step = 0.95 * old + 0.05 * seconds
        self.waited = self._waiting / self._elapsed
        self._told = now
        self._elapsed = self._waiting = 0.0
        self._steps = 0
        return True

    def log_due(self, *, force: bool) -> bool:
        """True where the step should go into the log."""
        if time.perf_counter() - self._logged < LOGGED_EVERY and not force:
            return False
        self._logged = time.perf_counter()
        return True
