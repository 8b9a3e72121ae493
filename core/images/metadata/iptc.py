"""IPTC-IIM: captions, keywords and rights as press agencies write them, in Photoshop's image resources (APP13)."""

from __future__ import annotations

import re
import struct
from collections import defaultdict

from core.images.metadata.parts import LeftOut
from core.images.metadata.xmp import Property

_SIGNATURE = b"8BIM"
IPTC, _COPYRIGHTED, _ADDRESS = 0x0404, 0x040A, 0x040B
_PATHS = range(2000, 2999)
"""Clipping paths, whose coordinates are parts of the picture's sides."""
_UTF8 = b"\x1b%G"

_PROPERTIES = {
    4: ("Iptc4xmpCore", "IntellectualGenre", "text"),
    5: ("dc", "title", "alt"),
    10: ("photoshop", "Urgency", "text"),
    15: ("photoshop", "Category", "text"),
    12: ("Iptc4xmpCore", "SubjectCode", "bag"),
    20: ("photoshop", "SupplementalCategories", "bag"),
    25: ("dc", "subject", "bag"),
    40: ("photoshop", "Instructions", "text"),
    55: ("photoshop", "DateCreated", "text"),
    62: ("xmp", "CreateDate", "text"),
    80: ("dc", "creator", "seq"),
    85: ("photoshop", "AuthorsPosition", "text"),
    90: ("photoshop", "City", "text"),
    92: ("Iptc4xmpCore", "Location", "text"),
    95: ("photoshop", "State", "text"),
    100: ("Iptc4xmpCore", "CountryCode", "text"),
    101: ("photoshop", "Country", "text"),
    103: ("photoshop", "TransmissionReference", "text"),
    105: ("photoshop", "Headline", "text"),
    110: ("photoshop", "Credit", "text"),
    115: ("photoshop", "Source", "text"),
    116: ("dc", "rights", "alt"),
    120: ("dc", "description", "alt"),
    122: ("photoshop", "CaptionWriter", "text"),
}
"""XMP's name of each data set of record 2 (IPTC Photo Metadata Standard, mapping to IIM)."""
_VERSION, _GENRE, _SUBJECT = 0, 4, 12
_TIMES = {55: 60, 62: 63}
"""The data set that says the time of each date."""


def resources(data: bytes) -> dict[int, bytes]:
    """The image resources of a Photoshop block by number; what comes behind a broken one is left out."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 12 <= len(data) and data[at : at + 4] == _SIGNATURE:
        number, name = struct.unpack_from(">HB", data, at + 4)
        start = at + 7 + name + (name + 1) % 2
        if start + 4 > len(data):
            break
        (size,) = struct.unpack_from(">I", data, start)
        if start + 4 + size > len(data):
            break
        found.setdefault(number, data[start + 4 : start + 4 + size])
        at = start + 4 + size + size % 2
    return found


def worth_keeping(data: bytes, is_turned: bool) -> bytes | None:
    """The resources that hold for an enlarged picture: IPTC, rights, and clipping paths unless it was turned."""
    kept = {
        number: content
        for number, content in resources(data).items()
        if content and (number in (IPTC, _COPYRIGHTED, _ADDRESS) or (number in _PATHS and not is_turned))
    }
    return b"".join(_resource(number, content) for number, content in kept.items()) or None


def of_iim(iim: bytes) -> bytes:
    """Image resources that hold these IPTC records and nothing else."""
    return _resource(IPTC, iim)


def _resource(number: int, content: bytes) -> bytes:
    return _SIGNATURE + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)


def as_properties(data: bytes) -> list[Property]:
    """What image resources say, as XMP says it."""
    values: dict[int, list[str]] = defaultdict(list)
    found = resources(data)
    records = _records(found.get(IPTC, b""))
    is_utf8 = any(record == 1 and number == 90 and content == _UTF8 for record, number, content in records)
    for record, number, content in records:
        if record == 2 and number in _PROPERTIES:
            values[number].append(_text(content, is_utf8))
    made = []
    for number, texts in values.items():
        prefix, name, kind = _PROPERTIES[number]
        if number in _TIMES:
            times = [content for record, other, content in records if (record, other) == (2, _TIMES[number])]
            texts = [_date(texts[0], _text(times[0], is_utf8) if times else "")]
        elif number == _GENRE:
            # A number stands before the words, or the other way about before the code.
            texts = [text.partition(":")[2] or text for text in texts]
        elif number == _SUBJECT:
            texts = [":".join(text.split(":")[1:2]) or text for text in texts]
        made.append(Property(prefix, name, kind, tuple(text for text in texts if text)))
    if _COPYRIGHTED in found:
        made.append(Property("xmpRights", "Marked", "text", (str(any(found[_COPYRIGHTED])),)))
    if _ADDRESS in found:
        made.append(Property("xmpRights", "WebStatement", "text", (_text(found[_ADDRESS], is_utf8=False),)))
    return [each for each in made if each.values and each.values != ("",)]


def without_name(data: bytes) -> tuple[LeftOut, ...]:
    """What image resources say and XMP cannot: clipping paths, and IPTC fields that it has no property for."""
    found = resources(data)
    fields = {number for record, number, content in _records(found.get(IPTC, b"")) if record == 2 and content}
    fields -= {_VERSION, *_PROPERTIES, *_TIMES.values()}
    return (LeftOut.PATHS,) * any(number in _PATHS for number in found) + (LeftOut.IPTC,) * bool(fields)


def _date(date: str, time: str) -> str:
    """IPTC's `20240506` and `070809+0200` as XMP writes them; what is neither stays as it is."""
    if not re.fullmatch(r"\d{8}", date):
        return date
    date = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    if not re.fullmatch(r"\d{6}(?:[+-]\d{4})?", time):
        return date
    zone = f"{time[6:9]}:{time[9:]}" if len(time) > 6 else ""
    return f"{date}T{time[:2]}:{time[2:4]}:{time[4:6]}{zone}"


def _records(iim: bytes) -> list[tuple[int, int, bytes]]:
    found, at = [], 0
    while at + 5 <= len(iim) and iim[at] == 0x1C:
        record, number, size = struct.unpack_from(">BBH", iim, at + 1)
        at += 5
        if size & 0x8000:
            # An extended data set: this many bytes say its length.
            width = size & 0x7FFF
            if width > 4 or at + width > len(iim):
                break
            size = int.from_bytes(iim[at : at + width], "big")
            at += width
        if at + size > len(iim):
            break
        found.append((record, number, iim[at : at + size]))
        at += size
    return found


def _text(content: bytes, is_utf8: bool) -> str:
    # Many programs write UTF-8 and do not say so; Latin-1 is hardly ever valid UTF-8 by accident.
    try:
        return content.decode("utf-8").strip("\0 ")
    except UnicodeDecodeError:
        return content.decode("utf-8" if is_utf8 else "latin-1", "replace").strip("\0 ")
