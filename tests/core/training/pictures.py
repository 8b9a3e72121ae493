"""Small training sets and content networks, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from PIL import Image

TINY = (
    ("start", '""'),
    ("generator.features", "8"),
    ("generator.blocks", "1"),
    ("psnr.steps", "6"),
    ("psnr.batch", "2"),
    ("psnr.crops", "[8]"),
    ("psnr.crop_starts", "[0.0]"),
    ("psnr.warmup", "0"),
    ("validation.every", "3"),
    ("validation.pictures", "2"),
    ("validation.shown", "1"),
    ("checkpoint_every", "3"),
    ("data.minimum_side", "48"),
    ("data.cache_mb", "64"),
    ("precision", "fp32"),
)
"""Overrides that turn the `quick` recipe into seconds of work."""


def textured(seed: int, height: int = 64, width: int = 72) -> np.ndarray:
    """A sharp picture, H x W x 3 uint8: shapes on a gradient, like no other seed's."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    picture = np.stack([(a * x + b * y) for a, b in random.uniform(-1, 1, (3, 2))], -1) + 128.0
    for _ in range(14):
        cy, cx, radius = random.integers(height), random.integers(width), random.integers(3, 14)
        inside = (
            (y - cy) ** 2 + (x - cx) ** 2 < radius**2 if random.random() < 0.5 else abs(y - cy) + abs(x - cx) < radius
        )
        picture[inside] = random.integers(0, 256, 3)
    picture += random.normal(0, 3, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def picture_folder(folder: Path, count: int = 6, first: int = 0, height: int = 64, width: int = 72) -> Path:
    """Write `count` PNGs and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        Image.fromarray(textured(seed, height, width)).save(folder / f"picture-{seed:03d}.png")
    return folder


def vgg16_file(path: Path, rule: str | None = None) -> Path:
    """A VGG16 with random weights, which only a test may use."""
    torch.manual_seed(0)
    state, maps, index = {}, 3, 0
    for block, count in enumerate((2, 2, 3, 3, 3)):
        for _ in range(count):
            after = min(512, 64 << block)
            state[f"{index}.weight"] = (torch.randn(after, maps, 3, 3) * (2 / (9 * maps)) ** 0.5).half()
            state[f"{index}.bias"] = torch.zeros(after).half()
            maps, index = after, index + 2
        index += 1
    rule = rule or "RGB in 0..1, minus (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225)"
    safetensors.torch.save_file(state, path, {"input": rule, "origin": "a test"})
    return path
