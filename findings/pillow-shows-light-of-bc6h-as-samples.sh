#!/usr/bin/env bash
# Pillow 13.0.0: a DDS texture of BC6H, which holds linear light, is opened as “RGB”, its light times 255 as the samples.
#
# So it is far too dark wherever it is not too bright: nothing encodes the light for the eye, and all above white is cut
# off without a word. Against the same block decoded to half floats by imagecodecs 2026.3.6:
#
#     light 0.14: Pillow says 35, sRGB would say 105
#     light 0.77: Pillow says 197, sRGB would say 228
#     light 9.43: Pillow says 255, sRGB would say 255
#
# One expects the samples of an “RGB” image to be sRGB, as they are for all other kinds of blocks, or a mode of floats,
# as Pillow's “F” for TIFF. Decode BC6H by another library, and choose how to show it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import io
import struct

import imagecodecs
import numpy as np
from PIL import Image

seen = []
for code in (400, 480, 600):
    # One block of mode 11: two end points of 10 bits a channel, all 16 pixels the first of them.
    bits = 0b00011
    for place in range(6):
        bits |= code << (5 + 10 * place)
    block = bits.to_bytes(16, "little")
    head = b"DDS " + struct.pack("<7I44x", 124, 0x1007, 4, 4, 0, 0, 1) + struct.pack("<II4s20x", 32, 4, b"DX10")
    head += struct.pack("<I16x", 0x1000) + struct.pack("<5I", 95, 3, 0, 1, 0)
    with Image.open(io.BytesIO(head + block)) as image:
        assert image.mode == "RGB"
        pillow = image.getpixel((0, 0))[0]
    light = float(np.asarray(imagecodecs.bcn_decode(block, 6, shape=(4, 4, 3)))[0, 0, 0])
    srgb = round(255 * min(1.0, 1.055 * light ** (1 / 2.4) - 0.055))
    print(f"light {light:.2f}: Pillow says {pillow}, sRGB would say {srgb}")
    seen.append((pillow, srgb))
assert seen == [(35, 105), (197, 228), (255, 255)], seen
PY
