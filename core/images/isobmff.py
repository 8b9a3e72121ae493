"""Boxes of AVIF and HEIC files (ISO/IEC 14496-12, 23008-12): what decoders do not tell, and what encoders do not write.

Read within limits, as a stranger's file may say anything; whatever is broken raises `ValueError`.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO

from core.images.av1 import Av1Stream, read_stream
from core.images.cicp import Cicp, meant

_MAX_META = 1 << 24
_MAX_ITEMS = 20_000
_MAX_BOXES = 100_000
_MAX_HEAD = 4096
"""How much of a coded picture is read: its sequence header lies in it."""


@dataclass(frozen=True, slots=True)
class StillImage:
    """What the boxes say of a file's primary picture."""

    bits: int = 8
    """Bits a channel of the coded picture."""
    cicp: Cicp | None = None
    """The colours that its samples mean; None for sRGB."""
    pictures: int = 1
    """Top-level pictures in the file."""
    gain_map: bool = False
    """Whether the file holds what makes HDR of the picture (ISO 21496-1)."""
    lossless: bool = False
    """Whether its samples are coded exactly, with no channel at less than full size."""
    shape: tuple[int, int] | None = None
    """Width and height of a pixel, where they differ."""
    aperture: tuple[int, int, int, int] | None = None
    """Left, top, width and height of what is to be seen of it, as coded; None where that is all."""


def still_image(file: BinaryIO) -> StillImage:
    """What is known of the primary picture; defaults where the boxes are broken, which a decoder may mind less."""
    try:
        return _Items(file).still()
    except (ValueError, struct.error, IndexError, RecursionError):
        return StillImage()


@dataclass(slots=True)
class _Item:
    kind: bytes
    is_hidden: bool = False
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)


class _Items:
    """The items of a file's `meta` box."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        size = file.seek(0, 2)
        meta, self._track_colour = b"", b""
        for kind, start, end in top_boxes(file, size):
            if kind == b"meta" and not meta:
                meta = _read(file, start, end)
            elif kind == b"moov":
                self._track_colour = _colour_of_track(_read(file, start, end))
        self.items: dict[int, _Item] = {}
        self.references: list[tuple[bytes, int, list[int]]] = []
        self.primary = 0
        self._locations = b""
        if meta:
            self._read_meta(meta)

    def still(self) -> StillImage:
        """What the primary picture's properties say."""
        item = self.items.get(self.primary, _Item(b""))
        tiles = [to for kind, source, to in self.references if kind == b"dimg" and source == self.primary]
        tile = self.items.get(tiles[0][0]) if tiles and tiles[0] else None
        properties = item.properties + (tile.properties if tile else [])
        colours = [*(data for kind, data in properties if kind == b"colr"), self._track_colour]
        stream = self._stream(tiles[0][0] if tile and tiles else self.primary)
        if not any(colours) and stream and stream.colours:
            # Only the stream itself says it.
            colours = [b"nclx" + struct.pack(">HHHB", *stream.colours, 0x80)]
        pictures = [
            number
            for number, each in self.items.items()
            if each.kind in _PICTURES and not each.is_hidden and not self._serves(number)
        ]
        return StillImage(
            bits=_bits(properties),
            cicp=_colour(colours),
            pictures=max(1, len(pictures)),
            gain_map=any(each.kind == b"tmap" for each in self.items.values()),
            lossless=stream is not None and stream.lossless,
            shape=_shape(properties),
            aperture=_aperture(item.properties),
        )

    def _stream(self, number: int) -> Av1Stream | None:
        """What the coded picture of an item says of itself; None where it is not AV1, or not in the file."""
        place = _first_extent(self._locations, number) if self._locations else None
        if place is None or self.items.get(number, _Item(b"")).kind != b"av01":
            return None
        self._file.seek(place[0])
        return read_stream(self._file.read(min(place[1], _MAX_HEAD)))

    def _serves(self, number: int) -> bool:
        """Whether an item is a thumbnail, an alpha plane, or a tile of another one."""
        return any(
            (kind in (b"thmb", b"auxl", b"cdsc") and source == number) or (kind == b"dimg" and number in to)
            for kind, source, to in self.references
        )

    def _read_meta(self, meta: bytes) -> None:
        properties: list[tuple[bytes, bytes]] = []
        links: dict[int, list[int]] = {}
        for kind, data in _boxes(meta, 4):
            if kind == b"pitm":
                self.primary = int.from_bytes(data[4:6] if data[0] == 0 else data[4:8], "big")
            elif kind == b"iloc":
                self._locations = data
            elif kind == b"iinf":
                self._read_infos(data)
            elif kind == b"iref":
                self._read_references(data)
            elif kind == b"iprp":
                for inner, content in _boxes(data, 0):
                    if inner == b"ipco":
                        properties = list(_boxes(content, 0))
                    elif inner == b"ipma":
                        # Some old writers made a second box instead of a second entry.
                        for number, indices in _associations(content).items():
                            links.setdefault(number, []).extend(indices)
        for number, indices in links.items():
            if number in self.items:
                self.items[number].properties = [
                    properties[index - 1] for index in indices if 1 <= index <= len(properties)
                ]

    def _read_infos(self, data: bytes) -> None:
        start = 6 if data[0] == 0 else 8
        for kind, info in _boxes(data, start):
            if kind == b"infe" and info[0] >= 2:
                wide = info[0] == 3
                number = int.from_bytes(info[4:8] if wide else info[4:6], "big")
                at = 10 if wide else 8
                self.items[number] = _Item(info[at : at + 4], is_hidden=bool(info[3] & 1))
                if len(self.items) > _MAX_ITEMS:
                    raise ValueError("too many items")

    def _read_references(self, data: bytes) -> None:
        width = 2 if data[0] == 0 else 4
        for kind, content in _boxes(data, 4):
            numbers = [
                int.from_bytes(content[at : at + width], "big") for at in (0, *range(width + 2, len(content), width))
            ]
            self.references.append((kind, numbers[0], numbers[1:]))


_PICTURES = frozenset({b"av01", b"hvc1", b"grid", b"iden", b"iovl", b"jpeg", b"j2k1", b"unci"})


def _bits(properties: list[tuple[bytes, bytes]]) -> int:
    for kind, data in properties:
        if kind == b"pixi" and len(data) > 5:
            return max(data[5 : 5 + data[4]], default=8)
    for kind, data in properties:
        if kind == b"av1C" and len(data) > 2 and data[2] & 0x40:
            return 12 if data[2] & 0x20 else 10
        if kind == b"hvcC" and len(data) > 17:
            return 8 + (data[17] & 7)
    return 8


def _shape(properties: list[tuple[bytes, bytes]]) -> tuple[int, int] | None:
    for kind, data in properties:
        if kind == b"pasp" and len(data) >= 8:
            width, height = struct.unpack_from(">2I", data)
            return (width, height) if width and height and width != height else None
    return None


def _aperture(properties: list[tuple[bytes, bytes]]) -> tuple[int, int, int, int] | None:
    """What the `clap` box leaves of the picture (ISO/IEC 14496-12, 12.1.4): a size, and its middle's offset from that
    of the whole, as fractions; None where it does not lie in the picture, on whole pixels."""
    found = dict(reversed(properties))
    if len(found.get(b"clap", b"")) < 32 or len(found.get(b"ispe", b"")) < 12:
        return None
    whole = struct.unpack_from(">2I", found[b"ispe"], 4)
    numbers = struct.unpack_from(">8i", found[b"clap"])
    if min(numbers[1::2]) <= 0:
        return None
    width, height, across, down = (Fraction(*numbers[at : at + 2]) for at in (0, 2, 4, 6))
    left, top = across + (whole[0] - width) / 2, down + (whole[1] - height) / 2
    if any(value.denominator != 1 for value in (left, top, width, height)) or min(left, top, width - 1, height - 1) < 0:
        return None
    if left + width > whole[0] or top + height > whole[1]:
        return None
    return (int(left), int(top), int(width), int(height)) if (width, height) != whole else None


def _colour(boxes: list[bytes]) -> Cicp | None:
    """The colours of the first `nclx` box."""
    for data in boxes:
        if data[:4] == b"nclx" and len(data) >= 11:
            primaries, transfer = struct.unpack_from(">HH", data, 4)
            # The decoder has turned the samples into full range already.
            return meant(primaries, transfer)
    return None


def _first_extent(iloc: bytes, wanted: int) -> tuple[int, int] | None:
    """Offset and length of the first part of an item, where it lies in the file itself."""
    version = iloc[0]
    offset_size, length_size = iloc[4] >> 4, iloc[4] & 15
    base_size, index_size = iloc[5] >> 4, (iloc[5] & 15) if version else 0
    wide = version == 2
    at = 6

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > len(iloc):
            raise ValueError("cut off")
        return int.from_bytes(iloc[at - size : at], "big")

    for _ in range(min(number(4 if wide else 2), _MAX_ITEMS)):
        item = number(4 if wide else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_size)
        extents = []
        for _ in range(number(2)):
            number(index_size)
            extents.append((base + number(offset_size), number(length_size)))
        if item == wanted:
            return extents[0] if extents and method == 0 else None
    return None


def _associations(data: bytes) -> dict[int, list[int]]:
    """Indices of properties, from 1, by item."""
    wide_items, wide_indices = data[0] >= 1, bool(data[3] & 1)
    (count,) = struct.unpack_from(">I", data, 4)
    at = 8
    links: dict[int, list[int]] = {}
    for _ in range(min(count, _MAX_ITEMS)):
        number = int.from_bytes(data[at : at + (4 if wide_items else 2)], "big")
        at += 4 if wide_items else 2
        amount = data[at]
        at += 1
        width = 2 if wide_indices else 1
        mask = 0x7FFF if wide_indices else 0x7F
        values = [int.from_bytes(data[at + width * i : at + width * (i + 1)], "big") & mask for i in range(amount)]
        at += width * amount
        links.setdefault(number, []).extend(values)
    return links


def _colour_of_track(moov: bytes) -> bytes:
    """The `colr` box of the first picture track, of an image sequence."""
    path = (b"trak", b"mdia", b"minf", b"stbl", b"stsd")
    found = _descend(moov, path)
    for entries in found:
        for kind, data in _boxes(entries, 8):
            if kind in (b"av01", b"hvc1", b"hev1"):
                for inner, content in _boxes(data, 78):
                    if inner == b"colr" and content[:4] == b"nclx":
                        return content
    return b""


def _descend(data: bytes, path: tuple[bytes, ...]) -> list[bytes]:
    if not path:
        return [data]
    return [found for kind, content in _boxes(data, 0) if kind == path[0] for found in _descend(content, path[1:])]


def top_boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and from where to where the content lies, of the boxes of a file."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > size:
            return
        file.seek(at)
        head = file.read(16)
        length, kind = struct.unpack_from(">I4s", head)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, 8)
            start += 8
        elif length == 0:
            length = size - at
        if length < start - at or at + length > size:
            return
        yield kind, start, at + length
        at += length


def _boxes(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the boxes in a box."""
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
            start += 8
        elif length == 0:
            length = len(data) - at
        if length < start - at or at + length > len(data):
            raise ValueError("a box longer than what it lies in")
        yield kind, data[start : at + length]
        at += length


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    if end - start > _MAX_META:
        raise ValueError("too long a box")
    file.seek(start)
    return file.read(end - start)


def with_one_association(file: BinaryIO) -> BinaryIO:
    """The file, or a copy of it in memory where it has several `ipma` boxes of one kind.

    So old cavif wrote pictures with alpha. The standard allows one (ISO/IEC 14496-12:2022, 8.11.14.1), and libavif
    refuses others.
    """
    try:
        size = file.seek(0, 2)
        place = next(((start, end) for kind, start, end in top_boxes(file, size) if kind == b"meta"), None)
        if place is None:
            return file
        meta = _read(file, *place)
        parts = list(_boxes(meta, 4))
        properties = next((data for kind, data in parts if kind == b"iprp"), b"")
        tables = [data for kind, data in _boxes(properties, 0) if kind == b"ipma"]
        if len(tables) < 2 or len({table[:4] for table in tables}) > 1:
            return file
        joined = _joined_associations(tables)
    except (ValueError, struct.error, IndexError):
        return file
    others = [box(kind, data) for kind, data in _boxes(properties, 0) if kind != b"ipma"]
    repaired = box(b"iprp", *others, joined)
    rest = b"".join(repaired if kind == b"iprp" else box(kind, data) for kind, data in parts)
    missing = len(meta) - 4 - len(rest)
    if missing < 8:
        return file
    # The boxes joined take less room, which is filled up, as offsets count from the beginning of the file.
    file.seek(0)
    whole = file.read()
    return io.BytesIO(whole[: place[0]] + meta[:4] + rest + box(b"free", bytes(missing - 8)) + whole[place[1] :])


def _joined_associations(tables: list[bytes]) -> bytes:
    """One `ipma` box of several of the same version and flags."""
    wide_items, width = tables[0][0] >= 1, 2 if tables[0][3] & 1 else 1
    entries: dict[int, bytes] = {}
    for table in tables:
        at = 8
        for _ in range(min(struct.unpack_from(">I", table, 4)[0], _MAX_ITEMS)):
            number = int.from_bytes(table[at : at + (4 if wide_items else 2)], "big")
            at += 4 if wide_items else 2
            amount = table[at] * width
            entries[number] = entries.get(number, b"") + table[at + 1 : at + 1 + amount]
            at += 1 + amount
    content = b"".join(
        number.to_bytes(4 if wide_items else 2, "big") + bytes((len(indices) // width,)) + indices
        for number, indices in sorted(entries.items())
    )
    return box(b"ipma", tables[0][:4], struct.pack(">I", len(entries)), content)


def without_sequence(data: bytes) -> bytes:
    """An AVIF file without its tracks, so that it is the picture that stands beside them; any other file as it is.

    The brand of sequences goes with them, as a decoder that meets it looks for tracks.
    """
    file = io.BytesIO(data)
    boxes = list(top_boxes(file, len(data)))
    if not any(kind == b"moov" for kind, _start, _end in boxes):
        return data
    result = bytearray(data)
    for kind, start, end in boxes:
        if kind == b"moov":
            # Its head is of 8 or 16 bytes, and only what lies before the content of it is looked for.
            at = data.rindex(b"moov", max(0, start - 16), start)
            result[at : at + 4] = b"free"
        elif kind == b"ftyp":
            result[start:end] = data[start:end].replace(b"avis", b"avif")
    return bytes(result)


_MOST_PLAYS = 0xFFFF
_REPEATS, _FOR_EVER = 1, (0xFFFFFFFF, (1 << 64) - 1)


def plays_of_sequence(file: BinaryIO) -> int:
    """How often an image sequence is shown; 0 is for ever, and where nothing says it.

    Its edit list says how long it takes once, and that it repeats; its track, how long it takes altogether.
    """
    try:
        size = file.seek(0, 2)
        place = next((start, end) for kind, start, end in top_boxes(file, size) if kind == b"moov")
        track = _descend(_read(file, *place), (b"trak",))[0]
        (header,), edits = _descend(track, (b"tkhd",)), _descend(track, (b"edts", b"elst"))
        if not edits or struct.unpack_from(">I", edits[0], 4)[0] != 1:
            return 0
        once = struct.unpack_from(">Q" if edits[0][0] else ">I", edits[0], 8)[0]
        total = struct.unpack_from(*(">Q", header, 28) if header[0] else (">I", header, 20))[0]
        if not edits[0][3] & _REPEATS:
            return 1
        return 0 if total in _FOR_EVER or not once else min(max(1, -(-total // once)), _MOST_PLAYS)
    except (StopIteration, ValueError, struct.error, IndexError):
        return 0


def with_plays(avif: bytes, plays: int) -> bytes:
    """An image sequence as libavif writes it, which repeats for ever, shown so many times; 0 leaves it as it is."""
    place = next(((start, end) for kind, start, end in top_boxes(io.BytesIO(avif), len(avif)) if kind == b"moov"), None)
    if not plays or place is None:
        return avif
    result = bytearray(avif)

    def limit(start: int, end: int) -> None:
        at = start
        while at + 8 <= end:
            length, kind = struct.unpack_from(">I4s", avif, at)
            if kind == b"trak":
                limit(at + 8, at + length)
            elif kind in _TOTALS and avif[at + 8] == 1:
                struct.pack_into(">Q", result, at + 8 + _TOTALS[kind], plays * once)
            at += max(8, length)

    edits = _descend(avif[slice(*place)], (b"trak", b"edts", b"elst"))
    once = struct.unpack_from(">Q", edits[0], 8)[0] if edits and edits[0][0] == 1 else 0
    if once:
        limit(*place)
    return bytes(result)


_TOTALS = {b"mvhd": 24, b"tkhd": 28}
"""Where the whole duration stands in the boxes of a film and of a track, of version 1."""


def box(kind: bytes, *content: bytes) -> bytes:
    """One box."""
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def with_metadata(avif: bytes, exif: bytes | None, xmp: bytes | None, icc: bytes | None) -> bytes:
    """An AVIF picture of libavif with metadata, which imagecodecs has no way to hand over.

    Args:
        avif: a file whose items all lie in one `mdat` box at the end, by offsets of 4 bytes.
        exif: a TIFF structure (no prefix).
        xmp: a packet.
        icc: a profile, which then decides over the code points.
    """
    if not (exif or xmp or icc):
        return avif
    boxes = list(_boxes(avif, 0))
    kinds = [kind for kind, _ in boxes]
    meta = dict(_boxes(boxes[kinds.index(b"meta")][1], 4))
    primary = struct.unpack_from(">H", meta[b"pitm"], 4)[0]
    extents = _extents(meta[b"iloc"])
    number = max(extents) + 1
    infos, references, blobs = meta[b"iinf"][6:], meta.get(b"iref", bytes(4))[4:], b""
    mdat = boxes[kinds.index(b"mdat")][1]
    # Where the content of mdat begins now: all offsets move by as much as what lies before it grows.
    old_start = len(avif) - len(mdat)
    ends = len(avif)
    for kind, name, data in (
        (b"Exif", b"", exif and bytes(4) + exif),
        (b"mime", b"application/rdf+xml\0", xmp),
    ):
        if not data:
            continue
        infos += box(b"infe", b"\2\0\0\1", struct.pack(">HH", number, 0), kind, b"\0", name)
        references += box(b"cdsc", struct.pack(">HHH", number, 1, primary))
        extents[number] = [(ends + len(blobs), len(data))]
        blobs += data
        number += 1
    new_meta = {
        b"iinf": b"\0\0\0\0" + struct.pack(">H", len(extents)) + infos,
        b"iref": bytes(4) + references,
        b"iprp": _with_profile(meta[b"iprp"], primary, icc) if icc else meta[b"iprp"],
    }
    order = [b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp"]
    rest = [kind for kind in meta if kind not in order]

    def assembled(shift: int) -> bytes:
        located = {key: [(offset + shift, size) for offset, size in value] for key, value in extents.items()}
        content = meta | new_meta | {b"iloc": _located(located)}
        return box(b"meta", bytes(4), *(box(kind, content[kind]) for kind in (*order, *rest)))

    before = b"".join(box(kind, data) for kind, data in boxes[: kinds.index(b"meta")])
    start = len(before) + len(assembled(0)) + 8
    return before + assembled(start - old_start) + box(b"mdat", mdat, blobs)


def _extents(iloc: bytes) -> dict[int, list[tuple[int, int]]]:
    if iloc[0] != 0 or iloc[4] != 0x44 or iloc[5] != 0:
        raise ValueError("not as libavif writes it")
    (count,) = struct.unpack_from(">H", iloc, 6)
    at, extents = 8, {}
    for _ in range(count):
        number, _reference, amount = struct.unpack_from(">HHH", iloc, at)
        at += 6
        extents[number] = [struct.unpack_from(">II", iloc, at + 8 * index) for index in range(amount)]
        at += 8 * amount
    return extents


def _located(extents: dict[int, list[tuple[int, int]]]) -> bytes:
    content = b"\0\0\0\0\x44\0" + struct.pack(">H", len(extents))
    for number, places in extents.items():
        content += struct.pack(">HHH", number, 0, len(places))
        content += b"".join(struct.pack(">II", offset, size) for offset, size in places)
    return content


def _with_profile(iprp: bytes, primary: int, icc: bytes) -> bytes:
    parts = dict(_boxes(iprp, 0))
    index = len(list(_boxes(parts[b"ipco"], 0))) + 1
    properties = parts[b"ipco"] + box(b"colr", b"prof", icc)
    links = _associations(parts[b"ipma"])
    raw, at = parts[b"ipma"], 8
    content = raw[:8]
    for number in links:
        amount = raw[at + 2]
        indices = raw[at + 3 : at + 3 + amount]
        at += 3 + amount
        if number == primary:
            indices = bytes((index,)) + indices
        content += struct.pack(">HB", number, len(indices)) + indices
    return box(b"ipco", properties) + box(b"ipma", content)
