"""What of a file's metadata goes into its result: one reader, one writer, and the notes on what was left out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.images.directories import BadDirectoryError
from core.images.formats import Format
from core.images.metadata import geo, iptc, text, xmp
from core.images.metadata.exif import (
    EXIF_PREFIX,
    edited_exif,
    resolution,
    resolution_exif,
    with_user_comment,
    without_orientation,
)
from core.images.metadata.parts import LeftOut, note_of, without_pointers
from core.images.metadata.xmp import Geometry, Property
from core.images.picture import Metadata, is_square
from core.images.samples import turns_sides
from core.language import gettext as _
from core.language import listed

_JPEG_MAX_EXIF = 65_527
"""Bytes in one APP1 segment after its length and the `Exif` prefix; EXIF knows no second segment."""
_JPEG_MAX_XMP = 65_502

_HAS_RESOLUTION = frozenset({"png", "jpeg", "tiff"})
"""Formats with a field of their own for pixels per inch."""
_HAS_COMMENTS = frozenset({"jpeg", "gif"})
_HAS_PHOTOSHOP = frozenset({"jpeg", "tiff"})

_DAMAGED_EXIF = _("Its EXIF data is damaged and was left out.")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a result says of how it was made."""

    program: str
    """Its name and version."""
    model: str
    settings: str
    """In a few words: size, and what else decides."""

    def properties(self) -> list[Property]:
        """The same in XMP: the tool, and that pixels are an algorithm's (IPTC's vocabulary of digital source types)."""
        tool = ", ".join(part for part in (self.program, self.model, self.settings) if part)
        return [
            Property("xmp", "CreatorTool", "text", (tool,)),
            Property("Iptc4xmpExt", "DigitalSourceType", "text", (_ENHANCED,)),
        ]


_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_ENHANCED = _SOURCE_TYPES + "algorithmicallyEnhanced"


def as_read(
    metadata: Metadata, stored: tuple[int, int], upright: tuple[int, int], orientation: int
) -> tuple[Metadata, tuple[str, ...]]:
    """What can be kept of a file's metadata once orientation is applied to its pixels, and what to tell the user.

    EXIF and XMP then agree with an upright picture, EXIF's thumbnail is gone, and dpi is taken from EXIF where the file
    gives none elsewhere, or the same less exactly.

    Args:
        metadata: as found.
        stored: width and height of the pixels in the file.
        upright: the same once orientation is applied.
        orientation: EXIF's, 1 to 8.
    """
    dpi, finer = metadata.dpi, resolution(metadata.exif)
    # JPEG's own field knows whole numbers only.
    if dpi is None or (finer and all(abs(a - b) <= 0.5 for a, b in zip(dpi, finer, strict=True))):
        dpi = finer
    if dpi is not None and turns_sides(orientation):
        # Across and down are those of the stored pixels, as of fax, whose lines lie twice as far apart.
        dpi = dpi[::-1]
    grid = metadata.grid if dpi is None else None
    if grid is not None and turns_sides(orientation):
        grid = grid[::-1]
    packet, gone = metadata.xmp, metadata.left_out
    if packet:
        packet, pointed = without_pointers(packet)
        gone += pointed
    gain_map = metadata.gain_map
    if gain_map is not None:
        gain_map = replace(gain_map, orientation=orientation)
        gone = tuple(each for each in gone if each is not LeftOut.GAIN_MAP)
    lost_place = bool(metadata.geo) and orientation != 1
    photoshop = metadata.photoshop and iptc.worth_keeping(metadata.photoshop, orientation != 1)
    exif = metadata.exif and metadata.exif.removeprefix(EXIF_PREFIX)
    metadata = replace(
        metadata,
        exif=exif,
        xmp=packet,
        dpi=dpi,
        grid=grid,
        photoshop=photoshop,
        gain_map=gain_map,
        left_out=(),
        geo=() if lost_place else metadata.geo,
        size=upright,
    )
    metadata, notes = _for_size(metadata, Geometry(upright, stored, orientation))
    if lost_place:
        notes += (_("Where it lies on earth was left out, as it was turned."),)
    return metadata, (*notes, *note_of(gone))


def as_written(
    metadata: Metadata, target: Format, size: tuple[int, int], origin: Origin | None = None
) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata of a picture of this width and height as a format can hold it, and what to tell the user.

    What the format has no place for goes where the nearest equivalent is: IPTC and texts into XMP, and what XMP has no
    name for into EXIF's comment.
    """
    geometry = Geometry(size, metadata.size or size)
    metadata, notes = _for_size(metadata, geometry)
    grid = metadata.grid
    if grid is not None:
        grid = (grid[0] * geometry.factors[0], grid[1] * geometry.factors[1])
    place = geo.scaled(metadata.geo, geometry.factors)
    if target.key == "tiff":
        notes += note_of((LeftOut.PLACE,) * (len(place) < len(metadata.geo)))
    metadata = replace(metadata, size=size, geo=place, grid=grid)
    if metadata.photoshop and target.key not in _HAS_PHOTOSHOP:
        properties = iptc.as_properties(metadata.photoshop)
        packet = xmp.with_properties(metadata.xmp, properties)
        gone = iptc.without_name(metadata.photoshop)
        if metadata.xmp and any(_says_otherwise(metadata.xmp, each) for each in properties):
            gone += (LeftOut.OTHER,)
        notes += () if target.plain else note_of(gone)
        metadata = replace(metadata, photoshop=None, xmp=packet)
    if metadata.png_hdr and target.key != "png":
        metadata = replace(metadata, png_hdr=())
        notes += note_of((LeftOut.HDR,))
    if grid is not None and target.key not in _HAS_RESOLUTION:
        metadata = replace(metadata, grid=None)
        notes += note_of((LeftOut.SHAPE,) * (not is_square(grid)))
    if target.plain:
        return _without_words(metadata, target, notes)
    metadata, more = _with_texts(metadata, target)
    notes += more
    if origin is not None:
        metadata = replace(metadata, xmp=_with_origin(metadata.xmp, origin))
    if metadata.gain_map is not None and target.key != "jpeg":
        metadata = replace(metadata, gain_map=None)
        notes += note_of((LeftOut.GAIN_MAP,))
    if metadata.geo and target.key != "tiff":
        metadata = replace(metadata, geo=())
        notes += (
            _("Where it lies on earth was left out, as {label} has no place for that.").format(label=target.label),
        )
    if target.key == "jpeg" and metadata.exif and len(metadata.exif) > _JPEG_MAX_EXIF:
        metadata = replace(metadata, exif=None)
        notes += (_("Its EXIF data was left out, as it is longer than JPEG allows."),)
    if target.key not in _HAS_RESOLUTION and metadata.exif is None and metadata.dpi:
        metadata = replace(metadata, exif=resolution_exif(metadata.dpi))
    if target.key == "avif" and metadata.exif:
        # Orientation is a property of AVIF's own, and readers would turn the picture by both.
        metadata = replace(metadata, exif=without_orientation(metadata.exif))
    return metadata, notes


def _says_otherwise(packet: bytes, each: Property) -> bool:
    # Dates are written in too many ways to be compared, and of lists both have all.
    return each.kind != "bag" and "Date" not in each.name and xmp.says_otherwise(packet, each)


def _without_words(metadata: Metadata, target: Format, notes: tuple[str, ...]) -> tuple[Metadata, tuple[str, ...]]:
    """For a format that holds pixels alone."""
    if any((metadata.exif, metadata.xmp, metadata.photoshop, metadata.texts, metadata.geo)):
        notes += (_("Its metadata was left out, as {label} has no place for it.").format(label=target.label),)
    if metadata.gain_map is not None:
        notes += note_of((LeftOut.GAIN_MAP,))
    return replace(metadata.only_colour(), gain_map=None, dpi=None), notes


def _for_size(metadata: Metadata, geometry: Geometry) -> tuple[Metadata, tuple[str, ...]]:
    exif = metadata.exif
    notes: tuple[str, ...] = ()
    if exif:
        try:
            exif = edited_exif(exif, geometry, metadata.dpi)
        except BadDirectoryError:
            exif, notes = None, (_DAMAGED_EXIF,)
    packet = metadata.xmp and xmp.edited_xmp(metadata.xmp, geometry)
    return replace(metadata, exif=exif or None, xmp=packet or None), notes


def _with_texts(metadata: Metadata, target: Format) -> tuple[Metadata, tuple[str, ...]]:
    if target.key == "png":
        return metadata, ()
    if metadata.modified and not (metadata.xmp and xmp.has_property(metadata.xmp, "xmp", "ModifyDate")):
        date = Property("xmp", "ModifyDate", "text", (text.date_of_png(metadata.modified),))
        metadata = replace(metadata, xmp=xmp.with_properties(metadata.xmp, [date]))
    metadata = replace(metadata, modified=None)
    said = metadata.xmp
    properties, rest = text.as_properties(
        metadata.texts, lambda each: said is not None and xmp.says_otherwise(said, each)
    )
    metadata = replace(metadata, xmp=xmp.with_properties(said, properties))
    if target.key in _HAS_COMMENTS:
        comments = tuple(each for each in rest if each.keyword == text.COMMENT)
        rest = tuple(each for each in rest if each.keyword != text.COMMENT)
    else:
        comments = ()
    metadata = replace(metadata, texts=comments)
    if not rest:
        return metadata, ()
    try:
        exif = with_user_comment(metadata.exif, text.as_one(rest))
    except BadDirectoryError:
        exif = None
    if exif is not None:
        return replace(metadata, exif=exif), ()
    names = listed(dict.fromkeys(f"“{each.keyword}”" for each in rest[:5]))
    return metadata, (
        _("Its texts {names} were left out, as {label} has no place for them.").format(names=names, label=target.label),
    )


def _with_origin(packet: bytes | None, origin: Origin) -> bytes | None:
    """With what made the picture; what generated it stays said, as enlarging does not make it a photograph."""
    if packet is not None:
        packet, _rest = xmp.without_properties(packet, "xmp", ("CreatorTool",))
        if b"digitalsourcetype/trainedAlgorithmicMedia" not in packet and b"WithTrainedAlgorithmicMedia" not in packet:
            packet, _rest = xmp.without_properties(packet, "Iptc4xmpExt", ("DigitalSourceType",))
    return xmp.with_properties(packet, origin.properties())


def fits_jpeg(packet: bytes) -> bool:
    """Whether XMP fits into one segment."""
    return len(packet) <= _JPEG_MAX_XMP


def split_for_jpeg(packet: bytes) -> tuple[bytes, bytes, bytes] | None:
    """XMP for one segment, its extension for others, and the extension's GUID; None where that cannot be."""
    return xmp.split(packet, _JPEG_MAX_XMP)
