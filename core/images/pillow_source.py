"""What Pillow decodes: JPEG, WebP, AVIF, GIF, BMP, HEIC by way of pillow-heif, and the more coloured kinds of TIFF."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from core.contract.errors import how_to_install
from core.images.colour import cmyk_to_srgb, lab_to_srgb, srgb_profile
from core.images.metadata.exif import orientation, plausible_dpi
from core.images.picture import Header, Metadata, StoredPixels
from core.images.refusal import MAX_METADATA_BYTES, MAX_PIXELS, UnreadableError, check_size

# Once and for the whole process: Pillow's own limit stops at 179 megapixels, less than a phone's picture enlarged by 4.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# EXIF is read by `metadata.py`; what Pillow thinks of it belongs into no one's terminal.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

# Only these are tried, whatever Pillow could open else: a stranger's PostScript would start an interpreter.
_PLUGINS = {
    "jpeg": ("JPEG", "MPO"),
    "webp": ("WEBP",),
    "avif": ("AVIF",),
    "gif": ("GIF",),
    "bmp": ("BMP",),
    "tiff": ("TIFF",),
}

_HEADER_BYTES_OF_AVIF = 1 << 16


class PillowSource:
    """An open file of any of these formats.

    Raises:
        UnreadableError: it is damaged, too large, or needs a package that is not there.
    """

    def __init__(self, file: BinaryIO, key: str) -> None:
        self._key = key
        self.image = open_with_pillow(file, key)
        info = self.image.info
        self._deep = _is_deep_avif(file) if key == "avif" else info.get("bit_depth", 8) > 8
        exif = _limited(info.get("exif"))
        xmp = info.get("xmp")
        metadata = Metadata(
            exif=exif.removeprefix(b"Exif\0\0") if exif else None,
            xmp=_limited(xmp.encode() if isinstance(xmp, str) else xmp),
            icc=_limited(info.get("icc_profile")),
            dpi=_resolution(key, info),
        )
        self.header = Header(
            *self.image.size,
            alpha=self.image.has_transparency_data,
            # The further pictures in a JPEG file are previews, depth and gain maps of the first.
            frames=1 if key == "jpeg" else getattr(self.image, "n_frames", 1),
            orientation=orientation(exif),
            metadata=metadata,
        )

    def draft(self, side: int) -> None:
        """Let `decode` give a smaller picture, still at least `side` pixels both ways, where that is faster."""
        if self._key == "jpeg":
            self.image.draft(None, (side, side))

    def decode(self) -> StoredPixels:
        """Decode the first frame."""
        decoded = decode_image(self.image, self.header.metadata.icc)
        if self._deep:
            return replace(decoded, notes=(*decoded.notes, "Its 10 or 12 bits a channel were reduced to 8."))
        return decoded


def open_with_pillow(file: BinaryIO, key: str) -> Image.Image:
    """The picture with only its header read.

    Raises:
        UnreadableError: too large, or HEIC without its package.
    """
    file.seek(0)
    image = _open_heic(file) if key == "heic" else Image.open(file, formats=_PLUGINS[key])
    check_size(*image.size)
    return image


def decode_image(image: Image.Image, icc: bytes | None) -> StoredPixels:
    """Grey or RGB with or without alpha, out of whatever mode Pillow gives."""
    image.load()
    notes: tuple[str, ...] = ()
    converted = False
    if image.mode == "CMYK":
        image, note = cmyk_to_srgb(image, icc)
        notes, converted = (note,), True
    elif image.mode == "LAB":
        image, note = lab_to_srgb(image)
        notes, converted = (note,), True
    mode = _plain_mode(image)
    if image.mode != mode:
        image = image.convert(mode)
    samples = np.array(image)
    samples = samples.reshape(image.height, image.width, -1)
    alpha = None
    if mode in ("LA", "RGBA"):
        samples, alpha = np.ascontiguousarray(samples[..., :-1]), np.ascontiguousarray(samples[..., -1])
    return StoredPixels(samples, alpha, notes, srgb_profile() if converted else None)


def _plain_mode(image: Image.Image) -> str:
    if image.mode in ("1", "L", "LA", "La"):
        return "LA" if image.has_transparency_data else "L"
    if image.mode in ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"):
        return "RGBA" if image.has_transparency_data else "RGB"
    raise UnreadableError(f"holds pixels of an unusual kind ({image.mode}).", "Save it anew as an RGB PNG or TIFF.")


def _open_heic(file: BinaryIO) -> Image.Image:
    try:
        # Only when such a picture comes: it is an optional package, and its codec takes a while to load.
        pillow_heif: Any = importlib.import_module("pillow_heif")
    except ImportError:
        raise UnreadableError(
            "is a HEIC picture, which needs the package pillow-heif.",
            f"Save the picture as JPEG or PNG. {how_to_install('pillow-heif')}",
        ) from None
    return pillow_heif.HeifImageFile(file)


def _resolution(key: str, info: dict[Any, Any]) -> tuple[float, float] | None:
    # For JPEG not Pillow's `dpi`: it makes up 72 where EXIF says none.
    if key == "jpeg":
        unit = {1: 1.0, 2: 2.54}.get(info.get("jfif_unit", 0))
        across, down = info.get("jfif_density", (0, 0))
        return plausible_dpi(across * unit, down * unit) if unit else None
    if key == "bmp" and "dpi" in info:
        return plausible_dpi(*(float(value) for value in info["dpi"]))
    return None


def _limited(data: bytes | None) -> bytes | None:
    return data if data and len(data) <= MAX_METADATA_BYTES else None


def _is_deep_avif(file: BinaryIO) -> bool:
    """Whether there are more than 8 bits a channel, by the `av1C` box (AV1-ISOBMFF, section 2.3)."""
    file.seek(0)
    head = file.read(_HEADER_BYTES_OF_AVIF)
    found = head.find(b"av1C")
    return 0 <= found < len(head) - 6 and bool(head[found + 6] & 0x40)
