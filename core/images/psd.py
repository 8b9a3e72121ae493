"""Photoshop documents (PSD and PSB): the flattened picture that they hold beside their layers, at 8, 16 and 32 bits.

After Adobe's Photoshop File Formats Specification, November 2019.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from core.images.colour import inks_to_srgb, lab_to_srgb, srgb_profile
from core.images.light import LIGHT, shown
from core.images.metadata.exif import plausible_dpi
from core.images.metadata.iptc import IPTC
from core.images.metadata.iptc import resources as image_resources
from core.images.picture import Header, Metadata, StoredPixels
from core.images.refusal import MAX_METADATA_BYTES, UnreadableError, check_size, damaged
from core.images.samples import note_of_channels
from core.language import gettext as _

_BITMAP, _GREY, _INDEXED, _RGB, _CMYK, _MULTICHANNEL, _DUOTONE, _LAB = 0, 1, 2, 3, 4, 7, 8, 9
_CHANNELS = {_BITMAP: 1, _GREY: 1, _INDEXED: 1, _RGB: 3, _CMYK: 4, _DUOTONE: 1, _LAB: 3}
_RAW, _RUN_LENGTHS = 0, 1
_RESOLUTION, _PROFILE, _EXIF, _XMP, _VERSION, _TRANSPARENT = 1005, 1039, 1058, 1060, 1057, 1047
_MAX_CHANNELS = 56


class PsdSource:
    """An open document.

    Raises:
        UnreadableError: it is damaged, too large, or was saved without its flattened picture.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(26)
        if len(head) < 26:
            raise damaged()
        _sign, version, channels, height, width, self._bits, self._mode = struct.unpack(">4sH6xHIIHH", head)
        check_size(width, height)
        if version not in (1, 2) or not 1 <= channels <= _MAX_CHANNELS or self._bits not in (1, 8, 16, 32):
            raise damaged()
        self._is_big = version == 2
        self._stored = channels
        self._colours = _CHANNELS.get(self._mode, 0)
        if not 0 < self._colours <= channels:
            raise UnreadableError(_("holds colours that are no picture's."), _("Turn it into RGB in Photoshop."))
        self._palette = self._section(26, ">I")
        resources = self._section(self._palette[1], ">I")
        layers = self._section(resources[1], ">Q" if self._is_big else ">I")
        self._pixels_at = layers[1]
        self._shape = (height, width)
        found = self._resources(*resources)
        merged = found.get(_VERSION)
        has_layers, transparent = self._layers(*layers)
        if merged and len(merged) > 4 and not merged[4] and has_layers:
            raise UnreadableError(
                _("was saved without its flattened picture."),
                _("Save it in Photoshop with “Maximize compatibility”, or flattened."),
            )
        index = found.get(_TRANSPARENT)
        self._clear = struct.unpack(">H", index)[0] if index and len(index) == 2 and self._mode == _INDEXED else None
        self._alpha = transparent and channels > self._colours
        self._is_light = self._bits == 32
        self.header = Header(
            width,
            height,
            alpha=self._alpha or self._clear is not None,
            bits=16 if self._bits >= 16 and self._mode != _LAB else 8,
            metadata=Metadata(
                exif=found.get(_EXIF),
                xmp=found.get(_XMP),
                icc=None if self._is_light else found.get(_PROFILE),
                cicp=LIGHT if self._is_light else None,
                dpi=_resolution(found.get(_RESOLUTION)),
                photoshop=self._kept,
            ),
        )

    def decode(self) -> StoredPixels:
        """Decode the flattened picture."""
        planes = self._planes(self._colours + self._alpha)
        alpha = planes[-1] if self._alpha else None
        colours = planes[: self._colours]
        notes: tuple[str, ...] = ()
        left_out = self._stored - self._colours - self._alpha
        notes += note_of_channels(left_out)
        if self._is_light:
            opacity = None if alpha is None else np.rint(np.clip(alpha, 0, 1) * 65535).astype(np.uint16)
            decoded = shown(np.moveaxis(colours, 0, 2), opacity)
            return StoredPixels(decoded.pixels, opacity, (*notes, *decoded.notes))
        icc = self.header.metadata.icc
        converted = None
        if self._mode == _BITMAP:
            pixels = (255 * (1 - colours))[0][..., None].astype(np.uint8)
        elif self._mode == _INDEXED:
            pixels, alpha = self._indexed(colours[0])
        elif self._mode == _CMYK:
            # Stored as how much paper is left.
            inks = np.ascontiguousarray(np.moveaxis(np.iinfo(colours.dtype).max - colours, 0, 2))
            pixels, note = inks_to_srgb(inks, icc)
            notes, converted = (*notes, note), srgb_profile()
        elif self._mode == _LAB:
            pixels, note = _lab(colours)
            notes, converted = (*notes, note), srgb_profile()
        else:
            pixels = np.ascontiguousarray(np.moveaxis(colours, 0, 2))
        if alpha is not None and self._mode in (_RGB, _GREY):
            pixels = _without_white(pixels, alpha)
        return StoredPixels(pixels, alpha, notes, converted)

    def _section(self, at: int, layout: str) -> tuple[int, int]:
        """From where to where the content of a section lies."""
        self._file.seek(at)
        width = struct.calcsize(layout)
        data = self._file.read(width)
        if len(data) < width:
            raise damaged()
        start = at + width
        end = start + struct.unpack(layout, data)[0]
        if end > self._size:
            raise damaged()
        return start, end

    def _resources(self, start: int, end: int) -> dict[int, bytes]:
        self._kept: bytes | None = None
        if end - start > 4 * MAX_METADATA_BYTES:
            return {}
        self._file.seek(start)
        data = self._file.read(end - start)
        found = image_resources(data)
        if IPTC in found:
            self._kept = data
        return found

    def _layers(self, start: int, end: int) -> tuple[bool, bool]:
        """Whether there are any, and whether the first channel behind the colours is the picture's transparency."""
        self._file.seek(start)
        width = 8 if self._is_big else 4
        head = self._file.read(width + 2)
        if end - start < width + 2 or len(head) < width + 2 or not any(head[:width]):
            return False, False
        (count,) = struct.unpack_from(">h", head, width)
        return count != 0, count < 0

    def _planes(self, count: int) -> np.ndarray:
        """count x H x W, as numbers of the file."""
        height, width = self._shape
        self._file.seek(self._pixels_at)
        head = self._file.read(2)
        data = self._file.read()
        if len(head) < 2:
            raise damaged()
        (kind,) = struct.unpack(">H", head)
        row = (width * self._bits + 7) // 8
        if kind == _RAW:
            raw = data[: count * height * row]
        elif kind == _RUN_LENGTHS:
            raw = self._unpacked(data, count, row)
        else:
            raise UnreadableError(_("is packed in a way that cannot be read."), _("Save it again in Photoshop."))
        if len(raw) < count * height * row:
            raise damaged()
        if self._bits == 1:
            return np.unpackbits(np.frombuffer(raw, np.uint8).reshape(count, height, row), axis=2, count=width)
        stored = {8: ">u1", 16: ">u2", 32: ">f4"}[self._bits]
        samples = np.frombuffer(raw, stored).reshape(count, height, width)
        return samples.astype(samples.dtype.newbyteorder("="))

    def _unpacked(self, data: bytes, count: int, row: int) -> bytes:
        height = self._shape[0]
        width = 4 if self._is_big else 2
        rows = self._stored * height
        if len(data) < rows * width:
            raise damaged()
        sizes = np.frombuffer(data, f">u{width}", rows).astype(np.int64)
        ends = rows * width + np.cumsum(sizes)
        wanted = count * height
        if int(ends[wanted - 1]) > len(data):
            raise damaged()
        parts = []
        for size, end in zip(sizes[:wanted].tolist(), ends[:wanted].tolist(), strict=True):
            unpacked = imagecodecs.packbits_decode(data[end - size : end], out=bytearray(row))
            if len(unpacked) != row:
                raise damaged()
            parts.append(bytes(unpacked))
        return b"".join(parts)

    def _indexed(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        start, end = self._palette
        self._file.seek(start)
        data = self._file.read(end - start)
        if len(data) < 768:
            raise damaged()
        colours = np.frombuffer(data[:768], np.uint8).reshape(3, 256).T
        alpha = None if self._clear is None else np.where(indices == self._clear, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(colours[indices]), alpha


def _resolution(data: bytes | None) -> tuple[float, float] | None:
    """Pixels per inch across and down, of numbers of 16.16 bits."""
    if not data or len(data) < 16:
        return None
    across, down = struct.unpack(">I4xI4x", data[:16])
    return plausible_dpi(across / 65536, down / 65536)


def _lab(planes: np.ndarray) -> tuple[np.ndarray, str]:
    eight = planes >> 8 if planes.dtype == np.uint16 else planes
    lab = np.stack(list(eight.astype(np.uint8)), axis=2)
    # Pillow counts a and b from -128 in two's complement, Photoshop from 0.
    lab[..., 1:] ^= 128
    height, width = lab.shape[:2]
    rgb, note = lab_to_srgb(Image.frombytes("LAB", (width, height), lab.tobytes()))
    return np.array(rgb), note


def _without_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours before they were laid over white, as the flattened picture has them."""
    top = float(np.iinfo(pixels.dtype).max)
    opacity = np.maximum(alpha, 1)[..., None] / top
    result = (pixels - top * (1 - opacity)) / opacity
    return np.rint(np.clip(result, 0, top)).astype(pixels.dtype)
