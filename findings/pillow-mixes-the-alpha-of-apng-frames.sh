#!/usr/bin/env bash
# Pillow 13.0.0: a frame of an animated PNG that is half transparent makes the opaque picture under it transparent.
#
# Laid over something opaque, anything is opaque (PNG specification, 13.16): that is what browsers show for blend_op
# OVER, and what Image.alpha_composite gives. Pillow pastes the frame with its alpha as the mask, which mixes the alpha
# channels as if they were colours. And of an animation without alpha, what a frame with dispose_op BACKGROUND uncovers
# is opaque black, where the specification says transparent:
#
#     alpha of half over opaque: 191, by alpha_composite 255
#     uncovered: mode RGB, (0, 0, 0)
#
# Who reads frames to write them again makes holes, or black ones in place of holes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    pillow==13.0.0
PYTHONPATH=$folder "$python" - <<'PY'
import io
import struct
import zlib

from PIL import Image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def animation(colour, frames):
    """8 x 8 pixels: each frame is a pixel's bytes, its side, dispose_op and blend_op."""
    made = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, colour, 0, 0, 0))
    made += chunk(b"acTL", struct.pack(">II", len(frames), 0))
    number = 0
    for index, (pixel, side, disposal, blending) in enumerate(frames):
        made += chunk(b"fcTL", struct.pack(">5I2H2B", number, side, side, 0, 0, 1, 10, disposal, blending))
        data = zlib.compress((b"\0" + pixel * side) * side)
        made += chunk(b"fdAT", struct.pack(">I", number + 1) + data) if index else chunk(b"IDAT", data)
        number += 2 if index else 1
    return Image.open(io.BytesIO(made + chunk(b"IEND", b"")))


image = animation(6, [(b"\xff\0\0\xff", 8, 0, 0), (b"\0\xff\0\x80", 8, 0, 1)])
image.seek(1)
mixed = image.getpixel((4, 4))[3]
whole = Image.alpha_composite(Image.new("RGBA", (1, 1), (255, 0, 0, 255)), Image.new("RGBA", (1, 1), (0, 255, 0, 128)))
print(f"alpha of half over opaque: {mixed}, by alpha_composite {whole.getpixel((0, 0))[3]}")
assert mixed == 191, mixed
assert whole.getpixel((0, 0))[3] == 255

image = animation(2, [(b"\xff\0\0", 8, 0, 0), (b"\0\xff\0", 4, 1, 0), (b"\0\0\xff", 2, 0, 0)])
image.seek(2)
uncovered = image.getpixel((3, 3))
print(f"uncovered: mode {image.mode}, {uncovered}")
assert (image.mode, uncovered) == ("RGB", (0, 0, 0))
PY
