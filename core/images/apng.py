"""Animated PNGs: every frame as it is seen, with all its bits (PNG specification, third edition).

Pillow 13.0.0 reads them in 8 bits, leaves opaque what a frame uncovers, and mixes the alpha of two frames as if it were
a colour.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import imagecodecs
import numpy as np

from core.images.animation import Timing, check_frames
from core.images.picture import StoredPixels
from core.images.refusal import damaged
from core.images.samples import parted

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEEP, _CLEAR, _BACK = 0, 1, 2
"""What becomes of a frame's place after it (dispose_op)."""
_OVER = 1
"""A frame lies over what was there, and does not replace it (blend_op)."""
_WITH_ALPHA = (4, 6)
_LONGEST_PALETTE = 3 * 256


@dataclass(slots=True)
class _Frame:
    left: int
    top: int
    width: int
    height: int
    duration: int
    disposal: int
    is_over: bool
    data: list[tuple[int, int]] = field(default_factory=list)
    """Where its compressed pixels lie, and how many bytes."""

    @property
    def place(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


class Apng:
    """An open animation.

    Raises:
        UnreadableError: it is damaged, or too large.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read where the frames lie.

        Args:
            file: the content.
        """
        self._file = file
        self._frames: list[_Frame] = []
        self._needed: dict[bytes, bytes] = {}
        plays = self._read()
        self.timing = Timing(tuple(frame.duration for frame in self._frames), plays)

    @property
    def _dtype(self) -> np.dtype:
        return np.dtype(np.uint16 if self._depth > 8 else np.uint8)

    def frames(self) -> Iterator[StoredPixels]:
        """What is seen at each time: RGB of 8 or 16 bits, all with alpha or none."""
        canvas = np.zeros((self._height, self._width, 4), self._dtype)
        has_alpha = self._colour in _WITH_ALPHA or b"tRNS" in self._needed or self._shows_through()
        for number, frame in enumerate(self._frames):
            before = canvas[frame.place].copy() if frame.disposal == _BACK else None
            pixels = self._decoded(frame)
            canvas[frame.place] = _over(pixels, canvas[frame.place]) if frame.is_over else pixels
            yield StoredPixels(canvas[..., :3].copy(), canvas[..., 3].copy() if has_alpha else None)
            # There is nothing to go back to before the first frame.
            if before is not None and number:
                canvas[frame.place] = before
            elif frame.disposal != _KEEP:
                canvas[frame.place] = 0

    def _shows_through(self) -> bool:
        """Whether opaque frames leave a part of the canvas free at any time."""
        covered = np.zeros((self._height, self._width), bool)
        for number, frame in enumerate(self._frames):
            before = covered[frame.place].copy()
            covered[frame.place] = True
            if not covered.all():
                return True
            if frame.disposal != _KEEP:
                covered[frame.place] = before if frame.disposal == _BACK and number else False
        return False

    def _decoded(self, frame: _Frame) -> np.ndarray:
        """H x W x 4: the frame as a PNG of its own."""
        shape = struct.pack(">IIBBBBB", frame.width, frame.height, self._depth, self._colour, 0, 0, self._interlace)
        parts = [_SIGNATURE, _chunk(b"IHDR", shape)]
        parts += (_chunk(kind, self._needed[kind]) for kind in (b"PLTE", b"tRNS") if kind in self._needed)
        for place, length in frame.data:
            self._file.seek(place)
            parts.append(_chunk(b"IDAT", self._file.read(length)))
        samples = imagecodecs.png_decode(b"".join(parts) + _chunk(b"IEND", b""))
        if samples.shape[:2] != (frame.height, frame.width) or samples.dtype != self._dtype:
            raise damaged()
        pixels, alpha = parted(samples)
        result = np.full((frame.height, frame.width, 4), np.iinfo(self._dtype).max, self._dtype)
        result[..., :3] = pixels
        if alpha is not None:
            result[..., 3] = alpha
        return result

    def _read(self) -> int:
        """How often it is shown; 0 is for ever."""
        end = self._file.seek(0, 2)
        at, count, plays = len(_SIGNATURE), 0, 0
        self._width = self._height = self._depth = self._colour = self._interlace = 0
        while at + 12 <= end:
            self._file.seek(at)
            length, kind = struct.unpack(">I4s", self._file.read(8))
            if at + 12 + length > end:
                raise damaged()
            place, at = at + 8, at + 12 + length
            if kind == b"IHDR" and not self._width and length == struct.calcsize(">IIBBBBB"):
                shape = struct.unpack(">IIBBBBB", self._file.read(length))
                self._width, self._height, self._depth, self._colour, _packing, _filtering, self._interlace = shape
            elif kind in (b"PLTE", b"tRNS") and length <= _LONGEST_PALETTE:
                self._needed.setdefault(kind, self._file.read(length))
            elif kind == b"acTL" and length == 8:
                count, plays = struct.unpack(">II", self._file.read(8))
                check_frames(count, self._width, self._height, end)
            elif kind == b"fcTL" and length == 26 and len(self._frames) < count:
                self._frames.append(self._frame(self._file.read(26)))
            elif kind == b"IDAT" and self._frames:
                # Before the first frame it is the picture for programs that know no animation.
                self._frames[-1].data.append((place, length))
            elif kind == b"fdAT" and self._frames and length >= 4:
                self._frames[-1].data.append((place + 4, length - 4))
            elif kind == b"IEND":
                break
        if not self._frames or len(self._frames) < count or not all(frame.data for frame in self._frames):
            raise damaged()
        return plays

    def _frame(self, control: bytes) -> _Frame:
        _number, width, height, left, top, above, below, disposal, blending = struct.unpack(">5I2H2B", control)
        if not width or not height or left + width > self._width or top + height > self._height:
            raise damaged()
        duration = round(1000 * above / (below or 100))
        return _Frame(left, top, width, height, duration, disposal, blending == _OVER)


def _over(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """H x W x 4 laid over another, none multiplied by its alpha (PNG specification, section 13.16)."""
    top = np.iinfo(upper.dtype).max
    front = upper[..., 3:].astype(np.float64) / top
    back = lower[..., 3:].astype(np.float64) / top * (1 - front)
    both = front + back
    colours = (upper[..., :3] * front + lower[..., :3] * back) / np.where(both > 0, both, 1)
    return np.rint(np.concatenate([colours, both * top], axis=2)).astype(upper.dtype)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
