"""What Pillow decodes: JPEG, WebP, AVIF, GIF, BMP, JPEG 2000, TGA, DDS, PCX, icons, HEIC by way of pillow-heif, and the
more coloured kinds of TIFF."""

from __future__ import annotations

import importlib
import struct
import warnings
from dataclasses import replace
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from core.contract.errors import how_to_install
from core.images import credentials
from core.images.bmp_gif import bmp_metadata, gif_metadata
from core.images.cicp import Cicp, meant
from core.images.colour import cmyk_to_srgb, lab_to_srgb, srgb_profile
from core.images.dds import texture_of
from core.images.isobmff import StillImage, still_image, with_one_association, without_sequence
from core.images.jpeg import surroundings, unreadable_kind, with_end_marker
from core.images.jpeg2000 import jpeg2000
from core.images.jpeg_traces import quality_of_tables
from core.images.metadata.exif import orientation, plausible_dpi
from core.images.metadata.parts import LeftOut
from core.images.picture import Header, Metadata, StoredPixels, shape_of_pixels
from core.images.refusal import MAX_METADATA_BYTES, MAX_PIXELS, UnreadableError, check_size
from core.images.samples import parted, spread, told_bits, unmultiplied
from core.images.tga import Alpha, Extension, extension_of
from core.language import gettext as _

# Once and for the whole process: Pillow's own limit stops at 179 megapixels, less than a phone's picture enlarged by 4.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# EXIF is read by `metadata.py`; what Pillow thinks of it belongs into no one's terminal.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

# Only these are tried, whatever Pillow could open else: a stranger's PostScript would start an interpreter.
_PLUGINS = {
    "png": ("PNG",),
    "jpeg": ("JPEG", "MPO"),
    "webp": ("WEBP",),
    "avif": ("AVIF",),
    "gif": ("GIF",),
    "bmp": ("BMP",),
    "tiff": ("TIFF",),
    "jpeg2000": ("JPEG2000",),
    "tga": ("TGA",),
    "dds": ("DDS",),
    "pcx": ("PCX",),
    "ico": ("ICO", "CUR"),
}

_MAX_WEBP_CHUNKS = 1000


class PillowSource:
    """An open file of any of these formats.

    Raises:
        UnreadableError: it is damaged, too large, or needs a package that is not there.
    """

    def __init__(self, file: BinaryIO, key: str) -> None:
        self._key = key
        file = with_one_association(file) if key == "avif" else file
        # Pillow looks at a JPEG 2000's size only while it decodes, and at no DDS that holds several textures.
        self._jpeg2000 = jpeg2000(file) if key == "jpeg2000" else None
        texture = texture_of(file) if key == "dds" else None
        try:
            self.image = open_with_pillow(file, key)
        # Pillow 13.0.0 looks for the next plugin before it has imported it.
        except (OSError, SyntaxError, KeyError) as error:
            name = unreadable_kind(file) if key == "jpeg" else None
            if name is None:
                raise
            raise UnreadableError(
                _("holds {name}, which cannot be read.").format(name=name), _("Save it again as an RGB TIFF or PNG.")
            ) from error
        self._inverted_alpha = key == "tga" and _is_tga_of_fifteen_bits(file)
        self._tga = extension_of(file) if key == "tga" else Extension()
        info = self.image.info
        self._file = file
        still = still_image(file) if key in ("avif", "heic") else StillImage()
        cicp, bits, lossless = _coded(file, key, info, still)
        if self._jpeg2000:
            bits = told_bits(self._jpeg2000.bits)
        exif = _limited(info.get("exif"))
        xmp = info.get("xmp")
        embedded = self._jpeg2000.metadata if self._jpeg2000 else _embedded(file, key, info, still)
        embedded = self._tga.metadata if key == "tga" else embedded
        metadata = Metadata(
            exif=exif.removeprefix(b"Exif\0\0") if exif else embedded.exif,
            xmp=embedded.xmp or _limited(xmp.encode() if isinstance(xmp, str) else xmp),
            icc=_limited(info.get("icc_profile")) or embedded.icc,
            dpi=_resolution(key, info) or embedded.dpi,
            grid=_grid(key, info) or embedded.grid,
            # In these formats a profile decides over code points.
            cicp=None if info.get("icc_profile") else cicp,
            png_colour=embedded.png_colour,
            photoshop=embedded.photoshop,
            texts=embedded.texts,
            gain_map=embedded.gain_map,
            left_out=embedded.left_out,
        )
        # The further pictures in a JPEG file are previews, depth and gain maps of the first.
        frames = 1 if key == "jpeg" else getattr(self.image, "n_frames", 1)
        # HEIC's decoder minds it, AVIF's does not; an animation keeps what it has.
        self._aperture = still.aperture if key == "avif" and frames == 1 else None
        self.header = Header(
            *(self._aperture[2:] if self._aperture else self.image.size),
            bits=bits,
            lossless=lossless,
            alpha=self.image.has_transparency_data
            and self._tga.alpha is not Alpha.NOTHING
            and not _means_no_alpha(self.image, key, self._inverted_alpha),
            frames=frames,
            orientation=orientation(exif),
            jpeg_quality=_jpeg_quality(self.image),
            texture=texture,
            metadata=metadata,
        )

    def draft(self, side: int) -> None:
        """Let `decode` give a smaller picture, still at least `side` pixels both ways, where that is faster."""
        if self._key == "jpeg":
            self.image.draft(None, (side, side))

    def decode(self) -> StoredPixels:
        """Decode the first frame."""
        decoded = self._decoded_whole()
        if self._aperture is None:
            return decoded
        left, top, width, height = self._aperture
        seen = (slice(top, top + height), slice(left, left + width))
        alpha = None if decoded.alpha is None else np.ascontiguousarray(decoded.alpha[seen])
        return replace(decoded, pixels=np.ascontiguousarray(decoded.pixels[seen]), alpha=alpha)

    def _decoded_whole(self) -> StoredPixels:
        if self.header.bits > 8:
            stored = self._jpeg2000.bits if self._jpeg2000 else self.header.bits
            return _decode_deep(self._file, self._key, stored)
        decoded = self._decoded()
        if not self.header.alpha:
            hides = self._tga.alpha is Alpha.NOTHING and decoded.alpha is not None and not _is_even(decoded.alpha)
            notes = (_("Its fourth channel was left out: the file says that it is no transparency."),) if hides else ()
            return replace(decoded, alpha=None, notes=(*decoded.notes, *notes))
        if self._inverted_alpha and decoded.alpha is not None:
            return replace(decoded, alpha=255 - decoded.alpha)
        if self._tga.alpha is Alpha.PREMULTIPLIED and decoded.alpha is not None:
            return replace(decoded, pixels=unmultiplied(decoded.pixels, decoded.alpha))
        return decoded

    def _decoded(self) -> StoredPixels:
        icc = self.header.metadata.icc
        if self._key != "jpeg":
            return decode_image(self.image, icc)
        try:
            return decode_image(self.image, icc)
        except OSError as error:
            whole = None if error.errno is not None else with_end_marker(self._file)
            if whole is None:
                raise
            decoded = decode_image(open_with_pillow(whole, "jpeg"), icc)
            return replace(
                decoded, notes=(*decoded.notes, _("Its end marker is missing; the picture itself is complete."))
            )


def open_with_pillow(file: BinaryIO, key: str, page: int = 0) -> Image.Image:
    """The picture, or another page of a TIFF, with only its header read.

    Raises:
        UnreadableError: too large, or HEIC without its package.
    """
    file.seek(0)
    image = _open_heic(file) if key == "heic" else Image.open(file, formats=_PLUGINS[key])
    if page:
        image.seek(page)
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
    raise UnreadableError(
        _("holds pixels of an unusual kind ({mode}).").format(mode=image.mode),
        _("Save it again as an RGB PNG or TIFF."),
    )


def _open_heic(file: BinaryIO) -> Image.Image:
    try:
        # Only when such a picture comes: it is an optional package, and its codec takes a while to load.
        pillow_heif: Any = importlib.import_module("pillow_heif")
    except ImportError:
        raise UnreadableError(
            _("is a HEIC picture, which needs the package pillow-heif."),
            _("Save the picture as JPEG or PNG. {how_to_install}").format(how_to_install=how_to_install("pillow-heif")),
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


def _grid(key: str, info: dict[Any, Any]) -> tuple[float, float] | None:
    """Like `Metadata.grid`: a JPEG's density without a unit."""
    if key != "jpeg" or info.get("jfif_unit") != 0:
        return None
    return shape_of_pixels(*info.get("jfif_density", (0, 0)))


def _limited(data: bytes | None) -> bytes | None:
    return data if data and len(data) <= MAX_METADATA_BYTES else None


def _embedded(file: BinaryIO, key: str, info: dict[Any, Any], still: StillImage) -> Metadata:
    """What Pillow does not tell of a file."""
    if key == "bmp":
        return bmp_metadata(file)
    if key == "gif":
        return gif_metadata(file)
    if key == "jpeg":
        around = surroundings(file)
        return Metadata(
            xmp=_limited(around.xmp),
            photoshop=around.photoshop,
            texts=around.comments,
            gain_map=around.gain_map,
            left_out=around.left_out,
        )
    gone: tuple[LeftOut, ...] = ()
    if key == "heic":
        kinds = " ".join(str(kind) for kind in info.get("aux", {}))
        depth = info.get("depth_images") or "depth" in kinds
        gone = (LeftOut.GAIN_MAP,) * ("gainmap" in kinds) + (LeftOut.DEPTH,) * bool(depth)
    elif key == "avif":
        gone = (LeftOut.GAIN_MAP,) * still.gain_map
    if key in ("heic", "avif"):
        return Metadata(
            # The wider a pixel is, the fewer of them lie on an inch.
            grid=shape_of_pixels(*still.shape[::-1]) if still.shape else None,
            left_out=gone + (LeftOut.CREDENTIALS,) * credentials.in_boxes(file),
        )
    if key == "webp":
        return Metadata(left_out=(LeftOut.CREDENTIALS,) * credentials.in_webp(file))
    return Metadata()


def _jpeg_quality(image: Image.Image) -> float | None:
    # Lossless JPEG has no tables, and a file whose tables are cut short is found damaged when it is decoded.
    tables = getattr(image, "quantization", None) if image.format in ("JPEG", "MPO") else None
    return quality_of_tables(tables) if tables and all(len(table) == 64 for table in tables.values()) else None


def _is_tga_of_fifteen_bits(file: BinaryIO) -> bool:
    """Whether colours are of 15 bits, and the sixteenth says what is opaque: Pillow 13.0.0 takes it for transparent."""
    file.seek(0)
    head = file.read(18)
    if len(head) < 18:
        return False
    return (head[2] in _TGA_OF_COLOURS and head[16] == 16) or (head[2] in _TGA_OF_A_PALETTE and head[7] == 16)


_TGA_OF_COLOURS, _TGA_OF_A_PALETTE = (2, 10), (1, 9)
"""Image types, plain and run-length encoded."""


def _is_even(alpha: np.ndarray) -> bool:
    return bool(alpha.min() == alpha.max())


def _means_no_alpha(image: Image.Image, key: str, is_one_bit: bool) -> bool:
    """Whether alpha is there for the sake of four bytes a pixel only, or of a bit that would be left over.

    It is zero everywhere in what Windows copies from a screen, and in TGAs of games; DDS blocks all have it.
    """
    if is_one_bit:
        image.load()
        extremes = image.convert("RGBA").getchannel("A").getextrema()
        return extremes in ((0, 0), (255, 255))
    if key not in ("bmp", "tga", "dds") or image.mode != "RGBA":
        return False
    image.load()
    return image.getchannel("A").getextrema() == ((255, 255) if key == "dds" else (0, 0))


def _coded(file: BinaryIO, key: str, info: dict[Any, Any], still: StillImage) -> tuple[Cicp | None, int, bool]:
    """The colours by code points, the bits a channel, and whether a format that may lose something lost nothing."""
    if key == "avif":
        return still.cicp, still.bits, still.lossless
    if key == "heic":
        codes = info.get("nclx_profile") or {}
        cicp = meant(int(codes.get("color_primaries", 2)), int(codes.get("transfer_characteristics", 2)))
        return cicp, max(8, int(info.get("bit_depth", 8))), False
    if key == "webp":
        return None, 8, _is_lossless_webp(file)
    return None, 8, False


def _is_lossless_webp(file: BinaryIO) -> bool:
    """Whether the first picture data is a `VP8L` chunk (WebP container specification)."""
    position = 12
    for _rest in range(_MAX_WEBP_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return False
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"VP8L", b"VP8 "):
            return bool(kind == b"VP8L")
        # A frame of an animation holds the like chunks after 16 bytes of its own.
        position += 8 + (16 if kind == b"ANMF" else length + length % 2)
    return False


def _decode_deep_avif(data: bytes) -> np.ndarray:
    # Asked for one frame of several, imagecodecs 2026.3.6 writes beyond its memory. So it gets a file of one, and where
    # it finds more all the same, all of them are decoded.
    samples = imagecodecs.avif_decode(without_sequence(data))
    return samples[0] if samples.ndim == _DIMENSIONS_OF_SEVERAL else samples


_DIMENSIONS_OF_SEVERAL = 4


def _decode_deep(file: BinaryIO, key: str, bits: int) -> StoredPixels:
    """10 or 12 bits a channel as uint16 over its whole range; Pillow would cut them off."""
    file.seek(0)
    if key == "avif":
        samples = _decode_deep_avif(file.read())
    elif key == "jpeg2000":
        samples = imagecodecs.jpeg2k_decode(file.read())
    else:
        pillow_heif: Any = importlib.import_module("pillow_heif")
        heif = pillow_heif.open_heif(file, convert_hdr_to_8bit=False)
        frame = heif[heif.primary_index]
        samples = np.asarray(frame)
        if samples.dtype == np.uint16:
            # libheif's bindings move the bits to the top and leave the lower ones empty.
            samples = samples >> (16 - bits)
    samples = samples.reshape(*samples.shape[:2], -1)
    if samples.shape[2] > 4:
        raise UnreadableError(
            _("holds {shape} channels a pixel.").format(shape=samples.shape[2]),
            _("Save it again as an RGB TIFF or PNG."),
        )
    if samples.dtype.itemsize == 1:
        # A decoder that gives 8 bits all the same has reduced them.
        bits = 8
    return StoredPixels(*parted(spread(samples, bits)))
