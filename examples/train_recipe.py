"""Train a recipe, with some of its fields changed: python examples/train_recipe.py PHOTOS RUN [FIELD=VALUE...]."""

import sys
from pathlib import Path

from core import TrainingFinished, TrainRequest, Validation, run


def main(photos: Path, folder: Path, *fields: str) -> Path | None:
    changed = tuple((name, value) for name, _, value in (field.partition("=") for field in fields))
    for event in run(TrainRequest("quick", photos, folder, overrides=changed)):
        match event:
            case Validation():
                print(f"step {event.step}: {event.psnr_y:.2f} dB on test pictures")
            case TrainingFinished():
                print(event.verdict, event.model)
                return event.model
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
