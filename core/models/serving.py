"""A generator rewritten for speed, with the same output: what the engine runs.

Training wants the paper's layers; serving wants the fewest passes over memory. Two rewrites, both exact up to rounding:

* batch normalisation is folded into the convolutions (`fold_batch_norm`);
* the last pixel shuffle moves behind the last convolution. A 9x9 convolution at HR size with three output channels
  leaves most of a vector unit idle (CPUs and tensor cores compute 16 channels at a time); on the four sub-pixel planes
  before the shuffle the same sum is a 5x5 convolution to 12 channels at half the size. On two CPU cores in bf16 that
  took a third of the time of the 9x9 one, which was a third of the whole network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.models.blend import mean_of
from core.models.card import ModelCard
from core.models.generator import Generator, Upsample
from core.models.weights import generator_of, is_generator, load_state

if TYPE_CHECKING:
    from core.models.community import CommunityNetwork

GLOBAL_REACH = 64
"""Overlap for networks that look at the whole picture (channel attention), where only an approximation can be tiled."""
FEATURE_MAPS = 5
"""Feature maps alive at once at the trunk's peak: long skip, block input, two inside the block, and workspace."""


class ServedGenerator(nn.Module):
    """Same input, output and reach as the `Generator` it is made from, in eval mode; input and output are float32.

    After `use_precision` the network computes in half precision, but what the eye would see of it does not: the input
    shift, the bicubic skip and the last sum stay in float32.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        if generator.config.norm != "none":
            raise ValueError("fold batch normalisation before serving (load_generator(..., fold=True))")
        self.config = generator.config
        self.scale = generator.config.scale
        self.trunk_reach = generator.trunk_reach
        self.tail_reach = generator.tail_reach
        self.reach = GLOBAL_REACH if self.trunk_reach is None else self.trunk_reach + self.tail_reach
        """How many source pixels around a region change its result."""
        self.blended = 0
        """Source pixels across a seam over which tiles are blended: none, as they agree."""
        self.aligned = 1
        self.whole = False
        self.channels_last = True
        self.values_per_pixel = FEATURE_MAPS * generator.config.features
        """Alive at once per source pixel, at the peak."""
        self.head, self.trunk, self.trunk_end = generator.head, generator.trunk, generator.trunk_end
        self.skip, self.squash = generator.skip, generator.squash
        self.upsample = generator.upsample
        self.tail = generator.tail
        self.shuffle = generator.config.scale
        if generator.config.upsampler == "shuffle":
            last = generator.upsample[-1]
            assert isinstance(last, Upsample)
            # The shuffle interleaves channels 4c..4c+3 into channel c, so they share its slope.
            act = nn.PReLU(4 * generator.config.features)
            act.weight = nn.Parameter(last.act.weight.detach().repeat_interleave(4))
            self.upsample = nn.Sequential(*generator.upsample[:-1], last.conv, act)
            self.tail = convolution_before_shuffle(generator.tail)
            self.shuffle = 2
        self.requires_grad_(False).eval()

    def supports(self, dtype: torch.dtype) -> bool:  # noqa: ARG002 - other networks differ
        """Whether it is known to work in this precision."""
        return True

    def use_precision(self, dtype: torch.dtype) -> ServedGenerator:
        """Compute in `dtype` from now on; returns itself."""
        for part in (self.head, self.trunk, self.trunk_end, self.upsample):
            part.to(dtype)
        # Without a skip the last convolution makes whole pictures, not small corrections: bf16 would band them.
        self.tail.to(torch.float32 if self.skip is None else dtype)
        return self

    def trunk_features(self, x: Tensor, after_layer: Callable[[float], None] = lambda _done: None) -> Tensor:
        """N x 3 x H x W (0..1, float32) to N x F x H x W.

        Args:
            x: the source.
            after_layer: called after each residual block with the share of them that is done.
        """
        if self.skip is not None:
            x = x - self.skip.mean.view(1, 3, 1, 1)
        shallow = self.head(x.to(self.trunk_end.weight.dtype))
        y = shallow
        for index, block in enumerate(self.trunk, start=1):
            y = block(y)
            after_layer(index / len(self.trunk))
        return shallow + self.trunk_end(y)

    def enlarge(self, features: Tensor, x: Tensor) -> Tensor:
        """Features N x F x H x W and their source N x 3 x H x W to N x 3 x sH x sW, float32."""
        y = self.tail(self.upsample(features).to(self.tail.weight.dtype))
        y = F.pixel_shuffle(y.float(), self.shuffle)
        return self.squash(y + self.skip(x) if self.skip is not None else y)

    def forward(self, x: Tensor) -> Tensor:
        """N x 3 x H x W (0..1) to N x 3 x sH x sW."""
        return self.enlarge(self.trunk_features(x), x)


def convolution_before_shuffle(conv: nn.Conv2d) -> nn.Conv2d:
    """The convolution K with shuffle(K(x)) == conv(shuffle(x)) for a pixel shuffle by 2.

    With output row 2i + a and kernel row u, the input row 2i + a + u - p lies in sub-pixel plane q = (a + u - p) mod 2
    at row i + (a + u - p - q) / 2; columns likewise.

    Args:
        conv: odd, square kernel with "same" zero padding, stride 1.
    """
    out_channels, in_channels, size, _ = conv.weight.shape
    padding = size // 2
    reach = (padding + 1) // 2
    weight = torch.zeros(out_channels, 2, 2, in_channels, 2, 2, 2 * reach + 1, 2 * reach + 1)
    for a in range(2):
        for u in range(size):
            row, q = divmod(a + u - padding, 2)
            for b in range(2):
                for v in range(size):
                    column, t = divmod(b + v - padding, 2)
                    weight[:, a, b, :, q, t, row + reach, column + reach] = conv.weight[:, :, u, v].detach()
    moved = nn.Conv2d(4 * in_channels, 4 * out_channels, 2 * reach + 1, padding=reach)
    moved.weight = nn.Parameter(weight.flatten(3, 5).flatten(0, 2))
    assert conv.bias is not None
    moved.bias = nn.Parameter(conv.bias.detach().repeat_interleave(4))
    return moved


def load_served(parts: Sequence[tuple[Path, float]]) -> tuple[ServedGenerator | CommunityNetwork, ModelCard]:
    """Load a network for upscaling, SRGAN or another, in float32 on the CPU.

    Args:
        parts: model files and their shares, which sum to 1 (`core.models.catalogue.Mix`); more than one must be of one
            topology.

    Returns:
        The network, and the first file's card.

    Raises:
        UserError: as `load_state`; a file holds no network that enlarges pictures; or they are different networks.
    """
    path = parts[0][0]
    state, card = load_state(path)
    if len(parts) > 1:
        state = mean_of([(state, parts[0][1]), *((load_state(other)[0], share) for other, share in parts[1:])])
    if is_generator(state):
        return ServedGenerator(generator_of(state, path.name, fold=True)), card
    # Not before it is needed: importing some forty architectures takes longer than loading our own network.
    from core.models.community import load_community

    return load_community(state, path.name), card
