"""The `srgan` commands of training."""

from __future__ import annotations

from pathlib import Path

from core.contract.cancel import CancelToken
from core.contract.training import TrainingStep, TrainRequest
from core.training.trainer import train

if __name__ == "__main__":
    import argparse
    import time

    p = argparse.ArgumentParser()
    p.add_argument("recipe")
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--val", type=Path)
    p.add_argument("--run", type=Path, required=True)
    p.add_argument("--resume", action="store_true")
    p.add_argument("--set", action="append", default=[])
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--content", type=Path)
    p.add_argument("--stop-after", type=int, default=0)
    a = p.parse_args()
    overrides = tuple(tuple(s.split("=", 1)) for s in a.set)
    r = TrainRequest(
        a.recipe,
        a.data,
        a.run,
        a.resume,
        a.val,
        overrides,
        threads=a.threads,
        content_weights=a.content,
        stop_after=a.stop_after,
    )
    for event in train(r, CancelToken()):
        if isinstance(event, TrainingStep) and event.step % 25 and event.step > 20:
            continue
        print(time.strftime("%H:%M:%S"), event, flush=True)
