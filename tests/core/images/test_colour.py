"""Colours and depth: what a file says its samples mean comes out in every format, or is said to be lost."""

import contextlib
import io
import struct
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image, ImageCms

from core.contract.errors import UserError
from core.images import Metadata, Picture, load, probe, save
from core.images.cicp import CHROMATICITIES, Cicp, full_range, light_to_pq, meant, pq_to_light, to_sdr, xyz_of_rgb
from core.images.profiles import grey_profile_of, profile_of, rgb_profile_of

from . import making

P3 = Cicp(12, 13)
PQ = Cicp(9, 16)
HLG = Cicp(9, 18)
TRANSFERS = [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17]


def patches(dtype=np.uint8):
    """64 x 64 with four plain colours of Display P3."""
    rgb = np.empty((64, 64, 3), np.uint8)
    rgb[:32, :32], rgb[:32, 32:] = (250, 20, 20), (20, 240, 20)
    rgb[32:, :32], rgb[32:, 32:] = (20, 20, 240), (220, 220, 30)
    return rgb if dtype == np.uint8 else rgb.astype(np.uint16) * 257


def avif(path, pixels, bits=8, primaries=12, transfer=13, matrix=1, **options):
    samples = pixels
    if bits > 8:
        samples = ((pixels.astype(np.uint32) * ((1 << bits) - 1) + 32767) // 65535).astype(np.uint16)
    data = imagecodecs.avif_encode(
        samples, level=100, bitspersample=bits, primaries=primaries, transfer=transfer, matrix=matrix,
        pixelformat="444", **options,
    )  # fmt: skip
    path.write_bytes(data)
    return path


def heic(path, pixels, **codes):
    sixteen = pixels.dtype == np.uint16
    mode = "RGB;16" if sixteen else "RGB"
    made = pillow_heif.from_bytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
    made.save(path, quality=95, chroma=444, full_range_flag=1, matrix_coefficients=1, **codes)
    return path


def in_srgb(path):
    """The picture as a colour-managed program shows it, by Pillow and LittleCMS alone."""
    with Image.open(path) as image:
        icc = image.info.get("icc_profile")
        rgb = image.convert("RGB")
    if not icc:
        return np.asarray(rgb).astype(int)
    shown = ImageCms.profileToProfile(rgb, ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB"))
    return np.asarray(shown).astype(int)


def p3_in_srgb(rgb):
    """The same by the definitions of both spaces, clipped."""
    values = rgb / 255
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    light = np.clip(light @ np.linalg.solve(xyz_of_rgb(CHROMATICITIES[1]), xyz_of_rgb(CHROMATICITIES[12])).T, 0, 1)
    return np.rint(np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255)


@pytest.mark.parametrize("container", ["avif", "heic", "png"])
@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff", "avif"])
def test_code_points_are_kept_or_become_a_profile(tmp_path, container, format):
    source = tmp_path / f"a.{container}"
    if container == "avif":
        avif(source, patches())
    elif container == "heic":
        heic(source, patches(), color_primaries=12, transfer_characteristics=13)
    else:
        rows = b"".join(b"\0" + row.tobytes() for row in patches())
        source.write_bytes(making.png(64, 64, 8, 2, rows, extra=making.chunk(b"cICP", bytes((12, 13, 0, 1)))))
    picture = load(source)
    assert picture.metadata.cicp == P3

    notes = save(tmp_path / "b", picture, format, 100)
    assert not any("colour" in note for note in notes)
    again = load(tmp_path / "b")
    if format in ("png", "avif"):
        assert again.metadata == Metadata(cicp=P3)
        assert again.metadata.only_colour().cicp == P3
    else:
        assert again.metadata.icc == profile_of(P3)
        shown, wanted = in_srgb(tmp_path / "b"), p3_in_srgb(patches())
        for row, column in ((8, 8), (8, 56), (56, 8), (56, 56)):
            assert np.abs(shown[row, column] - wanted[row, column]).max() <= 6


def test_a_profile_decides_over_code_points_in_avif_and_not_in_png(tmp_path):
    save(tmp_path / "a.avif", Picture(patches(), None, Metadata(icc=making.profile())), "avif")
    assert load(tmp_path / "a.avif").metadata == Metadata(icc=making.profile())
    save(tmp_path / "a.png", Picture(patches(), None, Metadata(icc=making.profile(), cicp=P3)), "png")
    assert load(tmp_path / "a.png").metadata.cicp == P3


@pytest.mark.parametrize("codes", [(1, 13), (2, 2), (0, 0), (200, 200)])
def test_srgb_and_what_nobody_defined_say_nothing(tmp_path, codes):
    assert meant(*codes) is None
    assert load(avif(tmp_path / "a.avif", patches(), primaries=codes[0], transfer=codes[1])).metadata == Metadata()


@pytest.mark.parametrize("primaries", sorted(set(CHROMATICITIES) - {10}))
@pytest.mark.parametrize("transfer", TRANSFERS)
def test_profiles_of_code_points_say_what_the_standard_does(primaries, transfer):
    cicp = Cicp(primaries, transfer)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_of(cicp)))
    grey = np.array([[[64] * 3, [128] * 3, [200] * 3, [255] * 3]], np.uint8)
    # White is the white of the profile's connection space, and the greys have the curve's luminance.
    shown = ImageCms.profileToProfile(Image.fromarray(grey), profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    light = cicp.curve(grey[0, :, 0] / 255)
    light = light / cicp.curve(np.array(1.0))
    wanted = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055) * 255
    assert np.abs(np.asarray(shown)[0].astype(float) - wanted[:, None]).max() <= 1.6


def test_pq_is_its_own_inverse_and_has_the_standards_values():
    light = np.array([0.0, 0.1, 100.0, 203.0, 1000.0, 10_000.0])
    np.testing.assert_allclose(pq_to_light(light_to_pq(light)), light, rtol=1e-6, atol=1e-6)
    # ITU-R BT.2408, table 1: 203 cd/m² is 58 % PQ; and 75 % HLG is the same light.
    assert light_to_pq(np.array(203.0)) == pytest.approx(0.58, abs=0.002)
    grey = np.full((1, 1, 3), round(0.75 * 65535), np.uint16)
    assert abs(int(to_sdr(grey, HLG, 203.0)[0, 0, 0]) - 255) <= 1


@pytest.mark.parametrize("cicp", [PQ, HLG])
@pytest.mark.parametrize("bits", [10, 12])
def test_hdr_stays_hdr_where_the_format_can(tmp_path, cicp, bits):
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)
    pixels = np.repeat(np.repeat(ramp[None, :, None], 64, axis=0), 3, axis=2)
    source = avif(tmp_path / "a.avif", pixels, bits, cicp.primaries, cicp.transfer, 9)
    assert probe(source).sixteen_bit
    picture = load(source)
    assert (picture.bits, picture.metadata.cicp) == (bits, cicp)
    assert np.abs(picture.pixels.astype(int) - pixels).max() < 65535 * 8 / ((1 << bits) - 1)

    assert save(tmp_path / "b.png", picture, "png") == ()
    again = load(tmp_path / "b.png")
    assert again.metadata.cicp == cicp
    np.testing.assert_array_equal(again.pixels, picture.pixels)

    assert save(tmp_path / "b.avif", picture, "avif", 100) == ()
    again = load(tmp_path / "b.avif")
    assert (again.bits, again.metadata.cicp) == (bits, cicp)
    assert np.abs(again.pixels.astype(int) - picture.pixels).max() < 65535 * 8 / ((1 << bits) - 1)

    assert save(tmp_path / "b.tif", picture, "tiff") == ()
    assert load(tmp_path / "b.tif").metadata.icc == profile_of(cicp)


@pytest.mark.parametrize("cicp", [PQ, HLG])
@pytest.mark.parametrize("format", ["jpeg", "webp"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_hdr_is_tone_mapped_for_eight_bits(tmp_path, cicp, format, dtype, channels):
    top = np.iinfo(dtype).max
    ramp = np.repeat(np.linspace(0, 0.9 * top, 96).astype(dtype)[None], 32, axis=0)
    pixels = np.repeat(ramp[..., None], channels, axis=2)
    notes = save(tmp_path / "b", Picture(pixels, None, Metadata(cicp=cicp)), format, 100)
    assert any("HDR" in note and "tone-mapped" in note for note in notes)
    shown = in_srgb(tmp_path / "b")
    # Greys stay grey, brighter stays brighter, black is black and the brightest is white.
    assert (shown.max(axis=2) - shown.min(axis=2)).max() <= 3
    line = shown[16, :, 1]
    assert (np.diff(line) >= -2).all()
    assert line[0] <= 2
    assert line[-1] >= 250
    # What is no brighter than a shadow on paper keeps its light.
    level = float(light_to_pq(np.array(20.0))) if cicp is PQ else None
    if level:
        dark = np.abs(np.linspace(0, 0.9, 96) - level).argmin()
        light = float(pq_to_light(np.array(0.9 * dark / 95))) / 203
        assert abs(line[dark] - 255 * (1.055 * light ** (1 / 2.4) - 0.055)) <= 4


def test_the_profile_of_hdr_shows_a_tone_mapped_picture(tmp_path):
    values = np.rint(255 * light_to_pq(np.array([0.0, 5.0, 50.0, 203.0, 1000.0]))).astype(np.uint8)
    image = Image.fromarray(np.repeat(values[None, :, None], 3, axis=2))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_of(PQ)))
    shown = np.asarray(ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"))[0]
    mapped = to_sdr(np.asarray(image), PQ, 1000.0)[0]
    assert np.abs(shown.astype(int) - mapped).max() <= 6


@pytest.mark.parametrize("cicp", [PQ, HLG, Cicp(12, 16)])
@pytest.mark.parametrize("container", ["tiff", "png", "jxl"])
def test_hdr_that_a_profile_says_is_hdr(tmp_path, cicp, container):
    pixels = patches(np.uint16)
    # Another program's profile, with one tag more than ours.
    icc = profile_of(cicp) + b"theirs"
    if container == "tiff":
        tifffile.imwrite(tmp_path / "a", pixels, photometric="rgb", iccprofile=icc, metadata=None)
    else:
        save(tmp_path / "a", Picture(pixels, None, Metadata(icc=icc)), container, 100)
    picture = load(tmp_path / "a")
    assert picture.metadata.cicp == cicp
    save(tmp_path / "b.tif", picture, "tiff")
    assert load(tmp_path / "b.tif").metadata.icc == icc
    save(tmp_path / "b.avif", picture, "avif")
    assert load(tmp_path / "b.avif").metadata.cicp == cicp
    notes = save(tmp_path / "b.jpg", picture, "jpeg")
    assert any("tone-mapped" in note for note in notes)
    mapped = save(tmp_path / "c.jpg", replace(picture, metadata=Metadata(cicp=cicp)), "jpeg")
    assert mapped == notes
    np.testing.assert_array_equal(load(tmp_path / "b.jpg").pixels, load(tmp_path / "c.jpg").pixels)
    # Grey too, whose profile is another one.
    grey = Picture(pixels[..., :1], None, Metadata(icc=icc))
    save(tmp_path / "g.png", grey, "png")
    assert any("tone-mapped" in note for note in save(tmp_path / "g.jpg", load(tmp_path / "g.png"), "jpeg"))


def test_video_range_of_a_png_is_spread_for_other_formats(tmp_path):
    pixels = np.array([[[16], [126], [235], [255]]], np.uint8)
    assert full_range(pixels).ravel().tolist() == [0, 128, 255, 255]
    assert full_range(pixels.astype(np.uint16) * 256).ravel().tolist() == [0, 32917, 65535, 65535]
    extra = making.chunk(b"cICP", bytes((1, 13, 0, 0)))
    (tmp_path / "a.png").write_bytes(making.png(4, 1, 8, 0, b"\0" + pixels.tobytes(), extra=extra))
    picture = load(tmp_path / "a.png")
    save(tmp_path / "b.png", picture, "png")
    assert load(tmp_path / "b.png").metadata.cicp == Cicp(1, 13, full_range=False)
    save(tmp_path / "b.tif", picture, "tiff")
    again = load(tmp_path / "b.tif")
    assert (again.pixels.ravel().tolist(), again.metadata) == ([0, 128, 255, 255], Metadata())


def test_how_bright_hdr_gets_stays_in_a_png_and_is_told_elsewhere(tmp_path):
    light = (
        (b"cLLI", struct.pack(">2I", 10_000_000, 4_000_000)),
        (b"mDCV", struct.pack(">8H2I", 35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450, 10_000_000, 50)),
    )
    extra = making.chunk(b"cICP", bytes((9, 16, 0, 1))) + b"".join(making.chunk(*each) for each in light)
    rows = b"".join(b"\0" + row.tobytes() for row in patches().astype(">u2") * 257)
    (tmp_path / "a.png").write_bytes(making.png(64, 64, 16, 2, rows, extra=extra))
    picture = load(tmp_path / "a.png")
    assert not any("HDR" in note for note in save(tmp_path / "b.png", picture, "png"))
    assert load(tmp_path / "b.png").metadata.png_hdr == light
    assert any("how bright" in note for note in save(tmp_path / "b.avif", picture, "avif"))


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("alpha", [False, True])
def test_all_bits_of_avif_come_in_and_go_out(tmp_path, bits, alpha):
    pixels = making.smooth(48, 32, 4 if alpha else 3, dtype=np.uint16)
    picture = load(avif(tmp_path / "a.avif", pixels, bits, 1, 13, 6))
    assert picture.bits == bits
    assert len(np.unique(picture.pixels)) > 300
    assert np.abs(picture.pixels.astype(int) - pixels[..., :3]).mean() < 400
    assert (picture.alpha is not None) == alpha
    for format, notes in (("png", ()), ("tiff", ()), ("avif", ()), ("webp", (f"Its {bits} bits", "8"))):
        said = save(tmp_path / "b", picture, format)
        assert all(word in said[0] for word in notes) if notes else said == ()
    save(tmp_path / "b.avif", picture, "avif", 95)
    assert load(tmp_path / "b.avif").bits == bits


def test_sixteen_bits_become_twelve_of_avif_and_it_is_said(tmp_path):
    pixels = making.smooth(48, 32, 3, dtype=np.uint16)
    notes = save(tmp_path / "a.avif", Picture(pixels, None), "avif", 95)
    assert any("16 bits" in note and "12" in note for note in notes)
    again = load(tmp_path / "a.avif")
    assert again.bits == 12
    assert np.abs(again.pixels.astype(int) - pixels).mean() < 300


@pytest.mark.parametrize("grey", [False, True])
def test_all_bits_of_heic_come_in(tmp_path, grey):
    pixels = making.smooth(64, 48, 3, dtype=np.uint16)
    picture = load(heic(tmp_path / "a.heic", pixels, color_primaries=9, transfer_characteristics=16))
    assert (picture.bits, picture.metadata.cicp) == (10, PQ)
    assert np.abs(picture.pixels.astype(int) - pixels).mean() < 600
    # White is white.
    white = np.full((64, 64, 3), 65535, np.uint16)
    assert load(heic(tmp_path / "b.heic", white)).pixels.min() == 65535


def test_the_main_picture_of_a_heic_need_not_be_the_first(tmp_path):
    made = pillow_heif.from_pillow(Image.new("RGB", (64, 64), "red"))
    made.add_from_pillow(Image.new("RGB", (64, 64), "blue"))
    made.save(tmp_path / "a.heic", primary_index=1, quality=95)
    picture = load(tmp_path / "a.heic")
    assert picture.pixels[32, 32, 2] > 200
    assert not any("first" in note for note in picture.notes)
    assert any("main one of its 2 pictures" in note for note in picture.notes)


RGB_PROFILES = {"sRGB": making.profile(), "P3": profile_of(P3), "lcms": ImageCms.ImageCmsProfile(
    ImageCms.createProfile("sRGB")).tobytes()}  # fmt: skip


@pytest.mark.parametrize("profile", RGB_PROFILES)
@pytest.mark.parametrize(
    ("container", "format", "alpha"),
    [
        (container, format, alpha)
        for container in ("JPEG", "PNG", "TIFF")
        for format in ("png", "jpeg", "webp", "tiff", "avif")
        for alpha in (False, True)
        if not (alpha and "JPEG" in (container, format.upper()))
    ],
)
def test_grey_with_an_rgb_profile_comes_out_with_one_that_fits(tmp_path, container, profile, alpha, format):
    grey = making.smooth(32, 24, 1)[..., 0]
    image = Image.fromarray(grey)
    if alpha:
        image = Image.merge("LA", [image, Image.fromarray(np.ascontiguousarray(grey[::-1]))])
    image.save(tmp_path / "a", container, icc_profile=RGB_PROFILES[profile])
    picture = load(tmp_path / "a")
    save(tmp_path / "b", picture, format, 100)
    with Image.open(tmp_path / "b") as written:
        icc = written.info.get("icc_profile")
        grey_alone = written.mode in ("L", "LA")
    if icc:
        assert icc[16:20] == (b"GRAY" if grey_alone else b"RGB ")
    # The tone is the one that the RGB profile gives its greys.
    rgb = Image.merge("RGB", [Image.fromarray(grey)] * 3)
    source = ImageCms.ImageCmsProfile(io.BytesIO(RGB_PROFILES[profile]))
    wanted = np.asarray(ImageCms.profileToProfile(rgb, source, ImageCms.createProfile("sRGB"))).astype(int)
    if not alpha:
        with Image.open(tmp_path / "b") as written:
            mode = "L" if grey_alone else "RGB"
            plain = written.convert(mode)
        if icc:
            plain = ImageCms.profileToProfile(
                plain, ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        assert np.abs(np.asarray(plain.convert("RGB")).astype(int) - wanted).mean() < 1.5


def test_a_profile_without_a_grey_of_its_own_makes_the_picture_rgb(tmp_path):
    # A table instead of curves: nobody can say what its greys are but the table.
    table = profile_of(PQ)
    assert grey_profile_of(table) is None
    grey = making.smooth(16, 16, 1)
    Image.fromarray(grey[..., 0]).save(tmp_path / "a.jpg", icc_profile=table, quality=100)
    picture = load(tmp_path / "a.jpg")
    assert picture.pixels.shape[2] == 3
    assert picture.metadata.icc == table


def test_colour_with_a_profile_of_other_channels(tmp_path):
    rgb = making.smooth(16, 16)
    Image.fromarray(rgb).save(tmp_path / "a.jpg", icc_profile=making.grey_profile())
    picture = load(tmp_path / "a.jpg")
    assert picture.metadata.icc == rgb_profile_of(making.grey_profile())
    cmyk = bytearray(making.profile())
    cmyk[16:20] = b"CMYK"
    Image.fromarray(rgb).save(tmp_path / "a.jpg", icc_profile=bytes(cmyk))
    picture = load(tmp_path / "a.jpg")
    assert picture.metadata.icc is None
    assert any("profile" in note for note in picture.notes)


@pytest.mark.parametrize("kind", ["png", "webp", "gif"])
def test_alpha_that_hides_everything_is_told(tmp_path, kind):
    image = Image.fromarray(np.dstack([making.smooth(16, 16), np.zeros((16, 16), np.uint8)]))
    options: dict[str, Any] = {"lossless": True, "exact": True} if kind == "webp" else {}
    image.save(tmp_path / f"a.{kind}", **options)
    assert any("transparent everywhere" in note for note in load(tmp_path / f"a.{kind}").notes)


def bmp(pixels, alpha=None, size=124, profile=b"", kind=b"BGRs", endpoints=(0,) * 9, gammas=(0,) * 3, fields=True):
    """A 32-bit BMP of version 4 or 5, with a mask for alpha where `fields`."""
    height, width = pixels.shape[:2]
    alpha = np.full((height, width), 255, np.uint8) if alpha is None else alpha
    data = np.dstack([pixels[..., ::-1], alpha])[::-1].tobytes()
    header = struct.pack("<IiiHHIIiiII", size, width, height, 1, 32, 3 if fields else 0, len(data), 0, 0, 0, 0)
    header += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000 if fields else 0)
    header += kind + struct.pack("<9I", *endpoints) + struct.pack("<3I", *gammas)
    if size == 124:
        header += struct.pack("<4I", 4, size + len(data), len(profile), 0)
    assert len(header) == size
    whole = struct.pack("<2sIHHI", b"BM", 14 + size + len(data) + len(profile), 0, 0, 14 + size)
    return whole + header + data + profile


@pytest.mark.parametrize("size", [108, 124])
@pytest.mark.parametrize("fields", [False, True])
def test_a_bmp_whose_alpha_is_zero_everywhere_is_opaque(tmp_path, size, fields):
    pixels = making.smooth(20, 12)
    (tmp_path / "a.bmp").write_bytes(bmp(pixels, np.zeros((12, 20), np.uint8), size, fields=fields))
    picture = load(tmp_path / "a.bmp")
    assert picture.alpha is None
    assert not probe(tmp_path / "a.bmp").alpha
    assert not any("transparent" in note for note in picture.notes)
    np.testing.assert_array_equal(picture.pixels, pixels)
    alpha = np.zeros((12, 20), np.uint8)
    alpha[3, 4] = 1
    (tmp_path / "b.bmp").write_bytes(bmp(pixels, alpha, size))
    np.testing.assert_array_equal(load(tmp_path / "b.bmp").alpha, alpha)


def test_the_profile_of_a_bmp_comes_along(tmp_path):
    icc = profile_of(P3)
    (tmp_path / "a.bmp").write_bytes(bmp(patches(), profile=icc, kind=b"DEBM"))
    picture = load(tmp_path / "a.bmp")
    assert picture.metadata.icc == icc
    save(tmp_path / "b.png", picture, "png")
    assert load(tmp_path / "b.png").metadata.icc == icc
    # One that is cut off is none.
    (tmp_path / "a.bmp").write_bytes(bmp(patches(), profile=icc, kind=b"DEBM")[:-100])
    assert load(tmp_path / "a.bmp").metadata == Metadata()


def test_a_bmp_that_describes_its_colours_itself(tmp_path):
    matrix = xyz_of_rgb(CHROMATICITIES[12])
    points = [round(float(value) * (1 << 30)) for value in matrix.T.ravel()]
    (tmp_path / "a.bmp").write_bytes(
        bmp(patches(), kind=bytes(4), endpoints=points, gammas=(round(2.2 * 65536),) * 3, size=108)
    )
    save(tmp_path / "b.tif", load(tmp_path / "a.bmp"), "tiff")
    shown, wanted = in_srgb(tmp_path / "b.tif"), p3_in_srgb(patches())
    assert np.abs(shown - wanted).max() <= 8
    (tmp_path / "a.bmp").write_bytes(bmp(patches(), kind=bytes(4), size=108))
    assert load(tmp_path / "a.bmp").metadata == Metadata()


def gif(*extensions, frames=1, after=()):
    """A GIF with these extension blocks before its first frame, and others after it."""
    images = [Image.fromarray(patches()).quantize(16).rotate(90 * index) for index in range(frames)]
    options: dict[str, Any] = {"save_all": True, "append_images": images[1:]} if frames > 1 else {}
    data = making.encoded(images[0], "GIF", **options)
    start = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    return data[:start] + b"".join(extensions) + data[start:-1] + b"".join(after) + data[-1:]


def sub_blocks(data):
    return b"".join(bytes((len(part),)) + part for part in
                    (data[at : at + 255] for at in range(0, len(data), 255))) + b"\0"  # fmt: skip


XMP_OF_GIF = b"\x21\xff\x0bXMP DataXMP" + making.XMP + b"\x01" + bytes(range(255, -1, -1)) + b"\0"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("frames", [1, 3])
def test_profile_and_xmp_of_a_gif_come_along(tmp_path, after, frames):
    icc = profile_of(P3)
    blocks = (b"\x21\xff\x0bICCRGBG1012" + sub_blocks(icc), XMP_OF_GIF)
    content = gif(frames=frames, after=blocks) if after else gif(*blocks, frames=frames)
    (tmp_path / "a.gif").write_bytes(content)
    picture = load(tmp_path / "a.gif")
    assert picture.metadata.icc == icc
    assert b"J\xc3\xb6rg" in picture.metadata.xmp
    np.testing.assert_array_equal(picture.pixels[8, 8] > 128, [True, False, False])
    save(tmp_path / "b.png", picture, "png")
    assert load(tmp_path / "b.png").metadata.icc == icc


@pytest.mark.parametrize("kind", ["bmp", "gif", "avif"])
def test_five_hundred_broken_files_of_each_kind(tmp_path, kind):
    if kind == "bmp":
        good = bmp(patches(), profile=profile_of(P3), kind=b"DEBM")
    elif kind == "gif":
        good = gif(b"\x21\xff\x0bICCRGBG1012" + sub_blocks(profile_of(P3)), XMP_OF_GIF)
    else:
        good = avif(tmp_path / "good.avif", patches(np.uint16), 10, 9, 16, 9).read_bytes()
    random = np.random.default_rng(7)
    path = tmp_path / f"a.{kind}"
    for _ in range(500):
        data = bytearray(good)
        for _ in range(random.integers(1, 10)):
            data[random.integers(0, min(len(data), 800))] = random.integers(0, 256)
        if random.random() < 0.2:
            del data[random.integers(20, len(data)) :]
        path.write_bytes(data)
        with contextlib.suppress(UserError):
            save(tmp_path / "b.png", load(path), "png")


def test_random_and_broken_boxes_are_no_reason_to_refuse_or_to_crash(tmp_path):
    from core.images.isobmff import still_image

    good = avif(tmp_path / "a.avif", patches(np.uint16), 10, 9, 16, 9).read_bytes()
    random = np.random.default_rng(5)
    for _ in range(500):
        data = bytearray(good[:400])
        for _ in range(random.integers(1, 12)):
            data[random.integers(0, len(data))] = random.integers(0, 256)
        still_image(io.BytesIO(bytes(data[: random.integers(20, len(data))])))
    # A box in a box in a box, each as long as all of the file.
    deep = b"".join(struct.pack(">I4s", 1 << 20, b"trak") for _ in range(10_000))
    still_image(io.BytesIO(struct.pack(">I4s", 8 + len(deep), b"moov") + deep))
