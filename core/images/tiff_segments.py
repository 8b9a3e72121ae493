"""Strips and tiles of a TIFF that are whole pictures of another format: how large these are, before they are decoded.

Their own headers decide how much memory a decoder takes, and may say anything.
"""

from __future__ import annotations

import io
import struct

from core.images.jpeg2000 import size_in_codestream
from core.images.jxl import head_of_codestream

JPEG_2000 = frozenset({33003, 33004, 33005, 34712})
LERC = frozenset({34887})
PNG = frozenset({34933})
JPEG_XR = frozenset({22610, 34934})
WEBP = frozenset({34927, 50001})
JPEG_XL = frozenset({50002, 52546})
PICTURES = JPEG_2000 | LERC | PNG | JPEG_XR | WEBP | JPEG_XL
"""Values of TIFF's Compression tag."""
HEAD_BYTES = 1 << 16
"""How much of a segment's beginning is enough to tell."""

_JPEG_XR_TAGS = frozenset({0xBC01, 0xBC02, 0xBC04, *range(0xBC80, 0xBC84), *range(0xBCC0, 0xBCC6), 0x8773, 0x02BC})
"""Tags that its decoder knows: of others it complains on the terminal."""


def size_within(compression: int, head: bytes) -> tuple[int, int]:
    """Width and height of the picture that a segment is, by its first bytes.

    Raises:
        ValueError: it is none, or damaged.
    """
    if compression in JPEG_2000:
        return size_in_codestream(io.BytesIO(head))
    if compression in JPEG_XL:
        found = head_of_codestream(head)
        return found.width, found.height
    if compression in LERC:
        return _lerc(head)
    if compression in PNG:
        if head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR":
            raise ValueError("no PNG")
        return struct.unpack_from(">II", head, 16)
    if compression in WEBP:
        return _webp(head)
    return _jpeg_xr(head)


def _lerc(head: bytes) -> tuple[int, int]:
    if head[:6] != b"Lerc2 ":
        raise ValueError("no LERC of version 2")
    (version,) = struct.unpack_from("<i", head, 6)
    height, width = struct.unpack_from("<ii", head, 14 if version >= 3 else 10)
    if version >= 4 and not 1 <= struct.unpack_from("<i", head, 22)[0] <= 16:
        raise ValueError("too many values a pixel")
    return width, height


def _webp(head: bytes) -> tuple[int, int]:
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        raise ValueError("no WebP")
    if head[12:16] == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if head[12:16] == b"VP8L":
        sides = int.from_bytes(head[21:25], "little")
        return 1 + (sides & 0x3FFF), 1 + (sides >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_xr(head: bytes) -> tuple[int, int]:
    """By the codestream (ITU-T T.832, section 8.3), as the decoder goes by it."""
    if head[:3] != b"II\xbc":
        raise ValueError("no JPEG XR")
    (at,) = struct.unpack_from("<I", head, 4)
    (count,) = struct.unpack_from("<H", head, at)
    tags = {}
    for index in range(count):
        code, kind, items, value = struct.unpack_from("<HHII", head, at + 2 + 12 * index)
        tags[code] = (kind, items, value)
    if not tags.keys() <= _JPEG_XR_TAGS or 0xBCC0 not in tags:
        raise ValueError("unknown tags")
    start = tags[0xBCC0][2]
    if head[start : start + 8] != b"WMPHOTO\0":
        raise ValueError("no codestream")
    is_short = head[start + 10] & 0x80
    width, height = struct.unpack_from(">HH" if is_short else ">II", head, start + 12)
    return width + 1, height + 1
