"""What of a file's metadata goes into its result: one reader, one writer, and the notes on what was left out."""

from __future__ import annotations

from dataclasses import replace

from core.images.directories import BadDirectoryError
from core.images.formats import Format
from core.images.metadata.exif import EXIF_PREFIX, edited_exif, resolution, resolution_exif, without_orientation
from core.images.metadata.xmp import edited_xmp
from core.images.picture import Metadata

_JPEG_MAX_EXIF = 65_527
"""Bytes in one APP1 segment after its length and the `Exif` prefix; EXIF knows no second segment."""
_JPEG_MAX_XMP = 65_502

_HAS_RESOLUTION = frozenset({"png", "jpeg", "tiff"})
"""Formats with a field of their own for pixels per inch."""

_DAMAGED_EXIF = "Its EXIF data is damaged and was left out."


def as_read(metadata: Metadata, width: int, height: int) -> tuple[Metadata, tuple[str, ...]]:
    """What can be kept of a file's metadata once orientation is applied to its pixels, and what to tell the user.

    EXIF and XMP then agree with an upright picture of `width` x `height` pixels, EXIF's thumbnail is gone, and dpi is
    taken from EXIF where the file gives none elsewhere, or the same less exactly.
    """
    dpi, finer = metadata.dpi, resolution(metadata.exif)
    # JPEG's own field knows whole numbers only.
    if dpi is None or (finer and all(abs(a - b) <= 0.5 for a, b in zip(dpi, finer, strict=True))):
        dpi = finer
    exif = metadata.exif and metadata.exif.removeprefix(EXIF_PREFIX)
    return _for_size(replace(metadata, exif=exif, dpi=dpi), width, height)


def as_written(metadata: Metadata, target: Format, width: int, height: int) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata of a picture of `width` x `height` pixels as a format can hold it, and what to tell the user."""
    metadata, notes = _for_size(metadata, width, height)
    if target.key == "jpeg":
        if metadata.exif and len(metadata.exif) > _JPEG_MAX_EXIF:
            metadata = replace(metadata, exif=None)
            notes += ("Its EXIF data was left out, as it is longer than JPEG allows.",)
        if metadata.xmp and len(metadata.xmp) > _JPEG_MAX_XMP:
            metadata = replace(metadata, xmp=None)
            notes += ("Its XMP data was left out, as it is longer than JPEG allows.",)
    if target.key not in _HAS_RESOLUTION and metadata.exif is None and metadata.dpi:
        metadata = replace(metadata, exif=resolution_exif(metadata.dpi))
    if target.key == "avif" and metadata.exif:
        # Pillow moves orientation into a field of AVIF's own, and rewrites all of EXIF where it finds one.
        metadata = replace(metadata, exif=without_orientation(metadata.exif))
    return metadata, notes


def _for_size(metadata: Metadata, width: int, height: int) -> tuple[Metadata, tuple[str, ...]]:
    exif = metadata.exif
    notes: tuple[str, ...] = ()
    if exif:
        try:
            exif = edited_exif(exif, width, height, metadata.dpi)
        except BadDirectoryError:
            exif, notes = None, (_DAMAGED_EXIF,)
    xmp = metadata.xmp and edited_xmp(metadata.xmp, width, height)
    return replace(metadata, exif=exif or None, xmp=xmp or None), notes
