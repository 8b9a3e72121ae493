"""What a widget has painted, as an array."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QImage


def from_qimage(image: QImage) -> np.ndarray:
    """Pixels of any QImage: H x W x 3 uint8 RGB, or H x W x 4 RGBA (not premultiplied) where it has alpha."""
    assert not image.isNull()
    alpha = image.hasAlphaChannel()
    image = image.convertToFormat(QImage.Format.Format_RGBA8888 if alpha else QImage.Format.Format_RGB888)
    width, height, channels = image.width(), image.height(), 4 if alpha else 3
    # Qt pads every line to four bytes.
    lines = np.frombuffer(image.constBits(), np.uint8).reshape(height, image.bytesPerLine())
    return lines[:, : width * channels].reshape(height, width, channels).copy()
