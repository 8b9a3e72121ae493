"""XMP: what no longer holds once a picture was turned and enlarged."""

from __future__ import annotations

import re

_XMP_NUMBERS = {
    "tiff:Orientation": None,
    "tiff:ImageWidth": 0,
    "tiff:ImageLength": 1,
    "exif:PixelXDimension": 0,
    "exif:PixelYDimension": 1,
}
_XMP_THUMBNAILS = ((b"<xmp:Thumbnails", b"</xmp:Thumbnails>"), (b"<xap:Thumbnails", b"</xap:Thumbnails>"))


def edited_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """The same packet for an upright picture of this size, without thumbnails."""
    for name, axis in _XMP_NUMBERS.items():
        value = b"1" if axis is None else str((width, height)[axis]).encode()
        tag = re.escape(name.encode())
        xmp = re.sub(rb"(\b" + tag + rb"\s*=\s*[\"'])\s*\d+\s*(?=[\"'])", rb"\g<1>" + value, xmp)
        xmp = re.sub(rb"(<" + tag + rb"\s*>)\s*\d+\s*(?=</)", rb"\g<1>" + value, xmp)
    for begin, end in _XMP_THUMBNAILS:
        xmp = _without(xmp, begin, end)
    return xmp


def _without(text: bytes, begin: bytes, end: bytes) -> bytes:
    """What lies outside of `begin` ... `end`; a regular expression could be made to search for hours."""
    kept, position = [], 0
    while (start := text.find(begin, position)) >= 0 and (stop := text.find(end, start)) >= 0:
        kept.append(text[position:start])
        position = stop + len(end)
    return b"".join(kept) + text[position:]
