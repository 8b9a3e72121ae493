"""QOI: the header by hand (The Quite OK Image Format, version 1.0), the pixels by imagecodecs."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

import imagecodecs

from core.images.picture import Header, StoredPixels
from core.images.refusal import check_size, damaged
from core.images.samples import parted

_END = bytes(7) + b"\1"
_LONGEST_RUN = 62


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
