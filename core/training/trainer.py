"""Train a generator: scan, PSNR stage, GAN stage, verdict. A generator of events (`core.contract.training`)."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import torch

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.jobs import Notice
from core.contract.training import (
    CheckpointSaved,
    SamplesSaved,
    StageName,
    StageStarted,
    TrainingEstimated,
    TrainingEstimateRequest,
    TrainingEvent,
    TrainingFinished,
    TrainingStarted,
    TrainingStep,
    TrainRequest,
    Validation,
)
from core.language import gettext as _
from core.training.checkpoint import (
    Checkpoint,
    CheckpointPart,
    RandomState,
    forget_after,
    newest_checkpoint,
    restore,
    save_checkpoint,
)
from core.training.clock import StepClock
from core.training.outcome import card_of, finish
from core.training.processes import Place, any_of_all, job, joined, wait_for_all
from core.training.recipe import Recipe, StageRecipe, recipe_toml
from core.training.run import RunFolder
from core.training.setup import Setup, set_up
from core.training.step import BAD_STEPS, StepReport
from core.training.tensorboard import Board
from core.training.validation import Validator, write_png

AHEAD = 3
"""Steps whose crops are cut in advance, for each process that cuts."""
SAMPLES = 8
LEAST_RATE = 2.0**-8
"""Halved below this share of its rate, a run is not held by smaller steps: something else is wrong."""


def train(request: TrainRequest, cancel: CancelToken) -> Iterator[TrainingEvent]:
    """Train as `request` says, from nothing or from a run's newest checkpoint.

    Under `torchrun` every process calls this with the same request; only rank 0 yields. What `--max-restarts` starts
    again goes on from the newest checkpoint that it made before.

    Yields:
        The events of `core.contract.training`, in the order given there, and `Notice`.

    Raises:
        UserError: recipe, data, model or content weights are unusable (all found before the first step), the disk is
            full or a folder is gone (the newest checkpoint is whole).
        Cancelled: asked for; a checkpoint of the last step has been saved.
    """
    folder = RunFolder(request.run)
    request, recipe = folder.settle(request)
    with joined(request.device) as (place, device):
        request = replace(request, device=device)
        # The first process alone knows: another machine may see its files later.
        begun = any_of_all(place.first and not request.resume and folder.was_begun_by(job(), recipe))
        if begun and any_of_all(place.first and folder.holds_checkpoint):
            request, recipe = folder.settle(replace(request, resume=True))
        for event in _train(request, recipe, folder, place, cancel, begun=begun):
            if place.first:
                yield event


def _train(
    request: TrainRequest, recipe: Recipe, folder: RunFolder, place: Place, cancel: CancelToken, *, begun: bool
) -> Iterator[TrainingEvent]:
    checkpoint = _checkpoint_to_go_on_from(request, folder)
    setup = yield from set_up(request, recipe, place, cancel)
    run = _Run(request, setup, folder, place, cancel)
    with run.ends_in_words(), setup.loader:
        yield from run.begin(recipe, begun=begun) if checkpoint is None else run.resume(checkpoint)
        yield run.started()
        yield from run.stage("psnr")
        yield from run.stage("gan")
        yield run.finish()


def estimate(request: TrainingEstimateRequest, cancel: CancelToken) -> Iterator[TrainingEvent]:
    """Measure a few steps of each stage, at its largest crops, without writing anything but into the cache.

    Yields:
        `DownloadProgress` where content weights are missing, the scan's events, `TeacherProgress` where there is a
        teacher, then `TrainingEstimated`.

    Raises:
        UserError: as `train`.
    """
    wanted, recipe = RunFolder(request.train.run).settle(request.train)
    setup = yield from set_up(wanted, recipe, Place(), cancel, only_try=True)
    recipe, training = setup.recipe, setup.training
    seconds: dict[str, float] = {}
    with setup.loader:
        for gan in (False, True):
            stage: StageRecipe = recipe.gan if gan else recipe.psnr
            if not stage.steps:
                continue
            # In a head start the generator rests; it is the steps after it that take time and memory.
            begun = min(recipe.gan.head_start, stage.steps - 1)
            training.step = recipe.psnr.steps + begun if gan else 0
            training.begin_stage(gan)
            measured = []
            for _rest in range(request.steps + 1):
                cancel.check()
                # Outside the clock: pictures are decoded for the first time here, and in a run ahead of the step.
                batches = setup.batches(stage, stage.steps - 1)
                begin = time.perf_counter()
                training.train_step(batches)
                measured.append(time.perf_counter() - begin)
            seconds["gan" if gan else "psnr"] = statistics.median(measured[1:])
    total = seconds.get("psnr", 0) * recipe.psnr.steps + seconds.get("gan", 0) * recipe.gan.steps
    if setup.teacher is not None:
        total += setup.teacher.untaught * setup.teacher.seconds
    device = training.device
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else psutil.Process().memory_info().rss
    yield TrainingEstimated(seconds, total, memory)


def _checkpoint_to_go_on_from(request: TrainRequest, folder: RunFolder) -> Checkpoint | None:
    if not request.resume:
        return None
    _rest, checkpoint = newest_checkpoint(folder.checkpoints)
    if 0 < request.stop_after <= checkpoint.step:
        raise UserError(
            _("The run in {path} is already at step {step:,}, and was to stop after {stop_after:,}.").format(
                path=folder.path, step=checkpoint.step, stop_after=request.stop_after
            ),
            _("Name a later step, or none."),
        )
    return checkpoint


class _Run:
    """One run under way."""

    def __init__(
        self, request: TrainRequest, setup: Setup, folder: RunFolder, place: Place, cancel: CancelToken
    ) -> None:
        assert request.data is not None  # settled
        self.request = request
        self.data: Path = request.data
        self.setup = setup
        self.recipe = setup.recipe
        self.training = setup.training
        self.folder = folder
        self.place = place
        self.cancel = cancel
        teacher = setup.teacher if place.first else None  # who alone validates
        self.validator = Validator(
            setup.found.training,
            setup.found.validation,
            self.recipe,
            setup.content,
            (lambda lr: teacher.enlarge(lr, cancel)) if teacher is not None else None,
        )
        self.board = Board(folder.path if request.tensorboard and place.first else None)
        self.stopped = False

    def parts(self) -> Iterator[tuple[str, CheckpointPart]]:
        """All that a checkpoint keeps, in the order in which it is to be restored: the discriminator is there once the
        stage has begun, and the random numbers come last, as beginning a stage takes some."""
        yield "pictures", self.setup.pictures
        yield "training", self.training
        if self.training.adversary is not None:
            yield "adversary", self.training.adversary
        yield "validation", self.validator
        yield "random", RandomState(self.training.device)

    @contextlib.contextmanager
    def ends_in_words(self) -> Iterator[None]:
        """Say in words that the disk is full or gone, and leave no file open."""
        try:
            yield
        except OSError as error:
            raise UserError(
                _("The run in {path} had to stop: {strerror}.").format(
                    path=self.folder.path, strerror=error.strerror or error
                ),
                _(
                    "Its newest checkpoint is whole: free some space or bring the folder back, then resume it "
                    "(--resume)."
                ),
            ) from error
        finally:
            self.board.close()

    # The run from its beginning to its end

    def begin(self, recipe: Recipe, *, begun: bool) -> Iterator[SamplesSaved]:
        """Make the folder, unless this very run has begun it, and show what a first step would see."""
        if self.place.first:
            self.folder.create(recipe, self.request, job(), begun=begun)
            self.validator.held_out.save_references(self.folder.references)
            yield SamplesSaved(self._save_samples())
        wait_for_all()

    def resume(self, checkpoint: Checkpoint) -> Iterator[Notice]:
        """Become what a checkpoint holds."""
        yield Notice(_("Resuming from step {step}.").format(step=checkpoint.step))
        restore(checkpoint, self.parts())
        if self.setup.pictures.changed:
            yield Notice(
                _("The training pictures are not those that the run began with: it continues, but not exactly.")
            )
        if self.place.first:
            self.folder.forget_after(self.training.step)
            self.validator.held_out.save_references(self.folder.references)
            self.folder.note(self.request, job())
        wait_for_all()

    def started(self) -> TrainingStarted:
        """What begins now."""
        training, bicubic = self.training, self.validator.held_out.bicubic
        event = TrainingStarted(
            self.folder.path,
            recipe_toml(self.recipe),
            str(training.device),
            training.precision,
            sum(p.numel() for p in training.generator.parameters()),
            training.step,
            self.recipe.total_steps,
            bicubic.psnr_y,
            bicubic.ssim_y,
            self.setup.parent.card.name if self.setup.parent else "",
            self.setup.teacher.name if self.setup.teacher else "",
        )
        if self.place.first:
            self.folder.log(event)
        return event

    def stage(self, name: StageName) -> Iterator[TrainingEvent]:
        """The rest of a stage; whatever ends it, the steps up to then are saved."""
        if self.stopped:
            return
        try:
            yield from self._stage(name)
        except Cancelled:
            yield from self._save()
            raise
        except Exception:
            # Whatever it was, the steps up to now are worth keeping. Several processes would wait for each other.
            if self.place.count == 1 and self.training.stage_begun:
                with contextlib.suppress(Exception):
                    yield from self._save()
            raise

    def finish(self) -> TrainingFinished:
        """The finished model, or that the run has only been stopped."""
        if self.stopped or not self.place.first:
            words = _("The run was stopped; resume it any time.")
            return TrainingFinished(self.folder.path, None, self.training.taken, None, None, words)
        event = finish(self.setup, self.validator, self.data, self.folder, self.cancel)
        self.folder.log(event)
        return event

    # Within a stage

    def _stage(self, name: StageName) -> Iterator[TrainingEvent]:
        training = self.training
        gan = name == "gan"
        stage: StageRecipe = self.recipe.gan if gan else self.recipe.psnr
        first = self.recipe.psnr.steps if gan else 0
        last = first + stage.steps
        if not stage.steps or training.step >= last:
            return
        if training.stage_begun != name:
            training.begin_stage(gan)
            self.validator.begin_stage()
        yield StageStarted(name, first, stage.steps)
        if training.step == first:
            yield from self._save()
        clock = StepClock(self.setup.loader, self.cancel.clock)
        ahead = AHEAD * max(1, self.recipe.data.loader_processes)
        while training.step < last:
            self._check_cancel()
            rate = training.get_lr()
            report = training.train_step(self.setup.batches(stage, training.step - first, ahead))
            if training.bad_steps >= BAD_STEPS:
                yield from self._back_to_finite(report)
                clock.restart()
                continue
            done = training.step
            if clock.due(force=done == last or bool(report.skipped)):
                yield self._report(name, last, report, rate, clock)
            yield from self._notices(report)
            if self.validator.is_due(done) or done == last:
                yield from self._validate(name)
                clock.restart()
                # The first process alone validates; all of them have to leave the stage.
                if any_of_all(self.validator.out_of_patience):
                    times = self.recipe.validation.patience
                    yield Notice(
                        _("No better weights for {times} validations: the {name} stage ends at step {done}.").format(
                            times=times, name=name, done=done
                        )
                    )
                    training.step = last
                    yield from self._save()
                    return
            self.stopped = bool(self.request.stop_after) and done >= self.request.stop_after
            if done % self.recipe.checkpoint_every == 0 or done == last or self.stopped:
                yield from self._save()
                clock.restart()
            if self.stopped:
                return

    def _report(self, name: StageName, last: int, report: StepReport, rate: float, clock: StepClock) -> TrainingStep:
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

    def _notices(self, report: StepReport) -> Iterator[Notice]:
        """What a step gives reason to say."""
        adversary = self.training.adversary
        if adversary is not None and report.d_real is not None and report.d_fake is not None and not report.skipped:
            words = adversary.watch(report.d_real, report.d_fake)
            if words:
                yield Notice(words)
        for lost in self.setup.loader.take_lost():
            yield Notice(
                _("{message} The run continues with other pictures in its place.").format(message=lost.message)
            )

    def _validate(self, name: StageName) -> Iterator[Validation | Notice]:
        """Measure the moving average on the held-out pictures; rank 0 alone, while the others wait."""
        if self.place.first:
            self.folder.check_present()
            training = self.training
            for event in self.validator.validate(
                name,
                training.step,
                training.enlarge,
                training.ema.state_dict(),
                lambda figures: card_of(self.setup, self.data, figures),
                self.folder,
            ):
                if isinstance(event, Validation):
                    self.folder.log(event)
                    self.board.validation(event)
                yield event
        wait_for_all()

    def _save(self) -> Iterator[CheckpointSaved]:
        if self.place.first:
            step, keep = self.training.step, self.recipe.keep_checkpoints
            yield CheckpointSaved(save_checkpoint(self.folder.checkpoints, step, self.parts(), keep), step)
        wait_for_all()

    def _save_samples(self) -> tuple[tuple[Path, Path], ...]:
        stage = self.recipe.psnr if self.recipe.psnr.steps else self.recipe.gan
        batch = self.setup.loader.cut(0, stage.crop_at(stage.steps - 1), SAMPLES * self.place.count)
        pairs = []
        for number, (lr, hr) in enumerate(zip(batch.lr, batch.hr, strict=True)):
            names = self.folder.samples / f"{number}-lr.png", self.folder.samples / f"{number}-hr.png"
            write_png(names[0], lr)
            write_png(names[1], hr)
            pairs.append(names)
        return tuple(pairs)

    def _back_to_finite(self, report: StepReport) -> Iterator[TrainingEvent]:
        # Not to a checkpoint of the bad steps themselves: what they found unbearable is in it.
        _path, checkpoint = newest_checkpoint(
            self.folder.checkpoints, lambda each: each.part("training").values["bad_steps"] == 0
        )
        factor = self.training.rate_factor / 2
        if factor < LEAST_RATE:
            raise UserError(
                _("Training is unstable: {skipped}, even at {rate_factor:g} of the learning rate.").format(
                    skipped=report.skipped, rate_factor=self.training.rate_factor
                ),
                _("Look at the pictures and at the weights of the losses; precision = fp32 may help."),
            )
        restore(checkpoint, self.parts())
        self.training.rate_factor = factor
        # Every process has read it before the first one writes.
        wait_for_all()
        if self.place.first:
            self.folder.forget_after(self.training.step)
            forget_after(self.folder.checkpoints, self.training.step)
        yield Notice(
            _(
                "{bad_steps} steps in a row could not be taken ({skipped}): back to step {step}, with "
                "{factor:g} times the learning rate."
            ).format(bad_steps=BAD_STEPS, skipped=report.skipped, step=self.training.step, factor=factor)
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
