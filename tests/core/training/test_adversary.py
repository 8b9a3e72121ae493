from __future__ import annotations

import pytest
import torch

from core.models.discriminator import DiscriminatorKind
from core.training.adversary import Adversary
from core.training.recipe import GanStage


def test_the_discriminator_sees_which_of_both_is_fainter() -> None:
    """Normalised each by itself, a batch and the same at a quarter of its contrast would get the same verdict."""
    torch.manual_seed(0)
    stage = GanStage(discriminator="patch", discriminator_features=8)
    adversary = Adversary(stage, 4, torch.device("cpu"), "fp32")
    real = 50 * torch.randn(4, 3, 64, 64)
    verdict = adversary.judge(real, real / 4, torch.arange(4))
    assert verdict.real.shape == verdict.fake.shape == (4, 1, 4, 4)
    assert (verdict.real - verdict.fake).abs().mean() > 0.3 * verdict.real.std()


def test_each_gets_its_own_verdict() -> None:
    """Whichever of both it is that changes, its own logits change most."""
    torch.manual_seed(0)
    adversary = Adversary(GanStage(discriminator="unet", discriminator_features=8), 4, torch.device("cpu"), "fp32")
    real, fake = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    torch.manual_seed(1)
    before = adversary.judge(real, fake, torch.arange(2))
    torch.manual_seed(1)
    after = adversary.judge(real, fake.flip(-1), torch.arange(2))
    # It has no batch normalisation: what is real is judged as before.
    assert torch.allclose(before.real, after.real, atol=1e-3)
    assert not torch.allclose(before.fake, after.fake, atol=1e-3)


@pytest.mark.parametrize(("kind", "places"), [("pooled", True), ("patch", True), ("unet", True), ("paper", False)])
def test_the_discriminator_looks_at_another_place_each_time(kind: DiscriminatorKind, places: bool) -> None:
    """A pattern in step with the pixel shuffle is not in step with its strides."""
    stage = GanStage(discriminator=kind, discriminator_features=8, crops=(24,), crop_starts=(0.0,))
    adversary = Adversary(stage, 4, torch.device("cpu"), "fp32")
    adversary.network.eval()
    torch.manual_seed(0)
    crops = torch.rand(2, 3, 96, 96)
    verdicts = [adversary.judge(crops, crops.clone(), torch.arange(2)) for _ in range(12)]
    for verdict in verdicts:
        torch.testing.assert_close(verdict.real, verdict.fake)
    assert (len({float(verdict.real.detach().sum()) for verdict in verdicts}) > 6) == places


def test_the_penalty_keeps_verdicts_from_hanging_on_what_nobody_sees() -> None:
    slopes = {}
    for penalty in (0.0, 0.05):
        torch.manual_seed(0)
        stage = GanStage(
            discriminator="patch",
            discriminator_features=8,
            discriminator_rate=1e-3,
            warmup=0,
            gradient_penalty=penalty,
            crops=(16,),
        )
        adversary = Adversary(stage, 4, torch.device("cpu"), "fp32")
        weave = 0.01 * torch.sin(2 * torch.pi * torch.arange(64) / 3).expand(4, 3, 64, 64)
        for step in range(60):
            real = torch.rand(4, 3, 1, 1).expand(4, 3, 64, 64) + 0.01 * torch.randn(4, 3, 64, 64)
            adversary.learn_alone(step, real, real + weave, torch.arange(4))
        seen = (0.5 + 0.01 * torch.randn(4, 3, 64, 64)).requires_grad_()
        (gradient,) = torch.autograd.grad(adversary.judge(seen.detach(), seen, torch.arange(4)).fake.mean(), seen)
        slopes[penalty] = float(gradient.norm())
    assert slopes[0.05] < 0.5 * slopes[0.0]


def test_the_penalty_is_due_in_one_step_of_four_and_moves_the_discriminator_alone() -> None:
    stage = GanStage(discriminator="unet", discriminator_features=8, gradient_penalty=1.0)
    adversary = Adversary(stage, 4, torch.device("cpu"), "fp32")
    hr, sr = torch.rand(3, 3, 32, 32), torch.rand(3, 3, 32, 32, requires_grad=True)
    moved = []
    for step in range(5):
        adversary.optimizer.zero_grad()
        adversary.steady(step, hr, sr)
        moved.append(any(each.grad is not None for each in adversary.network.parameters()))
    assert moved == [True, False, False, False, True]
    assert sr.grad is None
