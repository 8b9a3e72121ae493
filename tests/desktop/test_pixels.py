import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QColor

from core.images import Metadata, Picture
from srgan_desktop import pixels as room
from srgan_desktop.pixels import for_display, to_qimage, to_qpixmap
from tests.core.images import making
from tests.desktop.grabbed import from_qimage

SRGB = np.array([[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
ADOBE = np.array([[0.6097, 0.2053, 0.1492], [0.3111, 0.6257, 0.0632], [0.0195, 0.0609, 0.7446]])
"""Columns are the primaries in CIE XYZ under D50."""


def adobe_rgb() -> bytes:
    """An ICC profile of three primaries and gamma 563/256 (ICC.1:2001), as cameras write it."""
    tags = {
        name: b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in ADOBE[:, index]))
        for index, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))
    }
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 563) + bytes(2)
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    tags[b"wtpt"] = b"XYZ " + bytes(4) + bytes.fromhex("0000f6d6000100000000d32d")
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s12x4s", offset + len(body), b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    head = head.ljust(68, b"\0") + bytes.fromhex("0000f6d6000100000000d32d")
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def in_srgb(adobe: np.ndarray) -> np.ndarray:
    """H x W x 3 of that profile, computed in floats."""
    linear = (adobe / 255) ** (563 / 256) @ ADOBE.T @ np.linalg.inv(SRGB).T
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def some(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (1,), (3,), (4,)]))
def test_there_and_back(width, height, depth):
    pixels = some(height, width, *depth)
    image = to_qimage(pixels)
    assert (image.width(), image.height()) == (width, height)
    back = from_qimage(image)
    if depth in ((), (1,)):
        pixels = np.repeat(pixels.reshape(height, width, 1), 3, axis=2)
    np.testing.assert_array_equal(back, pixels)


def test_channels_are_in_the_right_order():
    image = to_qimage(np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8))
    assert image.pixelColor(0, 0) == QColor(10, 20, 30)
    assert image.pixelColor(1, 0) == QColor(40, 50, 60)
    assert to_qimage(np.array([[[10, 20, 30, 77]]], np.uint8)).pixelColor(0, 0) == QColor(10, 20, 30, 77)


def test_a_view_that_is_not_contiguous():
    pixels = some(31, 47, 3)[3:20:2, 40:5:-3]
    np.testing.assert_array_equal(from_qimage(to_qimage(pixels)), pixels)


def test_the_image_has_its_own_memory():
    pixels = np.full((5, 7, 3), 9, np.uint8)
    image = to_qimage(pixels)
    pixels[:] = 200
    assert image.pixelColor(3, 3) == QColor(9, 9, 9)


def test_a_pixmap_has_the_same_pixels(qapp):
    pixels = some(13, 21, 3)
    np.testing.assert_array_equal(from_qimage(to_qpixmap(pixels).toImage())[..., :3], pixels)


def test_sixteen_bits_go_to_the_nearest_of_eight():
    values = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    shown = from_qimage(to_qimage(values))[..., 0]
    np.testing.assert_array_equal(shown, np.rint(values / 257))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
)
def test_what_is_no_picture_is_refused(wrong):
    with pytest.raises(ValueError, match=r"shape|uint8"):
        to_qimage(wrong)


def test_nothing_is_copied_where_nothing_changes():
    pixels = some(8, 9, 3)
    assert for_display(Picture(pixels, None)) is pixels
    # A profile that says sRGB in other words.
    assert for_display(Picture(pixels, None, Metadata(icc=making.profile()))) is pixels
    grey = some(8, 9, 1)
    assert for_display(Picture(grey, None)).base is grey


def test_alpha_becomes_the_fourth_channel():
    pixels, alpha = some(8, 9, 1, dtype=np.uint16), some(8, 9, dtype=np.uint16)
    shown = for_display(Picture(pixels, alpha))
    assert shown.shape == (8, 9, 4)
    np.testing.assert_array_equal(shown[..., 3], np.rint(alpha / 257))
    for channel in range(3):
        np.testing.assert_array_equal(shown[..., channel], np.rint(pixels[..., 0] / 257))


def test_colours_go_through_the_profile(monkeypatch):
    # Muted ones, which both spaces have; several strips, the last one short.
    pixels = (some(50, 40, 3) // 3 + 80).astype(np.uint8)
    monkeypatch.setattr(room, "STRIP_PIXELS", 40 * 7)
    shown = for_display(Picture(pixels, None, Metadata(icc=adobe_rgb())))
    assert np.abs(shown - in_srgb(pixels)).max() <= 2
    assert np.abs(shown.astype(int) - pixels).max() > 5


def test_a_grey_profile_makes_grey_colours():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    shown = for_display(Picture(pixels, None, Metadata(icc=making.grey_profile())))
    assert shown.shape == (16, 16, 3)
    assert (np.diff(shown.reshape(-1, 3).astype(int), axis=0) >= 0).all()
    assert (shown[..., 0] == shown[..., 1]).all()
    assert (shown[..., 1] == shown[..., 2]).all()
    # Linear light, half of it: 188 in sRGB.
    assert abs(int(shown[8, 0, 0]) - 188) <= 2


@pytest.mark.parametrize("icc", [b"", b"nonsense", adobe_rgb()[:200], making.grey_profile()])
def test_a_profile_that_is_none_changes_nothing(icc):
    pixels = some(8, 9, 3)
    assert for_display(Picture(pixels, None, Metadata(icc=icc))) is pixels
