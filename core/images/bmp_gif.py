"""What BMP and GIF files say of their pictures beside pixels, which Pillow does not read."""

from __future__ import annotations

import struct
from typing import BinaryIO

from core.images.metadata.text import MOST_TEXTS, Text, comment
from core.images.picture import Metadata
from core.images.refusal import MAX_METADATA_BYTES

_FILE_HEADER = 14
_V4, _V5 = 108, 124
_EMBEDDED, _CALIBRATED = b"DEBM", bytes(4)
"""LCSCSType of BITMAPV4HEADER and BITMAPV5HEADER, as its bytes lie in the file."""

_MAX_BLOCKS = 4096
"""How many of a GIF's blocks are looked at: those that matter come before, or among, the first frames."""
_XMP_TRAILER = 258


def bmp_metadata(file: BinaryIO) -> Metadata:
    """The profile of a BMP of version 5, or the colours that one of version 4 describes itself."""
    file.seek(0)
    head = file.read(_FILE_HEADER + _V5)
    if len(head) < _FILE_HEADER + _V4:
        return Metadata()
    (size,) = struct.unpack_from("<I", head, _FILE_HEADER)
    kind = head[_FILE_HEADER + 56 : _FILE_HEADER + 60]
    if size >= _V5 and kind == _EMBEDDED and len(head) == _FILE_HEADER + _V5:
        offset, length = struct.unpack_from("<II", head, _FILE_HEADER + 112)
        if 128 <= length <= MAX_METADATA_BYTES:
            file.seek(_FILE_HEADER + offset)
            icc = file.read(length)
            return Metadata(icc=icc if len(icc) == length else None)
    if size >= _V4 and kind == _CALIBRATED:
        return Metadata(png_colour=_calibrated(head))
    return Metadata()


def _calibrated(head: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """CIE XYZ of red, green, blue (2.30 fixed point) and gammas (16.16), said as a PNG would."""
    values = [value / (1 << 30) for value in struct.unpack_from("<9I", head, _FILE_HEADER + 60)]
    gammas = [value / 65536 for value in struct.unpack_from("<3I", head, _FILE_HEADER + 96)]
    endpoints = [values[index : index + 3] for index in (0, 3, 6)]
    white = [sum(column) for column in zip(*endpoints, strict=True)]
    # Most writers leave the fields empty; different gammas cannot be said.
    if not all(sum(point) > 0 for point in endpoints) or len(set(gammas)) != 1 or not 0.5 <= gammas[0] <= 4:
        return ()
    numbers = [round(value / sum(point) * 100_000) for point in (white, *endpoints) for value in point[:2]]
    gamma = round(100_000 / gammas[0])
    return ((b"cHRM", struct.pack(">8I", *numbers)), (b"gAMA", struct.pack(">I", gamma)))


def gif_metadata(file: BinaryIO) -> Metadata:
    """The profile, the XMP packet and the comments of a GIF (GIF89a, sections 24 and 26)."""
    file.seek(0)
    head = file.read(13)
    if len(head) < 13:
        return Metadata()
    position = 13 + _table_bytes(head[10])
    icc = xmp = None
    texts: list[Text] = []
    for _ in range(_MAX_BLOCKS):
        file.seek(position)
        introducer = file.read(2)
        if introducer[:1] == b"\x2c":
            descriptor = introducer + file.read(8)
            if len(descriptor) < 10:
                break
            position += 10 + _table_bytes(descriptor[9]) + 1
            _data, position = _sub_blocks(file, position, keep=False)
        elif introducer == b"\x21\xff":
            name = file.read(12)
            position += 14
            if name[1:] == b"XMP DataXMP":
                xmp, position = _xmp(file, position)
            else:
                data, position = _sub_blocks(file, position, keep=name[1:] == b"ICCRGBG1012")
                icc = data or icc
        elif introducer[:1] == b"\x21":
            is_comment = introducer == b"\x21\xfe"
            data, position = _sub_blocks(file, position + 2, keep=is_comment)
            if is_comment and (text := comment(data)) and len(texts) < MOST_TEXTS:
                texts.append(text)
        else:
            break
    return Metadata(icc=icc, xmp=xmp, texts=tuple(texts))


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(file: BinaryIO, position: int, *, keep: bool) -> tuple[bytes, int]:
    """The content of blocks of up to 255 bytes (nothing where it is not kept), and where they end."""
    parts: list[bytes] = []
    total = 0
    file.seek(position)
    while (size := file.read(1)) not in (b"", b"\0"):
        if keep:
            data = file.read(size[0])
            total += len(data)
            if total > MAX_METADATA_BYTES:
                return b"", position
            parts.append(data)
        else:
            file.seek(size[0], 1)
    return b"".join(parts), file.tell()


def _xmp(file: BinaryIO, position: int) -> tuple[bytes | None, int]:
    """A packet, which is not cut into blocks: a trailer of falling numbers ends it for those who think it is."""
    file.seek(position)
    data = file.read(MAX_METADATA_BYTES)
    end = data.find(b"\x01" + bytes(range(255, -1, -1)) + b"\0")
    if end < 0:
        return None, position + len(data)
    return data[:end], position + end + _XMP_TRAILER
