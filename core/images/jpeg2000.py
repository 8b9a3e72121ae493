"""JPEG 2000: what the boxes of a JP2 file (ISO/IEC 15444-1, annex I) say that Pillow does not tell."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from core.images.metadata.iptc import of_iim
from core.images.picture import Metadata
from core.images.refusal import MAX_METADATA_BYTES, UnreadableError, check_size, damaged
from core.language import gettext as _

_SIZE_MARKERS = b"\xff\x4f\xff\x51"
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_IPTC = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_EXIF = b"JpgTiffExif->JP2"
_MAX_BOXES = 10_000
_MAX_TILES = 65_535
_MAX_COMPONENTS = 16
_METRES_PER_INCH = 0.0254


@dataclass(frozen=True, slots=True)
class Jpeg2000:
    """What is known before anything is decoded."""

    bits: int
    """The most bits a channel."""
    metadata: Metadata


def jpeg2000(file: BinaryIO) -> Jpeg2000:
    """The depth and the metadata of a JP2 file or a bare codestream.

    Raises:
        UnreadableError: it is damaged, or too large.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(4) == _SIZE_MARKERS:
        return Jpeg2000(_depth(file, 0), Metadata())
    found: dict[bytes, bytes] = {}
    icc, dpi, start = None, None, None
    for kind, at, end in _boxes(file, 0, size):
        if kind == b"jp2c":
            start = at
            # Some writers put what they know behind the picture.
            continue
        if kind == b"jp2h":
            for inner, first, last in _boxes(file, at, end):
                if inner == b"colr" and icc is None and last - first <= MAX_METADATA_BYTES:
                    content = _content(file, first, last)
                    icc = content[3:] if content[:1] in (b"\2", b"\3") else None
                elif inner == b"res ":
                    dpi = _resolution(file, first, last)
        elif kind == b"uuid" and 16 < end - at <= MAX_METADATA_BYTES:
            content = _content(file, at, end)
            found.setdefault(content[:16], content[16:])
    if start is None:
        raise damaged()
    iptc = found.get(_IPTC)
    exif = found.get(_EXIF)
    return Jpeg2000(
        _depth(file, start),
        Metadata(
            exif=exif.removeprefix(b"Exif\0\0") if exif else None,
            xmp=found.get(_XMP),
            icc=icc,
            dpi=dpi,
            photoshop=of_iim(iptc) if iptc else None,
        ),
    )


def size_in_codestream(file: BinaryIO) -> tuple[int, int]:
    """Width and height of a codestream, bare or in boxes.

    Raises:
        ValueError: it is damaged.
    """
    head = file.read(1 << 16)
    at = head.find(_SIZE_MARKERS)
    if at < 0 or len(head) < at + 42:
        raise ValueError("no codestream")
    right, bottom, left, top, *_tiles, count = struct.unpack_from(">8IH", head, at + 8)
    if not 1 <= count <= _MAX_COMPONENTS:
        raise ValueError(f"{count} components")
    return right - left, bottom - top


def _depth(file: BinaryIO, start: int) -> int:
    """Bits of the deepest component, by the SIZ segment (annex A.5.1), whose sizes are checked, too."""
    file.seek(start)
    head = file.read(42)
    if len(head) < 42 or not head.startswith(_SIZE_MARKERS):
        raise damaged()
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, count = struct.unpack_from(">8IH", head, 8)
    check_size(right - left, bottom - top)
    if not tile_width or not tile_height or not 1 <= count <= _MAX_COMPONENTS:
        raise damaged()
    tiles = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
    if tiles > _MAX_TILES:
        raise damaged()
    components = file.read(3 * count)
    if len(components) < 3 * count:
        raise damaged()
    bits = max((depth & 0x7F) + 1 for depth in components[::3])
    if bits > 16:
        raise UnreadableError(
            _("holds {bits} bits a channel.").format(bits=bits), _("Save it again as a 16-bit TIFF or PNG.")
        )
    return bits


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and from where to where the content lies."""
    for _rest in range(_MAX_BOXES):
        if at + 8 > end:
            return
        file.seek(at)
        head = file.read(16)
        length, kind = struct.unpack_from(">I4s", head)
        start = at + 8
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
            start += 8
        elif length == 0:
            length = end - at
        if length < start - at or at + length > end:
            raise damaged()
        yield kind, start, at + length
        at += length


def _content(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _resolution(file: BinaryIO, start: int, end: int) -> tuple[float, float] | None:
    """Pixels per inch across and down, of the resolution of capture or display."""
    for kind, first, last in _boxes(file, start, end):
        if kind in (b"resc", b"resd") and last - first == 10:
            down, below, across, right, down_power, right_power = struct.unpack(">4H2b", _content(file, first, last))
            if below and right:
                values = (across / right * 10.0**right_power, down / below * 10.0**down_power)
                return values[0] * _METRES_PER_INCH, values[1] * _METRES_PER_INCH
    return None
