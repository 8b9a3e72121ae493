"""Pictures of light (Radiance HDR, OpenEXR, PFM): linear floats without a top, as HDR pixels by PQ, and back.

A network has learnt from pictures that are coded for the eye, and PQ codes light up to 10,000 cd/m² for the eye in 16
bits. What these files call 1 is the white of paper (ITU-R BT.2408).
"""

from __future__ import annotations

import importlib
import os
import re
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

from core.contract.errors import how_to_install
from core.images.cicp import REFERENCE_WHITE, Cicp, light_to_pq, xyz_of_rgb
from core.images.picture import Header, Metadata, StoredPixels
from core.images.refusal import UnreadableError, check_size, damaged
from core.images.samples import note_of_channels
from core.images.values import scale_of
from core.language import gettext as _

LIGHT = Cicp(1, 16)
"""PQ in the primaries of sRGB."""
_ROWS = 64
_MOST = 10_000 / REFERENCE_WHITE


def shown(light: np.ndarray, alpha: np.ndarray | None = None) -> StoredPixels:
    """Linear light (H x W x 1 or 3 floats, 1 is white) as 16-bit pixels in the colours of `LIGHT`."""
    pixels = np.empty(light.shape, np.uint16)
    clipped = False
    for top in range(0, len(light), _ROWS):
        rows = np.nan_to_num(light[top : top + _ROWS].astype(np.float64), nan=0.0, posinf=_MOST, neginf=0.0)
        clipped = clipped or bool((rows > _MOST).any())
        pixels[top : top + _ROWS] = np.rint(light_to_pq(np.clip(rows, 0, _MOST) * REFERENCE_WHITE) * 65535)
    notes = (_("Light of more than {most:.0f} times white was clipped.").format(most=_MOST),) if clipped else ()
    return StoredPixels(pixels, alpha, notes)


def light_of(pixels: np.ndarray, cicp: Cicp | None) -> np.ndarray:
    """The inverse, of any colours by code points: linear light in the primaries of sRGB, as float32.

    Args:
        pixels: H x W x 1 or 3, uint8 or uint16.
        cicp: what they mean; None for sRGB.
    """
    cicp = cicp or Cicp(1, 13)
    top = int(np.iinfo(pixels.dtype).max)
    # A table, as there are at most 65,536 different samples.
    table = cicp.curve(np.arange(top + 1) / top)
    if cicp.is_hdr:
        table = table / (REFERENCE_WHITE if cicp.transfer == LIGHT.transfer else REFERENCE_WHITE / 1000)
    light = table.astype(np.float32)[pixels]
    if pixels.shape[2] == 3 and cicp.primaries not in (1, 2):
        matrix = np.linalg.solve(xyz_of_rgb(LIGHT.chromaticities), xyz_of_rgb(cicp.chromaticities)).T
        light = light @ matrix.astype(np.float32)
    return light


def opacity_of(values: np.ndarray) -> np.ndarray:
    """Floats of an alpha channel as float32 from 0 to 1."""
    opacity: np.ndarray = np.clip(np.nan_to_num(values.astype(np.float32)), 0, 1)
    return opacity


def sixteen_bit(shares: np.ndarray) -> np.ndarray:
    """Shares from 0 to 1 as uint16."""
    return np.rint(shares * 65535).astype(np.uint16)


class RadianceSource:
    """An open Radiance picture (.hdr, .pic), run-length coded or not.

    Raises:
        UnreadableError: it is damaged, too large, or holds XYZ.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(_HEAD_BYTES)
        match = re.search(rb"\n\n([-+][XY]) (\d+) ([-+][XY]) (\d+)\n", head)
        if match is None:
            raise damaged()
        said = head[: match.start()]
        if b"FORMAT=32-bit_rle_xyze" in said:
            raise UnreadableError(_("holds colours as XYZ."), _("Save it again as RGB."))
        orientation = _ORIENTATIONS.get((match[1], match[3]))
        if orientation is None:
            raise damaged()
        self._resolution = match.span()
        height, width = int(match[2]), int(match[4])
        check_size(width, height)
        # The best that its run lengths can do.
        if size - match.end() < height * (8 * (width // 127) if 8 <= width < 32_768 else 4):
            raise damaged()
        self.header = Header(width, height, bits=16, orientation=orientation, metadata=Metadata(cicp=LIGHT))

    def decode(self) -> StoredPixels:
        """Decode all pixels."""
        self._file.seek(0)
        data = self._file.read()
        if self.header.orientation != 1:
            # The decoder knows one order of rows and columns.
            start, end = self._resolution
            usual = f"\n\n-Y {self.header.height} +X {self.header.width}\n".encode()
            data = data[:start] + usual + data[end:]
        light = imagecodecs.rgbe_decode(data, header=True)
        if light.shape != (self.header.height, self.header.width, 3):
            raise damaged()
        return shown(light)


def encode_radiance(light: np.ndarray) -> bytes:
    """A Radiance picture of H x W x 3 linear floats."""
    light = np.maximum(light, 0)
    # The encoder cuts off what its 8 bits have no room for: with half a step more it rounds.
    _fraction, exponent = np.frexp(light.max(axis=2, keepdims=True))
    return bytes(imagecodecs.rgbe_encode(light + np.ldexp(np.float32(0.5), exponent - 8), header=True))


_HEAD_BYTES = 1 << 16
_ORIENTATIONS = {
    (b"-Y", b"+X"): 1,
    (b"-Y", b"-X"): 2,
    (b"+Y", b"-X"): 3,
    (b"+Y", b"+X"): 4,
    (b"+X", b"-Y"): 5,
    (b"-X", b"-Y"): 6,
    (b"-X", b"+Y"): 7,
    (b"+X", b"+Y"): 8,
}
"""EXIF's number for the axis of the rows and that of what is in a row, Y pointing up."""
_EXR_PARTS = 0x1000
_MOST_PARTS = 1000
Corners = tuple[int, int, int, int]
_COLOURS = ("R", "G", "B")


class ExrSource:
    """An open OpenEXR picture: its colours, or its luminance, or one channel of other numbers.

    Raises:
        UnreadableError: it is damaged, too large, of a kind that is no picture, or needs a package that is not there.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(4)
        (flags,) = struct.unpack("<I", file.read(4))
        parts = _exr_parts(file, several=bool(flags & _EXR_PARTS))
        flat = [index for index, part in enumerate(parts) if not part.is_deep]
        if not flat:
            raise UnreadableError(_("holds deep data, not a flat picture."), _("Flatten it first."))
        # The first is the picture by custom, but not where depth or masks come first.
        self._part = max(flat, key=lambda index: (len(_exr_channels(parts[index].names)) == 3, -index))
        part = parts[self._part]
        self._is_framed = part.display not in (None, part.window)
        left, top, right, bottom = part.window
        check_size(right - left + 1, bottom - top + 1)
        self._size = (right - left + 1, bottom - top + 1)
        names = part.names
        self._names = _exr_channels(names)
        is_light = len(self._names) == 3 or self._names == ("Y",)
        self._alpha = next((each for each in names if each == _layer(self._names[0]) + "A"), None)
        self._more = len(names) - len(self._names) - (self._alpha is not None)
        self._has_parts = len(parts) > 1
        self._is_light = is_light
        self.header = Header(
            *self._size,
            bits=16,
            alpha=self._alpha is not None,
            metadata=Metadata(cicp=LIGHT if is_light else None),
        )

    def decode(self) -> StoredPixels:
        """Decode the part that is the picture."""
        try:
            # Only when such a picture comes: it is an optional package.
            package: Any = importlib.import_module("OpenEXR")
        except ImportError:
            raise UnreadableError(
                _("is an OpenEXR picture, which needs the package OpenEXR."),
                _("Save the picture as a TIFF. {how_to_install}").format(how_to_install=how_to_install("OpenEXR")),
            ) from None
        self._file.seek(0)
        with package.File(self._file, separate_channels=True) as opened:
            found = {name: np.asarray(channel.pixels) for name, channel in opened.channels(self._part).items()}
        width, height = self._size
        wanted = [*self._names, *([self._alpha] if self._alpha else [])]
        if any(name not in found or found[name].shape != (height, width) for name in wanted):
            raise damaged()
        numbers = np.stack([found[name] for name in self._names], axis=2)
        alpha = None
        if self._alpha is not None:
            opacity = opacity_of(found[self._alpha])
            alpha = sixteen_bit(opacity)
            if self._is_light:
                # Colours are multiplied by it; what shines without covering stays as it is.
                covered = np.where(opacity > 0, opacity, 1)
                numbers = numbers.astype(np.float32) / covered[..., None]
        notes: tuple[str, ...] = ()
        if self._has_parts:
            notes += (_("Only one of its parts was taken."),)
        if self._is_framed:
            notes += (_("All of its data window was taken, not its display window."),)
        notes += note_of_channels(self._more)
        if not self._is_light:
            scale, note = scale_of(numbers, None, None, None)
            return StoredPixels(scale.pixels(numbers), alpha, (*notes, note), scale=scale)
        decoded = shown(numbers, alpha)
        return StoredPixels(decoded.pixels, alpha, (*notes, *decoded.notes))


@dataclass(frozen=True, slots=True)
class _Part:
    window: Corners
    """Left, top, right and bottom pixel of the data."""
    display: Corners | None
    """The same of what is meant to be seen."""
    names: list[str]
    """What its channels are called."""
    is_deep: bool


def _exr_parts(file: BinaryIO, *, several: bool) -> list[_Part]:
    """What the headers of a file's parts say (OpenEXR File Layout); an empty one is behind the last of several."""
    data = file.read(1 << 20)
    parts: list[_Part] = []
    at = 0
    while len(parts) < _MOST_PARTS:
        if several and data[at : at + 1] == b"\0":
            break
        at, part = _exr_part(data, at)
        parts.append(part)
        if not several:
            break
    if not parts:
        raise damaged()
    return parts


def _exr_part(data: bytes, at: int) -> tuple[int, _Part]:
    """Where the header behind the one at `at` begins, and what this one says."""
    windows: dict[bytes, Corners] = {}
    names: list[str] = []
    is_deep = False
    for _rest in range(1000):
        end = data.find(b"\0", at)
        if end < 0:
            raise damaged()
        if end == at:
            break
        name = data[at:end]
        kind_end = data.find(b"\0", end + 1)
        if kind_end < 0 or kind_end + 5 > len(data):
            raise damaged()
        (size,) = struct.unpack_from("<I", data, kind_end + 1)
        value = data[kind_end + 5 : kind_end + 5 + size]
        if len(value) < size:
            raise damaged()
        if name in (b"dataWindow", b"displayWindow") and size == 16:
            windows[name] = struct.unpack("<4i", value)
        elif name == b"channels":
            names = _channel_names(value)
        elif name == b"type":
            is_deep = value.startswith(b"deep")
        at = kind_end + 5 + size
    if b"dataWindow" not in windows or not names:
        raise damaged()
    return end + 1, _Part(windows[b"dataWindow"], windows.get(b"displayWindow"), names, is_deep)


def _channel_names(value: bytes) -> list[str]:
    names, at = [], 0
    while at < len(value) and value[at]:
        end = value.find(b"\0", at)
        if end < 0:
            raise damaged()
        names.append(value[at:end].decode("latin-1"))
        # Type, linearity, sampling across and down.
        at = end + 1 + 16
    return names


def _exr_channels(names: list[str]) -> tuple[str, ...]:
    """The names of the channels that are taken: colours, else luminance, else the first."""
    layers = dict.fromkeys(["", *(_layer(name) for name in names)])
    for layer in layers:
        if all(layer + colour in names for colour in _COLOURS):
            return tuple(layer + colour for colour in _COLOURS)
    return ("Y",) if "Y" in names else (next((name for name in names if name != "A"), names[0]),)


def _layer(name: str) -> str:
    """All of a channel's name up to its last dot."""
    return name[: name.rfind(".") + 1]
