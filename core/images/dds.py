"""DDS textures (Microsoft's DDS and Direct3D 11 block formats): those of light in and out, others out, with mipmaps.

Blocks of BC1, BC3, BC4, BC5 and BC7:

Two end points along the direction of most spread, then those that suit the steps found; of BC7 its mode for whole
blocks with alpha. Pillow, which decodes all of them, encodes some, at 3 to 9 dB less.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from core.images.light import LIGHT, opacity_of, shown, sixteen_bit
from core.images.picture import Header, Metadata, StoredPixels, Texture
from core.images.refusal import UnreadableError, check_size, damaged
from core.language import gettext as _

_HEADER = 128
_HEADER_DX10 = 20
_CUBE, _VOLUME = 0x200, 0x200000
_CAPS, _HEIGHT, _WIDTH, _PITCH, _FORMAT, _MIPMAPS, _LINEAR = 0x1, 0x2, 0x4, 0x8, 0x1000, 0x20000, 0x80000
_TEXTURE, _COMPLEX, _MIPMAP = 0x1000, 0x8, 0x400000
_FOURCC, _RGB, _ALPHA = 0x4, 0x40, 0x1
_KINDS = {
    **dict.fromkeys((70, 71, 72), "BC1"),
    **dict.fromkeys((73, 74, 75), "BC2"),
    **dict.fromkeys((76, 77, 78), "BC3"),
    **dict.fromkeys((79, 80, 81), "BC4"),
    **dict.fromkeys((82, 83, 84), "BC5"),
    **dict.fromkeys((94, 95, 96), "BC6H"),
    **dict.fromkeys((97, 98, 99), "BC7"),
}
"""DXGI's numbers."""
_OLD_KINDS = {
    b"DXT1": "BC1", b"DXT2": "BC2", b"DXT3": "BC2", b"DXT4": "BC3", b"DXT5": "BC3",
    b"ATI1": "BC4", b"BC4U": "BC4", b"ATI2": "BC5", b"BC5U": "BC5",
}  # fmt: skip
_CODES = {"BC1": b"DXT1", "BC3": b"DXT5", "BC4": b"BC4U", "BC5": b"ATI2"}
_SIGNED = (81, 84)
_PLAIN, _BC7 = "uncompressed", 98
_FLOATS = "floats"
_LAYOUTS = {
    2: ("<f4", 4), 6: ("<f4", 3), 16: ("<f4", 2), 41: ("<f4", 1), 10: ("<f2", 4), 34: ("<f2", 2), 54: ("<f2", 1)
}  # fmt: skip
"""Types and channels of DXGI's kinds of floats."""
_HALVES, _BC6H_SIGNED = 10, 96
_OLD_FLOATS = {111: 54, 112: 34, 113: 10, 114: 41, 115: 16, 116: 2}
"""Direct3D 9's numbers of the same."""
_BLOCKS_AT_ONCE = 1 << 14


def texture_of(file: BinaryIO) -> Texture:
    """How a DDS file holds its picture.

    Raises:
        UnreadableError: it is damaged, or holds more than one picture.
    """
    file.seek(0)
    head = file.read(_HEADER + _HEADER_DX10)
    if len(head) < _HEADER:
        raise damaged()
    (mipmaps,) = struct.unpack_from("<I", head, 28)
    code = head[84:88]
    (more,) = struct.unpack_from("<I", head, 112)
    if more & _CUBE:
        raise UnreadableError(_("holds a cube map, not one picture."), _("Save its six faces one by one first."))
    if more & _VOLUME:
        raise UnreadableError(_("holds a volume, not a picture."), _("Save its slices one by one first."))
    dxgi = 0
    if code == b"DX10" and len(head) == _HEADER + _HEADER_DX10:
        dxgi = struct.unpack_from("<I", head, _HEADER)[0]
        if struct.unpack_from("<I", head, _HEADER + 12)[0] > 1:
            raise UnreadableError(_("holds several textures."), _("Save them one by one first."))
    dxgi = dxgi or _OLD_FLOATS.get(struct.unpack("<I", code)[0], 0)
    kind = _FLOATS if dxgi in _LAYOUTS else _KINDS.get(dxgi) or _OLD_KINDS.get(code, _PLAIN)
    return Texture(kind, dxgi, mipmaps > 1)


def encode_dds(samples: np.ndarray, texture: Texture | None) -> tuple[list[bytes], tuple[str, ...]]:
    """The parts of a DDS file of H x W x C uint8 samples, C = 1, 3 or 4, and what to tell the user.

    Args:
        samples: grey, RGB or RGBA.
        texture: how the source held its picture, which the result keeps where that can be written; None for BC7 with
            mipmaps.
    """
    texture = texture or Texture("BC7", _BC7, True)
    has_alpha = samples.shape[2] == 4
    kind = texture.kind
    notes: tuple[str, ...] = ()
    if kind == "BC4" and samples.shape[2] != 1:
        kind = "BC7"
    if texture.is_light:
        # Another program has made ordinary colours of the light.
        kind = "BC7"
    if (kind in ("BC1", "BC5") and has_alpha) or kind == "BC2":
        kind = "BC3"
        notes = (
            _("Its blocks became {kind}, as {wanted} cannot be written with what it holds.").format(
                kind=kind, wanted=texture.kind
            ),
        )
    dxgi = texture.dxgi if kind == texture.kind and texture.dxgi not in _SIGNED else 0
    if kind == "BC7" and not dxgi:
        dxgi = _BC7
    levels = _mipmaps(samples) if texture.mipmaps else [samples]
    encoded = [_encoded(level, kind) for level in levels]
    head = _head(samples.shape, kind, dxgi, len(levels), len(encoded[0]), has_alpha)
    return [head, *encoded], notes


class DdsLightSource:
    """An open texture of linear light: blocks of BC6H (Direct3D 11.3 functional specification, 19.5.14), or floats.

    Pillow cuts the light of the one off at white, and opens none of the others.

    Raises:
        UnreadableError: it is damaged, too large, or holds more than one picture.
    """

    def __init__(self, file: BinaryIO, texture: Texture) -> None:
        self._file = file
        file.seek(12)
        height, width = struct.unpack("<2I", file.read(8))
        check_size(width, height)
        file.seek(84)
        self._start = _HEADER + (_HEADER_DX10 if file.read(4) == b"DX10" else 0)
        self._size = (height, width)
        self._texture = texture
        self._data: bytes | None = None
        end = file.seek(0, os.SEEK_END)
        blocks = -(-height // 4) * -(-width // 4)
        kind, self._channels = _LAYOUTS.get(texture.dxgi, ("", 3))
        self._kind = np.dtype(kind) if kind else None
        self._bytes = height * width * self._channels * self._kind.itemsize if self._kind else blocks * 16
        if end - self._start < self._bytes:
            raise damaged()
        self._alpha = self._opacity()
        self.header = Header(
            width,
            height,
            bits=16,
            alpha=self._alpha is not None,
            texture=texture,
            metadata=Metadata(cicp=LIGHT),
        )

    def decode(self) -> StoredPixels:
        """Decode the largest of its mipmaps."""
        height, width = self._size
        data, self._data = self._data or self._read(), None
        if self._kind is None:
            padded = (height + -height % 4, width + -width % 4, 3)
            signed = self._texture.dxgi == _BC6H_SIGNED
            decoded = imagecodecs.bcn_decode(data, -6 if signed else 6, shape=padded)
            light = np.asarray(decoded)[:height, :width]
        else:
            light = self._values(data)[..., : 1 if self._channels == 1 else 3]
        if light.shape[2] == 2:
            light = np.concatenate([light, np.zeros((*light.shape[:2], 1), light.dtype)], axis=2)
        return shown(light, self._alpha)

    def _read(self) -> bytes:
        self._file.seek(self._start)
        data = self._file.read(self._bytes)
        if len(data) < self._bytes:
            raise damaged()
        return data

    def _values(self, data: bytes) -> np.ndarray:
        assert self._kind is not None
        return np.frombuffer(data, self._kind).reshape(*self._size, self._channels)

    def _opacity(self) -> np.ndarray | None:
        """H x W of 16 bits; None where everything is opaque. All is read to tell, and kept for `decode`."""
        if self._channels < 4:
            return None
        self._data = self._read()
        alpha = sixteen_bit(opacity_of(self._values(self._data)[..., 3]))
        return None if int(alpha.min()) == 65535 else alpha


def encode_dds_light(
    light: np.ndarray, alpha: np.ndarray | None, texture: Texture
) -> tuple[list[bytes], tuple[str, ...]]:
    """The parts of a DDS file of linear light, and what to tell the user.

    Args:
        light: H x W x 1 or 3 floats, 1 is white.
        alpha: H x W of 16 bits; None for opaque.
        texture: how the source held it: floats become the same floats, blocks halves.
    """
    dxgi = texture.dxgi if texture.dxgi in _LAYOUTS else _HALVES
    kind, channels = _LAYOUTS[dxgi]
    if light.shape[2] == 1 and channels > 1:
        light = np.repeat(light, 3, axis=2)
    samples = np.ones((*light.shape[:2], channels), np.float32)
    samples[..., :3] = light[..., :channels]
    if alpha is not None and channels == 4:
        samples[..., 3] = alpha / np.float32(65535)
    samples = np.minimum(samples, np.finfo(kind).max)
    levels = _mipmaps(samples) if texture.mipmaps else [samples]
    encoded = [level.astype(kind).tobytes() for level in levels]
    pitch = len(encoded[0]) // len(samples)
    notes = (
        ()
        if dxgi == texture.dxgi
        else (_("Its blocks became floats of 16 bits, as {kind} cannot be written.").format(kind=texture.kind),)
    )
    return [_head(light.shape, _FLOATS, dxgi, len(levels), pitch, False), *encoded], notes


def _mipmaps(samples: np.ndarray) -> list[np.ndarray]:
    """The picture, and halves of it down to one pixel."""
    levels = [samples]
    while max(levels[-1].shape[:2]) > 1:
        height, width, channels = levels[-1].shape
        size = (max(1, width // 2), max(1, height // 2))
        planes = [
            np.asarray(Image.fromarray(np.ascontiguousarray(levels[-1][..., c])).resize(size, Image.Resampling.BOX))
            for c in range(channels)
        ]
        levels.append(np.stack(planes, axis=2))
    return levels


def _head(shape: tuple[int, ...], kind: str, dxgi: int, levels: int, first: int, has_alpha: bool) -> bytes:
    height, width = shape[:2]
    flags = _CAPS | _HEIGHT | _WIDTH | _FORMAT | (_MIPMAPS if levels > 1 else 0)
    flags |= _PITCH if kind in (_PLAIN, _FLOATS) else _LINEAR
    size = 4 * width if kind == _PLAIN else first
    head = b"DDS " + struct.pack("<7I44x", 124, flags, height, width, size, 0, levels if levels > 1 else 0)
    if kind == _PLAIN:
        masks = (32, 0xFF0000, 0xFF00, 0xFF, 0xFF000000 if has_alpha else 0)
        head += struct.pack("<II4x5I", 32, _RGB | (_ALPHA if has_alpha else 0), *masks)
    else:
        head += struct.pack("<II4s20x", 32, _FOURCC, b"DX10" if dxgi else _CODES[kind])
    head += struct.pack("<I16x", _TEXTURE | (_COMPLEX | _MIPMAP if levels > 1 else 0))
    # One two-dimensional texture, not of an array.
    return head + (struct.pack("<5I", dxgi, 3, 0, 1, 0) if dxgi else b"")


def _encoded(samples: np.ndarray, kind: str) -> bytes:
    if kind == _PLAIN:
        return _plain(samples)
    if samples.shape[2] == 1 and kind != "BC4":
        samples = np.repeat(samples, 3, axis=2)
    blocks = _blocks(samples)
    encode = {"BC1": _bc1, "BC3": _bc3, "BC4": _bc4, "BC5": _bc5, "BC7": _bc7}[kind]
    return b"".join(
        encode(blocks[first : first + _BLOCKS_AT_ONCE]).tobytes() for first in range(0, len(blocks), _BLOCKS_AT_ONCE)
    )


def _plain(samples: np.ndarray) -> bytes:
    """Blue, green, red, alpha."""
    height, width, channels = samples.shape
    result = np.full((height, width, 4), 255, np.uint8)
    result[..., :3] = samples[..., 2::-1] if channels >= 3 else samples
    if channels == 4:
        result[..., 3] = samples[..., 3]
    return result.tobytes()


def _padded(samples: np.ndarray) -> np.ndarray:
    """With the last row and column again, up to whole blocks."""
    height, width = samples.shape[:2]
    return np.pad(samples, ((0, -height % 4), (0, -width % 4), (0, 0)), mode="edge")


def _blocks(samples: np.ndarray) -> np.ndarray:
    """N x 16 x C."""
    padded = _padded(samples)
    height, width, channels = padded.shape
    parts = padded.reshape(height // 4, 4, width // 4, 4, channels).swapaxes(1, 2)
    return parts.reshape(-1, 16, channels)


_WEIGHTS = np.array([0, 4, 9, 13, 17, 21, 26, 30, 34, 38, 43, 47, 51, 55, 60, 64], np.int32)
"""By which BC7 mixes two end points, of 64."""


def _bc7(blocks: np.ndarray) -> np.ndarray:
    """N x 2 words of 64 bits: blocks of mode 6, of two end points of 7 bits a channel and a shared lowest one each, and
    14 steps between them."""
    count, _, channels = blocks.shape
    points = np.full((count, 16, 4), 255, np.float32)
    points[..., :channels] = blocks
    ends = _end_points(points)
    best = _quantised(points, ends)
    # Once more with the end points that suit the steps found, by least squares.
    refined = _quantised(points, _fitted(points, _WEIGHTS[best[2]] / 64))
    better = refined[3] < best[3]
    ends7, lowest, steps = (
        np.where(better.reshape(-1, *[1] * (one.ndim - 1)), two, one)
        for one, two in zip(best[:3], refined[:3], strict=True)
    )
    # The first step's highest bit is not stored: it must be 0, or the end points change places.
    swap = steps[:, 0] >= 8
    ends7[swap] = ends7[swap, ::-1]
    lowest[swap] = lowest[swap, ::-1]
    steps[swap] = 15 - steps[swap]
    low, high = np.zeros(count, np.uint64), np.zeros(count, np.uint64)
    at = 0

    def put(values: np.ndarray, bits: int) -> None:
        nonlocal at, low, high
        values = values.astype(np.uint64)
        if at < 64:
            low |= values << np.uint64(at)
            if at + bits > 64:
                high |= values >> np.uint64(64 - at)
        else:
            high |= values << np.uint64(at - 64)
        at += bits

    put(np.full(count, 1 << 6), 7)
    for channel in range(4):
        for end in range(2):
            put(ends7[:, end, channel], 7)
    for end in range(2):
        put(lowest[:, end], 1)
    put(steps[:, 0], 3)
    for place in range(1, 16):
        put(steps[:, place], 4)
    return np.stack([low, high], axis=1).astype("<u8")


def _end_points(points: np.ndarray) -> np.ndarray:
    """N x 2 x C: the extremes along the direction in which N x 16 x C points spread most."""
    mean = points.mean(axis=1, keepdims=True)
    spread = points - mean
    covariance = np.einsum("nic,nid->ncd", spread, spread)
    axis = np.sqrt(np.maximum(np.einsum("ncc->nc", covariance), 1e-6))
    for _rest in range(_POWERS):
        axis = np.einsum("ncd,nd->nc", covariance, axis)
        axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-6)
    along = np.einsum("nic,nc->ni", spread, axis)
    lowest, highest = along.min(axis=1, keepdims=True), along.max(axis=1, keepdims=True)
    return np.stack([mean[:, 0] + lowest * axis, mean[:, 0] + highest * axis], axis=1)


_POWERS = 6
"""How often the covariance turns an axis towards the direction of most spread."""


def _quantised(points: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """End points in 7 bits (N x 2 x 4), their lowest bits (N x 2), steps (N x 16), and the squared error (N)."""
    ends = np.clip(ends, 0, 255)
    both = np.stack([np.clip(np.rint((ends - bit) / 2), 0, 127) for bit in (0, 1)], axis=-1)
    error = np.square(2 * both + np.array([0, 1]) - ends[..., None]).sum(axis=2)
    lowest = error.argmin(axis=2)
    ends7 = np.take_along_axis(both, lowest[:, :, None, None], axis=3)[..., 0].astype(np.int32)
    full = 2 * ends7 + lowest[..., None]
    steps = _nearest(points, full, _WEIGHTS / 64)
    weights = _WEIGHTS[steps][..., None]
    mixed = ((64 - weights) * full[:, None, 0] + weights * full[:, None, 1] + 32) >> 6
    return ends7, lowest.astype(np.int32), steps, np.square(points - mixed).sum(axis=(1, 2))


def _nearest(points: np.ndarray, ends: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Which of the mixtures of two end points (N x 2 x C) lies nearest to each point: N x 16."""
    direction = (ends[:, 1] - ends[:, 0]).astype(np.float32)
    length = np.maximum(np.square(direction).sum(axis=1), 1e-6)
    along = np.einsum("nic,nc->ni", points - ends[:, None, 0], direction) / length[:, None]
    return np.searchsorted((weights[1:] + weights[:-1]) / 2, along).astype(np.int32)


def _fitted(points: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The end points whose mixtures, with so much (N x 16) of the second one, lie nearest to the points."""
    second = second.astype(np.float32)
    first = 1 - second
    aa, ab, bb = (first**2).sum(axis=1), (first * second).sum(axis=1), (second**2).sum(axis=1)
    a, b = (np.einsum("ni,nic->nc", weights, points) for weights in (first, second))
    determinant = aa * bb - ab * ab
    sound = np.abs(determinant) > 1e-4
    safe = np.where(sound, determinant, 1)[:, None]
    ends = np.stack([(a * bb[:, None] - b * ab[:, None]) / safe, (b * aa[:, None] - a * ab[:, None]) / safe], axis=1)
    plain = np.repeat(points.mean(axis=1)[:, None], 2, axis=1)
    return np.where(sound[:, None, None], ends, plain)


_THIRDS = np.arange(4) / 3
_TOPS = np.array([31, 63, 31])
"""The largest values of red, green and blue in 16 bits."""


def _bc1(blocks: np.ndarray) -> np.ndarray:
    """N x 1 words of 64 bits: blocks of two colours of 16 bits, and two steps between them."""
    points = blocks[..., :3].astype(np.float32)
    ends, steps, error = _coarse(points, _end_points(points))
    others = _coarse(points, _fitted(points, _THIRDS[steps]))
    better = others[2] < error
    ends = np.where(better[:, None, None], others[0], ends)
    steps = np.where(better[:, None], others[1], steps)
    packed = (ends[..., 0] << 11 | ends[..., 1] << 5 | ends[..., 2]).astype(np.uint64)
    # The larger one comes first, or there is only one step between them, and transparency.
    swap = packed[:, 0] < packed[:, 1]
    packed[swap] = packed[swap, ::-1]
    steps[swap] = 3 - steps[swap]
    codes = np.array([0, 2, 3, 1], np.uint64)[np.where((packed[:, 0] == packed[:, 1])[:, None], 0, steps)]
    words = packed[:, 0] | packed[:, 1] << np.uint64(16)
    for place in range(16):
        words |= codes[:, place] << np.uint64(32 + 2 * place)
    return words[:, None].astype("<u8")


def _coarse(points: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """End points of 5, 6 and 5 bits, steps, and the squared error."""
    coarse = np.rint(np.clip(ends, 0, 255) * (_TOPS / 255)).astype(np.int64)
    full = coarse * (255 / _TOPS)
    steps = _nearest(points, full, _THIRDS)
    weights = _THIRDS[steps][..., None]
    mixed = (1 - weights) * full[:, None, 0] + weights * full[:, None, 1]
    return coarse, steps, np.square(points - mixed).sum(axis=(1, 2))


def _bc3(blocks: np.ndarray) -> np.ndarray:
    alpha = blocks[..., 3:] if blocks.shape[2] == 4 else np.full((*blocks.shape[:2], 1), 255, np.uint8)
    return np.concatenate([_bc4(alpha), _bc1(blocks)], axis=1)


def _bc4(blocks: np.ndarray) -> np.ndarray:
    """N x 1 words of 64 bits: the largest and the least value of the first channel, and 6 steps between them."""
    values = blocks[..., 0].astype(np.int32)
    high, low = values.max(axis=1), values.min(axis=1)
    step = np.rint((high[:, None] - values) * 7 / np.maximum(high - low, 1)[:, None])
    # Code 0 is the first value, 1 the last, and 2 to 7 are what lies between.
    codes = np.where(step == 0, 0, np.where(step == 7, 1, step + 1)).astype(np.uint64)
    packed = high.astype(np.uint64) | low.astype(np.uint64) << np.uint64(8)
    for place in range(16):
        packed |= codes[:, place] << np.uint64(16 + 3 * place)
    return packed[:, None].astype("<u8")


def _bc5(blocks: np.ndarray) -> np.ndarray:
    return np.concatenate([_bc4(blocks), _bc4(blocks[..., 1:])], axis=1)
