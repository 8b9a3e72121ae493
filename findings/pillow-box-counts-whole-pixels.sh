#!/usr/bin/env bash
# Pillow 13.0.0: reducing with Resampling.BOX is no mean over areas where the factor is no whole number.
#
# A pixel on the edge between two cells is counted whole in one of them, and not at all in the other, where OpenCV's
# INTER_AREA gives each its part. So the cells of a picture and those of the same picture with every pixel repeated are
# not the same, although they lie in the same places:
#
#     103 columns to 52: Pillow's cells and those of the same picture four times as large differ by 52 of 255
#     104 columns to 52: by 0
#     103 columns to 52, OpenCV INTER_AREA: by 0
#
# One expects BOX to be the area filter, as it is for whole factors, and Image.reduce to agree with it. Sum with weights of
# your own where pictures of two sizes are compared.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0 numpy==2.4.6 opencv-python-headless==5.0.0.93
cd "$folder"
PYTHONPATH=$folder "$python" - <<'PY'
import cv2
import numpy as np
from PIL import Image


def pillow(columns: np.ndarray, cells: int) -> np.ndarray:
    return np.asarray(Image.fromarray(columns[None]).resize((cells, 1), Image.Resampling.BOX))[0]


def opencv(columns: np.ndarray, cells: int) -> np.ndarray:
    return cv2.resize(columns[None], (cells, 1), interpolation=cv2.INTER_AREA)[0]


def apart(reduce, width: int) -> float:
    columns = np.random.default_rng(1).integers(0, 256, width).astype(np.float32)
    return float(np.abs(reduce(columns, 52) - reduce(columns.repeat(4), 52)).max())


odd, even, area = apart(pillow, 103), apart(pillow, 104), apart(opencv, 103)
print(f"103 columns to 52: Pillow's cells and those of the same picture four times as large differ by {odd:.0f} of 255")
print(f"104 columns to 52: by {even:.0f}")
print(f"103 columns to 52, OpenCV INTER_AREA: by {area:.0f}")
assert odd > 40 and even < 0.01 and area < 0.01
PY
