#!/usr/bin/env bash
# libwebp through Pillow 13.0.0 and imagecodecs 2026.3.6: "lossless" means two things.
#
# One would expect lossless=True to bring every byte back. Pillow leaves libwebp's `exact` off, which sets the colour
# of fully transparent pixels to black (and so changes what a resize blends in at the edge); imagecodecs switches it
# on:
#
#     Pillow, lossless=True: (33, 213, 169, 0) becomes (0, 0, 0, 0)
#     Pillow, lossless=True, exact=True: equal
#     imagecodecs, lossless=True: equal
#
# Textures of games keep data there. AVIF and JPEG XL, both lossless, keep the colour.
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

pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 4)).astype(np.uint8)
pixels[:16, :, 3] = 0
pixels[0, 0] = (33, 213, 169, 0)
assert (pixels[16:, :, 3] > 0).any()


def pillow(**options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, **options)
    return np.asarray(Image.open(io.BytesIO(file.getvalue())))


plain, exact = pillow(), pillow(exact=True)
print("Pillow, lossless=True: (33, 213, 169, 0) becomes", tuple(plain[0, 0].tolist()))
print("Pillow, lossless=True, exact=True:", "equal" if np.array_equal(exact, pixels) else "NOT equal")
theirs = imagecodecs.webp_decode(imagecodecs.webp_encode(pixels, lossless=True))
print("imagecodecs, lossless=True:", "equal" if np.array_equal(theirs, pixels) else "NOT equal")
assert tuple(plain[0, 0].tolist()) == (0, 0, 0, 0)
assert np.array_equal(plain[pixels[..., 3] > 0], pixels[pixels[..., 3] > 0])
assert np.array_equal(exact, pixels)
assert np.array_equal(theirs, pixels)
for codec in ("avif", "jpegxl"):
    encode, decode = getattr(imagecodecs, f"{codec}_encode"), getattr(imagecodecs, f"{codec}_decode")
    assert np.array_equal(decode(encode(pixels)), pixels), codec
PY
