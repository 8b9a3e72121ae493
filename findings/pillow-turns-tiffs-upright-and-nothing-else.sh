#!/usr/bin/env bash
# Pillow 13.0.0 applies the orientation of TIFF files by itself while it loads, and of no other format.
#
# For JPEG, WebP and AVIF one calls ImageOps.exif_transpose, as Image.load leaves pixels as stored and the tag in
# place. One would expect the same of TIFF; there the pixels come upright, `size` is the upright one before anything
# is loaded, and the tag is gone, so that code which reads the tag first and turns the pixels later turns them twice.
# tifffile 2026.3.3 gives them as stored:
#
#     TIFF: stored 128 x 96, size 96 x 128 before load, tag 6 before load, 96 x 128 and no tag after it
#     JPEG: stored 128 x 96, size 128 x 96 before load, tag 6 before load, 128 x 96 and tag 6 after it
#     (WEBP and AVIF as JPEG; tifffile's array is 128 wide and 96 high)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import io

import numpy as np
import tifffile
from PIL import Image

ORIENTATION = 274
pixels = np.random.default_rng(0).integers(0, 256, (96, 128, 3)).astype(np.uint8)
exif = Image.Exif()
exif[ORIENTATION] = 6
seen = {}
for format in ("TIFF", "JPEG", "WEBP", "AVIF"):
    file = io.BytesIO()
    if format == "TIFF":
        tifffile.imwrite(file, pixels, photometric="rgb", extratags=[(ORIENTATION, "H", 1, 6, True)])
        assert tifffile.imread(io.BytesIO(file.getvalue())).shape == (96, 128, 3)
    else:
        Image.fromarray(pixels).save(file, format, exif=exif)
    with Image.open(io.BytesIO(file.getvalue())) as image:
        before = image.size, image.getexif().get(ORIENTATION)
        image.load()
        seen[format] = *before, image.size, image.getexif().get(ORIENTATION)
    print(f"{format}: stored (128, 96), before load {seen[format][:2]}, after it {seen[format][2:]}")
as_stored = (128, 96), 6, (128, 96), 6
assert seen == {"TIFF": ((96, 128), 6, (96, 128), None), "JPEG": as_stored, "WEBP": as_stored, "AVIF": as_stored}, seen
PY
