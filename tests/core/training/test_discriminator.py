from __future__ import annotations

import pytest
import torch
from torch.nn.utils import parametrize

from core.models.discriminator import PaperDiscriminator, build_discriminator, settle_spectral_norm


def parameters(kind: str) -> int:
    return sum(p.numel() for p in build_discriminator(kind, 64, 96).parameters())


def test_the_papers_sizes() -> None:
    # Fig. 4, by hand: convolutions 4,683,520, norms 3,712, dense 512 * 6 * 6 -> 1024 -> 1.
    convolutions = 4_683_520 + 3_712
    assert parameters("paper") == convolutions + (512 * 36 + 1) * 1024 + 1025
    assert parameters("pooled") == convolutions + (512 + 1) * 1024 + 1025
    assert parameters("unet") == pytest.approx(4.38e6, rel=0.01)


@pytest.mark.parametrize(
    ("kind", "side", "shape"),
    [("paper", 32, (2, 1)), ("pooled", 40, (2, 1)), ("unet", 40, (2, 1, 40, 40))],
)
def test_logits(kind: str, side: int, shape: tuple[int, ...]) -> None:
    discriminator = build_discriminator(kind, 8, side)
    assert discriminator(torch.rand(2, 3, side, side)).shape == shape


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="made for crops"):
        build_discriminator("paper", 8, 32)(torch.rand(1, 3, 48, 48))
    with pytest.raises(ValueError, match="halved"):
        PaperDiscriminator(8, 40)
    with pytest.raises(ValueError, match="multiples of 8"):
        build_discriminator("unet", 8, 32)(torch.rand(1, 3, 36, 32))
    with pytest.raises(ValueError, match="no discriminator"):
        build_discriminator("patch", 8, 32)


def test_spectral_norm_bounds_every_inner_convolution() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator("unet", 8, 32)
    with torch.no_grad():
        for module in discriminator.modules():
            if isinstance(module, torch.nn.Conv2d) and parametrize.is_parametrized(module):
                module.parametrizations.weight.original.mul_(50)
    for _ in range(30):
        settle_spectral_norm(discriminator)
    for name in ("down1", "up2", "last2"):
        weight = getattr(discriminator.eval(), name).weight.detach().flatten(1)
        assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1, abs=0.05)
