#!/usr/bin/env bash
# imagecodecs 2026.3.6 and Pillow 13.0.0 decode the same CMYK JPEG to pictures that are each other's negative.
#
# Both use libjpeg-turbo and agree to the bit on RGB and grey files. Adobe's CMYK JPEGs hold inverted inks, which an
# APP14 marker tells: Pillow turns them round (255 is full ink), imagecodecs gives what is stored (255 is no ink), and
# tells nobody:
#
#     grey, RGB: equal
#     CMYK: imagecodecs = 255 - Pillow
#
# Print files from Photoshop come out black where paper was. Look for the Adobe marker, or decode CMYK with Pillow.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import io

import imagecodecs
import numpy as np
from PIL import Image

blocks = np.random.default_rng(0).integers(0, 256, (8, 8, 4)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
for mode, pixels in {"L": blocks[..., 0], "RGB": blocks[..., :3], "CMYK": blocks}.items():
    file = io.BytesIO()
    Image.frombytes(mode, (64, 64), np.ascontiguousarray(pixels).tobytes()).save(file, "JPEG", quality=95)
    pillow = np.asarray(Image.open(io.BytesIO(file.getvalue())))
    theirs = imagecodecs.jpeg8_decode(file.getvalue())
    equal, negative = np.array_equal(theirs, pillow), np.array_equal(theirs, 255 - pillow)
    print(f"{mode}: {'equal' if equal else 'imagecodecs = 255 - Pillow' if negative else 'different'}")
    assert (equal, negative) == (mode != "CMYK", mode == "CMYK")
    if mode == "CMYK":
        assert np.abs(pillow.astype(int) - pixels).mean() < 25, "Pillow gives the inks that went in"
PY
