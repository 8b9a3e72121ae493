#!/usr/bin/env bash
# Pillow 13.0.0: convert("L") and convert("RGB") of a 16-bit grey picture cut it off at 255; they do not scale.
#
# Opening a 16-bit grey PNG or TIFF gives mode I;16. One would expect white (65535) to become 255 and the middle 128,
# as OpenCV, Qt and Pillow itself do for 16-bit RGB PNGs; instead all but the darkest 1/256 of the range is white:
#
#     I;16 values     0   255   256  1000 32768 65535
#     convert("L")    0   255   255   255   255   255
#
# A 16-bit scan turns into a white page. Divide by 257 before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import io

import numpy as np
from PIL import Image

values = np.array([[0, 255, 256, 1000, 32768, 65535]], np.uint16)
file = io.BytesIO()
Image.fromarray(values).save(file, "PNG")
with Image.open(io.BytesIO(file.getvalue())) as image:
    assert image.mode == "I;16"
    assert np.array_equal(np.asarray(image), values), "the file itself is right"
    grey = np.asarray(image.convert("L"))[0].tolist()
    red = np.asarray(image.convert("RGB"))[0, :, 0].tolist()
print("I;16 values ", *(f"{value:5}" for value in values[0]))
print('convert("L")', *(f"{value:5}" for value in grey))
assert grey == red == [0, 255, 255, 255, 255, 255], (grey, red)
PY
