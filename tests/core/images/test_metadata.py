import re
import struct
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.images import Metadata, Picture, load, probe, save, thumbnail

from . import making
from .making import ARTIST, DATE_TAKEN, EXIF_DIRECTORY, GPS_DIRECTORY, MAKE, MAKER_NOTE_TAG, ORIENTATION

WRITABLE = ["png", "jpeg", "webp", "tiff", "avif"]
FULL = Metadata(making.exif(), making.XMP, making.profile(), (300.0, 150.0))


def photo(dtype=np.uint8, metadata=FULL):
    return Picture(making.smooth(40, 30, dtype=dtype), None, metadata)


@pytest.mark.parametrize("format", WRITABLE)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_everything_is_carried(tmp_path, format, dtype):
    path = tmp_path / "photo"
    notes = save(path, photo(dtype), format)
    assert not any("left out" in note for note in notes)
    metadata = load(path).metadata

    exif = making.read_exif(metadata.exif)
    assert (exif[MAKE], exif[ARTIST]) == ("Maker", "Ada Lovelace")
    details = exif.get_ifd(EXIF_DIRECTORY)
    assert details[DATE_TAKEN] == "2024:05:06 07:08:09"
    assert details[MAKER_NOTE_TAG] == making.MAKER_NOTE
    assert exif.get_ifd(GPS_DIRECTORY)[2] == (48.0, 51.0, 24.0)
    assert "Jörg" in metadata.xmp.decode()
    assert metadata.icc == FULL.icc
    assert metadata.dpi == (300.0, 150.0)


@pytest.mark.parametrize("format", WRITABLE)
def test_other_programs_find_it_too(tmp_path, format):
    path = tmp_path / "photo"
    save(path, photo(), format)
    with Image.open(path) as image:
        exif = image.getexif()
        assert exif[ARTIST] == "Ada Lovelace"
        assert exif.get_ifd(EXIF_DIRECTORY)[DATE_TAKEN] == "2024:05:06 07:08:09"
        assert exif.get_ifd(GPS_DIRECTORY)[2] == (48.0, 51.0, 24.0)
        assert image.info["icc_profile"] == FULL.icc
        assert b"creator" in image.info["xmp"]
        if format in ("png", "tiff", "jpeg"):
            assert image.info["dpi"] == pytest.approx((300, 150), abs=0.0127)
        else:
            assert (exif[0x011A], exif[0x011B], exif[0x0128]) == (300, 150, 2)


def test_a_sixteen_bit_tiff_holds_its_exif_where_tiff_readers_look(tmp_path):
    save(tmp_path / "a.tif", photo(np.uint16), "tiff")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        tags = tiff.pages[0].tags
        assert tags["Artist"].value == "Ada Lovelace"
        assert tags["ExifTag"].value["DateTimeOriginal"] == "2024:05:06 07:08:09"
        assert tags["GPSTag"].value["GPSLatitudeRef"] == "N"
        np.testing.assert_array_equal(tiff.asarray(), photo(np.uint16).pixels)


@pytest.mark.parametrize("format", WRITABLE)
def test_dpi_alone_and_nothing_at_all(tmp_path, format):
    save(tmp_path / "dpi", photo(metadata=Metadata(dpi=(96.0, 96.0))), format)
    assert load(tmp_path / "dpi").metadata.dpi == (96.0, 96.0)
    save(tmp_path / "bare", photo(metadata=Metadata()), format)
    assert load(tmp_path / "bare").metadata == Metadata()


def test_only_colour_leaves_the_profile_and_the_shape_of_pixels():
    assert FULL.only_colour() == Metadata(icc=FULL.icc, dpi=(300.0, 150.0))
    assert Metadata(grid=(4.0, 3.0)).only_colour() == Metadata(grid=(4.0, 3.0))
    assert Metadata(dpi=(300.0, 300.0)).only_colour() == Metadata(grid=(2.0, 2.0)).only_colour() == Metadata()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_orientation_is_applied_once(tmp_path, container, orientation, order):
    upright = making.smooth(24, 16)
    # What a camera stores when `orientation` brings it upright (CIPA DC-008): the inverse turn.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    options = {"lossless": True} if container == "WEBP" else {} if container in ("PNG", "TIFF") else {"quality": 95}
    exif = b"Exif\0\0" + making.exif(orientation, order)
    source = tmp_path / "turned"
    image = Image.fromarray(np.ascontiguousarray(stored))
    if container == "TIFF":
        image.save(source, container, tiffinfo={ORIENTATION: orientation, ARTIST: "Ada Lovelace"})
    else:
        image.save(source, container, exif=exif, xmp=making.XMP, **options)

    picture = load(source)
    assert np.abs(picture.pixels.astype(int) - upright).mean() < 10
    assert (probe(source).width, probe(source).height) == (24, 16)
    assert np.abs(thumbnail(source, 64)[..., :3].astype(int) - upright).mean() < 10

    save(tmp_path / "again.jpg", picture, "jpeg")
    with Image.open(tmp_path / "again.jpg") as again:
        assert again.getexif().get(ORIENTATION, 1) == 1
        assert again.getexif()[ARTIST] == "Ada Lovelace"
        assert b'tiff:Orientation="6"' not in again.info.get("xmp", b"")
    assert np.abs(load(tmp_path / "again.jpg").pixels.astype(int) - upright).mean() < 10


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("container", ["JPEG", "PNG"])
def test_unlike_densities_are_turned_with_the_picture(tmp_path, container, orientation):
    # A fax, 204 x 98 dpi.
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(making.smooth(24, 16)).save(tmp_path / "a", container, dpi=(204, 98), exif=exif)
    assert load(tmp_path / "a").metadata.dpi == ((98, 204) if orientation >= 5 else (204, 98))


def test_sixteen_bit_tiff_is_turned_too(tmp_path):
    upright = making.noise(24, 16, 3, np.uint16)
    stored = np.ascontiguousarray(np.rot90(upright))
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extratags=[(ORIENTATION, 3, 1, 6, True)])
    np.testing.assert_array_equal(load(tmp_path / "a.tif").pixels, upright)
    assert (probe(tmp_path / "a.tif").width, probe(tmp_path / "a.tif").height) == (24, 16)


@pytest.mark.parametrize("order", ["<", ">"])
def test_stale_thumbnail_and_dimensions_go(tmp_path, order):
    thumbnail_bytes = b"\xff\xd8SECRET\xff\xd9"
    block = making.exif(6, order, thumbnail_bytes)
    source = tmp_path / "a.jpg"
    Image.fromarray(making.smooth(24, 16)).save(source, exif=b"Exif\0\0" + block)
    picture = load(source)
    enlarged = replace(picture, pixels=making.smooth(64, 96))
    save(tmp_path / "b.jpg", enlarged, "jpeg")

    written = (tmp_path / "b.jpg").read_bytes()
    assert b"SECRET" not in written
    with Image.open(tmp_path / "b.jpg") as image:
        details = image.getexif().get_ifd(EXIF_DIRECTORY)
        assert (details[making.PIXEL_WIDTH], details[making.PIXEL_HEIGHT]) == (64, 96)
        assert not image.getexif().get_ifd(1)
        assert details[MAKER_NOTE_TAG] == making.MAKER_NOTE


@pytest.mark.parametrize("dpi", [None, (300.0, 300.0)])
def test_maker_notes_stay_where_their_offsets_expect_them(tmp_path, dpi):
    block = making.exif()
    place = block.index(making.MAKER_NOTE)
    for format in ("jpeg", "png", "webp", "avif"):
        save(tmp_path / "a", photo(metadata=Metadata(exif=block, dpi=dpi)), format)
        assert load(tmp_path / "a").metadata.exif.index(making.MAKER_NOTE) == place


def test_exif_of_any_size_of_picture_agrees_with_its_dpi(tmp_path):
    save(tmp_path / "a.jpg", photo(), "jpeg")
    picture = load(tmp_path / "a.jpg")
    assert making.read_exif(picture.metadata.exif)[0x011A] == 300
    save(tmp_path / "b.jpg", replace(picture, metadata=replace(picture.metadata, dpi=(72.5, 72.5))), "jpeg")
    assert making.read_exif(load(tmp_path / "b.jpg").metadata.exif)[0x011A] == pytest.approx(72.5)


def test_dpi_in_exif_alone_counts_and_is_not_made_up(tmp_path):
    image = Image.fromarray(making.smooth(8, 8))
    block = Image.Exif()
    block[0x011A], block[0x011B], block[0x0128] = 120.0, 120.0, 3
    image.save(tmp_path / "a.webp", exif=block)
    assert load(tmp_path / "a.webp").metadata.dpi == pytest.approx((304.8, 304.8))
    image.save(tmp_path / "b.jpg", exif=b"Exif\0\0" + making.exif())
    assert load(tmp_path / "b.jpg").metadata.dpi is None


def test_metadata_too_long_for_jpeg_is_left_out_and_said(tmp_path):
    block = Image.Exif()
    block[EXIF_DIRECTORY] = {MAKER_NOTE_TAG: bytes(70_000)}
    long = Metadata(block.tobytes()[6:], making.XMP + b" " * 70_000, making.profile() + bytes(150_000))
    notes = save(tmp_path / "a.jpg", photo(metadata=long), "jpeg")
    assert [re.search("EXIF|XMP", note)[0] for note in notes] == ["EXIF", "XMP"]
    assert load(tmp_path / "a.jpg").metadata.icc == long.icc
    for format in ("png", "webp", "avif", "tiff"):
        assert save(tmp_path / "a", photo(metadata=long), format) == ()
        again = load(tmp_path / "a").metadata
        assert making.read_exif(again.exif).get_ifd(EXIF_DIRECTORY)[MAKER_NOTE_TAG] == bytes(70_000)
        assert len(again.xmp) >= 70_000


def test_broken_exif_costs_the_exif_and_not_the_picture(tmp_path):
    good = making.exif()
    for broken in (b"II*\0\xff\xff\xff\x7f", b"nonsense", good[:20], b"II*\0\x08\0\0\0\xff\xff" + good):
        (tmp_path / "a.png").write_bytes(making.png(1, 1, 8, 2, b"\0\1\2\3", extra=making.chunk(b"eXIf", broken)))
        picture = load(tmp_path / "a.png")
        assert picture.pixels.tolist() == [[[1, 2, 3]]]
        assert picture.metadata.exif is None
        assert any("EXIF" in note for note in picture.notes)


def test_exif_that_points_in_circles_ends(tmp_path):
    # A directory that is its own Exif directory and its own thumbnail.
    entry = struct.pack("<HHII", EXIF_DIRECTORY, 4, 1, 8)
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + struct.pack("<I", 8)
    save(tmp_path / "a.tif", photo(metadata=Metadata(exif=block)), "tiff")
    assert load(tmp_path / "a.tif").width == 40


_LINEAR = (b"gAMA", struct.pack(">I", 100_000))
_WIDE = (b"cHRM", struct.pack(">8I", 31270, 32900, 70800, 29200, 17000, 79700, 13100, 4600))
_SRGB_GAMMA = (b"gAMA", struct.pack(">I", 45_455))
_SRGB_POINTS = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))


@pytest.mark.parametrize(
    ("chunks", "kept"),
    [
        ([_LINEAR], (_LINEAR,)),
        ([_LINEAR, _WIDE], (_WIDE, _LINEAR)),
        ([_SRGB_GAMMA, _WIDE], (_WIDE, _SRGB_GAMMA)),
        ([_SRGB_GAMMA, _SRGB_POINTS], ()),
        # As the specification has it, these are not to be looked at beside the other.
        ([(b"sRGB", b"\0"), _LINEAR], ()),
        ([(b"gAMA", b"\0")], ()),
    ],
)
def test_colours_that_a_png_describes_itself(tmp_path, chunks, kept):
    extra = b"".join(making.chunk(kind, data) for kind, data in chunks)
    (tmp_path / "a.png").write_bytes(making.png(2, 1, 8, 0, b"\0\1\2", extra=extra))
    picture = load(tmp_path / "a.png")
    assert picture.metadata.png_colour == kept
    assert picture.metadata.only_colour().png_colour == kept
    save(tmp_path / "b.png", picture, "png")
    assert load(tmp_path / "b.png").metadata.png_colour == kept
    with Image.open(tmp_path / "b.png") as seen:
        assert seen.info.get("gamma") == ({_LINEAR: 1.0, _SRGB_GAMMA: 0.45455}[kept[-1]] if kept else None)
    # Other formats say the same by a profile, with the values as they are.
    assert save(tmp_path / "b.tif", picture, "tiff") == ()
    again = load(tmp_path / "b.tif")
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    assert (again.metadata.icc is not None) == bool(kept)


def test_a_profile_decides_over_gamma(tmp_path):
    save(tmp_path / "a.png", photo(metadata=Metadata(icc=FULL.icc, png_colour=(_LINEAR,))), "png")
    assert load(tmp_path / "a.png").metadata == Metadata(icc=FULL.icc)


def test_raw_profiles_of_imagemagick(tmp_path):
    data = b"Exif\0\0" + making.exif(6)
    text = b"\nexif\n%8d\n" % len(data) + data.hex().encode() + b"\n"
    extra = making.chunk(b"tEXt", b"Raw profile type exif\0" + text)
    (tmp_path / "a.png").write_bytes(making.png(2, 1, 8, 0, b"\0\1\2", extra=extra))
    picture = load(tmp_path / "a.png")
    assert (picture.width, picture.height) == (1, 2)
    assert making.read_exif(picture.metadata.exif)[ARTIST] == "Ada Lovelace"


def test_xmp_thumbnails_and_sizes():
    from core.images.metadata.xmp import Geometry, edited_xmp

    packet = (
        b"<a tiff:Orientation='3'><tiff:ImageWidth> 12 </tiff:ImageWidth>"
        b"<xmp:Thumbnails><x>AA==</x></xmp:Thumbnails></a>"
    )
    assert (
        edited_xmp(packet, Geometry((48, 36), (12, 9)))
        == b"<a tiff:Orientation='1'><tiff:ImageWidth>48</tiff:ImageWidth></a>"
    )


def test_a_grey_profile_does_not_stay_on_colour(tmp_path):
    grey = making.smooth(16, 16, 1)
    picture = Picture(grey, None, Metadata(icc=making.grey_profile()))
    save(tmp_path / "a.png", picture, "png")
    assert load(tmp_path / "a.png").metadata.icc == making.grey_profile()
    save(tmp_path / "a.webp", picture, "webp", 100)
    again = load(tmp_path / "a.webp")
    assert again.metadata.icc is None
    # The profile is linear, so as sRGB the same grey needs higher values.
    assert again.pixels.mean() > grey.mean() + 20
