"""Raw files of cameras, developed by LibRaw in a process of its own.

LibRaw reads the formats of a thousand cameras, most of them by guesswork: what a stranger made may crash it, or keep it
busy. So it runs where a crash ends nothing else, and for a limited time.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import numpy as np

from core.images.cicp import Cicp
from core.images.directories import BadDirectoryError, TagReader
from core.images.metadata.exif import exif_of_tiff
from core.images.picture import Header, Metadata, StoredPixels
from core.images.refusal import UnreadableError, check_size, damaged
from core.language import gettext as _

_SECONDS = 180
_TURNED = (5, 6)
"""LibRaw's numbers of the two quarter turns."""
_COLOURS = Cicp(12, 13)
_FAILED = 0xFFFFFFFFFFFFFFFF
_SCRIPT = f"""
import os, signal, struct, sys
import rawpy
asked, answers = sys.stdin.buffer, sys.stdout.buffer

def developed(path, pixels):
    with rawpy.RawPy() as raw:
        raw.open_file(path)
        if not pixels:
            return [struct.pack("<3I", raw.sizes.iwidth, raw.sizes.iheight, raw.sizes.flip)]
        values = raw.postprocess(
            output_bps=16, use_camera_wb=True, gamma=(2.4, 12.92), output_color=rawpy.ColorSpace.P3D65,
            # Its own choice is that one pixel in a hundred becomes white.
            auto_bright_thr=0.0005,
        )
        return [struct.pack("<3I", *values.shape), values.tobytes()]

while head := asked.read(5):
    pixels, length = struct.unpack("<?I", head)
    path = os.fsdecode(asked.read(length))
    if hasattr(signal, "alarm"):
        # Whoever asked may be gone by then.
        signal.alarm({2 * _SECONDS})
    try:
        parts = developed(path, pixels)
    except Exception:
        answers.write(struct.pack("<Q", {_FAILED}))
    else:
        answers.write(struct.pack("<Q", sum(map(len, parts))))
        for part in parts:
            answers.write(part)
    answers.flush()
"""


class RawSource:
    """A camera's raw file, which becomes a picture of 16 bits in Display P3.

    Raises:
        UnreadableError: it is damaged, too large, or of a camera that LibRaw does not know.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._path = path
        width, height, flip = struct.unpack("<3I", _LIBRAW.ask(path, pixels=False, size=12))
        if flip in _TURNED:
            width, height = height, width
        check_size(width, height)
        exif = None
        with contextlib.suppress(BadDirectoryError):
            # Most of them are built like a TIFF.
            reader = TagReader(file)
            exif = exif_of_tiff(reader, reader.directory(reader.first))[0]
        self.header = Header(width, height, bits=16, metadata=Metadata(exif=exif, cicp=_COLOURS))

    def decode(self) -> StoredPixels:
        """Develop it, with the camera's own white balance."""
        width, height = self.header.width, self.header.height
        data = _LIBRAW.ask(self._path, pixels=True, size=12 + 6 * width * height)
        if struct.unpack_from("<3I", data) != (height, width, 3):
            raise damaged()
        pixels = np.frombuffer(data, "<u2", offset=12).reshape(height, width, 3)
        return StoredPixels(
            pixels.astype(np.uint16), None, (_("Developed by LibRaw with the camera's white balance."),)
        )


class _LibRaw:
    """The process, which is started when it is first needed, and again after it ended; it ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, path: Path, *, pixels: bool, size: int) -> bytes:
        """The pixels of a file, or its size: `size` bytes.

        Raises:
            UnreadableError: LibRaw cannot develop it, or not in time.
        """
        name = os.fsencode(path.absolute())
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            late = threading.Timer(_SECONDS, process.kill)
            late.start()
            try:
                process.stdin.write(struct.pack("<?I", pixels, len(name)) + name)
                process.stdin.flush()
                head = process.stdout.read(8)
                answer = process.stdout.read(size) if head == struct.pack("<Q", size) else b""
            except OSError:
                head = answer = b""
            finally:
                in_time = late.is_alive()
                late.cancel()
                late.join()
            if len(answer) == size:
                return answer
            if head != struct.pack("<Q", _FAILED):
                # It crashed, was too slow, or says something else than was asked for.
                self.close()
        if not in_time:
            raise UnreadableError(_("could not be developed in three minutes."), _ELSEWHERE)
        raise UnreadableError(_("is a camera's raw file that LibRaw cannot develop."), _ELSEWHERE)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with process:
                process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            # Its library writes to the terminal what it thinks of a file.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SCRIPT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process


_LIBRAW = _LibRaw()
atexit.register(_LIBRAW.close)
_ELSEWHERE = _("It may be damaged; else develop it into a TIFF or JPEG with the camera's or a raw program.")
