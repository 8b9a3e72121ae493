#!/usr/bin/env bash
# imagecodecs 2026.3.6 (libavif 1.4.0): avif_encode writes a picture of one channel exactly, whatever `level` says.
#
# Guessed: a lower level gives a smaller file, as for the same picture in RGB, and `pixelformat="400"` is how to ask
# for a grey one. Bytes of a picture of 256 x 256 with some noise:
#
#     one channel:                       level 100 38100, 60 38100, 20 38100
#     one channel, pixelformat 400:      level 100 38100, 60 38100, 20 38100
#     three equal channels, 444:         level 100 112847, 60 4193, 20 1087
#     three equal channels, 400:         level 100 112847, 60 4138, 20 1037
#
# The way to a lossy grey file is the last one below level 100: it comes back as one channel. At level 100 the same
# call gives RGB.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    imagecodecs==2026.3.6 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import imagecodecs
import numpy as np

y, x = np.mgrid[:256, :256]
noise = np.random.default_rng(0).normal(0, 4, (256, 256))
grey = np.clip(128 + 90 * np.sin(x / 19 + y / 31) + noise, 0, 255).astype(np.uint8)
rgb = np.repeat(grey[..., None], 3, axis=2)

sizes, shapes = {}, {}
for name, pixels, options in (
    ("one channel", grey, {}),
    ("one channel, pixelformat 400", grey, {"pixelformat": "400"}),
    ("three equal channels, 444", rgb, {"pixelformat": "444"}),
    ("three equal channels, 400", rgb, {"pixelformat": "400"}),
):
    files = [imagecodecs.avif_encode(pixels, level=level, speed=8, **options) for level in (100, 60, 20)]
    sizes[name] = [len(file) for file in files]
    shapes[name] = [imagecodecs.avif_decode(file).ndim for file in files]
    print(f"{name + ':':34} level 100 {sizes[name][0]}, 60 {sizes[name][1]}, 20 {sizes[name][2]}")
assert all(len(set(sizes[name])) == 1 for name in list(sizes)[:2]), sizes
assert all(a > b > c for a, b, c in list(sizes.values())[2:]), sizes
assert shapes["three equal channels, 400"] == [3, 2, 2], shapes
PY
