"""Everything that changes while training, and the one step that changes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist

from core import devices
from core.language import gettext as _
from core.models.generator import Generator
from core.training.adversary import Adversary, Verdict
from core.training.checkpoint import PartState, load_optimizer, named, optimizer_tensors
from core.training.dataset import Batch
from core.training.fast_forward import FastForward
from core.training.losses import LOSSES, StepContext
from core.training.networks import augment_alike, autocast, distributed, no_sync, optimizer_of, placed
from core.training.recipe import GanStage, Recipe, StageRecipe
from core.training.schedule import get_lr

JUMP = 10.0
"""A loss (see `_watched`) this many times its running mean is taken for a blow-up, and the step is skipped."""
JUMP_AFTER = 50
"""Steps before the running mean is worth comparing with."""
BAD_STEPS = 3
"""So many skipped steps in a row bring the last finite state back."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step found; weighted values, means over all processes."""

    losses: dict[str, float]
    gradient_norms: dict[str, float]
    """By loss of the generator: L2 norms of gradients with respect to the SR batch."""
    d_real: float | None = None
    d_fake: float | None = None
    skipped: str = ""
    """Names the term that was not finite or jumped; empty where the step was taken."""


@dataclass
class _Measured:
    """What a step measures, summed over its batches: scalars on the device, which are read once, at its end."""

    losses: dict[str, Tensor] = field(default_factory=dict)
    gradient_norms: dict[str, Tensor] = field(default_factory=dict)
    checks: dict[str, Tensor] = field(default_factory=dict)
    """Whatever else must be finite: probabilities, and the norms of the weights' gradients by `generator` and
    `discriminator`."""

    def add(self, kind: dict[str, Tensor], name: str, value: Tensor, share: float = 1.0) -> None:
        """Add to one of the three."""
        value = value.detach().float() * share
        kind[name] = kind[name] + value if name in kind else value

    def add_game(self, found: dict[str, Tensor], share: float = 1.0) -> None:
        """Add what `Adversary.learn` returned."""
        self.add(self.losses, "discriminator", found["discriminator"], share)
        for name in ("d_real", "d_fake"):
            self.add(self.checks, name, found[name], share)

    def read(self) -> _Read:
        """All scalars in one transfer, averaged over the processes, so that all of them judge a step alike."""
        kinds = (self.losses, self.gradient_norms, self.checks)
        stacked = torch.stack([value.to(torch.float32) for kind in kinds for value in kind.values()])
        if dist.is_initialized():
            dist.all_reduce(stacked)
            stacked /= dist.get_world_size()
        values = iter(stacked.tolist())
        return _Read(*({name: next(values) for name in kind} for kind in kinds))


@dataclass(frozen=True, slots=True)
class _Read:
    """The same as numbers."""

    losses: dict[str, float]
    gradient_norms: dict[str, float]
    checks: dict[str, float]

    def report(self, skipped: str = "") -> StepReport:
        return StepReport(
            self.losses, self.gradient_norms, self.checks.get("d_real"), self.checks.get("d_fake"), skipped
        )

    def not_finite(self) -> str:
        """In words, what is not a finite number; empty where all are."""
        gradient = _("the gradient of the {name} loss")
        words = {"d_real": _("the discriminator"), "d_fake": _("the discriminator")}
        named = (
            *((_("the {name} loss").format(name=name), value) for name, value in self.losses.items()),
            *((gradient.format(name=name), value) for name, value in self.gradient_norms.items()),
            *((words.get(name) or gradient.format(name=name), value) for name, value in self.checks.items()),
        )
        return next(
            (_("{what} is not finite").format(what=what) for what, value in named if not math.isfinite(value)), ""
        )


class Training:
    """Networks, moving average, optimisers and step count of a run; a part of a checkpoint.

    `begin_stage` before the first `train_step` of a stage. The discriminator is a part of its own, `adversary`.
    """

    def __init__(
        self,
        recipe: Recipe,
        generator: Generator,
        device: torch.device,
        precision: str,
        content_distance: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        """Take over `generator`.

        Args:
            recipe: of the run.
            generator: initialised or loaded; moved to `device`.
            device: to train on.
            precision: of the networks' arithmetic, `fp32`, `bf16` or `fp16`; weights stay float32.
            content_distance: (SR, HR) to a scalar; needed where the recipe weighs the content loss.
        """
        self.recipe = recipe
        self.device = device
        self.precision = precision
        self.content_distance = content_distance
        self.step = 0
        """Where the run is: steps done, and those that an early end left out."""
        self.taken = 0
        """Steps that changed the weights."""
        self.stage_begun: Literal["", "psnr", "gan"] = ""
        self.rate_factor = 1.0
        """Halved whenever the last finite state had to come back."""
        self.bad_steps = 0
        """Skipped steps in a row, up to now."""
        self.loss_mean = 0.0
        self.generator = placed(generator, device).train()
        self.forward: nn.Module = distributed(FastForward(self.generator), device)
        self.ema = placed(Generator(generator.config), device).requires_grad_(False).eval()
        self.ema.load_state_dict(self.generator.state_dict())
        self.before: Generator | None = None
        """The network as the stage began, where the `keep` loss needs it."""
        self.adversary: Adversary | None = None
        """In a GAN stage with an adversarial loss."""
        self.gan = False

    @property
    def stage(self) -> StageRecipe:
        """The recipe of the stage under way."""
        return self.recipe.gan if self.gan else self.recipe.psnr

    @property
    def stage_step(self) -> int:
        """Steps done in this stage."""
        return self.step - (self.recipe.psnr.steps if self.gan else 0)

    @property
    def rested(self) -> int:
        """Steps at the beginning of this stage in which only the discriminator learns."""
        return self.recipe.gan.head_start if self.gan else 0

    @property
    def generator_step(self) -> int:
        """Steps of this stage in which the generator had its turn; below 0 while the discriminator has a head start."""
        return self.stage_step - self.rested

    def begin_stage(self, gan: bool) -> None:
        """Make what the stage needs: a fresh optimiser, and for the GAN stage a fresh discriminator.

        The GAN stage goes on from the moving average, which is better than where the last step left the weights.
        """
        self.gan = gan
        self.stage_begun = "gan" if gan else "psnr"
        if gan:
            self.generator.load_state_dict(self.ema.state_dict())
        self.loss_mean = 0.0
        self.bad_steps = 0
        stage = self.stage
        self.before = None
        if stage.losses.get("keep"):
            self.before = placed(Generator(self.generator.config), self.device).requires_grad_(False).eval()
            self.before.load_state_dict(self.generator.state_dict())
        self.optimizer = optimizer_of(self.generator, stage)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        self.adversary = None
        if isinstance(stage, GanStage) and stage.losses.get("adversarial"):
            self.adversary = Adversary(stage, self.recipe.generator.scale, self.device, self.precision)

    def train_step(self, batches: Sequence[Batch]) -> StepReport:
        """One optimisation step of the generator, and in the GAN stage of the discriminator.

        Each loss is differentiated only as far as the SR batch; the sum of these gradients then goes through the
        generator once. That costs what one backward pass of the sum would, and gives the gradient norm of every term.

        Args:
            batches: to be accumulated, this process's share of each.

        Returns:
            What happened. Where a term is not finite nothing has changed but the step count.
        """
        with devices.same_shapes(self.device):
            self._set_rates()
            if self.adversary is not None and self.adversary.is_ahead(self.stage_step):
                report = self._head_start(self.adversary, batches)
            else:
                report = self._train_both(batches)
        self.step += 1
        return report

    def get_lr(self) -> float:
        """The generator's learning rate for the next step."""
        return get_lr(self.stage, self.stage_step, rested=self.rested) * self.rate_factor

    def enlarge(self, lr: np.ndarray) -> np.ndarray:
        """Upscale H x W x 3 uint8 RGB with the moving average, in the run's precision, to scale*H x scale*W x 3."""
        with autocast(self.device, self.precision):
            return enlarge_with(self.ema, self.device)(lr)

    def state(self) -> PartState:
        """Return what `restore` needs."""
        tensors = named(
            generator=self.generator.state_dict(),
            ema=self.ema.state_dict(),
            optimizer=optimizer_tensors(self.optimizer, self.generator),
            before={} if self.before is None else self.before.state_dict(),
        )
        values = {
            "step": self.step,
            "taken": self.taken,
            "gan": self.gan,
            "rate_factor": self.rate_factor,
            "bad_steps": self.bad_steps,
            "loss_mean": self.loss_mean,
            "scaler": self.scaler.state_dict(),
        }
        return PartState(tensors, values)

    def restore(self, state: PartState) -> None:
        """Become exactly what `state` described; begins its stage where that is not the one under way."""
        values = state.values
        self.step, self.taken, self.rate_factor = values["step"], values["taken"], values["rate_factor"]
        if self.stage_begun != ("gan" if values["gan"] else "psnr"):
            self.begin_stage(values["gan"])
        self.bad_steps, self.loss_mean = values["bad_steps"], values["loss_mean"]
        self.generator.load_state_dict(state.tensors_below("generator"))
        self.ema.load_state_dict(state.tensors_below("ema"))
        load_optimizer(self.optimizer, self.generator, state.tensors_below("optimizer"))
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(values["scaler"])
        if self.before is not None:
            self.before.load_state_dict(state.tensors_below("before"))

    # One step

    def _set_rates(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.get_lr()
        if self.adversary is not None:
            self.adversary.set_rate(self.stage_step, self.rate_factor)

    def _head_start(self, adversary: Adversary, batches: Sequence[Batch]) -> StepReport:
        measured = _Measured()
        for batch in batches:
            measured.add_game(self._adversary_alone(adversary, batch), 1 / len(batches))
        return measured.read().report()

    def _train_both(self, batches: Sequence[Batch]) -> StepReport:
        self.optimizer.zero_grad()
        adversary = self.adversary
        if adversary is not None:
            adversary.optimizer.zero_grad()
        measured = _Measured()
        buffers = self._buffers()
        wrapped = [self.forward, adversary.forward if adversary is not None else None]
        for number, batch in enumerate(batches):
            # Several processes add their gradients up once a step, with the last of the accumulated batches.
            with no_sync(wrapped, until_last=number < len(batches) - 1):
                self._accumulate(batch, 1 / len(batches), measured)
        report = self._finish(measured)
        if report.skipped:
            # The passes have already moved batch statistics and power iterations, perhaps to what is not finite.
            for buffer, before in buffers:
                buffer.copy_(before)
        elif adversary is not None:
            for number in range(1, adversary.stage.discriminator_steps):
                self._adversary_alone(adversary, batches[number % len(batches)])
        return report

    def _buffers(self) -> list[tuple[Tensor, Tensor]]:
        """(buffer, copy) of both networks."""
        networks = [self.generator, *([] if self.adversary is None else [self.adversary.network])]
        return [(each, each.clone()) for network in networks for each in network.buffers()]

    def _accumulate(self, batch: Batch, share: float, measured: _Measured) -> None:
        adversary = self.adversary
        lr, hr = _tensor(batch.lr, self.device), _tensor(batch.hr, self.device)
        with autocast(self.device, self.precision):
            sr = self.forward(lr)
        leaf = sr.detach().float().requires_grad_()
        verdict = None
        if adversary is not None:
            # One pass over the fakes serves both games: it is as if the discriminator moved after the generator, since
            # neither has changed yet.
            verdict = adversary.judge(hr, leaf, self._photographs(batch))
        context = self._context(batch, leaf, lr, hr, verdict)
        total = torch.zeros_like(leaf)
        for name, weight in self.stage.losses.items():
            if not weight:
                continue
            if name == "adversarial" and adversary is not None:
                weight *= adversary.ramp(self.stage_step)
            value = weight * LOSSES[name](context)
            # The discriminator's loss below goes through the same pass of the fakes.
            (gradient,) = torch.autograd.grad(value, leaf, retain_graph=name == "adversarial")
            total += gradient
            measured.add(measured.losses, name, value, share)
            measured.add(measured.gradient_norms, name, torch.linalg.vector_norm(gradient), share)
        torch.autograd.backward(sr, self.scaler.scale(total * share).to(sr.dtype))
        if adversary is not None and verdict is not None:
            measured.add_game(adversary.learn(verdict, share), share)
            adversary.steady(self.stage_step, hr, leaf, share)

    def _context(self, batch: Batch, leaf: Tensor, lr: Tensor, hr: Tensor, verdict: Verdict | None) -> StepContext:
        stage = self.stage
        anchor = self._anchor(batch, lr, hr)
        taught, places = self._taught(batch)
        if not isinstance(stage, GanStage):
            return StepContext(leaf, hr, anchor=anchor, taught=taught, taught_places=places)
        ema_sr = None
        if stage.losses.get("ldl"):
            with torch.no_grad(), autocast(self.device, self.precision):
                ema_sr = FastForward(self.ema)(lr).float()
        return StepContext(
            leaf,
            _with_teachers(batch, hr) if stage.teacher_is_truth else hr,
            truth=hr,
            anchor=anchor,
            taught=taught,
            taught_places=places,
            ema_sr=ema_sr,
            content_distance=self._content,
            real_logits=None if verdict is None else verdict.real,
            fake_logits=None if verdict is None else verdict.fake,
            game=stage.adversarial,
        )

    def _anchor(self, batch: Batch, lr: Tensor, hr: Tensor) -> Tensor | None:
        """`StepContext.anchor`."""
        if self.before is None:
            return None
        anchor = hr.clone()
        places = self._photographs(batch)
        if len(places):
            with torch.no_grad(), autocast(self.device, self.precision):
                anchor[places] = FastForward(self.before)(
                    lr[places].contiguous(memory_format=torch.channels_last)
                ).float()
        return anchor

    def _taught(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """`StepContext.taught` and `StepContext.taught_places`."""
        if batch.teacher is None or batch.taught is None or not self._learns_from_teacher:
            return None, None
        places = None if batch.taught.all() else torch.from_numpy(np.flatnonzero(batch.taught)).to(self.device)
        return _tensor(batch.teacher, self.device), places

    @property
    def _learns_from_teacher(self) -> bool:
        losses = self.stage.losses
        return bool(losses.get("teacher") or losses.get("teacher_content"))

    def _photographs(self, batch: Batch) -> Tensor:
        """Places in the batch of the crops that are not synthetic, on the device."""
        synthetic = np.zeros(len(batch.lr), bool) if batch.synthetic is None else batch.synthetic
        return torch.from_numpy(np.flatnonzero(~synthetic)).to(self.device)

    def _content(self, sr: Tensor, hr: Tensor) -> Tensor:
        assert self.content_distance is not None
        # Crops come in random order, so the first ones are as good as any.
        seen = math.ceil(self.recipe.gan.content.share * len(sr))
        sr, hr = sr[:seen], hr[:seen]
        if self.recipe.gan.content.augment:
            sr, hr = augment_alike(sr, hr)
        with autocast(self.device, self.precision):
            return self.content_distance(sr, hr)

    def _adversary_alone(self, adversary: Adversary, batch: Batch) -> dict[str, Tensor]:
        """One more step of the discriminator; returns what `Adversary.learn` does."""
        lr, hr = _tensor(batch.lr, self.device), _tensor(batch.hr, self.device)
        with torch.no_grad(), autocast(self.device, self.precision):
            sr = FastForward(self.generator)(lr).float()
        return adversary.learn_alone(self.stage_step, hr, sr, self._photographs(batch))

    def _finish(self, measured: _Measured) -> StepReport:
        """Step the optimisers, unless something is not finite."""
        adversary = self.adversary
        self.scaler.unscale_(self.optimizer)
        parameters = [p for p in self.generator.parameters() if p.grad is not None]
        norms = {"generator": nn.utils.clip_grad_norm_(parameters, self.stage.clip or math.inf)}
        if adversary is not None:
            norms["discriminator"] = adversary.clip()
        if self.precision != "fp16":
            # In fp16 an overflow is the scaler's everyday business.
            for name, norm in norms.items():
                measured.add(measured.checks, name, norm)
        read = measured.read()
        culprit = read.not_finite() or self._jump(read.losses)
        if culprit:
            self.bad_steps += 1
            # Gradients that were unscaled and not used: without this the next step may not unscale its own.
            self.scaler.update()
            if adversary is not None:
                adversary.skip_step()
            return read.report(culprit)
        self.bad_steps = 0
        self.taken += 1
        watched = _watched(self.stage)
        if watched is not None:
            decay = min(0.98, self.generator_step / (self.generator_step + 1))
            self.loss_mean = decay * self.loss_mean + (1 - decay) * read.losses[watched]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if adversary is not None:
            adversary.step()
        self._update_ema()
        return read.report()

    def _jump(self, losses: dict[str, float]) -> str:
        """In words, that the watched loss blew up; empty where it did not."""
        watched = _watched(self.stage)
        # `keep` is 0 until the first synthetic crop, and nothing is ten times that.
        most = JUMP * self.loss_mean or math.inf
        if watched is not None and self.generator_step >= JUMP_AFTER and losses[watched] > most:
            return _("the {watched} loss jumped from {loss_mean:.4g} to {losses:.4g}").format(
                watched=watched, loss_mean=self.loss_mean, losses=losses[watched]
            )
        return ""

    def _update_ema(self) -> None:
        # Early on a long memory would keep the first, bad weights.
        decay = min(self.stage.ema, (1 + self.step) / (10 + self.step)) if self.stage.ema else 0.0
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.parameters()), list(self.generator.parameters()), 1 - decay)
            for average, now in zip(self.ema.buffers(), self.generator.buffers(), strict=True):
                if average.is_floating_point():
                    average.lerp_(now, 1 - decay)
                else:
                    average.copy_(now)


def enlarge_with(generator: Generator, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
    """A function from H x W x 3 uint8 RGB to scale*H x scale*W x 3 uint8, by `generator`, moved to `device`."""
    forward = FastForward(placed(generator, device))

    def enlarge(lr: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            sr = forward(_tensor(lr[None], device))[0]
        sr8: np.ndarray = (sr.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return sr8

    return enlarge


def _with_teachers(batch: Batch, hr: Tensor) -> Tensor:
    """HR crops, and the teacher's output in place of those that it has enlarged."""
    if batch.teacher is None or batch.taught is None:
        return hr
    hr = hr.clone()
    hr[torch.from_numpy(np.flatnonzero(batch.taught)).to(hr.device)] = _tensor(batch.teacher, hr.device)
    return hr


def _watched(stage: StageRecipe) -> str | None:
    """The loss whose jumps tell of a blow-up: the first one that is never negative, as a game's may be, and that every
    batch has, as a teacher's may not."""
    weighed = [name for name, weight in stage.losses.items() if weight and name != "adversarial"]
    return next((name for name in weighed if not name.startswith("teacher")), weighed[0] if weighed else None)


def _tensor(pictures: np.ndarray, device: torch.device) -> Tensor:
    """N x H x W x 3 uint8 to N x 3 x H x W float32 in 0..1, channels-last as it already lies in memory."""
    tensor = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2)
    return tensor.to(torch.float32, memory_format=torch.channels_last).div_(255)
