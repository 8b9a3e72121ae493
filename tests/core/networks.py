"""Small generators with weights large enough that every layer shows in the output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from core.models.card import ModelCard, rewrite_card
from core.models.generator import Generator, GeneratorConfig
from core.models.weights import save_generator


def lively_generator(config: GeneratorConfig, seed: int = 0) -> Generator:
    """A generator whose random weights neither vanish nor explode, with batch statistics that are not trivial."""
    torch.manual_seed(seed)
    generator = Generator(config)
    with torch.no_grad():
        for name, value in generator.named_parameters():
            if value.dim() == 4:
                torch.nn.init.kaiming_normal_(value, a=0.25, nonlinearity="leaky_relu")
            elif "norm" in name:
                value.uniform_(0.5, 1.5)
        for name, statistic in generator.named_buffers():
            if name.endswith("running_mean"):
                statistic.uniform_(-0.5, 0.5)
            elif name.endswith("running_var"):
                statistic.uniform_(0.5, 2.0)
        generator.tail.weight.mul_(0.05)
        assert generator.tail.bias is not None
        generator.tail.bias.fill_(0.0 if generator.skip else 0.5)
    return generator.eval()


def save_small_model(
    path: Path, *, scale: int = 4, features: int = 8, blocks: int = 2, seed: int = 0, **card: Any
) -> Path:
    """Write a small model file that upscales a picture in milliseconds; `card` holds further fields of its card."""
    config = GeneratorConfig(scale=scale, features=features, blocks=blocks, norm="none", skip="bicubic")
    save_generator(path, lively_generator(config, seed).state_dict(), ModelCard(name=path.stem, scale=scale, **card))
    return path


def save_pair(folder: Path) -> tuple[Path, Path]:
    """Write two small models of one topology, the second naming the first as what its Detail slider starts from."""
    base = save_small_model(folder / "soft.safetensors", seed=1)
    full = save_small_model(folder / "sharp.safetensors", seed=2)
    rewrite_card(full, ModelCard(name="sharp", base="soft"), full)
    return base, full
