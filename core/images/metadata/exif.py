"""EXIF: what is read out of it, and what no longer holds once a picture was turned and enlarged."""

from __future__ import annotations

import contextlib
import io
import struct
from dataclasses import replace
from fractions import Fraction

from core.images.directories import (
    LONG,
    MAX_DEPTH,
    POINTERS,
    RATIONAL,
    SHORT,
    BadDirectoryError,
    Directory,
    TagEntry,
    TagReader,
    TagValue,
    Tree,
    read_tree,
    serialised,
)
from core.images.refusal import MAX_METADATA_BYTES

ORIENTATION = 0x0112
EXIF_DIRECTORY = 0x8769

_WIDTH, _HEIGHT = 0x0100, 0x0101
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_INCH, _CENTIMETRE = 2, 3
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202

EXIF_PREFIX = b"Exif\0\0"

_DESCRIPTIVE = frozenset(
    {
        0x010D, 0x010E, 0x010F, 0x0110,  # document name, description, make, model
        0x0131, 0x0132, 0x013B, 0x013C,  # software, date, artist, host computer
        0x4746, 0x4749, 0x8298, 0x83BB,  # rating, rating in percent, copyright, IPTC
        0x8769, 0x8825,  # the Exif and GPS directories
        0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,  # Windows' title, comment, author, keywords, subject
    }
)  # fmt: skip
"""Tags of a TIFF file's directory that speak of what the picture shows, and not of how it is stored."""


def orientation(exif: bytes | None) -> int:
    """EXIF's orientation, 1 (upright) to 8; 1 where there is none, or a wrong one."""
    try:
        reader, directory = _opened(exif)
        value = reader.integer(directory, ORIENTATION, 1)
    except BadDirectoryError:
        return 1
    return value if 1 <= value <= 8 else 1


def resolution(exif: bytes | None) -> tuple[float, float] | None:
    """Pixels per inch across and down, as far as EXIF says."""
    try:
        reader, directory = _opened(exif)
        return resolution_in(reader, directory)
    except BadDirectoryError:
        return None


def resolution_in(reader: TagReader, directory: Directory) -> tuple[float, float] | None:
    """Pixels per inch across and down, from the tags that EXIF and TIFF share.

    Raises:
        BadDirectoryError: they point outside of the file.
    """
    unit = reader.integer(directory, _RESOLUTION_UNIT, _INCH)
    entries = (directory.entries.get(_X_RESOLUTION), directory.entries.get(_Y_RESOLUTION))
    across, down = (reader.rational(entry) if entry else None for entry in entries)
    if unit not in (_INCH, _CENTIMETRE):
        return None
    factor = 2.54 if unit == _CENTIMETRE else 1.0
    return plausible_dpi(across and across * factor, down and down * factor)


def plausible_dpi(across: float | None, down: float | None) -> tuple[float, float] | None:
    """The two, rounded to the hundredths that files give; None where they are no resolution."""
    across, down = across or down, down or across
    if not across or not down or not (0.01 <= across <= 1e6 and 0.01 <= down <= 1e6):
        return None
    return round(across, 2), round(down, 2)


def edited_exif(exif: bytes, width: int, height: int, dpi: tuple[float, float] | None) -> bytes:
    """The same EXIF for an upright picture of this size and resolution, without a thumbnail.

    Changed in place, so that maker notes stay where their inner offsets expect them.

    Raises:
        BadDirectoryError: it is no EXIF.
    """
    reader, directory = _opened(exif)
    block = bytearray(exif)
    _drop_thumbnail(block, reader, directory)
    _put_integer(block, reader, directory, ORIENTATION, SHORT, 1)
    _put_integer(block, reader, directory, _WIDTH, LONG, width)
    _put_integer(block, reader, directory, _HEIGHT, LONG, height)
    inner = reader.integer(directory, EXIF_DIRECTORY, 0)
    if inner:
        try:
            details = reader.directory(inner)
        except BadDirectoryError:
            pass
        else:
            _put_integer(block, reader, details, _PIXEL_WIDTH, LONG, width)
            _put_integer(block, reader, details, _PIXEL_HEIGHT, LONG, height)
    return bytes(_with_resolution(block, reader, directory, dpi) if dpi else block)


def without_orientation(exif: bytes) -> bytes:
    """The same EXIF with that tag cut out of its directory and nothing else moved.

    Raises:
        BadDirectoryError: it is no EXIF.
    """
    reader, directory = _opened(exif)
    entry = directory.entries.get(ORIENTATION)
    if entry is None:
        return exif
    block, end = bytearray(exif), directory.next_position + 4
    block[entry.place : end] = block[entry.place + 12 : end] + bytes(12)
    struct.pack_into(reader.order + "H", block, reader.first, (directory.next_position - reader.first - 2) // 12 - 1)
    return bytes(block)


def resolution_exif(dpi: tuple[float, float]) -> bytes:
    """EXIF that says the resolution and nothing else, for formats that have no other place for it."""
    return _block({code: TagValue(kind, 1, data) for code, (kind, data) in _resolution_tags(dpi, "<").items()})


def exif_of_tiff(reader: TagReader, directory: Directory) -> bytes | None:
    """EXIF of the tags in a TIFF file's first directory that say something about the picture."""
    kept = {code: entry for code, entry in directory.entries.items() if code in _DESCRIPTIVE}
    tree = read_tree(reader, replace(directory, entries=kept))
    block = _block(tree) if tree else b""
    return block if 0 < len(block) <= MAX_METADATA_BYTES else None


def descriptive_tree(exif: bytes) -> Tree:
    """The tags of EXIF that a TIFF file can take into its first directory.

    Raises:
        BadDirectoryError: it is no EXIF.
    """
    reader, directory = _opened(exif)
    kept = {code: entry for code, entry in directory.entries.items() if code in _DESCRIPTIVE}
    return read_tree(reader, replace(directory, entries=kept))


def _opened(exif: bytes | None) -> tuple[TagReader, Directory]:
    if not exif:
        raise BadDirectoryError("no EXIF")
    reader = TagReader(io.BytesIO(exif.removeprefix(EXIF_PREFIX)))
    if reader.big:
        raise BadDirectoryError("EXIF is never BigTIFF")
    return reader, reader.directory(reader.first)


def _block(tree: Tree) -> bytes:
    return b"II*\0\x08\0\0\0" + serialised(tree, 8)


def _put_integer(block: bytearray, reader: TagReader, directory: Directory, code: int, kind: int, value: int) -> None:
    """Replace the value of a tag that is there."""
    entry = directory.entries.get(code)
    if entry is not None:
        struct.pack_into(reader.order + "HI", block, entry.place + 2, kind, 1)
        data = struct.pack(reader.order + ("H" if kind == SHORT else "I"), value)
        block[entry.place + 8 : entry.place + 12] = data.ljust(4, b"\0")


def _drop_thumbnail(block: bytearray, reader: TagReader, directory: Directory) -> None:
    if not directory.next or directory.next_position + 4 > len(block):
        return
    block[directory.next_position : directory.next_position + 4] = bytes(4)
    try:
        thumbnail = reader.directory(directory.next)
        start = reader.integer(thumbnail, _THUMBNAIL_OFFSET, 0)
        length = reader.integer(thumbnail, _THUMBNAIL_LENGTH, 0)
    except BadDirectoryError:
        return
    if start >= 8 and length and start + length <= len(block):
        # What nobody points to any more is still there for those who look: a cropped picture's thumbnail has
        # given away more than one photographer.
        if start + length == len(block) and _last_use(reader, directory) <= start:
            del block[start:]
        elif not _overlaps(reader, directory, start, start + length):
            block[start : start + length] = bytes(length)


def _with_resolution(block: bytearray, reader: TagReader, directory: Directory, dpi: tuple[float, float]) -> bytearray:
    tags = _resolution_tags(dpi, reader.order)
    there = {code: directory.entries.get(code) for code in tags}
    if all(entry and entry.kind == tags[code][0] and entry.count == 1 for code, entry in there.items()):
        for code, entry in there.items():
            data = tags[code][1]
            if entry and entry.position + len(data) <= len(block):
                block[entry.position : entry.position + len(data)] = data
        return block
    # A longer directory goes to the end, with the old entries as they are: offsets count from the start of the block.
    block += b"\0" * (len(block) % 2)
    first = len(block)
    rows = {code: bytes(block[entry.place : entry.place + 12]) for code, entry in directory.entries.items()}
    values = bytearray()
    values_base = first + 2 + 12 * len(rows | tags) + 4
    for code, (kind, data) in tags.items():
        inline = data
        if len(data) > 4:
            inline = struct.pack(reader.order + "I", values_base + len(values))
            values += data
        rows[code] = struct.pack(reader.order + "HHI", code, kind, 1) + inline.ljust(4, b"\0")
    block += struct.pack(reader.order + "H", len(rows)) + b"".join(rows[code] for code in sorted(rows)) + bytes(4)
    block += values
    struct.pack_into(reader.order + "I", block, 4, first)
    return block


def _resolution_tags(dpi: tuple[float, float], order: str) -> dict[int, tuple[int, bytes]]:
    across, down = (Fraction(value).limit_denominator(10_000) for value in dpi)
    return {
        _X_RESOLUTION: (RATIONAL, struct.pack(order + "II", across.numerator, across.denominator)),
        _Y_RESOLUTION: (RATIONAL, struct.pack(order + "II", down.numerator, down.denominator)),
        _RESOLUTION_UNIT: (SHORT, struct.pack(order + "H", _INCH)),
    }


def _spans(reader: TagReader, directory: Directory, depth: int = 1) -> list[tuple[int, int]]:
    """From where to where the tables and values of a directory, and of those that it points to, lie."""

    def of(one: Directory) -> list[tuple[int, int]]:
        entries: list[TagEntry] = list(one.entries.values())
        table = [(entry.place, entry.place + 12) for entry in entries] + [(one.next_position, one.next_position + 4)]
        return table + [(entry.position, entry.position + entry.size) for entry in entries]

    spans = of(directory)
    if depth == MAX_DEPTH:
        return spans
    for code in POINTERS & directory.entries.keys():
        with contextlib.suppress(BadDirectoryError):
            spans += _spans(reader, reader.directory(reader.integer(directory, code, 0)), depth + 1)
    return spans


def _last_use(reader: TagReader, directory: Directory) -> int:
    return max(end for _, end in _spans(reader, directory))


def _overlaps(reader: TagReader, directory: Directory, start: int, end: int) -> bool:
    return any(first < end and start < last for first, last in _spans(reader, directory))
