"""Between numpy and Qt: the one place where an array becomes a QImage or QPixmap."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage, QPixmap

from core.late import np

if TYPE_CHECKING:
    from core.images import Picture

STRIP_PIXELS = 1 << 21
"""Colours are converted in strips of about so many pixels, so that a large picture needs no second copy of itself."""


def to_qimage(pixels: np.ndarray) -> QImage:
    """A QImage with memory of its own.

    Args:
        pixels: H x W or H x W x 1 (grey), H x W x 3 (RGB) or H x W x 4 (RGBA, not premultiplied); uint8, or uint16,
            which is reduced to 8 bits. Need not be contiguous.

    Raises:
        ValueError: another shape or type, or no pixels.
    """
    return _view(pixels).copy()


def to_qpixmap(pixels: np.ndarray) -> QPixmap:
    """What `to_qimage` takes as a pixmap in the screen's own format; in the main thread only."""
    return QPixmap.fromImage(_view(pixels))


def for_display(picture: Picture) -> np.ndarray:
    """Pixels as a screen shows them: 8 bits, in sRGB, alpha as the last channel.

    Returns:
        uint8, H x W (grey), H x W x 3 (RGB) or H x W x 4 (RGBA, not premultiplied); the picture's own array where
        nothing has to be changed. A profile that is damaged or does not fit is taken for sRGB, as everywhere.
    """
    # Here, as the window is painted before it shows any picture.
    from core.images import profile_for

    pixels = _eight_bit(picture.pixels)
    icc = profile_for(picture.metadata, grey=pixels.shape[2] == 1)
    if icc is not None:
        pixels = _to_srgb(pixels, icc)
    if picture.alpha is None:
        return pixels[..., 0] if pixels.shape[2] == 1 else pixels
    result = np.empty((*pixels.shape[:2], 4), np.uint8)
    result[..., :3] = pixels
    result[..., 3] = _eight_bit(picture.alpha)
    return result


_FORMATS = {
    1: QImage.Format.Format_Grayscale8,
    3: QImage.Format.Format_RGB888,
    4: QImage.Format.Format_RGBA8888,
}


def _view(pixels: np.ndarray) -> QImage:
    """A QImage over an array's memory. PySide keeps that memory alive no longer than the array: copy it at once."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1]
    if pixels.ndim not in (2, 3) or channels not in _FORMATS or 0 in pixels.shape:
        raise ValueError(f"no picture has the shape {pixels.shape}")
    pixels = np.ascontiguousarray(_eight_bit(pixels))
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, pixels.strides[0], _FORMATS[channels])


def _eight_bit(values: np.ndarray) -> np.ndarray:
    """uint8 to itself, uint16 to the nearest of 256 levels."""
    if values.dtype == np.uint8:
        return values
    if values.dtype != np.uint16:
        raise ValueError(f"pixels are uint8 or uint16, not {values.dtype}")
    result = np.empty(values.shape, np.uint8)
    rows = max(1, STRIP_PIXELS // max(1, values[0].size))
    for top in range(0, values.shape[0], rows):
        # v / 257 rounded, exact over the whole range without leaving 32 bits.
        result[top : top + rows] = (values[top : top + rows].astype(np.uint32) * 255 + 32895) >> 16
    return result


def _to_srgb(pixels: np.ndarray, icc: bytes) -> np.ndarray:
    """H x W x 1 or 3 uint8 in a profile to H x W x 3 uint8 in sRGB; `pixels` itself where that changes nothing."""
    # Here, as the window is painted before it shows any picture.
    from PIL import Image, ImageCms

    mode = "L" if pixels.shape[2] == 1 else "RGB"
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return pixels

    def convert(part: np.ndarray) -> np.ndarray:
        image = Image.fromarray(part[..., 0] if mode == "L" else part)
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None
        return np.asarray(converted)

    # Most profiles are sRGB under some name: then there is nothing to do for 100 million pixels.
    ramp = np.linspace(0, 255, 256 if mode == "L" else 9).round().astype(np.uint8)
    probe = ramp[:, None, None] if mode == "L" else np.stack(np.meshgrid(ramp, ramp, ramp), axis=-1).reshape(27, 27, 3)
    if np.abs(convert(probe).astype(int) - probe).max() <= 1:
        return pixels
    result = np.empty((*pixels.shape[:2], 3), np.uint8)
    rows = max(1, STRIP_PIXELS // pixels.shape[1])
    for top in range(0, pixels.shape[0], rows):
        result[top : top + rows] = convert(pixels[top : top + rows])
    return result
