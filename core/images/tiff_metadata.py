"""What a TIFF directory says beside its pixels."""

from __future__ import annotations

import contextlib

from core.images.credentials import TIFF_TAG
from core.images.directories import BadDirectoryError, Directory, TagReader, TagValue
from core.images.metadata.exif import exif_of_tiff, resolution_in
from core.images.metadata.geo import TAGS as GEO_TAGS
from core.images.metadata.iptc import IPTC, of_iim
from core.images.metadata.iptc import resources as iptc_resources
from core.images.metadata.parts import LeftOut
from core.images.picture import Metadata, shape_of_pixels
from core.images.refusal import MAX_METADATA_BYTES

XMP, IPTC_TAG, PHOTOSHOP = 700, 33723, 34377
_ICC, _IMAGEJ = 34675, 50839
_LEFT_OUT = {TIFF_TAG: LeftOut.CREDENTIALS, _IMAGEJ: LeftOut.IMAGEJ}
"""Tags that no result can have, and what they are."""
_DESCRIPTION, _RESOLUTIONS, _RESOLUTION_UNIT, _NO_UNIT = 270, (282, 283), 296, 1


def metadata_of(reader: TagReader, directory: Directory) -> tuple[Metadata, bool]:
    """What a page says, and whether all of its EXIF could be read.

    Raises:
        BadDirectoryError: the directory is damaged.
    """
    exif, is_whole = exif_of_tiff(reader, directory)
    metadata = Metadata(
        exif=exif,
        xmp=block(reader, directory, XMP),
        icc=block(reader, directory, _ICC),
        dpi=resolution_in(reader, directory),
        grid=_grid(reader, directory),
        photoshop=_photoshop(reader, directory),
        geo=_place_on_earth(reader, directory),
        left_out=tuple(what for code, what in _LEFT_OUT.items() if code in directory.entries),
    )
    return metadata, is_whole


def block(reader: TagReader, directory: Directory, code: int) -> bytes | None:
    """The bytes of a tag; None where it is not there, too large, or damaged."""
    entry = directory.entries.get(code)
    if entry is None or not 0 < entry.size <= MAX_METADATA_BYTES:
        return None
    try:
        return reader.raw(entry)
    except BadDirectoryError:
        return None


def _photoshop(reader: TagReader, directory: Directory) -> bytes | None:
    """Photoshop's image resources, or IPTC alone as such."""
    resources = block(reader, directory, PHOTOSHOP)
    if resources and IPTC in iptc_resources(resources):
        return resources
    iptc = block(reader, directory, IPTC_TAG)
    # Some programs write IPTC as whole numbers of 32 bits, with zeros at its end.
    return (resources or b"") + of_iim(iptc.rstrip(b"\0")) if iptc else resources


def _grid(reader: TagReader, directory: Directory) -> tuple[float, float] | None:
    """Pixels of a unit that has no name, unless they only say that pixels are square."""
    entries = [directory.entries.get(code) for code in _RESOLUTIONS]
    if reader.integer(directory, _RESOLUTION_UNIT, 0) != _NO_UNIT:
        return None
    across, down = (reader.rational(entry) if entry else None for entry in entries)
    if across and down and (block(reader, directory, _DESCRIPTION) or b"").startswith(b"ImageJ="):
        return across, down
    return shape_of_pixels(across, down)


def _place_on_earth(reader: TagReader, directory: Directory) -> tuple[tuple[int, TagValue], ...]:
    """The tags of a GeoTIFF."""
    found = []
    for code, entry in directory.entries.items():
        with contextlib.suppress(BadDirectoryError):
            if code in GEO_TAGS and entry.size <= MAX_METADATA_BYTES:
                found.append((code, TagValue(entry.kind, entry.count, reader.little_endian(entry))))
    return tuple(found)
