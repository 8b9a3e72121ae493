"""A generator's hyper-parameters, and how they are read from the names and shapes of its weights. Plain.

The window reads them from a file's header, to fit a recipe to the model that a run starts from.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

GLOBAL_REACH = 64
"""Overlap for networks that look at the whole picture (channel attention), where only an approximation can be tiled."""
FEATURE_MAPS = 5
"""Feature maps alive at once at the trunk's peak: long skip, block input, two inside the block, and workspace."""


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
    output: Literal["linear", "tanh"] = "linear"
    """`tanh` ends in (tanh(y) + 1) / 2, as some other programs' generators do; kept for their weights."""

    def __post_init__(self) -> None:
        if self.scale not in (2, 4, 8):
            raise ValueError(f"scale must be 2, 4 or 8, not {self.scale}")
        if not (1 <= self.features <= 512 and 1 <= self.blocks <= 256):
            raise ValueError(f"{self.features} features and {self.blocks} blocks are out of range")

    @property
    def trunk_reach(self) -> int | None:
        """How many source pixels away from a pixel the trunk looks; None where it looks at the whole picture."""
        if self.attention == "channel":
            return None
        return 4 + 2 * self.blocks + 1

    @property
    def tail_reach(self) -> int:
        """How many source pixels away from a pixel what lies behind the trunk looks."""
        if self.upsampler == "direct":
            convolutions = 1.0
        else:
            doublings = int(math.log2(self.scale))
            convolutions = sum(2.0**-k for k in range(doublings)) + 4 / self.scale
        return max(math.ceil(convolutions), 2 if self.skip == "bicubic" else 0)

    @property
    def reach(self) -> int:
        """How many source pixels around a region a tile looks at."""
        return GLOBAL_REACH if self.trunk_reach is None else self.trunk_reach + self.tail_reach

    @property
    def values_per_pixel(self) -> int:
        """Alive at once per source pixel, at the peak."""
        return FEATURE_MAPS * self.features


def config_of_shapes(shapes: Mapping[str, tuple[int, ...]]) -> GeneratorConfig:
    """Read the hyper-parameters from the shapes of a generator's weights, by name.

    Raises:
        ValueError: these are not the weights of a `Generator`.
    """
    head, tail = shapes.get("head.conv.weight", ()), shapes.get("tail.weight", ())
    if len(head) != 4 or len(tail) != 4 or head[1:] != (3, 9, 9):
        raise ValueError("no SRGAN generator: head.conv (9x9, from RGB) or tail is missing")
    doublings = _count(shapes, r"upsample\.(\d+)\.conv\.weight")
    direct = doublings == 0
    return GeneratorConfig(
        scale=math.isqrt(tail[0] // 3) if direct else 2**doublings,
        features=head[0],
        blocks=_count(shapes, r"trunk\.(\d+)\.conv1\.weight"),
        norm="batch" if "trunk_norm.weight" in shapes else "none",
        attention="channel" if "trunk.0.attention.squeeze.weight" in shapes else "none",
        skip="bicubic" if "skip.mean" in shapes else "none",
        upsampler="direct" if direct else "shuffle",
        output="tanh" if "squash.middle" in shapes else "linear",
    )


def _count(names: Mapping[str, object], pattern: str) -> int:
    return len({match[1] for name in names if (match := re.fullmatch(pattern, name))})
