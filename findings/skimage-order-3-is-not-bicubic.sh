#!/usr/bin/env bash
# scikit-image 0.26.0: transform.resize(order=3) is a cubic spline through the pixels, not what Pillow or OpenCV call
# bicubic. (Nor MATLAB's imresize, nor torch.)
#
# One would expect Keys' kernel, which sees four pixels and overshoots an edge by 7 % (a = -0.5). scipy's spline is
# prefiltered: every pixel of a row has a part in every other. An edge enlarged four times:
#
#     Pillow BICUBIC:     7.3 % over the edge, even again 8 pixels from it
#     order=3:           10.8 % over the edge, still waving by 2.2 % there
#
# A baseline, or LR made so, is not the papers': PSNR tables cannot be compared.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    scikit-image==0.26.0 pillow==13.0.0 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import numpy as np
from PIL import Image
from skimage.transform import resize

edge = np.zeros((8, 16), np.float32)
edge[:, 8:] = 1
keys = np.asarray(Image.fromarray(edge).resize((64, 32), Image.Resampling.BICUBIC))[16]
spline = resize(edge, (32, 64), order=3, clip=False, anti_aliasing=False)[16]
middle = 32
for name, row in (("Pillow BICUBIC", keys), ("order=3", spline)):
    far = np.abs(row[: middle - 8]).max()
    print(f"{name}: {100 * (row.max() - 1):.1f} % over the edge, {100 * far:.1f} % 8 pixels from it and beyond")
assert abs(keys.max() - 1.073) < 0.001
assert np.abs(keys[: middle - 8]).max() == 0
assert abs(spline.max() - 1.108) < 0.001
assert np.abs(spline[: middle - 8]).max() > 0.02
PY
