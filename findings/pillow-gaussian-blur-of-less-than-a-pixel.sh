#!/usr/bin/env bash
# Pillow 13.0.0: ImageFilter.GaussianBlur with a radius under 1 is off by up to ten levels, now stronger and now
# weaker than a Gaussian.
#
# `radius` is the standard deviation, and the blur is three box blurs with fractional edges. At large radii that is
# within 1 % of a Gaussian, and one would expect it to be at least as near at small ones. Largest difference at an
# edge from 0 to 255:
#
#     0.3: 10.0 levels (stronger: 11 instead of 1 beside the edge)
#     0.4: 8.7   0.5: 0.9   0.6: 4.9   0.8: 4.9 (weaker)   1.0: 1.6   2.0: 1.8
#
# Simulated lens blur of photographs lies just there: take scipy.ndimage.gaussian_filter, or convolve by oneself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0 scipy==1.17.1 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import numpy as np
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

edge = np.zeros((41, 40), np.uint8)
edge[:, 20:] = 255
worst = {}
for sigma in (0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 2.0):
    pillow = np.asarray(Image.fromarray(edge).filter(ImageFilter.GaussianBlur(sigma))).astype(float)
    gaussian = gaussian_filter(edge.astype(float), sigma, mode="nearest")
    worst[sigma] = round(float(np.abs(pillow - gaussian).max()), 1)
    beside = f"{pillow[20, 19]:.0f} instead of {gaussian[20, 19]:.1f} beside the edge"
    print(f"{sigma}: {worst[sigma]} levels, {beside}")
assert worst[0.3] > 9
assert worst[0.5] < 1
assert 4 < worst[0.6] < 6
assert 4 < worst[0.8] < 6
assert worst[1.0] < 2
PY
