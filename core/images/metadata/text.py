"""Texts with a keyword: PNG's text chunks, and comments of JPEG and GIF."""

from __future__ import annotations

import datetime
import email.utils
import struct
from collections.abc import Callable
from dataclasses import dataclass

from core.images.metadata.xmp import Property

COMMENT = "Comment"
"""PNG's keyword for what JPEG and GIF call a comment."""
MOST_TEXTS = 1000
"""How many of a file are kept."""

_PROPERTIES = {
    "title": ("dc", "title", "alt"),
    "author": ("dc", "creator", "seq"),
    "artist": ("dc", "creator", "seq"),
    "description": ("dc", "description", "alt"),
    "copyright": ("dc", "rights", "alt"),
    "source": ("dc", "source", "text"),
    "creation time": ("xmp", "CreateDate", "text"),
    "disclaimer": ("xmpRights", "UsageTerms", "alt"),
}
"""XMP's name of each keyword of the PNG specification that has one."""


@dataclass(frozen=True, slots=True)
class Text:
    """One remark."""

    keyword: str
    """1 to 79 characters of Latin-1, as PNG has it."""
    text: str
    language: str = ""
    """Tag of RFC 3066, empty where it is not known."""
    translated: str = ""
    """The keyword in that language."""


def decoded(data: bytes) -> str:
    """A text in UTF-8 where it can be that, whatever its place asks for, as many programs write it; else in Latin-1,
    which hardly ever is UTF-8 by accident."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def comment(data: bytes) -> Text | None:
    """A comment as JPEG and GIF hold it, in an encoding that nobody tells; None where there is nothing in it."""
    text = decoded(data.rstrip(b"\0"))
    return Text(COMMENT, text) if text.strip() else None


def as_properties(
    texts: tuple[Text, ...], is_taken: Callable[[Property], bool] = lambda _each: False
) -> tuple[list[Property], tuple[Text, ...]]:
    """What XMP has a name for, as XMP says it, and the rest; `is_taken` says of what something else stands there."""
    found: dict[tuple[str, str, str], str] = {}
    rest = []
    for text in texts:
        name = _PROPERTIES.get(text.keyword.lower())
        value = _date(text.text) if text.keyword.lower() == "creation time" else text.text
        if name is None or not value or name in found or is_taken(Property(*name, (value,))):
            rest.append(text)
        else:
            found[name] = value
    return [Property(*name, (value,)) for name, value in found.items()], tuple(rest)


def as_one(texts: tuple[Text, ...]) -> str:
    """All texts as one that a person can read, for formats with room for one.

    What programs that make pictures from words write (`parameters`) stays as it is, as they look for it there.
    """
    if len(texts) == 1 and texts[0].keyword in (COMMENT, "parameters"):
        return texts[0].text
    return "\n".join(text.text if text.keyword == COMMENT else f"{text.keyword}: {text.text}" for text in texts)


def date_of_png(time: bytes) -> str:
    """PNG's tIME chunk (year, month, day, hour, minute, second, in UTC) as XMP writes a date."""
    year, month, day, hour, minute, second = struct.unpack(">H5B", time)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"


def _date(text: str) -> str | None:
    """A date as XMP writes it (ISO 8601); None where it is none."""
    text = text.strip()
    try:
        return datetime.datetime.fromisoformat(text).isoformat()
    except ValueError:
        pass
    try:
        return email.utils.parsedate_to_datetime(text).isoformat()
    except (ValueError, TypeError, IndexError):
        return None
