"""From a picture to a file, whole or not at all, with all its metadata that the format can hold."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.atomic import replacing
from core.contract.errors import UserError
from core.images.avif import encode_avif
from core.images.colour import expressed, grey_to_srgb, is_grey_profile
from core.images.dds import encode_dds, encode_dds_light
from core.images.decode import shown
from core.images.dicom_tags import encode_dicom
from core.images.formats import FORMATS, Format
from core.images.jpeg import (
    application_segments,
    with_application_segments,
    with_gain_map,
    with_segments,
    with_shape_of_pixels,
)
from core.images.jxl import encode_jxl
from core.images.light import encode_radiance, light_of
from core.images.metadata.carry import Origin, as_written, fits_jpeg, split_for_jpeg
from core.images.metadata.exif import EXIF_PREFIX
from core.images.metadata.geo import NO_DATA, no_data_tag
from core.images.metadata.parts import GainMap, LeftOut, enlarged, note_of, with_pointers
from core.images.picture import Metadata, Picture
from core.images.png import encode_png
from core.images.pnm import encode_pfm, encode_pnm
from core.images.profiles import rgb_profile_of
from core.images.qoi import encode_qoi
from core.images.tiff import write_tiff
from core.language import gettext as _


def save(
    path: Path,
    picture: Picture,
    format: str,
    quality: int = 95,
    *,
    lossless: bool = False,
    keep_values: bool = False,
    origin: Origin | None = None,
    date_ns: tuple[int, int] | None = None,
) -> tuple[str, ...]:
    """Write a picture under its final name once it is complete on the disk, replacing what is there.

    Pixels stay as they are, but 16 bits are rounded to what the format holds (8 in JPEG and WebP, 12 in AVIF), and
    lossy formats lose what `quality` (1 to 100) allows: JPEG and AVIF are written 4:4:4, WebP at 100 is lossless. WebP
    and AVIF leave out an alpha channel that hides nothing. HDR colours are tone-mapped for formats of 8 bits.

    Args:
        path: where it goes.
        picture: what is written.
        format: a key of `FORMATS`.
        quality: of lossy formats.
        lossless: whether WebP and AVIF lose nothing, whatever `quality` says.
        keep_values: whether a TIFF gets numbers of the source's own type and range, where its pixels stand for numbers.
        origin: what the result says of how it was made; None says nothing.
        date_ns: times of the last access and change that the file gets, in nanoseconds; None is now.

    Returns:
        What the user should know: bits that were lost, metadata that did not fit.

    Raises:
        UserError: the picture's sides are longer than the format allows.
        ValueError: the format cannot be written, or cannot hold the picture's alpha (see `choose_format`).
        OSError: the disk is full, or the folder cannot be written.
    """
    target = FORMATS[format]
    if not target.can_write:
        raise ValueError(f"{target.label} cannot be written")
    if picture.alpha is not None and not target.alpha:
        raise ValueError(f"{target.label} cannot hold alpha")
    if max(picture.width, picture.height) > target.max_side:
        raise UserError(
            _("“{path}” would be {width:,} x {height:,} pixels, but {label} holds at most {max_side:,} a side.").format(
                path=shown(path),
                width=picture.width,
                height=picture.height,
                label=target.label,
                max_side=target.max_side,
            ),
            _("Choose PNG or TIFF, or a smaller size."),
        )
    if _is_texture_of_light(target, picture):
        target = replace(target, bits=16, light=True)
    metadata, notes = as_written(picture.metadata, target, (picture.width, picture.height), origin)
    samples, metadata, more = samples_for(target, picture, metadata)
    notes += more
    if format == "tiff" and picture.scale is not None:
        samples, metadata = values_for(picture, samples, metadata, keep_values=keep_values)
    with replacing(path) as temporary:
        if format == "tiff":
            notes += write_tiff(temporary, samples, metadata)
        else:
            # In memory first: Pillow's encoders, when they write to a file, do not say why that failed.
            parts, more = _encoded(target, picture, samples, metadata, None if lossless else quality, origin)
            notes += more
            with temporary.open("wb") as file:
                for part in parts:
                    file.write(part)
        if date_ns is not None:
            os.utime(temporary, ns=date_ns)
    return notes


def _encoded(
    target: Format,
    picture: Picture,
    samples: np.ndarray,
    metadata: Metadata,
    quality: int | None,
    origin: Origin | None,
) -> tuple[Sequence[bytes | memoryview], tuple[str, ...]]:
    """The parts of a file in any format but TIFF, and what to tell the user; without a quality nothing is lost."""
    format = target.key
    if format == "png":
        return encode_png(samples, metadata), ()
    if format == "avif":
        return [encode_avif(samples, metadata, quality, picture.bits)], ()
    if format == "jxl":
        encoded, notes = encode_jxl(samples, metadata, quality)
        return [encoded], notes
    if format == "jpeg":
        encoded, notes = _encode_jpeg(samples, metadata, 100 if quality is None else quality, picture.metadata.size)
        return [encoded], notes
    if format == "pnm":
        return encode_pnm(samples), ()
    if format == "dicom":
        return encode_dicom(picture, samples, origin), ()
    if format == "dds":
        if picture.texture is None or not target.light:
            return encode_dds(samples, picture.texture)
        alpha = samples[..., 3] if samples.shape[2] == 4 else None
        return encode_dds_light(light_of(samples[..., :3], metadata.cicp), alpha, picture.texture)
    if format == "qoi":
        return [encode_qoi(samples)], ()
    if format in ("pfm", "hdr"):
        light = light_of(samples, metadata.cicp)
        return encode_pfm(light) if format == "pfm" else [encode_radiance(light)], ()
    options = {"compression": "tga_rle"} if format == "tga" else _webp_options(100 if quality is None else quality)
    return [_encode_with_pillow(samples, metadata, format, options)], ()


def _is_texture_of_light(target: Format, picture: Picture) -> bool:
    """Whether it is to be a texture of light, as its source was, and still holds some: 16 bits of HDR colours."""
    cicp = picture.metadata.cicp
    held = target.key == "dds" and picture.texture is not None and picture.texture.is_light
    return held and picture.pixels.dtype == np.uint16 and cicp is not None and cicp.is_hdr


def values_for(
    picture: Picture, samples: np.ndarray, metadata: Metadata, *, keep_values: bool
) -> tuple[np.ndarray, Metadata]:
    """What a TIFF gets of a picture that has a `scale`: its own numbers again if they are kept, else `samples`."""
    metadata = replace(metadata, geo=tuple(tag for tag in metadata.geo if tag[0] != NO_DATA))
    if not keep_values or picture.scale is None:
        return samples, metadata
    if picture.scale.no_data is not None:
        metadata = replace(metadata, geo=(*metadata.geo, no_data_tag(picture.scale.no_data)))
    return picture.scale.numbers(picture.pixels, picture.alpha), metadata


def samples_for(target: Format, picture: Picture, metadata: Metadata) -> tuple[np.ndarray, Metadata, tuple[str, ...]]:
    """H x W x C (grey, grey + alpha, RGB, RGBA) of a kind that the format can hold."""
    alpha = picture.alpha
    pixels, metadata, notes = expressed(picture.pixels, metadata, target)
    if picture.pixels.dtype == np.uint16:
        if target.bits == 8:
            # Tone-mapped pixels have 8 bits already.
            pixels = _eight_bit(pixels) if pixels.dtype == np.uint16 else pixels
            alpha = None if alpha is None else _eight_bit(alpha)
        if picture.bits > target.bits:
            least = _("Its {bits} bits a channel were reduced to {most}, as {label} holds no more.").format(
                bits=picture.bits, most=target.bits, label=target.label
            )
            notes = (least, *notes)
    if pixels.shape[2] == 1 and (not target.grey or (alpha is not None and target.key not in _GREY_ALPHA)):
        if metadata.icc and is_grey_profile(metadata.icc):
            # A profile of one channel cannot describe three.
            pixels, metadata = _grey_as_colour(pixels, metadata, metadata.icc)
        else:
            pixels = np.repeat(pixels, 3, axis=2)
    if alpha is not None:
        pixels = np.concatenate([pixels, alpha[..., None]], axis=2)
    return pixels, metadata, notes


def _grey_as_colour(pixels: np.ndarray, metadata: Metadata, icc: bytes) -> tuple[np.ndarray, Metadata]:
    if pixels.dtype == np.uint8:
        return grey_to_srgb(pixels[..., 0], icc), replace(metadata, icc=None)
    # A conversion would leave 8 of 16 bits; a profile with the same curve leaves all.
    return np.repeat(pixels, 3, axis=2), replace(metadata, icc=rgb_profile_of(icc))


_GREY_ALPHA = frozenset({"png", "tiff", "jxl", "pnm"})
"""Formats that hold grey with alpha as two channels."""

_ROWS = 256


def _eight_bit(values: np.ndarray) -> np.ndarray:
    """uint16 to the nearest uint8: v / 257, rounded."""
    result = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), _ROWS):
        block = values[top : top + _ROWS].astype(np.uint32)
        result[top : top + _ROWS] = (block * 255 + 32895) >> 16
    return result


def _encode_jpeg(
    samples: np.ndarray, metadata: Metadata, quality: int, before: tuple[int, int] | None
) -> tuple[bytes, tuple[str, ...]]:
    """A JPEG with all that lies around its pixels; `before` is the size of the picture that the gain map came with."""
    notes: tuple[str, ...] = ()
    options: dict[str, Any] = {"quality": quality, "subsampling": "4:4:4"}
    if metadata.dpi:
        options["dpi"] = metadata.dpi
    height, width = samples.shape[:2]
    gain_map = None
    if metadata.gain_map is not None:
        gain_map = _encoded_gain_map(metadata.gain_map, (width, height), before or (width, height))
        if gain_map is None:
            notes += note_of((LeftOut.GAIN_MAP,))
        else:
            metadata = replace(metadata, xmp=with_pointers(metadata.xmp, gain_map))
    extension = None
    if metadata.xmp and not fits_jpeg(metadata.xmp):
        parts = split_for_jpeg(metadata.xmp)
        metadata = replace(metadata, xmp=parts[0] if parts else None)
        if parts is None:
            notes += (_("Its XMP data was left out, as it is longer than JPEG allows."),)
        else:
            extension = parts[1:]
    encoded = _encode_with_pillow(samples, metadata, "jpeg", options)
    if metadata.grid and not metadata.dpi:
        encoded = with_shape_of_pixels(encoded, metadata.grid)
    comments = tuple(text.text for text in metadata.texts)
    jpeg = with_segments(encoded, metadata.photoshop, comments, extension)
    if gain_map is not None and metadata.gain_map is not None:
        jpeg = with_gain_map(jpeg, gain_map, metadata.gain_map.iso)
    return jpeg, notes


_GAIN_MAP_QUALITY = 95


def _encoded_gain_map(gain_map: GainMap, size: tuple[int, int], before: tuple[int, int]) -> bytes | None:
    """The enlarged gain map as a JPEG that says of itself what it said before."""
    pixels = enlarged(gain_map, size, before)
    if pixels is None:
        return None
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=_GAIN_MAP_QUALITY, subsampling="4:4:4")
    return with_application_segments(buffer.getvalue(), application_segments(gain_map.jpeg))


def _encode_with_pillow(samples: np.ndarray, metadata: Metadata, format: str, options: dict[str, Any]) -> bytes:
    if metadata.exif:
        options["exif"] = EXIF_PREFIX + metadata.exif
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    if metadata.icc:
        options["icc_profile"] = metadata.icc
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    buffer = io.BytesIO()
    image.save(buffer, FORMATS[format].label.upper(), **options)
    # Not `getbuffer()`, which copies no more either: with a view of it in the traceback of a write that fails, Python
    # 3.13 complains when it collects the buffer.
    return buffer.getvalue()


def _webp_options(quality: int) -> dict[str, Any]:
    if quality < 100:
        return {"quality": quality, "method": 2}
    # `exact` keeps the colours under transparent pixels; `quality` is effort here, and more of it gains 1 %.
    return {"lossless": True, "exact": True, "quality": 50, "method": 2}
