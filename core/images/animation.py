"""Animations: frames of GIF, WebP and AVIF as whole pictures, and those and PNG's written.

PNG's are read by `apng`, and those of JPEG XL read and written by `jxl`.

Pillow lays each frame over what was before it, so that a frame here is all that is seen at its time; what is written
replaces the whole canvas with each frame, which looks the same whatever the source disposed of, and how.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from core.images.isobmff import plays_of_sequence, with_plays
from core.images.metadata.exif import EXIF_PREFIX
from core.images.picture import Metadata, StoredPixels
from core.images.pillow_source import decode_image, open_with_pillow
from core.images.png import encode_png, pixel_data
from core.images.refusal import UnreadableError, damaged
from core.images.samples import parted, spread
from core.language import gettext as _

MOST_FRAMES = 100_000
MOST_AT_ONCE = 1 << 26
"""How many pixels all frames may have to be decoded together."""
_ALWAYS_TAKEN, _MOST_PIXELS_A_BYTE = 1 << 26, 20_000
"""How many pixels all frames together may have, or how many a byte of the file: a few bytes can claim frames that take
hours. A still screen that was recorded takes a byte for some thousands."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When the frames of an animation are shown."""

    durations: tuple[int, ...]
    """Milliseconds of each frame."""
    plays: int
    """How often it is shown; 0 is for ever."""


def check_frames(count: int, width: int, height: int, size: int) -> None:
    """Refuse more frames than anybody needs, or than a file of so many bytes can hold.

    Raises:
        UnreadableError: there are too many.
    """
    if count > MOST_FRAMES:
        raise UnreadableError(_("has {count:,} frames.").format(count=count), _("Cut it into parts first."))
    if count * width * height > max(_ALWAYS_TAKEN, _MOST_PIXELS_A_BYTE * size):
        raise UnreadableError(
            _("says that it has {count:,} frames of {width:,} x {height:,} pixels, far too many for its size.").format(
                count=count, width=width, height=height
            ),
            _("Save it again, or take its first frame alone (--frames first)."),
        )


class Animation:
    """An open animation, whose frames are of 8 bits.

    Raises:
        UnreadableError: it is damaged, or too large.
    """

    def __init__(self, file: BinaryIO, key: str, check: Callable[[], None]) -> None:
        """Look at all frames once.

        Args:
            file: the content.
            key: of `FORMATS`.
            check: called between frames, to raise where nobody wants the rest.
        """
        self._image = open_with_pillow(file, key)
        info = self._image.info
        count = int(getattr(self._image, "n_frames", 1))
        check_frames(count, *self._image.size, file.seek(0, io.SEEK_END))
        durations = []
        self._has_alpha = False
        for index in range(count):
            check()
            self._image.seek(index)
            self._image.load()
            durations.append(max(0, round(float(self._image.info.get("duration", 0)))))
            self._has_alpha = self._has_alpha or _shows_through(self._image)
        loop = info.get("loop")
        # GIF counts repetitions, and says nothing for none.
        plays = (1 if loop is None else loop + 1 if loop else 0) if key == "gif" else int(loop or 0)
        plays = plays_of_sequence(file) if key == "avif" else plays
        self.timing = Timing(tuple(durations), plays)

    def frames(self) -> Iterator[StoredPixels]:
        """What is seen at each time, RGB, all with alpha or none."""
        for index in range(len(self.timing.durations)):
            self._image.seek(index)
            decoded = decode_image(self._image.convert("RGBA"), None)
            yield decoded if self._has_alpha else StoredPixels(decoded.pixels, None)


class DeepAvif(Animation):
    """An open AVIF animation of 10 or 12 bits, whose frames keep them, but for one too large to be decoded at once.

    Raises:
        UnreadableError: it is damaged, or too large.
    """

    def __init__(self, file: BinaryIO, bits: int, check: Callable[[], None]) -> None:
        super().__init__(file, "avif", check)
        self._file, self._bits = file, bits

    def frames(self) -> Iterator[StoredPixels]:
        """What is seen at each time, RGB of 16 bits over the whole range, all with alpha or none."""
        count = len(self.timing.durations)
        width, height = self._image.size
        if count * width * height > MOST_AT_ONCE:
            yield from super().frames()
            return
        self._file.seek(0)
        # All of them: asked for one, imagecodecs 2026.3.6 writes beyond its memory.
        samples = imagecodecs.avif_decode(self._file.read())
        if samples.ndim < 3 or samples.shape[:3] != (count, height, width) or samples.dtype != np.uint16:
            raise damaged()
        for each in samples.reshape(count, height, width, -1):
            pixels, alpha = parted(spread(each, self._bits))
            pixels = pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
            yield StoredPixels(pixels, alpha if self._has_alpha else None)


def _shows_through(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    extremes = image.convert("RGBA").getchannel("A").getextrema()
    return extremes != (255, 255)


def write_apng(file: BinaryIO, frames: Iterable[np.ndarray], metadata: Metadata, timing: Timing) -> None:
    """Write an animated PNG (PNG specification, third edition, section 11.3.6).

    Args:
        file: open for writing.
        frames: H x W x 3 or 4 samples, all of one shape; as many as `timing` has durations.
        metadata: as the format can hold it.
        timing: of the frames.
    """
    number = 0
    for index, samples in enumerate(frames):
        control = _frame_control(number, samples, timing.durations[index])
        number += 1
        if index == 0:
            head, *remarks, rest = encode_png(samples, metadata)
            file.write(head)
            file.write(_chunk(b"acTL", struct.pack(">II", len(timing.durations), timing.plays)))
            for remark in remarks:
                file.write(remark)
            file.write(control)
            for data in pixel_data(rest):
                file.write(_chunk(b"IDAT", data))
            continue
        file.write(control)
        for data in pixel_data(encode_png(samples, Metadata())[-1]):
            file.write(_chunk(b"fdAT", struct.pack(">I", number) + data))
            number += 1
    file.write(_chunk(b"IEND", b""))


def _frame_control(number: int, samples: np.ndarray, duration: int) -> bytes:
    height, width = samples.shape[:2]
    # Thousandths of a second, or hundredths of a long time.
    delay = (duration, 1000) if duration < 1 << 16 else (min(duration // 10, 0xFFFF), 100)
    # It stays, and replaces what was there.
    return _chunk(b"fcTL", struct.pack(">5I2H2B", number, width, height, 0, 0, *delay, 0, 0))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def write_webp(
    file: BinaryIO, frames: Iterable[np.ndarray], metadata: Metadata, timing: Timing, quality: int | None
) -> None:
    """Write an animated WebP (WebP container specification); without a quality nothing is lost."""
    _riff(file, b"RIFF", b"WEBP")
    for index, samples in enumerate(frames):
        height, width, channels = samples.shape
        if index == 0:
            flags = 0x02 | 0x10 * (channels == 4) | 0x20 * bool(metadata.icc)
            flags |= 0x08 * bool(metadata.exif) | 0x04 * bool(metadata.xmp)
            _riff(file, b"VP8X", bytes((flags, 0, 0, 0)) + _three(width - 1) + _three(height - 1))
            if metadata.icc:
                _riff(file, b"ICCP", metadata.icc)
            _riff(file, b"ANIM", struct.pack("<IH", 0, min(timing.plays, 0xFFFF)))
        buffer = io.BytesIO()
        options = {"lossless": True, "exact": True, "quality": 50} if quality is None else {"quality": quality}
        Image.fromarray(samples).save(buffer, "WEBP", method=2, **options)
        duration = _three(min(timing.durations[index], 0xFFFFFF))
        # It replaces what was there, and stays.
        head = bytes(6) + _three(width - 1) + _three(height - 1) + duration + b"\2"
        _riff(file, b"ANMF", head + b"".join(_webp_pictures(buffer.getvalue())))
    if metadata.exif:
        _riff(file, b"EXIF", EXIF_PREFIX + metadata.exif)
    if metadata.xmp:
        _riff(file, b"XMP ", metadata.xmp)
    end = file.tell()
    file.seek(4)
    file.write(struct.pack("<I", end - 8))


def _three(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _riff(file: BinaryIO, kind: bytes, data: bytes) -> None:
    if kind == b"RIFF":
        file.write(kind + bytes(4) + data)
        return
    file.write(kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2))


def _webp_pictures(webp: bytes) -> Iterator[bytes]:
    """The chunks of a still picture that hold its pixels."""
    at = 12
    while at + 8 <= len(webp):
        kind, length = struct.unpack_from("<4sI", webp, at)
        end = at + 8 + length + length % 2
        if kind in (b"ALPH", b"VP8 ", b"VP8L"):
            yield webp[at:end]
        at = end


def write_gif(file: BinaryIO, frames: Iterable[np.ndarray], metadata: Metadata, timing: Timing) -> None:
    """Write an animated GIF (GIF89a); each frame has a palette of its own, and dithers where that is too small."""
    for index, samples in enumerate(frames):
        height, width, channels = samples.shape
        if index == 0:
            file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0))
            if timing.plays != 1:
                loops = min(max(0, timing.plays - 1), 0xFFFF)
                file.write(b"\x21\xff\x0bNETSCAPE2.0\3\1" + struct.pack("<H", loops) + b"\0")
            if metadata.icc:
                file.write(b"\x21\xff\x0bICCRGBG1012" + _blocks(metadata.icc))
            if metadata.xmp:
                trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
                file.write(b"\x21\xff\x0bXMP DataXMP" + metadata.xmp + trailer)
            for text in metadata.texts:
                file.write(b"\x21\xfe" + _blocks(text.text.encode("utf-8", "replace")))
        file.write(_gif_frame(samples, timing.durations[index], channels == 4))
    file.write(b";")


def _blocks(data: bytes) -> bytes:
    parts = (data[at : at + 255] for at in range(0, len(data), 255))
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"


_CLEAR = 255


def _gif_frame(samples: np.ndarray, duration: int, has_alpha: bool) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(samples[..., :3]))
    colours = 255 if has_alpha else 256
    reduced = image.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    if image.getcolors(colours) is None:
        reduced = image.quantize(palette=reduced, dither=Image.Dither.FLOYDSTEINBERG)
    if has_alpha:
        indices = np.array(reduced)
        indices[samples[..., 3] < 128] = _CLEAR
        palette = (reduced.getpalette() or [])[: 3 * 255]
        reduced = Image.frombytes("P", image.size, indices.tobytes())
        reduced.putpalette(palette + [0] * (768 - len(palette)))
    buffer = io.BytesIO()
    reduced.save(buffer, "GIF", optimize=False, interlace=0)
    # Where something shows through, a frame is cleared before the next.
    flags = (2 << 2 | 1) if has_alpha else 1 << 2
    control = b"\x21\xf9\4" + struct.pack("<BHBB", flags, min(round(duration / 10), 0xFFFF), _CLEAR, 0)
    return control + _gif_picture(buffer.getvalue())


def _gif_picture(gif: bytes) -> bytes:
    """The picture of a GIF of one frame, with its palette as its own."""
    flags = gif[10]
    size = 3 << (flags & 7) + 1 if flags & 0x80 else 0
    palette, at = gif[13 : 13 + size], 13 + size
    while gif[at] == 0x21:
        at += 2
        while gif[at]:
            at += gif[at] + 1
        at += 1
    # Descriptor: place and size, then its flags.
    own = gif[at + 9]
    if own & 0x80:
        return gif[at:-1]
    return gif[at : at + 9] + bytes((own | 0x80 | (flags & 7),)) + palette + gif[at + 10 : -1]


def write_avif(
    file: BinaryIO, frames: Iterable[np.ndarray], metadata: Metadata, timing: Timing, quality: int | None
) -> None:
    """Write an animated AVIF; its encoder wants all frames at once."""
    images = [Image.fromarray(samples) for samples in frames]
    options: dict[str, object] = {"quality": 100 if quality is None else quality, "subsampling": "4:4:4", "speed": 8}
    if metadata.exif:
        options["exif"] = metadata.exif
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    if metadata.icc:
        options["icc_profile"] = metadata.icc
    buffer = io.BytesIO()
    images[0].save(buffer, "AVIF", save_all=True, append_images=images[1:], duration=list(timing.durations), **options)
    file.write(with_plays(buffer.getvalue(), timing.plays))
