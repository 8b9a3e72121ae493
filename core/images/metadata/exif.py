"""EXIF: what is read out of it, and what no longer holds once a picture was turned and enlarged."""

from __future__ import annotations

import contextlib
import io
import re
import struct
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from core.images.directories import (
    ASCII,
    LONG,
    MAX_DEPTH,
    POINTERS,
    RATIONAL,
    SHORT,
    UNDEFINED,
    BadDirectoryError,
    Directory,
    TagEntry,
    TagReader,
    TagValue,
    Tree,
    read_tree,
    serialised,
)
from core.images.metadata.xmp import Geometry, turned_figures
from core.images.refusal import MAX_METADATA_BYTES
from core.language import gettext as _

ORIENTATION = 0x0112
EXIF_DIRECTORY = 0x8769
EXIF_PREFIX = b"Exif\0\0"

_WIDTH, _HEIGHT = 0x0100, 0x0101
_DESCRIPTION = 0x010E
_OME_BYTES = 4096
"""How much of a description is looked at for the element that all of OME-XML lies in: remarks may come before."""
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_INCH, _CENTIMETRE = 2, 3
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003
_INTEROPERABILITY, _RELATED_WIDTH, _RELATED_HEIGHT = 0xA005, 0x1001, 0x1002
_FOCAL_PLANE = (0xA20E, 0xA20F)
_SUBJECTS = (0x9214, 0xA214)
"""SubjectArea and SubjectLocation."""
_MAKER_NOTE, _USER_COMMENT = 0x927C, 0x9286
_THUMBNAIL_OFFSET, _THUMBNAIL_LENGTH = 0x0201, 0x0202

_DESCRIPTIVE = frozenset(
    {
        0x010D, 0x010E, 0x010F, 0x0110,  # document name, description, make, model
        0x0131, 0x0132, 0x013B, 0x013C,  # software, date, artist, host computer
        0x4746, 0x4749, 0x8298,  # rating, rating in percent, copyright
        0x8769, 0x8825,  # the Exif and GPS directories
        0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F,  # Windows' title, comment, author, keywords, subject
    }
)  # fmt: skip
"""Tags of a TIFF file's directory that speak of what the picture shows, and not of how it is stored."""

MAKER_NOTE_LEFT_OUT = _("The maker's notes of its camera were left out, as they only hold where they were.")

New = Mapping[int, tuple[int, int, bytes]]
"""Type, count and value of tags, in the byte order of the block that they go into."""


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


def edited_exif(exif: bytes, geometry: Geometry, dpi: tuple[float, float] | None) -> bytes:
    """The same EXIF for an upright picture of another size and resolution, without a thumbnail.

    Changed in place, so that maker notes stay where their inner offsets expect them.

    Raises:
        BadDirectoryError: it is no EXIF.
    """
    reader, directory = _opened(exif)
    block = bytearray(exif)
    _drop_thumbnail(block, reader, directory)
    block = _tidied(block)
    _put_numbers(
        block, (), {ORIENTATION: (SHORT, 1), _WIDTH: (LONG, geometry.size[0]), _HEIGHT: (LONG, geometry.size[1])}
    )
    inner = {_PIXEL_WIDTH: (LONG, geometry.size[0]), _PIXEL_HEIGHT: (LONG, geometry.size[1])}
    _put_numbers(block, (EXIF_DIRECTORY,), inner)
    _scale_related_size(block, geometry)
    block = _with_subjects(_with_focal_plane(block, geometry), geometry)
    block = _with_description(block, geometry)
    return bytes(_with_resolution(block, dpi) if dpi else block)


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
    return _block({code: TagValue(kind, 1, data) for code, (kind, _, data) in _resolution_tags(dpi, "<").items()})


def with_user_comment(exif: bytes | None, text: str) -> bytes | None:
    """The EXIF with a comment; None where it has one already, which is not to be lost.

    Raises:
        BadDirectoryError: it is no EXIF.
    """
    if exif is None:
        # With nothing in it but the pointer to a directory, which the next lines fill.
        exif = _block({EXIF_DIRECTORY: {}})
    reader, directory = _opened(exif)
    details = _inner(reader, directory, (EXIF_DIRECTORY,))
    there = details.entries.get(_USER_COMMENT) if details else None
    if there is not None and reader.is_sound(there) and reader.raw(there)[8:].strip(b"\0 "):
        return None
    # UTF-16 in the block's own byte order is what programs look for under this name (CIPA DC-008, UserComment).
    plain = text.isascii()
    data = b"ASCII\0\0\0" + text.encode() if plain else b"UNICODE\0" + text.encode(
        "utf-16-le" if reader.order == "<" else "utf-16-be", "replace")  # fmt: skip
    return bytes(_with_tags(bytearray(exif), (EXIF_DIRECTORY,), {_USER_COMMENT: (UNDEFINED, len(data), data)}))


def exif_of_tiff(reader: TagReader, directory: Directory) -> tuple[bytes | None, bool]:
    """EXIF of the tags in a TIFF file's first directory that say something about the picture, and whether all held."""
    kept = {code: entry for code, entry in directory.entries.items() if code in _DESCRIPTIVE}
    tree = read_tree(reader, replace(directory, entries=kept))
    whole = _without_bound_notes(tree, reader, directory)
    block = _block(tree) if tree else b""
    return (block if 0 < len(block) <= MAX_METADATA_BYTES else None), whole


def descriptive_tree(exif: bytes) -> tuple[Tree, bool]:
    """The tags of EXIF that a TIFF file can take into its first directory, and whether that are all that could be.

    Raises:
        BadDirectoryError: it is no EXIF.
    """
    reader, directory = _opened(exif)
    kept = {code: entry for code, entry in directory.entries.items() if code in _DESCRIPTIVE}
    tree = read_tree(reader, replace(directory, entries=kept))
    return tree, _without_bound_notes(tree, reader, directory)


def _without_bound_notes(tree: Tree, reader: TagReader, directory: Directory) -> bool:
    """Take maker notes that do not hold in another place out of a tree; whether none had to be."""
    details = tree.get(EXIF_DIRECTORY)
    place = _inner(reader, directory, (EXIF_DIRECTORY,))
    entry = place.entries.get(_MAKER_NOTE) if place else None
    if not isinstance(details, dict) or entry is None or _MAKER_NOTE not in details:
        return True
    with contextlib.suppress(BadDirectoryError):
        if not _is_bound(reader.raw(entry), entry.position, reader.size, reader.order):
            return True
    del details[_MAKER_NOTE]
    return False


_OWN_OFFSETS = (
    b"Nikon\0\x02", b"OLYMPUS\0", b"OM SYSTEM\0", b"FUJIFILM", b"GENERALE", b"Apple iOS\0", b"PENTAX \0",
    b"SIGMA\0", b"FOVEON\0", b"STMN", b"Ricoh\0\0\0", b"RICOH\0",
)  # fmt: skip
"""How notes begin that count their offsets from their own beginning, and so hold in any place."""
_HEADS = (0, 6, 8, 10, 12, 18)
"""How many bytes the makers put before the directory in their notes."""


def _is_bound(note: bytes, position: int, size: int, order: str) -> bool:
    """Whether a maker note holds a directory whose offsets count from the start of the whole structure."""
    if note.startswith(_OWN_OFFSETS):
        return False
    for head in _HEADS:
        for byte_order in (order, "<" if order == ">" else ">"):
            outside = _outside_values(note, head, byte_order)
            if outside is None:
                continue
            # All as counted from the start: then the place matters. Small ones may count from the note's own start.
            return any(position <= start and start + length <= size for start, length in outside)
    return False


def _outside_values(note: bytes, head: int, order: str) -> list[tuple[int, int]] | None:
    """Offset and length of the values that lie outside of a directory; None where there is no directory."""
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
    if len(note) < head + 14:
        return None
    (count,) = struct.unpack_from(order + "H", note, head)
    if not 1 <= count <= 512 or head + 2 + 12 * count > len(note):
        return None
    outside = []
    for index in range(count):
        _code, kind, items, value = struct.unpack_from(order + "HHII", note, head + 2 + 12 * index)
        if kind not in sizes:
            return None
        if sizes[kind] * items > 4:
            outside.append((value, sizes[kind] * items))
    return outside


def _opened(exif: bytes | None) -> tuple[TagReader, Directory]:
    if not exif:
        raise BadDirectoryError("no EXIF")
    reader = TagReader(io.BytesIO(exif.removeprefix(EXIF_PREFIX)))
    if reader.big:
        raise BadDirectoryError("EXIF is never BigTIFF")
    return reader, reader.directory(reader.first)


def _inner(reader: TagReader, directory: Directory, path: tuple[int, ...]) -> Directory | None:
    """The directory that pointers lead to from another one; None where they lead nowhere."""
    for code in path:
        try:
            offset = reader.integer(directory, code, 0)
            if not offset:
                return None
            directory = reader.directory(offset)
        except BadDirectoryError:
            return None
    return directory


def _block(tree: Tree) -> bytes:
    return b"II*\0\x08\0\0\0" + serialised(tree, 8)


def _tidied(block: bytearray) -> bytearray:
    """Without entries that nobody can read, and the unsound of those that stand twice, in all directories.

    The others move up within their table, and all values stay where they are. Readers stop at an unknown type where it
    comes first, and take different ones of two.
    """
    for path in ((), (EXIF_DIRECTORY,), (0x8825,), (EXIF_DIRECTORY, _INTEROPERABILITY)):
        reader, first = _opened(bytes(block))
        directory = _inner(reader, first, path)
        if directory is None:
            continue
        sound = [entry for entry in directory.entries.values() if reader.is_sound(entry)]
        if not sound or len(sound) == directory.count:
            continue
        rows = [bytes(block[entry.place : entry.place + 12]) for entry in sorted(sound, key=lambda each: each.place)]
        following = bytes(block[directory.next_position : directory.next_position + 4]).ljust(4, b"\0")
        table = struct.pack(reader.order + "H", len(rows)) + b"".join(rows) + following
        room = directory.next_position + 4 - directory.place
        block[directory.place : directory.place + room] = table.ljust(room, b"\0")
    return block


def _put_numbers(block: bytearray, path: tuple[int, ...], numbers: Mapping[int, tuple[int, int]]) -> None:
    """Replace the values of tags that are there by integers, which fit into their entries."""
    reader, first = _opened(bytes(block))
    directory = _inner(reader, first, path)
    for code, (kind, value) in numbers.items():
        entry = directory.entries.get(code) if directory else None
        if entry is not None:
            _put(
                block, reader.order, entry, kind, 1, struct.pack(reader.order + ("H" if kind == SHORT else "I"), value)
            )


def _put(block: bytearray, order: str, entry: TagEntry, kind: int, count: int, data: bytes) -> None:
    """Give an entry another value: in the old one's place where it fits, else at the end of the block."""
    struct.pack_into(order + "HI", block, entry.place + 2, kind, count)
    if len(data) <= 4:
        block[entry.place + 8 : entry.place + 12] = data.ljust(4, b"\0")
        return
    position = entry.position
    if entry.size < len(data) or entry.size <= 4 or position + len(data) > len(block):
        block += b"\0" * (len(block) % 2)
        position = len(block)
        block += bytes(len(data))
    block[position : position + len(data)] = data
    struct.pack_into(order + "I", block, entry.place + 8, position)


def _scale_related_size(block: bytearray, geometry: Geometry) -> None:
    """The size of the picture that another one was made for (DCF), which counts the same pixels."""
    path = (EXIF_DIRECTORY, _INTEROPERABILITY)
    reader, first = _opened(bytes(block))
    directory = _inner(reader, first, path)
    if directory is None:
        return
    with contextlib.suppress(BadDirectoryError):
        sides = [reader.integer(directory, code, 0) for code in (_RELATED_WIDTH, _RELATED_HEIGHT)]
        if geometry.is_turned:
            sides.reverse()
            factors = geometry.factors[::-1]
        else:
            factors = geometry.factors
        numbers = {
            code: (LONG, min(round(side * factor), 0xFFFFFFFF))
            for code, side, factor in zip((_RELATED_WIDTH, _RELATED_HEIGHT), sides, factors, strict=True)
            if side
        }
        _put_numbers(block, path, numbers)


def _with_focal_plane(block: bytearray, geometry: Geometry) -> bytearray:
    """Pixels per unit of the sensor's width and height."""
    reader, first = _opened(bytes(block))
    details = _inner(reader, first, (EXIF_DIRECTORY,))
    if details is None:
        return block
    entries = [details.entries.get(code) for code in _FOCAL_PLANE]
    values: list[float | None] = []
    for entry in entries:
        try:
            values.append(reader.rational(entry) if entry else None)
        except BadDirectoryError:
            values.append(None)
    scaled = [value and value * factor for value, factor in zip(values, geometry.factors, strict=True)]
    if geometry.is_turned and all(scaled):
        scaled.reverse()
    for entry, value in zip(entries, scaled, strict=True):
        if entry is not None and value and value < 1e9:
            ratio = Fraction(value).limit_denominator(max(1, min(10_000, int(4e9 / value))))
            data = struct.pack(reader.order + "II", ratio.numerator, ratio.denominator)
            _put(block, reader.order, entry, RATIONAL, 1, data)
    return block


def _with_subjects(block: bytearray, geometry: Geometry) -> bytearray:
    """Where the subject is, in pixels."""
    for code in _SUBJECTS:
        reader, first = _opened(bytes(block))
        details = _inner(reader, first, (EXIF_DIRECTORY,))
        entry = details.entries.get(code) if details else None
        if entry is None:
            continue
        with contextlib.suppress(BadDirectoryError):
            new = turned_figures([int(value) for value in reader.integers(entry)], geometry)
            if new is not None:
                # EXIF knows 16 bits here, and every reader more.
                kind, word = (SHORT, "H") if max(new) <= 0xFFFF else (LONG, "I")
                data = struct.pack(f"{reader.order}{len(new)}{word}", *(min(value, 0xFFFFFFFF) for value in new))
                _put(block, reader.order, entry, kind, len(new), data)
    return block


def _with_description(block: bytearray, geometry: Geometry) -> bytearray:
    """The sides that programs of microscopy write into a description for each other: tifffile's shape and OME-XML."""
    reader, directory = _opened(bytes(block))
    entry = directory.entries.get(_DESCRIPTION)
    if entry is None or entry.kind != ASCII or geometry.size == geometry.before or not reader.is_sound(entry):
        return block
    old = reader.raw(entry)
    new = old
    if old.startswith(b'{"shape":'):
        height, width = geometry.before[::-1]
        # Where channels lie first or last, or there is none, the sides are neighbours all the same.
        sides = rb"\b%d, %d\b(?=[\d, ]*\])" % (height, width)
        new = re.sub(sides, b"%d, %d" % geometry.size[::-1], old, count=1)
    elif b"<OME" in old[:_OME_BYTES]:
        new = re.sub(rb"<Pixels\b[^<>]*", lambda match: _ome_pixels(match[0], geometry), old)
    if new != old:
        _put(block, reader.order, entry, ASCII, len(new), new)
    return block


def _ome_pixels(element: bytes, geometry: Geometry) -> bytes:
    """The sides in pixels, and the size of one, of an element of OME-XML that speaks of a picture of this size."""
    said = dict(re.findall(rb"\b(SizeX|SizeY|PhysicalSizeX|PhysicalSizeY)\s*=\s*[\"']([\d.eE+-]{1,40})[\"']", element))
    if (said.get(b"SizeX"), said.get(b"SizeY")) != tuple(b"%d" % side for side in geometry.before):
        return element
    factors = geometry.factors
    numbers = {b"SizeX": b"%d" % geometry.size[0], b"SizeY": b"%d" % geometry.size[1]}
    with contextlib.suppress(ValueError, KeyError):
        lengths = [float(said[name]) for name in (b"PhysicalSizeX", b"PhysicalSizeY")]
        lengths = [length / factor for length, factor in zip(lengths, factors, strict=True)]
        lengths = lengths[::-1] if geometry.is_turned else lengths
        numbers |= {b"PhysicalSizeX": b"%.9g" % lengths[0], b"PhysicalSizeY": b"%.9g" % lengths[1]}
    return re.sub(
        rb"\b(%b)(\s*=\s*[\"'])[\d.eE+-]{1,40}(?=[\"'])" % b"|".join(numbers),
        lambda match: match[1] + match[2] + numbers[match[1]],
        element,
    )


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


def _with_resolution(block: bytearray, dpi: tuple[float, float]) -> bytearray:
    reader, directory = _opened(bytes(block))
    tags = _resolution_tags(dpi, reader.order)
    there = {code: directory.entries.get(code) for code in tags}
    if all(entry and entry.kind == tags[code][0] and entry.count == 1 for code, entry in there.items()):
        for code, entry in there.items():
            data = tags[code][2]
            if entry and entry.position + len(data) <= len(block):
                block[entry.position : entry.position + len(data)] = data
        return block
    return _with_tags(block, (), tags)


def _with_tags(block: bytearray, path: tuple[int, ...], tags: New) -> bytearray:
    """With tags put into a directory, which is made where it is not there.

    A longer directory goes to the end, with the old entries as they are: offsets count from the start of the block.
    """
    reader, first = _opened(bytes(block))
    directory = _inner(reader, first, path)
    rows: dict[int, bytes] = {}
    following = 0
    if directory is not None:
        sound = {code: entry for code, entry in directory.entries.items() if reader.is_sound(entry)}
        rows = {code: bytes(block[entry.place : entry.place + 12]) for code, entry in sound.items()}
        following = directory.next
    block += b"\0" * (len(block) % 2)
    start = len(block)
    values = bytearray()
    values_base = start + 2 + 12 * len(rows | dict(tags)) + 4
    for code, (kind, count, data) in tags.items():
        inline = data
        if len(data) > 4:
            inline = struct.pack(reader.order + "I", values_base + len(values))
            values += data + b"\0" * (len(data) % 2)
        rows[code] = struct.pack(reader.order + "HHI", code, kind, count) + inline.ljust(4, b"\0")
    block += struct.pack(reader.order + "H", len(rows)) + b"".join(rows[code] for code in sorted(rows))
    block += struct.pack(reader.order + "I", following) + values
    if not path:
        struct.pack_into(reader.order + "I", block, 4, start)
        return block
    outer = _inner(reader, first, path[:-1])
    entry = outer.entries.get(path[-1]) if outer else None
    pointer = struct.pack(reader.order + "I", start)
    if entry is None or not reader.is_sound(entry):
        return _with_tags(block, path[:-1], {path[-1]: (LONG, 1, pointer)})
    block[entry.place + 8 : entry.place + 12] = pointer
    return block


def _resolution_tags(dpi: tuple[float, float], order: str) -> dict[int, tuple[int, int, bytes]]:
    across, down = (Fraction(value).limit_denominator(10_000) for value in dpi)
    return {
        _X_RESOLUTION: (RATIONAL, 1, struct.pack(order + "II", across.numerator, across.denominator)),
        _Y_RESOLUTION: (RATIONAL, 1, struct.pack(order + "II", down.numerator, down.denominator)),
        _RESOLUTION_UNIT: (SHORT, 1, struct.pack(order + "H", _INCH)),
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
