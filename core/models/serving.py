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

from core.contract.errors import UserError
from core.language import gettext as _
from core.models.blend import mean_of
from core.models.card import ModelCard
from core.models.catalogue import card_of
from core.models.generator import Generator, Upsample
from core.models.generator_graph import convolution_before_shuffle
from core.models.graph_files import holds_graph, read_graph
from core.models.weights import generator_of, is_generator, load_state

if TYPE_CHECKING:  # spandrel brings torchvision and torch's compiler, which take longer to import than torch
    from core.models.community import CommunityNetwork
    from core.models.graph_module import GraphModule

    ForeignNetwork = CommunityNetwork | GraphModule


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
        self.reach = generator.config.reach
        """How many source pixels around a region change its result."""
        self.blended = 0
        """Source pixels across a seam over which tiles are blended: none, as they agree."""
        self.aligned = 1
        self.whole = False
        self.channels_last = True
        self.values_per_pixel = generator.config.values_per_pixel
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
            self.tail = _before_shuffle(generator.tail)
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


def _before_shuffle(conv: nn.Conv2d) -> nn.Conv2d:
    """The convolution that does before a pixel shuffle by 2 what this one does behind it."""
    weight = torch.from_numpy(convolution_before_shuffle(conv.weight.detach().numpy()))
    moved = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], padding=weight.shape[2] // 2)
    moved.weight = nn.Parameter(weight)
    assert conv.bias is not None
    moved.bias = nn.Parameter(conv.bias.detach().repeat_interleave(4))
    return moved


def load_served(parts: Sequence[tuple[Path, float]]) -> tuple[ServedGenerator | ForeignNetwork, ModelCard]:
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
    if any(holds_graph(each) for each, _share in parts):
        if len(parts) > 1:
            raise UserError(
                _("{name} has no softer or cleaner version: networks of ncnn and ONNX are not mixed.").format(
                    name=path.name
                ),
                _("Choose it at 100 % detail and 0 % clean-up."),
            )
        from core.models.graph_module import GraphModule

        return GraphModule(read_graph(path)), card_of(path)
    state, card = load_state(path)
    if len(parts) > 1:
        state = mean_of([(state, parts[0][1]), *((load_state(other)[0], share) for other, share in parts[1:])])
    if is_generator(state):
        return ServedGenerator(generator_of(state, path.name, fold=True)), card
    # Not before it is needed: importing some forty architectures takes longer than loading our own network.
    from core.models.community import load_community

    return load_community(state, path.name), card
