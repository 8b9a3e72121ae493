"""Set the validations of two runs beside each other for docs/training-log.md: docs/images/students.webp.

    srgan prepare PHOTOS PAIRS --count 16
    srgan train students --data PAIRS --val resources/samples --run STUDENTS --content-weights VGG
    srgan train default --data PHOTOS --val resources/samples --run DEFAULT --set data.quarantine=false \\
        --set psnr.crops=[24,32] --set psnr.crop_starts=[0.0,0.6] --set validation.shown=6 --set validation.pictures=10
        (and as many steps as take the same time)
    python scripts/draw_students.py STUDENTS DEFAULT

Of the second run the last validation is taken that was there when the first one ended, by the times of their files.
The held-out pictures are those of resources/samples, so that they may be shown.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from core.evaluate.resampling import middle, rgb8
from core.images import load
from scripts.models_report import IMAGES, save_sheet

SIDE = 144
"""Pixels of HR that are shown of a picture; smaller ones are left out."""
EPOCHS = (5, 50, 150)
VALIDATION = ("Validation", "Look")
"""What the log calls it: now, and in runs of the first versions."""


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    students, other = (events_of(Path(folder)) for folder in sys.argv[1:])
    validations = [event for event in students if event["event"] in VALIDATION]
    if len(validations) != len(EPOCHS):
        raise SystemExit(
            f"The students' run has {len(validations)} validations, not one after each of {EPOCHS} epochs."
        )
    limit = minutes(Path(sys.argv[1]), validations[-1])
    in_time = [event for event in other if event["event"] in VALIDATION and minutes(Path(sys.argv[2]), event) <= limit]
    if not in_time:
        raise SystemExit(f"The second run has no validation in its first {limit:.1f} minutes.")
    last = in_time[-1]
    spent = [minutes(Path(sys.argv[1]), each) for each in validations]
    heads = [f"{epochs} epochs, {each:.1f} min" for epochs, each in zip(EPOCHS, spent, strict=True)]
    heads = ["bicubic", *heads, f"default, {minutes(Path(sys.argv[2]), last):.1f} min", "HR"]
    grid = []
    theirs = [{picture["name"]: picture["sr"] for picture in each["pictures"]} for each in validations]
    for shown in last["pictures"]:
        if all(shown["name"] in each for each in theirs):
            files = [shown["bicubic"], *(each[shown["name"]] for each in theirs), shown["sr"], shown["hr"]]
            row = [rgb8(load(Path(file)).pixels) for file in files]
            if min(row[0].shape[:2]) >= SIDE:
                grid.append([pixels[middle(pixels.shape, SIDE)] for pixels in row])
    if not grid:
        raise SystemExit(f"The two runs have no held-out picture of at least {SIDE} pixels in common.")
    save_sheet(IMAGES / "students.webp", heads, grid, zoom=1)
    for folder, events in zip(sys.argv[1:], (students, other), strict=True):
        for validation in (event for event in events if event["event"] in VALIDATION):
            figures = {key: validation[key] for key in ("step", "psnr_y", "ssim_y", "perceptual", "seen_gain")}
            print(folder, f"{minutes(Path(folder), validation):.1f} minutes", figures)


def minutes(run: Path, validation: dict[str, Any]) -> float:
    """From the start of a run to a validation of it."""
    begun = (run / "request.json").stat().st_mtime
    return (Path(validation["pictures"][0]["sr"]).stat().st_mtime - begun) / 60


def events_of(run: Path) -> list[dict[str, Any]]:
    """The log of a run."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
