#!/usr/bin/env bash
# imagecodecs 2026.3.6 and Pillow 13.0.0: an alpha channel that is 255 everywhere is gone after WebP and AVIF, also
# lossless ones.
#
# libwebp and the AVIF encoders leave an opaque plane out; one would expect height x width x 4 back, as PNG and JPEG
# XL give, and code that stacks frames or reads [..., 3] fails on the one frame without a transparent pixel:
#
#     imagecodecs: webp 3 channels, avif 3, jpegxl 4, png 4
#     Pillow: WEBP mode RGB, AVIF RGB, PNG RGBA
#     with one transparent pixel: webp 4 channels, avif 4, jpegxl 4, png 4
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

CODECS = ("webp", "avif", "jpegxl", "png")


def channels(pixels):
    seen = {}
    for codec in CODECS:
        encode, decode = getattr(imagecodecs, f"{codec}_encode"), getattr(imagecodecs, f"{codec}_decode")
        seen[codec] = decode(encode(pixels)).shape[2]
    return seen


opaque = np.random.default_rng(0).integers(0, 256, (48, 64, 4)).astype(np.uint8)
opaque[..., 3] = 255
seen = channels(opaque)
print("imagecodecs:", seen)
assert seen == {"webp": 3, "avif": 3, "jpegxl": 4, "png": 4}, seen
modes = {}
for format, options in {"WEBP": {"lossless": True}, "AVIF": {}, "PNG": {}}.items():
    file = io.BytesIO()
    Image.fromarray(opaque).save(file, format, **options)
    modes[format] = Image.open(io.BytesIO(file.getvalue())).mode
print("Pillow:", modes)
assert modes == {"WEBP": "RGB", "AVIF": "RGB", "PNG": "RGBA"}, modes
opaque[0, 0, 3] = 0
seen = channels(opaque)
print("with one transparent pixel:", seen)
assert set(seen.values()) == {4}, seen
PY
