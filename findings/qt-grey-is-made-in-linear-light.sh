#!/usr/bin/env bash
# PySide6-Essentials 6.11.3: QImage.convertToFormat(Format_Grayscale8) makes grey in linear light; qGray of the same
# pixel is another grey.
#
# One would expect qGray's (11 R + 16 G + 5 B) / 32, or the BT.601 luma that Pillow, JPEG and OpenCV take. Qt converts
# to linear light, weighs by BT.709 and goes back through sRGB:
#
#                convertToFormat   qGray   Pillow "L"
#     red              127            87        76
#     green            220           127       150
#     blue              76            39        29
#
# A saturated picture is up to 70 levels lighter in Qt's grey than in Pillow's; black, white and greys are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    PySide6-Essentials==6.11.3 shiboken6==6.11.3 pillow==13.0.0
PYTHONPATH=$folder "$python" - <<'PY'
from PIL import Image
from PySide6.QtGui import QColor, QImage, qGray

seen = {}
for name, rgb in {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (90, 90, 90)}.items():
    image = QImage(4, 4, QImage.Format.Format_RGB32)
    image.fill(QColor(*rgb))
    converted = image.convertToFormat(QImage.Format.Format_Grayscale8).pixelColor(0, 0).red()
    seen[name] = converted, qGray(*rgb), Image.new("RGB", (1, 1), rgb).convert("L").getpixel((0, 0))
    print(f"{name:5} convertToFormat {seen[name][0]:3}, qGray {seen[name][1]:3}, Pillow {seen[name][2]:3}")
assert seen == {"red": (127, 87, 76), "green": (220, 127, 150), "blue": (76, 39, 29), "grey": (90, 90, 90)}, seen
PY
