"""JPEG XL: pixels by imagecodecs, the container's boxes (ISO/IEC 18181-2) and the head of the codestream by hand."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from core.images.animation import MOST_AT_ONCE, Timing, check_frames
from core.images.cicp import CHROMATICITIES, Cicp, xyz_of_rgb
from core.images.credentials import is_of_jumbf
from core.images.isobmff import box
from core.images.jxl_frames import durations, joined
from core.images.jxl_header import SIGNATURE, Head, read_head, with_colours
from core.images.metadata.parts import LeftOut
from core.images.picture import Header, Metadata, StoredPixels
from core.images.refusal import MAX_METADATA_BYTES, UnreadableError, check_size, damaged
from core.images.samples import note_of_channels, parted, told_bits, unmultiplied, whole_range
from core.images.values import scale_of
from core.language import gettext as _

_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_FILE_TYPE = box(b"ftyp", b"jxl \0\0\0\0jxl ")
_MAX_BOXES = 10_000
_WIDE = Cicp(12, 13)
"""Display P3: what colours coded as XYB are decoded to where a profile is beyond the decoder, which knows none."""
LOSSLESS_EFFORT, _EFFORT = 3, 5
"""More of it takes several times as long for 5 %."""
_ROWS = 64
_WITHOUT_LOSS = _("Written without loss, as the encoder has no lossy coding for its colours.")


class JxlSource:
    """An open JPEG XL file.

    Raises:
        UnreadableError: it is damaged, too large, or of a kind that the decoder does not know.
    """

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        data = file.read()
        self._codestream, boxes = _parts(data)
        try:
            head = read_head(self._codestream)
        except ValueError as error:
            raise damaged() from error
        check_size(head.width, head.height)
        if head.inks:
            raise UnreadableError(
                _("is a JPEG XL picture of printing inks (CMYK)."), _("Save it as an RGB PNG or TIFF.")
            )
        self._head = head
        self._durations = _durations_of(self._codestream, head, len(data))
        icc, cicp = head.icc, head.cicp
        if head.xyb and icc is not None:
            icc, cicp = None, _WIDE
        exif = boxes.get(b"Exif", b"")
        # Four bytes say where the structure begins.
        skipped = 4 + int.from_bytes(exif[:4], "big")
        self.header = Header(
            head.width,
            head.height,
            alpha=head.alpha,
            frames=max(1, len(self._durations)),
            bits=16 if head.is_float else told_bits(head.bits),
            lossless=not head.xyb and b"jbrd" not in boxes,
            orientation=head.orientation,
            metadata=Metadata(
                exif=exif[skipped:] or None,
                xmp=boxes.get(b"xml "),
                icc=icc,
                cicp=cicp,
                png_colour=head.png_colour,
                left_out=(LeftOut.GAIN_MAP,) * (b"jhgm" in boxes)
                + (LeftOut.CREDENTIALS,) * is_of_jumbf(boxes.get(b"jumb", b"")),
            ),
        )

    def decode(self) -> StoredPixels:
        """Decode the first frame."""
        decoded = self._decoded(imagecodecs.jpegxl_decode(self._decodable(), index=0, keeporientation=True))
        if self._head.animated and not self._durations:
            return replace(decoded, notes=(*decoded.notes, _("Only the first of its frames was taken.")))
        return decoded

    @property
    def timing(self) -> Timing:
        """When its frames are shown."""
        return Timing(tuple(max(1, round(duration)) for duration in self._durations), self._head.loops)

    def frames(self) -> Iterator[StoredPixels]:
        """All that is seen, one picture after another."""
        codestream = self._decodable()
        count = len(self._durations)
        whole = None
        if count * self._head.width * self._head.height <= MOST_AT_ONCE:
            whole = imagecodecs.jpegxl_decode(codestream, keeporientation=True)
            if len(whole) != count:
                raise damaged()
        for index in range(count):
            if whole is not None:
                yield self._decoded(whole[index])
                continue
            # Asked for one of them the decoder begins at the beginning each time.
            yield self._decoded(imagecodecs.jpegxl_decode(codestream, index=index, keeporientation=True))

    def _decodable(self) -> bytes:
        """The codestream, in colours that the decoder gives."""
        head = self._head
        return with_colours(self._codestream, _WIDE, None) if head.xyb and head.icc is not None else self._codestream

    def _decoded(self, samples: np.ndarray) -> StoredPixels:
        head = self._head
        if samples.ndim < 2:
            raise damaged()
        channels = (1 if head.grey else 3) + head.alpha
        samples = samples.reshape(head.height, head.width, -1)
        if samples.shape[2] < channels:
            raise damaged()
        notes = note_of_channels(samples.shape[2] - channels)
        samples = samples[..., :channels]
        pixels, alpha = parted(samples)
        scale = None
        if samples.dtype.kind == "f":
            scale, note = scale_of(pixels, None, None, None)
            pixels, notes = scale.pixels(pixels), (*notes, note)
            if alpha is not None:
                alpha = np.rint(np.clip(alpha.astype(np.float32), 0, 1) * 65535).astype(np.uint16)
        else:
            bits = min(head.bits, 8 * samples.dtype.itemsize)
            pixels = whole_range(pixels, bits)
            alpha = None if alpha is None else whole_range(alpha, bits)
        if head.premultiplied and alpha is not None:
            pixels = unmultiplied(pixels, alpha)
        return StoredPixels(pixels, alpha, notes, scale=scale)


def _durations_of(codestream: bytes, head: Head, size: int) -> tuple[float, ...]:
    """Milliseconds of each picture of an animation; nothing where it is none, or begins with a preview."""
    if not head.animated or head.preview:
        return ()
    try:
        found = durations(codestream)
    except ValueError as error:
        raise damaged() from error
    check_frames(len(found), head.width, head.height, size)
    return found if len(found) > 1 else ()


def head_of_codestream(data: bytes) -> Head:
    """The head of the codestream in the first bytes of a file, or in a bare one.

    Raises:
        ValueError: it is damaged.
    """
    at = 0
    if not data.startswith(SIGNATURE):
        # The rest of it may lie beyond what is given.
        places = [place for kind in (b"jxlc", b"jxlp") if (place := data.find(kind)) >= 0]
        if not places:
            raise ValueError("no codestream")
        at = data.find(SIGNATURE, min(places))
    return read_head(data[at:], with_icc=False)


def _parts(data: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """The codestream, and the first box of each other kind."""
    if data.startswith(SIGNATURE):
        return data, {}
    codestream: list[bytes] = []
    boxes: dict[bytes, bytes] = {}
    for kind, content in _boxes(data):
        if kind == b"jxlc":
            codestream.append(content)
        elif kind == b"jxlp":
            codestream.append(content[4:])
        elif kind == b"brob":
            kind, content = content[:4], _unbrotlied(content[4:])
        if kind not in boxes and (len(content) <= MAX_METADATA_BYTES or kind == b"jbrd"):
            boxes[kind] = content
    if not codestream:
        raise damaged()
    return b"".join(codestream), boxes


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    for _rest in range(_MAX_BOXES):
        if at + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:
            if at + 16 > len(data):
                raise damaged()
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        elif length == 0:
            length = len(data) - at
        if length < start - at or at + length > len(data):
            raise damaged()
        yield kind, data[start : at + length]
        at += length


def _unbrotlied(data: bytes) -> bytes:
    """A remark, unpacked; empty where it is broken or too long, which is no reason to refuse the picture."""
    try:
        return bytes(imagecodecs.brotli_decode(data, out=bytearray(MAX_METADATA_BYTES)))
    except Exception:
        return b""


def write_jxl_animation(
    file: BinaryIO, frames: Iterable[np.ndarray], metadata: Metadata, timing: Timing, quality: int | None
) -> tuple[str, ...]:
    """Write an animation of H x W x 3 or 4 samples, all of one shape, and say what to tell the user; without a quality
    nothing is lost."""
    is_bound = bool(metadata.icc) or (metadata.cicp is not None and metadata.cicp.is_hdr)
    codestreams = []
    for samples in frames:
        if quality is None or is_bound:
            encoded, _others = _lossless(samples, metadata)
        else:
            encoded, _others = _lossy(samples, metadata.cicp, quality)
        codestreams.append(encoded)
    codestream = joined(codestreams, timing.durations, timing.plays)
    for part in _with_boxes(codestream, metadata, []):
        file.write(part)
    return (_WITHOUT_LOSS,) if is_bound and quality is not None else ()


def encode_jxl(samples: np.ndarray, metadata: Metadata, quality: int | None) -> tuple[bytes, tuple[str, ...]]:
    """A whole file of H x W x C samples, C = 1 to 4 (grey, grey + alpha, RGB, RGBA), and what to tell the user.

    Args:
        samples: uint8 or uint16, over their whole range.
        metadata: what goes into the file.
        quality: 1 to 100, as libjxl's own programs count; None, and 100, lose nothing.
    """
    if samples.shape[2] in (2, 4) and (samples[..., -1] == np.iinfo(samples.dtype).max).all():
        samples = np.ascontiguousarray(samples[..., :-1])
    notes: tuple[str, ...] = ()
    if quality is None or quality >= 100:
        codestream, others = _lossless(samples, metadata)
    elif metadata.icc and samples.dtype == np.uint8 and samples.shape[2] in (1, 3):
        codestream, others = _by_jpeg(samples, metadata.icc, quality)
    elif metadata.icc or (metadata.cicp is not None and metadata.cicp.is_hdr):
        codestream, others = _lossless(samples, metadata)
        notes = (_WITHOUT_LOSS,)
    else:
        codestream, others = _lossy(samples, metadata.cicp, quality)
    return b"".join(_with_boxes(codestream, metadata, others)), notes


def _with_boxes(codestream: bytes, metadata: Metadata, others: list[bytes]) -> list[bytes]:
    """The parts of a file: a container where there is more than the codestream."""
    boxes = []
    if metadata.exif:
        boxes.append(box(b"Exif", bytes(4), metadata.exif))
    if metadata.xmp:
        boxes.append(box(b"xml ", metadata.xmp))
    if not boxes and not others:
        return [codestream]
    return [_CONTAINER, _FILE_TYPE, *others, *boxes, box(b"jxlc", codestream)]


def _lossless(samples: np.ndarray, metadata: Metadata) -> tuple[bytes, list[bytes]]:
    encoded = imagecodecs.jpegxl_encode(_plain(samples), lossless=True, effort=LOSSLESS_EFFORT)
    codestream, others = _kept(bytes(encoded))
    # The encoder calls 16 bits linear.
    return with_colours(codestream, metadata.cicp, metadata.icc), others


def _lossy(samples: np.ndarray, cicp: Cicp | None, quality: int) -> tuple[bytes, list[bytes]]:
    distance = _distance(quality)
    if samples.dtype == np.uint8 and cicp is None:
        return _kept(bytes(imagecodecs.jpegxl_encode(_plain(samples), distance=distance, effort=_EFFORT)))
    # Given linear light in the primaries of sRGB, within them or not, the encoder does what is right for the eye.
    encoded = imagecodecs.jpegxl_encode(_plain(_light(samples, cicp)), distance=distance, effort=_EFFORT)
    codestream, others = _kept(bytes(encoded))
    return with_colours(codestream, cicp, None, 8 * samples.dtype.itemsize), others


def _by_jpeg(samples: np.ndarray, icc: bytes, quality: int) -> tuple[bytes, list[bytes]]:
    """By way of a JPEG, packed anew without further loss: the only way to lose something that keeps a profile."""
    buffer = io.BytesIO()
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    image.save(buffer, "JPEG", quality=quality, subsampling="4:4:4", icc_profile=icc)
    return _kept(bytes(imagecodecs.jpegxl_encode_jpeg(buffer.getvalue(), usecontainer=True)))


def _light(samples: np.ndarray, cicp: Cicp | None) -> np.ndarray:
    """Linear light, relative to white, in the primaries of sRGB; alpha as 0 to 1."""
    cicp = cicp or Cicp(1, 13)
    top = np.iinfo(samples.dtype).max
    channels = samples.shape[2]
    colours = 3 if channels >= 3 else 1
    # A table, as there are at most 65,536 different samples.
    table = cicp.curve(np.arange(int(top) + 1) / top).astype(np.float32)
    matrix = np.linalg.solve(xyz_of_rgb(CHROMATICITIES[1]), xyz_of_rgb(cicp.chromaticities)).T.astype(np.float32)
    result = np.empty(samples.shape, np.float32)
    for first in range(0, len(samples), _ROWS):
        rows = slice(first, first + _ROWS)
        light = table[samples[rows, :, :colours]]
        result[rows, :, :colours] = light @ matrix if colours == 3 and cicp.primaries not in (1, 2) else light
        result[rows, :, colours:] = samples[rows, :, colours:] / np.float32(top)
    return result


def _kept(encoded: bytes) -> tuple[bytes, list[bytes]]:
    """The codestream, and the boxes of its container that decoders need."""
    if encoded.startswith(SIGNATURE):
        return encoded, []
    codestream, others = b"", []
    for kind, content in _boxes(encoded):
        if kind in (b"jxlc", b"jxlp"):
            codestream += content[4 * (kind == b"jxlp") :]
        elif kind in (b"jxll", b"jbrd"):
            others.append(box(kind, content))
    return codestream, others


def _plain(samples: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(samples[..., 0] if samples.shape[2] == 1 else samples)


def _distance(quality: int) -> float:
    """Butteraugli's distance that libjxl takes for a quality."""
    if quality >= 30:
        return 0.1 + (100 - quality) * 0.09
    return 53 / 3000 * quality**2 - 23 / 20 * quality + 25
