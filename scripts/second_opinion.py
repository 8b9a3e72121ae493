"""What a judge that no model was trained against says: ST-LPIPS on the benchmark sets, as a table.

The perceptual distance of docs/models.md uses the VGG16 that the content loss of `detail x4` uses too, which flatters
it. ST-LPIPS (Ghildyal & Liu 2022) is an AlexNet whose weights were learnt from what people find alike; 0 is for equal
pictures. Its package is no dependency of the program, and brings its weights along:

    pip install --target JUDGE --no-deps stlpips_pytorch torchsummary && echo "embed = None" > JUDGE/IPython.py
    PYTHONPATH=.:JUDGE python scripts/second_opinion.py --bench ../shared/data/bench faithful-x4 detail-x4:50 detail-x4
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from stlpips_pytorch.stlpips import LPIPS

from core.contract.cancel import CancelToken
from core.evaluate.resampling import crop_to_multiple, enlarge_bicubic, reduce_bicubic, rgb8
from core.images import load
from core.upscale.engine import open_engine

SCALE = 4
SETS = ("Set5", "Set14", "BSD100")

Enlarge = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS), type=lambda text: text.split(","))
    parser.add_argument("models", nargs="+", metavar="MODEL[:DETAIL]")
    options = parser.parse_args()
    judge = LPIPS(net="alex", variant="shift_tolerant", verbose=False)
    subjects: dict[str, Enlarge] = {"bicubic": lambda lr: enlarge_bicubic(lr, SCALE)}
    subjects |= {name: upscaler(name) for name in options.models}
    print(f"| ST-LPIPS | {' | '.join(options.sets)} |\n|---|{'---|' * len(options.sets)}")
    for name, enlarge in subjects.items():
        means = [
            np.mean([distance(judge, hr, enlarge) for hr in originals(options.bench / each)]) for each in options.sets
        ]
        print(f"| {name} | {' | '.join(f'{mean:.4f}' for mean in means)} |", flush=True)


def upscaler(name: str) -> Enlarge:
    """A model, in fp32, at the detail that stands behind a colon."""
    key, _, detail = name.partition(":")

    def enlarge(lr: np.ndarray) -> np.ndarray:
        # Two engines are kept open, so that this loads each model once.
        return open_engine(key, "cpu", "fp32", detail=int(detail or 100)).upscale(lr, CancelToken())

    return enlarge


def originals(folder: Path) -> list[np.ndarray]:
    """H x W x 3 uint8 RGB, cut to sides that the scale divides."""
    return [crop_to_multiple(rgb8(load(path).pixels), SCALE) for path in sorted(folder.glob("*.png"))]


@torch.no_grad()
def distance(judge: torch.nn.Module, hr: np.ndarray, enlarge: Enlarge) -> float:
    """Of `hr` and what `enlarge` makes of its reduction."""
    sr = enlarge(reduce_bicubic(hr, SCALE))
    first, second = (torch.from_numpy(each.copy()).permute(2, 0, 1)[None].float() / 255 for each in (hr, sr))
    return float(judge(first, second, normalize=True))


if __name__ == "__main__":
    main()
