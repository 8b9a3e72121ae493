"""JPEG by segments (ITU-T T.81, annex B): what lies around the coded picture, read and written here."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from PIL import Image

from core.images.credentials import JPEG_MARKER, is_of_jumbf
from core.images.directories import BadDirectoryError, TagReader
from core.images.metadata import xmp as xmp_packets
from core.images.metadata.parts import GainMap, LeftOut
from core.images.metadata.text import MOST_TEXTS, Text, comment
from core.images.refusal import MAX_METADATA_BYTES
from core.language import gettext as _

_MAX_SEGMENTS = 20_000
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP = b"Photoshop 3.0\0"
_MPF = b"MPF\0"
_ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
_SOI, _SOS, _EOI, _COM = 0xD8, 0xDA, 0xD9, 0xFE
_LOSSLESS_STANDARD = 0xF7
"""The frame header of JPEG-LS (ITU-T T.87)."""
_PROGRESSIVE = 0xC2
"""The frame header of a picture whose coefficients come in several scans."""
_APP0, _APP1, _APP2, _APP13 = 0xE0, 0xE1, 0xE2, 0xED
_MPF_ENTRIES, _MPF_ENTRY = 0xB002, 16
_PREVIEW = 0x010000
"""MPF's type of a large thumbnail, which nobody misses."""
MAX_SEGMENT = 65_533
"""Bytes in one segment after its length."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All of a JPEG file but its pixels, EXIF and profile, which Pillow reads."""

    xmp: bytes | None = None
    """The packet, with its extension in it."""
    photoshop: bytes | None = None
    """Image resources."""
    comments: tuple[Text, ...] = ()
    gain_map: GainMap | None = None
    left_out: tuple[LeftOut, ...] = ()
    """What else is in the file and no result can have."""


def surroundings(file: BinaryIO) -> Surroundings:
    """What lies around the coded picture; as much of it as is sound."""
    packets: list[bytes] = []
    photoshop = b""
    comments: list[Text | None] = []
    extensions: dict[bytes, dict[int, bytes]] = {}
    mpf: tuple[int, bytes] | None = None
    iso = None
    has_credentials = False
    for marker, at, data in _segments(file):
        if marker == _APP1 and data.startswith(_XMP):
            packets.append(data[len(_XMP) :].rstrip(b"\0"))
        elif marker == _APP1 and data.startswith(_EXTENSION) and len(data) > len(_EXTENSION) + 40:
            guid, offset = struct.unpack_from(">32s4xI", data, len(_EXTENSION))
            extensions.setdefault(guid, {})[offset] = data[len(_EXTENSION) + 40 :]
        elif marker == _APP13 and data.startswith(_PHOTOSHOP) and len(photoshop) < MAX_METADATA_BYTES:
            photoshop += data[len(_PHOTOSHOP) :]
        elif marker == _COM and len(comments) < MOST_TEXTS:
            comments.append(comment(data))
        elif marker == _APP2 and data.startswith(_MPF):
            mpf = mpf or (at + len(_MPF), data[len(_MPF) :])
        elif marker == _APP2 and data.startswith(_ISO_GAIN_MAP):
            iso = data
        elif marker == JPEG_MARKER and is_of_jumbf(data):
            has_credentials = True
    xmp, is_whole = _one_packet(packets)
    if xmp:
        xmp = _with_extension(xmp, extensions)
    gain_map, left_out = _further_parts(file, mpf, xmp or b"", iso)
    left_out += (LeftOut.CREDENTIALS,) * has_credentials + (LeftOut.XMP,) * (not is_whole)
    return Surroundings(xmp, photoshop or None, tuple(c for c in comments if c), gain_map, left_out)


def _segments(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Marker, place of the content and content of each segment before the coded picture."""
    position = 2
    for _rest in range(_MAX_SEGMENTS):
        file.seek(position)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return
        marker = head[1]
        if marker in (_SOS, _EOI):
            return
        if marker == 0xFF:
            # Fill bytes may stand before any marker.
            position += 1
            continue
        if 0xD0 <= marker <= _SOI or marker == 0x01:
            position += 2
            continue
        (length,) = struct.unpack(">H", head[2:])
        if length < 2:
            return
        yield marker, position + 4, file.read(length - 2)
        position += 2 + length


def unreadable_kind(file: BinaryIO) -> str | None:
    """What a JPEG file is called that no decoder here reads; None where it is of an ordinary kind."""
    for marker, _at, data in _segments(file):
        if marker == _LOSSLESS_STANDARD:
            return _("a JPEG-LS picture")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _("a JPEG picture of {bits} bits a channel").format(bits=data[0]) if data[:1] > b"\x08" else None
    return None


def _one_packet(packets: list[bytes]) -> tuple[bytes | None, bool]:
    """One packet of those that there should be only one of, and whether all is in it.

    What speaks of other things is added to the first, which is the one that programs read.
    """
    packets = [packet for packet in dict.fromkeys(packets) if packet]
    if not packets:
        return None, True
    xmp, is_whole = packets[0], True
    for packet in packets[1:]:
        more = xmp
        if len(xmp) + len(packet) <= MAX_METADATA_BYTES and xmp_packets.speak_of_different_things(xmp, packet):
            more = xmp_packets.joined(xmp, packet)
        is_whole = is_whole and more != xmp
        xmp = more
    return xmp, is_whole


def _with_extension(xmp: bytes, extensions: dict[bytes, dict[int, bytes]]) -> bytes:
    for guid, parts in extensions.items():
        # Whole extensions only, and the one that the packet names.
        whole = b"".join(parts[offset] for offset in sorted(parts))
        at = 0
        for offset in sorted(parts):
            if offset != at:
                break
            at += len(parts[offset])
        if guid in xmp and at == len(whole) <= MAX_METADATA_BYTES:
            xmp = xmp_packets.joined(xmp, whole)
    return xmp


def _further_parts(
    file: BinaryIO, mpf: tuple[int, bytes] | None, xmp: bytes, iso: bytes | None
) -> tuple[GainMap | None, tuple[LeftOut, ...]]:
    """The gain map, and what else lies behind the picture."""
    size = file.seek(0, os.SEEK_END)
    places = _places_by_mpf(mpf, size) if mpf else []
    if not places:
        places = _places_by_container(xmp, size)
    gain_map = None
    left_out: list[LeftOut] = []
    for offset, length, kind in places:
        file.seek(offset)
        data = file.read(min(length, size - offset))
        if gain_map is None and data[:2] == b"\xff\xd8" and _is_gain_map(data):
            gain_map = GainMap(data, iso)
        elif kind & 0xFF0000 != _PREVIEW:
            left_out.append(LeftOut.DEPTH if b"Depth" in data[:4096] else LeftOut.PICTURES)
    if iso and gain_map is None:
        left_out.append(LeftOut.GAIN_MAP)
    if _has_samsung_film(file, size):
        left_out.append(LeftOut.FILM)
    return gain_map, tuple(dict.fromkeys(left_out))


def _is_gain_map(jpeg: bytes) -> bool:
    head = jpeg[:200_000]
    return any(
        mark in head
        for mark in (b"http://ns.adobe.com/hdr-gain-map/1.0/", _ISO_GAIN_MAP, b"http://ns.apple.com/HDRGainMap/1.0/")
    )


def _places_by_mpf(mpf: tuple[int, bytes], size: int) -> list[tuple[int, int, int]]:
    """Offset, length and type of the pictures behind the first one (CIPA DC-007)."""
    base, data = mpf
    try:
        reader = TagReader(io.BytesIO(data))
        entry = reader.directory(reader.first).entries.get(_MPF_ENTRIES)
        entries = reader.raw(entry) if entry else b""
    except BadDirectoryError:
        return []
    places = []
    for at in range(_MPF_ENTRY, len(entries) - _MPF_ENTRY + 1, _MPF_ENTRY):
        kind, length, offset = struct.unpack_from(reader.order + "III", entries, at)
        if offset and 0 < base + offset < size:
            places.append((base + offset, length, kind & 0xFFFFFF))
    return places


def _places_by_container(xmp: bytes, size: int) -> list[tuple[int, int, int]]:
    """The place of a gain map by the lengths in the packet's directory: parts lie at the end, one behind the other."""
    parts = xmp_packets.parts_behind(xmp)
    at, places = size - sum(length for _kind, length in parts), []
    if at <= 0:
        return []
    for kind, length in parts:
        if kind == b"GainMap":
            places.append((at, length, 0))
        at += length
    return places


def _has_samsung_film(file: BinaryIO, size: int) -> bool:
    """Whether Samsung's trailer says that a film lies in it; others say so in XMP."""
    file.seek(max(0, size - 4096))
    tail = file.read()
    return tail.endswith(b"SEFT") and b"MotionPhoto_Data" in tail


_JUNK = bytes((0x55, 0xAA)) * 2048


def with_end_marker(file: BinaryIO) -> BinaryIO | None:
    """A file whose end marker alone is missing, with one; None where something of the picture is missing, too.

    What is put behind a whole picture changes nothing of it, and what is put behind a part of one becomes pixels.
    """
    file.seek(0)
    data = file.read()
    end = bytes((0xFF, _EOI))
    # The first byte of the marker may be there.
    data = data[:-1] if data.endswith(b"\xff") else data
    if not _has_all_scans(data):
        return None
    shown = []
    for tail in (b"", _JUNK):
        try:
            with Image.open(io.BytesIO(data + tail + end), formats=["JPEG"]) as image:
                shown.append(image.tobytes())
        except (OSError, SyntaxError, ValueError):
            return None
    return io.BytesIO(data + end) if shown[0] == shown[1] else None


def _has_all_scans(data: bytes) -> bool:
    """Whether a progressive picture has every bit of every coefficient (ITU-T T.81, annex G.1.1.1); others say so by
    their pixels."""
    missing: set[tuple[int, int]] = set()
    position = 2
    while (position := data.find(b"\xff", position)) >= 0 and position + 4 <= len(data):
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        content = data[position + 4 : position + 2 + length]
        # Within coded data: stuffed zeros, restarts and fill bytes.
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= _SOI:
            position += 1 if marker == 0xFF else 2
            continue
        if marker == _PROGRESSIVE and len(content) > 5:
            components = content[6 : 6 + 3 * content[5] : 3]
            missing = {(component, place) for component in components for place in range(64)}
        elif marker == _SOS and content and len(content) >= 4 + 2 * content[0]:
            components = content[1 : 1 + 2 * content[0] : 2]
            first, last, low = (
                content[1 + 2 * content[0]],
                content[2 + 2 * content[0]],
                content[3 + 2 * content[0]] & 15,
            )
            if low == 0:
                missing -= {(component, place) for component in components for place in range(first, last + 1)}
        position += 2 + max(2, length)
    return not missing


def segment(marker: int, data: bytes) -> bytes:
    """One segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def with_segments(
    jpeg: bytes | memoryview, photoshop: bytes | None, comments: tuple[str, ...], extension: tuple[bytes, bytes] | None
) -> bytes:
    """A coded picture with segments that Pillow does not write.

    Args:
        jpeg: as Pillow wrote it.
        photoshop: image resources.
        comments: texts, written as UTF-8.
        extension: of XMP, and its GUID.
    """
    added = b""
    if extension:
        content, guid = extension
        room = MAX_SEGMENT - len(_EXTENSION) - 40
        for at in range(0, len(content), room):
            head = _EXTENSION + guid + struct.pack(">II", len(content), at)
            added += segment(_APP1, head + content[at : at + room])
    if photoshop:
        room = MAX_SEGMENT - len(_PHOTOSHOP)
        for at in range(0, len(photoshop), room):
            added += segment(_APP13, _PHOTOSHOP + photoshop[at : at + room])
    for text in comments:
        data = text.encode("utf-8", "replace")
        added += b"".join(segment(_COM, data[at : at + MAX_SEGMENT]) for at in range(0, len(data), MAX_SEGMENT))
    if not added:
        return bytes(jpeg)
    at = _end_of_applications(jpeg)
    return bytes(jpeg[:at]) + added + bytes(jpeg[at:])


def with_shape_of_pixels(jpeg: bytes, grid: tuple[float, float]) -> bytes:
    """A picture whose first segment, JFIF's, says how many pixels across lie in the space of how many down."""
    ratio = Fraction(grid[0] / grid[1]).limit_denominator(255)
    if jpeg[6:11] != b"JFIF\0" or ratio == 1 or not 0 < ratio.numerator <= 0xFFFF:
        return jpeg
    return jpeg[:13] + struct.pack(">BHH", 0, ratio.numerator, ratio.denominator) + jpeg[18:]


def with_gain_map(jpeg: bytes, gain_map: bytes, iso: bytes | None) -> bytes:
    """A picture whose XMP speaks of a gain map, with that behind it, where MPF (CIPA DC-007) and XMP say it lies."""
    at = _end_of_applications(jpeg)
    before = jpeg[:at] + (segment(_APP2, iso) if iso else b"")
    # Offsets count from MPF's own byte order mark.
    start = len(before) + 4 + len(_MPF)
    length = len(jpeg) + len(before) - at + len(segment(_APP2, _mpf(0, 0, 0)))
    multi = segment(_APP2, _mpf(length, len(gain_map), length - start))
    return before + multi + jpeg[at:] + gain_map


def _mpf(first: int, second: int, offset: int) -> bytes:
    entries = struct.pack(">IIIHH", 0x030000, first, 0, 0, 0) + struct.pack(">IIIHH", 0, second, offset, 0, 0)
    rows = struct.pack(">HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(">HHII", 0xB001, 4, 1, 2)
    rows += struct.pack(">HHII", _MPF_ENTRIES, 7, len(entries), 8 + 2 + 36 + 4)
    return _MPF + b"MM\0*" + struct.pack(">IH", 8, 3) + rows + bytes(4) + entries


def application_segments(jpeg: bytes) -> bytes:
    """The APP1 and APP2 segments of a picture, as they are, but for MPF."""
    return b"".join(
        segment(marker, data)
        for marker, _at, data in _segments(io.BytesIO(jpeg))
        if marker in (_APP1, _APP2) and not data.startswith(_MPF)
    )


def with_application_segments(jpeg: bytes, segments: bytes) -> bytes:
    """A coded picture with such segments."""
    at = _end_of_applications(jpeg)
    return jpeg[:at] + segments + jpeg[at:]


def _end_of_applications(jpeg: bytes | memoryview) -> int:
    """Where the first segment lies that is no APPn."""
    position = 2
    while jpeg[position] == 0xFF and 0xE0 <= jpeg[position + 1] <= 0xEF:
        position += 2 + struct.unpack_from(">H", jpeg, position + 2)[0]
    return position
