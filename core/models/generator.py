"""The SRGAN generator (Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a GAN", fig. 4).

Conv 9x9 + PReLU; B residual blocks (conv 3x3, BN, PReLU, conv 3x3, BN, + skip); conv 3x3 + BN + long skip; one
(conv 3x3 to 4F maps, pixel shuffle 2, PReLU) per doubling; conv 9x9 to RGB. `GeneratorConfig()` is the paper's network
(1.55 M parameters at x4) and every option departs from it for a reason that stands under its field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SKIP_MEAN = 0.45
"""Input shift of the bicubic-skip variant: about the mean of photographs, so that zero padding is not black."""


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """Hyper-parameters of a `Generator`; `config_of` reads them back from weights."""

    scale: int = 4
    """2, 4 or 8."""
    features: int = 64
    blocks: int = 16
    norm: Literal["batch", "none"] = "batch"
    """`none` trains faster and leaves out BN's artefacts (Lim et al. 2017; Wang et al. 2018, sec. 3.1)."""
    attention: Literal["none", "channel"] = "none"
    """`channel` adds RCAN's channel attention (Zhang et al. 2018, sec. 3.3; reduction 16) to each residual block."""
    skip: Literal["none", "bicubic"] = "none"
    """`bicubic` adds the bicubic enlargement to the output, so the network learns only what bicubic lacks."""
    upsampler: Literal["shuffle", "direct"] = "shuffle"
    """`direct` replaces everything behind the trunk by one 3x3 convolution and one pixel shuffle straight to RGB
    (ESPCN, Shi et al. 2016): a twentieth of the multiply-adds there."""

    def __post_init__(self) -> None:
        if self.scale not in (2, 4, 8):
            raise ValueError(f"scale must be 2, 4 or 8, not {self.scale}")
        if not (1 <= self.features <= 512 and 1 <= self.blocks <= 256):
            raise ValueError(f"{self.features} features and {self.blocks} blocks are out of range")


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

    @property
    def trunk_reach(self) -> int | None:
        """How many source pixels away from a pixel `trunk_features` looks; None where it looks at the whole picture."""
        if self.config.attention == "channel":
            return None
        return 4 + 2 * self.config.blocks + 1

    @property
    def tail_reach(self) -> int:
        """How many source pixels away from a pixel `enlarge` looks."""
        if self.config.upsampler == "direct":
            convolutions = 1.0
        else:
            doublings = int(math.log2(self.config.scale))
            convolutions = sum(2.0**-k for k in range(doublings)) + 4 / self.config.scale
        return max(math.ceil(convolutions), 2 if self.skip else 0)

    def trunk_features(self, x: Tensor) -> Tensor:
        """N x 3 x H x W (0..1) to N x F x H x W."""
        shallow = self.head(x - self.skip.mean.view(1, 3, 1, 1) if self.skip is not None else x)
        return shallow + self.trunk_norm(self.trunk_end(self.trunk(shallow)))

    def enlarge(self, features: Tensor, x: Tensor) -> Tensor:
        """Features N x F x H x W and their source N x 3 x H x W to N x 3 x sH x sW."""
        y = self.tail(self.upsample(features))
        if self.config.upsampler == "direct":
            y = F.pixel_shuffle(y, self.config.scale)
        return y + self.skip(x) if self.skip is not None else y

    def forward(self, x: Tensor) -> Tensor:
        """N x 3 x H x W (0..1) to N x 3 x sH x sW."""
        return self.enlarge(self.trunk_features(x), x)


def config_of(state: Mapping[str, Tensor]) -> GeneratorConfig:
    """Read the hyper-parameters from the names and shapes of a generator's weights.

    Raises:
        ValueError: these are not the weights of a `Generator`.
    """
    head, tail = state.get("head.conv.weight"), state.get("tail.weight")
    if head is None or tail is None or head.dim() != 4 or tail.dim() != 4 or head.shape[1:] != (3, 9, 9):
        raise ValueError("no SRGAN generator: head.conv (9x9, from RGB) or tail is missing")
    blocks = _count(state, r"trunk\.(\d+)\.conv1\.weight")
    doublings = _count(state, r"upsample\.(\d+)\.conv\.weight")
    direct = doublings == 0
    scale = math.isqrt(tail.shape[0] // 3) if direct else 2**doublings
    return GeneratorConfig(
        scale=scale,
        features=head.shape[0],
        blocks=blocks,
        norm="batch" if "trunk_norm.weight" in state else "none",
        attention="channel" if "trunk.0.attention.squeeze.weight" in state else "none",
        skip="bicubic" if "skip.mean" in state else "none",
        upsampler="direct" if direct else "shuffle",
    )


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return len({match[1] for key in state if (match := re.fullmatch(pattern, key))})


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
