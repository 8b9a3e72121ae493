#!/usr/bin/env bash
# Pillow 13.0.0: saving an animation, equal neighbours become one frame in GIF, PNG and WebP, and stay two in AVIF.
#
# Five frames (red, red, blue, blue, red) of 100, 200, 300, 400 and 500 ms:
#
#     GIF: 3 frames of 300, 700, 500 ms
#     PNG: 3 frames of 300, 700, 500 ms
#     WEBP: 3 frames of 300, 700, 500 ms
#     AVIF: 5 frames of 100, 200, 300, 400, 500 ms
#
# Shown, it is the same. But a program that works frame by frame, and counts frames to see that none was lost, or reads
# sprites by their number, has others before and after, and that depends on the format. One expects `append_images` to
# append. Write the file yourself where the number counts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" pillow==13.0.0
PYTHONPATH=$folder "$python" - <<'PY'
import io

from PIL import Image

frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "red", "blue", "blue", "red")]
seen = {}
for format in ("GIF", "PNG", "WEBP", "AVIF"):
    buffer = io.BytesIO()
    frames[0].save(buffer, format, save_all=True, append_images=frames[1:], duration=[100, 200, 300, 400, 500])
    with Image.open(buffer) as image:
        durations = []
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            durations.append(round(image.info["duration"]))
    print(f"{format}: {len(durations)} frames of {', '.join(map(str, durations))} ms")
    seen[format] = durations
merged = [300, 700, 500]
assert seen == {"GIF": merged, "PNG": merged, "WEBP": merged, "AVIF": [100, 200, 300, 400, 500]}, seen
PY
