#!/usr/bin/env bash
# Pillow 13.0.0: resizing an RGBA picture changes colours where it is nearly transparent, even if every pixel is the
# same.
#
# Image.resize and Image.reduce premultiply by alpha in 8 bits and divide again. One would expect that of blended
# edges, and that a picture of one colour stays that colour. Under an alpha of 3 only four levels of each channel are
# left:
#
#     alpha   1: (200, 100, 50) becomes (255,   0,  0)
#     alpha   3: (200, 100, 50) becomes (170,  85, 85)
#     alpha  10: (200, 100, 50) becomes (204, 102, 51)
#     alpha 100: (200, 100, 50) becomes (198,  99, 51)
#
# Soft shadows and glows get blotches. Resize the four channels apart (and fill in colour under transparency first).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0
PYTHONPATH=$folder "$python" - <<'PY'
from PIL import Image

seen = {}
for alpha in (1, 3, 10, 100):
    uniform = Image.new("RGBA", (16, 16), (200, 100, 50, alpha))
    large = uniform.resize((32, 32), Image.Resampling.BICUBIC)
    assert large.getcolors() == uniform.reduce(2).resize((32, 32), Image.Resampling.NEAREST).getcolors()
    seen[alpha] = large.getpixel((16, 16))
    print(f"alpha {alpha:3}: (200, 100, 50) becomes {seen[alpha][:3]}")
assert seen == {1: (255, 0, 0, 1), 3: (170, 85, 85, 3), 10: (204, 102, 51, 10), 100: (198, 99, 51, 100)}, seen
# The channels apart keep it.
apart = Image.merge("RGBA", [band.resize((32, 32), Image.Resampling.BICUBIC) for band in uniform.split()])
assert apart.getcolors() == [(32 * 32, (200, 100, 50, 100))]
PY
