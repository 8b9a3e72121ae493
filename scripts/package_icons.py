"""Draw the application icon in every size and container that the three systems want.

usage: package_icons.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QRectF
from PySide6.QtGui import QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

ICON = Path(__file__).resolve().parent.parent / "resources" / "icons" / "srgan-desktop.svg"
SIZES = (16, 22, 24, 32, 48, 64, 128, 256, 512, 1024)
WINDOWS = (16, 24, 32, 48, 64, 128, 256)


def draw(size: int, path: Path) -> None:
    picture = QImage(size, size, QImage.Format.Format_ARGB32)
    picture.fill(0)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    QSvgRenderer(str(ICON)).render(painter, QRectF(0, 0, size, size))
    painter.end()
    if not picture.save(str(path)):
        raise SystemExit(f"cannot write {path}")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        draw(size, folder / f"{size}.png")
    drawn = {}
    for size in SIZES:
        with Image.open(folder / f"{size}.png") as icon:
            drawn[size] = icon.copy()
    # Each size as it was drawn, and none reduced from another.
    drawn[256].save(
        folder / "srgan-desktop.ico",
        sizes=[(size, size) for size in WINDOWS],
        append_images=[drawn[size] for size in WINDOWS],
    )
    drawn[1024].save(folder / "srgan-desktop.icns", append_images=[drawn[size] for size in (16, 32, 64, 128, 256, 512)])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
