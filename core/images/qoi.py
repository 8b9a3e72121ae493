"""QOI: the header by hand (The Quite OK Image Format, version 1.0), the pixels by imagecodecs."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

import imagecodecs
import numpy as np

from core.images.picture import Header, StoredPixels
from core.images.refusal import check_size, damaged
from core.images.samples import parted

_END = bytes(7) + b"\1"
_LONGEST_RUN = 62
_COLOURS_AT = 13
"""Where a file says 1 if all its channels are linear. It is not believed: imagecodecs says so of all with alpha."""


class QoiSource:
    """An open QOI file.

    Raises:
        UnreadableError: it is damaged, or too large.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(14)
        if len(head) < 14:
            raise damaged()
        width, height, channels = struct.unpack_from(">IIB", head, 4)
        check_size(width, height)
        if channels not in (3, 4) or size < 14 + width * height // _LONGEST_RUN:
            raise damaged()
        file.seek(-len(_END), os.SEEK_END)
        # What is cut off the decoder fills up with the last colour.
        if file.read() != _END:
            raise damaged()
        self.header = Header(width, height, alpha=channels == 4)

    def decode(self) -> StoredPixels:
        """Decode all pixels."""
        self._file.seek(0)
        samples = imagecodecs.qoi_decode(self._file.read())
        if samples.shape != (self.header.height, self.header.width, 4 if self.header.alpha else 3):
            raise damaged()
        return StoredPixels(*parted(samples))


def encode_qoi(samples: np.ndarray) -> bytes:
    """A whole file of H x W x C samples, C = 3 or 4, uint8, whose colours are those of sRGB."""
    encoded = bytearray(imagecodecs.qoi_encode(np.ascontiguousarray(samples)))
    # imagecodecs 2026.3.6 calls whatever has alpha linear.
    encoded[_COLOURS_AT] = 0
    return bytes(encoded)
