from __future__ import annotations

import io
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    generate_uid,
)

from core.contract.errors import UserError
from core.images import Origin, choose_format, load, load_all, probe, save, save_all
from tests.core.upscale.conftest import model, run

from . import making
from .test_kinds import assert_probe_agrees, write

__all__ = ["model", "run"]

NAME = "Lovelace^Ada"


def dicom(
    pixels: np.ndarray,
    kind: str = "MONOCHROME2",
    packed: bool = False,
    syntax: str = "",
    pack: Callable[[np.ndarray], bytes | bytearray] | None = None,
    **tags: Any,
) -> bytes:
    """A file of one frame, or of several, with a patient's name; packed by run lengths, or in a syntax by `pack`."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.PatientName = NAME
    colours = 3 if kind == "RGB" else 1
    frames = pixels if pixels.ndim == 3 + (colours == 3) else pixels[None]
    dataset.Rows, dataset.Columns = frames.shape[1:3]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = colours, kind
    if colours == 3:
        dataset.PlanarConfiguration = 0
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, int(pixels.dtype.kind == "i")
    if len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.PixelData = frames.tobytes()
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    if packed:
        dataset.compress(RLELossless)
    if pack is not None:
        meta.TransferSyntaxUID = UID(syntax)
        dataset.PixelData = encapsulate([bytes(pack(frame)) for frame in frames])
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


RAMP = np.tile(np.arange(0, 4000, 50, dtype=np.int16), (20, 1))


@pytest.mark.parametrize("packed", [False, True])
def test_slope_and_window_are_applied(tmp_path, packed):
    window: dict[str, Any] = {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": 40, "WindowWidth": 400}
    picture = assert_probe_agrees(write(tmp_path / "a.dcm", dicom(RAMP, packed=packed, **window)))
    values = RAMP[0] - 1024
    wanted = np.clip((values - 39.5) / 399 + 0.5, 0, 1) * 65535
    np.testing.assert_allclose(picture.pixels[0, :, 0], wanted, atol=1)
    assert "window of 400 around 40" in picture.notes[0]


def test_other_ways_to_be_shown(tmp_path):
    window: dict[str, Any] = {"WindowCenter": 2000, "WindowWidth": 800}
    for function, wanted in (
        ("SIGMOID", 1 / (1 + np.exp(-4 * (RAMP[0] - 2000.0) / 800))),
        ("LINEAR_EXACT", np.clip((RAMP[0] - 2000.0) / 800 + 0.5, 0, 1)),
    ):
        picture = load(write(tmp_path / "a.dcm", dicom(RAMP, VOILUTFunction=function, **window)))
        np.testing.assert_allclose(picture.pixels[0, :, 0], wanted * 65535, atol=1)
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4096, 0, 12], (4095 - np.arange(4096, dtype=np.uint16)).tobytes()
    table["LUTData"].VR = "OW"
    shown = load(write(tmp_path / "b.dcm", dicom(TWELVE_BITS, VOILUTSequence=Sequence([table]))))
    np.testing.assert_allclose(shown.pixels[..., 0], (4095 - TWELVE_BITS) * (65535 / 4095), atol=1)
    assert "table of tones" in shown.notes[0]


def test_grey_of_eight_bits_is_shown_as_it_is(tmp_path):
    grey = np.tile(np.arange(60, 140, dtype=np.uint8), (20, 1))
    shown = grey.astype(np.uint16) * 257
    np.testing.assert_array_equal(load(write(tmp_path / "IM1", dicom(grey))).pixels[..., 0], shown)
    inverted = load(write(tmp_path / "b.dcm", dicom(grey, "MONOCHROME1")))
    np.testing.assert_array_equal(inverted.pixels[..., 0], 65535 - shown)
    # With a slope they are measurements.
    sloped = load(write(tmp_path / "c.dcm", dicom(grey, RescaleSlope=2, RescaleIntercept=-100)))
    assert (sloped.pixels.min(), sloped.pixels.max()) == (0, 65535)


TWELVE_BITS = np.tile(np.arange(0, 4000, 50, dtype=np.uint16), (20, 1))
Pack = Callable[[np.ndarray], bytes | bytearray]
PACKED: dict[str, tuple[str, Pack]] = {
    "lossless": (JPEGLossless, partial(imagecodecs.jpeg8_encode, lossless=True, predictor=4, bitspersample=12)),
    "lossless SV1": (JPEGLosslessSV1, partial(imagecodecs.jpeg8_encode, lossless=True, bitspersample=12)),
    "JPEG-LS": (JPEGLSLossless, imagecodecs.jpegls_encode),
    "near": (JPEGLSNearLossless, imagecodecs.jpegls_encode),
    "HTJ2K": (HTJ2KLossless, imagecodecs.htj2k_encode),
    "JPEG 2000": (JPEG2000Lossless, partial(imagecodecs.jpeg2k_encode, level=0, codecformat="j2k", bitspersample=12)),
}


@pytest.mark.parametrize("name", PACKED)
def test_frames_packed_without_loss(tmp_path, name):
    syntax, pack = PACKED[name]
    packed: dict[str, Any] = {"syntax": syntax, "pack": pack, "BitsStored": 12, "HighBit": 11}
    several = np.stack([TWELVE_BITS, TWELVE_BITS[::-1] // 2])
    path = write(tmp_path / "a.dcm", dicom(several, **packed))
    for picture, frame in zip(load_all(path, whole_range=True).pictures, several, strict=True):
        assert picture.scale is not None
        np.testing.assert_array_equal(picture.scale.numbers(picture.pixels, None)[..., 0], frame)
    window: dict[str, Any] = {"WindowCenter": 2048, "WindowWidth": 4096}
    unpacked = load(write(tmp_path / "b.dcm", dicom(TWELVE_BITS, **window)))
    shown = load(write(tmp_path / "c.dcm", dicom(TWELVE_BITS, **packed, **window)))
    np.testing.assert_array_equal(shown.pixels, unpacked.pixels)


@pytest.mark.parametrize("name", ["lossless SV1", "JPEG-LS"])
def test_packed_numbers_below_zero_and_colours(tmp_path, name):
    syntax, pack = PACKED[name]
    signed = TWELVE_BITS.astype(np.int16) - 2000
    # In two's complement, as frames know no sign; imagecodecs says of all JPEG-LS that it has 16 bits.
    bits = 16 if name == "JPEG-LS" else 12
    stored: dict[str, Any] = {"BitsStored": bits, "HighBit": bits - 1}
    content = dicom(signed, syntax=syntax, pack=lambda frame: pack(frame.view(np.uint16) & (1 << bits) - 1), **stored)
    picture = load(write(tmp_path / "a.dcm", content), whole_range=True)
    assert picture.scale is not None
    np.testing.assert_array_equal(picture.scale.numbers(picture.pixels, None)[..., 0], signed)
    rgb = making.noise(30, 20, 3, np.uint8)
    pack = partial(imagecodecs.jpeg8_encode, lossless=True) if "lossless" in name else pack
    coloured = dicom(rgb, "RGB", syntax=syntax, pack=pack)
    np.testing.assert_array_equal(load(write(tmp_path / "b.dcm", coloured)).pixels, rgb)


def test_jpeg_of_twelve_bits(tmp_path):
    pack = partial(imagecodecs.jpeg8_encode, level=98, bitspersample=12)
    window: dict[str, Any] = {"BitsStored": 12, "HighBit": 11, "WindowCenter": 2048, "WindowWidth": 4096}
    picture = load(write(tmp_path / "a.dcm", dicom(TWELVE_BITS, syntax=JPEGExtended12Bit, pack=pack, **window)))
    np.testing.assert_allclose(picture.pixels[..., 0], TWELVE_BITS * (65535 / 4095), atol=20 * 16)


@pytest.mark.parametrize("name", PACKED)
def test_a_frame_that_says_another_size_than_its_file_is_refused_unread(tmp_path, name):
    syntax, pack = PACKED[name]
    frame = bytearray(pack(TWELVE_BITS))
    sides = struct.pack(">II", 80, 20) if "2" in name else struct.pack(">HH", 20, 80)
    assert frame.count(sides)
    lying = bytes(frame).replace(sides, struct.pack(">II", 80, 60_000) if "2" in name else b"\xff\xf0\xff\xf0", 1)
    content = dicom(TWELVE_BITS, syntax=syntax, pack=lambda _frame: lying)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"cannot be read|damaged"):
            load(write(tmp_path / "a.dcm", content))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_without_a_window_the_whole_range_is_shown_and_monochrome_1_is_inverted(tmp_path):
    picture = load(write(tmp_path / "a.dcm", dicom(RAMP)))
    assert (picture.pixels.min(), picture.pixels.max()) == (0, 65535)
    inverted = load(write(tmp_path / "b.dcm", dicom(RAMP, "MONOCHROME1")))
    np.testing.assert_array_equal(inverted.pixels, 65535 - picture.pixels)


def test_slices_and_frames_without_a_window_get_one_mapping(tmp_path):
    series, other = generate_uid(), generate_uid()
    several = np.stack([RAMP // 4, RAMP])
    write(tmp_path / "IM1", dicom(several, SeriesInstanceUID=series))
    write(tmp_path / "IM2", dicom(2 * RAMP, SeriesInstanceUID=series))
    # Neither is one of the series: of another one, with a window, and broken.
    write(tmp_path / "IM3", dicom(4 * RAMP, SeriesInstanceUID=other))
    write(tmp_path / "IM4", dicom(8 * RAMP, SeriesInstanceUID=series, WindowCenter=0, WindowWidth=9))
    write(tmp_path / "IM5", b"no picture")
    top = float(2 * RAMP.max())
    for number, picture in enumerate(load_all(tmp_path / "IM1").pictures):
        np.testing.assert_allclose(picture.pixels[..., 0], several[number] * 65535.0 / top, atol=1)
    np.testing.assert_allclose(load(tmp_path / "IM2").pixels[..., 0], 2 * RAMP * 65535.0 / top, atol=1)
    # Frames alone, without a series.
    alone = list(load_all(write(tmp_path / "a.dcm", dicom(several))).pictures)
    np.testing.assert_allclose(alone[0].pixels[..., 0], several[0] * 65535.0 / RAMP.max(), atol=1)


def test_colour_and_several_frames(tmp_path):
    rgb = making.noise(30, 20, 3, np.uint8)
    picture = assert_probe_agrees(write(tmp_path / "a.dcm", dicom(rgb, "RGB")))
    np.testing.assert_array_equal(picture.pixels, rgb)
    several = np.stack([RAMP, RAMP[:, ::-1], RAMP])
    picture = assert_probe_agrees(write(tmp_path / "b.dcm", dicom(several)))
    np.testing.assert_array_equal(picture.pixels, load(write(tmp_path / "c.dcm", dicom(RAMP))).pixels)
    assert probe(tmp_path / "b.dcm").frames == 3
    assert any("first of its 3 frames" in note for note in picture.notes)


def test_no_more_is_read_than_there_is(tmp_path):
    content = bytearray(dicom(RAMP))
    at = content.index(b"OW\0\0") + 4
    content[at : at + 4] = struct.pack("<I", 0xF0000000)
    path = write(tmp_path / "a.dcm", bytes(content))
    tracemalloc.start()
    try:
        np.testing.assert_array_equal(load(path).pixels, load(write(tmp_path / "b.dcm", dicom(RAMP))).pixels)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_nothing_of_the_patient_gets_out(tmp_path, capfd, caplog):
    picture = load(write(tmp_path / "a.dcm", dicom(RAMP)))
    save(tmp_path / "a.png", picture, "png")
    assert b"Lovelace" not in (tmp_path / "a.png").read_bytes()
    assert "patient" in picture.notes[-1]
    broken = bytearray((tmp_path / "a.dcm").read_bytes())
    rng = np.random.default_rng(5)
    for number in range(500):
        mutated = bytearray(broken)
        for _ in range(3):
            mutated[rng.integers(132, 700)] = rng.integers(256)
        try:
            load(write(tmp_path / "b.dcm", bytes(mutated)), whole_range=number % 2 == 1)
        except UserError as error:
            said = error
            assert "Lovelace" not in f"{said.message}{said.hint}"
    assert capfd.readouterr() == ("", "")
    assert "Lovelace" not in caplog.text


def test_without_a_picture_or_its_package(tmp_path, monkeypatch):
    dataset = pydicom.dcmread(io.BytesIO(dicom(RAMP)))
    del dataset.PixelData
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(UserError, match="without a picture"):
        load(tmp_path / "a.dcm")
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(UserError, match="needs the package pydicom"):
        load(write(tmp_path / "b.dcm", dicom(RAMP)))


def enlarged(path: Path, target: Path, factor: int = 2, **given: Any) -> pydicom.FileDataset:
    """A DICOM file made of another by repeating its pixels, as a batch writes it, read by pydicom."""
    source = load(path, whole_range=True)
    pixels = source.pixels.repeat(factor, 0).repeat(factor, 1)
    save(target, replace(source, pixels=pixels), "dicom", **given)
    return pydicom.dcmread(target)


GEOMETRY: dict[str, Any] = {
    "PixelSpacing": [0.5, 0.25],
    "ImagerPixelSpacing": [0.6, 0.6],
    "ImagePositionPatient": [-10.0, 20.0, 5.0],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "SeriesInstanceUID": "1.2.3",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "SmallestImagePixelValue": 0,
    "WindowCenter": 40,
    "WindowWidth": 400,
    "RescaleIntercept": -1024,
    "RescaleSlope": 1,
}


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.uint8])
def test_a_result_has_all_numbers_and_the_tags_that_size_changes_mended(tmp_path, dtype, kind):
    numbers = (RAMP // 20).astype(dtype) if dtype == np.uint8 else (RAMP - 2000 * (dtype == np.int16)).astype(dtype)
    path = write(tmp_path / "a.dcm", dicom(numbers, kind, **GEOMETRY))
    before, after = pydicom.dcmread(path), enlarged(path, tmp_path / "b.dcm")
    # Beyond the window, too, and neither sloped nor inverted twice.
    np.testing.assert_array_equal(after.pixel_array, numbers.repeat(2, 0).repeat(2, 1))
    assert (after.Rows, after.Columns) == (2 * before.Rows, 2 * before.Columns)
    assert list(after.PixelSpacing) == [0.25, 0.125]
    assert list(after.ImagerPixelSpacing) == [0.3, 0.3]
    # The centre of the first pixel is a quarter of the old spacing nearer to the corner.
    assert list(after.ImagePositionPatient) == [-10.0625, 19.875, 5.0]
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.SourceImageSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert after.SeriesInstanceUID != before.SeriesInstanceUID
    assert after.SeriesInstanceUID == enlarged(path, tmp_path / "c.dcm").SeriesInstanceUID
    assert list(after.ImageType) == ["DERIVED", "PRIMARY", "AXIAL"]
    assert "SmallestImagePixelValue" not in after
    assert "LossyImageCompression" not in after
    unchanged = ("PatientName", "WindowCenter", "WindowWidth", "RescaleIntercept", "RescaleSlope", "BitsStored")
    assert all(after[name] == before[name] for name in unchanged)
    assert after.PhotometricInterpretation == kind


def test_what_was_lost_stays_lost_and_the_origin_is_said(tmp_path):
    path = write(tmp_path / "a.dcm", dicom(RAMP, LossyImageCompression="01", LossyImageCompressionRatio=10))
    after = enlarged(path, tmp_path / "b.dcm", origin=Origin("SRGAN Desktop 1", "fast x4", "4x"))
    assert (after.LossyImageCompression, after.LossyImageCompressionRatio) == ("01", 10)
    assert after.DerivationDescription == "Enlarged by SRGAN Desktop 1, fast x4, 4x"
    assert "DerivationDescription" not in enlarged(path, tmp_path / "c.dcm")


def test_colour_and_places_in_pixels(tmp_path):
    region = pydicom.Dataset()
    region.RegionLocationMinX0, region.RegionLocationMaxY1, region.PhysicalDeltaX = 3, 7, 0.02
    rgb = making.noise(31, 21, 3, np.uint8)
    path = write(tmp_path / "a.dcm", dicom(rgb, "RGB", SequenceOfUltrasoundRegions=[region]))
    after = enlarged(path, tmp_path / "b.dcm", 3)
    np.testing.assert_array_equal(after.pixel_array, rgb.repeat(3, 0).repeat(3, 1))
    mended = after.SequenceOfUltrasoundRegions[0]
    assert (mended.RegionLocationMinX0, mended.RegionLocationMaxY1) == (9, 21)
    assert mended.PhysicalDeltaX == pytest.approx(0.02 / 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_all_frames_become_frames(tmp_path, dtype):
    frames = making.noise(5, 3 * 3, 1, np.uint8)[..., 0].reshape(3, 3, 5).astype(dtype)
    path = write(tmp_path / "a.dcm", dicom(frames))
    sequence = load_all(path, whole_range=True)
    assert (sequence.count, sequence.timing) == (3, None)
    save_all(tmp_path / "b.dcm", sequence.pictures, "dicom")
    after = pydicom.dcmread(tmp_path / "b.dcm")
    np.testing.assert_array_equal(after.pixel_array, frames)
    # What a viewer shows of each of them can be a page, too.
    save_all(tmp_path / "c.tif", load_all(path).pictures, "tiff")
    assert probe(tmp_path / "c.tif").frames == 3
    first = enlarged(path, tmp_path / "d.dcm")
    assert first.NumberOfFrames == 1
    np.testing.assert_array_equal(first.pixel_array, frames[0].repeat(2, 0).repeat(2, 1))


def test_places_of_frames_in_functional_groups_are_mended(tmp_path):
    shared, plane, measures = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, plane.ImageOrientationPatient = [1.0, 1.0], [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    per_frame = []
    for z in (0, 4):
        place, group = pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient = [0, 0, z]
        group.PlanePositionSequence = [place]
        per_frame.append(group)
    groups: dict[str, Any] = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": per_frame}
    path = write(tmp_path / "a.dcm", dicom(np.stack([RAMP, RAMP]), **groups))
    source = load(path, whole_range=True)
    pixels = source.pixels.repeat(2, 0).repeat(2, 1)
    save_all(tmp_path / "b.dcm", [replace(source, pixels=pixels)] * 2, "dicom")
    after = pydicom.dcmread(tmp_path / "b.dcm")
    places = [list(group.PlanePositionSequence[0].ImagePositionPatient) for group in after[0x5200, 0x9230].value]
    assert places == [[-0.25, -0.25, 0], [-0.25, -0.25, 4]]
    assert list(after.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing) == [0.5, 0.5]


def test_a_patient_is_in_dicom_results_alone_and_not_where_metadata_is_left_out(tmp_path, run, caplog):
    write(tmp_path / "a.dcm", dicom(RAMP, **GEOMETRY))
    run(tmp_path / "a.dcm")
    result = pydicom.dcmread(tmp_path / "a_4x.dcm")
    assert (str(result.PatientName), result.Rows) == (NAME, 80)
    assert "Enlarged by SRGAN Desktop" in result.DerivationDescription
    run(tmp_path / "a.dcm", keep_metadata=False, output=tmp_path / "out")
    assert b"Lovelace" not in (tmp_path / "out" / "a.dcm").read_bytes()
    assert pydicom.dcmread(tmp_path / "out" / "a.dcm").PixelSpacing == [0.125, 0.0625]
    run(tmp_path / "a.dcm", format="png")
    assert "window of 400" in str(load(tmp_path / "a.dcm").notes)
    assert not any(b"Lovelace" in file.read_bytes() for file in tmp_path.glob("*.png"))
    assert all(b"Lovelace" not in file.read_bytes() for file in (tmp_path / ".srgan").iterdir())
    assert "Lovelace" not in caplog.text + repr(load(tmp_path / "a.dcm", whole_range=True))


def test_nobody_can_choose_dicom_for_other_pictures(tmp_path):
    with pytest.raises(UserError, match="cannot be written as “dicom”"):
        choose_format(load(write(tmp_path / "a.png", making.png(1, 1, 8, 0, b"\0\0"))), "dicom")
