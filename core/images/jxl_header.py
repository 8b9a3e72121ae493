"""The head of a JPEG XL codestream (ISO/IEC 18181-1, annexes B, D and E), read and written bit by bit.

The decoder at hand tells nothing of it, and the encoder takes neither code points nor a profile. What follows the head
begins at a whole byte and does not depend on what the head says of colours, so that it may get another head.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from core.images.cicp import Cicp, meant
from core.images.jxl_bits import Bits, BitWriter
from core.images.jxl_icc import read_icc, write_icc

SIGNATURE = b"\xff\x0a"
_MAX_EXTRA_CHANNELS = 64

_Ways = tuple[tuple[int, int], ...]
_SIDE: _Ways = ((9, 1), (13, 1), (18, 1), (30, 1))
_ENUM: _Ways = ((0, 0), (0, 1), (4, 2), (6, 18))
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_RGB, _GREY, _XYB = 0, 1, 2
_CUSTOM = 2
_D65, _DCI_WHITE = 1, 11
_ALPHA, _SPOT, _BLACK, _CFA = 0, 2, 4, 5
_WHITES = {_D65: (31270, 32900), 10: (33333, 33333), _DCI_WHITE: (31400, 35100)}
_PRIMARIES = {
    1: (64000, 33000, 30000, 60000, 15000, 6000),
    9: (70800, 29200, 17000, 79700, 13100, 4600),
    11: (68000, 32000, 26500, 69000, 15000, 6000),
}
"""x and y in hundred thousandths, by the codestream's own numbers."""
_PQ, _HLG = 16, 18
_LIGHT = {_PQ: 0x70E2, _HLG: 0x63D0}
"""cd/m² of full samples (10,000 and 1000) as 16-bit floats."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a codestream says before its first frame."""

    width: int
    height: int
    orientation: int
    """EXIF's 1 to 8, which decides over what EXIF says."""
    bits: int
    is_float: bool
    grey: bool
    alpha: bool
    premultiplied: bool
    other_channels: tuple[int, ...]
    """Kinds of the channels beside colour and alpha."""
    xyb: bool
    """Whether colours are coded as XYB, which only encoders that lose something do."""
    animated: bool
    loops: int
    ticks: float
    """In which durations of frames are counted, a second."""
    timecodes: bool
    """Whether frames have them, too."""
    preview: bool
    """Whether a small picture comes before the first frame."""
    cicp: Cicp | None
    """The colours by code points; None for sRGB, and where `icc` or `png_colour` says them."""
    png_colour: tuple[tuple[bytes, bytes], ...]
    """Colours that only cHRM and gAMA can say."""
    icc: bytes | None

    @property
    def inks(self) -> bool:
        """Whether it is a CMYK picture."""
        return _BLACK in self.other_channels


@dataclass(slots=True)
class _Places:
    """Where in the codestream the parts lie, in bits."""

    size: int = 0
    fields: int = 0
    depth: int = 0
    after_depth: int = 0
    colour: int = 0
    after_colour: int = 0
    end: int = 0
    all_default: bool = False
    extra_fields: bool = False
    icc_end: int = 0
    preview: bool = False
    frames: int = 0
    """In bytes."""


def read_head(codestream: bytes, *, with_icc: bool = True) -> Head:
    """What a codestream says before its first frame, with the profile or without.

    Raises:
        ValueError: it is damaged.
    """
    return _read(codestream, with_icc=with_icc)[0]


def with_colours(codestream: bytes, cicp: Cicp | None, icc: bytes | None, bits: int | None = None) -> bytes:
    """The same frames said to mean other colours.

    Without XYB samples stay what they are, and mean what is said. With XYB colours stay what they are, and `cicp` is
    what a decoder gives them in.

    Args:
        codestream: its head and frames.
        cicp: code points of JPEG XL's own enumerations (see `can_say`); None for sRGB.
        icc: a profile, which decides.
        bits: of whole numbers that a decoder is to give, 8 or 16, where that is not what the encoder was given.
    """
    # With the profile, if only to know where it ends.
    head, places = _read(codestream, with_icc=True)
    writer = BitWriter()
    writer.copy(codestream, 0, places.size)
    light = None if icc or cicp is None or places.extra_fields else _LIGHT.get(cicp.transfer)
    writer.write(0, 1)
    if light is not None:
        # Further fields: upright, no other size, no preview, no animation.
        writer.write(1, 7)
    elif places.all_default:
        writer.write(0, 1)
    else:
        writer.copy(codestream, places.fields, places.depth)
    if bits is None and not places.all_default:
        writer.copy(codestream, places.depth, places.after_depth)
    elif (bits or 8) == 8:
        writer.write(0, 3)
    else:
        writer.write(0b110, 3)
        writer.write(16 - 1, 6)
    if places.all_default:
        # Buffers of 16 bits suffice, no further channels, XYB.
        writer.write(0b1001, 4)
    else:
        writer.copy(codestream, places.after_depth, places.colour)
    _write_colour(writer, head.grey, cicp, icc)
    if light is not None:
        writer.write(0, 1)
        writer.write(light, 16)
        writer.write(0, 16 + 1 + 16)
    if places.all_default:
        # No extensions.
        writer.write(0, 2)
    writer.copy(codestream, places.after_colour, places.end)
    if icc:
        write_icc(writer, icc)
    return writer.bytes() + codestream[places.frames :]


def read_animated_head(codestream: bytes) -> tuple[Head, int]:
    """What a codestream says before its first frame, and at which byte that one begins.

    Raises:
        ValueError: it is damaged.
    """
    head, places = _read(codestream, with_icc=True)
    return head, places.frames


def with_animation(start: bytes, plays: int) -> bytes:
    """The head of a picture as that of an animation whose durations are milliseconds.

    Args:
        start: all before the first frame.
        plays: how often it is shown; 0 is for ever.
    """
    head, places = _read(start, with_icc=True)
    writer = BitWriter()
    writer.copy(start, 0, places.size)
    # Not the usual picture: with further fields, orientation first, no other size, no preview, but an animation.
    writer.write(0b10, 2)
    writer.write(head.orientation - 1, 3)
    writer.write(0b100, 3)
    # 1000 ticks, of one second.
    writer.write(1, 2 + 2)
    way = 0 if not plays else 2
    writer.write(way, 2)
    writer.write(min(plays, 0xFFFF), 16 if way else 0)
    # No timecodes.
    writer.write(0, 1)
    if places.all_default:
        # 8 bits, buffers of 16 suffice, no further channels, XYB, sRGB.
        writer.write(0, 3)
        writer.write(0b1_1001, 5)
    else:
        writer.copy(start, places.depth, places.after_colour)
    if not places.extra_fields:
        # The usual brightness.
        writer.write(1, 1)
    if places.all_default:
        # No extensions.
        writer.write(0, 2)
    writer.copy(start, places.after_colour, places.icc_end)
    return writer.bytes()


def can_say(cicp: Cicp) -> bool:
    """Whether there are enumerations for these colours."""
    return cicp.primaries in (1, 9, 11, 12) and cicp.transfer in (1, 8, 13, _PQ, 17, _HLG)


def _read(data: bytes, *, with_icc: bool) -> tuple[Head, _Places]:
    if data[:2] != SIGNATURE:
        raise ValueError("no codestream")
    bits, places = Bits(data, 16), _Places()
    width, height = _size(bits)
    places.size = bits.position
    found = _Metadata()
    places.all_default = bits.flag()
    if places.all_default:
        places.after_colour = bits.position
    else:
        _read_metadata(bits, found, places)
    _skip_transforms(bits, found.xyb)
    places.end = bits.position
    icc = None
    if found.has_icc:
        icc = read_icc(bits) if with_icc else None
    places.icc_end = bits.position
    places.frames = (bits.position + 7) // 8
    cicp, png_colour = found.colours()
    return Head(
        width,
        height,
        found.orientation,
        found.bits,
        found.is_float,
        found.grey,
        found.alpha,
        found.premultiplied,
        tuple(found.other_channels),
        found.xyb,
        found.animated,
        found.loops,
        found.ticks,
        found.timecodes,
        places.preview,
        cicp,
        png_colour,
        icc,
    ), places


class _Metadata:
    """`ImageMetadata` as it is being read."""

    def __init__(self) -> None:
        self.orientation = 1
        self.bits = 8
        self.is_float = False
        self.grey = False
        self.alpha = False
        self.premultiplied = False
        self.other_channels: list[int] = []
        self.xyb = True
        self.animated = False
        self.loops = 0
        self.ticks = 1000.0
        self.timecodes = False
        self.has_icc = False
        self.white: tuple[int, int] = _WHITES[_D65]
        self.white_point = _D65
        self.primaries = 1
        self.points = _PRIMARIES[1]
        self.transfer = 13
        self.gamma = 0
        """In ten millionths; 0 for none."""

    def colours(self) -> tuple[Cicp | None, tuple[tuple[bytes, bytes], ...]]:
        if self.has_icc:
            return None, ()
        known = {(1, _D65): 1, (9, _D65): 9, (11, _D65): 12, (11, _DCI_WHITE): 11}
        primaries = 1 if self.grey else known.get((self.primaries, self.white_point))
        if primaries is not None and not self.gamma:
            return meant(primaries, self.transfer), ()
        chunks = [(b"cHRM", struct.pack(">8I", *(max(0, value) for value in (*self.white, *self.points))))]
        gamma = self.gamma // 100 or {8: 100_000, 13: 45_455}.get(self.transfer, 0)
        if gamma:
            chunks.append((b"gAMA", struct.pack(">I", gamma)))
        return None, tuple(chunks)


def _read_metadata(bits: Bits, found: _Metadata, places: _Places) -> None:
    places.fields = bits.position
    places.extra_fields = bits.flag()
    if places.extra_fields:
        found.orientation = bits.read(3) + 1
        if bits.flag():
            _size(bits)
        places.preview = bits.flag()
        if places.preview:
            _skip_preview(bits)
        found.animated = bits.flag()
        if found.animated:
            ticks = bits.choice(((0, 100), (0, 1000), (10, 1), (30, 1)))
            found.ticks = ticks / bits.choice(((0, 1), (0, 1001), (8, 1), (10, 1)))
            found.loops = bits.choice(((0, 0), (3, 0), (16, 0), (32, 0)))
            found.timecodes = bits.flag()
    places.depth = bits.position
    found.bits, found.is_float = _depth(bits)
    places.after_depth = bits.position
    bits.flag()
    channels = bits.choice(((0, 0), (0, 1), (4, 2), (12, 1)))
    if channels > _MAX_EXTRA_CHANNELS:
        raise ValueError(f"{channels} further channels")
    for _ in range(channels):
        _read_channel(bits, found)
    found.xyb = bits.flag()
    places.colour = bits.position
    _read_colour(bits, found)
    places.after_colour = bits.position
    if places.extra_fields and not bits.flag():
        bits.skip(16 + 16 + 1 + 16)
    extensions = bits.long()
    lengths = [bits.long() for index in range(64) if extensions >> index & 1]
    for length in lengths:
        bits.skip(length)


def _size(bits: Bits) -> tuple[int, int]:
    small = bits.flag()
    height = 8 * (bits.read(5) + 1) if small else bits.choice(_SIDE)
    ratio = bits.read(3)
    if ratio:
        above, below = _RATIOS[ratio - 1]
        return height * above // below, height
    return 8 * (bits.read(5) + 1) if small else bits.choice(_SIDE), height


def _skip_preview(bits: Bits) -> None:
    eighths = bits.flag()
    sides: _Ways = ((0, 16), (0, 32), (5, 1), (9, 33)) if eighths else ((6, 1), (8, 65), (10, 321), (12, 1345))
    bits.choice(sides)
    if not bits.read(3):
        bits.choice(sides)


def _depth(bits: Bits) -> tuple[int, bool]:
    if bits.flag():
        depth = bits.choice(((0, 32), (0, 16), (0, 24), (6, 1)))
        bits.read(4)
        return depth, True
    return bits.choice(((0, 8), (0, 10), (0, 12), (6, 1))), False


def _read_channel(bits: Bits, found: _Metadata) -> None:
    if bits.flag():
        found.alpha = True
        return
    kind = bits.choice(_ENUM)
    _depth(bits)
    bits.choice(((0, 0), (0, 3), (0, 4), (3, 1)))
    bits.skip(8 * bits.choice(((0, 0), (4, 0), (5, 16), (10, 48))))
    if kind == _ALPHA:
        found.alpha = True
        found.premultiplied = bits.flag()
        return
    found.other_channels.append(kind)
    if kind == _SPOT:
        bits.read(64)
    elif kind == _CFA:
        bits.choice(((0, 1), (2, 0), (4, 3), (8, 19)))


def _read_colour(bits: Bits, found: _Metadata) -> None:
    if bits.flag():
        return
    found.has_icc = bits.flag()
    space = bits.choice(_ENUM)
    found.grey = space == _GREY
    if found.has_icc:
        return
    if space != _XYB:
        found.white_point = bits.choice(_ENUM)
        found.white = _point(bits) if found.white_point == _CUSTOM else _WHITES.get(found.white_point, _WHITES[_D65])
        if space != _GREY:
            found.primaries = bits.choice(_ENUM)
            if found.primaries == _CUSTOM:
                found.points = (*_point(bits), *_point(bits), *_point(bits))
            else:
                found.points = _PRIMARIES.get(found.primaries, _PRIMARIES[1])
    if space != _XYB:
        if bits.flag():
            found.gamma = bits.read(24)
        else:
            found.transfer = bits.choice(_ENUM)
    bits.choice(_ENUM)


def _point(bits: Bits) -> tuple[int, int]:
    """x and y in hundred thousandths, of millionths with the sign in the lowest bit."""
    values = []
    for _ in range(2):
        packed = bits.choice(((19, 0), (19, 524_288), (20, 1_048_576), (21, 2_097_152)))
        value = -(packed >> 1) - 1 if packed & 1 else packed >> 1
        values.append(round(value / 10))
    return values[0], values[1]


def _skip_transforms(bits: Bits, xyb: bool) -> None:
    if bits.flag():
        return
    if xyb and not bits.flag():
        bits.skip(16 * 16)
    weights = bits.read(3)
    for index, count in enumerate((15, 55, 210)):
        if weights >> index & 1:
            bits.skip(16 * count)


def _write_colour(writer: BitWriter, grey: bool, cicp: Cicp | None, icc: bytes | None) -> None:
    space = _GREY if grey else _RGB
    if icc:
        writer.write(0b10, 2)
        _write_enum(writer, space)
        return
    if cicp is None and not grey:
        writer.write(1, 1)
        return
    cicp = cicp or Cicp(1, 13)
    writer.write(0, 2)
    _write_enum(writer, space)
    _write_enum(writer, _DCI_WHITE if cicp.primaries == 11 else _D65)
    if not grey:
        _write_enum(writer, {1: 1, 9: 9, 11: 11, 12: 11}[cicp.primaries])
    writer.write(0, 1)
    _write_enum(writer, cicp.transfer)
    # Relative colorimetric.
    _write_enum(writer, 1)


def _write_enum(writer: BitWriter, value: int) -> None:
    for way, (count, offset) in enumerate(_ENUM):
        if offset <= value < offset + (1 << count):
            writer.write(way, 2)
            writer.write(value - offset, count)
            return
    raise ValueError(value)
