#!/usr/bin/env bash
# Pillow 13.0.0 reads a big-endian float TIFF with the floating-point predictor as other numbers, without a word.
#
# tifffile 2026.3.3 writes 32-bit floats with deflate and TIFF predictor 3, which is the same bytes in both byte
# orders but for the header. One would expect Pillow, which has libtiff for it, to read both, as it does the 16-bit
# integers of predictor 2:
#
#     little-endian float32, predictor 3: mode F, equal
#     big-endian float32, predictor 3: mode F, NOT equal
#     little-endian uint16, predictor 2: mode I;16, equal
#     big-endian uint16, predictor 2: mode I;16B, equal
#
# Scientific cameras, GIS and Photoshop on old Macs write such files. Read float TIFFs with tifffile.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import io

import numpy as np
import tifffile
from PIL import Image

random = np.random.default_rng(0)
seen = {}
for kind, predictor in (("float32", 3), ("uint16", 2)):
    pixels = (random.random((20, 30)) * 1000).astype(kind)
    for order, name in (("<", "little"), (">", "big")):
        file = io.BytesIO()
        tifffile.imwrite(file, pixels, compression="deflate", predictor=predictor, byteorder=order)
        assert np.array_equal(tifffile.imread(io.BytesIO(file.getvalue())), pixels), "the file itself is right"
        with Image.open(io.BytesIO(file.getvalue())) as image:
            equal = np.array_equal(np.asarray(image), pixels)
            verdict = "equal" if equal else "NOT equal"
            print(f"{name}-endian {kind}, predictor {predictor}: mode {image.mode}, {verdict}")
        seen[name, kind] = equal
assert seen == {
    ("little", "float32"): True,
    ("big", "float32"): False,
    ("little", "uint16"): True,
    ("big", "uint16"): True,
}, seen
PY
