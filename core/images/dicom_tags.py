"""DICOM pictures out: the tags of the source, mended where size and origin change them (DICOM PS3.3, PS3.5)."""

from __future__ import annotations

import copy
import importlib
import io
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from core.images.metadata.carry import Origin
    from core.images.picture import Picture

_PIXELS = 0x7FE00010
_OVERLAYS = range(0x6000, 0x6020, 2)
_STALE = (
    *("SmallestImagePixelValue", "LargestImagePixelValue", "SmallestPixelValueInSeries", "LargestPixelValueInSeries"),
    *(
        "IconImageSequence",
        "ExtendedOffsetTable",
        "ExtendedOffsetTableLengths",
        "EncapsulatedPixelDataValueTotalLength",
    ),
    *("DigitalSignaturesSequence", "MACParametersSequence", "DataSetTrailingPadding"),
)
"""What holds of the source's pixels alone."""
_PALETTES = tuple(
    f"{colour}PaletteColorLookupTable{part}" for colour in ("Red", "Green", "Blue") for part in ("Data", "Descriptor")
)
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "ObjectPixelSpacingInCenterOfBeam")
"""Millimetres from one row to the next, and from one column to the next."""
_ACROSS = (
    *("RegionLocationMinX0", "RegionLocationMaxX1", "ReferencePixelX0", "ShutterLeftVerticalEdge"),
    "ShutterRightVerticalEdge",
)
_DOWN = (
    *("RegionLocationMinY0", "RegionLocationMaxY1", "ReferencePixelY0", "ShutterUpperHorizontalEdge"),
    "ShutterLowerHorizontalEdge",
)
"""Places in pixels."""
_LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91")
"""Transfer syntaxes of JPEG, JPEG-LS and JPEG 2000 that lost something."""
_OF_THE_PICTURE = (
    *("SOPClassUID", "Modality", "ImageType", "SliceThickness", "SpacingBetweenSlices", "ImagePositionPatient"),
    *("ImageOrientationPatient", "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
    *_SPACINGS,
)
_DESCRIBES_PIXELS = 0x0028


class DicomTags:
    """What a DICOM file says beside its pixels. It may name a patient, so it shows nothing of itself."""

    def __init__(self, dataset: Any, syntax: str) -> None:
        """Take them out of a dataset of pydicom's, without its pixels; `syntax` is its transfer syntax."""
        # A copy would share its elements; a slice does not.
        self._dataset = dataset[:_PIXELS]
        self._syntax = syntax

    def __repr__(self) -> str:
        return "DicomTags()"

    def __reduce__(self) -> tuple[Any, ...]:
        return DicomTags, (self._dataset, self._syntax)

    def without_patient(self) -> DicomTags:
        """Only what its pixels cannot be shown without."""
        plain = self._dataset[:_PIXELS]
        for element in list(plain):
            if element.tag.group != _DESCRIBES_PIXELS and element.keyword not in _OF_THE_PICTURE:
                del plain[element.tag]
        return DicomTags(plain, self._syntax)

    def enlarged(self, shape: tuple[int, ...], dtype: np.dtype, origin: Origin | None) -> Any:
        """A dataset for H x W x C pixels of this type that came of these tags' picture."""
        uids = importlib.import_module("pydicom.uid")
        dataset = copy.deepcopy(self._dataset)
        factors = shape[1] / int(dataset.Columns), shape[0] / int(dataset.Rows)
        for name in (*_STALE, *(_PALETTES if shape[2] == 3 else ())):
            dataset.pop(name, None)
        for group in _OVERLAYS:
            for element in list(dataset.group_dataset(group)):
                del dataset[element.tag]
        for level in _levels(dataset):
            _mend(level, factors)
        _shift(dataset, factors)
        dataset.Rows, dataset.Columns = shape[:2]
        if shape[2] == 3:
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
            dataset.BitsAllocated = dataset.BitsStored = 8
            dataset.HighBit, dataset.PixelRepresentation = 7, 0
        elif int(dataset.BitsAllocated) != 8 * dtype.itemsize:
            dataset.BitsAllocated = dataset.BitsStored = 8 * dtype.itemsize
            dataset.HighBit = dataset.BitsStored - 1
        if self._syntax in _LOSSY:
            # Its pixels are not packed any more, but what was lost stays lost.
            dataset.LossyImageCompression = "01"
        _say_derived(dataset, factors, origin, uids)
        return dataset


def _levels(dataset: Any) -> list[Any]:
    """A dataset, and all that lie in it."""
    found = [dataset]
    for level in found:
        for element in level:
            if element.VR == "SQ":
                found += element.value
    return found


def _mend(dataset: Any, factors: tuple[float, float]) -> None:
    across, down = factors

    def change(name: str, by: Callable[[float], float]) -> None:
        value = dataset.get(name)
        if value in (None, ""):
            return
        new, kind = by(float(value)), dataset[name].VR
        setattr(dataset, name, _decimal(new) if kind == "DS" else new if kind in ("FD", "FL") else round(new))

    for name in _SPACINGS:
        spacing = dataset.get(name)
        if spacing is not None and len(spacing) == 2:
            setattr(dataset, name, [_decimal(float(spacing[0]) / down), _decimal(float(spacing[1]) / across)])
    for names, factor in ((_ACROSS, across), (_DOWN, down)):
        for name in names:
            change(name, lambda value, factor=factor: value * factor)  # type: ignore[misc]
    # What one pixel measures in an ultrasound picture.
    change("PhysicalDeltaX", lambda value: value / across)
    change("PhysicalDeltaY", lambda value: value / down)


def _shift(dataset: Any, factors: tuple[float, float]) -> None:
    """Say where the centre of the first pixel is now: a smaller one lies nearer to the corner."""
    shared = _first_item(dataset, "SharedFunctionalGroupsSequence")
    groups = [dataset, *(dataset.get("PerFrameFunctionalGroupsSequence") or ())]
    for group in groups if shared is None else (*groups, shared):
        place = group if group is dataset else _first_item(group, "PlanePositionSequence")
        if place is None or place.get("ImagePositionPatient") is None:
            continue
        orientation, spacing = (
            _value(name, within, group, shared, dataset)
            for name, within in (
                ("ImageOrientationPatient", "PlaneOrientationSequence"),
                ("PixelSpacing", "PixelMeasuresSequence"),
            )
        )
        if orientation is None or spacing is None or len(orientation) != 6 or len(spacing) != 2:
            continue
        # The spacing is the result's by now.
        along = np.array(orientation, np.float64).reshape(2, 3)
        steps = np.array([(1 - factors[0]) / 2 * float(spacing[1]), (1 - factors[1]) / 2 * float(spacing[0])])
        position = np.array(place.ImagePositionPatient, np.float64) + steps @ along
        place.ImagePositionPatient = [_decimal(float(value)) for value in position]


def _value(name: str, within: str, group: Any, shared: Any, dataset: Any) -> Any:
    for level in (_first_item(group, within), _first_item(shared, within), dataset):
        if level is not None and level.get(name) is not None:
            return level.get(name)
    return None


def _first_item(dataset: Any, name: str) -> Any:
    items = None if dataset is None else dataset.get(name)
    return items[0] if items else None


def _decimal(value: float) -> str:
    """A number of at most 16 characters, as DICOM's decimal strings want it."""
    return next(text for digits in range(12, 0, -1) if len(text := f"{value:.{digits}g}") <= 16)


def _say_derived(dataset: Any, factors: tuple[float, float], origin: Origin | None, uids: Any) -> None:
    """It is another picture than its source, and says of which."""
    kinds = list(dataset.get("ImageType") or ("ORIGINAL", "PRIMARY"))
    dataset.ImageType = ["DERIVED", *kinds[1:]]
    source, series = dataset.get("SOPInstanceUID"), dataset.get("SeriesInstanceUID")
    if source:
        item = importlib.import_module("pydicom.dataset").Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = dataset.get("SOPClassUID", ""), source
        dataset.SourceImageSequence = [item]
    if series:
        # All results of one series are one series, too.
        dataset.SeriesInstanceUID = uids.generate_uid(entropy_srcs=[str(series), *map(str, factors)])
    dataset.SOPInstanceUID = uids.generate_uid()
    if not dataset.get("SOPClassUID"):
        dataset.SOPClassUID = uids.SecondaryCaptureImageStorage
    if origin is not None:
        words = ", ".join(part for part in (origin.program, origin.model, origin.settings) if part)
        dataset.DerivationDescription = f"Enlarged by {words}"[:1024]


def encode_dicom(
    picture: Picture, samples: np.ndarray, origin: Origin | None, *, of_several: bool = False
) -> list[bytes]:
    """The beginning of a DICOM file, and the pixels of one frame.

    Args:
        picture: what is written, with its tags.
        samples: H x W x 1 or 3, of its pixels.
        origin: as for `core.images.save`.
        of_several: whether the pixels of the other frames follow, as many as the tags say.
    """
    if picture.dicom is None:
        raise ValueError("only what was read from a DICOM file can be written as one")
    pydicom: Any = importlib.import_module("pydicom")
    if samples.shape[2] == 1 and picture.scale is not None:
        samples = picture.scale.numbers(samples, None)
    elif samples.dtype == np.uint16 and samples.shape[2] == 3:
        samples = ((samples.astype(np.uint32) * 255 + 32895) >> 16).astype(np.uint8)
    dataset = picture.dicom.enlarged(samples.shape, samples.dtype, origin)
    if not of_several and "NumberOfFrames" in dataset:
        dataset.NumberOfFrames = 1
        for name in ("PerFrameFunctionalGroupsSequence", "FrameTimeVector"):
            if name in dataset and dataset[name].value:
                setattr(dataset, name, list(dataset[name].value)[:1])
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    meta = importlib.import_module("pydicom.dataset").FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta = meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)
    data = np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder("<"))).tobytes()
    length = len(data) * frames
    # An odd number of bytes gets one more; nothing but pixels comes after this.
    kind = b"OW" if samples.dtype.itemsize > 1 else b"OB"
    buffer.write(struct.pack("<HH2s2xI", 0x7FE0, 0x0010, kind, length + length % 2))
    return [buffer.getvalue(), data + b"\0" * (length % 2 if not of_several else 0)]
