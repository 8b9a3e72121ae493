"""The one table of formats: dialogs, drop filters, save options and the encoder read it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from core.contract.errors import UserError
from core.language import gettext as _

if TYPE_CHECKING:
    from core.images.picture import Picture, Probe


@dataclass(frozen=True, slots=True)
class Format:
    """What a file format is called and what it can hold."""

    key: str
    label: str
    """For people."""
    suffixes: tuple[str, ...]
    """Lower case with dot; the first is the one that new files get."""
    also: tuple[str, ...] = ()
    """Suffixes of its kinds with several pictures: they are read, and results, which have one, get the usual one."""
    needs: str = ""
    """The optional package that reads it; empty where none is needed."""
    can_write: bool = False
    lossy: bool = False
    """Whether `quality` applies."""
    bits: int = 8
    """The most bits a channel that can be stored."""
    alpha: bool = False
    grey: bool = True
    """Whether one channel can be stored as one channel."""
    max_side: int = 1_000_000
    """The longest side that can be stored, in pixels."""
    plain: bool = False
    """Whether there is no place in it for EXIF, XMP or a profile: its colours are those of sRGB."""
    several: Literal["", "pages", "frames"] = ""
    """What it calls its pictures, where it may hold several and all of them can be written."""
    own: bool = False
    """Whether only what was read as it is written as it, as it needs what the source says: nobody can choose it."""
    light: bool = False
    """Whether it holds linear light as floats instead of samples."""

    @property
    def can_read(self) -> bool:
        """Whether what reads it is here: looked for now, imported when a picture needs it."""
        return not self.needs or find_spec(self.needs.replace("-", "_")) is not None

    @property
    def can_choose(self) -> bool:
        """Whether any picture can be written as it."""
        return self.can_write and not self.own

    @property
    def sixteen_bit(self) -> bool:
        """Whether all values of 16 bits a channel can be stored."""
        return self.bits == 16


FORMATS: dict[str, Format] = {
    row.key: row
    for row in (
        Format("png", "PNG", (".png",), (".apng",), can_write=True, bits=16, alpha=True, several="frames"),
        # 65,500 and not 65,535 is libjpeg's own limit.
        Format(
            "jpeg", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), (".mpo",), can_write=True, lossy=True, max_side=65_500
        ),
        Format(
            "webp",
            "WebP",
            (".webp",),
            can_write=True,
            lossy=True,
            alpha=True,
            grey=False,
            max_side=16_383,
            several="frames",
        ),
        Format("tiff", "TIFF", (".tif", ".tiff"), can_write=True, bits=16, alpha=True, several="pages"),
        Format(
            "avif",
            "AVIF",
            (".avif",),
            (".avifs",),
            can_write=True,
            lossy=True,
            bits=12,
            alpha=True,
            max_side=16_384,
            several="frames",
        ),
        Format("jxl", "JPEG XL", (".jxl",), can_write=True, lossy=True, bits=16, alpha=True, several="frames"),
        Format("jpeg2000", "JPEG 2000", (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"), bits=16, alpha=True),
        Format("bmp", "BMP", (".bmp", ".dib"), alpha=True),
        # Written as an animation only; for one picture PNG is better.
        Format("gif", "GIF", (".gif",), alpha=True, several="frames"),
        Format(
            "heic",
            "HEIC",
            (".heic", ".heif", ".hif"),
            needs="pillow-heif",
            lossy=True,
            bits=12,
            alpha=True,
        ),
        Format("psd", "PSD", (".psd", ".psb"), bits=16, alpha=True),
        Format(
            "tga", "TGA", (".tga",), (".vda", ".icb", ".vst"), can_write=True, alpha=True, max_side=65_535, plain=True
        ),
        Format("dds", "DDS", (".dds",), can_write=True, alpha=True, max_side=65_535, plain=True),
        Format(
            "pnm", "PNM", (".pnm", ".ppm", ".pgm", ".pam"), (".pbm",), can_write=True, bits=16, alpha=True, plain=True
        ),
        Format("pfm", "PFM", (".pfm",), can_write=True, bits=16, plain=True, light=True),
        Format(
            "hdr", "Radiance HDR", (".hdr",), (".pic",), can_write=True, bits=16, grey=False, plain=True, light=True
        ),
        Format("exr", "OpenEXR", (".exr",), needs="OpenEXR", bits=16, alpha=True, light=True),
        Format("qoi", "QOI", (".qoi",), can_write=True, alpha=True, grey=False, plain=True),
        Format(
            *("raw", _("Camera raw")),
            (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw", ".nrw", ".iiq", ".3fr"),
            needs="rawpy",
            bits=16,
        ),
        Format(
            *("dicom", "DICOM", (".dcm", ".dicom")),
            needs="pydicom",
            can_write=True,
            own=True,
            bits=16,
            max_side=65_535,
            plain=True,
            several="pages",
        ),
        Format("ico", _("Windows icon"), (".ico", ".cur"), alpha=True),
        Format("pcx", "PCX", (".pcx",)),
    )
}

READABLE_SUFFIXES: frozenset[str] = frozenset(
    suffix for row in FORMATS.values() if row.can_read for suffix in (*row.suffixes, *row.also)
)
"""Lower case with dot."""

_KEY_OF_SUFFIX = {suffix: row.key for row in FORMATS.values() for suffix in (*row.suffixes, *row.also)}


def format_of_suffix(suffix: str) -> str | None:
    """The key of the format that a file name's suffix (with dot, any case) stands for."""
    return _KEY_OF_SUFFIX.get(suffix.lower())


def suffix_for(source_suffix: str, format: str) -> str:
    """The suffix of a result: the source's own spelling where it stands for `format`, else the usual one."""
    row = FORMATS[format]
    return source_suffix if source_suffix.lower() in row.suffixes else row.suffixes[0]


def choose_format(source: Picture | Probe, wanted: str) -> str:
    """The format that a result is written in.

    `same` keeps the source's where it can be written, else takes PNG. A format without alpha gives way to PNG where the
    source has alpha. Fewer bits than the source has only come from asking for a format that cannot hold them.

    Raises:
        UserError: `wanted` is no format that can be written.
    """
    from core.images.picture import Probe

    if wanted == "same":
        target = FORMATS[source.format if FORMATS[source.format].can_write else "png"]
    elif wanted in FORMATS and FORMATS[wanted].can_choose:
        target = FORMATS[wanted]
    else:
        writable = ", ".join(row.key for row in FORMATS.values() if row.can_choose)
        raise UserError(
            _("Pictures cannot be written as “{wanted}”.").format(wanted=wanted),
            _("Choose same, {writable}.").format(writable=writable),
        )
    has_alpha = source.alpha if isinstance(source, Probe) else source.alpha is not None
    return "png" if has_alpha and not target.alpha else target.key
