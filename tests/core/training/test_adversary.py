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
