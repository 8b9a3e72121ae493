#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93: imread turns a JPEG, PNG or WebP upright, leaves an AVIF lying, and gives None for
# a TIFF.
#
# IMREAD_COLOR applies EXIF orientation, as its documentation says without naming formats. One would expect that of
# each format that it reads and that has the tag. For a valid TIFF of orientation 6 it logs an internal error
# ("original_ptr == real_mat.data") and returns None, as for a file that is not there; one of orientation 3, which
# keeps the sides, is read:
#
#     JPEG (128, 96, 3)   PNG (128, 96, 3)   WEBP (128, 96, 3)   AVIF (96, 128, 3)   TIFF None
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    opencv-python-headless==5.0.0.93 pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import os
import tempfile

os.environ["OPENCV_LOG_LEVEL"] = "SILENT"

import cv2
import numpy as np
import tifffile
from PIL import Image

ORIENTATION = 274
pixels = np.random.default_rng(0).integers(0, 256, (96, 128, 3)).astype(np.uint8)
exif = Image.Exif()
exif[ORIENTATION] = 6
seen = {}
with tempfile.TemporaryDirectory() as folder:
    for format, suffix in {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "AVIF": "avif", "TIFF": "tif"}.items():
        path = f"{folder}/picture.{suffix}"
        if format == "TIFF":
            tifffile.imwrite(path, pixels, photometric="rgb", extratags=[(ORIENTATION, "H", 1, 6, True)])
        else:
            Image.fromarray(pixels).save(path, format, exif=exif)
        read = cv2.imread(path, cv2.IMREAD_COLOR)
        seen[format] = None if read is None else read.shape
        print(format, seen[format])
    tifffile.imwrite(path, pixels, photometric="rgb", extratags=[(ORIENTATION, "H", 1, 3, True)])
    assert cv2.imread(path, cv2.IMREAD_COLOR) is not None
upright = 128, 96, 3
assert seen == {"JPEG": upright, "PNG": upright, "WEBP": upright, "AVIF": (96, 128, 3), "TIFF": None}, seen
PY
