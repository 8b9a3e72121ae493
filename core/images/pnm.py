"""Netpbm's formats: PBM, PGM, PPM and PAM of 1 to 16 bits, and PFM of floats, read and written by numpy."""

from __future__ import annotations

import os
import re
from typing import BinaryIO

import numpy as np

from core.images.light import LIGHT, shown
from core.images.metadata.parts import LeftOut
from core.images.picture import Header, Metadata, StoredPixels
from core.images.refusal import UnreadableError, check_size, damaged
from core.images.samples import parted
from core.images.values import scale_of
from core.language import gettext as _

_HEAD_BYTES = 4096
_MAX_TEXT_BYTES = 1 << 28
_TOKEN = rb"(?:\s|#[^\n\r]*[\n\r])*([^\s#]+)"
_FEWEST_BYTES = 3
"""What the head of another picture takes: its kind, and white space."""
_PLAIN = (b"P1", b"P2", b"P3")
_BITMAP = (b"P1", b"P4")


class PnmSource:
    """An open file of any of them.

    Raises:
        UnreadableError: it is damaged, or too large.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(_HEAD_BYTES)
        self._kind = head[:2]
        self._order = ">"
        self._top = 255
        if self._kind == b"P7":
            width, height = self._read_arbitrary(head)
        else:
            width, height = self._read_head(head)
        check_size(width, height)
        self._shape = (height, width, self._channels)
        self._is_float = self._kind in (b"PF", b"Pf")
        if not self._is_float and not 1 <= self._top <= 65535:
            raise damaged()
        if self._kind not in _PLAIN and size - self._start < self._bytes():
            raise damaged()
        bits = 16 if self._is_float or self._top > 255 else 8
        self.header = Header(
            width,
            height,
            alpha=self._channels in (2, 4),
            bits=bits,
            lossless=False,
            metadata=Metadata(
                cicp=LIGHT if self._kind == b"PF" else None,
                left_out=(LeftOut.PICTURES,) * self._is_first_of_several(),
            ),
        )

    def decode(self) -> StoredPixels:
        """Decode the first picture."""
        samples = self._samples()
        if self._kind == b"PF":
            return shown(samples)
        if self._kind == b"Pf":
            scale, note = scale_of(samples, None, None, None)
            return StoredPixels(scale.pixels(samples), None, (note,), scale=scale)
        if self._kind in _BITMAP:
            samples = 1 - samples
        if int(samples.max(initial=0)) > self._top:
            raise damaged()
        dtype = np.uint8 if self._top <= 255 else np.uint16
        full = int(np.iinfo(dtype).max)
        if self._top != full:
            samples = ((samples.astype(np.uint32) * full + self._top // 2) // self._top).astype(dtype)
        pixels, alpha = parted(samples.astype(dtype))
        return StoredPixels(pixels, alpha)

    def _is_first_of_several(self) -> bool:
        """Whether another picture lies behind the first, as Netpbm's programs write a series."""
        if self._kind in _PLAIN:
            return False
        self._file.seek(self._start + self._bytes())
        following = self._file.read(3)
        return len(following) == _FEWEST_BYTES and following[:2] == self._kind and following[2:].isspace()

    def _read_head(self, head: bytes) -> tuple[int, int]:
        count = 2 if self._kind in _BITMAP else 3
        match = re.match(rb"P." + _TOKEN * count + rb"\s", head)
        if match is None:
            raise damaged()
        self._start = match.end()
        self._channels = 3 if self._kind in (b"P3", b"P6", b"PF") else 1
        try:
            if self._kind in (b"PF", b"Pf"):
                self._order = "<" if float(match[3]) < 0 else ">"
            else:
                self._top = 1 if self._kind in _BITMAP else int(match[3])
            return int(match[1]), int(match[2])
        except ValueError as error:
            raise damaged() from error

    def _read_arbitrary(self, head: bytes) -> tuple[int, int]:
        end = head.find(b"ENDHDR\n")
        if end < 0:
            raise damaged()
        self._start = end + 7
        lines = [line.split(None, 1) for line in head[2:end].splitlines() if line.strip() and line[:1] != b"#"]
        said = {line[0]: line[1].strip() for line in lines if len(line) == 2}
        try:
            width, height, self._channels, self._top = (
                int(said[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
            )
        except (KeyError, ValueError) as error:
            raise damaged() from error
        if not 1 <= self._channels <= 4:
            raise UnreadableError(
                _("holds {channels} channels a pixel.").format(channels=self._channels),
                _("Save it again as an RGB TIFF or PNG."),
            )
        return width, height

    def _bytes(self) -> int:
        height, width, channels = self._shape
        if self._kind == b"P4":
            return height * ((width + 7) // 8)
        return height * width * channels * (4 if self._is_float else 1 if self._top <= 255 else 2)

    def _samples(self) -> np.ndarray:
        """H x W x C, as numbers of the file."""
        height, width, _channels = self._shape
        self._file.seek(self._start)
        if self._kind in _PLAIN:
            return self._plain_samples()
        data = self._file.read(self._bytes())
        if len(data) < self._bytes():
            raise damaged()
        if self._kind == b"P4":
            rows = np.frombuffer(data, np.uint8).reshape(height, -1)
            return np.unpackbits(rows, axis=1, count=width)[..., None]
        if self._is_float:
            # The lowest row comes first.
            floats = np.frombuffer(data, f"{self._order}f4").reshape(self._shape)[::-1]
            return np.ascontiguousarray(floats).astype(np.float32)
        return np.frombuffer(data, np.uint8 if self._top <= 255 else ">u2").reshape(self._shape)

    def _plain_samples(self) -> np.ndarray:
        text = self._file.read(_MAX_TEXT_BYTES)
        text = re.sub(rb"#[^\n\r]*", b"", text)
        height, width, channels = self._shape
        count = height * width * channels
        # Each number takes a byte at least, and bits need nothing between them.
        if count > len(text):
            raise damaged()
        if self._kind == b"P1":
            digits = np.frombuffer(text, np.uint8)
            numbers = digits[(digits == ord("0")) | (digits == ord("1"))] - ord("0")
        else:
            parts = text.split(None, count)[:count]
            try:
                numbers = np.array(parts, np.int64)
            except (ValueError, OverflowError) as error:
                raise damaged() from error
        if numbers.size < count or (numbers.size and int(numbers[:count].min()) < 0):
            raise damaged()
        return numbers[:count].reshape(self._shape).astype(np.uint32)


def encode_pnm(samples: np.ndarray) -> list[bytes]:
    """The parts of a file of H x W x C samples, C = 1 to 4: PGM, PPM, or PAM with alpha; uint8 or uint16."""
    height, width, channels = samples.shape
    top = int(np.iinfo(samples.dtype).max)
    if channels in (1, 3):
        head = f"P{5 if channels == 1 else 6}\n{width} {height}\n{top}\n"
    else:
        kind = "GRAYSCALE_ALPHA" if channels == 2 else "RGB_ALPHA"
        head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {top}\nTUPLTYPE {kind}\nENDHDR\n"
    return [head.encode(), samples.astype(samples.dtype.newbyteorder(">")).tobytes()]


def encode_pfm(light: np.ndarray) -> list[bytes]:
    """The parts of a PFM file of H x W x C floats, C = 1 or 3."""
    height, width, channels = light.shape
    head = f"{'PF' if channels == 3 else 'Pf'}\n{width} {height}\n-1.0\n"
    return [head.encode(), np.ascontiguousarray(light[::-1]).astype("<f4").tobytes()]
