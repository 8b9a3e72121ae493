"""Files from strangers: every one is a picture, or a `UserError` that names it."""

import errno
import io
import os
import random
import shutil
import struct
import sys
import tracemalloc
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import imagecodecs
import numpy as np
import OpenEXR
import pytest
import tifffile
from PIL import Image

from core.contract.errors import UserError
from core.images import FORMATS, MAX_PIXELS, Metadata, Picture, load, probe, save, thumbnail
from core.images.picture import Texture

from . import making
from .test_dicom import PACKED, dicom

READERS = (load, probe, lambda path: thumbnail(path, 16))


def refusal(path, *, readers=READERS):
    """What all of these say, which must name the file and advise."""
    for reader in readers:
        with pytest.raises(UserError) as caught:
            reader(path)
        assert f"“{path.name}”" in caught.value.message
        assert caught.value.hint
    return caught.value.message


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff", "damaged"),
        (b"GIF89a", "damaged"),
        (b"II*\0", "damaged"),
        (b"BM", "damaged"),
        (b"BMW is a maker of cars.", "damaged"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "damaged"),
        (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf", "damaged"),
        (b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", "damaged"),
        (b"%PDF-1.7\n", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- drawn -->\n<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2mp41", "a film"),
        (b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", "a film"),
        (b"RIFF\x10\0\0\0AVI LIST", "a film"),
        (b"\x1aE\xdf\xa3\1\0\0\0", "a film"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw"),
        (b"FUJIFILMCCD-RAW 0201FF", "raw"),
        (b"IIU\0\x18\0\0\0", "raw"),
        (b"IIRO\x08\0\0\0", "raw"),
        (b"v/1\1\2\0\0\0", "damaged"),
        (bytes(128) + b"DICM", "DICOM"),
        (b"gimp xcf v011\0", "GIMP"),
        (b"\0\5\x16\7\0\2\0\0", "a Mac"),
        (b"Dear diary, today I renamed this to photo.png", "not a picture"),
        (b"\0" * 4096, "not a picture"),
    ],
)
def test_what_is_no_picture(tmp_path, content, words):
    assert words in refusal(write(tmp_path / "a.png", content))


def test_random_bytes_and_archives(tmp_path):
    for seed in range(20):
        refusal(write(tmp_path / f"{seed}.jpg", random.Random(seed).randbytes(5000)))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    shutil.copy(tmp_path / "a.zip", tmp_path / "a.webp")
    assert "ZIP" in refusal(tmp_path / "a.webp")


def test_what_is_no_file(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nowhere.png")
    (tmp_path / "folder.png").mkdir()
    assert "folder" in refusal(tmp_path / "folder.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "link.png")
    refusal(tmp_path / "link.png")


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert "ordinary" in refusal(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    assert "ordinary" in refusal(tmp_path / "zero.png")


def test_no_permission_and_a_failing_disk(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", making.png(1, 1, 8, 0, b"\0\0"))
    for number, words in ((errno.EACCES, "may not be read"), (errno.EIO, os.strerror(errno.EIO))):

        def fail(self, *arguments, number=number, **options):
            raise OSError(number, os.strerror(number), str(self))

        monkeypatch.setattr(Path, "open", fail)
        assert words in refusal(path)


def kinds():
    photo = Image.fromarray(making.smooth(40, 33))
    rgb, deep = making.smooth(40, 33), making.smooth(40, 33, dtype=np.uint16)
    alpha = making.smooth(40, 33, 1)[..., 0]
    return {
        "png": ("png", Picture(rgb, alpha)),
        "png16": ("png", Picture(deep, None)),
        "jpeg": ("jpeg", Picture(rgb, None)),
        "webp": ("webp", Picture(rgb, alpha)),
        "tiff": ("tiff", Picture(rgb, None, Metadata(exif=making.exif()))),
        "tiff16": ("tiff", Picture(deep, None)),
        "avif": ("avif", Picture(rgb, None)),
        "gif": making.encoded(photo.quantize(32), "GIF"),
        "bmp": making.encoded(photo, "BMP"),
        "progressive": making.encoded(photo, "JPEG", progressive=True),
        "cmyk": making.encoded(photo.convert("CMYK"), "JPEG"),
        "lzw": making.encoded(photo, "TIFF", compression="tiff_lzw"),
        "fax": making.encoded(photo.convert("1"), "TIFF", compression="group4"),
        "jxl": ("jxl", Picture(rgb, alpha)),
        "jxl16": ("jxl", Picture(deep, None, Metadata(exif=making.exif()))),
        "jxl profile": bytes(
            imagecodecs.jpegxl_encode_jpeg(making.encoded(photo, "JPEG", icc_profile=making.profile()))
        ),
        "jxl frames": bytes(imagecodecs.jpegxl_encode(np.stack([rgb, rgb[::-1]]), lossless=True, photometric="rgb")),
        "jp2": bytes(imagecodecs.jpeg2k_encode(rgb, codecformat="JP2")),
        "j2k": bytes(imagecodecs.jpeg2k_encode(deep, codecformat="J2K")),
        "tga": ("tga", Picture(rgb, alpha)),
        "dds": ("dds", Picture(rgb, None, texture=Texture("BC1"))),
        "pnm": ("pnm", Picture(deep, None)),
        "pfm": ("pfm", Picture(rgb, None)),
        "hdr": ("hdr", Picture(rgb, None)),
        "qoi": ("qoi", Picture(rgb, alpha)),
        "raw": making.dng(),
        "dds floats": making.dds_head(16, 12, 10) + making.noise(16, 12, 4, np.uint16).tobytes(),
        "dds light": making.dds_head(16, 12, 95) + making.bc6h_block((1000, 600, 200)) * 12,
        "dicom": dicom(deep[..., 0]),
        "dicom lossless": dicom_packed(deep, "lossless"),
        "dicom JPEG-LS": dicom_packed(deep, "JPEG-LS"),
        "dicom HTJ2K": dicom_packed(deep, "HTJ2K"),
        "psd": making.psd(rgb),
        "psd16": making.psd(deep, packed=False),
        "exr": exr(rgb),
        "ico": making.encoded(photo, "ICO", sizes=[(32, 32)]),
        "pcx": making.encoded(photo, "PCX"),
        "bit fields": making.bmp_fields(rgb >> 3, (0x7C00, 0x3E0, 0x1F), 16),
        **{f"tiff {name}": tiff_in(rgb, name) for name in ("jpeg2000", "jpegxl", "jpegxr", "lerc", "webp", "png")},
    }


def dicom_packed(deep, name):
    syntax, pack = PACKED[name]
    return dicom(deep[..., 0] >> 4, syntax=syntax, pack=pack, BitsStored=12, HighBit=11)


def exr(rgb):
    buffer = io.BytesIO()
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"RGB": (rgb / 255).astype(np.float16)}) as file:
        file.write(buffer)
    return buffer.getvalue()


def tiff_in(rgb, compression):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, rgb, photometric="rgb", compression=compression, metadata=None)
    return buffer.getvalue()


@pytest.fixture(params=sorted(kinds()))
def content(request, tmp_path):
    kind = kinds()[request.param]
    if isinstance(kind, bytes):
        return kind
    save(tmp_path / "whole", kind[1], kind[0], 90)
    return (tmp_path / "whole").read_bytes()


def test_a_cut_off_file_is_refused_and_never_padded(tmp_path, content):
    whole = load(write(tmp_path / "a", content))
    refused = 0
    for end in {*range(0, len(content), max(1, len(content) // 60)), *range(len(content) - 20, len(content))}:
        write(tmp_path / "a", content[:end])
        try:
            picture = load(tmp_path / "a")
        except UserError:
            refused += 1
        else:
            # Some formats end with bytes that the pixels do not need.
            np.testing.assert_array_equal(picture.pixels, whole.pixels)
    assert refused > 50


def test_flipped_bits_never_escape_as_anything_but_a_user_error(tmp_path, content):
    rng = random.Random(len(content))
    for _ in range(40):
        broken = bytearray(content)
        for _ in range(rng.choice([1, 8])):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        write(tmp_path / "a", bytes(broken))
        for reader in READERS:
            with suppress(UserError):
                reader(tmp_path / "a")


MUTATED = [
    "jxl",
    "jxl frames",
    "jxl16",
    "jxl profile",
    "jp2",
    "j2k",
    "tga",
    "dds",
    "pnm",
    "pfm",
    "hdr",
    "qoi",
    "psd",
    "psd16",
    "exr",
]
MUTATED += [
    "raw",
    "dds floats",
    "dds light",
    "ico",
    "pcx",
    "bit fields",
    "fax",
    "lzw",
    "cmyk",
    "bmp",
    "gif",
    "webp",
    "avif",
]
MUTATED += ["dicom", "dicom lossless", "dicom JPEG-LS", "dicom HTJ2K"]
MUTATED += [f"tiff {name}" for name in ("jpeg2000", "jpegxl", "jpegxr", "lerc", "webp", "png")]


def refused_or_none(path):
    try:
        load(path)
    except UserError as error:
        return error
    return None


@pytest.mark.parametrize("name", MUTATED)
def test_five_hundred_mutations_are_pictures_or_one_line_each(tmp_path, name, capfd):
    kind = kinds()[name]
    if isinstance(kind, tuple):
        save(tmp_path / "whole", kind[1], kind[0], 90)
        kind = (tmp_path / "whole").read_bytes()
    rng = random.Random(name)
    path = tmp_path / "a"
    for _ in range(500):
        broken = bytearray(kind)
        for _ in range(rng.choice([1, 2, 8])):
            # Headers are where lies tell most.
            at = rng.randrange(min(len(broken), 256)) if rng.random() < 0.5 else rng.randrange(len(broken))
            broken[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        if rng.random() < 0.2:
            del broken[rng.randrange(len(broken)) :]
        path.write_bytes(broken)
        said = refused_or_none(path)
        assert said is None or ("\n" not in said.message and said.hint)
    # These libraries say what they think of it; `srgan` keeps that from the terminal (see `quiet_libraries`).
    if name not in ("exr", "fax"):
        assert capfd.readouterr() == ("", "")


def bombs():
    side = 60_000
    yield "png", making.png(side, side, 8, 2, b"\0")
    yield "png16", making.png(side, side, 16, 6, b"\0")
    yield (
        "bmp",
        b"BM"
        + struct.pack("<IHHI", 1000, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
        + bytes(1000),
    )
    yield (
        "gif",
        b"GIF89a"
        + struct.pack("<HHBBB", side, side, 0, 0, 0)
        + b",\0\0\0\0"
        + struct.pack("<HHB", side, side, 0)
        + b"\2\1\0\0;",
    )
    for name, bits, order in (("tiff", 8, "<"), ("tiff16", 16, ">"), ("tiff1", 1, "<")):
        entries = [(256, side), (257, side), (258, bits), (259, 1), (262, 1), (277, 1), (278, side)]
        table = b"".join(
            struct.pack(order + "HHI", code, 4, 1) + struct.pack(order + "I", value) for code, value in entries
        )
        start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
        strips = struct.pack(order + "HHII", 273, 4, 1, 8) + struct.pack(order + "HHII", 279, 4, 1, 8)
        yield name, start + struct.pack(order + "H", len(entries) + 2) + table + strips + bytes(4)
    jpeg = bytearray(making.encoded(Image.new("L", (8, 8)), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    yield "jpeg", bytes(jpeg)
    avif = bytearray(making.encoded(Image.new("RGB", (8, 8)), "AVIF"))
    extents = avif.index(b"ispe")
    avif[extents + 8 : extents + 16] = struct.pack(">II", side, side)
    yield "avif", bytes(avif)
    yield from newer_bombs(side)


def newer_bombs(side):
    small = Image.fromarray(making.smooth(16, 12))
    rgb = making.smooth(16, 12)
    yield "jxl", jxl_head(side, side)
    code = bytearray(imagecodecs.jpeg2k_encode(rgb, codecformat="J2K"))
    sizes = code.index(b"\xff\x51") + 6
    code[sizes : sizes + 8] = struct.pack(">II", side, side)
    code[sizes + 16 : sizes + 24] = struct.pack(">II", side, side)
    yield "j2k", bytes(code)
    tga = bytearray(making.encoded(small, "TGA"))
    tga[12:16] = struct.pack("<HH", side, side)
    yield "tga", bytes(tga)
    for name, dxgi in (("dds", 98), ("dds light", 95), ("dds floats", 10)):
        yield name, making.dds_head(side, side, dxgi) + bytes(64)
    psd = bytearray(making.psd(rgb))
    psd[14:22] = struct.pack(">II", side, side)
    yield "psd", bytes(psd)
    yield "pnm", f"P6 {side} {side} 255\n".encode() + bytes(64)
    yield "pfm", f"PF\n{side} {side}\n-1.0\n".encode() + bytes(64)
    yield "hdr", f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {side} +X {side}\n".encode() + bytes(64)
    yield "qoi", b"qoif" + struct.pack(">II", side, side) + b"\3\0" + bytes(64)
    light = bytearray(exr(rgb))
    for attribute in (b"dataWindow", b"displayWindow"):
        window = light.index(attribute + b"\0box2i\0") + len(attribute) + 7 + 4
        light[window : window + 16] = struct.pack("<4i", 0, 0, side - 1, side - 1)
    yield "exr", bytes(light)
    inside = making.png(side, side, 8, 2, b"\0")
    yield "ico", struct.pack("<3H4B2H2I", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(inside), 22) + inside
    pcx = bytearray(making.encoded(small, "PCX"))
    pcx[8:12] = struct.pack("<HH", side - 1, side - 1)
    pcx[66:68] = struct.pack("<H", side)
    yield "pcx", bytes(pcx)
    camera = making.dng()
    for kind in (3, 4):
        for tag, value in ((256, 64), (257, 48)):
            camera = camera.replace(struct.pack("<HHIH", tag, kind, 1, value), struct.pack("<HHIH", tag, kind, 1, side))
    yield "raw", camera


def jxl_head(width, height):
    """A bare codestream of this size and nothing else (ISO/IEC 18181-1, D.2)."""
    bits = at = 0
    # Signature; large; height in 30 bits; no fixed ratio; width in 30 bits; all else by default.
    for value, count in ((0xAFF, 16), (0, 1), (3, 2), (height - 1, 30), (0, 3), (3, 2), (width - 1, 30), (3, 2)):
        bits |= value << at
        at += count
    return bits.to_bytes(32, "little")


@pytest.mark.parametrize("name", [name for name, _ in bombs()])
def test_bombs_are_refused_by_their_header(tmp_path, name):
    path = write(tmp_path / "bomb", dict(bombs())[name])
    tracemalloc.start()
    try:
        message = refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
    # libavif refuses it before anyone can tell the size.
    assert "pixels" in message or name == "avif"


def test_the_limit_itself():
    from core.images.refusal import UnreadableError, check_size

    check_size(MAX_PIXELS, 1)
    for size in ((MAX_PIXELS + 1, 1), (0, 5), (5, 0)):
        with pytest.raises(UnreadableError):
            check_size(*size)


@pytest.mark.parametrize("kind", [b"iCCP", b"zTXt", b"iTXt"])
def test_remarks_that_explode_are_left_out(tmp_path, kind):
    packed = zlib.compress(bytes(200_000_000), 9)
    head = {
        b"iCCP": b"profile\0\0",
        b"zTXt": b"Raw profile type exif\0\0",
        b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0",
    }[kind]
    path = write(tmp_path / "a.png", making.png(1, 1, 8, 0, b"\0\7", extra=making.chunk(kind, head + packed)))
    tracemalloc.start()
    try:
        picture = load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000_000
    assert picture.pixels.tolist() == [[[7]]]
    assert picture.metadata == Metadata()


def tiff(entries, strip=b"\0" * 64):
    """A TIFF file of 8 x 8 grey pixels with one strip, and other or further tags."""
    tags = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: len(strip)} | entries
    table = b"".join(
        struct.pack("<HHII", code, 4, 1, value) if isinstance(value, int) else struct.pack("<HHI2H", code, 3, 2, *value)
        for code, value in sorted(tags.items())
    )
    strip += b"\0" * (len(strip) % 2)
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + table + bytes(4)


def peak_of_loading(path):
    tracemalloc.start()
    try:
        with suppress(UserError):
            load(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "entries",
    [
        {322: 1 << 20, 323: 1 << 20, 324: 8, 325: 64},
        {322: 1 << 15, 323: 1 << 15, 324: 8, 325: 64, 259: 8},
        {32997: 1 << 24},
        {32998: 1 << 24, 322: 16, 323: 16, 324: 8, 325: 64},
        {277: 60_000},
    ],
)
def test_tiff_layouts_that_would_take_all_memory(tmp_path, entries):
    path = write(tmp_path / "a.tif", tiff(entries))
    refusal(path, readers=[load])
    assert peak_of_loading(path) < 20_000_000


@pytest.mark.parametrize("compression", [1, 5, 8, 32773, 34925, 50000])
def test_strips_that_decompress_to_more_than_the_picture(tmp_path, compression):
    import imagecodecs

    zeros = bytes(100_000_000)
    packed = {
        1: lambda: zeros[:1_000_000],
        5: lambda: imagecodecs.lzw_encode(zeros[:10_000_000]),
        8: lambda: zlib.compress(zeros, 9),
        # By hand, 128 zeros in two bytes: the library takes minutes to pack them.
        32773: lambda: b"\x81\0" * (len(zeros) // 128),
        34925: lambda: imagecodecs.lzma_encode(zeros),
        50000: lambda: imagecodecs.zstd_encode(zeros),
    }[compression]()
    path = write(tmp_path / "a.tif", tiff({259: compression}, bytes(packed)))
    assert peak_of_loading(path) < 20_000_000


def test_pictures_inside_of_tiff_are_not_decoded_at_their_own_size(tmp_path):
    inner = making.encoded(Image.new("L", (8000, 8000)), "JPEG")
    for compression in (7, 34712, 50001, 50002):
        path = write(tmp_path / f"{compression}.tif", tiff({259: compression}, inner))
        assert peak_of_loading(path) < 20_000_000


@pytest.mark.parametrize("packing", [1, 2])
def test_lerc_that_unpacks_to_more_than_the_picture(tmp_path, packing):
    import imagecodecs

    zeros = b"Lerc2 " + bytes(100_000_000)
    packed = zlib.compress(zeros, 9) if packing == 1 else bytes(imagecodecs.zstd_encode(zeros))
    path = write(tmp_path / "a.tif", tiff({259: 34887, 50674: (4, packing)}, packed))
    refusal(path, readers=[load])
    assert peak_of_loading(path) < 20_000_000


@pytest.mark.parametrize("samples", [1, 4])
def test_rows_that_no_strip_holds(tmp_path, samples):
    # Grey goes to tifffile, and CMYK to Pillow, which left black what is missing.
    entries = {257: 8_000_000, 277: samples, 262: 5 if samples == 4 else 1}
    path = write(tmp_path / "a.tif", tiff(entries, bytes(64 * samples)))
    refusal(path, readers=[load])
    assert peak_of_loading(path) < 20_000_000


def test_hostile_xmp_takes_no_time(tmp_path):
    from core.images.metadata.xmp import Geometry, edited_xmp

    # Each of these made a search start that ran to the end: hours, were it not linear.
    packet = b"<xmp:Thumbnails " * 500_000 + b"tiff:Orientation " * 100_000
    assert edited_xmp(packet, Geometry((1, 1), (1, 1))) == packet


def test_thousands_of_tags_that_share_their_value_take_no_memory(tmp_path):
    value = bytes(1 << 20)
    table = b"".join(struct.pack("<HHII", code, 7, len(value), 64_000) for code in range(1000, 5000))
    details = struct.pack("<H", 4000) + table + bytes(4)
    entries = [(256, 3, 1), (257, 3, 1), (258, 3, 8), (262, 3, 1), (273, 4, 8), (279, 4, 1), (0x8769, 4, 200)]
    first = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", code, kind, 1, v) for code, kind, v in entries
    )
    content = (b"II*\0\x10\0\0\0" + bytes(8) + first + bytes(4)).ljust(200, b"\0") + details
    path = write(tmp_path / "a.tif", content.ljust(64_000, b"\0") + value)
    tracemalloc.start()
    try:
        load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300_000_000


NAMES = [
    "two\nlines.png",
    "\t\x1b[31mred.png",
    "🐈‍⬛ 猫 ñ.png",
    "a" * 246 + ".png",
    " .png",
    "-rf.png",
    "con.png",
    "%s{}.png",
]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows few of them")
@pytest.mark.parametrize("name", NAMES)
def test_strange_names(tmp_path, name):
    picture = Picture(making.noise(5, 4, 3, np.uint8), None)
    save(tmp_path / name, picture, "png")
    np.testing.assert_array_equal(load(tmp_path / name).pixels, picture.pixels)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with pytest.raises(UserError) as caught:
        load(tmp_path / "gone" / name)
    assert caught.value.message.isprintable()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("format", [row.key for row in FORMATS.values() if row.can_choose])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_full_disk_says_so_and_leaves_the_old_file(tmp_path, monkeypatch, format, dtype):
    (tmp_path / "a").write_bytes(b"the old one")
    monkeypatch.setattr("core.atomic.secrets.token_hex", lambda _count: "full")
    (tmp_path / ".srgan-full.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        save(tmp_path / "a", Picture(making.noise(64, 64, 3, dtype), None, Metadata(exif=making.exif())), format)
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"the old one"


def test_a_folder_that_is_gone_is_a_system_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "gone" / "a.png", Picture(np.zeros((1, 1, 3), np.uint8), None), "png")
