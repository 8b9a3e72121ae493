"""What TGA files say of their pictures beside pixels, which Pillow does not read: Truevision's extension area (TGA file
format specification 2.0)."""

from __future__ import annotations

import enum
import os
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from core.images.metadata.text import COMMENT, Text, decoded
from core.images.picture import Metadata, shape_of_pixels

_FOOTER = struct.Struct("<II18s")
_SIGNATURE = b"TRUEVISION-XFILE.\0"
_SIZE = 495
_AREA = struct.Struct("<2x41s324s6H41s6x41s3x4x2H4x12xB")
_COMMENT_LINE = 81


class Alpha(enum.Enum):
    """What the fourth channel of a TGA file means."""

    UNTOLD = enum.auto()
    NOTHING = enum.auto()
    STRAIGHT = enum.auto()
    PREMULTIPLIED = enum.auto()


_ALPHA = {0: Alpha.NOTHING, 1: Alpha.NOTHING, 3: Alpha.STRAIGHT, 4: Alpha.PREMULTIPLIED}


@dataclass(frozen=True, slots=True)
class Extension:
    """The extension area of a TGA file, or what is known without one."""

    alpha: Alpha = Alpha.UNTOLD
    metadata: Metadata = field(default_factory=Metadata)


def extension_of(file: BinaryIO) -> Extension:
    """What the extension area says. Its gamma is passed over: most programs write 1.0 whatever they mean."""
    size = file.seek(0, os.SEEK_END)
    if size < _FOOTER.size:
        return Extension()
    file.seek(size - _FOOTER.size)
    place, _developers, signature = _FOOTER.unpack(file.read(_FOOTER.size))
    if signature != _SIGNATURE or not place:
        return Extension()
    file.seek(place)
    area = file.read(_SIZE)
    if len(area) < _SIZE or int.from_bytes(area[:2], "little") < _SIZE:
        return Extension()
    author, comment, month, day, year, hour, minute, second, job, software, wide, high, alpha = _AREA.unpack(area)
    lines = [_text(comment[at : at + _COMMENT_LINE]) for at in range(0, len(comment), _COMMENT_LINE)]
    date = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}" if month and day else ""
    said = {
        "Author": _text(author),
        COMMENT: "\n".join(lines).strip("\n"),
        "Creation Time": date,
        "Job": _text(job),
        "Software": _text(software),
    }
    texts = tuple(Text(keyword, text) for keyword, text in said.items() if text.strip())
    # How wide and high a pixel is, which is how many of them lie down and across.
    grid = shape_of_pixels(high, wide)
    return Extension(_ALPHA.get(alpha, Alpha.UNTOLD), Metadata(texts=texts, grid=grid))


def _text(field: bytes) -> str:
    return decoded(field.partition(b"\0")[0]).rstrip()
