"""Set the pictures of two runs beside each other, look by look, for docs/models.md: docs/images/students.webp.

    srgan prepare PHOTOS PAIRS --count 16
    srgan train students --data PAIRS --val resources/samples --run STUDENTS --content-weights VGG
    srgan train default --data PHOTOS --val resources/samples --run DEFAULT --set data.quarantine=false \\
        --set psnr.crops=[24,32] --set psnr.crop_starts=[0.0,0.6] --set validation.shown=6 --set validation.pictures=10
        (and as many steps as take the same time)
    python scripts/draw_students.py STUDENTS DEFAULT

The held-out pictures are those of resources/samples, so that they may be shown.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from models_report import IMAGES, save_sheet

from core.evaluate.resampling import middle, rgb8
from core.images import load

SIDE = 192
"""Pixels of HR that are shown of a picture."""
EPOCHS = (5, 50, 150)


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    students, other = (events_of(Path(folder)) for folder in sys.argv[1:])
    looks = [event for event in students if event["event"] == "Look"]
    if len(looks) != len(EPOCHS):
        raise SystemExit(f"The students' run has {len(looks)} looks, not one after each of {EPOCHS} epochs.")
    last = [event for event in other if event["event"] == "Look"][-1]
    heads = ["bicubic", *(f"students, {epochs} epochs" for epochs in EPOCHS), "default, same time", "HR"]
    grid = []
    theirs = [{picture["name"]: picture["sr"] for picture in look["pictures"]} for look in looks]
    for shown in last["pictures"]:
        if all(shown["name"] in look for look in theirs):
            files = [shown["bicubic"], *(look[shown["name"]] for look in theirs), shown["sr"], shown["hr"]]
            grid.append([middle_of(Path(file)) for file in files])
    if not grid:
        raise SystemExit("The two runs have no held-out picture in common.")
    save_sheet(IMAGES / "students.webp", heads, grid, zoom=1)
    for name, events in (("students", students), ("default", other)):
        taken = [event["seconds_per_step"] for event in events if event["event"] == "TrainingStep"]
        print(name, f"{len(taken)} step events, {np.mean(taken):.2f} s a step")
        for look in (event for event in events if event["event"] == "Look"):
            figures = {key: look[key] for key in ("step", "psnr_y", "ssim_y", "perceptual", "seen_gain")}
            print(" ", figures)


def events_of(run: Path) -> list[dict[str, Any]]:
    """The log of a run."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def middle_of(path: Path) -> np.ndarray:
    """`SIDE` x `SIDE` pixels of a picture, with a dark border where it has fewer."""
    pixels = rgb8(load(path).pixels)
    part = pixels[middle(pixels.shape, SIDE)]
    below, right = SIDE - part.shape[0], SIDE - part.shape[1]
    return np.pad(part, ((below // 2, below - below // 2), (right // 2, right - right // 2), (0, 0)))


if __name__ == "__main__":
    main()
