"""Teach a small model what a large one does: python examples/teach_a_small_model.py PHOTOS RUN TEACHER [FIELD=VALUE]"""

import json
import sys
from pathlib import Path

from core import TrainingFinished, TrainRequest, run


def main(photos: Path, folder: Path, teacher: str, *fields: str) -> Path | None:
    changed = tuple((name, value) for name, _, value in (field.partition("=") for field in fields))
    request = TrainRequest("distil", photos, folder, overrides=(("teacher", json.dumps(teacher)), *changed))
    for event in run(request):
        if isinstance(event, TrainingFinished):
            print(event.verdict)
            return event.model
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
