"""A picture in memory, and what is known of one before it is decoded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core.images.cicp import Cicp
from core.images.directories import TagValue
from core.images.metadata.parts import GainMap, LeftOut
from core.images.metadata.text import Text
from core.images.values import Scale

if TYPE_CHECKING:
    from core.images.dicom_tags import DicomTags


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says about its picture, as far as it can be carried into another format."""

    exif: bytes | None = None
    """A TIFF structure (no `Exif` prefix). Orientation is 1, as it has been applied; there is no thumbnail."""
    xmp: bytes | None = None
    """An XMP packet; its orientation is 1, too."""
    icc: bytes | None = None
    """The ICC profile that the pixels are in; None means sRGB, as everywhere."""
    dpi: tuple[float, float] | None = None
    """Pixels per inch across and down."""
    grid: tuple[float, float] | None = None
    """Pixels across and down of a unit without a name, where that says something: what shape a pixel has that is not
    square, or how ImageJ measures. None where `dpi` is known."""
    cicp: Cicp | None = None
    """The code points of the colours that the pixels mean, which decide over `icc`; None for sRGB."""
    photoshop: bytes | None = None
    """Photoshop's image resources that hold IPTC, rights and clipping paths."""
    texts: tuple[Text, ...] = ()
    """Remarks with a keyword: PNG's text chunks, comments of JPEG and GIF."""
    modified: bytes | None = None
    """PNG's tIME chunk: when the picture was last changed."""
    gain_map: GainMap | None = None
    """What makes HDR of the picture where it is shown so."""
    left_out: tuple[LeftOut, ...] = ()
    """Parts of the file that no result has."""
    geo: tuple[tuple[int, TagValue], ...] = ()
    """Code and value of the tags of a GeoTIFF that say where on earth the picture lies."""
    size: tuple[int, int] | None = field(default=None, compare=False)
    """Width and height of the picture that figures in EXIF, XMP and the other fields count pixels of."""
    png_colour: tuple[tuple[bytes, bytes], ...] = ()
    """Type and content of the PNG chunks that say which colours the pixels mean (cHRM, gAMA), where that is not sRGB
    and neither `icc` nor `cicp` says it. Other formats get a profile instead."""
    png_hdr: tuple[tuple[bytes, bytes], ...] = ()
    """The same of those that say how bright an HDR picture gets, and what display it was mastered on (cLLI, mDCV)."""

    def only_colour(self) -> Metadata:
        """Without everything that the pixels can be shown correctly without.

        Of resolution the shape of pixels stays that are not square.
        """
        dpi, grid = (None if pair is None or is_square(pair) else pair for pair in (self.dpi, self.grid))
        return Metadata(
            dpi=dpi,
            grid=grid,
            icc=self.icc,
            cicp=self.cicp,
            png_colour=self.png_colour,
            png_hdr=self.png_hdr,
            gain_map=self.gain_map,
            size=self.size,
        )


def shape_of_pixels(across: float | None, down: float | None) -> tuple[float, float] | None:
    """What a resolution without a unit says, like `Metadata.grid`; None where it says only that pixels are square."""
    return (float(across), float(down)) if across and down and across != down else None


def is_square(resolution: tuple[float, float]) -> bool:
    """Whether pixels of so many across and down are square, as far as files tell."""
    return math.isclose(*resolution, rel_tol=1e-4)


@dataclass(frozen=True, slots=True)
class Texture:
    """How a DDS file holds its picture."""

    kind: str
    """`BC1` to `BC7`, `floats` or `uncompressed`."""
    dxgi: int = 0
    """DXGI's number of that, which also says whether values are sRGB; 0 where the file has only an older name."""
    mipmaps: bool = False
    """Whether smaller versions of it follow."""

    @property
    def is_light(self) -> bool:
        """Whether it holds linear light without a top."""
        return self.kind in ("BC6H", "floats")


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture, upright."""

    pixels: np.ndarray
    """H x W x C, C = 1 (grey) or 3 (RGB), uint8 or uint16 over their whole range."""
    alpha: np.ndarray | None
    """H x W of the same dtype, 0 = transparent; colours are not multiplied by it. None where there is no channel."""
    metadata: Metadata = field(default_factory=Metadata)
    format: str = "png"
    """The key in `FORMATS` of what it was read from."""
    notes: tuple[str, ...] = ()
    """What the user should know: a colour conversion, further frames that were left out."""
    source_bits: int | None = None
    """How many bits a channel the file had: 8, 10, 12 or 16. More than 8 are uint16 over its whole range; None means
    as many as the pixels have now."""
    lossless: bool = False
    """Whether it comes from a file of a kind that may lose something (WebP, AVIF), which lost nothing."""
    scale: Scale | None = None
    """How the file's numbers became pixels, where they were no picture values."""
    texture: Texture | None = None
    """How it was held, where it comes from a DDS file."""
    dicom: DicomTags | None = field(default=None, repr=False)
    """What a DICOM file says beside its pixels, where that was asked for; it may name a patient."""
    colourless: bool = False
    """Whether the whole picture is grey, to a level, though its pixels may be RGB."""
    jpeg_quality: float | None = None
    """What a JPEG file's quantisation tables say, on libjpeg's scale of 1 to 100; None for other formats."""
    orientation: int = 1
    """EXIF's, 1 to 8, by which it was turned upright."""

    @property
    def bits(self) -> int:
        """How many bits a channel say something: 8, 10, 12 or 16."""
        return self.source_bits or 8 * self.pixels.dtype.itemsize

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])

    def part(self, window: tuple[slice, slice]) -> Picture:
        """The rows and columns of `window`; what is known of the whole picture stays."""
        return replace(self, pixels=self.pixels[window], alpha=None if self.alpha is None else self.alpha[window])


@dataclass(frozen=True, slots=True)
class Probe:
    """What the header of a file says."""

    width: int
    """Upright, in pixels."""
    height: int
    format: str
    """A key of `FORMATS`, by content."""
    sixteen_bit: bool
    """Whether `load` gives uint16."""
    alpha: bool
    """Whether `load` gives an alpha channel."""
    frames: int
    """How many frames an animation, or pages a document, has."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a decoder finds out before it decodes; sizes as stored, not yet turned upright."""

    width: int
    height: int
    alpha: bool = False
    frames: int = 1
    bits: int = 8
    """How many of a channel's bits the file has: 8, 10, 12 or 16."""
    lossless: bool = False
    """Whether a format that may lose something lost nothing."""
    orientation: int = 1
    """EXIF's 1 to 8, still to be applied to what is decoded."""
    jpeg_quality: float | None = None
    """Like `Picture.jpeg_quality`."""
    texture: Texture | None = None
    """How a DDS file holds the picture."""
    dicom: DicomTags | None = field(default=None, repr=False)
    """Like `Picture.dicom`."""
    metadata: Metadata = field(default_factory=Metadata)
    """What was found, with dpi not yet looked up in EXIF."""

    @property
    def sixteen_bit(self) -> bool:
        """Whether the pixels are uint16."""
        return self.bits > 8


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """What comes out of a decoder, as stored in the file."""

    pixels: np.ndarray
    """H x W x C, like `Picture.pixels`."""
    alpha: np.ndarray | None
    notes: tuple[str, ...] = ()
    icc: bytes | None = None
    """The profile that the pixels are in now, where they were converted."""
    scale: Scale | None = None
    """How the file's numbers became pixels, where they were no picture values."""


class Source(Protocol):
    """An open file of some format: made of the file, it has read the header."""

    @property
    def header(self) -> Header:
        """What the header says."""
        ...

    def decode(self) -> StoredPixels:
        """Decode the first picture."""
        ...
