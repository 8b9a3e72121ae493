"""How fast is the engine beside the network as the paper wrote it, and how much memory does a huge picture need?

Prints ratios of medians, measured in turn in one run. `--large` adds a 100-megapixel output (minutes) and its memory.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from core import processor
from core.contract.cancel import CancelToken
from core.models.generator import Generator
from core.upscale.engine import open_engine

ROUNDS = 5
SIDE = 192
"""Side of the picture, in pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    large = parser.parse_args().large
    processor.keep_large_blocks()
    pixels = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    plain = Generator().eval()
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255

    def run_plain() -> None:
        with torch.inference_mode():
            plain(x)

    contenders: dict[str, Callable[[], object]] = {"plain fp32 with BN": run_plain}
    for precision in ("fp32", "auto"):
        engine = open_engine("", precision=precision)
        contenders[f"engine {engine.precision}"] = partial(engine.upscale, pixels, CancelToken())
    for name, median in medians(contenders).items():
        print(f"{name:22} {median:6.2f} of the plain network's time")
    if large:
        side = 2500
        picture = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
        start = time.perf_counter()
        open_engine("").upscale(picture, CancelToken())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        seconds = (time.perf_counter() - start) / (16 * side * side / 1e6)
        print(f"100 megapixels out: {seconds:.2f} s a megapixel, {peak:.2f} GB at the peak (torch itself included)")


def medians(contenders: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median time of each as a share of the first one's, taking turns so that noise hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(ROUNDS + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if turn:
                times[name].append(time.perf_counter() - start)
    first = statistics.median(next(iter(times.values())))
    return {name: statistics.median(each) / first for name, each in times.items()}


if __name__ == "__main__":
    main()
