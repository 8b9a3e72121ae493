"""Further parts of a file beside its picture: gain map, film, depth, pictures. Kept, or taken out with all pointers."""

from __future__ import annotations

import enum
import io
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.images.metadata.xmp import NAMESPACES, has_property, parts_behind, with_description, without_properties
from core.language import gettext as _
from core.language import listed


class LeftOut(enum.Enum):
    """What a result does not have, in words."""

    FILM = _("the film of its motion photo")
    GAIN_MAP = _("its gain map, so that it is no longer HDR")
    HDR = _("how bright its HDR was mastered")
    DEPTH = _("its depth map")
    PICTURES = _("its further pictures")
    SOUND = _("its sound")
    CREDENTIALS = _("its content credentials, which are signed for the source alone")
    PATHS = _("its clipping paths")
    SHAPE = _("the shape of its pixels, which are not square")
    IMAGEJ = _("what ImageJ alone reads: labels, lookup tables, regions")
    XMP = _("its second XMP packet, which repeats fields of the first")
    IPTC = _("IPTC fields that have no name elsewhere")
    OTHER = _("IPTC fields of which its XMP says something else")
    PLACE = _("malformed GeoTIFF tags")


@dataclass(frozen=True, slots=True)
class GainMap:
    """What makes HDR of an ordinary JPEG (Ultra HDR, ISO 21496-1): a smaller JPEG that lies behind it."""

    jpeg: bytes
    """All of it, with the XMP or the segment that says how strong it is."""
    iso: bytes | None = None
    """The segment by which the picture itself says that there is one, after ISO 21496-1."""
    orientation: int = 1
    """EXIF's, still to be applied."""


def enlarged(gain_map: GainMap, picture: tuple[int, int], before: tuple[int, int]) -> np.ndarray | None:
    """The gain map's pixels, upright and enlarged as its picture was; None where it cannot be read.

    Args:
        gain_map: as found.
        picture: width and height of the result.
        before: width and height of the picture that it came with, upright.

    Returns:
        H x W or H x W x 3, uint8. Its values are a smooth map of factors, which resizing does right.
    """
    try:
        with Image.open(io.BytesIO(gain_map.jpeg), formats=["JPEG", "MPO"]) as image:
            if image.width * image.height > picture[0] * picture[1]:
                return None
            plain = image.convert("L" if image.mode == "L" else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    turn = _TRANSPOSED.get(gain_map.orientation)
    if turn is not None:
        plain = plain.transpose(turn)
    factors = (picture[0] / before[0], picture[1] / before[1])
    size = tuple(max(1, round(side * factor)) for side, factor in zip(plain.size, factors, strict=True))
    return np.asarray(plain.resize((size[0], size[1]), Image.Resampling.BICUBIC))


def with_pointers(packet: bytes | None, gain_map: bytes) -> bytes | None:
    """The XMP of a picture that says that this gain map lies behind it, where the gain map is of Ultra HDR's kind."""
    if NAMESPACES["hdrgm"].encode() not in gain_map[:200_000]:
        return packet
    described = (
        f'<rdf:Description rdf:about="" xmlns:hdrgm="{NAMESPACES["hdrgm"]}" '
        f'xmlns:Container="{NAMESPACES["Container"]}" xmlns:Item="{NAMESPACES["Item"]}" hdrgm:Version="1.0">'
        "<Container:Directory><rdf:Seq>"
        '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>'
        '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" '
        f'Item:Length="{len(gain_map)}"/></rdf:li></rdf:Seq></Container:Directory></rdf:Description>'
    ).encode()
    return with_description(packet, described)


_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


_KINDS = {b"GainMap": LeftOut.GAIN_MAP, b"Depth": LeftOut.DEPTH, b"MotionPhoto": LeftOut.FILM}
"""What Google's container directory calls the parts of a file."""

_FILM = (
    "MotionPhoto",
    "MotionPhotoVersion",
    "MotionPhotoPresentationTimestampUs",
    "MotionPhotoPrimaryPresentationTimestampUs",
    "MotionPhotoOwner",
    "MicroVideo",
    "MicroVideoVersion",
    "MicroVideoOffset",
    "MicroVideoPresentationTimestampUs",
)


_CREDENTIALS = re.compile(rb":provenance\b[^<>]{0,20}[\"'>][^<>\"']{0,2000}(?:jumbf|c2pa|manifest)")
"""What says where in the file, or on the net, its content credentials lie."""


def without_pointers(xmp: bytes) -> tuple[bytes, tuple[LeftOut, ...]]:
    """The packet without properties that point to parts of the file which are not in it, and what these were."""
    gone: list[LeftOut] = []
    xmp, had = without_properties(xmp, "GCamera", _FILM)
    if had:
        gone.append(LeftOut.FILM)
    if has_property(xmp, "Container", "Directory"):
        kinds = {kind for kind, _length in parts_behind(xmp)}
        gone += [what for kind, what in _KINDS.items() if kind in kinds]
        xmp, _rest = without_properties(xmp, "Container")
    for prefix in ("hdrgm", "HDRGainMap"):
        if NAMESPACES[prefix].encode() in xmp:
            xmp, had = without_properties(xmp, prefix)
            if had:
                gone.append(LeftOut.GAIN_MAP)
    if has_property(xmp, "dcterms", "provenance") and _CREDENTIALS.search(xmp):
        xmp, _rest = without_properties(xmp, "dcterms", ("provenance",))
        gone.append(LeftOut.CREDENTIALS)
    # What it names has been put into the packet, or was missing.
    xmp, _rest = without_properties(xmp, "xmpNote", ("HasExtendedXMP",))
    for prefix, what in (("GDepth", LeftOut.DEPTH), ("GImage", LeftOut.PICTURES), ("GAudio", LeftOut.SOUND)):
        # The data themselves may be in the packet, and then hold as well as before.
        if has_property(xmp, prefix, "Mime") and not has_property(xmp, prefix, "Data"):
            xmp, _rest = without_properties(xmp, prefix)
            gone.append(what)
    return xmp, tuple(dict.fromkeys(gone))


def note_of(left_out: tuple[LeftOut, ...]) -> tuple[str, ...]:
    """One note on all that is gone."""
    words = [each.value for each in dict.fromkeys(left_out)]
    if not words:
        return ()
    return (_("Left out: {words}.").format(words=listed(words)),)
