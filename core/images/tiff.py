"""TIFF: numbers in grey or RGB of any depth by way of tifffile, all other kinds by way of Pillow."""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from core import archives
from core.images.colour import inks_to_srgb, lab_to_srgb, srgb_profile
from core.images.directories import BYTE, UNDEFINED, BadDirectoryError, Directory, TagReader, TagValue, Tree, serialised
from core.images.metadata.exif import (
    MAKER_NOTE_LEFT_OUT,
    ORIENTATION,
    descriptive_tree,
)
from core.images.metadata.iptc import IPTC
from core.images.metadata.iptc import resources as iptc_resources
from core.images.picture import Header, Metadata, StoredPixels
from core.images.pillow_source import decode_image, open_with_pillow
from core.images.refusal import UnreadableError, camera_raw, check_size, damaged
from core.images.samples import TURNS_BACK, note_of_channels, unmultiplied, whole_range
from core.images.tiff_metadata import IPTC_TAG, PHOTOSHOP, XMP, block, metadata_of
from core.images.tiff_segments import HEAD_BYTES, LERC, PICTURES, size_within
from core.images.values import Kind, extremes, holes, range_of_series, scale_of
from core.language import gettext as _

# What it complains about becomes a refusal here; only a log that somebody set up needs its own words.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_SAMPLES, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 277, 338, 339
_TILE_WIDTH, _TILE_HEIGHT, _IMAGE_DEPTH, _TILE_DEPTH = 322, 323, 32997, 32998
_SEGMENTS = ((273, 279), (324, 325))
"""Offsets and byte counts, of strips and of tiles."""
_SUB_DIRECTORIES, _DNG_VERSION = 330, 50706

_LERC_DEFLATE, _LERC_ZSTD = 1, 2
_MOST_PACKED = 1000
_INK_SET, _ROWS_PER_STRIP, _LERC_PARAMETERS = 332, 278, 50674

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _SEPARATED, _CIELAB = 0, 1, 2, 5, 8
_CHANNELS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _SEPARATED: 4}
_CMYK = 1
_PREMULTIPLIED, _STRAIGHT = 1, 2
_UNSIGNED, _FLOAT = 1, 3
_NO_DATA = 42113
_REDUCED, _MASK = 1, 4
_MAX_SAMPLES = 16
_MAX_TILE_PIXELS = 1 << 24
_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _LZMA, _ZSTD = 1, 5, 8, 32946, 32773, 34925, 50000
_BOUNDED = frozenset({_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _LZMA, _ZSTD})
"""Compressions that are told how much to give at most. Of those that hold whole pictures the size of these is checked
here (`tiff_segments`), but for JPEG, which libtiff checks."""
_OF_LIBTIFF = frozenset({2, 3, 4, 6, 7, 32771, 32809, 34676, 34677})
"""Compressions of fax, JPEG and a few others, which Pillow hands to libtiff."""
_MAX_PAGES = 100_000
_LEVEL = 4
"""How hard Deflate tries, of 12 (libdeflate)."""
_MOST_BEHIND = 16
"""How many directories behind a page are looked at for its mask: its smaller versions may come before."""


class TiffSource:
    """One page of an open TIFF file.

    Raises:
        UnreadableError: it is damaged, too large, a camera's raw file, or of a kind that nobody here can read.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: Path | None,
        page: int = 0,
        check: Callable[[], None] = lambda: None,
        places: Places | None = None,
    ) -> None:
        """Read the header.

        Args:
            file: the content.
            path: where it lies, for other pages and files of its series to be looked at; None not to.
            page: which of its pages, from 0, without those that only show another one smaller.
            check: called between the pages and files of its series, to raise where nobody wants the rest.
            places: what `places` of another page of this file is, where it is known.
        """
        self._file = file
        self._path = path
        self._check = check
        self._read_ahead: np.ndarray | None = None
        try:
            self._reader = TagReader(file)
            self.places = _pages(self._reader) if places is None else places
            """The place of each page among all directories, and where its directory lies."""
            if page >= len(self.places):
                raise damaged()
            self._index, offset = self.places[page]
            self._directory = self._reader.directory(offset)
            self._read_layout()
            metadata, self._is_whole = metadata_of(self._reader, self._directory)
            turned = self._reader.integer(self._directory, ORIENTATION, 1)
            self._mask = self._read_mask()
        except BadDirectoryError as error:
            raise damaged() from error
        if self._is_numeric:
            self.header = Header(
                self._width,
                self._height,
                bits=8 if self._is_plain and self._bits == 8 else 16,
                alpha=self._alpha_kind in (_PREMULTIPLIED, _STRAIGHT) or self._mask is not None or self._has_holes(),
                frames=len(self.places),
                orientation=turned if 1 <= turned <= 8 else 1,
                metadata=metadata,
            )
            return
        if self._compression in PICTURES:
            raise UnreadableError(
                _("holds another format in a way that cannot be read."), _("Save it again as an RGB TIFF.")
            )
        if self._compression not in _BOUNDED | _OF_LIBTIFF:
            known = [each.name for each in tifffile.COMPRESSION if each == self._compression]
            named = known[0].replace("_", " ") if known else f"number {self._compression}"
            raise UnreadableError(
                _("is packed by a method that cannot be read ({named}).").format(named=named),
                _("Save it again as PNG or TIFF."),
            )
        self._image = None if self._is_deep_lab else self._opened_with_pillow()
        self.header = Header(
            self._width,
            self._height,
            alpha=self._mask is not None or (self._image is not None and self._image.has_transparency_data),
            frames=len(self.places),
            orientation=turned if 1 <= turned <= 8 else 1,
            metadata=metadata,
        )

    def _opened_with_pillow(self) -> Image.Image:
        reader, directory = self._reader, self._directory
        if not (reader.big and reader.order == ">" and self._bits <= 8):
            return open_with_pillow(self._file, "tiff", self._index)
        # Pillow 13.0.0 takes a big-endian BigTIFF for an ordinary TIFF. Bytes have no order, so that a directory in the
        # other one, behind the file, leads to the same pixels.
        self._file.seek(0)
        whole = io.BytesIO(self._file.read())
        tree: Tree = {
            code: TagValue(entry.kind, entry.count, reader.little_endian(entry))
            for code, entry in directory.entries.items()
            if reader.is_sound(entry)
        }
        base = reader.size + reader.size % 2
        whole.write(b"II" + struct.pack("<HHHQ", 43, 8, 0, base))
        whole.seek(base)
        whole.write(serialised(tree, base, big=True))
        return open_with_pillow(whole, "tiff")

    def decode(self) -> StoredPixels:
        """Decode the page."""
        decoded = self._decoded()
        if self._mask is not None:
            decoded = _masked(decoded, self._mask)
        return decoded if self._is_whole else replace(decoded, notes=(*decoded.notes, MAKER_NOTE_LEFT_OUT))

    def _decoded(self) -> StoredPixels:
        if self._is_numeric:
            return self._decode_numbers()
        if self._image is not None:
            decoded = _turned_back(decode_image(self._image, self.header.metadata.icc), self.header.orientation)
            if self._bits > 8:
                note = _("Its {bits} bits a channel were reduced to 8.").format(bits=self._bits)
                return replace(decoded, notes=(*decoded.notes, note))
            return decoded
        return self._decode_deep_lab()

    def survey(self) -> tuple[Kind, tuple[float, float] | None] | None:
        """What kind of numbers the page holds, and their extremes; None where they are picture values."""
        if not self._is_numeric or self._is_plain:
            return None
        samples = self._samples()[..., : _CHANNELS[self._photometric]]
        return (samples.dtype.str, samples.shape[2]), extremes(samples, holes(samples, self._no_data))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored."""
        return self._width, self._height

    def _read_layout(self) -> None:
        reader, directory = self._reader, self._directory
        self._width = reader.integer(directory, _WIDTH, 0)
        self._height = reader.integer(directory, _HEIGHT, 0)
        check_size(self._width, self._height)
        is_reduced = reader.integer(directory, _SUBFILE, 0) & _REDUCED
        if _DNG_VERSION in directory.entries or (is_reduced and _SUB_DIRECTORIES in directory.entries):
            raise camera_raw()
        samples = reader.integer(directory, _SAMPLES, 1)
        if not 1 <= samples <= _MAX_SAMPLES:
            raise UnreadableError(
                _("holds {samples} channels a pixel.").format(samples=samples),
                _("Save it again as an RGB TIFF or PNG."),
            )
        entry = directory.entries.get(_BITS)
        depths = set(reader.integers(entry).tolist()) if entry else {1}
        self._bits = int(max(depths, default=1))
        self._sample_format = reader.integer(directory, _SAMPLE_FORMAT, _UNSIGNED)
        self._photometric = reader.integer(directory, _PHOTOMETRIC, _RGB if samples >= 3 else _BLACK_IS_ZERO)
        channels = _CHANNELS.get(self._photometric, 0)
        if self._photometric == _SEPARATED:
            if reader.integer(directory, _INK_SET, _CMYK) != _CMYK or samples < channels:
                raise UnreadableError(_("holds inks other than those of CMYK."), _("Turn it into RGB or CMYK first."))
            # Four inks of 8 bits are Pillow's.
            channels *= samples > channels or self._bits > 8
        self._compression = reader.integer(directory, _COMPRESSION, _NONE)
        is_bounded = self._compression in _BOUNDED or self._compression in PICTURES
        self._is_numeric = is_bounded and 0 < channels <= samples and len(depths) == 1 and self._bits >= 8
        self._is_deep_lab = is_bounded and self._photometric == _CIELAB and self._bits == 16 and samples == 3
        self._samples_per_pixel, self._extra = samples, samples - channels
        # Who stores a fourth channel of RGB and does not say what it is means alpha.
        self._alpha_kind, self._alpha_at = self._find_alpha(channels)
        self._no_data = self._number_without_data()
        self._check_segments()
        if self._is_numeric and self._compression in PICTURES:
            self._check_pictures()

    def _find_alpha(self, channels: int) -> tuple[int, int]:
        """Which kind of alpha there is, and in which channel."""
        entry = self._directory.entries.get(_EXTRA_SAMPLES)
        if entry is None or not self._extra:
            return (_STRAIGHT if self._extra else 0), channels
        kinds = self._reader.integers(entry).tolist()[: self._extra]
        found = next((index for index, kind in enumerate(kinds) if kind in (_PREMULTIPLIED, _STRAIGHT)), None)
        return (0, channels) if found is None else (int(kinds[found]), channels + found)

    def _check_pictures(self) -> None:
        """Strips and tiles that are whole pictures of another format must be as large as this one's header says."""
        reader, directory = self._reader, self._directory
        parameters = directory.entries.get(_LERC_PARAMETERS)
        packed = reader.integers(parameters).tolist()[1:2] if self._compression in LERC and parameters else [0]
        if packed not in ([0], [_LERC_DEFLATE], [_LERC_ZSTD]):
            raise UnreadableError(_("is packed as LERC and once more."), _("Save it again with another compression."))
        tiles = directory.entries.get(_SEGMENTS[1][0])
        width = reader.integer(directory, _TILE_WIDTH, 0) if tiles else self._width
        rows = min(reader.integer(directory, _ROWS_PER_STRIP, self._height), self._height)
        height = reader.integer(directory, _TILE_HEIGHT, 0) if tiles else rows
        codes = _SEGMENTS[1] if tiles else _SEGMENTS[0]
        offsets, counts = (directory.entries.get(code) for code in codes)
        if offsets is None or counts is None:
            raise damaged()
        for start, size in zip(reader.integers(offsets).tolist(), reader.integers(counts).tolist(), strict=False):
            if not size:
                continue
            self._file.seek(start)
            try:
                if packed == [0]:
                    head = self._file.read(min(size, HEAD_BYTES))
                else:
                    most = 2 * width * height * self._samples_per_pixel * (self._bits // 8)
                    # What is so much smaller when packed would be of one tone, for which LERC takes a few bytes.
                    most = min(most, _MOST_PACKED * size) + HEAD_BYTES
                    unpack = imagecodecs.zlib_decode if packed == [_LERC_DEFLATE] else imagecodecs.zstd_decode
                    # No more than this: what it would unpack to is its own word.
                    head = bytes(unpack(self._file.read(size), out=bytearray(most))[:HEAD_BYTES])
                inner = size_within(self._compression, head)
            except (ValueError, RuntimeError, struct.error, IndexError) as error:
                raise damaged() from error
            if inner[0] != width or not 0 < inner[1] <= height:
                raise damaged()

    def _number_without_data(self) -> float | None:
        """GDAL's tag: a decimal number as text."""
        try:
            return float((block(self._reader, self._directory, _NO_DATA) or b"").split(b"\0")[0])
        except ValueError:
            return None

    def _check_segments(self) -> None:
        """What lies beyond the end of the file is refused here, as not every decoder minds, and so are giant tiles."""
        tile = [self._reader.integer(self._directory, code, 1) for code in (_TILE_WIDTH, _TILE_HEIGHT)]
        if tile[0] * tile[1] > max(_MAX_TILE_PIXELS, self._width * self._height):
            raise damaged()
        if any(self._reader.integer(self._directory, code, 1) != 1 for code in (_IMAGE_DEPTH, _TILE_DEPTH)):
            raise UnreadableError(_("holds a volume, not a picture."), _("Save one slice of it as TIFF or PNG."))
        for offsets_code, counts_code in _SEGMENTS:
            offsets, counts = (self._directory.entries.get(code) for code in (offsets_code, counts_code))
            if offsets is None or counts is None:
                continue
            if offsets.count < self._segments_needed(tiled=offsets_code != _SEGMENTS[0][0]):
                # Pillow leaves black what is not there, however much a header claims.
                raise damaged()
            starts, sizes = self._reader.integers(offsets), self._reader.integers(counts)
            if starts.size == sizes.size and starts.size and int((starts + sizes).max()) > self._reader.size:
                raise damaged()

    def _segments_needed(self, *, tiled: bool) -> int:
        """How many strips or tiles there are at least."""
        if not tiled:
            rows = self._reader.integer(self._directory, _ROWS_PER_STRIP, 0) or self._height
            return -(-self._height // min(rows, self._height))
        width, height = (self._reader.integer(self._directory, code, 0) for code in (_TILE_WIDTH, _TILE_HEIGHT))
        return -(-self._width // (width or self._width)) * -(-self._height // (height or self._height))

    def _read_mask(self) -> np.ndarray | None:
        """H x W, true where the page is to be seen, of the mask behind it (TIFF 6.0, NewSubfileType), as GDAL writes it
        for what JPEG has no alpha for; None where there is none, or it hides nothing."""
        reader, following = self._reader, self._directory.next
        for index in range(self._index + 1, self._index + 1 + _MOST_BEHIND):
            if not following:
                return None
            try:
                directory = reader.directory(following)
                kind = reader.integer(directory, _SUBFILE, 0)
            except BadDirectoryError:
                # What comes behind a broken directory is not there, as for pages.
                return None
            if kind == _MASK and reader.integer(directory, _COMPRESSION, _NONE) in _BOUNDED:
                return self._mask_at(index, directory)
            if not kind & (_REDUCED | _MASK):
                return None
            following = directory.next
        return None

    def _mask_at(self, index: int, directory: Directory) -> np.ndarray | None:
        size = (self._reader.integer(directory, _WIDTH, 0), self._reader.integer(directory, _HEIGHT, 0))
        if size != self.size or self._reader.integer(directory, _SAMPLES, 1) != 1:
            return None
        self._file.seek(0)
        with tifffile.TiffFile(self._file) as tiff:
            page = tiff.pages[index]
            if page.size != self._width * self._height:
                raise damaged()
            seen = page.asarray().reshape(self._height, self._width) != 0
        return None if seen.all() else seen

    def _samples(self) -> np.ndarray:
        """H x W x S, as numbers of the file's own type."""
        self._file.seek(0)
        with tifffile.TiffFile(self._file) as tiff:
            page = tiff.pages[self._index]
            # Before anything is decoded: this reader must have understood the header as the check of its size did.
            if page.size != self._width * self._height * self._samples_per_pixel:
                raise damaged()
            axes, array = page.axes, page.asarray()
        # Planes come first, or last, or, when there is one, not at all.
        if "S" not in axes:
            axes, array = axes + "S", array[..., None]
        array = np.moveaxis(array, [axes.index(axis) for axis in "YXS"], [0, 1, 2])
        if array.shape[:2] != (self._height, self._width) or array.ndim != 3:
            raise damaged()
        return array

    def _decode_numbers(self) -> StoredPixels:
        samples, self._read_ahead = self._read_ahead, None
        if samples is None:
            samples = self._samples()
        channels = _CHANNELS[self._photometric]
        numbers, scale, hole = samples[..., :channels], None, None
        notes: tuple[str, ...] = ()
        if self._is_plain:
            pixels = whole_range(numbers, self._bits)
        else:
            hole = holes(numbers, self._no_data)
            kind = (samples.dtype.str, channels)
            survey = partial(_survey, check=self._check)
            several = len(self.places) > 1
            series = range_of_series(self._path, kind, survey, self._check, several=several) if self._path else None
            scale, note = scale_of(numbers, hole, self._no_data, series)
            pixels, notes = scale.pixels(numbers), (note,)
        if self._photometric == _WHITE_IS_ZERO:
            pixels = np.iinfo(pixels.dtype).max - pixels
            scale = None
        alpha = None
        if self._alpha_kind in (_PREMULTIPLIED, _STRAIGHT):
            alpha = _opacity(samples[..., self._alpha_at], self._bits)
            if self._alpha_kind == _PREMULTIPLIED:
                pixels = unmultiplied(pixels, alpha)
        icc = None
        if self._photometric == _SEPARATED:
            pixels, note = inks_to_srgb(np.ascontiguousarray(pixels), self.header.metadata.icc)
            notes, icc = (*notes, note), srgb_profile()
        left_out = self._extra - (alpha is not None)
        if hole is not None:
            seen = np.full(hole.shape, np.iinfo(np.uint16).max, np.uint16) if alpha is None else alpha
            alpha = np.where(hole, np.uint16(0), seen)
            notes = (*notes, _("Where it has no data it is transparent."))
        notes = (*notes, *note_of_channels(left_out))
        alpha = None if alpha is None else np.ascontiguousarray(alpha)
        return StoredPixels(np.ascontiguousarray(pixels), alpha, notes, icc, scale)

    @property
    def _is_plain(self) -> bool:
        """Whether its numbers are picture values: unsigned integers of up to 16 bits."""
        return self._sample_format == _UNSIGNED and self._bits <= 16

    def _has_holes(self) -> bool:
        """Whether there are pixels without data, which only the pixels themselves can tell."""
        if self._is_plain or (self._sample_format != _FLOAT and self._no_data is None):
            return False
        self._read_ahead = self._samples()
        return holes(self._read_ahead[..., : _CHANNELS[self._photometric]], self._no_data) is not None

    def _decode_deep_lab(self) -> StoredPixels:
        eight = np.ascontiguousarray(self._samples() >> 8).astype(np.uint8)
        image = Image.frombytes("LAB", (self._width, self._height), eight.tobytes(), "raw", "LAB")
        rgb, note = lab_to_srgb(image)
        return StoredPixels(np.array(rgb), None, (note, _("Its 16 bits a channel were reduced to 8.")), srgb_profile())


def _masked(decoded: StoredPixels, seen: np.ndarray) -> StoredPixels:
    """Transparent where a mask says that nothing is to be seen."""
    full = np.iinfo(decoded.pixels.dtype).max
    alpha = np.full(seen.shape, full, decoded.pixels.dtype) if decoded.alpha is None else decoded.alpha
    return replace(decoded, alpha=np.where(seen, alpha, np.zeros_like(alpha)))


def _turned_back(decoded: StoredPixels, orientation: int) -> StoredPixels:
    """Undo Pillow’s turn: it turns TIFF upright, alone of all formats, and here figures must be turned with it."""
    back = TURNS_BACK[orientation]
    return replace(decoded, pixels=back(decoded.pixels), alpha=None if decoded.alpha is None else back(decoded.alpha))


Places = list[tuple[int, int]]


def _pages(reader: TagReader) -> Places:
    """Place among the directories, and offset, of all pages but those that are another one at a smaller size, or masks.

    The first always counts; what comes behind a broken directory is not there.
    """
    pages: Places = []
    seen: set[int] = set()
    offset = reader.first
    while offset and offset not in seen and len(seen) < _MAX_PAGES:
        try:
            directory = reader.directory(offset)
            kind = reader.integer(directory, _SUBFILE, 0)
        except BadDirectoryError:
            if not seen:
                raise
            break
        if not seen or not kind & (_REDUCED | _MASK):
            pages.append((len(seen), offset))
        seen.add(offset)
        offset = directory.next
    return pages


def _survey(path: Path, check: Callable[[], None]) -> tuple[Kind, tuple[float, float] | None] | None:
    """What kind of numbers a file of a series holds, and the extremes of all its pages that are like the first; None
    where it holds none."""
    first = _surveyed(path, 0, None, check)
    if first is None:
        return None
    found = [first.extremes]
    for page in range(1, len(first.places)):
        other = _surveyed(path, page, first.places, check)
        if other is not None and (other.kind, other.size) == (first.kind, first.size):
            found.append(other.extremes)
    lows_and_highs = [each for each in found if each is not None]
    if not lows_and_highs:
        return first.kind, None
    lows, highs = zip(*lows_and_highs, strict=True)
    return first.kind, (min(lows), max(highs))


@dataclass(frozen=True, slots=True)
class _Surveyed:
    """What a page of a series holds."""

    kind: Kind
    extremes: tuple[float, float] | None
    size: tuple[int, int]
    places: Places
    """Where all pages of its file lie."""


def _surveyed(path: Path, page: int, places: Places | None, check: Callable[[], None]) -> _Surveyed | None:
    """A page, or None where it holds no numbers.

    A broken neighbour, or one that is no TIFF, is no part of the series; its own turn tells what is wrong.
    """
    check()
    try:
        with archives.opened(path) as file:
            source = TiffSource(file, None, page, places=places)
            surveyed = source.survey()
            return None if surveyed is None else _Surveyed(surveyed[0], surveyed[1], source.size, source.places)
    except Exception:
        return None


def _opacity(samples: np.ndarray, bits: int) -> np.ndarray:
    """Alpha as uint8 or uint16. Nothing is transparent but 0, whatever the smallest number in the picture is."""
    if samples.dtype in (np.uint8, np.uint16):
        return whole_range(samples, bits)
    numbers = np.nan_to_num(samples.astype(np.float64), nan=0.0, posinf=1.0, neginf=0.0)
    return np.rint(np.clip(numbers / _full(samples), 0.0, 1.0) * 65535).astype(np.uint16)


def _full(samples: np.ndarray) -> float:
    """What stands for all of it: the largest number of an integer type; of floats 1, or their largest beyond that."""
    if samples.dtype.kind in "ui":
        return float(np.iinfo(samples.dtype).max)
    return max(1.0, float(samples.max(initial=0.0, where=np.isfinite(samples))))


BIG = 4_000_000_000
"""Bytes beyond which a TIFF's offsets of 32 bits may not suffice, and it becomes a BigTIFF."""


def write_tiff(path: Path, samples: np.ndarray, metadata: Metadata) -> tuple[str, ...]:
    """Write H x W x C samples, C = 1 to 4 (grey, grey + alpha, RGB, RGBA), numbers of any type; BigTIFF beyond 4 GB.

    Returns:
        What of the metadata was left out, in words.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    with TiffPages(path, big=samples.nbytes > BIG) as pages:
        pages.add(samples, metadata)
        return pages.finish()


class TiffPages:
    """A TIFF file that is being written, page by page.

    Raises:
        OSError: from every method, where the disk is full, or the folder cannot be written.
    """

    def __init__(self, path: Path, *, big: bool = False) -> None:
        self._path = path
        self._writer = tifffile.TiffWriter(path, bigtiff=big, byteorder="<")
        self._trees: list[Tree | None] = []
        self._notes: tuple[str, ...] = ()

    def __enter__(self) -> TiffPages:
        return self

    def __exit__(self, *_error: object) -> None:
        self._writer.close()

    def add(self, samples: np.ndarray, metadata: Metadata) -> None:
        """Write one page: samples and metadata as for `write_tiff`."""
        channels = samples.shape[2]
        extra: list[tuple[int, int, int, bytes, bool]] = []
        if metadata.xmp:
            extra.append((XMP, BYTE, len(metadata.xmp), metadata.xmp, True))
        if metadata.photoshop:
            extra.append((PHOTOSHOP, BYTE, len(metadata.photoshop), metadata.photoshop, True))
            iptc = iptc_resources(metadata.photoshop).get(IPTC)
            if iptc:
                extra.append((IPTC_TAG, UNDEFINED, len(iptc), iptc, True))
        extra += [(code, value.kind, value.count, value.data, True) for code, value in metadata.geo]
        self._writer.write(
            samples[..., 0] if channels == 1 else samples,
            photometric="rgb" if channels >= 3 else "minisblack",
            planarconfig=None if channels == 1 else "contig",
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            compression="zlib",
            # Two thirds of the time of tifffile's own choice, for 3 % more room.
            compressionargs={"level": _LEVEL},
            # There is none for integers of 64 bits.
            predictor=samples.dtype.kind == "f" or samples.dtype.itemsize <= 4,
            resolution=metadata.dpi or metadata.grid,
            resolutionunit="INCH" if metadata.dpi else "NONE" if metadata.grid else None,
            iccprofile=metadata.icc,
            extratags=extra,
            software=False,
            metadata=None,
        )
        tree = None
        if metadata.exif:
            tree, is_whole = descriptive_tree(metadata.exif)
            self._notes = self._notes if is_whole else (MAKER_NOTE_LEFT_OUT,)
        self._trees.append(tree)

    def finish(self) -> tuple[str, ...]:
        """Complete the file; answers with what of the metadata was left out, in words."""
        self._writer.close()
        if any(self._trees):
            with self._path.open("r+b") as file:
                _describe(file, self._trees)
        return self._notes


def _describe(file: BinaryIO, trees: Sequence[Tree | None]) -> None:
    """Add tags to each page, and the directories that they point to, as tifffile writes no directory within one."""
    reader = TagReader(file)
    pointer, offset = (8 if reader.big else 4), reader.first
    code = "<Q" if reader.big else "<I"
    for tree in trees:
        directory = reader.directory(offset)
        following, next_pointer = directory.next, directory.next_position
        if tree is not None:
            there: dict[int, TagValue | Tree] = {
                tag: TagValue(entry.kind, entry.count, reader.little_endian(entry))
                for tag, entry in directory.entries.items()
            }
            end = file.seek(0, 2)
            base = end + end % 2
            file.write(bytes(base - end) + serialised(tree | there, base, reader.big))
            file.seek(pointer)
            file.write(struct.pack(code, base))
            reader = TagReader(file)
            next_pointer = reader.directory(base).next_position
            file.seek(next_pointer)
            file.write(struct.pack(code, following))
        pointer, offset = next_pointer, following
