"""BMP pictures whose channels lie in bit fields of any width (BI_BITFIELDS), of which Pillow knows some."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from core.images.bmp_gif import bmp_metadata
from core.images.metadata.exif import plausible_dpi
from core.images.picture import Header, StoredPixels
from core.images.refusal import check_size, damaged
from core.images.samples import spread

_BIT_FIELDS, _ALPHA_BIT_FIELDS = 3, 6
_INFO, _WITH_ALPHA = 40, 56
_METRES_PER_INCH = 0.0254


def has_bit_fields(file: BinaryIO) -> bool:
    """Whether an open BMP says where in each pixel its channels lie."""
    file.seek(14)
    head = file.read(20)
    if len(head) < 20:
        return False
    size, _width, _height, _planes, bits, kind = struct.unpack("<IiiHHI", head)
    return size >= _INFO and bits in (16, 32) and kind in (_BIT_FIELDS, _ALPHA_BIT_FIELDS)


class BitFieldsSource:
    """An open BMP file that `has_bit_fields`.

    Raises:
        UnreadableError: it is damaged, or too large.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(10)
        head = file.read(60)
        if len(head) < 56:
            raise damaged()
        (self._start,) = struct.unpack_from("<I", head)
        size, width, height, _planes, self._bits, kind = struct.unpack_from("<IiiHHI", head, 4)
        across, down = struct.unpack_from("<ii", head, 28)
        check_size(width, abs(height))
        self._top_down = height < 0
        self._shape = (abs(height), width)
        has_alpha = (kind == _ALPHA_BIT_FIELDS or size >= _WITH_ALPHA) and len(head) == 60
        masks = struct.unpack_from("<4I" if has_alpha else "<3I", head, 44)
        # The mask of alpha may be empty, those of colours not.
        if any(not mask or not _is_one_piece(mask) for mask in masks[:3]):
            raise damaged()
        self._masks = masks if has_alpha and masks[3] and _is_one_piece(masks[3]) else masks[:3]
        self._widest = max(mask.bit_count() for mask in self._masks)
        metadata = bmp_metadata(file)
        dpi = plausible_dpi(across * _METRES_PER_INCH, down * _METRES_PER_INCH) if across > 0 and down > 0 else None
        self._samples = self._read()
        hides = len(self._masks) == 4 and not self._samples[..., 3].any()
        if hides:
            # Windows leaves so what it copies from a screen, and means it to be seen.
            self._samples = self._samples[..., :3]
        self.header = Header(
            width,
            abs(height),
            alpha=self._samples.shape[2] == 4,
            bits=16 if self._widest > 8 else 8,
            metadata=replace(metadata, dpi=dpi),
        )

    def decode(self) -> StoredPixels:
        """Decode all pixels."""
        pixels = np.ascontiguousarray(self._samples[..., :3])
        return StoredPixels(pixels, np.ascontiguousarray(self._samples[..., 3]) if self.header.alpha else None)

    def _read(self) -> np.ndarray:
        height, width = self._shape
        step = self._bits // 8
        row = (width * step + 3) // 4 * 4
        self._file.seek(self._start)
        data = self._file.read(height * row)
        if len(data) < height * row:
            raise damaged()
        stored = np.frombuffer(data, np.uint8).reshape(height, row)[:, : width * step]
        words = np.ascontiguousarray(stored).view(f"<u{step}").astype(np.uint32)
        full, dtype = (65535, np.uint16) if self._widest > 8 else (255, np.uint8)
        planes = []
        for mask in self._masks:
            bits = mask.bit_count()
            values = (words & np.uint32(mask)) >> np.uint32(_lowest(mask))
            # A field of more than 16 bits has more than a pixel can keep.
            values, bits = (values >> np.uint32(bits - 16), 16) if bits > 16 else (values, bits)
            planes.append(spread(values, bits, full).astype(dtype))
        samples = np.stack(planes, axis=2)
        return samples if self._top_down else np.ascontiguousarray(samples[::-1])


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _is_one_piece(mask: int) -> bool:
    return (mask >> _lowest(mask)).bit_count() == (mask >> _lowest(mask)).bit_length()
