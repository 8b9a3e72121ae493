from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from spandrel.architectures.SPAN import SPAN
from torch import nn

from core import paths
from core.contract.cancel import CancelToken
from core.images import load
from core.models.card import ModelCard
from core.models.generator import GeneratorConfig
from core.models.weights import save_generator
from core.paths import RESOURCES
from core.runtimes import choice
from core.runtimes.network import LoadedModel
from core.runtimes.torch_network import load as load_torch
from core.upscale import engine as engine_module
from core.upscale.engine import Engine
from tests.core.networks import lively_generator

SMALL = {"features": 8, "blocks": 2, "norm": "none"}
CONFIGS = {
    "plain": SMALL,
    "skip x2": SMALL | {"scale": 2, "skip": "bicubic"},
    "skip x8": SMALL | {"scale": 8, "skip": "bicubic"},
    "direct": SMALL | {"upsampler": "direct", "skip": "bicubic"},
    "attention": SMALL | {"attention": "channel", "skip": "bicubic"},
    "tanh": SMALL | {"output": "tanh"},
    "batch norm": SMALL | {"norm": "batch", "scale": 2},
    "thin": SMALL | {"features": 3, "skip": "bicubic"},
}
"""Every option of a generator at least once."""

Loader = Callable[[list[tuple[Path, float]], str], LoadedModel]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache, nor hears of what another one distrusted."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(paths, "user_cache", lambda: folder)
    monkeypatch.setattr(engine_module, "distrusted", set())
    monkeypatch.setattr(choice, "lost_devices", set())
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return folder


shared_cache = paths.user_cache
"""That of all processes of the tests."""


@pytest.fixture
def calibrated(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps what was measured for all tests: the ranges of a shipped model in eight bits take ten seconds."""
    monkeypatch.setattr(paths, "user_cache", shared_cache)


def generator_file(folder: Path, **options: Any) -> Path:
    """A small model of our own."""
    config = GeneratorConfig(**options)
    path = folder / "ours.safetensors"
    save_generator(path, lively_generator(config).state_dict(), ModelCard(name="ours", scale=config.scale))
    return path


def foreign_file(folder: Path, network: nn.Module) -> Path:
    """A model of others, as they publish it."""
    path = folder / "theirs.pth"
    torch.save({"params": network.state_dict()}, path)
    return path


def sample(height: int, width: int) -> np.ndarray:
    pixels = load(RESOURCES / "samples" / "cat.jpg").pixels
    return np.ascontiguousarray(pixels[20 : 20 + height, 60 : 60 + width])


def most_apart(path: Path, loader: Loader, device: str, *, tile: int = 0, size: tuple[int, int] = (41, 53)) -> int:
    """The largest difference between a runtime's fp32 and torch's, in levels of 8 bits."""
    pixels = sample(*size)
    mine = Engine(loader([(path, 1.0)], device), "mine", "fp32", tile).upscale(pixels, CancelToken())
    torchs = Engine(load_torch([(path, 1.0)], "cpu"), "torch", "fp32").upscale(pixels, CancelToken())
    assert torchs.std() > 5, "a picture, and not a constant that both agree on"
    return int(np.abs(mine.astype(int) - torchs).max())


FOREIGN: dict[str, Callable[[], nn.Module]] = {
    "Compact": lambda: Compact(num_feat=8, num_conv=3, upscale=4),
    "ESRGAN": lambda: ESRGAN(num_filters=8, num_blocks=1),
    "SPAN": lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2),
}
"""Networks of others that plain graphs have words for."""
