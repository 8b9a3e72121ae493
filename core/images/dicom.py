"""DICOM pictures in: what a viewer shows of a frame by its slope and window (DICOM PS3.3, C.11), or all its numbers.

What a file says of a patient goes into a DICOM result, and into no other, and into no name or message.
"""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from core import archives
from core.contract.cancel import Cancelled
from core.contract.errors import how_to_install
from core.images import dicom_codecs
from core.images.dicom_tags import DicomTags
from core.images.picture import Header, StoredPixels
from core.images.refusal import UnreadableError, check_size, damaged
from core.images.values import Kind, Scale, range_of_series, scale_of
from core.language import gettext as _

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")


class _Bounded:
    """A file of which no more is asked for than is there.

    An element may say that it is 4 GB long, and Python makes room for that before it reads: seconds each time, where
    the system clears memory that it hands out.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        self.tell = file.tell
        self.seek = file.seek

    def read(self, size: int = -1) -> bytes:
        """What comes next, `size` bytes at most."""
        left = max(0, self._size - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left))


class DicomSource:
    """An open DICOM file.

    Raises:
        UnreadableError: it is damaged, too large, holds no picture, or needs a package that is not there.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: Path | None = None,
        frame: int = 0,
        check: Callable[[], None] = lambda: None,
        *,
        whole_range: bool = False,
    ) -> None:
        """Read the tags.

        Args:
            file: the content.
            path: where it lies, for other frames and files of its series to be looked at; None not to.
            frame: which one is decoded.
            check: called between the frames and files of its series, to raise where nobody wants the rest.
            whole_range: whether all stored numbers become pixels, so that they can be written again, and not only
                those that a viewer shows.
        """
        self._path, self._check = path, check
        self._frame = frame
        self._whole_range = whole_range
        try:
            # Only when such a picture comes: it is an optional package.
            self._package: Any = importlib.import_module("pydicom")
        except ImportError:
            raise UnreadableError(
                _("is a DICOM picture, which needs the package pydicom."),
                _("Export the picture as PNG or TIFF. {how_to_install}").format(
                    how_to_install=how_to_install("pydicom")
                ),
            ) from None
        dicom_codecs.register()
        # What it complains about may quote what a file says.
        logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._dataset = self._package.dcmread(_Bounded(file))
        dataset = self._dataset
        if "PixelData" not in dataset:
            raise UnreadableError(_("is a DICOM file without a picture."), _("Choose one of the series' pictures."))
        self._kind = str(dataset.PhotometricInterpretation)
        width, height = int(dataset.Columns), int(dataset.Rows)
        check_size(width, height)
        if self._kind not in (*_GREY, *_COLOUR):
            raise UnreadableError(_("holds colours that cannot be read."), _("Export the picture as PNG or TIFF."))
        if not 1 <= int(dataset.get("BitsAllocated", 0)) <= 32:
            raise damaged()
        is_grey = self._kind in _GREY
        frames = int(dataset.get("NumberOfFrames", 1) or 1)
        if not 1 <= frames <= _MOST_FRAMES or frame >= frames:
            raise damaged()
        is_deep = is_grey or self._kind == "PALETTE COLOR" or int(dataset.BitsAllocated) > 8
        tags = DicomTags(dataset, str(dataset.file_meta.get("TransferSyntaxUID", ""))) if whole_range else None
        self.header = Header(width, height, bits=16 if is_deep else 8, frames=frames, dicom=tags)

    def decode(self) -> StoredPixels:
        """Decode the frame."""
        dataset, pixels = self._dataset, importlib.import_module("pydicom.pixels")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                numbers = pixels.pixel_array(dataset, index=self._frame)
            except (RuntimeError, NotImplementedError) as error:
                if "plugin" not in str(error) and "Unable to decode" not in str(error):
                    raise
                raise UnreadableError(
                    _("is packed in a way that cannot be read here."),
                    _("Export the picture as PNG or TIFF, or unpacked."),
                ) from None
            if self._kind == "PALETTE COLOR":
                numbers = pixels.apply_color_lut(numbers, dataset)
            elif self._kind in _GREY and self._whole_range:
                return self._numbers(numbers)
            elif self._kind in _GREY:
                return self._grey(pixels.apply_modality_lut(numbers, dataset))
        top = int(np.iinfo(numbers.dtype).max)
        if self.header.bits == 16 and top != 65535:
            numbers = (numbers.astype(np.uint32) * 65535 // top).astype(np.uint16)
        notes = () if self._whole_range else (_WITHOUT_TAGS,)
        return StoredPixels(np.ascontiguousarray(numbers[..., :3]), None, notes)

    def survey(self) -> tuple[Kind, tuple[float, float] | None] | None:
        """What kind of numbers it holds, and their extremes in all frames; None where they are colours, or have a
        way to be shown of their own."""
        dataset, pixels = self._dataset, importlib.import_module("pydicom.pixels")
        if self._kind not in _GREY or self._window is not None or self._shown_by_table or self._is_plain:
            return None
        found = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for frame in range(self.header.frames):
                self._check()
                numbers = pixels.apply_modality_lut(pixels.pixel_array(dataset, index=frame), dataset)
                found.append((float(numbers.min()), float(numbers.max())))
        return self._series, (min(low for low, _ in found), max(high for _, high in found))

    @property
    def _series(self) -> Kind:
        return f"{self._kind} {self._dataset.get('SeriesInstanceUID', '')}", 1

    @property
    def _window(self) -> tuple[float, float] | None:
        """Centre and width of what a viewer shows."""
        centre, width = (_first(self._dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
        # A LINEAR window is at least 1 wide; the other kinds need no whole numbers.
        least = 1 if str(self._dataset.get("VOILUTFunction", "LINEAR")) == "LINEAR" else 1e-9
        return (centre, width) if centre is not None and width is not None and width >= least else None

    @property
    def _shown_by_table(self) -> bool:
        """Whether what a viewer shows is in a table instead of a window."""
        return self._window is None and bool(self._dataset.get("VOILUTSequence"))

    @property
    def _is_plain(self) -> bool:
        """Whether the numbers are grey of up to 8 bits as it is seen, as of ultrasound and screens."""
        dataset = self._dataset
        is_sloped = any(name in dataset for name in ("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"))
        return not is_sloped and not dataset.get("PixelRepresentation") and int(dataset.get("BitsStored", 16)) <= 8

    def _numbers(self, numbers: np.ndarray) -> StoredPixels:
        """All stored numbers, neither sloped nor inverted: a viewer does that with the result's as with these."""
        if self.header.frames == 1:
            low, high = float(numbers.min()), float(numbers.max())
        else:
            # One mapping for all frames, without reading all of them.
            bits = int(self._dataset.get("BitsStored", 0)) or 8 * numbers.dtype.itemsize
            low = -(2.0 ** (bits - 1)) if numbers.dtype.kind == "i" else 0.0
            high = low + 2.0**bits - 1
        scale = Scale(low, high, numbers.dtype.name)
        return StoredPixels(scale.pixels(numbers[..., None]), None, scale=scale)

    def _grey(self, numbers: np.ndarray) -> StoredPixels:
        numbers = numbers[..., None].astype(np.float64)
        scale, window = None, self._window
        if window is not None:
            centre, width = window
            function = str(self._dataset.get("VOILUTFunction", "LINEAR"))
            if function == "SIGMOID":
                shown = 1 / (1 + np.exp(np.clip(-4 * (numbers - centre) / width, -700, 700)))
            elif function == "LINEAR_EXACT":
                shown = (numbers - centre) / width + 0.5
            else:
                shown = (numbers - (centre - 0.5)) / max(width - 1, 1e-6) + 0.5
            pixels = np.rint(np.clip(shown, 0, 1) * 65535).astype(np.uint16)
            note = _("Shown by its window of {width:g} around {centre:g}.").format(width=width, centre=centre)
        elif self._shown_by_table:
            pixels, note = self._through_table(numbers), _("Shown by the table of tones that it holds.")
        elif self._is_plain:
            top = 2 ** int(self._dataset.BitsStored) - 1
            pixels, note = np.rint(np.clip(numbers / top, 0, 1) * 65535).astype(np.uint16), ""
        else:
            series = None
            if self._path is not None:
                survey, several = partial(_survey, check=self._check), self.header.frames > 1
                series = range_of_series(self._path, self._series, survey, self._check, several=several)
            scale, note = scale_of(numbers.astype(np.float32), None, None, series)
            pixels = scale.pixels(numbers)
        if self._kind == "MONOCHROME1":
            pixels, scale = 65535 - pixels, None
        notes = (note, _WITHOUT_TAGS) if note else (_WITHOUT_TAGS,)
        return StoredPixels(np.ascontiguousarray(pixels), None, notes, scale=scale)

    def _through_table(self, numbers: np.ndarray) -> np.ndarray:
        """What the first table of the file makes of H x W x 1 numbers (DICOM PS3.3, C.11.2.1.1)."""
        processing = importlib.import_module("pydicom.pixels")
        bits = int(self._dataset.VOILUTSequence[0].LUTDescriptor[2])
        if not 8 <= bits <= 16:
            raise damaged()
        shown = processing.apply_voi(numbers.astype(np.int64), self._dataset)
        return np.rint(np.clip(shown / (2.0**bits - 1), 0, 1) * 65535).astype(np.uint16)


def _survey(path: Path, check: Callable[[], None]) -> tuple[Kind, tuple[float, float] | None] | None:
    """Survey another file of the series; see `DicomSource.survey`."""
    try:
        with archives.opened(path) as file:
            return DicomSource(file, None, 0, check).survey()
    except Cancelled:
        raise
    except Exception:
        # A broken neighbour, or one that is no picture, is no part of the series; its own turn tells what is wrong.
        return None


_MOST_FRAMES = 100_000
_WITHOUT_TAGS = _("What it says of the patient and the study was left out.")


def _first(value: Any) -> float | None:
    """The first number of a tag that may have several."""
    try:
        return float(value[0] if isinstance(value, list | tuple) or hasattr(value, "__iter__") else value)
    except (TypeError, ValueError, IndexError):
        return None
