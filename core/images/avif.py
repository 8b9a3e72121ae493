"""AVIF out: pixels of 8, 10 or 12 bits by imagecodecs, code points for colours, and metadata boxes put in here."""

from __future__ import annotations

import imagecodecs
import numpy as np

from core.images.isobmff import with_metadata
from core.images.picture import Metadata

_SPEED = 8
"""Slower speeds take two to four times as long for 0.1 dB."""
_EXACT = 100
_IDENTITY = 0
_UNSPECIFIED, _BT709, _BT601, _BT2020, _SRGB_TRANSFER = 2, 1, 6, 9, 13


def encode_avif(samples: np.ndarray, metadata: Metadata, quality: int | None, bits: int) -> bytes:
    """A whole file of H x W x C samples, C = 1, 3 or 4 (grey, RGB, RGBA), uint8 or uint16.

    Args:
        samples: over the whole range of their type.
        metadata: what goes into the file.
        quality: 1 to 100; None loses nothing.
        bits: of the source; 16-bit samples are written in 10 bits where it had no more, else in 12.
    """
    if samples.shape[2] == 4 and (samples[..., 3] == np.iinfo(samples.dtype).max).all():
        samples = samples[..., :3]
    depth = 8
    if samples.dtype == np.uint16:
        depth = 10 if bits <= 10 else 12
        # The encoder takes the numbers as they are and clips them.
        top = (1 << depth) - 1
        samples = ((samples.astype(np.uint32) * top + 32767) // 65535).astype(np.uint16)
    grey = samples.shape[2] == 1
    primaries, transfer = _BT709, _SRGB_TRANSFER
    if metadata.icc:
        primaries = transfer = _UNSPECIFIED
    elif metadata.cicp:
        primaries, transfer = metadata.cicp.primaries, metadata.cicp.transfer
    matrix = _BT2020 if primaries == _BT2020 else _BT601
    if quality is None and not grey:
        # Only RGB itself comes back as it was.
        matrix = _IDENTITY
    if grey and quality is not None and quality < _EXACT:
        # A picture of one channel is written without loss, whatever the level is; of three, with the level's.
        samples = np.repeat(samples, 3, axis=2)
    encoded = imagecodecs.avif_encode(
        samples[..., 0] if samples.shape[2] == 1 else np.ascontiguousarray(samples),
        level=_EXACT if quality is None else quality,
        speed=_SPEED,
        bitspersample=depth,
        pixelformat="400" if grey else "444",
        primaries=primaries,
        transfer=transfer,
        matrix=matrix,
    )
    return with_metadata(bytes(encoded), metadata.exif, metadata.xmp, metadata.icc)
