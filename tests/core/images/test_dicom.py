from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

from core.contract.errors import UserError
from core.images import load, probe, save

from . import making
from .test_kinds import assert_probe_agrees, write

NAME = "Lovelace^Ada"


def dicom(pixels: np.ndarray, kind: str = "MONOCHROME2", packed: bool = False, **tags: Any) -> bytes:
    """A file of one frame, or of several, with a patient's name."""
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


def test_without_a_window_the_whole_range_is_shown_and_monochrome_1_is_inverted(tmp_path):
    picture = load(write(tmp_path / "a.dcm", dicom(RAMP)))
    assert (picture.pixels.min(), picture.pixels.max()) == (0, 65535)
    inverted = load(write(tmp_path / "b.dcm", dicom(RAMP, "MONOCHROME1")))
    np.testing.assert_array_equal(inverted.pixels, 65535 - picture.pixels)


def test_colour_and_several_frames(tmp_path):
    rgb = making.noise(30, 20, 3, np.uint8)
    picture = assert_probe_agrees(write(tmp_path / "a.dcm", dicom(rgb, "RGB")))
    np.testing.assert_array_equal(picture.pixels, rgb)
    several = np.stack([RAMP, RAMP[:, ::-1], RAMP])
    picture = assert_probe_agrees(write(tmp_path / "b.dcm", dicom(several)))
    np.testing.assert_array_equal(picture.pixels, load(write(tmp_path / "c.dcm", dicom(RAMP))).pixels)
    assert probe(tmp_path / "b.dcm").frames == 3
    assert any("first of its 3 frames" in note for note in picture.notes)


def test_nothing_of_the_patient_gets_out(tmp_path, capfd, caplog):
    picture = load(write(tmp_path / "a.dcm", dicom(RAMP)))
    save(tmp_path / "a.png", picture, "png")
    assert b"Lovelace" not in (tmp_path / "a.png").read_bytes()
    assert "patient" in picture.notes[-1]
    broken = bytearray((tmp_path / "a.dcm").read_bytes())
    rng = np.random.default_rng(5)
    for _ in range(150):
        mutated = bytearray(broken)
        for _ in range(3):
            mutated[rng.integers(132, 700)] = rng.integers(256)
        try:
            load(write(tmp_path / "b.dcm", bytes(mutated)))
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
