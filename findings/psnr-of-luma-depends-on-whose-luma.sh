#!/usr/bin/env bash
# scikit-image 0.26.0 and opencv-python-headless 5.0.0.93: PSNR of "the Y channel" differs by 1.37 dB for the same
# pictures.
#
# Both functions are called RGB to YCbCr. scikit-image's has the range of television (Y from 16 to 235, as MATLAB's,
# which papers on super-resolution use), OpenCV's and Pillow's the full range of JPEG. The same error is a factor
# 219/255 smaller in the first: 20 log10(255/219) = 1.32 dB, more than most papers gain; rounding to 8 bits in the
# second adds a little:
#
#     scikit-image rgb2ycbcr 37.41 dB, OpenCV RGB2YCrCb 36.04 dB, Pillow YCbCr 36.06 dB
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    scikit-image==0.26.0 opencv-python-headless==5.0.0.93 pillow==13.0.0 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import cv2
import numpy as np
from PIL import Image
from skimage.color import rgb2ycbcr

random = np.random.default_rng(0)
y, x = np.mgrid[:96, :128]
clean = np.stack([128 + 80 * np.sin(x / 9 + y / 17 + shift) for shift in (0, 1, 2)], -1).astype(np.uint8)
noisy = np.clip(clean + random.normal(0, 6, clean.shape), 0, 255).astype(np.uint8)


def psnr(luma):
    difference = luma(clean).astype(float) - luma(noisy)
    return 10 * np.log10(255**2 / np.square(difference).mean())


seen = {
    "scikit-image rgb2ycbcr": psnr(lambda rgb: rgb2ycbcr(rgb)[..., 0]),
    "OpenCV RGB2YCrCb": psnr(lambda rgb: cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., 0]),
    "Pillow YCbCr": psnr(lambda rgb: np.asarray(Image.fromarray(rgb).convert("YCbCr"))[..., 0]),
}
print(", ".join(f"{name} {value:.2f} dB" for name, value in seen.items()))
television, opencv, pillow = seen.values()
assert 1.30 < television - opencv < 1.40
assert abs(opencv - pillow) < 0.05
PY
