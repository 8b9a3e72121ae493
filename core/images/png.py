"""PNG by chunks (PNG specification, third edition), with the pixels left to libpng.

Of a stranger's file libpng only gets the chunks that the pixels need. The others are read here with a limit on what
they may decompress to, and written here, as the encoder knows nothing of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

import imagecodecs
import numpy as np

from core.images.cicp import Cicp, meant
from core.images.credentials import PNG_CHUNK
from core.images.metadata.exif import EXIF_PREFIX, orientation, plausible_dpi
from core.images.metadata.iptc import of_iim
from core.images.metadata.parts import LeftOut
from core.images.metadata.text import MOST_TEXTS, Text, decoded
from core.images.picture import Header, Metadata, StoredPixels, shape_of_pixels
from core.images.refusal import MAX_METADATA_BYTES, check_size, damaged

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _RGB: (8, 16), _PALETTE: (1, 2, 4, 8), _GREY_ALPHA: (8, 16), _RGB_ALPHA: (8, 16)}
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_SHORT_TEXT = 1024
"""Bytes of a text that is not worth compressing, as the PNG specification has it."""
_METRES_PER_INCH = 0.0254
_AFTER_HEADER = 33
"""Signature and IHDR."""
_COLOUR_OF_SRGB = {
    b"cHRM": (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"gAMA": (45455,),
}
"""What these chunks hold where they say sRGB."""
_HDR = (b"cLLI", b"mDCV")
_COLOUR_LAYOUT = {b"cICP": ">4B", b"cHRM": ">8I", b"gAMA": ">I", b"cLLI": ">2I", b"mDCV": ">8H2I"}
_SAME_COLOUR = 500
"""Hundred thousandths: what programs that round differently write for one colour or gamma."""


class PngSource:
    """An open PNG file.

    Raises:
        UnreadableError: it is damaged, or too large.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._needed: list[tuple[int, int]] = []
        self._alpha = False
        self._frames = 1
        self._found: dict[str, bytes] = {}
        self._colour: dict[bytes, bytes] = {}
        self._texts: list[Text] = []
        self._text_bytes = 0
        self._dpi: tuple[float, float] | None = None
        self._grid: tuple[float, float] | None = None
        self._left_out: tuple[LeftOut, ...] = ()
        width, height, depth = self._read_chunks()
        exif, xmp, icc = (self._found.get(name) for name in ("exif", "xmp", "icc"))
        self.header = Header(
            width,
            height,
            bits=16 if depth == 16 else 8,
            alpha=self._alpha,
            frames=self._frames,
            orientation=orientation(exif),
            metadata=self._metadata(exif, xmp, icc),
        )

    def _metadata(self, exif: bytes | None, xmp: bytes | None, icc: bytes | None) -> Metadata:
        cicp, other = self._other_colour()
        return Metadata(
            exif,
            xmp,
            icc,
            self._dpi,
            cicp=cicp,
            png_colour=other,
            png_hdr=tuple((kind, self._colour[kind]) for kind in _HDR if kind in self._colour),
            photoshop=self._found.get("photoshop"),
            texts=tuple(self._texts),
            modified=self._found.get("time"),
            left_out=self._left_out,
            grid=self._grid,
        )

    def decode(self) -> StoredPixels:
        """Decode all pixels."""
        parts = [_SIGNATURE]
        for position, size in self._needed:
            self._file.seek(position)
            parts.append(self._file.read(size))
        samples = imagecodecs.png_decode(b"".join(parts) + _chunk(b"IEND", b""))
        samples = samples.reshape(self.header.height, self.header.width, -1)
        if samples.shape[2] in (1, 3):
            return StoredPixels(samples, None)
        return StoredPixels(np.ascontiguousarray(samples[..., :-1]), np.ascontiguousarray(samples[..., -1]))

    def _read_chunks(self) -> tuple[int, int, int]:
        end = self._file.seek(0, os.SEEK_END)
        position = len(_SIGNATURE)
        shape: tuple[int, int, int] | None = None
        pixels = False
        while position + 8 <= end:
            self._file.seek(position)
            length, kind = struct.unpack(">I4s", self._file.read(8))
            if kind == b"IEND":
                break
            if position + 12 + length > end:
                raise damaged()
            if shape is None:
                if kind != b"IHDR" or length != 13:
                    raise damaged()
                shape = self._read_header(self._file.read(13))
            elif kind == b"IDAT":
                pixels = True
            elif kind == PNG_CHUNK:
                self._left_out = (LeftOut.CREDENTIALS,)
            elif kind in _COLOUR_LAYOUT and length == struct.calcsize(_COLOUR_LAYOUT[kind]):
                self._colour.setdefault(kind, self._file.read(length))
            elif kind in _READERS and length <= MAX_METADATA_BYTES:
                # Whatever is wrong with a remark is no reason to refuse the picture.
                with contextlib.suppress(ValueError, IndexError, struct.error, zlib.error):
                    _READERS[kind](self, self._file.read(length))
            if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT"):
                self._needed.append((position, 12 + length))
            position += 12 + length
        if shape is None or not pixels:
            raise damaged()
        return shape

    def _read_header(self, data: bytes) -> tuple[int, int, int]:
        width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", data)
        check_size(width, height)
        if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
            raise damaged()
        self._alpha = colour in (_GREY_ALPHA, _RGB_ALPHA)
        return width, height, depth

    def _other_colour(self) -> tuple[Cicp | None, tuple[tuple[bytes, bytes], ...]]:
        """What makes the pixels something else than what a profile, or sRGB where there is none, says.

        Code points decide over a profile, and both over the other chunks (PNG specification, section 4.3).
        """
        if b"cICP" in self._colour:
            primaries, transfer, matrix, full_range = self._colour[b"cICP"]
            if matrix == 0:
                return meant(primaries, transfer, bool(full_range)), ()
        if "icc" in self._found or "srgb" in self._found:
            return None, ()
        chunks = tuple((kind, self._colour[kind]) for kind in _COLOUR_OF_SRGB if kind in self._colour)
        return None, () if all(_means_srgb(kind, data) for kind, data in chunks) else chunks

    def _read_intent(self, data: bytes) -> None:
        self._keep("srgb", data)

    def _read_transparency(self, _data: bytes) -> None:
        self._alpha = True

    def _read_animation(self, data: bytes) -> None:
        self._frames = max(1, struct.unpack_from(">I", data)[0])

    def _read_resolution(self, data: bytes) -> None:
        across, down, unit = struct.unpack(">IIB", data)
        if unit == 0:
            self._grid = shape_of_pixels(across, down) or self._grid
        if unit == 1:
            self._dpi = plausible_dpi(_per_inch(across), _per_inch(down))

    def _read_profile(self, data: bytes) -> None:
        self._keep("icc", _inflated(data[data.index(b"\0") + 2 :]))

    def _read_exif(self, data: bytes) -> None:
        self._keep("exif", data)

    def _read_time(self, data: bytes) -> None:
        if len(data) == 7:
            self._keep("time", data)

    def _read_international_text(self, data: bytes) -> None:
        keyword, rest = data.split(b"\0", 1)
        compressed, rest = rest[0], rest[2:]
        language, translated, text = rest.split(b"\0", 2)
        if compressed:
            text = _inflated(text)
        if keyword == _XMP_KEYWORD:
            self._keep("xmp", text)
        else:
            self._add(Text(keyword.decode("latin-1"), decoded(text), language.decode("latin-1"), decoded(translated)))

    def _read_text(self, data: bytes) -> None:
        keyword, text = data.split(b"\0", 1)
        self._read_plain(keyword, text)

    def _read_compressed_text(self, data: bytes) -> None:
        keyword, rest = data.split(b"\0", 1)
        self._read_plain(keyword, _inflated(rest[1:]))

    def _read_plain(self, keyword: bytes, text: bytes) -> None:
        if keyword.startswith(b"Raw profile type "):
            self._read_raw_profile(keyword, text)
        else:
            self._add(Text(keyword.decode("latin-1"), decoded(text)))

    def _add(self, text: Text) -> None:
        self._text_bytes += len(text.text)
        if text.keyword and len(self._texts) < MOST_TEXTS and self._text_bytes <= MAX_METADATA_BYTES:
            self._texts.append(text)

    def _read_raw_profile(self, keyword: bytes, text: bytes) -> None:
        """EXIF, XMP and IPTC as ImageMagick wrote them before there were chunks: a name, a length, hexadecimal.

        The name is of one word there, of two in ExifTool's ("IPTC profile").
        """
        match = re.match(rb"\s*\w+(?: \w+)?\s+\d+\s+", text)
        if not match:
            return
        data = bytes.fromhex(text[match.end() :].decode("ascii"))
        name = keyword.removeprefix(b"Raw profile type ").lower()
        if name in (b"exif", b"app1"):
            if data.startswith(_XMP_PREFIX):
                self._keep("xmp", data.removeprefix(_XMP_PREFIX))
            # Some programs leave the prefix out.
            elif data.startswith((EXIF_PREFIX, b"II*\0", b"MM\0*")):
                self._keep("exif", data.removeprefix(EXIF_PREFIX))
        elif name == b"xmp":
            self._keep("xmp", data)
        elif name in (b"iptc", b"8bim"):
            data = data.removeprefix(b"Photoshop 3.0\0")
            self._keep("photoshop", data if data.startswith(b"8BIM") else of_iim(data))

    def _keep(self, name: str, data: bytes) -> None:
        if data:
            self._found.setdefault(name, data)


_READERS = {
    b"tRNS": PngSource._read_transparency,
    b"acTL": PngSource._read_animation,
    b"pHYs": PngSource._read_resolution,
    b"iCCP": PngSource._read_profile,
    b"sRGB": PngSource._read_intent,
    b"eXIf": PngSource._read_exif,
    b"iTXt": PngSource._read_international_text,
    b"tEXt": PngSource._read_text,
    b"zTXt": PngSource._read_compressed_text,
    b"tIME": PngSource._read_time,
}


def encode_png(samples: np.ndarray, metadata: Metadata) -> list[bytes | memoryview]:
    """The parts of a PNG file of H x W x C samples, C = 1 to 4 (grey, grey + alpha, RGB, RGBA), uint8 or uint16."""
    encoded = memoryview(_smallest(samples))
    remarks: list[bytes | memoryview] = []
    if metadata.cicp:
        codes = (metadata.cicp.primaries, metadata.cicp.transfer, 0, metadata.cicp.full_range)
        remarks.append(_chunk(b"cICP", bytes(codes)))
    remarks += [_chunk(kind, data) for kind, data in (*metadata.png_colour, *metadata.png_hdr)]
    if metadata.icc:
        remarks.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi:
        across, down = (round(value / _METRES_PER_INCH) for value in metadata.dpi)
        remarks.append(_chunk(b"pHYs", struct.pack(">IIB", across, down, 1)))
    elif metadata.grid:
        ratio = Fraction(metadata.grid[0] / metadata.grid[1]).limit_denominator(10_000)
        if ratio != 1:
            remarks.append(_chunk(b"pHYs", struct.pack(">IIB", ratio.numerator, ratio.denominator, 0)))
    if metadata.exif:
        remarks.append(_chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        remarks.append(_chunk(b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp))
    remarks += map(_text_chunk, metadata.texts)
    if metadata.modified:
        remarks.append(_chunk(b"tIME", metadata.modified))
    return [encoded[:_AFTER_HEADER], *remarks, encoded[_AFTER_HEADER:]]


def pixel_data(encoded: bytes | memoryview) -> Iterator[bytes]:
    """The content of the IDAT chunks among the last parts of `encode_png`."""
    at = 0
    while at + 8 <= len(encoded):
        length, kind = struct.unpack_from(">I4s", encoded, at)
        if kind == b"IDAT":
            yield bytes(encoded[at + 8 : at + 8 + length])
        at += 12 + length


_Way = tuple[int, int, int]
"""Level, strategy and filter."""
_PNG = imagecodecs.PNG
_PHOTOGRAPH: _Way = (1, _PNG.STRATEGY.RLE, _PNG.FILTER.PAETH)
"""Paeth with run lengths: on photographs as small as zlib's usual way at level 6, in a tenth of the time."""
_DRAWINGS: tuple[_Way, ...] = (
    (8, _PNG.STRATEGY.DEFAULT, _PNG.FILTER.NO),
    (8, _PNG.STRATEGY.DEFAULT, _PNG.FILTER.SUB),
    (6, _PNG.STRATEGY.FILTERED, _PNG.FILTER.PAETH),
)
"""For what repeats itself: dithers, halftones, text, checks, where run lengths would take several times the room."""
_QUICK: _Way = (4, _PNG.STRATEGY.DEFAULT, _PNG.FILTER.PAETH)
"""Tells whether anything repeats itself, in a tenth of the time that the ways for drawings take of a photograph."""
_REPEATS = 0.95
"""Share of a photograph's way that it must stay under for them to be tried: photographs come to 1.02 to 1.2."""
_PLAIN = 1 / 8
"""Share of the bytes below which they are tried in any case: what is as plain as that, they do at once."""
_SAMPLE_PIXELS = 1 << 14
_WORTH_IT = 0.85
"""Share of the size down to which a result must shrink to be worth an encoder of several times the time."""


def _smallest(samples: np.ndarray) -> bytes:
    """A PNG in the way that makes some of the picture's rows smallest."""
    rows = max(16, _SAMPLE_PIXELS // samples.shape[1])
    top = max(0, (len(samples) - rows) // 2)
    some = samples[top : top + rows]
    tried = {_PHOTOGRAPH: _compressed(some, *_PHOTOGRAPH)}
    size = len(tried[_PHOTOGRAPH])
    if size < _PLAIN * some.nbytes or len(_compressed(some, *_QUICK)) < _REPEATS * size:
        tried |= {way: _compressed(some, *way) for way in _DRAWINGS}
    best = min(tried, key=lambda way: len(tried[way]))
    if len(tried[best]) >= _WORTH_IT * size:
        best = _PHOTOGRAPH
    return tried[best] if len(some) == len(samples) else _compressed(samples, *best)


def _compressed(samples: np.ndarray, level: int, strategy: int, filter: int) -> bytes:
    plain = np.ascontiguousarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    return bytes(imagecodecs.png_encode(plain, level=level, strategy=strategy, filter=filter))


def _text_chunk(text: Text) -> bytes:
    keyword = text.keyword.encode("latin-1", "replace")[:79].replace(b"\0", b" ").strip() or b"Comment"
    plain = text.text.replace("\0", "")
    try:
        if text.language or text.translated:
            raise UnicodeError
        data = plain.encode("latin-1")
    except UnicodeError:
        data = plain.encode("utf-8", "replace")
        is_long = len(data) >= _SHORT_TEXT
        head = (
            bytes((is_long, 0)) + text.language.encode("latin-1", "replace") + b"\0" + text.translated.encode() + b"\0"
        )
        return _chunk(b"iTXt", keyword + b"\0" + head + (zlib.compress(data) if is_long else data))
    if len(data) >= _SHORT_TEXT:
        return _chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(data))
    return _chunk(b"tEXt", keyword + b"\0" + data)


def _means_srgb(kind: bytes, data: bytes) -> bool:
    numbers = struct.unpack(_COLOUR_LAYOUT[kind], data)
    return all(abs(a - b) <= _SAME_COLOUR for a, b in zip(numbers, _COLOUR_OF_SRGB[kind], strict=True))


def _per_inch(per_metre: int) -> float:
    """Dots per inch of PNG's whole dots per metre: the whole number that was meant, where there is one."""
    value = per_metre * _METRES_PER_INCH
    return round(value) if round(round(value) / _METRES_PER_INCH) == per_metre else value


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    result = inflater.decompress(data, MAX_METADATA_BYTES)
    if inflater.unconsumed_tail or not inflater.eof:
        raise ValueError("too long, or cut off")
    return result
