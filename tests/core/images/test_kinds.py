"""Every kind of file that people have."""

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import psutil
import pytest
import tifffile
from PIL import Image, ImageCms
from skimage import data

from core.contract.cancel import Cancelled
from core.contract.errors import UserError
from core.images import Metadata, Picture, load, load_all, probe, save, save_all, thumbnail
from core.images.cicp import Cicp

from . import making


def write(path, content):
    path.write_bytes(content)
    return path


def assert_probe_agrees(path):
    picture, header = load(path), probe(path)
    assert (header.width, header.height, header.format) == (picture.width, picture.height, picture.format)
    assert header.alpha == (picture.alpha is not None)
    assert header.sixteen_bit == (picture.pixels.dtype == np.uint16)
    return picture


# PNG


def test_palette_png(tmp_path):
    palette = making.chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
    opaque = assert_probe_agrees(write(tmp_path / "a.png", making.png(2, 1, 1, 3, b"\0\x40", palette)))
    assert opaque.pixels.tolist() == [[[10, 20, 30], [40, 50, 60]]]
    veil = palette + making.chunk(b"tRNS", bytes([0]))
    clear = assert_probe_agrees(write(tmp_path / "b.png", making.png(2, 1, 1, 3, b"\0\x40", veil)))
    assert clear.pixels.tolist() == opaque.pixels.tolist()
    assert clear.alpha.tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("depth", "colour", "row", "pixels"),
    [
        (1, 0, b"\x40", [0, 255]),
        (2, 0, b"\x70", [85, 255]),
        (4, 0, b"\x3f", [51, 255]),
        (16, 0, b"\1\2\3\4", [0x0102, 0x0304]),
    ],
)
def test_grey_png_of_every_depth(tmp_path, depth, colour, row, pixels):
    picture = assert_probe_agrees(write(tmp_path / "a.png", making.png(2, 1, depth, colour, b"\0" + row)))
    assert picture.pixels[..., 0].tolist() == [pixels]
    assert picture.pixels.dtype == (np.uint16 if depth == 16 else np.uint8)


def test_transparent_colours_of_sixteen_bit_png(tmp_path):
    grey = making.chunk(b"tRNS", b"\1\2")
    picture = assert_probe_agrees(write(tmp_path / "a.png", making.png(2, 1, 16, 0, b"\0\1\2\3\4", grey)))
    assert picture.alpha.tolist() == [[0, 65535]]
    rgb = making.chunk(b"tRNS", b"\1\2\1\2\1\2")
    picture = assert_probe_agrees(write(tmp_path / "b.png", making.png(1, 1, 16, 2, b"\0" + b"\1\2" * 3, rgb)))
    assert (picture.pixels.tolist(), picture.alpha.tolist()) == ([[[258] * 3]], [[0]])


def test_animated_png_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (5, 4), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    picture = assert_probe_agrees(tmp_path / "a.png")
    assert picture.pixels[0, 0].tolist() == [255, 0, 0]
    assert probe(tmp_path / "a.png").frames == 3
    assert any("first of its 3 frames" in note for note in picture.notes)


# JPEG and colour


def test_grey_and_progressive_jpeg(tmp_path):
    photo = Image.fromarray(data.astronaut()[:64, :64])
    photo.save(tmp_path / "a.jpg", quality=98, subsampling=0)
    photo.save(tmp_path / "b.jpg", quality=98, subsampling=0, progressive=True)
    np.testing.assert_array_equal(load(tmp_path / "a.jpg").pixels, load(tmp_path / "b.jpg").pixels)
    photo.convert("L").save(tmp_path / "c.jpg")
    assert assert_probe_agrees(tmp_path / "c.jpg").pixels.shape == (64, 64, 1)


def test_cmyk_jpeg_without_profile(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    picture = assert_probe_agrees(tmp_path / "a.jpg")
    red, green, blue = picture.pixels[4, 4].astype(int)
    assert red > 240
    assert green < 15
    assert blue < 15
    assert any("CMYK" in note for note in picture.notes)
    assert ImageCms.ImageCmsProfile(io.BytesIO(picture.metadata.icc)).profile.xcolor_space == "RGB "


def test_cmyk_with_a_broken_profile_is_still_read(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", icc_profile=b"no profile at all" * 20)
    picture = load(tmp_path / "a.jpg")
    assert "without a profile" in picture.notes[0]
    assert picture.metadata.icc != b"no profile at all" * 20


def test_cmyk_goes_through_its_own_profile(tmp_path):
    profile = cmyk_profile(paper=110)
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.tif", compression="tiff_lzw", icc_profile=profile)
    picture = assert_probe_agrees(tmp_path / "a.tif")
    assert "own profile" in picture.notes[0]
    # The made-up profile calls this ink a grey, which without it would be cyan.
    assert 80 < picture.pixels.min() <= picture.pixels.max() < 150
    assert picture.metadata.icc != profile


def cmyk_profile(paper):
    """An ICC output profile (ICC.1:2001, lut8) in which only the black ink counts: L from `paper` (of 255) to 0."""
    table = bytes([paper, 128, 128, 0, 128, 128]) * 8
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
    lut += struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut += bytes(range(256)) * 4 + table + bytes(range(256)) * 3
    white = b"XYZ " + bytes(4) + bytes.fromhex("0000f6d6000100000000d32d")
    tags = [(b"A2B0", lut), (b"A2B1", lut), (b"wtpt", white)]
    offset, entries, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags:
        content += bytes(-len(content) % 4)
        entries += name + struct.pack(">II", offset + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s12x4s", offset + len(body), b"lcms", 0x02100000, b"prtr", b"CMYK", b"Lab ", b"acsp")
    head = head.ljust(68, b"\0") + bytes.fromhex("0000f6d6000100000000d32d")
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + entries + body


def test_lab_tiff_of_both_depths(tmp_path):
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    wanted = making.smooth(24, 16)
    image = ImageCms.profileToProfile(Image.fromarray(wanted), srgb, lab, outputMode="LAB")
    image.save(tmp_path / "eight.tif")
    eight = assert_probe_agrees(tmp_path / "eight.tif")
    assert np.abs(eight.pixels.astype(int) - wanted).mean() < 4
    values = np.frombuffer(image.tobytes("raw", "LAB"), np.uint8).reshape(16, 24, 3).astype(np.uint16) * 256
    tifffile.imwrite(tmp_path / "deep.tif", values, photometric="cielab")
    deep = assert_probe_agrees(tmp_path / "deep.tif")
    np.testing.assert_array_equal(deep.pixels, eight.pixels)


# TIFF


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"compression": "lzw", "predictor": True},
        {"compression": "zlib", "predictor": True, "tile": (16, 16)},
        {"planarconfig": "separate"},
        {"bigtiff": True, "compression": "zstd"},
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_numbers(tmp_path, channels, alpha, options, dtype):
    samples = making.noise(21, 17, channels + alpha, dtype)
    stored = samples[..., 0] if samples.shape[2] == 1 else samples
    if samples.shape[2] == 1:
        options = {key: value for key, value in options.items() if key != "planarconfig"}
    elif options.get("planarconfig"):
        stored = np.moveaxis(samples, 2, 0)
    else:
        options = options | {"planarconfig": "contig"}
    tifffile.imwrite(
        tmp_path / "a.tif",
        stored,
        photometric="rgb" if channels == 3 else "minisblack",
        extrasamples=["unassalpha"] if alpha else None,
        **options,
    )
    picture = assert_probe_agrees(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, samples[..., :channels])
    assert picture.pixels.dtype == dtype
    if alpha:
        np.testing.assert_array_equal(picture.alpha, samples[..., channels])


def test_white_is_zero(tmp_path):
    for dtype in (np.uint8, np.uint16):
        values = making.noise(6, 5, 1, dtype)[..., 0]
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
        np.testing.assert_array_equal(load(tmp_path / "a.tif").pixels[..., 0], np.iinfo(dtype).max - values)


def test_one_bit_and_fax(tmp_path):
    dots = making.noise(33, 9, 1, np.uint8)[..., 0] > 127
    for compression in (None, "group4"):
        Image.fromarray(dots).save(tmp_path / "a.tif", compression=compression)
        picture = assert_probe_agrees(tmp_path / "a.tif")
        np.testing.assert_array_equal(picture.pixels[..., 0], dots * np.uint8(255))


def test_premultiplied_alpha_is_divided_out(tmp_path):
    samples = np.array([[[20_000, 10_000, 0, 40_000], [7, 7, 7, 0]]], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", planarconfig="contig", extrasamples=["assocalpha"])
    picture = load(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.pixels[0, 0], [32768, 16384, 0], atol=1)
    assert picture.alpha.tolist() == [[40_000, 0]]


@pytest.mark.parametrize(
    ("values", "expected", "words"),
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 32768, 65535], "floating-point"),
        (np.array([[0.0, 0.25, 1.0]], np.float16), [0, 16384, 65535], "floating-point"),
        (np.array([[-1.0, 0.0, 3.0]], np.float64), [0, 16384, 65535], "from -1 to 3"),
        (np.array([[np.nan, 0.0, np.inf, 1.0]], np.float32), [0, 0, 65535, 65535], "floating-point"),
        (np.array([[7, 1 << 31, (1 << 32) - 1]], np.uint32), [0, 32768, 65535], "whole range"),
        (np.array([[-32768, 0, 32767]], np.int16), [0, 32768, 65535], "from -32768"),
        (np.array([[5.0, 5.0]], np.float32), [65535, 65535], "are 5"),
        (np.full((1, 2), (1 << 32) - 1, np.uint32), [65535, 65535], "whole range"),
        (np.full((1, 2), 1 << 31, np.uint32), [32768, 32768], "whole range"),
        (np.full((1, 2), -3, np.int16), [0, 0], "are -3"),
    ],
)
def test_numbers_that_are_no_picture_values_become_sixteen_bit(tmp_path, values, expected, words):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    picture = assert_probe_agrees(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.pixels[0, :, 0], expected, atol=1)
    assert picture.pixels.dtype == np.uint16
    assert words in picture.notes[0]


@pytest.mark.parametrize(
    ("alpha", "dtype", "expected"),
    [
        ([255.0, 255.0], np.float32, [65535, 65535]),
        ([0.25, 1.0], np.float32, [16384, 65535]),
        ([128.0, 255.0], np.float32, [32896, 65535]),
        ([(1 << 32) - 1, (1 << 32) - 1], np.uint32, [65535, 65535]),
        ([1 << 31, (1 << 32) - 1], np.uint32, [32768, 65535]),
    ],
)
def test_opaque_stays_opaque_whatever_numbers_say_it(tmp_path, alpha, dtype, expected):
    samples = np.array([[[0, 1, 2, alpha[0]], [3, 4, 5, alpha[1]]]], dtype)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", planarconfig="contig", extrasamples=["unassalpha"])
    np.testing.assert_allclose(load(tmp_path / "a.tif").alpha[0], expected, atol=1)


def test_twelve_bits_fill_sixteen(tmp_path):
    # Two 12-bit values, packed by hand: 0xFFF and 0x800.
    entries = [
        (256, 3, 2),
        (257, 3, 1),
        (258, 3, 12),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, 1),
        (279, 4, 3),
    ]
    table = b"".join(struct.pack("<HHII", code, kind, 1, value) for code, kind, value in entries)
    content = b"II*\0" + struct.pack("<I", 12) + b"\xff\xf8\x00\0" + struct.pack("<H", len(entries)) + table + bytes(4)
    picture = assert_probe_agrees(write(tmp_path / "a.tif", content))
    assert picture.pixels[..., 0].tolist() == [[65535, round(0x800 * 65535 / 4095)]]


def test_pages(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for value in range(3):
            writer.write(np.full((4, 5), value * 40, np.uint8), photometric="minisblack")
    picture = assert_probe_agrees(tmp_path / "a.tif")
    assert picture.pixels.max() == 0
    assert any("first of its 3 pages" in note for note in picture.notes)


def test_palette_cmyk_and_jpeg_in_tiff(tmp_path):
    photo = Image.fromarray(making.smooth(32, 24))
    photo.quantize(16).save(tmp_path / "a.tif")
    assert np.abs(assert_probe_agrees(tmp_path / "a.tif").pixels.astype(int) - np.asarray(photo)).mean() < 20
    photo.save(tmp_path / "b.tif", compression="jpeg", quality=95)
    assert np.abs(assert_probe_agrees(tmp_path / "b.tif").pixels.astype(int) - np.asarray(photo)).mean() < 8


@pytest.mark.parametrize("kind", ["palette", "cmyk", "fax"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_kinds_of_pillow_in_every_layout(tmp_path, kind, byteorder, bigtiff):
    values = making.noise(30, 20, 4, np.uint8)
    colours = making.noise(256, 1, 3, np.uint8)[0]
    layouts: tuple[tuple[str, Any, bool], ...] = (("a.tif", byteorder, bigtiff), ("b.tif", "<", False))
    for name, order, big in layouts:
        with tifffile.TiffWriter(tmp_path / name, byteorder=order, bigtiff=big) as tiff:
            # A page before it, which it is not mistaken for.
            tiff.write(values[..., :3], photometric="rgb", metadata=None)
            if kind == "palette":
                colormap = colours.T.astype(np.uint16) * 257
                tiff.write(values[..., 0], photometric="palette", colormap=colormap, metadata=None, compression="zlib")
            elif kind == "cmyk":
                tiff.write(values, photometric="separated", metadata=None)
            else:
                tiff.write(values[..., 0] > 100, metadata=None)
    read, plain = (list(load_all(tmp_path / name).pictures)[1] for name in ("a.tif", "b.tif"))
    np.testing.assert_array_equal(read.pixels, plain.pixels)
    if kind == "palette":
        np.testing.assert_array_equal(read.pixels, colours[values[..., 0]])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_tiffs_of_pillow_and_their_resolution(tmp_path, orientation):
    values = making.noise(30, 20, 4, np.uint8)
    options: dict[str, Any] = {
        "resolution": (100, 200),
        "resolutionunit": "INCH",
        "extratags": [(274, 3, 1, orientation, True)],
        "metadata": None,
    }
    tifffile.imwrite(tmp_path / "cmyk.tif", values, photometric="separated", **options)
    tifffile.imwrite(tmp_path / "rgb.tif", values[..., :3], photometric="rgb", **options)
    tifffile.imwrite(tmp_path / "upright.tif", values, photometric="separated", metadata=None)
    by_pillow, by_tifffile = (assert_probe_agrees(tmp_path / name) for name in ("cmyk.tif", "rgb.tif"))
    upright = load(tmp_path / "upright.tif")
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
    for picture, stored in ((by_tifffile, values[..., :3]), (by_pillow, upright.pixels)):
        image = Image.fromarray(stored)
        expected = image if turn is None else image.transpose(Image.Transpose(turn))
        np.testing.assert_array_equal(picture.pixels, np.asarray(expected))
    for picture in (by_pillow, by_tifffile):
        # Pixels lie as dense as they did, along the same edges.
        assert picture.metadata.dpi == ((200, 100) if orientation >= 5 else (100, 200))


def test_camera_raw_files_are_not_taken_for_their_previews(tmp_path):
    preview = making.smooth(16, 12)
    tifffile.imwrite(tmp_path / "a.dng", preview, photometric="rgb", extratags=[(50706, 1, 4, b"\1\4\0\0", True)])
    with pytest.raises(UserError, match="raw"):
        load(tmp_path / "a.dng")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_camera_raw_is_developed(tmp_path, orientation):
    picture = assert_probe_agrees(write(tmp_path / "a.dng", making.dng(orientation=orientation)))
    assert picture.format == "raw"
    assert picture.metadata.cicp == Cicp(12, 13)
    assert "LibRaw" in picture.notes[0]
    assert making.read_exif(picture.metadata.exif)[making.ARTIST] == "Ada Lovelace"
    upright = np.rot90(picture.pixels, {1: 0, 3: 2, 6: 1, 8: -1}[orientation])
    assert upright.shape == (48, 64, 3)
    tones = upright.astype(float)
    # As the light grew on the sensor.
    assert tones[:, -16:, 0].mean() > 1.5 * tones[:, :16, 0].mean()
    assert tones[-12:, :, 1].mean() > 1.5 * tones[:12, :, 1].mean()
    assert tones[:, :16, 2].mean() > 1.5 * tones[:, -16:, 2].mean()


def test_camera_raw_without_its_package_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("core.images.formats.find_spec", lambda _name: None)
    with pytest.raises(UserError, match="raw file") as caught:
        load(write(tmp_path / "a.dng", making.dng()))
    assert "rawpy" in caught.value.hint


def test_camera_raw_is_developed_again_after_libraw_was_ended(tmp_path):
    path = write(tmp_path / "a.dng", making.dng())
    before = load(path)
    children = [child for child in psutil.Process().children() if "rawpy" in " ".join(child.cmdline())]
    assert len(children) == 1
    children[0].kill()
    children[0].wait()
    np.testing.assert_array_equal(load(path).pixels, before.pixels)


# GIF, BMP, WebP, AVIF, HEIC


def test_gif(tmp_path):
    frames = [Image.new("P", (6, 5), index) for index in (0, 1)]
    for frame in frames:
        frame.putpalette([255, 0, 0, 0, 0, 255, 9, 9, 9])
    frames[0].putpixel((1, 0), 2)
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], transparency=2)
    picture = assert_probe_agrees(tmp_path / "a.gif")
    assert picture.pixels[4, 4].tolist() == [255, 0, 0]
    assert (picture.alpha[0, 1], picture.alpha[0, 0]) == (0, 255)
    assert any("first of its 2 frames" in note for note in picture.notes)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_bmp(tmp_path, mode):
    image = Image.fromarray(making.smooth(13, 7, 4)).convert(mode)
    image.save(tmp_path / "a.bmp", dpi=(200, 100))
    picture = assert_probe_agrees(tmp_path / "a.bmp")
    np.testing.assert_array_equal(picture.pixels.squeeze(), np.asarray(image.convert("L" if mode in "1L" else "RGB")))
    assert picture.metadata.dpi == pytest.approx((200, 100), abs=0.02)


@pytest.mark.parametrize("format", ["WEBP", "AVIF"])
def test_animations(tmp_path, format):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a", format, save_all=True, append_images=frames[1:], duration=50)
    picture = assert_probe_agrees(tmp_path / "a")
    assert picture.pixels[8, 8, 0] > 200
    assert any("2 frames" in note for note in picture.notes)


@pytest.mark.parametrize("alpha", [False, True])
def test_heic(tmp_path, alpha):
    wanted = making.smooth(64, 48, 4 if alpha else 3)
    image = Image.fromarray(wanted)
    block = b"Exif\0\0" + making.exif(6)
    pillow_heif.from_pillow(image).save(tmp_path / "a.heic", quality=95, exif=block, icc_profile=making.profile())
    picture = assert_probe_agrees(tmp_path / "a.heic")
    expected = np.rot90(wanted, -1) if picture.width == 48 else wanted
    assert np.abs(picture.pixels.astype(int) - expected[..., :3]).mean() < 6
    exif = making.read_exif(picture.metadata.exif)
    assert exif[making.ARTIST] == "Ada Lovelace"
    assert exif[making.ORIENTATION] == 1


def test_heic_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    pillow_heif.from_pillow(Image.fromarray(making.smooth(32, 32))).save(tmp_path / "a.heic")
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(UserError, match="pillow-heif"):
        load(tmp_path / "a.heic")


# Names and content


def test_content_counts_and_not_the_name(tmp_path):
    content = making.encoded(Image.fromarray(making.smooth(8, 8)), "JPEG")
    picture = load(write(tmp_path / "a.png", content))
    assert picture.format == probe(tmp_path / "a.png").format == "jpeg"
    assert picture.notes == ("Its name says PNG, but it holds JPEG.",)


# Thumbnails


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
def test_thumbnails_fit_and_keep_the_aspect(tmp_path, name):
    photo = data.astronaut()[:300, :500]
    Image.fromarray(photo).save(tmp_path / name)
    small = thumbnail(tmp_path / name, 100)
    assert small.shape == (60, 100, 4)
    assert small.dtype == np.uint8
    assert (small[..., 3] == 255).all()
    wanted = np.asarray(Image.fromarray(photo).resize((100, 60), Image.Resampling.BICUBIC))
    assert np.abs(small[..., :3].astype(int) - wanted).mean() < 8


def test_thumbnails_of_deep_and_transparent_pictures(tmp_path):
    pixels = np.full((40, 40, 3), 65535, np.uint16)
    alpha = np.zeros((40, 40), np.uint16)
    alpha[:, 20:] = 65535
    pixels[:, :20] = 0
    save(tmp_path / "a.png", Picture(pixels, alpha, Metadata()), "png")
    small = thumbnail(tmp_path / "a.png", 10)
    assert small.shape == (10, 10, 4)
    # No dark fringe from the black under transparent pixels.
    assert small[..., :3][small[..., 3] > 0].min() == 255


def test_small_pictures_stay_small(tmp_path):
    save(tmp_path / "a.png", Picture(np.zeros((1, 3, 1), np.uint8), None), "png")
    assert thumbnail(tmp_path / "a.png", 100).shape == (1, 3, 4)


# Lossless kinds of lossy formats


@pytest.mark.parametrize(("format", "grey"), [("webp", False), ("avif", False), ("avif", True)])
def test_what_lost_nothing_is_known_and_loses_nothing_again(tmp_path, format, grey):
    pixels = making.noise(33, 21, 1 if grey else 3, np.uint8)
    save(tmp_path / "a", Picture(pixels, None), format, 40, lossless=True)
    picture = load(tmp_path / "a")
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.lossless
    save(tmp_path / "b", Picture(pixels, None), format, 90)
    assert not load(tmp_path / "b").lossless


@pytest.mark.parametrize("options", [{}, {"tile_rows": 1, "tile_cols": 2}, {"autotiling": True}])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:0:0", "4:2:2", "4:2:0"])
def test_an_avif_of_others_is_lossless_where_its_stream_is(tmp_path, subsampling, options):
    image = Image.fromarray(np.tile(making.noise(300, 80, 3, np.uint8), (1, 4, 1)))
    for quality in (100, 99):
        image.save(tmp_path / "a.avif", quality=quality, subsampling=subsampling, speed=10, **options)
        assert load(tmp_path / "a.avif").lossless == (quality == 100 and subsampling in ("4:4:4", "4:0:0"))


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_avif_of_every_depth_is_lossless_where_its_stream_is(tmp_path, bits, channels):
    pixels = making.noise(40, 30, channels, np.uint16) >> (16 - bits)
    pixels = pixels.astype(np.uint8) if bits == 8 else pixels
    for matrix in (0, 6) if channels == 3 else (6,):
        for level in (100, 90) if channels == 3 else (100,):
            (tmp_path / "a.avif").write_bytes(
                imagecodecs.avif_encode(pixels, level=level, bitspersample=bits, pixelformat="444", matrix=matrix)
            )
            assert load(tmp_path / "a.avif").lossless == (level == 100)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_avif_takes_no_more_room_than_its_colours_would(tmp_path, dtype):
    grey = making.smooth(96, 96).mean(axis=2, keepdims=True).astype(np.uint8)
    grey = grey + making.noise(96, 96, 1, np.uint8) // 16
    grey = grey.astype(dtype) * (257 if dtype == np.uint16 else 1)
    sizes = []
    for number, pixels in enumerate((grey, np.repeat(grey, 3, axis=2))):
        save(tmp_path / f"{number}.avif", Picture(pixels, None), "avif", 60)
        sizes.append((tmp_path / f"{number}.avif").stat().st_size)
    assert load(tmp_path / "0.avif").pixels.shape == (96, 96, 1)
    assert sizes[0] <= sizes[1]


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": True, "exif": making.exif()}, {"quality": 90}])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("animated", [False, True])
def test_lossless_webp_of_others_is_known(tmp_path, options, alpha, animated):
    image = Image.fromarray(making.noise(20, 20, 4 if alpha else 3, np.uint8))
    more: dict[str, Any] = {"save_all": True, "append_images": [image.rotate(90)]} if animated else {}
    image.save(tmp_path / "a.webp", **options, **more)
    assert load(tmp_path / "a.webp").lossless == ("lossless" in options)


# Numbers


def slices(folder, tops, dtype=np.int16):
    x = np.mgrid[0:24, 0:32][1]
    for number, top in enumerate(tops, 1):
        values = (x * top // 31).astype(dtype)
        values[8:16, 8:16] = 500
        tifffile.imwrite(folder / f"slice{number}.tif", values, metadata=None)


def test_slices_of_one_series_get_one_mapping(tmp_path):
    slices(tmp_path, (1000, 2000))
    first, second = (load(tmp_path / f"slice{number}.tif") for number in (1, 2))
    assert first.pixels[10, 10, 0] == second.pixels[10, 10, 0] == round(500 / 2000 * 65535)
    assert all("series" in picture.notes[0] for picture in (first, second))
    # Another name, another kind of numbers or another folder is another series.
    for other in ("other1.tif", "slice.tif"):
        tifffile.imwrite(tmp_path / other, np.full((4, 4), 30_000, np.int16), metadata=None)
    tifffile.imwrite(tmp_path / "slice3.tif", np.full((4, 4), 1e9, np.float64), metadata=None)
    (tmp_path / "slice4.tif").write_bytes(b"II*\0 no TIFF")
    assert load(tmp_path / "slice1.tif").pixels[10, 10, 0] == first.pixels[10, 10, 0]
    # What changes is looked at again.
    slices(tmp_path, (1000, 2000, 4000))
    assert load(tmp_path / "slice1.tif").pixels[10, 10, 0] == round(500 / 4000 * 65535)


def test_pages_of_one_stack_get_one_mapping(tmp_path):
    x = np.mgrid[0:24, 0:32][1]
    pages = [(x * top // 31 + low).astype(np.int16) for low, top in ((-300, 600), (0, 2000), (500, 10))]
    for name in ("stack.tif", "stack1.tif", "stack2.tif"):
        with tifffile.TiffWriter(tmp_path / name) as tiff:
            for page in pages[: 2 if name == "stack1.tif" else 3]:
                tiff.write(page, metadata=None)
            # A page of another size is a picture of its own.
            tiff.write(np.full((4, 4), 30_000, np.int16), metadata=None)
    for name in ("stack.tif", "stack1.tif", "stack2.tif"):
        read = list(load_all(tmp_path / name).pictures)[:-1]
        assert load(tmp_path / name).pixels[0, 0, 0] == read[0].pixels[0, 0, 0]
        for page, picture in zip(pages, read, strict=False):
            np.testing.assert_allclose(picture.pixels[..., 0], (page + 300.0) * 65535 / 2300, atol=1)
            assert "from -300 to 2000" in picture.notes[-1]
    save_all(tmp_path / "b.tif", load_all(tmp_path / "stack.tif").pictures, "tiff", keep_values=True)
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        for page, written in zip(pages, tiff.pages, strict=False):
            np.testing.assert_array_equal(written.asarray(), page)


@pytest.mark.parametrize("tag", ["-9999", "-9999.0 ", "-3.4028234663852886e+38", None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.int32])
def test_no_data_is_no_number(tmp_path, tag, dtype):
    x = np.mgrid[0:24, 0:32][1]
    height = (100 + 100 * x / 31).astype(dtype)
    hole = np.zeros(height.shape, bool)
    if tag is None and dtype in (np.float32, np.float64):
        hole[4:8, 4:8] = True
        height[hole] = np.nan
    elif tag is not None and (dtype in (np.float32, np.float64) or float(tag) > -40_000):
        hole[4:8, 4:8] = True
        height[hole] = np.array(float(tag)).astype(dtype)
    extra = [(42113, 2, len(tag) + 1, tag + "\0", True)] if tag else []
    tifffile.imwrite(tmp_path / "a.tif", height, extratags=extra, metadata=None)
    picture = assert_probe_agrees(tmp_path / "a.tif")
    assert "from 100 to 200" in picture.notes[0]
    assert (picture.alpha is None) == (not hole.any())
    if picture.alpha is not None:
        np.testing.assert_array_equal(picture.alpha == 0, hole)
        assert any("no data" in note for note in picture.notes)
    assert (picture.pixels[0, 0, 0], picture.pixels[0, -1, 0]) == (0, 65535)

    # And back, in the file's own numbers.
    save(tmp_path / "b.tif", picture, "tiff", keep_values=True)
    again = tifffile.imread(tmp_path / "b.tif")
    assert again.dtype == dtype
    step = 100 / 65535 if dtype in (np.float32, np.float64) else 0.5
    np.testing.assert_allclose(again[~hole], height[~hole], atol=step)
    if hole.any():
        wanted = np.array(float(tag)).astype(dtype) if tag else np.nan
        np.testing.assert_array_equal(again[hole], wanted)


@pytest.mark.parametrize(
    ("values", "expected", "words"),
    [
        # Filters overshoot: that is no new range.
        ([-0.02, 0.0, 0.5, 1.0, 1.02], [0, 0, 32768, 65535, 65535], "clipped"),
        ([0.0, 0.5, 1.2], [0, 32768, 65535], "clipped"),
        # Light of several times white, or signed measures, are one.
        ([0.0, 1.0, 4.0], [0, 16384, 65535], "from 0 to 4"),
        ([-1.0, 0.0, 1.0], [0, 32768, 65535], "from -1 to 1"),
    ],
)
def test_floats_a_little_beyond_their_range(tmp_path, values, expected, words):
    array = np.array([values], np.float32)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", metadata=None)
    picture = load(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.pixels[0, :, 0], expected, atol=1)
    assert words in picture.notes[0]
    tifffile.imwrite(tmp_path / "b.tif", np.stack([array] * 3, 2), photometric="rgb", metadata=None)
    np.testing.assert_array_equal(load(tmp_path / "b.tif").pixels[..., 1], picture.pixels[..., 0])


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.uint32, [0, 1 << 30, 3 << 30], [0, 16384, 49152]),
        (np.uint32, [0, 1000, 65535], [0, 1000, 65535]),
        (np.uint64, [0, 1 << 62, 1 << 63], [0, 16384, 32768]),
    ],
)
def test_unsigned_integers_keep_their_whole_range(tmp_path, dtype, values, expected):
    array = np.array([values], dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", metadata=None)
    picture = assert_probe_agrees(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.pixels[0, :, 0], expected, atol=1)
    save(tmp_path / "b.tif", picture, "tiff", keep_values=True)
    np.testing.assert_allclose(tifffile.imread(tmp_path / "b.tif").ravel(), array.ravel(), rtol=2e-5)


# Files that are not quite right


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_a_jpeg_without_its_end_marker_opens_with_a_note(tmp_path, options):
    content = making.encoded(Image.fromarray(data.astronaut()[:80, :120]), "JPEG", **options)
    whole = load(write(tmp_path / "a.jpg", content))
    assert whole.notes == ()
    for missing in (1, 2):
        picture = load(write(tmp_path / "b.jpg", content[:-missing]))
        np.testing.assert_array_equal(picture.pixels, whole.pixels)
        # With restart markers the decoder itself may not miss it.
        told = ("Its end marker is missing; the picture itself is complete.",)
        assert picture.notes == told or (picture.notes == () and "restart_marker_rows" in options)
    for missing in (8, 100, len(content) // 2):
        with pytest.raises(UserError, match="cut off"):
            load(write(tmp_path / "c.jpg", content[:-missing]))


def with_two_associations(avif):
    """The file with an `ipma` box for each item, as old cavif wrote it; offsets in `iloc` follow."""

    def boxes(data, at=0):
        while at + 8 <= len(data):
            size, kind = struct.unpack_from(">I4s", data, at)
            yield kind, at, at + size
            at += size

    def box(kind, content):
        return struct.pack(">I4s", 8 + len(content), kind) + content

    place = {kind: (start, end) for kind, start, end in boxes(avif)}[b"meta"]
    meta = avif[place[0] : place[1]]
    parts = {kind: meta[start + 8 : end] for kind, start, end in boxes(meta, 12)}
    properties = {kind: parts[b"iprp"][start + 8 : end] for kind, start, end in boxes(parts[b"iprp"])}
    table, entries, at = properties[b"ipma"], [], 8
    for _ in range(struct.unpack_from(">I", table, 4)[0]):
        end = at + 3 + table[at + 2]
        entries.append(table[at:end])
        at = end
    tables = b"".join(box(b"ipma", table[:4] + struct.pack(">I", 1) + entry) for entry in entries)
    grown = 16 * (len(entries) - 1)
    locations, at = bytearray(parts[b"iloc"]), 8
    for _ in range(struct.unpack_from(">H", locations, 6)[0]):
        (count,) = struct.unpack_from(">H", locations, at + 4)
        at += 6
        for _ in range(count):
            (offset,) = struct.unpack_from(">I", locations, at)
            struct.pack_into(">I", locations, at, offset + grown)
            at += 8
    parts |= {b"iloc": bytes(locations), b"iprp": box(b"ipco", properties[b"ipco"]) + tables}
    rewritten = box(b"meta", bytes(4) + b"".join(box(kind, content) for kind, content in parts.items()))
    return avif[: place[0]] + rewritten + avif[place[1] :]


def test_an_avif_of_old_cavif_with_alpha_opens(tmp_path):
    image = Image.fromarray(np.dstack([data.astronaut()[:40, :60], data.astronaut()[:40, 60:120, 0]]))
    content = making.encoded(image, "AVIF", quality=95)
    whole = load(write(tmp_path / "a.avif", content))
    with pytest.raises(OSError, match="identify"):
        Image.open(io.BytesIO(with_two_associations(content)))
    picture = assert_probe_agrees(write(tmp_path / "b.avif", with_two_associations(content)))
    np.testing.assert_array_equal(picture.pixels, whole.pixels)
    np.testing.assert_array_equal(picture.alpha, whole.alpha)


@pytest.mark.parametrize("codes", [(12, 13), (9, 16), (1, 13), (9, 18)])
@pytest.mark.parametrize("deep", [False, True])
def test_an_avif_whose_colours_only_its_stream_says(tmp_path, codes, deep):
    pixels = making.smooth(40, 30) if not deep else making.smooth(40, 30, dtype=np.uint16) >> 6
    content = bytes(
        imagecodecs.avif_encode(
            pixels, level=90, speed=8, bitspersample=10 if deep else 8, primaries=codes[0], transfer=codes[1], matrix=1
        )
    )
    assert content.count(b"colrnclx") == 1
    picture = load(write(tmp_path / "a.avif", content.replace(b"colrnclx", b"freenclx")))
    assert picture.metadata.cicp == (None if codes == (1, 13) else Cicp(*codes))
    np.testing.assert_array_equal(picture.pixels, load(write(tmp_path / "b.avif", content)).pixels)


def test_a_series_of_slices_can_be_stopped(tmp_path):
    slices(tmp_path, range(1000, 1200, 10))
    asked = []

    def check():
        asked.append(1)
        if len(asked) == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        load(tmp_path / "slice1.tif", check)
    assert len(asked) == 5


def avif_with(picture: np.ndarray, kind: bytes, content: bytes) -> bytes:
    """An AVIF file with a property more, in the place of a profile that is as long."""
    stand_in = b"prof" + bytes(len(content) - 4)
    plain = making.encoded(Image.fromarray(picture), "AVIF", quality=100, subsampling="4:4:4", icc_profile=stand_in[4:])
    assert plain.count(b"colr" + stand_in) == 1
    made = bytearray(plain.replace(b"colr" + stand_in, kind + content))
    # What cuts a picture must be called essential: the highest bit of its number in the picture's list.
    at, number = made.index(b"ipco") + 4, 1
    while made[at + 4 : at + 8] != kind:
        at, number = at + struct.unpack_from(">I", made, at)[0], number + 1
    listed = made.index(b"ipma") + 4 + 8 + 3
    for place in range(listed, listed + made[listed - 1]):
        if made[place] == number and kind == b"clap":
            made[place] |= 0x80
    return bytes(made)


@pytest.mark.parametrize(
    ("size", "offset", "seen"),
    [
        (((40, 1), (20, 1)), ((-12, 1), (-6, 1)), np.s_[0:20, 0:40]),
        (((39, 1), (20, 1)), ((1, 2), (0, 1)), np.s_[6:26, 13:52]),
        (((80, 2), (20, 1)), ((0, 1), (12, 2)), np.s_[12:32, 12:52]),
        # Beside the picture, between pixels, or nothing at all: all of it is seen.
        (((40, 1), (20, 1)), ((13, 1), (0, 1)), np.s_[:, :]),
        (((40, 1), (20, 1)), ((1, 2), (0, 1)), np.s_[:, :]),
        (((40, 0), (20, 1)), ((0, 1), (0, 1)), np.s_[:, :]),
        (((0, 1), (20, 1)), ((0, 1), (0, 1)), np.s_[:, :]),
    ],
)
def test_what_an_avif_shows_of_itself(tmp_path, size, offset, seen):
    whole = making.smooth(64, 32)
    clap = struct.pack(">8i", *size[0], *size[1], *offset[0], *offset[1])
    picture = assert_probe_agrees(write(tmp_path / "a.avif", avif_with(whole, b"clap", clap)))
    assert picture.pixels.shape == whole[seen].shape
    assert np.abs(picture.pixels.astype(int) - whole[seen]).max() <= 4


def test_pixels_of_an_avif_that_are_not_square(tmp_path):
    pasp = struct.pack(">2I", 2, 1)
    picture = load(write(tmp_path / "a.avif", avif_with(making.smooth(64, 32), b"pasp", pasp)))
    # Half as many lie on an inch across.
    assert picture.metadata.grid is not None
    assert picture.metadata.grid[1] == 2 * picture.metadata.grid[0]
    assert any("shape of its pixels" in note for note in save(tmp_path / "b.avif", picture, "avif"))
    assert save(tmp_path / "b.png", picture, "png") == ()
