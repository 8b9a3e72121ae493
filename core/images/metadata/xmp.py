"""XMP: what no longer holds once a picture was turned and enlarged, and what is added to say what it is.

A packet is edited as text, so that all that is not meant stays byte for byte as its program wrote it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import unescape

from core.images.samples import turns_sides

NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "GPano": "http://ns.google.com/photos/1.0/panorama/",
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "GDepth": "http://ns.google.com/photos/1.0/depthmap/",
    "GImage": "http://ns.google.com/photos/1.0/image/",
    "GAudio": "http://ns.google.com/photos/1.0/audio/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "HDRGainMap": "http://ns.apple.com/HDRGainMap/1.0/",
    "apdi": "http://ns.apple.com/pixeldatainfo/1.0/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
}
"""URI of each namespace that is looked at or written, by its usual prefix."""

_THUMBNAILS = ((b"<xmp:Thumbnails", b"</xmp:Thumbnails>"), (b"<xap:Thumbnails", b"</xap:Thumbnails>"))


@dataclass(frozen=True, slots=True)
class Property:
    """Something that XMP can say."""

    prefix: str
    """A key of `NAMESPACES`."""
    name: str
    kind: str
    """`text`, `alt` (in a default language), `seq` or `bag`."""
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a picture came from the one that its metadata speaks of."""

    size: tuple[int, int]
    """Width and height now, upright, in pixels."""
    before: tuple[int, int]
    """Width and height that the figures count, before any turn."""
    orientation: int = 1
    """The EXIF orientation that was applied."""

    @property
    def is_turned(self) -> bool:
        """Whether width became height."""
        return turns_sides(self.orientation)

    @property
    def factors(self) -> tuple[float, float]:
        """How many pixels one pixel across, and one down, of the picture before has become along the same side."""
        width, height = self.size[::-1] if self.is_turned else self.size
        return width / self.before[0], height / self.before[1]

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the picture before, as parts of its sides, lies now."""
        return _TURNS[self.orientation](x, y)

    def point_before(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the picture now, as parts of its sides, lay before."""
        return _TURNS_BACK[self.orientation](x, y)


_TURNS: dict[int, Callable[[float, float], tuple[float, float]]] = {
    1: lambda x, y: (x, y),
    2: lambda x, y: (1 - x, y),
    3: lambda x, y: (1 - x, 1 - y),
    4: lambda x, y: (x, 1 - y),
    5: lambda x, y: (y, x),
    6: lambda x, y: (1 - y, x),
    7: lambda x, y: (1 - y, 1 - x),
    8: lambda x, y: (y, 1 - x),
}
_TURNS_BACK = _TURNS | {6: _TURNS[8], 8: _TURNS[6]}


def edited_xmp(xmp: bytes, geometry: Geometry) -> bytes:
    """The same packet for an upright picture of another size, without thumbnails."""
    width, height = geometry.size
    for name, value in (
        ("Orientation", 1),
        ("ImageWidth", width),
        ("ImageLength", height),
    ):
        xmp = _with_number(xmp, "tiff", name, value)
    for name, value in (("PixelXDimension", width), ("PixelYDimension", height)):
        xmp = _with_number(xmp, "exif", name, value)
    for begin, end in _THUMBNAILS:
        xmp = _without(xmp, begin, end)
    return _with_panorama(_with_regions(_with_lens_figures(xmp, geometry), geometry), geometry)


_PANORAMA = {
    "FullPanoWidthPixels": 0,
    "FullPanoHeightPixels": 1,
    "CroppedAreaImageWidthPixels": 0,
    "CroppedAreaImageHeightPixels": 1,
    "CroppedAreaLeftPixels": 0,
    "CroppedAreaTopPixels": 1,
    "LargestValidInteriorRectLeft": 0,
    "LargestValidInteriorRectTop": 1,
    "LargestValidInteriorRectWidth": 0,
    "LargestValidInteriorRectHeight": 1,
}
"""Google's Photo Sphere figures that count pixels, with the side that they count along."""


def _with_panorama(xmp: bytes, geometry: Geometry) -> bytes:
    # A photo sphere stands upright whatever EXIF says, so its figures count along the upright picture's sides; unless
    # they are those of the picture as it is stored.
    if geometry.is_turned and geometry.before[0] != geometry.before[1]:
        sides = (first_number(xmp, "GPano", f"CroppedAreaImage{side}Pixels") for side in ("Width", "Height"))
        if tuple(sides) == geometry.before:
            xmp = _turned_panorama(xmp, geometry.orientation)
    before = geometry.before[::-1] if geometry.is_turned else geometry.before
    factors = [now / then for now, then in zip(geometry.size, before, strict=True)]
    for name, side in _PANORAMA.items():
        xmp = _with_multiple(xmp, "GPano", name, factors[side])
    return xmp


def _turned_panorama(xmp: bytes, orientation: int) -> bytes:
    """The area of a panorama, and the rectangle in it, by a quarter turn: EXIF's orientation 5 to 8."""
    areas = (
        ("CroppedAreaLeftPixels", "CroppedAreaTopPixels", "CroppedAreaImage{}Pixels", "FullPano{}Pixels"),
        (
            "LargestValidInteriorRectLeft",
            "LargestValidInteriorRectTop",
            "LargestValidInteriorRect{}",
            "CroppedAreaImage{}Pixels",
        ),
    )
    for left_name, top_name, own, frame in areas:
        names = (left_name, top_name, *(name.format(side) for name in (own, frame) for side in ("Width", "Height")))
        numbers = [first_number(xmp, "GPano", name) for name in names]
        if any(number is None for number in numbers):
            continue
        left, top, width, height, across, down = (round(number or 0) for number in numbers)
        from_right, from_bottom = across - left - width, down - top - height
        xmp = _with_number(xmp, "GPano", left_name, from_bottom if orientation in (6, 7) else top)
        xmp = _with_number(xmp, "GPano", top_name, from_right if orientation in (7, 8) else left)
    for name in ("CroppedAreaImage{}Pixels", "FullPano{}Pixels", "LargestValidInteriorRect{}"):
        xmp = _swapped(xmp, "GPano", name.format("Width"), name.format("Height"))
    return xmp


def _with_lens_figures(xmp: bytes, geometry: Geometry) -> bytes:
    across, down = geometry.factors
    names = ("FocalPlaneYResolution", "FocalPlaneXResolution") if geometry.is_turned else (
        "FocalPlaneXResolution", "FocalPlaneYResolution")  # fmt: skip
    for name, factor in zip(("FocalPlaneXResolution", "FocalPlaneYResolution"), (across, down), strict=True):
        xmp = _with_fractions(xmp, "exif", name, factor)
    if geometry.is_turned:
        xmp = _swapped(xmp, "exif", *names)
    for name in ("SubjectArea", "SubjectLocation"):
        xmp = _with_list(xmp, "exif", name, geometry)
    return xmp


def _with_regions(xmp: bytes, geometry: Geometry) -> bytes:
    """Regions of faces and the like (Metadata Working Group 2.0, section 5.9; Microsoft's people tags).

    Their centres and sizes are parts of the picture as it is stored, before orientation is applied.
    """
    if b"AppliedToDimensions" in xmp:
        xmp = _with_dimensions(xmp, geometry)
        for prefix in _prefixes(xmp, "stArea"):
            xmp = _with_areas(xmp, prefix, geometry)
    for prefix in _prefixes_of(xmp, "Iptc4xmpExt", "RegionBoundary"):
        xmp = _with_boundaries(xmp, prefix, geometry)
    if geometry.orientation != 1:
        for prefix in _prefixes(xmp, "MPReg"):
            xmp = _with_rectangles(xmp, prefix, geometry)
    return xmp


_NUMBER = rb"[-+]?\d{1,12}(?:\.\d{0,12})?"


def _with_dimensions(xmp: bytes, geometry: Geometry) -> bytes:
    factors = geometry.factors[::-1] if geometry.is_turned else geometry.factors
    old = {"w": first_number(xmp, "stDim", "w"), "h": first_number(xmp, "stDim", "h")}
    if geometry.is_turned and old["w"] is not None and old["h"] is not None:
        old = {"w": old["h"], "h": old["w"]}
    for name, factor in zip(("w", "h"), factors, strict=True):
        value = old[name]
        if value is not None:
            xmp = _with_number(xmp, "stDim", name, round(value * factor))
    return xmp


def _with_areas(xmp: bytes, prefix: bytes, geometry: Geometry) -> bytes:
    """Each element or set of attributes that holds x, y, w and h of one area."""
    if prefix + b":x" not in xmp or (geometry.orientation == 1 and b"pixel" not in xmp):
        return xmp
    places: dict[bytes, list[re.Match[bytes]]] = {}
    for name in (b"x", b"y", b"w", b"h", b"d", b"unit"):
        pattern = rb"(?:\b%b:%b\s*=\s*[\"']|<%b:%b\s*>)\s*([^\"'<>]{1,30}?)\s*(?=[\"']|</)" % (
            re.escape(prefix), name, re.escape(prefix), name)  # fmt: skip
        places[name] = list(re.finditer(pattern, xmp))
    changes: list[tuple[int, int, bytes]] = []
    for x, y in zip(places[b"x"], places[b"y"], strict=False):
        near = range(min(x.start(), y.start()) - 200, max(x.end(), y.end()) + 200)
        w, h, unit = (
            min((m for m in places[name] if m.start() in near), key=lambda m: abs(m.start() - x.start()), default=None)
            for name in (b"w", b"h", b"unit")
        )
        is_pixels = unit is not None and unit[1] == b"pixel"
        scale = geometry.before if is_pixels else (1, 1)
        now = geometry.size if is_pixels else (1, 1)
        try:
            across, down = geometry.point(float(x[1]) / scale[0], float(y[1]) / scale[1])
            changes += [_change(x, across * now[0], is_pixels), _change(y, down * now[1], is_pixels)]
            if w is not None and h is not None:
                wide, high = float(w[1]) / scale[0], float(h[1]) / scale[1]
                if geometry.is_turned:
                    wide, high = high, wide
                changes += [_change(w, wide * now[0], is_pixels), _change(h, high * now[1], is_pixels)]
        except ValueError:
            continue
    return _replaced(xmp, changes)


def _change(match: re.Match[bytes], value: float, is_pixels: bool) -> tuple[int, int, bytes]:
    text = str(round(value)) if is_pixels else f"{value:.9g}"
    return match.start(1), match.end(1), text.encode()


def _with_rectangles(xmp: bytes, prefix: bytes, geometry: Geometry) -> bytes:
    """Microsoft's `left, top, width, height`, as parts of the sides."""

    def turned(match: re.Match[bytes]) -> bytes:
        try:
            left, top, wide, high = (float(part) for part in match[2].split(b","))
        except ValueError:
            return match[0]
        one, other = geometry.point(left, top), geometry.point(left + wide, top + high)
        values = (min(one[0], other[0]), min(one[1], other[1]), abs(one[0] - other[0]), abs(one[1] - other[1]))
        return match[1] + ", ".join(f"{value:.9g}" for value in values).encode()

    name = re.escape(prefix) + rb":Rectangle"
    return re.sub(rb"(\b%b\s*=\s*[\"']|<%b\s*>)([\d.,eE+\-\s]{7,120})(?=[\"']|</)" % (name, name), turned, xmp)


def _with_boundaries(xmp: bytes, prefix: bytes, geometry: Geometry) -> bytes:
    """IPTC's image regions (Photo Metadata Standard 2019.1): rectangles by their corner, circles, polygons."""
    tag, parts, at = prefix + b":RegionBoundary", [], 0
    while (start := _element_start(xmp, tag, at)) >= 0:
        close = xmp.find(b">", start)
        end = close if xmp[close - 1 : close] == b"/" else xmp.find(b"</" + tag, close)
        if min(close, end) < 0:
            break
        parts += [xmp[at:start], _with_boundary(xmp[start : end + 1], prefix, geometry)]
        at = end + 1
    return b"".join(parts) + xmp[at:]


def _with_boundary(boundary: bytes, prefix: bytes, geometry: Geometry) -> bytes:
    def found(name: bytes) -> list[re.Match[bytes]]:
        tag = re.escape(prefix) + b":" + name
        value = rb"(?:\b%b\s*=\s*[\"']|<%b\s*>)\s*([^\"'<>]{1,30}?)\s*(?=[\"']|</)" % (tag, tag)
        return list(re.finditer(value, boundary))

    is_pixels = any(match[1] == b"pixel" for match in found(b"rbUnit"))
    if geometry.orientation == 1 and not is_pixels:
        return boundary
    before, now = (geometry.before, geometry.size) if is_pixels else ((1, 1), (1, 1))
    w, h, radius = found(b"rbW"), found(b"rbH"), found(b"rbRx")
    changes = []
    try:
        for x, y in zip(found(b"rbX"), found(b"rbY"), strict=True):
            left, top = float(x[1]) / before[0], float(y[1]) / before[1]
            wide, high = (
                float(side[0][1]) / whole if side else 0.0 for side, whole in zip((w, h), before, strict=True)
            )
            one, other = geometry.point(left, top), geometry.point(left + wide, top + high)
            changes += [_change(x, min(one[0], other[0]) * now[0], is_pixels)]
            changes += [_change(y, min(one[1], other[1]) * now[1], is_pixels)]
            for side, axis in ((w, 0), (h, 1)):
                changes += [_change(match, abs(one[axis] - other[axis]) * now[axis], is_pixels) for match in side]
        for match in radius:
            # Counted along the width.
            pixels = float(match[1]) * (1 if is_pixels else geometry.before[0]) * geometry.factors[0]
            changes.append(_change(match, pixels / (1 if is_pixels else geometry.size[0]), is_pixels))
    except ValueError:
        return boundary
    return _replaced(boundary, changes)


def _with_list(xmp: bytes, prefix: str, name: str, geometry: Geometry) -> bytes:
    """A sequence of x, y and sizes in pixels."""
    for known in _prefixes(xmp, prefix):
        start = xmp.find(b"<" + known + b":" + name.encode())
        end = xmp.find(b"</" + known + b":" + name.encode(), start)
        if start < 0 or end < 0 or end - start > 2000:
            continue
        items = list(re.finditer(rb"(?<=>)\s*(\d{1,9})\s*(?=</)", xmp[start:end]))
        new = turned_figures([int(item[1]) for item in items], geometry)
        if new is None:
            continue
        changes = [
            (start + item.start(1), start + item.end(1), str(value).encode())
            for item, value in zip(items, new, strict=True)
        ]
        xmp = _replaced(xmp, changes)
    return xmp


def turned_figures(values: list[int], geometry: Geometry) -> list[int] | None:
    """EXIF's SubjectArea or SubjectLocation (x, y; with a diameter; or with width and height) in today's pixels.

    None where it is no such list (CIPA DC-008, SubjectArea).
    """
    if not 2 <= len(values) <= 4:
        return None
    x, y = geometry.point(values[0] / geometry.before[0], values[1] / geometry.before[1])
    place = [round(x * geometry.size[0]), round(y * geometry.size[1])]
    across, down = geometry.factors
    if len(values) == 3:
        return [*place, round(values[2] * (across + down) / 2)]
    size = [round(value * factor) for value, factor in zip(values[2:], (across, down), strict=False)]
    return place + (size[::-1] if geometry.is_turned else size)


def _with_number(xmp: bytes, prefix: str, name: str, value: int) -> bytes:
    """With a property's number replaced."""
    return _with_numbers(xmp, prefix, name, lambda _old: str(value))


def _with_multiple(xmp: bytes, prefix: str, name: str, factor: float) -> bytes:
    """With a property's number multiplied, to a whole one."""
    return _with_numbers(xmp, prefix, name, lambda old: str(round(old * factor)))


def _with_numbers(xmp: bytes, prefix: str, name: str, new: Callable[[float], str]) -> bytes:
    """With the numbers of a property, as attribute or element, replaced by what `new` makes of them."""

    def replaced(match: re.Match[bytes]) -> bytes:
        return match[1] + new(float(match[2])).encode()

    for known in _prefixes_of(xmp, prefix, name):
        tag = re.escape(known) + b":" + name.encode()
        xmp = re.sub(rb"(\b%b\s*=\s*[\"'])\s*(%b)\s*(?=[\"'])" % (tag, _NUMBER), replaced, xmp)
        xmp = re.sub(rb"(<%b\s*>)\s*(%b)\s*(?=</)" % (tag, _NUMBER), replaced, xmp)
    return xmp


def _with_fractions(xmp: bytes, prefix: str, name: str, factor: float) -> bytes:
    """With a rational property multiplied; EXIF in XMP writes them as `80/1`."""

    def multiplied(match: re.Match[bytes]) -> bytes:
        above, _, below = match[2].partition(b"/")
        if not below:
            return match[1] + f"{float(above) * factor:.9g}".encode()
        return match[1] + f"{round(int(above) * factor * 1000)}/{int(below) * 1000}".encode()

    for known in _prefixes_of(xmp, prefix, name):
        tag = re.escape(known) + b":" + name.encode()
        value = rb"\d{1,12}/\d{1,12}|" + _NUMBER
        xmp = re.sub(rb"(\b%b\s*=\s*[\"'])\s*(%b)\s*(?=[\"'])" % (tag, value), multiplied, xmp)
        xmp = re.sub(rb"(<%b\s*>)\s*(%b)\s*(?=</)" % (tag, value), multiplied, xmp)
    return xmp


def _swapped(xmp: bytes, prefix: str, one: str, other: str) -> bytes:
    """With the names of two properties exchanged."""
    for known in {*_prefixes_of(xmp, prefix, one), *_prefixes_of(xmp, prefix, other)}:
        pattern = re.compile(rb"\b(%b:)(%b|%b)\b" % (re.escape(known), one.encode(), other.encode()))
        names = {one.encode(): other.encode(), other.encode(): one.encode()}
        parts = pattern.split(xmp)
        # Text, prefix and name in turns.
        parts[2::3] = [names[name] for name in parts[2::3]]
        xmp = b"".join(parts)
    return xmp


def first_number(xmp: bytes, prefix: str, name: str) -> float | None:
    """The value of the first property of this name, whatever the packet calls its namespace; None without one.

    Args:
        xmp: the packet.
        prefix: the usual one of the namespace: `GPano`, `stArea`.
        name: of the property within it.
    """
    for known in _prefixes_of(xmp, prefix, name):
        tag = re.escape(known) + b":" + name.encode()
        match = re.search(rb"(?:\b%b\s*=\s*[\"']|<%b\s*>)\s*(%b)\s*(?=[\"']|</)" % (tag, tag, _NUMBER), xmp)
        if match:
            return float(match[1])
    return None


def _replaced(xmp: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    parts, at = [], 0
    for start, end, text in sorted(changes):
        if start >= at:
            parts += [xmp[at:start], text]
            at = end
    return b"".join(parts) + xmp[at:]


def _prefixes_of(xmp: bytes, prefix: str, name: str) -> list[bytes]:
    """The prefixes under which a packet has a property, at a glance: most packets have none of those looked for."""
    if name.encode() not in xmp:
        return []
    return [known for known in _prefixes(xmp, prefix) if known + b":" + name.encode() in xmp]


def _prefixes(xmp: bytes, prefix: str) -> list[bytes]:
    """The prefixes that a packet binds to a namespace."""
    uri = NAMESPACES[prefix].encode()
    if uri not in xmp:
        # Some packets that came through other programs have lost the declaration, and readers go by the name.
        return [prefix.encode()] if prefix.encode() + b":" in xmp else []
    found, at = [], -1
    while (at := xmp.find(uri, at + 1)) >= 0:
        before = _DECLARATION.search(xmp, max(0, at - 80), at)
        if before and xmp[at + len(uri) : at + len(uri) + 1] in (b'"', b"'"):
            found.append(before[1])
    return list(dict.fromkeys(found))


_DECLARATION = re.compile(rb"xmlns:([\w.-]{1,60})\s*=\s*[\"']\Z")


def without_properties(xmp: bytes, prefix: str, names: Iterable[str] | None = None) -> tuple[bytes, bool]:
    """Without these properties of a namespace, or all, as attributes and elements, and whether there were any."""
    before = xmp
    for known in _prefixes(xmp, prefix):
        chosen = [name.encode() for name in names] if names is not None else _names_in(xmp, known)
        for name in chosen:
            tag = known + b":" + name
            if tag not in xmp:
                continue
            xmp = re.sub(rb"\s+%b\s*=\s*(?:\"[^\"]*\"|'[^']*')" % re.escape(tag), b"", xmp)
            xmp = _without_element(xmp, tag)
    return xmp, xmp != before


def _names_in(xmp: bytes, known: bytes) -> list[bytes]:
    pattern = rb"(?:<|\s)%b:([\w.-]{1,80})" % re.escape(known)
    return list(dict.fromkeys(re.findall(pattern, xmp)))


def _without_element(xmp: bytes, tag: bytes) -> bytes:
    kept, at = [], 0
    while (start := _element_start(xmp, tag, at)) >= 0:
        close = xmp.find(b">", start)
        if close < 0:
            break
        if xmp[close - 1 : close] == b"/":
            stop = close + 1
        else:
            end = xmp.find(b"</" + tag, close)
            stop = xmp.find(b">", end) + 1 if end >= 0 else 0
        if not stop:
            break
        kept.append(xmp[at:start])
        at = stop
    return b"".join(kept) + xmp[at:]


def _element_start(xmp: bytes, tag: bytes, at: int) -> int:
    while (start := xmp.find(b"<" + tag, at)) >= 0:
        following = xmp[start + 1 + len(tag) : start + 2 + len(tag)]
        if following in (b">", b"/", b" ", b"\n", b"\r", b"\t"):
            return start
        at = start + 1
    return -1


def has_property(xmp: bytes, prefix: str, name: str) -> bool:
    """Whether a packet says it, whatever it says."""
    return any(
        re.search(rb"(?:<|\s)%b:%b[\s=>/]" % (re.escape(known), name.encode()), xmp) is not None
        for known in _prefixes_of(xmp, prefix, name)
    )


def with_properties(xmp: bytes | None, properties: Iterable[Property]) -> bytes | None:
    """The packet with what it does not say yet added; a new packet where there is none.

    What has several values without an order (keywords) gets those that it lacks. What is no packet at all stays as it
    is.
    """
    new = []
    for each in properties:
        if xmp is None or not has_property(xmp, each.prefix, each.name):
            new.append(each)
        elif each.kind == "bag":
            xmp = _with_values(xmp, each)
    if not new:
        return xmp
    used = sorted({each.prefix for each in new})
    declared = "".join(f' xmlns:{prefix}="{NAMESPACES[prefix]}"' for prefix in used)
    description = f'<rdf:Description rdf:about=""{declared}>{"".join(map(_element, new))}</rdf:Description>'
    return with_description(xmp, description.encode())


def _with_values(xmp: bytes, each: Property) -> bytes:
    for known in _prefixes_of(xmp, each.prefix, each.name):
        tag = known + b":" + each.name.encode()
        start = _element_start(xmp, tag, 0)
        end = xmp.find(b"</" + tag, start)
        close = _END_OF_LIST.search(xmp, start, end) if 0 <= start < end else None
        if close is None:
            continue
        there = {unescape(item.decode("utf-8", "replace")).strip() for item in _ITEM.findall(xmp, start, end)}
        items = [value for value in dict.fromkeys(each.values) if value.strip() not in there]
        li = f"{close[1].decode()}:li"
        more = "".join(f"<{li}>{_escaped(_allowed(value))}</{li}>" for value in items).encode()
        return xmp[: close.start()] + more + xmp[close.start() :]
    return xmp


_END_OF_LIST = re.compile(rb"</(\w{1,20}):(?:Bag|Seq)\s*>\s*\Z")
_ITEM = re.compile(rb"<\w{1,20}:li\b[^>]*>([^<]*)<")


def says_otherwise(xmp: bytes, each: Property) -> bool:
    """Whether a packet has a property, and values of this one are nowhere in the packet."""
    if not has_property(xmp, each.prefix, each.name):
        return False
    words = unescape(xmp.decode("utf-8", "replace"))
    return not all(_allowed(value).strip() in words for value in each.values)


def with_description(xmp: bytes | None, description: bytes) -> bytes:
    """The packet with an `rdf:Description` more; a new packet where there is none."""
    if xmp is None:
        return (
            b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
            b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            + description
            + b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
        )
    end = xmp.rfind(b"</rdf:RDF>")
    return xmp if end < 0 else xmp[:end] + description + xmp[end:]


def _element(each: Property) -> str:
    values = [_escaped(_allowed(value)) for value in each.values]
    if each.kind == "text":
        inside = values[0]
    else:
        language = ' xml:lang="x-default"' if each.kind == "alt" else ""
        items = "".join(f"<rdf:li{language}>{value}</rdf:li>" for value in (values[:1] if language else values))
        inside = f"<rdf:{each.kind.title()}>{items}</rdf:{each.kind.title()}>"
    return f"<{each.prefix}:{each.name}>{inside}</{each.prefix}:{each.name}>"


def _escaped(text: str) -> str:
    """Escape it like `xml.sax.saxutils.escape`, which would import all of HTTP and TLS."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _allowed(text: str) -> str:
    """Without the characters that XML does not know."""
    return _FORBIDDEN.sub("", text)


_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def joined(xmp: bytes, extended: bytes) -> bytes:
    """A packet with the descriptions of its extension (XMP specification, part 3, section 1.1.3.1) put into it."""
    begin, end = extended.find(b"<rdf:RDF"), extended.rfind(b"</rdf:RDF>")
    start = extended.find(b">", begin) + 1
    target = xmp.rfind(b"</rdf:RDF>")
    if begin < 0 or not 0 < start <= end or target < 0:
        return xmp
    # Namespaces may be declared further out than on the descriptions.
    outside = re.findall(rb"xmlns:([\w.-]{1,60})\s*=\s*([\"'][^\"']{1,200}[\"'])", extended[:start])
    declared = b"".join(b" xmlns:%b=%b" % pair for pair in outside if pair[0] not in (b"rdf", b"x"))
    content = extended[start:end]
    if declared:
        content = re.sub(
            rb"<rdf:Description\b(?=[\s>/])([^>]*)",
            lambda match: b"<rdf:Description" + b"".join(
                b" xmlns:%b=%b" % pair for pair in outside
                if pair[0] not in (b"rdf", b"x") and b"xmlns:" + pair[0] not in match[1]) + match[1],
            content,
        )  # fmt: skip
    return xmp[:target] + content + xmp[target:]


def speak_of_different_things(one: bytes, other: bytes) -> bool:
    """Whether two packets have no property of one name, so that one can take the other in."""
    names, others = ({name for prefix, name in _NAMES.findall(xmp) if prefix not in _SYNTAX} for xmp in (one, other))
    return names.isdisjoint(others)


_NAMES = re.compile(rb"[\s<]([\w.-]{1,60}):([\w.-]{1,60})(?=[\s=/>])")
_SYNTAX = frozenset({b"rdf", b"xmlns", b"xml", b"x"})


def split(xmp: bytes, limit: int) -> tuple[bytes, bytes, bytes] | None:
    """A packet of at most `limit` bytes, its extension, and the extension's GUID (32 hexadecimal digits).

    The longest descriptions go into the extension. None where that does not make it short enough.
    """
    spans = _descriptions(xmp)
    tail_at = xmp.rfind(b"</rdf:RDF>")
    if not spans or tail_at < spans[-1][1]:
        return None
    head, tail = xmp[: spans[0][0]], xmp[tail_at:]
    descriptions = [xmp[start:end] for start, end in spans]
    room = limit - len(head) - len(tail) - 300
    moved: list[bytes] = []
    while sum(map(len, descriptions)) > room and descriptions:
        longest = max(descriptions, key=len)
        descriptions.remove(longest)
        moved.append(longest)
    if not moved or sum(map(len, descriptions)) > room:
        return None
    rdf = head[head.find(b"<rdf:RDF") :]
    extended = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + rdf + b"".join(moved) + b"</rdf:RDF></x:xmpmeta>"
    guid = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
    note = (
        f'<rdf:Description rdf:about="" xmlns:xmpNote="{NAMESPACES["xmpNote"]}" xmpNote:HasExtendedXMP="{guid}"/>'
    ).encode()
    return head + b"".join(descriptions) + note + tail, extended, guid.encode()


def _descriptions(xmp: bytes) -> list[tuple[int, int]]:
    """From where to where the outermost descriptions of a packet lie."""
    spans, depth, start = [], 0, 0
    for match in re.finditer(rb"<(/?)rdf:Description\b[^>]*?(/?)>", xmp):
        if not match[1]:
            if depth == 0:
                start = match.start()
            depth += not match[2]
        else:
            depth -= 1
        if depth == 0:
            spans.append((start, match.end()))
        if depth < 0:
            return []
    return spans if depth == 0 else []


def parts_behind(xmp: bytes) -> list[tuple[bytes, int]]:
    """What each part behind the picture is, and its bytes with padding, as Google's container directory says it."""
    parts = []
    for prefix in _prefixes(xmp, "Item"):
        for match in re.finditer(rb"<[^<>]{0,300}\b%b:Semantic\s*=[^<>]{0,600}>" % re.escape(prefix), xmp):
            said = dict(re.findall(rb"\b%b:(\w+)\s*=\s*[\"'](\w+)[\"']" % re.escape(prefix), match[0]))
            if said.get(b"Semantic") != b"Primary":
                length, padding = (_whole(said.get(name, b"0")) for name in (b"Length", b"Padding"))
                parts.append((said.get(b"Semantic", b""), length + padding))
    return parts


def _whole(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) <= 12 else 0


def _without(text: bytes, begin: bytes, end: bytes) -> bytes:
    """What lies outside of `begin` ... `end`; a regular expression could be made to search for hours."""
    kept, position = [], 0
    while (start := text.find(begin, position)) >= 0 and (stop := text.find(end, start)) >= 0:
        kept.append(text[position:start])
        position = stop + len(end)
    return b"".join(kept) + text[position:]
