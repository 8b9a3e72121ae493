#!/usr/bin/env bash
# libwebp through Pillow 13.0.0: a grey ramp at quality 100 comes back with 220 of its 256 levels, and coloured.
#
# Lossy WebP keeps luma in the range of television, 16 to 235, with 8 bits, whatever the quality: one would expect
# quality 100 to be all but lossless, as JPEG and AVIF are, which use the full range. The way back to RGB rounds each
# channel by itself, so that red, green and blue of a grey differ by a level:
#
#     WEBP: 220 levels, coloured
#     AVIF: 256 levels, grey
#     JPEG: 256 levels, grey
#
# Smooth skies get bands, and whoever asks whether R = G = B takes a grey scan for a colour picture.
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

ramp = np.repeat(np.repeat(np.arange(256, dtype=np.uint8)[None], 64, 0), 4, 1)
seen = {}
for format in ("WEBP", "AVIF", "JPEG"):
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, format, quality=100)
    rgb = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))
    grey = (rgb == rgb[..., :1]).all()
    seen[format] = len(np.unique(rgb[..., 1])), bool(grey)
    print(f"{format}: {seen[format][0]} levels, {'grey' if grey else 'coloured'}")
assert seen == {"WEBP": (220, False), "AVIF": (256, True), "JPEG": (256, True)}, seen
PY
