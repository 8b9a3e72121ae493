"""Discriminators: logits of how real a picture is. Input is N x 3 x H x W RGB in 0..1."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

DiscriminatorKind = Literal["paper", "pooled", "patch", "unet"]


def build_discriminator(kind: DiscriminatorKind, features: int, crop: int) -> nn.Module:
    """An initialised discriminator.

    Args:
        kind: `paper`, `pooled`, `patch` or `unet`.
        features: maps of the first layer; the paper has 64.
        crop: side of the HR crops in pixels; only `paper` depends on it.

    Raises:
        ValueError: the kind is unknown, or the crop is none that `paper` can halve four times.
    """
    if kind == "paper":
        return PaperDiscriminator(features, crop)
    if kind == "pooled":
        return PooledDiscriminator(features)
    if kind == "patch":
        return PatchDiscriminator(features)
    if kind == "unet":
        return UNetDiscriminator(features)
    raise ValueError(f"there is no discriminator “{kind}”")


class PaperDiscriminator(nn.Module):
    """SRGAN's own (Ledig et al. 2017, fig. 4): eight convolutions, then dense 1024 and dense 1.

    N x 3 x crop x crop to N x 1. 23.6 M parameters at 96 x 96, nearly all in the first dense layer.
    """

    def __init__(self, features: int = 64, crop: int = 96) -> None:
        super().__init__()
        if crop % 16:
            raise ValueError(f"crops of {crop} pixels cannot be halved four times")
        self.crop = crop
        self.convolutions = _paper_convolutions(features)
        self.dense1 = nn.Linear(8 * features * (crop // 16) ** 2, 1024)
        self.dense2 = nn.Linear(1024, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, one a picture.

        Raises:
            ValueError: the picture is not as large as the dense layers were made for.
        """
        if tuple(x.shape[-2:]) != (self.crop, self.crop):
            raise ValueError(f"made for crops of {self.crop} pixels, not {tuple(x.shape[-2:])}")
        y = self.convolutions(x).flatten(1)
        logits: Tensor = self.dense2(F.leaky_relu(self.dense1(y), 0.2))
        return logits


class PooledDiscriminator(nn.Module):
    """SRGAN's convolutions, but the mean over all positions before the dense layers: any crop of 16 pixels or more.

    N x 3 x H x W to N x 1. 5.2 M parameters.
    """

    def __init__(self, features: int = 64) -> None:
        super().__init__()
        self.convolutions = _paper_convolutions(features)
        self.dense1 = nn.Linear(8 * features, 1024)
        self.dense2 = nn.Linear(1024, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, one a picture."""
        y = self.convolutions(x).mean((2, 3))
        logits: Tensor = self.dense2(F.leaky_relu(self.dense1(y), 0.2))
        return logits


class PatchDiscriminator(nn.Module):
    """SRGAN's convolutions, then one logit for every 16 x 16 pixels (as PatchGAN, Isola et al. 2017, sec. 3.2.2).

    N x 3 x H x W to N x 1 x H/16 x W/16, rounded up. 4.7 M parameters. A batch of 8 crops of 128 pixels is 512 patches
    to learn from instead of 8 pictures: it learns within a hundred steps, at a fifth of the U-Net's multiply-adds.
    """

    def __init__(self, features: int = 64) -> None:
        super().__init__()
        self.convolutions = _paper_convolutions(features)
        self.logits = nn.Conv2d(8 * features, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, one a patch."""
        logits: Tensor = self.logits(self.convolutions(x))
        return logits


class UNetDiscriminator(nn.Module):
    """Spectral-norm U-Net that judges every pixel (Wang et al. 2021, Real-ESRGAN, sec. 3.3).

    N x 3 x H x W to N x 1 x H x W, H and W multiples of 8. No batch normalisation: spectral norm bounds its slope.
    Convolutions of enlarged features repeat the border instead of padding it with zeros: see `_DoublingConvolution`.
    """

    def __init__(self, features: int = 64) -> None:
        super().__init__()
        f = features
        self.first = nn.Conv2d(3, f, 3, padding=1)
        self.down1 = spectral_norm(nn.Conv2d(f, 2 * f, 4, 2, 1, bias=False))
        self.down2 = spectral_norm(nn.Conv2d(2 * f, 4 * f, 4, 2, 1, bias=False))
        self.down3 = spectral_norm(nn.Conv2d(4 * f, 8 * f, 4, 2, 1, bias=False))
        self.up1 = _DoublingConvolution(8 * f, 4 * f)
        self.up2 = _DoublingConvolution(4 * f, 2 * f)
        self.up3 = _DoublingConvolution(2 * f, f)
        self.last1 = spectral_norm(nn.Conv2d(f, f, 3, padding=1, bias=False))
        self.last2 = spectral_norm(nn.Conv2d(f, f, 3, padding=1, bias=False))
        self.logits = nn.Conv2d(f, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, one a pixel.

        Raises:
            ValueError: a side is no multiple of 8.
        """
        if x.shape[-1] % 8 or x.shape[-2] % 8:
            raise ValueError(f"crops must be multiples of 8 pixels, not {tuple(x.shape[-2:])}")
        y0 = F.leaky_relu(self.first(x), 0.2)
        y1 = F.leaky_relu(self.down1(y0), 0.2)
        y2 = F.leaky_relu(self.down2(y1), 0.2)
        y3 = F.leaky_relu(self.down3(y2), 0.2)
        y = F.leaky_relu(self.up1(y3), 0.2) + y2
        y = F.leaky_relu(self.up2(y), 0.2) + y1
        y = F.leaky_relu(self.up3(y), 0.2) + y0
        y = F.leaky_relu(self.last2(F.leaky_relu(self.last1(y), 0.2)), 0.2)
        logits: Tensor = self.logits(y)
        return logits


def _paper_convolutions(features: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.LeakyReLU(0.2, inplace=True)]
    before = features
    for factor, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
        maps = factor * features
        layers += [
            nn.Conv2d(before, maps, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(maps),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        before = maps
    return nn.Sequential(*layers)


class _DoublingConvolution(nn.Module):
    """A spectral-norm 3x3 convolution of bilinearly doubled features, borders repeated, in 4/9 of its multiply-adds.

    Doubling bilinearly is repeating each pixel and then blurring with (1, 2, 1) / 4 both ways. The blur may as well
    come last; and a 3x3 convolution of repeated pixels is a transposed 4x4 convolution of stride 2.
    """

    weight: Tensor
    """For the transposed convolution: I x O x 4 x 4."""

    def __init__(self, maps: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.Conv2d(maps, after, 3).weight.detach())
        spectral_norm(self)
        # A parametrization as well, so that it is computed once a step: see `settle_spectral_norm`.
        parametrize.register_parametrization(self, "weight", _OfRepeatedPixels(), unsafe=True)

    def forward(self, x: Tensor) -> Tensor:
        """N x I x H x W to N x O x 2H x 2W."""
        y = F.conv_transpose2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), self.weight, stride=2, padding=2)
        line = torch.tensor((0.25, 0.5, 0.25), device=x.device, dtype=y.dtype)
        return F.conv2d(y, torch.outer(line, line).expand(y.shape[1], 1, 3, 3), groups=y.shape[1])


class _OfRepeatedPixels(nn.Module):
    """O x I x 3 x 3 to the kernel I x O x 4 x 4 that does to pixels what the first does to their repetitions."""

    def forward(self, kernel: Tensor) -> Tensor:
        wide = kernel.flip(-1, -2).transpose(0, 1)
        wide = F.pad(wide, (0, 1, 0, 0)) + F.pad(wide, (1, 0, 0, 0))
        return F.pad(wide, (0, 0, 0, 1)) + F.pad(wide, (0, 0, 1, 0))


def settle_spectral_norm(discriminator: nn.Module) -> None:
    """Compute every spectrally normalised weight in float32 now.

    Inside `parametrize.cached()` the passes that follow use these weights: one power iteration a step
    instead of one a pass, and none in the precision of autocast.
    """
    with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        for module in discriminator.modules():
            if isinstance(module, (nn.Conv2d, _DoublingConvolution)):
                _ = module.weight
