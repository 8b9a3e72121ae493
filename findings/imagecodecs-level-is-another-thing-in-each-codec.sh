#!/usr/bin/env bash
# imagecodecs 2026.3.6: without `level` its picture encoders are lossless; with it they are not, or it is ignored.
#
# One would expect `level` to be a quality of 0 to 100 with 100 the best, and no argument to be a usual default such
# as 90. Largest error of a photograph in levels of 255:
#
#     webp:   none 0, level 90 0, level 100 0     (ignored: it needs lossless=False)
#     avif:   none 0, level 90 19, level 100 0
#     jpegxl: none 0, level 90 44, level 100 16   (no level is the best one)
#     jpeg2k: none 0, level 90 3, level 100 3     (the signal-to-noise ratio in dB)
#
# A file that was meant to be small is ten times as large, and one that was meant to be perfect is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    imagecodecs==2026.3.6 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import imagecodecs
import numpy as np

random = np.random.default_rng(0)
y, x = np.mgrid[:96, :128]
smooth = np.stack([128 + 100 * np.sin(x / 9 + y / 17 + shift) for shift in (0, 1, 2)], -1)
photo = np.clip(smooth + random.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)


def worst(codec, **options):
    decoded = getattr(imagecodecs, f"{codec}_decode")(getattr(imagecodecs, f"{codec}_encode")(photo, **options))
    return int(np.abs(decoded.astype(int) - photo).max())


lossless = {}
for codec in ("webp", "avif", "jpegxl", "jpeg2k"):
    errors = worst(codec), worst(codec, level=90), worst(codec, level=100)
    lossless[codec] = tuple(error == 0 for error in errors)
    print(f"{codec}: none {errors[0]}, level 90 {errors[1]}, level 100 {errors[2]}")
assert lossless == {
    "webp": (True, True, True),
    "avif": (True, False, True),
    "jpegxl": (True, False, False),
    "jpeg2k": (True, False, False),
}, lossless
assert worst("webp", level=90, lossless=False) > 0
PY
