#!/usr/bin/env bash
# Pillow 13.0.0: saving a DDS as DXT3 (BC2) mixes the alpha of each pixel with that of the one to its left.
#
# BC2 stores alpha plainly, 4 bits a pixel, so one would expect its sixteen levels (0, 17, ... 255) to come back as they
# went in, and levels between to be off by 8 at most. The bits of the left neighbour are set as well:
#
#     saved      0  17  34  51  68  85 102 119 136 153 170 187 204 221 238 255
#     stored     0  17  51  51  68  85 119 119 136 153 187 187 204 221 255 255
#
# 2 after 1 becomes 3; what is transparent to the right of something opaque becomes opaque. Another decoder (bcdec, in
# imagecodecs) reads the same, so it is the file. DXT5 (BC3) has no such fault.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0 numpy==2.4.6 imagecodecs==2026.3.6
PYTHONPATH=$folder "$python" - <<'PY'
import io

import imagecodecs
import numpy as np
from PIL import Image

pixels = np.full((16, 16, 4), 100, np.uint8)
pixels[..., 3] = 17 * np.arange(16)
file = io.BytesIO()
Image.fromarray(pixels).save(file, "DDS", pixel_format="DXT3")
with Image.open(io.BytesIO(file.getvalue())) as image:
    stored = np.asarray(image)[0, :, 3].tolist()
other = imagecodecs.dds_decode(file.getvalue())[0, :, 3].tolist()
print("saved  ", *(f"{value:3}" for value in pixels[0, :, 3]))
print("stored ", *(f"{value:3}" for value in stored))
nibbles = list(range(16))
# Blocks are four pixels wide, and the first of a row has no neighbour.
mixed = [17 * (each if each % 4 == 0 else each | each - 1) for each in nibbles]
assert stored == other == mixed, (stored, other, mixed)
PY
