"""Raw files of cameras, developed by LibRaw in a process of its own.

LibRaw reads the formats of a thousand cameras, most of them by guesswork: what a stranger made may crash it, or keep it
busy. So it runs where a crash ends nothing else, and for a limited time.
"""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np

from core.images.cicp import Cicp
from core.images.directories import BadDirectoryError, TagReader
from core.images.metadata.exif import exif_of_tiff
from core.images.picture import Header, Metadata, StoredPixels
from core.images.refusal import UnreadableError, check_size, damaged

_SECONDS = 180
_TURNED = (5, 6)
"""LibRaw's numbers of the two quarter turns."""
_COLOURS = Cicp(12, 13)
_SCRIPT = """
import struct, sys
import rawpy
with rawpy.RawPy() as raw:
    raw.open_file(sys.argv[1])
    if sys.argv[2] == "size":
        sys.stdout.buffer.write(struct.pack("<3I", raw.sizes.iwidth, raw.sizes.iheight, raw.sizes.flip))
    else:
        pixels = raw.postprocess(
            output_bps=16, use_camera_wb=True, gamma=(2.4, 12.92), output_color=rawpy.ColorSpace.P3D65
        )
        sys.stdout.buffer.write(struct.pack("<3I", *pixels.shape) + pixels.tobytes())
"""


class RawSource:
    """A camera's raw file, which becomes a picture of 16 bits in Display P3.

    Raises:
        UnreadableError: it is damaged, too large, or of a camera that LibRaw does not know.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._path = path
        width, height, flip = struct.unpack("<3I", _asked(path, "size", 12))
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
        data = _asked(self._path, "pixels", 12 + 6 * width * height)
        if struct.unpack_from("<3I", data) != (height, width, 3):
            raise damaged()
        pixels = np.frombuffer(data, "<u2", offset=12).reshape(height, width, 3)
        return StoredPixels(pixels.astype(np.uint16), None, ("Developed by LibRaw with the camera's white balance.",))


def _asked(path: Path, what: str, size: int) -> bytes:
    command = [sys.executable, "-c", _SCRIPT, str(path.absolute()), what]
    try:
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnreadableError("could not be developed in three minutes.", _ELSEWHERE) from error
    if answer.returncode or len(answer.stdout) != size:
        raise UnreadableError("is a camera's raw file that LibRaw cannot develop.", _ELSEWHERE)
    return answer.stdout


_ELSEWHERE = "It may be damaged; else develop it into a TIFF or JPEG with the camera's or a raw program."
