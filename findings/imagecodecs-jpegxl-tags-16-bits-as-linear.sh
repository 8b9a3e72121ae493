#!/usr/bin/env bash
# imagecodecs 2026.3.6 (libjxl 0.11.2): jpegxl_encode tags uint8 pixels as sRGB, and uint16 pixels as linear light.
#
# The values themselves come back equal from imagecodecs' own decoder, so a round trip shows nothing. Every other reader
# goes by the tag, here pillow-jxl-plugin 1.3.8 with Pillow 13.0.0 by its ICC profile: the same gradient is shown far too
# bright from the 16-bit file:
#
#     uint8: values equal, tagged sRGB
#     uint16: values equal, tagged RGB_D65_SRG_Rel_Lin
#
# One expects the type of the array to say how many bits there are, and not what they mean. Lossy coding of 16 bits also
# spends its bits on the wrong tones. Write the colour encoding yourself, or an ICC profile beside it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6 pillow-jxl-plugin==1.3.8
PYTHONPATH=$folder "$python" - <<'PY'
import io

import imagecodecs
import numpy as np
import pillow_jxl  # noqa: F401
from PIL import Image, ImageCms

line = np.linspace(0, 255, 64).astype(np.uint8)
gradient = np.repeat(np.tile(line, (64, 1))[..., None], 3, axis=2)
seen = []
for pixels in (gradient, gradient.astype(np.uint16) * 257):
    coded = imagecodecs.jpegxl_encode(pixels, lossless=True)
    equal = np.array_equal(imagecodecs.jpegxl_decode(coded), pixels)
    image = Image.open(io.BytesIO(coded))
    image.load()
    profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    name = ImageCms.getProfileDescription(profile).strip()
    print(f"{pixels.dtype}: values {'equal' if equal else 'different'}, tagged {name}")
    seen.append((equal, name))
assert seen == [(True, "sRGB"), (True, "RGB_D65_SRG_Rel_Lin")], seen
PY
