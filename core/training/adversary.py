"""The generator's opponent in the GAN stage: the discriminator with all that belongs to it, and how the game goes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from core.language import gettext as _
from core.models.discriminator import build_discriminator, settle_spectral_norm
from core.training.checkpoint import PartState, load_optimizer, named, optimizer_tensors
from core.training.losses import discriminator_loss, probabilities
from core.training.networks import adam, augment_alike, autocast, distributed, placed
from core.training.recipe import GanStage
from core.training.schedule import get_lr

SHIFT = 8
"""Pixels by which what it sees is shifted at most; the U-Net takes multiples of it."""
NOISE = 5 / 255
"""Standard deviation of the noise that its verdicts should not heed, for pictures in 0..1."""
STEADIED_EVERY = 4
"""Steps between two of those that hold it to that, each counted as many times (as Karras et al. 2020, StyleGAN2,
sec. 3.1, do with R1)."""
SATURATED = 0.9
"""A discriminator whose D(real) - D(fake) stays above this on average has won, and teaches nothing more."""
SATURATION_MEMORY = 100
"""Steps of that average."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Logits of the discriminator in float32, one a crop or one a pixel."""

    real: Tensor
    """For HR crops."""
    fake: Tensor
    """For SR crops."""


class Adversary:
    """The discriminator, its optimiser, and the running balance of the game; a part of a checkpoint.

    It has a head start of `gan.head_start` steps in which the generator rests; after it the generator's adversarial
    loss rises to its weight over `gan.ramp` steps.
    """

    def __init__(self, stage: GanStage, scale: int, device: torch.device, precision: str) -> None:
        """Build a discriminator with random weights.

        Args:
            stage: of the recipe.
            scale: HR side over LR side.
            device: to train on.
            precision: as of `Training`.
        """
        self.stage = stage
        self.device = device
        self.precision = precision
        crop = stage.crops[0] * scale
        self.network = placed(build_discriminator(stage.discriminator, stage.discriminator_features, crop), device)
        self.network.train()
        self.forward = distributed(self.network, device)
        self.optimizer = adam(self.network, stage.discriminator_rate, stage)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self.saturation = 0.0
        """Running mean of D(real) - D(fake)."""
        self._warned = False

    def is_ahead(self, stage_step: int) -> bool:
        """Whether only the discriminator learns in this step (from 0) of the stage."""
        return stage_step < self.stage.head_start

    def ramp(self, stage_step: int) -> float:
        """The share of its weight that the adversarial loss has in this step of the stage, 0 to 1."""
        return min(1.0, (stage_step - self.stage.head_start + 1) / max(1, self.stage.ramp))

    def set_rate(self, stage_step: int, factor: float) -> None:
        """Set the learning rate of a step of the stage, times `factor`."""
        rate = get_lr(self.stage, stage_step, peak=self.stage.discriminator_rate)
        self.optimizer.param_groups[0]["lr"] = rate * factor

    def judge(self, hr: Tensor, sr: Tensor, photographs: Tensor) -> Verdict:
        """Look at real and generated crops, both at one random place, turned and mirrored alike.

        What halves a picture four times has a grid of its own. If that is always in step with the grid of the pixel
        shuffle, the discriminator's gradients draw a mesh, and it hardly sees it.

        Args:
            hr: N x 3 x H x W, 0 to 1.
            sr: likewise; gradients flow through it.
            photographs: places of the crops that are not synthetic; where the recipe says so, only these are looked at.
        """
        if not self.stage.judge_synthetic and 0 < len(photographs) < len(hr):
            hr, sr = hr[photographs], sr[photographs]
        if self.stage.discriminator != "paper":
            # The paper's takes one size.
            sr, hr = augment_alike(sr, hr, SHIFT if min(sr.shape[-2:]) >= 4 * SHIFT else 0)
        fake, real = self._logits(sr, hr)
        return Verdict(real, fake)

    def learn(self, verdict: Verdict, share: float = 1.0) -> dict[str, Tensor]:
        """Add the gradients of the discriminator's own loss, times `share`.

        Returns:
            `discriminator` (its loss), `d_real` and `d_fake` (mean probabilities), on the device.
        """
        loss = discriminator_loss(verdict.real, verdict.fake, self.stage.adversarial)
        # Its parameters alone: a gradient for the pictures would be computed for nothing.
        torch.autograd.backward(self.scaler.scale(loss * share), inputs=list(self.network.parameters()))
        d_real, d_fake = probabilities(verdict.real.detach(), verdict.fake.detach(), self.stage.adversarial)
        return {"discriminator": loss.detach(), "d_real": d_real, "d_fake": d_fake}

    def steady(self, stage_step: int, hr: Tensor, sr: Tensor, share: float = 1.0) -> None:
        """Add the gradients of `gan.gradient_penalty`, in one step of `STEADIED_EVERY`.

        Without it the verdicts of a long game hang on ever smaller differences, and their gradients for the generator
        are weaves of a few pixels. R1 (Mescheder et al. 2018) needs gradients of gradients; here the verdict on the
        same crops with a little noise stands in for them, as in Diffusion Adversarial Post-Training (Lin et al. 2025).

        Args:
            stage_step: of the stage, from 0.
            hr: N x 3 x H x W, 0 to 1; half of the crops are looked at.
            sr: likewise.
            share: of this batch in the step.
        """
        if not self.stage.gradient_penalty or stage_step % STEADIED_EVERY:
            return
        half = -(-len(hr) // 2)
        crops = torch.cat((sr[:half], hr[:half])).detach()
        without, with_noise = self._logits(crops, crops + NOISE * torch.randn_like(crops))
        slope = (with_noise - without).square().mean() / NOISE**2
        penalty = STEADIED_EVERY * self.stage.gradient_penalty / 2 * slope
        torch.autograd.backward(self.scaler.scale(penalty * share), inputs=list(self.network.parameters()))

    def _logits(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """The verdicts on two batches, in float32.

        Seen as one batch: batch normalisation of each by itself would make the blurred as loud as the sharp.
        """
        both = torch.cat((first, second)).contiguous(memory_format=torch.channels_last)
        with parametrize.cached():
            settle_spectral_norm(self.network)
            with autocast(self.device, self.precision):
                of_first, of_second = self.forward(both).float().chunk(2)
        return of_first, of_second

    def clip(self) -> Tensor:
        """Clip the gradient; gives its norm before that."""
        self.scaler.unscale_(self.optimizer)
        return nn.utils.clip_grad_norm_(self.network.parameters(), self.stage.clip or math.inf)

    def step(self) -> None:
        """Take the step whose gradients have been clipped."""
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def skip_step(self) -> None:
        """Leave the step out: without this the next one may not unscale its own gradients."""
        self.scaler.update()

    def learn_alone(self, stage_step: int, hr: Tensor, sr: Tensor, photographs: Tensor) -> dict[str, Tensor]:
        """One step of the discriminator alone; returns what `learn` does. Arguments as of `judge` and `steady`."""
        self.optimizer.zero_grad()
        found = self.learn(self.judge(hr, sr, photographs))
        self.steady(stage_step, hr, sr)
        norm = self.clip()
        if self.precision == "fp16" or math.isfinite(norm.item()):
            self.step()
        return found

    def watch(self, d_real: float, d_fake: float) -> str:
        """Follow the balance of the game; words for people, once, where the discriminator has won, else empty."""
        keep = 1 - 1 / SATURATION_MEMORY
        self.saturation = keep * self.saturation + (1 - keep) * (d_real - d_fake)
        if self.saturation < SATURATED - 0.1:
            self._warned = False
        if self.saturation <= SATURATED or self._warned:
            return ""
        self._warned = True
        return _(
            "The discriminator has won: D(real) is {d_real:.2f} and D(fake) {d_fake:.2f}, so it "
            "teaches the generator nothing more. Lower gan.discriminator_rate, or raise the "
            "content loss."
        ).format(d_real=d_real, d_fake=d_fake)

    def state(self) -> PartState:
        """Return what `restore` needs."""
        tensors = named(network=self.network.state_dict(), optimizer=optimizer_tensors(self.optimizer, self.network))
        values = {"scaler": self.scaler.state_dict(), "saturation": self.saturation, "warned": self._warned}
        return PartState(tensors, values)

    def restore(self, state: PartState) -> None:
        """Become exactly what `state` described."""
        self.network.load_state_dict(state.tensors_below("network"))
        load_optimizer(self.optimizer, self.network, state.tensors_below("optimizer"))
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state.values["scaler"])
        self.saturation, self._warned = state.values["saturation"], state.values["warned"]
