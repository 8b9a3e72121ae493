"""The packaged program beside the installed one: how fast it upscales, and how soon its window is there.

usage: bench_package.py [BUNDLE_FOLDER]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 5
STARTS = 7
SIZE = 480, 320
"""Width and height of the picture that is upscaled."""


def alternately(rounds: int, *runs: Callable[[], float]) -> list[list[float]]:
    """Seconds of each, one after the other, round by round: what disturbs the machine disturbs all of them."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for column, run in zip(times, runs, strict=True):
            column.append(run())
    return times


def seconds(command: list[str | Path]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def bench_upscaling(bundle: Path) -> None:
    installed = Path(sys.executable).with_name("srgan")
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        with Image.open(ROOT / "resources" / "samples" / "cat.jpg") as image:
            image.convert("RGB").resize(SIZE).save(photo)
        (Path(folder) / "small").mkdir()
        small = Path(folder) / "small" / "small.png"
        with Image.open(photo) as image:
            image.resize((16, 16)).save(small)

        def upscaling(program: Path, picture: Path) -> Callable[[], float]:
            out = Path(folder) / "out"

            def run() -> float:
                shutil.rmtree(out, ignore_errors=True)
                return seconds([program, "upscale", picture, "-o", out])

            return run

        frozen, unfrozen = bundle / "srgan", installed
        whole = alternately(ROUNDS, upscaling(frozen, photo), upscaling(unfrozen, photo))
        start = alternately(ROUNDS, upscaling(frozen, small), upscaling(unfrozen, small))
    # The best of each: a busy machine only ever adds.
    computing = [min(w) - min(s) for w, s in zip(whole, start, strict=True)]
    print(f"upscaling, speed packaged : installed      {computing[1] / computing[0]:.2f}")
    print(f"start to first picture, the same           {min(start[1]) / min(start[0]):.2f}")


def bench_window(bundle: Path) -> None:
    """From the start of the process until the window is on the screen, beside a program that does nothing at all."""
    if shutil.which("Xvfb") is None or shutil.which("xdotool") is None:
        print("window: Xvfb and xdotool are missing (scripts/system_packages.sh test)")
        return
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as said, tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"DISPLAY": f":{said.readline().strip()}", "HOME": home, "QT_QPA_PLATFORM": "xcb"}

        def window_of(command: list[str | Path]) -> Callable[[], float]:
            def run() -> float:
                begun = time.perf_counter()
                program = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
                search = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "SRGAN Desktop"]
                subprocess.run(search, env=environment, check=True, capture_output=True)
                shown = time.perf_counter() - begun
                program.terminate()
                program.wait()
                return shown

            return run

        def loader() -> float:
            return seconds([bundle / "srgan-desktop", "--version"])

        packaged, installed, loading = alternately(
            STARTS,
            window_of([bundle / "srgan-desktop"]),
            window_of([Path(sys.executable).with_name("srgan-desktop")]),
            loader,
        )
    server.terminate()
    server.wait()
    # `--version` loads Python, Qt and the program, and shows nothing.
    print(f"window on the screen after                 {min(packaged):.2f} s (installed: {min(installed):.2f} s)")
    print(f"of which loading Python, Qt, the program   {min(loading):.2f} s")
    print(f"window after the loader                    {min(packaged) - min(loading):.2f} s")


def main() -> None:
    bundle = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist" / "srgan-desktop").absolute()
    if not (bundle / "srgan").is_file():
        print(f"no packaged program in {bundle}; `make package` makes one")
        return
    bench_upscaling(bundle)
    bench_window(bundle)


if __name__ == "__main__":
    main()
