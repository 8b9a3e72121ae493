"""Measure models on your own pictures: python examples/measure_model.py PICTURES MODEL..."""

import sys
from pathlib import Path

from core import Evaluated, EvaluateRequest, SetEvaluated, run


def main(pictures: Path, *models: str) -> None:
    request = EvaluateRequest(tuple(Evaluated(model) for model in models), pictures, precision="fp32")
    for event in run(request):
        if isinstance(event, SetEvaluated):
            print(f"{event.dataset}: {event.pictures} pictures")
            for quality in (event.bicubic, *event.results):
                print(f"  {quality.of:20} PSNR {quality.psnr_y:.2f} dB, SSIM {quality.ssim_y:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
