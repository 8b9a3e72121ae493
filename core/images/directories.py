"""Directories of tags: the structure that TIFF files and EXIF blocks share (TIFF 6.0, section 2, and BigTIFF).

Read and written here by hand, because EXIF must be changed in a few places and otherwise kept byte for byte: vendors'
maker notes hold offsets that a rewritten block would break.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8, IFD8 = 1, 2, 3, 4, 5, 7, 16, 18

_KIND_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WORD_SIZES = _KIND_SIZES | {RATIONAL: 4, 10: 4}
_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
_MAX_VALUE_BYTES = 1 << 26
"""The most that all values together may take: thousands of tags may point at the same megabytes."""


class BadDirectoryError(ValueError):
    """The structure points outside of itself, or is none."""


@dataclass(frozen=True, slots=True)
class TagEntry:
    """One tag of a directory: where its value lies."""

    kind: int
    """Field type of TIFF 6.0."""
    count: int
    position: int
    """Where the value begins, in bytes from the start of the structure."""
    place: int
    """Where the entry itself begins, likewise."""

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return _KIND_SIZES.get(self.kind, 0) * self.count


@dataclass(frozen=True, slots=True)
class Directory:
    """The tags of one picture, or of one group of tags."""

    entries: dict[int, TagEntry]
    next: int
    """Offset of the next directory; 0 after the last."""
    next_position: int
    """Where that offset is written."""
    place: int
    """Where the directory begins, with the number of its entries."""
    count: int
    """How many entries it has, broken and doubled ones among them."""


class TagReader:
    """Reads directories out of a TIFF file or an EXIF block.

    Raises:
        BadDirectoryError: from every method, where the structure is broken.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MAX_VALUE_BYTES
        self.size = file.seek(0, os.SEEK_END)
        magic = self._read(0, 4)
        if magic[:2] not in (b"II", b"MM"):
            raise BadDirectoryError("no byte order")
        self.order = "<" if magic[:2] == b"II" else ">"
        version = self._number("H", 2)
        if version not in (42, 43):
            raise BadDirectoryError("no TIFF structure")
        self.big = version == 43
        self.first = self._number("Q", 8) if self.big else self._number("I", 4)

    def directory(self, offset: int) -> Directory:
        """The directory at `offset`."""
        count = self._number("Q" if self.big else "H", offset)
        start = offset + (8 if self.big else 2)
        width = 20 if self.big else 12
        if count > 4096:
            raise BadDirectoryError(f"{count} tags")
        table = self._read(start, count * width)
        entries: dict[int, TagEntry] = {}
        for index in range(count):
            place = start + index * width
            code, kind, items, value = struct.unpack_from(
                self.order + ("HHQQ" if self.big else "HHII"), table, index * width
            )
            inline = _KIND_SIZES.get(kind, 0) * items <= (8 if self.big else 4)
            position = place + (12 if self.big else 8) if inline else value
            entry = TagEntry(kind, items, position, place)
            # Where a tag stands twice, the first sound one counts.
            if code not in entries or (self.is_sound(entry) and not self.is_sound(entries[code])):
                entries[code] = entry
        end = start + count * width
        # Some writers leave the last pointer out.
        try:
            following = self._number("Q" if self.big else "I", end)
        except BadDirectoryError:
            following = 0
        return Directory(entries, following, end, offset, count)

    def is_sound(self, entry: TagEntry) -> bool:
        """Whether an entry is of a type that is known, and has a value that lies in the structure."""
        return entry.kind in _KIND_SIZES and entry.count > 0 and entry.position + entry.size <= self.size

    def raw(self, entry: TagEntry) -> bytes:
        """The value as it is stored."""
        if entry.kind not in _KIND_SIZES or entry.size > self._left:
            raise BadDirectoryError(f"value of kind {entry.kind} and {entry.count} items")
        self._left -= entry.size
        return self._read(entry.position, entry.size)

    def little_endian(self, entry: TagEntry) -> bytes:
        """The value as a little-endian file would store it."""
        data = self.raw(entry)
        word = _WORD_SIZES[entry.kind]
        return data if self.order == "<" or word == 1 else np.frombuffer(data, f">u{word}").byteswap().tobytes()

    def integers(self, entry: TagEntry) -> np.ndarray:
        """The value as unsigned integers."""
        if entry.kind not in _INTEGERS:
            raise BadDirectoryError(f"integers of kind {entry.kind}")
        return np.frombuffer(self.raw(entry), self.order + _INTEGERS[entry.kind]).astype(np.uint64)

    def integer(self, directory: Directory, code: int, default: int) -> int:
        """The first integer of a tag, or `default` where the tag is not there."""
        entry = directory.entries.get(code)
        if entry is None:
            return default
        values = self.integers(entry)
        return int(values[0]) if values.size else default

    def rational(self, entry: TagEntry) -> float | None:
        """The first rational of a value; None where it is none or divides by 0."""
        if entry.kind != RATIONAL or entry.count < 1:
            return None
        above, below = struct.unpack_from(self.order + "II", self.raw(entry))
        return above / below if below else None

    def _number(self, code: str, position: int) -> int:
        return int(struct.unpack(self.order + code, self._read(position, struct.calcsize(code)))[0])

    def _read(self, position: int, size: int) -> bytes:
        if position + size > self.size:
            raise BadDirectoryError("points outside")
        self._file.seek(position)
        return self._file.read(size)


@dataclass(frozen=True, slots=True)
class TagValue:
    """The value of a tag, little-endian."""

    kind: int
    count: int
    data: bytes


Tree = dict[int, "TagValue | Tree"]
"""Tags by code; a tree among them is a directory of its own that the tag points to."""

POINTERS = frozenset({34665, 34853, 40965})
"""Exif, GPS and Interoperability: tags that point to a directory."""

MAX_DEPTH = 3
"""How deep directories may point to directories; EXIF goes no deeper."""


def read_tree(reader: TagReader, directory: Directory, depth: int = 1) -> Tree:
    """A directory with all that it points to; tags whose values are broken are left out."""
    tree: Tree = {}
    for code, entry in directory.entries.items():
        try:
            if code not in POINTERS:
                tree[code] = TagValue(entry.kind, entry.count, reader.little_endian(entry))
            elif depth < MAX_DEPTH:
                offset = reader.integer(directory, code, 0)
                tree[code] = read_tree(reader, reader.directory(offset), depth + 1)
        except BadDirectoryError:
            continue
    return tree


def serialised(tree: Tree, base: int, big: bool = False) -> bytes:
    """Little-endian bytes to be put at offset `base`, which is even, with the directory first."""
    head, item, end = ("<Q", "<HHQ", 8) if big else ("<H", "<HHI", 4)
    inline = 8 if big else 4
    width = 20 if big else 12
    table = bytearray(struct.pack(head, len(tree)))
    rest = bytearray()
    rest_base = base + len(table) + width * len(tree) + end
    rest_base += rest_base % 2
    for code in sorted(tree):
        value = tree[code]
        if isinstance(value, dict):
            kind = IFD8 if big else LONG
            offset = rest_base + len(rest)
            rest += serialised(value, offset, big)
            value = TagValue(kind, 1, struct.pack("<Q" if big else "<I", offset))
        data = value.data
        if len(data) > inline:
            offset = rest_base + len(rest)
            rest += data
            data = struct.pack("<Q" if big else "<I", offset)
        rest += b"\0" * (len(rest) % 2)
        table += struct.pack(item, code, value.kind, value.count) + data.ljust(inline, b"\0")
    table += b"\0" * end
    return bytes(table.ljust(rest_base - base, b"\0") + rest)
