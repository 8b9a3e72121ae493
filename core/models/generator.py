"""The SRGAN generator (Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a GAN", fig. 4).

Conv 9x9 + PReLU; B residual blocks (conv 3x3, BN, PReLU, conv 3x3, BN, + skip); conv 3x3 + BN + long skip; one
(conv 3x3 to 4F maps, pixel shuffle 2, PReLU) per doubling; conv 9x9 to RGB. `GeneratorConfig()` is the paper's network
(1.55 M parameters at x4) and every option departs from it for a reason that stands under its field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.models.config import GeneratorConfig as GeneratorConfig
from core.models.config import config_of_shapes

SKIP_MEAN = 0.45
"""Input shift of the bicubic-skip variant: about the mean of photographs, so that zero padding is not black."""


class ChannelAttention(nn.Module):
    """Scale each channel by a gate computed from all channels' means (RCAN, sec. 3.3)."""

    def __init__(self, features: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(features, max(1, features // reduction), 1)
        self.excite = nn.Conv2d(max(1, features // reduction), features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """N x F x H x W to the same."""
        gate = self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class ResidualBlock(nn.Module):
    """x + norm(conv(PReLU(norm(conv(x))))) (paper fig. 4), with channel attention before the addition if asked."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        f = config.features
        self.conv1 = nn.Conv2d(f, f, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(f) if config.norm == "batch" else nn.Identity()
        self.act = nn.PReLU(f)
        self.conv2 = nn.Conv2d(f, f, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(f) if config.norm == "batch" else nn.Identity()
        self.attention = ChannelAttention(f) if config.attention == "channel" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """N x F x H x W to the same."""
        y = self.act(self.norm1(self.conv1(x)))
        return x + self.attention(self.norm2(self.conv2(y)))


class Upsample(nn.Module):
    """Conv 3x3 to 4F maps, pixel shuffle by 2, PReLU (paper fig. 4)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(features, 4 * features, 3, padding=1)
        self.act = nn.PReLU(features)

    def forward(self, x: Tensor) -> Tensor:
        """N x F x H x W to N x F x 2H x 2W."""
        return self.act(F.pixel_shuffle(self.conv(x), 2))


class BicubicSkip(nn.Module):
    """The input's bicubic enlargement. `mean` is what the network's input is shifted by; it also marks the weights."""

    mean: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", torch.full((3,), SKIP_MEAN))

    def forward(self, x: Tensor) -> Tensor:
        """N x 3 x H x W to N x 3 x sH x sW."""
        # Bicubic in half precision would cost the last bits of smooth gradients, and it is a hundredth of the work.
        return F.interpolate(x.float(), scale_factor=self.scale, mode="bicubic", align_corners=False)


class TanhRange(nn.Module):
    """(tanh(y) + 1) / 2: any value to 0..1. `middle` is one half; it also marks the weights."""

    middle: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("middle", torch.tensor(0.5))

    def forward(self, y: Tensor) -> Tensor:
        """Any shape to the same."""
        return torch.tanh(y) * self.middle + self.middle


class Generator(nn.Module):
    """SRResNet / SRGAN generator: RGB in 0..1, N x 3 x H x W, to N x 3 x sH x sW in about 0..1 (not clamped).

    `trunk_features` (all at LR size) and `enlarge` (all that grows) are apart so that the engine can run the first on
    large tiles and the second on small ones; `forward` is one after the other.
    """

    def __init__(self, config: GeneratorConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or GeneratorConfig()
        f = config.features
        self.head = nn.Sequential()
        self.head.add_module("conv", nn.Conv2d(3, f, 9, padding=4))
        self.head.add_module("act", nn.PReLU(f))
        self.trunk = nn.Sequential(*(ResidualBlock(config) for _ in range(config.blocks)))
        self.trunk_end = nn.Conv2d(f, f, 3, padding=1)
        self.trunk_norm = nn.BatchNorm2d(f) if config.norm == "batch" else nn.Identity()
        self.upsample: nn.Sequential
        if config.upsampler == "shuffle":
            self.upsample = nn.Sequential(*(Upsample(f) for _ in range(int(math.log2(config.scale)))))
            self.tail = nn.Conv2d(f, 3, 9, padding=4)
        else:
            self.upsample = nn.Sequential()
            self.tail = nn.Conv2d(f, 3 * config.scale**2, 3, padding=1)
        self.skip = BicubicSkip(config.scale) if config.skip == "bicubic" else None
        self.squash = TanhRange() if config.output == "tanh" else nn.Identity()

    @property
    def trunk_reach(self) -> int | None:
        """How many source pixels away from a pixel `trunk_features` looks; None where it looks at the whole picture."""
        return self.config.trunk_reach

    @property
    def tail_reach(self) -> int:
        """How many source pixels away from a pixel `enlarge` looks."""
        return self.config.tail_reach

    def trunk_features(self, x: Tensor) -> Tensor:
        """N x 3 x H x W (0..1) to N x F x H x W."""
        shallow = self.head(x - self.skip.mean.view(1, 3, 1, 1) if self.skip is not None else x)
        return shallow + self.trunk_norm(self.trunk_end(self.trunk(shallow)))

    def enlarge(self, features: Tensor, x: Tensor) -> Tensor:
        """Features N x F x H x W and their source N x 3 x H x W to N x 3 x sH x sW."""
        y = self.tail(self.upsample(features))
        if self.config.upsampler == "direct":
            y = F.pixel_shuffle(y, self.config.scale)
        return self.squash(y + self.skip(x) if self.skip is not None else y)

    def forward(self, x: Tensor) -> Tensor:
        """N x 3 x H x W (0..1) to N x 3 x sH x sW."""
        return self.enlarge(self.trunk_features(x), x)


def config_of(state: Mapping[str, Tensor]) -> GeneratorConfig:
    """Read the hyper-parameters from the names and shapes of a generator's weights.

    Raises:
        ValueError: these are not the weights of a `Generator`.
    """
    return config_of_shapes({name: tuple(value.shape) for name, value in state.items()})


def fold_batch_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a `norm="batch"` generator, turned into the equal (in eval mode) weights of a `norm="none"` one.

    y = (conv(x) - mean) / sqrt(var + eps) * gamma + beta is itself a convolution. Folded in float64, so that the
    difference is only float32's own rounding.
    """
    folded = dict(state)
    pairs = [("trunk_end", "trunk_norm")]
    for key in state:
        if match := re.fullmatch(r"(trunk\.\d+)\.norm([12])\.weight", key):
            pairs.append((f"{match[1]}.conv{match[2]}", f"{match[1]}.norm{match[2]}"))
    for conv, norm in pairs:
        if f"{norm}.weight" not in state:
            continue
        gain = state[f"{norm}.weight"].double() / torch.sqrt(
            state[f"{norm}.running_var"].double() + nn.BatchNorm2d(1).eps
        )
        weight, bias = state[f"{conv}.weight"], state[f"{conv}.bias"]
        folded[f"{conv}.weight"] = (weight.double() * gain.view(-1, 1, 1, 1)).to(weight.dtype)
        shifted = (bias.double() - state[f"{norm}.running_mean"].double()) * gain + state[f"{norm}.bias"].double()
        folded[f"{conv}.bias"] = shifted.to(bias.dtype)
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            folded.pop(f"{norm}.{part}", None)
    return folded


def initialise(generator: Generator) -> None:
    """Initialise a generator for training from nothing.

    He initialisation (He et al. 2015) for every convolution; ICNR (Aitken et al. 2017) for those before a pixel
    shuffle, so that step 0 has no checkerboard. Without batch normalisation the residual branches start at a tenth
    (ESRGAN, sec. 3.1), and with a bicubic skip so does the last convolution, so that step 0 is nearly bicubic.
    """
    for module in generator.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.25, nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    with torch.no_grad():
        if generator.config.norm == "none":
            for block in generator.trunk:
                assert isinstance(block, ResidualBlock)
                block.conv2.weight.mul_(0.1)
        if generator.skip is not None:
            generator.tail.weight.mul_(0.1)
        for upsample in generator.upsample:
            assert isinstance(upsample, Upsample)
            _icnr_(upsample.conv.weight, 2)
        if generator.config.upsampler == "direct":
            _icnr_(generator.tail.weight, generator.config.scale)


def _icnr_(weight: Tensor, factor: int) -> None:
    """Give the `factor`² kernels that one pixel shuffle interleaves the same values, in place."""
    first = weight[:: factor**2].clone()
    weight.copy_(first.repeat_interleave(factor**2, dim=0))
