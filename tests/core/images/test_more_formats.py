"""Formats of other programs: what they hold comes in right, and what is written others can read."""

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import OpenEXR
import pytest
import tifffile
from PIL import Image
from skimage import data

from core.contract.errors import UserError
from core.images import Metadata, Picture, choose_format, load, load_all, probe, save
from core.images.cicp import REFERENCE_WHITE, Cicp
from core.images.jxl_header import read_head, with_colours
from core.images.light import light_of
from core.images.picture import Texture
from core.images.profiles import profile_of

from . import making
from .test_kinds import assert_probe_agrees, cmyk_profile, write

PHOTO = np.ascontiguousarray(data.astronaut()[:60, :84])


def psnr(a, b):
    return -10 * np.log10(max(1e-12, np.square((a.astype(float) - b) / np.iinfo(b.dtype).max).mean()))


# JPEG XL


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_jpeg_xl_keeps_everything_without_loss(tmp_path, channels, alpha, dtype):
    pixels = making.noise(33, 21, channels, dtype)
    veil = making.noise(33, 21, 1, dtype, seed=1)[..., 0] if alpha else None
    metadata = Metadata(exif=making.exif(), xmp=making.XMP, icc=None if channels == 1 else making.profile())
    save(tmp_path / "a.jxl", Picture(pixels, veil, metadata), "jxl", 40, lossless=True)
    again = assert_probe_agrees(tmp_path / "a.jxl")
    np.testing.assert_array_equal(again.pixels, pixels)
    assert (again.alpha is None) == (veil is None)
    if veil is not None:
        np.testing.assert_array_equal(again.alpha, veil)
    assert again.lossless
    assert again.metadata.icc == metadata.icc
    assert making.read_exif(again.metadata.exif)[making.ARTIST] == "Ada Lovelace"
    assert b"J\xc3\xb6rg" in again.metadata.xmp
    assert imagecodecs.jpegxl_decode((tmp_path / "a.jxl").read_bytes()).dtype == dtype


@pytest.mark.parametrize("quality", [30, 90, 99])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("cicp", [None, Cicp(12, 13), Cicp(9, 13)])
def test_jpeg_xl_loses_only_what_quality_allows(tmp_path, quality, dtype, cicp):
    pixels = PHOTO if dtype == np.uint8 else PHOTO.astype(np.uint16) * 257
    notes = save(tmp_path / "a.jxl", Picture(pixels, None, Metadata(cicp=cicp)), "jxl", quality)
    again = load(tmp_path / "a.jxl")
    assert notes == ()
    assert again.pixels.dtype == dtype
    assert again.metadata.cicp == cicp
    assert not again.lossless
    assert psnr(again.pixels, pixels) > {30: 24, 90: 33, 99: 42}[quality]


def test_jpeg_xl_keeps_a_profile_with_loss_too(tmp_path):
    icc = profile_of(Cicp(12, 13))
    for pixels in (PHOTO, PHOTO[..., :1]):
        own = icc if pixels.shape[2] == 3 else making.grey_profile()
        save(tmp_path / "a.jxl", Picture(np.ascontiguousarray(pixels), None, Metadata(icc=own)), "jxl", 95)
        again = load(tmp_path / "a.jxl")
        assert again.metadata.icc == own
        assert 34 < psnr(again.pixels, np.ascontiguousarray(pixels)) < 90
    deep = Picture(PHOTO.astype(np.uint16) * 257, None, Metadata(icc=icc))
    assert "without loss" in save(tmp_path / "b.jxl", deep, "jxl", 95)[0]
    np.testing.assert_array_equal(load(tmp_path / "b.jxl").pixels, deep.pixels)


def test_colours_that_a_lossy_jpeg_xl_says_by_a_profile(tmp_path):
    # The decoder alone would give linear light, and say nothing of it.
    encoded = bytes(imagecodecs.jpegxl_encode(PHOTO, distance=0.3))
    write(tmp_path / "a.jxl", with_colours(encoded, None, profile_of(Cicp(12, 4))))
    again = load(tmp_path / "a.jxl")
    assert again.metadata.cicp == Cicp(12, 13)
    from PIL import ImageCms

    wide = Image.fromarray(again.pixels)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_of(Cicp(12, 13))))
    shown = ImageCms.profileToProfile(wide, profile, ImageCms.createProfile("sRGB"))
    assert psnr(np.asarray(shown), PHOTO) > 36


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_xl_is_upright(tmp_path, orientation):
    encoded = bytes(imagecodecs.jpegxl_encode(PHOTO, lossless=True))
    upright = load(write(tmp_path / "a.jxl", encoded)).pixels
    turned = load(write(tmp_path / "b.jxl", turned_jxl(encoded, orientation)))
    wanted = Image.fromarray(upright)
    if orientation > 1:
        wanted = wanted.transpose(Image.Transpose({2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}[orientation]))
    np.testing.assert_array_equal(turned.pixels, np.asarray(wanted))
    header = probe(tmp_path / "b.jxl")
    assert (header.width, header.height) == (turned.width, turned.height)


def turned_jxl(encoded, orientation):
    """The same codestream with an orientation, which takes the further fields of its metadata (annex D.3)."""
    bits = "".join(f"{byte:08b}"[::-1] for byte in encoded)
    # Signature and SizeHeader of 60 x 84: not small, 9 bits and an offset, no ratio, the same.
    size = 16 + 1 + 2 + 9 + 3 + 2 + 9
    # Not all default, no further fields, 8 bits, small buffers, no channels, no XYB, sRGB; no extensions, transforms.
    colour_end, end = size + 10, size + 13
    assert bits[size : size + 2] == "00"
    fields = "1" + f"{orientation - 1:03b}"[::-1] + "000"
    head = bits[: size + 1] + fields + bits[size + 2 : colour_end] + "1" + bits[colour_end:end]
    head += "0" * (-len(head) % 8)
    packed = bytes(int(head[at : at + 8][::-1], 2) for at in range(0, len(head), 8))
    return packed + encoded[-(-end // 8) :]


@pytest.mark.parametrize("bits", [10, 12])
def test_jpeg_xl_of_few_bits(tmp_path, bits):
    samples = making.noise(20, 10, 3, np.uint16) >> (16 - bits)
    write(tmp_path / "a.jxl", bytes(imagecodecs.jpegxl_encode(samples, lossless=True, bitspersample=bits)))
    again = assert_probe_agrees(tmp_path / "a.jxl")
    assert again.bits == bits
    np.testing.assert_array_equal(again.pixels >> (16 - bits), samples)


def test_jpeg_xl_that_was_a_jpeg(tmp_path):
    icc = profile_of(Cicp(12, 13))
    jpeg = making.encoded(Image.fromarray(PHOTO), "JPEG", quality=90, icc_profile=icc, exif=making.exif(6))
    write(tmp_path / "a.jxl", bytes(imagecodecs.jpegxl_encode_jpeg(jpeg, usecontainer=True)))
    again = load(tmp_path / "a.jxl")
    assert again.metadata.icc == icc
    assert not again.lossless
    wanted = load(write(tmp_path / "a.jpg", jpeg))
    assert again.pixels.shape == wanted.pixels.shape
    assert psnr(again.pixels, wanted.pixels) > 40


@pytest.mark.parametrize("codes", [(1, 8), (9, 16), (9, 18), (12, 13), (11, 17)])
def test_code_points_of_a_jpeg_xl(tmp_path, codes):
    deep = making.smooth(30, 20, dtype=np.uint16)
    picture = Picture(deep, None, Metadata(cicp=Cicp(*codes)))
    save(tmp_path / "a.jxl", picture, "jxl", lossless=True)
    again = load(tmp_path / "a.jxl")
    assert again.metadata.cicp == Cicp(*codes)
    np.testing.assert_array_equal(again.pixels, deep)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 500, 3000])
def test_profiles_of_any_length_survive_a_codestream(size):
    icc = bytes(making.noise(max(size, 1), 1, 1, np.uint8).ravel()[:size])
    encoded = bytes(imagecodecs.jpegxl_encode(PHOTO, lossless=True))
    assert read_head(with_colours(encoded, None, icc)).icc == (icc or None)


# JPEG 2000


@pytest.mark.parametrize("codec", ["JP2", "J2K"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_jpeg_2000(tmp_path, codec, channels, bits):
    dtype = np.uint8 if bits == 8 else np.uint16
    samples = making.noise(40, 30, channels, dtype) >> (8 * np.dtype(dtype).itemsize - bits)
    plain = samples[..., 0] if channels == 1 else samples
    write(
        tmp_path / "a.jp2",
        bytes(imagecodecs.jpeg2k_encode(plain, codecformat=codec, reversible=True, bitspersample=bits)),
    )
    again = assert_probe_agrees(tmp_path / "a.jp2")
    assert again.format == "jpeg2000"
    assert again.bits == bits
    whole = again.pixels if again.alpha is None else np.dstack([again.pixels, again.alpha])
    np.testing.assert_array_equal(whole >> (8 * np.dtype(dtype).itemsize - bits), samples)


def test_what_the_boxes_of_a_jp2_say(tmp_path):
    plain = bytes(imagecodecs.jpeg2k_encode(PHOTO, codecformat="JP2"))

    def box(kind, content):
        return struct.pack(">I4s", 8 + len(content), kind) + content

    at = plain.index(b"jp2h") - 4
    (length,) = struct.unpack_from(">I", plain, at)
    head = plain[at + 8 : at + length]
    ihdr = head[: struct.unpack_from(">I", head)[0]]
    resolution = box(b"res ", box(b"resd", struct.pack(">4H2b", 11811, 1, 11811, 1, 0, 0)))
    icc = making.profile()
    colr = box(b"colr", b"\2\0\0" + icc)
    parts = box(b"jp2h", ihdr + colr + resolution)
    parts += box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + making.XMP)
    parts += box(b"uuid", b"JpgTiffExif->JP2" + making.exif())
    write(tmp_path / "a.jp2", plain[:at] + parts + plain[at + length :])
    again = load(tmp_path / "a.jp2")
    assert again.metadata.icc == icc
    assert b"J\xc3\xb6rg" in again.metadata.xmp
    assert making.read_exif(again.metadata.exif)[making.ARTIST] == "Ada Lovelace"
    assert again.metadata.dpi == pytest.approx((300, 300), abs=0.1)


# Games


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
@pytest.mark.parametrize("compression", [None, "tga_rle"])
def test_tga(tmp_path, mode, compression):
    image = Image.fromarray(PHOTO)
    image = image.quantize(60) if mode == "P" else image.convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(PHOTO[..., 0]))
    image.save(tmp_path / "a.tga", compression=compression)
    again = assert_probe_agrees(tmp_path / "a.tga")
    assert again.format == "tga"
    np.testing.assert_array_equal(again.pixels.squeeze(), np.asarray(image.convert("L" if mode == "L" else "RGB")))
    save(tmp_path / "b.tga", again, "tga")
    np.testing.assert_array_equal(load(tmp_path / "b.tga").pixels, again.pixels)
    others = np.asarray(Image.open(tmp_path / "b.tga").convert("RGB"))
    np.testing.assert_array_equal(others, np.broadcast_to(again.pixels, others.shape))


@pytest.mark.parametrize("kind", ["colours", "packed", "palette"])
@pytest.mark.parametrize("bits", ["some", "all", "none"])
def test_the_sixteenth_bit_of_a_tga_says_what_is_opaque(tmp_path, kind, bits):
    opaque = {"some": np.indices((4, 8)).sum(axis=0) % 3 > 0, "all": np.ones((4, 8), bool)}.get(bits)
    five = making.noise(8, 4, 3, np.uint8) >> 3
    if kind == "palette":
        five[...] = five[0, 0]
    seen = np.zeros((4, 8), np.uint16) if opaque is None else opaque.astype(np.uint16)
    words = (
        seen << 15 | five[..., 0].astype(np.uint16) << 10 | five[..., 1].astype(np.uint16) << 5 | five[..., 2]
    ).astype("<u2")
    sizes = struct.pack("<HHHHBB", 0, 0, 8, 4, 8 if kind == "palette" else 16, 0x21)
    if kind == "palette":
        colours, indices = np.unique(words, return_inverse=True)
        head = bytes((0, 1, 1)) + struct.pack("<HHB", 0, len(colours), 16) + sizes
        body = colours.tobytes() + indices.astype(np.uint8).tobytes()
    elif kind == "packed":
        head = bytes((0, 0, 10, 0, 0, 0, 0, 0)) + sizes
        body = b"".join(b"\0" + word.tobytes() for word in words.ravel())
    else:
        head, body = bytes((0, 0, 2, 0, 0, 0, 0, 0)) + sizes, words.tobytes()
    picture = assert_probe_agrees(write(tmp_path / "a.tga", head + body))
    np.testing.assert_allclose(picture.pixels, five * (255 / 31), atol=5)
    if bits == "some":
        np.testing.assert_array_equal(picture.alpha, np.where(opaque, 255, 0))
    else:
        # A bit that is alike everywhere says nothing.
        assert picture.alpha is None


def tga_with_extension(samples, alpha, aspect=(0, 0)):
    """A TGA of H x W x 4 samples with an extension area (TGA specification 2.0, C.6)."""
    height, width, _channels = samples.shape
    head = struct.pack("<BBB5xHHHHBB", 0, 0, 2, 0, 0, width, height, 32, 0x28)
    body = np.ascontiguousarray(samples[..., [2, 1, 0, 3]]).tobytes()
    area = struct.pack("<H41s", 495, b"Ada Lovelace") + b"first line".ljust(81, b"\0") + b"second".ljust(243, b"\0")
    area += struct.pack("<6H41s6x41s", 5, 6, 2024, 7, 8, 9, b"Job 7", b"Painter")
    area = area.ljust(474, b"\0") + struct.pack("<2H", *aspect)
    area = area.ljust(494, b"\0") + bytes((alpha,))
    return head + body + area + struct.pack("<II18s", len(head) + len(body), 0, b"TRUEVISION-XFILE.\0")


def test_what_the_extension_of_a_tga_says(tmp_path):
    samples = making.smooth(8, 6, 4)
    picture = load(write(tmp_path / "a.tga", tga_with_extension(samples, 3, aspect=(2, 1))))
    assert {text.keyword: text.text for text in picture.metadata.texts} == {
        "Author": "Ada Lovelace",
        "Comment": "first line\nsecond",
        "Creation Time": "2024-05-06T07:08:09",
        "Job": "Job 7",
        "Software": "Painter",
    }
    # Twice as wide as high: half as many across.
    assert picture.metadata.grid == (1, 2)
    assert save(tmp_path / "b.png", picture, "png") == ()
    assert load(tmp_path / "b.png").metadata == picture.metadata
    assert "no place" in save(tmp_path / "b.tga", picture, "tga")[-1]
    # Cut off, or pointing elsewhere: a picture all the same.
    broken = tga_with_extension(samples, 3)[:-26] + struct.pack("<II18s", 1 << 31, 0, b"TRUEVISION-XFILE.\0")
    assert load(write(tmp_path / "c.tga", broken)).metadata.texts == ()


@pytest.mark.parametrize("kind", range(5))
def test_what_the_fourth_channel_of_a_tga_means(tmp_path, kind):
    samples = making.smooth(8, 6, 4)
    picture = load(write(tmp_path / "a.tga", tga_with_extension(samples, kind)))
    if kind < 2:
        assert picture.alpha is None
        # 0 says that there is nothing in it, 1 that there is something.
        assert [("no transparency" in note) for note in picture.notes] == [True] * kind
    else:
        np.testing.assert_array_equal(picture.alpha, samples[..., 3])
        assert picture.notes == ()
    if kind == 4:
        alpha = samples[..., 3:].astype(float)
        np.testing.assert_allclose(picture.pixels, np.minimum(samples[..., :3] * 255.0 / alpha, 255), atol=0.51)
    else:
        np.testing.assert_array_equal(picture.pixels, samples[..., :3])


def test_a_tga_of_another_name_is_known_by_its_end(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.tga")
    (tmp_path / "a.tga").rename(tmp_path / "a.dat")
    assert load(tmp_path / "a.dat").format == "tga"
    # An old one has no such end, and is believed by its name.
    old = (tmp_path / "a.dat").read_bytes()[: 18 + PHOTO.size]
    assert load(write(tmp_path / "b.tga", old)).format == "tga"
    with pytest.raises(UserError, match="not a picture"):
        load(write(tmp_path / "b.dat", old))


@pytest.mark.parametrize(
    ("kind", "dxgi", "least"),
    [("BC1", 0, 31), ("BC3", 0, 31), ("BC7", 98, 38), ("BC7", 99, 38), ("uncompressed", 0, 99), ("BC5", 83, 38)],
)
@pytest.mark.parametrize("mipmaps", [False, True])
def test_dds_of_every_kind(tmp_path, kind, dxgi, least, mipmaps):
    texture = Texture(kind, dxgi, mipmaps)
    alpha = PHOTO[..., 1] if kind in ("BC3", "BC7", "uncompressed") else None
    save(tmp_path / "a.dds", Picture(PHOTO, alpha, texture=texture), "dds")
    again = assert_probe_agrees(tmp_path / "a.dds")
    assert again.texture == texture
    channels = 2 if kind == "BC5" else 3
    assert psnr(again.pixels[..., :channels], PHOTO[..., :channels]) > least
    if alpha is not None:
        assert psnr(again.alpha, alpha) > 34
    if kind in ("BC1", "BC3", "BC7"):
        # Another decoder sees the same.
        other = np.asarray(imagecodecs.dds_decode((tmp_path / "a.dds").read_bytes()))
        assert np.abs(other[..., :3].astype(int) - again.pixels).max() <= 1
    assert ((tmp_path / "a.dds").read_bytes()[28:32] == struct.pack("<I", 7)) == mipmaps


def test_dds_of_grey_and_of_other_sources(tmp_path):
    grey = PHOTO[..., :1]
    save(tmp_path / "a.dds", Picture(grey, None, texture=Texture("BC4", 80, True)), "dds")
    again = assert_probe_agrees(tmp_path / "a.dds")
    assert again.texture == Texture("BC4", 80, True)
    assert psnr(again.pixels, grey) > 38
    # Made of a PNG: what games take today.
    save(tmp_path / "b.dds", Picture(PHOTO, None), "dds")
    assert load(tmp_path / "b.dds").texture == Texture("BC7", 98, True)
    notes = save(tmp_path / "c.dds", Picture(PHOTO, PHOTO[..., 0], texture=Texture("BC1")), "dds")
    assert "BC3" in notes[0]


def test_dds_of_light_keeps_what_is_brighter_than_white(tmp_path):
    # An end point of 10 bits becomes 16 (times 64, and a half), and these times 31 / 64 are the bits of a half float.
    codes = (1000, 600, 200)
    halves = [np.uint16((((code << 16) + 0x8000) >> 10) * 31 >> 6).view(np.float16) for code in codes]
    path = write(tmp_path / "sky.dds", making.dds_head(6, 5, 95) + making.bc6h_block(codes) * 4)
    picture = assert_probe_agrees(path)
    assert (picture.width, picture.height, picture.alpha) == (6, 5, None)
    seen = light_of(picture.pixels, picture.metadata.cicp)
    expected = np.minimum(np.array(halves, np.float64), 10_000 / REFERENCE_WHITE)
    np.testing.assert_allclose(seen[2, 3], expected, rtol=2e-3)
    assert seen[0, 0, 0] > 40
    notes = save(tmp_path / "again.dds", picture, "dds")
    assert any("floats of 16 bits" in note for note in notes)
    again = assert_probe_agrees(tmp_path / "again.dds")
    assert again.texture == Texture("floats", 10)
    np.testing.assert_allclose(again.pixels.astype(int), picture.pixels, atol=40)


@pytest.mark.parametrize("mipmaps", [False, True])
@pytest.mark.parametrize(("dxgi", "kind", "channels"), [(10, "<f2", 4), (2, "<f4", 4), (6, "<f4", 3), (41, "<f4", 1)])
def test_dds_of_floats(tmp_path, dxgi, kind, channels, mipmaps):
    values = np.ones((9, 12, channels), kind)
    values[..., : min(channels, 3)] = np.linspace(0, 20, 9 * 12 * min(channels, 3)).reshape(9, 12, -1)
    if channels == 4:
        values[:4, :, 3] = 0.25
    smaller = bytes(values[::2, ::2].nbytes) if mipmaps else b""
    path = write(tmp_path / "a.dds", making.dds_head(12, 9, dxgi, 2 if mipmaps else 1) + values.tobytes() + smaller)
    picture = assert_probe_agrees(path)
    np.testing.assert_allclose(light_of(picture.pixels, picture.metadata.cicp), values[..., :3], rtol=2e-3, atol=2e-3)
    assert (picture.alpha is None) == (channels != 4)
    save(tmp_path / "b.dds", picture, "dds")
    again = assert_probe_agrees(tmp_path / "b.dds")
    assert again.texture == picture.texture == Texture("floats", dxgi, mipmaps)
    np.testing.assert_allclose(again.pixels.astype(int), picture.pixels, atol=40)
    if channels == 4:
        assert np.abs(again.alpha.astype(int) - 16384)[:4].max() <= 20
    with pytest.raises(UserError, match="damaged"):
        load(write(tmp_path / "c.dds", path.read_bytes()[:300]))


def test_cube_maps_are_refused_by_their_name(tmp_path):
    save(tmp_path / "a.dds", Picture(PHOTO, None), "dds")
    content = bytearray((tmp_path / "a.dds").read_bytes())
    content[112:116] = struct.pack("<I", 0xFE00)
    with pytest.raises(UserError, match="cube map"):
        load(write(tmp_path / "b.dds", bytes(content)))


# Netpbm and light


@pytest.mark.parametrize("kind", ["P1", "P2", "P3", "P4", "P5", "P6", "P5 16", "P6 16", "P6 1000", "P7"])
def test_netpbm(tmp_path, kind):
    rng = np.random.default_rng(1)
    top = {"P1": 1, "P4": 1, "P5 16": 65535, "P6 16": 65535, "P6 1000": 1000}.get(kind, 255)
    channels = 4 if kind == "P7" else 3 if kind[:2] in ("P3", "P6") else 1
    values = rng.integers(0, top + 1, (7, 13, channels))
    if kind[:2] in ("P1", "P4"):
        head = f"{kind}\n# made here\n13 7\n"
        packed = np.packbits(values[..., 0].astype(np.uint8), axis=1).tobytes()
        body = packed if kind == "P4" else b" ".join(b"%d" % v for v in values.ravel())
        wanted = (1 - values) * 255
    elif kind == "P7":
        head = "P7\nWIDTH 13\nHEIGHT 7\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
        body, wanted = values.astype(np.uint8).tobytes(), values
    else:
        head = f"{kind[:2]} 13 7\n#a\n{top}\n"
        body = (
            b"\n".join(b"%d" % v for v in values.ravel())
            if kind[1] in "23"
            else values.astype(">u2" if top > 255 else np.uint8).tobytes()
        )
        wanted = values if top in (255, 65535) else np.floor(values * 65535 / top + 0.5)
    picture = assert_probe_agrees(write(tmp_path / "a.pnm", head.encode() + body))
    whole = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
    np.testing.assert_array_equal(whole, wanted)
    save(tmp_path / "b.pnm", picture, "pnm")
    again = load(tmp_path / "b.pnm")
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    assert (again.alpha is None) == (picture.alpha is None)
    if kind == "P6":
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "b.pnm")), picture.pixels)


PLANES = np.broadcast_arrays(np.linspace(0, 12, 40), np.linspace(0, 0.5, 20)[:, None], 0.25)
LIGHT = np.stack(PLANES, 2).astype(np.float32)


def light_files(folder):
    write(folder / "a.hdr", bytes(imagecodecs.rgbe_encode(LIGHT, header=True)))
    head = f"PF\n{LIGHT.shape[1]} {LIGHT.shape[0]}\n-1.0\n".encode()
    write(folder / "a.pfm", head + LIGHT[::-1].astype("<f4").tobytes())
    for name, compression in (("a", "ZIP"), ("b", "PIZ"), ("c", "RLE"), ("d", "NO")):
        header = {"compression": getattr(OpenEXR, f"{compression}_COMPRESSION"), "type": OpenEXR.scanlineimage}
        with OpenEXR.File(header, {"RGB": LIGHT}) as file:
            file.write(str(folder / f"{name}.exr"))


def test_light_becomes_hdr_and_light_again(tmp_path):
    light_files(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        picture = assert_probe_agrees(path)
        assert picture.metadata.cicp == Cicp(1, 16)
        for format in ("hdr", "pfm"):
            save(tmp_path / f"again.{format}", picture, format)
            if format == "hdr":
                light = imagecodecs.rgbe_decode((tmp_path / "again.hdr").read_bytes(), header=True)
            else:
                content = (tmp_path / "again.pfm").read_bytes()
                light = np.frombuffer(content[-LIGHT.nbytes :], "<f4").reshape(LIGHT.shape)[::-1]
            # Radiance shares one exponent among three channels.
            np.testing.assert_allclose(light, LIGHT, atol=0.06 if "hdr" in (format, path.suffix[1:]) else 0.003)
            (tmp_path / f"again.{format}").unlink()
        assert choose_format(picture, "same") == ("png" if path.suffix == ".exr" else path.suffix[1:])
        save(tmp_path / "a.png", picture, "png")
        assert load(tmp_path / "a.png").metadata.cicp == Cicp(1, 16)
        assert "tone-mapped" in " ".join(save(tmp_path / "a.jpg", picture, "jpeg"))
        (tmp_path / "a.png").unlink()
        (tmp_path / "a.jpg").unlink()


@pytest.mark.parametrize(
    ("axes", "stored"),
    [
        ("-Y 20 -X 40", LIGHT[:, ::-1]),
        ("+Y 20 -X 40", LIGHT[::-1, ::-1]),
        ("+Y 20 +X 40", LIGHT[::-1]),
        ("+X 40 -Y 20", LIGHT.swapaxes(0, 1)),
        ("-X 40 -Y 20", LIGHT[:, ::-1].swapaxes(0, 1)),
        ("-X 40 +Y 20", LIGHT[::-1, ::-1].swapaxes(0, 1)),
        ("+X 40 +Y 20", LIGHT[::-1].swapaxes(0, 1)),
    ],
)
def test_radiance_in_another_order_of_rows_and_columns(tmp_path, axes, stored):
    upright = load(write(tmp_path / "a.hdr", bytes(imagecodecs.rgbe_encode(LIGHT, header=True))))
    plain = bytes(imagecodecs.rgbe_encode(np.ascontiguousarray(stored), header=True))
    height, width = stored.shape[:2]
    turned = plain.replace(f"-Y {height} +X {width}".encode(), axes.encode())
    assert turned != plain
    picture = assert_probe_agrees(write(tmp_path / "b.hdr", turned))
    np.testing.assert_array_equal(picture.pixels, upright.pixels)


def test_parts_and_windows_of_an_exr(tmp_path):
    def part(name, channels, **header):
        return OpenEXR.Part({"type": OpenEXR.scanlineimage, "name": name, **header}, channels)

    depth, beauty = part("depth", {"Z": LIGHT[..., 0].copy()}), part("beauty", {"RGB": LIGHT})
    for name, parts in (("a", [depth, beauty]), ("b", [beauty, depth])):
        with OpenEXR.File(parts) as file:
            file.write(str(tmp_path / f"{name}.exr"))
        picture = assert_probe_agrees(tmp_path / f"{name}.exr")
        assert picture.pixels.shape == LIGHT.shape
        assert any("one of its parts" in note for note in picture.notes)
    whole = picture.pixels
    windows = {"dataWindow": ((8, 4), (47, 23)), "displayWindow": ((0, 0), (63, 47))}
    with OpenEXR.File([part("framed", {"RGB": LIGHT}, **windows)]) as file:
        file.write(str(tmp_path / "c.exr"))
    framed = load(tmp_path / "c.exr")
    np.testing.assert_array_equal(framed.pixels, whole)
    assert any("display window" in note for note in framed.notes)


def test_deep_data_are_told(tmp_path):
    with OpenEXR.File([OpenEXR.Part({"type": OpenEXR.scanlineimage, "name": "a"}, {"RGB": LIGHT})]) as file:
        file.write(str(tmp_path / "a.exr"))
    content = (tmp_path / "a.exr").read_bytes()
    kind = b"type\0string\0" + struct.pack("<I", 13) + b"scanlineimage"
    deep = b"type\0string\0" + struct.pack("<I", 13) + b"deepscanline\0"
    assert content.count(kind) == 1
    with pytest.raises(UserError, match="deep data"):
        load(write(tmp_path / "b.exr", content.replace(kind, deep)))


def test_an_ordinary_picture_as_light(tmp_path):
    save(tmp_path / "a.hdr", Picture(PHOTO, None), "hdr")
    light = imagecodecs.rgbe_decode((tmp_path / "a.hdr").read_bytes(), header=True)
    assert light.max() <= 1.01
    wanted = np.where(PHOTO / 255 <= 0.04045, PHOTO / 255 / 12.92, ((PHOTO / 255 + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(light, wanted, atol=0.005)


def test_channels_and_alpha_of_an_exr(tmp_path):
    alpha = np.full(LIGHT.shape[:2], 0.5, np.float32)
    channels = {"RGBA": np.dstack([LIGHT * 0.5, alpha])}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, channels) as file:
        file.write(str(tmp_path / "a.exr"))
    picture = assert_probe_agrees(tmp_path / "a.exr")
    assert set(picture.alpha.ravel()) == {32768}
    with OpenEXR.File(header, {"RGB": LIGHT}) as file:
        file.write(str(tmp_path / "b.exr"))
    np.testing.assert_allclose(picture.pixels, load(tmp_path / "b.exr").pixels, atol=30)
    depth = np.linspace(3, 5, 800, dtype=np.float32).reshape(20, 40)
    with OpenEXR.File(header, {"Z": depth}) as file:
        file.write(str(tmp_path / "z.exr"))
    picture = assert_probe_agrees(tmp_path / "z.exr")
    assert "from 3 to 5" in picture.notes[0]
    assert picture.pixels[-1, -1, 0] == 65535


def test_qoi_ico_and_pcx(tmp_path):
    for channels in (3, 4):
        samples = making.noise(31, 17, channels, np.uint8)
        picture = assert_probe_agrees(write(tmp_path / "a.qoi", bytes(imagecodecs.qoi_encode(samples))))
        whole = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
        np.testing.assert_array_equal(whole, samples)
        save(tmp_path / "b.qoi", picture, "qoi")
        # imagecodecs says of four channels that they are linear, which they are not.
        same = bytearray((tmp_path / "a.qoi").read_bytes())
        same[13] = 0
        assert (tmp_path / "b.qoi").read_bytes() == same
    image = Image.fromarray(PHOTO[:48, :48])
    image.save(tmp_path / "a.ico", sizes=[(16, 16), (48, 48)])
    icon = assert_probe_agrees(tmp_path / "a.ico")
    np.testing.assert_array_equal(icon.pixels, PHOTO[:48, :48])
    Image.fromarray(PHOTO).save(tmp_path / "a.pcx")
    np.testing.assert_array_equal(assert_probe_agrees(tmp_path / "a.pcx").pixels, PHOTO)


# Photoshop, TIFF and BMP


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("packed", [False, True])
def test_flat_photoshop_documents(tmp_path, dtype, packed):
    pixels = making.noise(30, 20, 3, dtype)
    picture = assert_probe_agrees(write(tmp_path / "a.psd", making.psd(pixels, packed=packed)))
    np.testing.assert_array_equal(picture.pixels, pixels)
    grey = assert_probe_agrees(write(tmp_path / "b.psd", making.psd(pixels[..., :1], mode=1, packed=packed)))
    np.testing.assert_array_equal(grey.pixels, pixels[..., :1])
    # A further channel is a selection, where no layer says that it is transparency.
    more = load(write(tmp_path / "c.psd", making.psd(np.dstack([pixels, pixels[..., 0]]), packed=packed)))
    assert more.alpha is None
    assert "1 further channel " in more.notes[0]


def of_photoshop(number, content):
    return struct.pack(">4sHHI", b"8BIM", number, 0, len(content)) + content + b"\0" * (len(content) % 2)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("big", [False, True])
def test_photoshop_documents_of_every_mode(tmp_path, packed, big):
    def document(*args, **options):
        return assert_probe_agrees(write(tmp_path / "a.psd", making.psd(*args, packed=packed, big=big, **options)))

    ink = np.array([[[0b10110000], [0b00000001]], [[0], [0xFF]]], np.uint8)
    shown = document(ink, mode=0, bits=1)
    # Ones are black there.
    np.testing.assert_array_equal(shown.pixels[..., 0], 255 - 255 * np.unpackbits(ink[..., 0], axis=1))
    indices = making.noise(12, 9, 1, np.uint8)
    table = making.noise(3, 256, 1, np.uint8)[..., 0]
    clear = int(indices[4, 4, 0])
    shown = document(indices, mode=2, palette=table.T.tobytes(), resources=of_photoshop(1047, struct.pack(">H", clear)))
    np.testing.assert_array_equal(shown.pixels, table[indices[..., 0]])
    np.testing.assert_array_equal(shown.alpha == 0, indices[..., 0] == clear)
    lab = np.array([[[138, 209, 198], [255, 128, 128], [0, 128, 128], [137, 128, 128]]], np.uint8)
    for samples in (lab, lab.astype(np.uint16) << 8):
        shown = document(samples, mode=9)
        # L 54.3, a 80.8, b 69.9 is sRGB's red (CIE 1976, D50).
        np.testing.assert_allclose(shown.pixels[0], [[255, 0, 0], [255] * 3, [0] * 3, [128] * 3], atol=6)
        assert shown.pixels.dtype == np.uint8
    inks = np.array([[[255, 255, 255, 255], [255, 255, 255, 0], [0, 255, 255, 255]]], np.uint8)
    for plates in (inks, inks.astype(np.uint16) * 257):
        paper, black, cyan = document(plates, mode=4).pixels[0] / np.iinfo(plates.dtype).max
        assert paper.min() > 0.95 > 0.3 > black.max()
        assert cyan[0] < 0.5 < cyan[2]
    light = np.linspace(0, 1, 60, dtype=np.float32).reshape(4, 5, 3)
    shown = document(light, mode=3)
    assert shown.pixels.dtype == np.uint16
    np.testing.assert_allclose(light_of(shown.pixels, shown.metadata.cicp), light, atol=2e-3)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (making.psd(making.noise(4, 4, 3, np.uint8), mode=8), None),
        (making.psd(making.noise(4, 4, 3, np.uint8), mode=6), "no picture's"),
        (making.psd(making.noise(4, 4, 1, np.uint8), mode=3), "no picture's"),
        (making.psd(making.noise(4, 4, 1, np.uint8), mode=2), "damaged"),
        (making.psd(making.noise(4, 4, 3, np.uint8))[:30], "damaged"),
        (making.psd(making.noise(4, 4, 3, np.uint8))[:-9], "damaged"),
        (making.psd(making.noise(4, 4, 3, np.uint8), packed=False).replace(b"\0\0" * 7, b"\0\3" * 7), "damaged"),
    ],
)
def test_broken_photoshop_documents_end_in_words(tmp_path, content, says):
    path = write(tmp_path / "a.psd", content)
    if says is None:
        assert load(path).notes
        return
    with pytest.raises(UserError, match=says):
        load(path)


def test_transparency_and_resources_of_a_photoshop_document(tmp_path):
    alpha = np.array([[255, 128, 64, 0]], np.uint8)
    colour = np.array([[[200, 100, 0]] * 4], np.uint8)
    over_white = np.rint(colour * (alpha[..., None] / 255) + 255 * (1 - alpha[..., None] / 255)).astype(np.uint8)
    icc = making.profile()
    resources = of_photoshop(1039, icc) + of_photoshop(1060, making.XMP) + of_photoshop(1058, making.exif())
    resources += of_photoshop(1005, struct.pack(">IHHIHH", 300 << 16, 1, 1, 300 << 16, 1, 1))
    layers = struct.pack(">Ih", 2, -1)
    content = making.psd(np.dstack([over_white, alpha]), resources=resources, layers=layers)
    picture = assert_probe_agrees(write(tmp_path / "a.psd", content))
    np.testing.assert_array_equal(picture.alpha, alpha)
    np.testing.assert_allclose(picture.pixels[:, :3], colour[:, :3], atol=2)
    assert picture.metadata.icc == icc
    assert picture.metadata.dpi == (300, 300)
    assert b"J\xc3\xb6rg" in picture.metadata.xmp
    unmerged = of_photoshop(1057, struct.pack(">IB", 1, 0) + bytes(8))
    with pytest.raises(UserError, match="flattened"):
        load(write(tmp_path / "b.psd", making.psd(over_white, resources=unmerged, layers=layers)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("extra", [0, 1, 2])
def test_cmyk_with_alpha_and_spots(tmp_path, dtype, extra):
    top = np.iinfo(dtype).max
    inks = np.zeros((8, 10, 4 + extra), dtype)
    inks[..., 0] = top
    if extra:
        inks[:, :5, -1] = top
    kinds = {0: None, 1: ["unassalpha"], 2: ["unspecified", "unassalpha"]}[extra]
    options: dict[str, Any] = {
        "photometric": "separated",
        "extrasamples": kinds,
        "metadata": None,
        "planarconfig": "contig",
    }
    tifffile.imwrite(tmp_path / "a.tif", inks, **options)
    plain = assert_probe_agrees(tmp_path / "a.tif")
    assert plain.pixels.dtype == dtype
    assert plain.pixels[0, 0].tolist() == [0, top, top]
    assert (plain.alpha is None) == (extra == 0)
    if extra:
        assert (plain.alpha[0, 0], plain.alpha[0, 9]) == (top, 0)
    assert any("CMYK" in note for note in plain.notes)
    tifffile.imwrite(tmp_path / "b.tif", inks, iccprofile=cmyk_profile(110), **options)
    through = load(tmp_path / "b.tif")
    assert 80 * top // 255 < through.pixels.min() <= through.pixels.max() < 150 * top // 255
    assert through.metadata.icc[16:20] == b"RGB "


def test_other_inks_are_named(tmp_path):
    options: dict[str, Any] = {"photometric": "separated", "planarconfig": "contig", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8, 5), np.uint8), extratags=[(332, 3, 1, 2, True)], **options)
    with pytest.raises(UserError, match="inks"):
        load(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["jpeg2000", "jpegxl", "jpegxr", "lerc", "webp", "png"])
@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_with_pictures_inside(tmp_path, compression, tiled, dtype):
    if compression == "webp" and dtype == np.uint16:
        pytest.skip("it holds 8 bits")
    pixels = making.noise(70, 50, 3, dtype)
    options: dict[str, Any] = {"tile": (32, 32)} if tiled else {"rowsperstrip": 16}
    arguments = {"webp": {"lossless": True}, "jpeg2000": {"reversible": True}}.get(compression, {})
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", compression=compression, compressionargs=arguments, **options
    )
    np.testing.assert_array_equal(assert_probe_agrees(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize("packed", ["deflate", "zstd"])
def test_lerc_that_is_packed_once_more(tmp_path, packed):
    values = making.noise(70, 50, 1, np.uint16)[..., 0]
    arguments = {"compression": packed}
    tifffile.imwrite(tmp_path / "a.tif", values, compression="lerc", compressionargs=arguments, tile=(32, 32))
    np.testing.assert_array_equal(assert_probe_agrees(tmp_path / "a.tif").pixels[..., 0], values)


def test_pictures_inside_of_another_size_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PHOTO, photometric="rgb", compression="jpegxl", metadata=None)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        place = tiff.pages[0].tags["ImageWidth"].valueoffset
    content[place : place + 2] = struct.pack("<H", 83)
    with pytest.raises(UserError, match="damaged"):
        load(write(tmp_path / "a.tif", bytes(content)))


@pytest.mark.parametrize(
    ("masks", "bits"),
    [
        ((0x7C00, 0x3E0, 0x1F), 16),
        ((0xF800, 0x7E0, 0x1F), 16),
        ((0xF00, 0xF0, 0xF, 0xF000), 16),
        ((0xFF, 0xFF00, 0xFF0000), 32),
        ((0xFF000000, 0xFF0000, 0xFF00, 0xFF), 32),
        ((0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000), 32),
    ],
)
@pytest.mark.parametrize("top_down", [False, True])
def test_bit_fields_of_a_bmp(tmp_path, masks, bits, top_down):
    rng = np.random.default_rng(2)
    samples = np.stack([rng.integers(0, 1 << mask.bit_count(), (6, 7)) for mask in masks], axis=2)
    picture = assert_probe_agrees(write(tmp_path / "a.bmp", making.bmp_fields(samples, masks, bits, top_down)))
    top = np.iinfo(picture.pixels.dtype).max
    wanted = np.stack(
        [np.floor(samples[..., c] * top / ((1 << mask.bit_count()) - 1) + 0.5) for c, mask in enumerate(masks)], axis=2
    )
    np.testing.assert_array_equal(picture.pixels, wanted[..., :3])
    assert (picture.alpha is not None) == (len(masks) == 4)
    assert picture.metadata.dpi == pytest.approx((72, 72), abs=0.1)


# What has no place for colours or words


@pytest.mark.parametrize("format", ["tga", "dds", "pnm", "qoi"])
def test_plain_formats_say_what_they_leave_out(tmp_path, format):
    icc = profile_of(Cicp(12, 13))
    pixels = making.noise(20, 10, 3, np.uint8)
    metadata = Metadata(icc=icc, exif=making.exif())
    notes = save(tmp_path / "a", Picture(pixels, None, metadata, texture=Texture("uncompressed")), format)
    assert any("metadata" in note for note in notes)
    assert any("sRGB" in note for note in notes)
    shown = load(tmp_path / "a" if format != "tga" else (tmp_path / "a").rename(tmp_path / "a.tga")).pixels
    assert np.abs(shown.astype(int) - pixels).max() > 5
    # What is sRGB already stays as it is.
    notes = save(tmp_path / "b", Picture(PHOTO, None, Metadata(icc=making.profile())), "pnm")
    assert notes == ()
    np.testing.assert_array_equal(load(tmp_path / "b").pixels, PHOTO)


@pytest.mark.parametrize(("compression", "words"), [(34661, "JBIG"), (34713, "NIKON NEF"), (12345, "number 12345")])
def test_a_tiff_that_is_packed_by_an_unknown_method_is_not_called_damaged(tmp_path, compression, words):
    tifffile.imwrite(tmp_path / "a.tif", PHOTO, photometric="rgb", metadata=None)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        place = tiff.pages[0].tags["Compression"].valueoffset
    content[place : place + 2] = struct.pack("<H", compression)
    with pytest.raises(UserError, match=words) as caught:
        load(write(tmp_path / "a.tif", bytes(content)))
    assert "damaged" not in caught.value.message


def test_further_pictures_of_a_netpbm_file_are_told(tmp_path):
    one = b"P6\n32 24\n255\n" + making.smooth(32, 24).tobytes()
    (tmp_path / "a.ppm").write_bytes(one + one)
    assert load(tmp_path / "a.ppm").notes == ("Left out: its further pictures.",)
    (tmp_path / "a.ppm").write_bytes(one + b"\n")
    assert load(tmp_path / "a.ppm").notes == ()


def test_jpegs_that_no_decoder_reads_are_called_by_their_name(tmp_path):
    samples = making.smooth(32, 24)
    for content, name in (
        (imagecodecs.jpegls_encode(samples), "a JPEG-LS picture"),
        (imagecodecs.jpeg8_encode(samples.astype(np.uint16) << 4, bitspersample=12), "of 12 bits a channel"),
    ):
        (tmp_path / "a.jpg").write_bytes(content)
        with pytest.raises(UserError, match=f"holds .*{name}.*, which cannot be read"):
            load(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", ["jpeg", "deep"])
@pytest.mark.parametrize("smaller_first", [False, True])
def test_the_mask_behind_a_page_is_its_transparency(tmp_path, kind, smaller_first):
    """A mask like GDAL's, alone or after smaller versions of the page."""
    samples = making.smooth(32, 24, dtype=np.uint16 if kind == "deep" else np.uint8)
    seen = np.zeros((24, 32), bool)
    seen[:, :20] = True
    packed = "jpeg" if kind == "jpeg" else "zlib"
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for _page in range(2):
            writer.write(samples, photometric="rgb", compression=packed, metadata=None)
            if smaller_first:
                writer.write(samples[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
            writer.write(seen, photometric="mask", subfiletype=4, compression="zlib", metadata=None)
            writer.write(seen[::2, ::2], photometric="mask", subfiletype=5, compression="zlib", metadata=None)
    header = probe(tmp_path / "a.tif")
    assert (header.alpha, header.frames) == (True, 2)
    pages = list(load_all(tmp_path / "a.tif").pictures)
    for page in pages:
        np.testing.assert_array_equal(page.alpha, seen * np.iinfo(samples.dtype).max)


def test_a_mask_that_hides_nothing_is_no_transparency(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(making.smooth(32, 24), photometric="rgb", metadata=None)
        writer.write(np.ones((24, 32), bool), photometric="mask", subfiletype=4, compression="zlib", metadata=None)
    assert load(tmp_path / "a.tif").alpha is None
    assert not probe(tmp_path / "a.tif").alpha


def test_a_page_is_read_whatever_lies_behind_it(tmp_path):
    samples = making.smooth(32, 24)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", metadata=None, byteorder="<")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * count, len(data) - 1)
    (tmp_path / "a.tif").write_bytes(data)
    np.testing.assert_array_equal(load(tmp_path / "a.tif").pixels, samples)
