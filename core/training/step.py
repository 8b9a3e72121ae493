"""Everything that changes while training, and the one step that changes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import parametrize

from core import devices
from core.models.discriminator import build_discriminator, settle_spectral_norm
from core.models.generator import Generator
from core.training.checkpoint import Bundle, load_optimizer, optimizer_tensors
from core.training.dataset import Batch
from core.training.fast_forward import FastForward
from core.training.losses import LOSSES, StepContext, discriminator_loss, probabilities
from core.training.muon import Muon
from core.training.recipe import GanStage, Recipe, StageRecipe

Network = TypeVar("Network", bound=nn.Module)

JUMP = 10.0
"""A loss (see `_watched`) this many times its running mean is taken for a blow-up, and the step is skipped."""
JUMP_AFTER = 50
"""Steps before the running mean is worth comparing with."""
BAD_STEPS = 3
"""So many skipped steps in a row bring the last finite state back."""


LARGEST_SHIFT = 7
"""Pixels by which the content loss's pictures are shifted at most: what its first three poolings make one of is 8."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step found; weighted values, means over all processes."""

    losses: dict[str, float]
    gradient_norms: dict[str, float]
    d_real: float | None = None
    d_fake: float | None = None
    skipped: str = ""
    """Names the term that was not finite or jumped; empty where the step was taken."""


@dataclass
class _Sums:
    """Of one step's batches: names and scalars on the device, read once at its end."""

    values: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, value: Tensor, share: float) -> None:
        value = value.detach().float() * share
        self.values[name] = self.values[name] + value if name in self.values else value


class Training:
    """Networks, moving average, optimisers and step count of a run.

    `begin_stage` before the first `train_step` of a stage; `parts` and `state` are what a bundle keeps, `restore` puts
    them back exactly.
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
        self.generator = _placed(generator, device).train()
        self.forward: nn.Module = _distributed(FastForward(self.generator), device)
        self.ema = _placed(Generator(generator.config), device).requires_grad_(False).eval()
        self.ema.load_state_dict(self.generator.state_dict())
        self.before: Generator | None = None
        """The network as the stage began, where the `keep` loss needs it."""
        self.discriminator: nn.Module | None = None
        self.judge: nn.Module | None = None
        """The discriminator as it is called: wrapped where there are several processes."""
        self.optimizer_d: torch.optim.Optimizer | None = None
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
    def generator_step(self) -> int:
        """Steps of this stage in which the generator had its turn; below 0 while the discriminator has a head start."""
        return self.stage_step - (self.recipe.gan.head_start if self.gan else 0)

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
            self.before = _placed(Generator(self.generator.config), self.device).requires_grad_(False).eval()
            self.before.load_state_dict(self.generator.state_dict())
        self.optimizer = _optimizer(self.generator, stage)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        if isinstance(stage, GanStage):
            crop = stage.crops[0] * self.recipe.generator.scale
            discriminator = build_discriminator(stage.discriminator, stage.discriminator_features, crop)
            self.discriminator = _placed(discriminator, self.device).train()
            self.judge = _distributed(self.discriminator, self.device)
            self.optimizer_d = _adam(self.discriminator, stage.discriminator_rate, stage)
            self.scaler_d = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")

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
            return self._train_step(batches)

    def _train_step(self, batches: Sequence[Batch]) -> StepReport:
        stage = self.stage
        self._set_rates()
        if isinstance(stage, GanStage) and self.generator_step < 0:
            for batch in batches:
                found = self._discriminator_step(stage, batch)
            self.step += 1
            return _report(_read(found))
        self.optimizer.zero_grad()
        if self.optimizer_d is not None:
            self.optimizer_d.zero_grad()
        sums = _Sums()
        buffers = self._buffers()
        for number, batch in enumerate(batches):
            # Several processes add their gradients up once a step, with the last of the accumulated batches.
            with _no_sync([self.forward, self.judge], until_last=number < len(batches) - 1):
                self._accumulate(batch, 1 / len(batches), sums)
        report = self._finish(stage, sums)
        if report.skipped:
            # The passes have already moved batch statistics and power iterations, perhaps to what is not finite.
            for buffer, before in buffers:
                buffer.copy_(before)
        if isinstance(stage, GanStage) and stage.losses.get("adversarial") and not report.skipped:
            for number in range(1, stage.discriminator_steps):
                self._discriminator_step(stage, batches[number % len(batches)])
        self.step += 1
        return report

    def _buffers(self) -> list[tuple[Tensor, Tensor]]:
        """(buffer, copy) of both networks."""
        networks = (self.generator, self.discriminator)
        return [(each, each.clone()) for network in networks if network is not None for each in network.buffers()]

    def _accumulate(self, batch: Batch, share: float, sums: _Sums) -> None:
        stage = self.stage
        lr, hr = self._on_device(batch.lr), self._on_device(batch.hr)
        with self._autocast():
            sr = self.forward(lr)
        leaf = sr.detach().float().requires_grad_()
        context = self._context(batch, leaf, lr, hr)
        total = torch.zeros_like(leaf)
        for name, weight in stage.losses.items():
            if not weight:
                continue
            if name == "adversarial" and isinstance(stage, GanStage):
                weight *= min(1.0, (self.generator_step + 1) / max(1, stage.ramp))
            value = weight * LOSSES[name].function(context)
            # The discriminator's loss below goes through the same pass of the fakes.
            (gradient,) = torch.autograd.grad(value, leaf, retain_graph=name == "adversarial")
            total += gradient
            sums.add(name, value, share)
            sums.add("|" + name, torch.linalg.vector_norm(gradient), share)
        torch.autograd.backward(sr, self.scaler.scale(total * share).to(sr.dtype))
        if context.fake_logits is not None and context.real_logits is not None:
            assert isinstance(stage, GanStage)
            loss = discriminator_loss(context.real_logits, context.fake_logits, stage.adversarial)
            assert self.discriminator is not None
            # Its parameters alone: a gradient for the pictures would be computed for nothing.
            torch.autograd.backward(self.scaler_d.scale(loss * share), inputs=list(self.discriminator.parameters()))
            sums.add("discriminator", loss, share)
            d_real, d_fake = probabilities(context.real_logits, context.fake_logits, stage.adversarial)
            sums.add("d_real", d_real, share)
            sums.add("d_fake", d_fake, share)

    def _context(self, batch: Batch, leaf: Tensor, lr: Tensor, hr: Tensor) -> StepContext:
        stage = self.stage
        kept = self._kept(batch, lr, hr)
        if not isinstance(stage, GanStage):
            return StepContext(leaf, hr, kept=kept)
        ema_sr = None
        if stage.losses.get("ldl"):
            with torch.no_grad(), self._autocast():
                ema_sr = FastForward(self.ema)(lr).float()
        real = fake = None
        if stage.losses.get("adversarial"):
            # One pass over the fakes serves both games: it is as if the discriminator moved after the generator, since
            # neither has changed yet.
            real, fake = self._judged(batch, hr, leaf)
        return StepContext(
            leaf,
            hr,
            kept=kept,
            ema_sr=ema_sr,
            content_distance=self._content,
            real_logits=real,
            fake_logits=fake,
            game=stage.adversarial,
        )

    def _kept(self, batch: Batch, lr: Tensor, hr: Tensor) -> Tensor | None:
        """`StepContext.kept`."""
        if self.before is None:
            return None
        kept = hr.clone()
        places = self._photographs(batch)
        if len(places):
            with torch.no_grad(), self._autocast():
                kept[places] = FastForward(self.before)(
                    lr[places].contiguous(memory_format=torch.channels_last)
                ).float()
        return kept

    def _photographs(self, batch: Batch) -> Tensor:
        """Places in the batch of the crops that were not drawn, on the device."""
        drawn = np.zeros(len(batch.lr), bool) if batch.drawn is None else batch.drawn
        return torch.from_numpy(np.flatnonzero(~drawn)).to(self.device)

    def _content(self, sr: Tensor, hr: Tensor) -> Tensor:
        assert self.content_distance is not None
        # Crops come in random order, so the first ones are as good as any.
        seen = math.ceil(self.recipe.gan.content.share * len(sr))
        sr, hr = sr[:seen], hr[:seen]
        if self.recipe.gan.content.augment:
            sr, hr = _augmented(sr, hr)
        with self._autocast():
            return self.content_distance(sr, hr)

    def _judged(self, batch: Batch, hr: Tensor, sr: Tensor) -> tuple[Tensor, Tensor]:
        """(logits of HR, logits of SR) in float32, of the crops that the discriminator is to see."""
        assert self.discriminator is not None
        assert self.judge is not None
        seen = self._photographs(batch)
        if not self.recipe.gan.judge_drawn and 0 < len(seen) < len(hr):
            hr, sr = (x[seen].contiguous(memory_format=torch.channels_last) for x in (hr, sr))
        with parametrize.cached():
            settle_spectral_norm(self.discriminator)
            with self._autocast():
                fake, real = self.judge(sr), self.judge(hr)
        return real.float(), fake.float()

    def _discriminator_step(self, stage: GanStage, batch: Batch) -> dict[str, Tensor]:
        """One more step of the discriminator alone; gives what `_report` makes words of, still on the device."""
        assert self.optimizer_d is not None
        lr, hr = self._on_device(batch.lr), self._on_device(batch.hr)
        with torch.no_grad(), self._autocast():
            sr = FastForward(self.generator)(lr).float()
        self.optimizer_d.zero_grad()
        real, fake = self._judged(batch, hr, sr)
        loss = discriminator_loss(real, fake, stage.adversarial)
        torch.autograd.backward(self.scaler_d.scale(loss))
        norm = self._clip_discriminator(stage)
        if self.precision == "fp16" or math.isfinite(norm.item()):
            self._step_discriminator()
        d_real, d_fake = probabilities(real.detach(), fake.detach(), stage.adversarial)
        return {"discriminator": loss.detach(), "d_real": d_real, "d_fake": d_fake}

    def _finish(self, stage: StageRecipe, sums: _Sums) -> StepReport:
        """Step the optimisers, unless something is not finite."""
        self.scaler.unscale_(self.optimizer)
        parameters = [p for p in self.generator.parameters() if p.grad is not None]
        norm = nn.utils.clip_grad_norm_(parameters, stage.clip or math.inf)
        if self.precision != "fp16":
            # In fp16 an overflow is the scaler's everyday business.
            sums.add("gradient", norm, 1.0)
        if isinstance(stage, GanStage) and stage.losses.get("adversarial"):
            norm = self._clip_discriminator(stage)
            if self.precision != "fp16":
                sums.add("|discriminator", norm, 1.0)
        values = _read(sums.values)
        report = _report(values)
        culprit = self._culprit(stage, values)
        if culprit:
            self.bad_steps += 1
            # Gradients that were unscaled and not used: without this the next step may not unscale its own.
            self.scaler.update()
            if isinstance(stage, GanStage) and stage.losses.get("adversarial"):
                self.scaler_d.update()
            return StepReport(report.losses, report.gradient_norms, report.d_real, report.d_fake, culprit)
        self.bad_steps = 0
        self.taken += 1
        watched = _watched(stage)
        if watched is not None:
            decay = min(0.98, self.generator_step / (self.generator_step + 1))
            self.loss_mean = decay * self.loss_mean + (1 - decay) * values[watched]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if isinstance(stage, GanStage) and stage.losses.get("adversarial"):
            self._step_discriminator()
        self._update_ema(stage)
        return report

    def _culprit(self, stage: StageRecipe, values: dict[str, float]) -> str:
        for name, value in values.items():
            if not math.isfinite(value):
                what = f"gradient of the {name[1:]} loss" if name[0] == "|" else f"{name} loss"
                what = {"gradient": "gradient", "d_real": "discriminator", "d_fake": "discriminator"}.get(name, what)
                return f"the {what} is not finite"
        watched = _watched(stage)
        # `keep` is 0 until the first drawn crop, and nothing is ten times that.
        most = JUMP * self.loss_mean or math.inf
        if watched is not None and self.generator_step >= JUMP_AFTER and values[watched] > most:
            return f"the {watched} loss jumped from {self.loss_mean:.4g} to {values[watched]:.4g}"
        return ""

    def _clip_discriminator(self, stage: GanStage) -> Tensor:
        """Clip its gradient; gives the norm before."""
        assert self.discriminator is not None
        assert self.optimizer_d is not None
        self.scaler_d.unscale_(self.optimizer_d)
        return nn.utils.clip_grad_norm_(self.discriminator.parameters(), stage.clip or math.inf)

    def _step_discriminator(self) -> None:
        assert self.optimizer_d is not None
        self.scaler_d.step(self.optimizer_d)
        self.scaler_d.update()

    def _update_ema(self, stage: StageRecipe) -> None:
        # Early on a long memory would keep the first, bad weights.
        decay = min(stage.ema, (1 + self.step) / (10 + self.step)) if stage.ema else 0.0
        with torch.no_grad():
            torch._foreach_lerp_(list(self.ema.parameters()), list(self.generator.parameters()), 1 - decay)
            for average, now in zip(self.ema.buffers(), self.generator.buffers(), strict=True):
                if average.is_floating_point():
                    average.lerp_(now, 1 - decay)
                else:
                    average.copy_(now)

    def enlarge(self, lr: np.ndarray) -> np.ndarray:
        """Upscale H x W x 3 uint8 RGB with the moving average, in the run's precision, to scale*H x scale*W x 3."""
        with self._autocast():
            return enlarge_with(self.ema, self.device)(lr)

    def rate(self) -> float:
        """The generator's learning rate for the next step."""
        return self.stage.rate * self._rate_share(self.generator_step)

    def _rate_share(self, warm: int) -> float:
        """Of the peak rate, for a network that has had `warm` steps."""
        stage, step = self.stage, self.stage_step
        share = 1.0
        if stage.schedule == "step" and step >= stage.steps / 2:
            share = 0.1
        elif stage.schedule == "cosine":
            end = stage.rate_end / stage.rate
            share = end + (1 - end) * (1 + math.cos(math.pi * step / max(1, stage.steps))) / 2
        return share * min(1.0, max(0, warm + 1) / max(1, stage.warmup)) * self.rate_factor

    def _set_rates(self) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        if self.optimizer_d is not None:
            assert isinstance(self.stage, GanStage)
            self.optimizer_d.param_groups[0]["lr"] = self.stage.discriminator_rate * self._rate_share(self.stage_step)

    def _autocast(self) -> AbstractContextManager[Any]:
        dtype = devices.DTYPES[self.precision]
        return torch.autocast(self.device.type, dtype, enabled=self.precision != "fp32")

    def _on_device(self, pictures: np.ndarray) -> Tensor:
        return _tensor(pictures, self.device)

    def parts(self) -> dict[str, dict[str, Tensor]]:
        """Tensors of a bundle."""
        parts = {
            "generator": self.generator.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer, self.generator),
            "random": {"cpu": torch.get_rng_state()},
        }
        if self.device.type == "cuda":
            parts["random"]["cuda"] = torch.cuda.get_rng_state(self.device)
        if self.before is not None:
            parts["before"] = self.before.state_dict()
        if self.discriminator is not None and self.optimizer_d is not None:
            parts["discriminator"] = self.discriminator.state_dict()
            parts["optimizer_d"] = optimizer_tensors(self.optimizer_d, self.discriminator)
        return parts

    def state(self) -> dict[str, Any]:
        """JSON values of a bundle."""
        return {
            "step": self.step,
            "taken": self.taken,
            "gan": self.gan,
            "rate_factor": self.rate_factor,
            "bad_steps": self.bad_steps,
            "loss_mean": self.loss_mean,
            "scaler": self.scaler.state_dict(),
            "scaler_d": self.scaler_d.state_dict() if self.gan else {},
        }

    def restore(self, bundle: Bundle) -> None:
        """Become exactly what `parts` and `state` described."""
        state = bundle.state
        self.step, self.rate_factor = state["step"], state["rate_factor"]
        self.taken = state.get("taken", self.step)
        if self.stage_begun != ("gan" if state["gan"] else "psnr"):
            self.begin_stage(state["gan"])
        self.bad_steps, self.loss_mean = state["bad_steps"], state["loss_mean"]
        self.generator.load_state_dict(bundle.part("generator"))
        self.ema.load_state_dict(bundle.part("ema"))
        load_optimizer(self.optimizer, self.generator, bundle.part("optimizer"))
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state["scaler"])
        if self.before is not None:
            self.before.load_state_dict(bundle.part("before"))
        if self.discriminator is not None and self.optimizer_d is not None:
            self.discriminator.load_state_dict(bundle.part("discriminator"))
            load_optimizer(self.optimizer_d, self.discriminator, bundle.part("optimizer_d"))
            if self.scaler_d.is_enabled():
                self.scaler_d.load_state_dict(state["scaler_d"])
        random = bundle.part("random")
        torch.set_rng_state(random["cpu"])
        if self.device.type == "cuda" and "cuda" in random:
            torch.cuda.set_rng_state(random["cuda"], self.device)


def enlarge_with(generator: Generator, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
    """A function from H x W x 3 uint8 RGB to scale*H x scale*W x 3 uint8, by `generator`, moved to `device`."""
    forward = FastForward(_placed(generator, device))

    def enlarge(lr: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            sr = forward(_tensor(lr[None], device))[0]
        sr8: np.ndarray = (sr.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return sr8

    return enlarge


def _augmented(sr: Tensor, hr: Tensor) -> tuple[Tensor, Tensor]:
    """Both pictures shifted, turned and mirrored alike, at random; up to `LARGEST_SHIFT` pixels smaller."""
    # On the CPU, whose random state a bundle keeps.
    top, left, turns, mirrored = (int(n) for n in torch.randint(0, 8, (4,)))
    spare = min(LARGEST_SHIFT, min(sr.shape[-2:]) // 4)
    height, width = (side - spare for side in sr.shape[-2:])
    top, left = min(top, spare), min(left, spare)

    def change(x: Tensor) -> Tensor:
        x = x[..., top : top + height, left : left + width]
        x = x.flip(-1) if mirrored % 2 else x
        return torch.rot90(x, turns % 4, (-2, -1))

    return change(sr), change(hr)


def _watched(stage: StageRecipe) -> str | None:
    """The loss whose jumps tell of a blow-up: the first one that is never negative, as a game's may be."""
    return next((name for name, weight in stage.losses.items() if weight and name != "adversarial"), None)


def training_precision(device: torch.device, wanted: str) -> str:
    """The precision of a run. On GPUs bf16 goes before fp16: it has float32's range, so gradients do not vanish."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    if device.type == "mps":
        return "fp32"
    return devices.fast_precision(device)


def _tensor(pictures: np.ndarray, device: torch.device) -> Tensor:
    """N x H x W x 3 uint8 to N x 3 x H x W float32 in 0..1, channels-last as it already lies in memory."""
    tensor = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2)
    return tensor.to(torch.float32, memory_format=torch.channels_last).div_(255)


def _placed(network: Network, device: torch.device) -> Network:
    return network.to(device).to(memory_format=torch.channels_last)


def _distributed(network: nn.Module, device: torch.device) -> nn.Module:
    if not dist.is_initialized():
        return network
    # Each process keeps its own running statistics, as in plain DDP training of SRGANs; rank 0's are saved.
    ids = [device] if device.type == "cuda" else None
    return DistributedDataParallel(network, device_ids=ids, broadcast_buffers=False)


def _optimizer(generator: nn.Module, stage: StageRecipe) -> torch.optim.Optimizer:
    if stage.optimizer == "muon":
        return Muon(generator, stage.rate, stage.betas, stage.weight_decay)
    return _adam(generator, stage.rate, stage)


def _adam(network: nn.Module, rate: float, stage: StageRecipe) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        network.parameters(), lr=rate, betas=stage.betas, weight_decay=stage.weight_decay, fused=True
    )


class _no_sync:  # noqa: N801 - reads as the statement it is
    """DDP's `no_sync` of all that are wrapped, for all batches of a step but the last."""

    def __init__(self, networks: Sequence[nn.Module | None], *, until_last: bool) -> None:
        wrapped = [n for n in networks if isinstance(n, DistributedDataParallel)]
        self.contexts = [n.no_sync() for n in wrapped] if until_last else []

    def __enter__(self) -> None:
        for context in self.contexts:
            context.__enter__()

    def __exit__(self, *exception: Any) -> None:
        for context in self.contexts:
            context.__exit__(*exception)


def _read(values: dict[str, Tensor]) -> dict[str, float]:
    """All scalars in one transfer, averaged over the processes, so that all of them judge a step alike."""
    stacked = torch.stack([value.to(torch.float32) for value in values.values()])
    if dist.is_initialized():
        dist.all_reduce(stacked)
        stacked /= dist.get_world_size()
    return dict(zip(values, stacked.tolist(), strict=True))


def _report(values: dict[str, float]) -> StepReport:
    losses = {k: v for k, v in values.items() if k[0] != "|" and k not in ("d_real", "d_fake", "gradient")}
    norms = {k[1:]: v for k, v in values.items() if k[0] == "|" and k != "|discriminator"}
    return StepReport(losses, norms, values.get("d_real"), values.get("d_fake"))
