"""Packed frames of DICOM files that pydicom leaves to other packages: lossless JPEG, JPEG of 12 bits, JPEG-LS and
high-throughput JPEG 2000 (DICOM PS3.5, annex A.4), by imagecodecs.

The module is what pydicom calls a plugin for decoding, whose names it prescribes.
"""

from __future__ import annotations

import importlib
import io
import struct
import threading
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np

from core.images.jpeg2000 import jpeg2000, size_in_codestream

_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_JPEG_LOSSLESS, _JPEG_LOSSLESS_OF_FIRST_ORDER = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
_JPEG_LS, _JPEG_LS_NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
_HIGH_THROUGHPUT = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")

_FRAMES_OF_JPEG = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
"""The second bytes of the markers that a picture's size stands behind, with that of JPEG-LS."""
_END = b"\xff\xd9"


def _of_jpeg(frame: bytes) -> np.ndarray:
    # Which colours they are is DICOM's to say.
    return imagecodecs.jpeg8_decode(frame, colorspace="UNKNOWN", outcolorspace="UNKNOWN")


def _of_jpeg_ls(frame: bytes) -> np.ndarray:
    # CharLS 2.4 looks for seconds for the end of a frame that was cut off, however small it is.
    return imagecodecs.jpegls_decode(frame if frame.rstrip(b"\0").endswith(_END) else frame + _END)


_DECODERS: dict[str, Callable[[bytes], np.ndarray]] = {
    _JPEG_EXTENDED: _of_jpeg,
    _JPEG_LOSSLESS: _of_jpeg,
    _JPEG_LOSSLESS_OF_FIRST_ORDER: _of_jpeg,
    _JPEG_LS: _of_jpeg_ls,
    _JPEG_LS_NEAR: _of_jpeg_ls,
    **dict.fromkeys(_HIGH_THROUGHPUT, imagecodecs.jpeg2k_decode),
}

DECODER_DEPENDENCIES = dict.fromkeys(_DECODERS, ("imagecodecs",))
"""What pydicom says to be missing where `is_available` says no."""

_lock = threading.Lock()
_PLUGIN = "imagecodecs"


def register() -> None:
    """Tell pydicom of these decoders; more than once does nothing."""
    pixels: Any = importlib.import_module("pydicom.pixels")
    # It says itself that it is not safe for threads.
    with _lock:
        for syntax in _DECODERS:
            decoder = pixels.get_decoder(syntax)
            if _PLUGIN not in decoder.available_plugins:
                decoder.add_plugin(_PLUGIN, (__name__, "decode_frame"))


def is_available(syntax: str) -> bool:
    """Whether frames of a transfer syntax are decoded here."""
    return syntax in _DECODERS


def decode_frame(frame: bytes, runner: Any) -> bytes:
    """The samples of a packed frame, pixel by pixel, little-endian.

    Args:
        frame: as it lies in the file.
        runner: pydicom's `DecodeRunner`, which says what to expect and is told what came.

    Raises:
        ValueError: the frame is damaged, or not what the file says.
    """
    # Its own header decides how much memory a decoder takes, and may say anything.
    is_jpeg_2000 = runner.transfer_syntax in _HIGH_THROUGHPUT
    size = _size_of_jpeg_2000(frame) if is_jpeg_2000 else _size_of_jpeg(frame)
    if size != (runner.columns, runner.rows):
        raise ValueError(f"a frame of {size}")
    samples = _DECODERS[runner.transfer_syntax](frame)
    channels = samples.shape[2] if samples.ndim == 3 else 1
    if samples.shape[:2] != size[::-1] or channels != runner.samples_per_pixel or samples.dtype.kind not in "ui":
        raise ValueError(f"a frame of {samples.shape} {samples.dtype}")
    if channels > 1:
        runner.set_option("planar_configuration", 0)
        if is_jpeg_2000 and runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", "RGB")
    runner.set_option("bits_allocated", 8 * samples.dtype.itemsize)
    return samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes()


def _size_of_jpeg(frame: bytes) -> tuple[int, int]:
    """Width and height by the frame header (ISO/IEC 10918-1, annex B.2.2; ISO/IEC 14495-1, annex C.2.2)."""
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length, _precision, height, width = struct.unpack_from(">HBHH", frame, at + 2)
        if marker in _FRAMES_OF_JPEG:
            return width, height
        at += 2 + length
    raise ValueError("no frame header")


def _size_of_jpeg_2000(frame: bytes) -> tuple[int, int]:
    jpeg2000(io.BytesIO(frame))
    return size_in_codestream(io.BytesIO(frame))
