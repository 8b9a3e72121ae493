from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.nn.utils import parametrize

from core.models.discriminator import (
    DiscriminatorKind,
    PaperDiscriminator,
    build_discriminator,
    settle_spectral_norm,
)


def parameters(kind: DiscriminatorKind) -> int:
    return sum(p.numel() for p in build_discriminator(kind, 64, 96).parameters())


def test_the_papers_sizes() -> None:
    # Fig. 4, by hand: convolutions 4,683,520, norms 3,712, dense 512 * 6 * 6 -> 1024 -> 1.
    convolutions = 4_683_520 + 3_712
    assert parameters("paper") == convolutions + (512 * 36 + 1) * 1024 + 1025
    assert parameters("pooled") == convolutions + (512 + 1) * 1024 + 1025
    assert parameters("patch") == convolutions + 512 + 1
    assert parameters("unet") == pytest.approx(4.38e6, rel=0.01)


@pytest.mark.parametrize(
    ("kind", "side", "shape"),
    [("paper", 32, (2, 1)), ("pooled", 40, (2, 1)), ("patch", 40, (2, 1, 3, 3)), ("unet", 40, (2, 1, 40, 40))],
)
def test_logits(kind: DiscriminatorKind, side: int, shape: tuple[int, ...]) -> None:
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
        build_discriminator("judge", 8, 32)  # type: ignore[arg-type]


def test_spectral_norm_bounds_every_inner_convolution() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator("unet", 8, 32)
    names = ("down1", "down2", "down3", "up1", "up2", "up3", "last1", "last2")
    with torch.no_grad():
        for name in names:
            getattr(discriminator, name).parametrizations.weight.original.mul_(50)
    for _ in range(30):
        settle_spectral_norm(discriminator)
    discriminator.eval()
    for name in names:
        chain = getattr(discriminator, name).parametrizations.weight
        weight = chain[0](chain.original).detach().flatten(1)
        assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1, abs=0.05)


def test_a_doubling_convolution_is_one_of_doubled_features() -> None:
    torch.manual_seed(0)
    discriminator: Any = build_discriminator("unet", 8, 32).double().eval()
    x = torch.rand(2, 64, 5, 7, dtype=torch.float64, requires_grad=True)
    chain = discriminator.up1.parametrizations.weight
    doubled = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    plain = F.conv2d(F.pad(doubled, (1, 1, 1, 1), mode="replicate"), chain[0](chain.original))
    found = discriminator.up1(x)
    torch.testing.assert_close(found, plain)
    weights = torch.rand_like(found)
    wanted = torch.autograd.grad((plain * weights).sum(), [x, chain.original])
    torch.testing.assert_close(torch.autograd.grad((found * weights).sum(), [x, chain.original]), wanted)


def test_spectral_norm_is_settled_once_a_step_in_full_precision() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator("unet", 8, 32)
    x = torch.rand(1, 3, 32, 32)
    with parametrize.cached():
        settle_spectral_norm(discriminator)
        settled = {name: value.clone() for name, value in discriminator.named_buffers()}
        with torch.autocast("cpu", torch.bfloat16):
            discriminator(x)
            discriminator(x)
        assert discriminator.up2.weight.dtype == discriminator.down2.weight.dtype == torch.float32
    assert settled
    assert all(torch.equal(value, settled[name]) for name, value in discriminator.named_buffers())
