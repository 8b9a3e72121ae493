"""Content Credentials (C2PA 2.1, appendix A): whether a file has any.

They are signed for the bytes of one file, so that no result can have those of its source.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from core.images.isobmff import top_boxes

JPEG_MARKER = 0xEB
"""APP11, in which a JPEG holds them."""
PNG_CHUNK = b"caBX"
TIFF_TAG = 52545
_WEBP_CHUNK = b"C2PA"
_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The type of their box in AVIF and HEIC."""
_MANIFESTS = b"c2pa"
"""How the type of a superbox begins that holds them."""
_HEAD_BYTES = 64
_MAX_CHUNKS = 10_000


def is_of_jumbf(data: bytes) -> bool:
    """Whether a JPEG's segment, or a box of JPEG XL, begins a superbox (ISO/IEC 19566-5) of credentials."""
    return b"jumd" + _MANIFESTS in data[:_HEAD_BYTES]


def in_webp(file: BinaryIO) -> bool:
    """Whether a WebP file has them."""
    end, position = file.seek(0, os.SEEK_END), 12
    for _rest in range(_MAX_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or position > end:
            return False
        kind, length = struct.unpack("<4sI", head)
        if kind == _WEBP_CHUNK:
            return True
        position += 8 + length + length % 2
    return False


def in_boxes(file: BinaryIO) -> bool:
    """Whether an AVIF or HEIC file has them."""
    try:
        for kind, start, _end in top_boxes(file, file.seek(0, os.SEEK_END)):
            file.seek(start)
            if kind == b"uuid" and file.read(len(_UUID)) == _UUID:
                return True
    except (ValueError, struct.error):
        pass
    return False
