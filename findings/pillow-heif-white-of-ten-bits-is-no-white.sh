#!/usr/bin/env bash
# pillow-heif 1.8.1 (with Pillow 13.0.0): 10 bits a channel, asked for as they are, come as uint16 whose white is 65472.
#
# The bits are moved to the top, and the lower six stay empty: “RGB;16”, which says 16 bits, never reaches 65535. Whoever
# divides by 65535 gets a picture whose white is a light grey (0.999), and whose alpha, where it has one, hides a little:
#
#     RGB;16 of 10 bits: 0 to 65472
#
# One expects the whole range of uint16, as libpng's and libtiff's readers give it, or 0 to 1023. Move the bits down by
# what `bit_depth` leaves, and spread them from there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0 pillow-heif==1.8.1 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import io

import numpy as np
import pillow_heif

pixels = np.zeros((64, 64, 3), np.uint16)
pixels[:, 32:] = 65535
buffer = io.BytesIO()
pillow_heif.from_bytes("RGB;16", (64, 64), pixels.tobytes()).save(buffer, quality=-1, chroma=444)
image = pillow_heif.open_heif(io.BytesIO(buffer.getvalue()), convert_hdr_to_8bit=False)
found = np.asarray(image)
print(f"{image.mode} of {image.info['bit_depth']} bits: {found.min()} to {found.max()}")
assert (image.mode, image.info["bit_depth"], found.min(), found.max()) == ("RGB;16", 10, 0, 65472)
PY
