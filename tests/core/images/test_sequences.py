"""Pages of a TIFF and frames of an animation: all of them, with what belongs to each."""

import io
import struct
import tracemalloc
import zlib
from contextlib import suppress
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from core.contract.cancel import Cancelled
from core.contract.errors import UserError
from core.images import FORMATS, Metadata, Picture, load, load_all, probe, save_all
from core.images.animation import Timing
from core.images.cicp import Cicp

from . import making
from .test_kinds import write

DURATIONS = [100, 200, 50, 400, 70]
ANIMATIONS = ["gif", "png", "webp", "avif"]


def frames(count=5, size=(40, 30), alpha=False):
    made = []
    for number in range(count):
        rgb = np.zeros((size[1], size[0], 3), np.uint8)
        rgb[..., number % 3] = 255
        rgb[5:15, 4 * number : 4 * number + 8] = (40 * number, 200, 90)
        image = Image.fromarray(rgb)
        if alpha:
            veil = np.full((size[1], size[0]), 255, np.uint8)
            veil[:, : 6 + number] = 0
            image.putalpha(Image.fromarray(veil))
        made.append(image)
    return made


def animate(path, format, images, loop=0, **options):
    options |= {"lossless": True} if format == "webp" else {"quality": 100} if format == "avif" else {}
    if loop is not None and format != "avif":
        options["loop"] = loop
    images[0].save(
        path, format.upper(), save_all=True, append_images=images[1:], duration=DURATIONS[: len(images)], **options
    )


def seen(path):
    """What Pillow shows of each frame, as RGBA, and for how long."""
    with Image.open(path) as image:
        result = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            image.load()
            result.append((np.asarray(image.convert("RGBA")), round(image.info.get("duration", 0))))
        return result


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("format", ANIMATIONS)
@pytest.mark.parametrize("target", ANIMATIONS)
def test_all_frames_and_their_times(tmp_path, format, target, alpha):
    animate(tmp_path / "a", format, frames(alpha=alpha))
    assert probe(tmp_path / "a").frames == 5
    sequence = load_all(tmp_path / "a")
    assert sequence.count == 5
    assert sequence.timing == Timing(tuple(DURATIONS), 0)
    notes = save_all(tmp_path / "b", sequence.pictures, target, timing=sequence.timing, lossless=True)
    assert notes == ()
    before, after = seen(tmp_path / "a"), seen(tmp_path / "b")
    assert [duration for _frame, duration in after] == DURATIONS
    for (one, _), (two, _) in zip(before, after, strict=True):
        solid = one[..., 3] > 0
        np.testing.assert_array_equal(two[..., 3] > 0, solid)
        if "avif" not in (format, target):
            np.testing.assert_array_equal(one[solid], two[solid])
        else:
            assert np.abs(one[solid].astype(int) - two[solid]).mean() < 8
    assert load(tmp_path / "b").format == target
    assert probe(tmp_path / "b").frames == 5


@pytest.mark.parametrize("format", ["gif", "png", "webp"])
@pytest.mark.parametrize("loop", [None, 0, 3])
def test_how_often_it_is_played(tmp_path, format, loop):
    animate(tmp_path / "a", format, frames(3), loop)
    for target in (*ANIMATIONS, "jxl"):
        sequence = load_all(tmp_path / "a")
        save_all(tmp_path / "b", sequence.pictures, target, timing=sequence.timing)
        again = load_all(tmp_path / "b").timing
        assert again == sequence.timing
        # And what was read from an AVIF goes on.
        if target == "avif":
            save_all(tmp_path / "c", load_all(tmp_path / "b").pictures, "gif", timing=again)
            assert load_all(tmp_path / "c").timing == sequence.timing
            # libavif counts the whole length of the track by that of one edit.
            content = (tmp_path / "b").read_bytes()
            total, once = (
                int.from_bytes(content[at : at + 8], "big")
                for at in (content.index(b"tkhd") + 32, content.index(b"elst") + 12)
            )
            assert once == sum(DURATIONS[:3])
            assert total == (again.plays * once or (1 << 64) - 1)
        if target == format:
            with Image.open(tmp_path / "a") as one, Image.open(tmp_path / "b") as two:
                assert one.info.get("loop") == two.info.get("loop")


JXL_OF_CJXL = bytes.fromhex(
    "ff0a58304100161497040808a082000034044b120912183804c12405053d850ed9e8d8d878b101b04fd98b3146c6182fc6c8"
    "e4e5c57819638cb912000420040840101000186168d4c084a91c603c4024966b109a07a98e900a4c6247a350c810805c0c70"
    "c94989c88b30ef0dd656ba06cfc7c4e008ed4bb0a399790fc5d797eeb82cfaf0acc723152a6bae87c0ad6691e652953d81ee"
    "93ec2a8b50c773e9229c166e90e1600b728c8c632d9b8cdeaa77195d615552b3f99ddbbc6bd02ddea5bb514d449c6e679e1a"
    "a8627c8ccf1933d399330cc0fe2c0d56e984b8c5dae0f49c0a35b113d6b23a9a1ab568b66f6193ede4cf1025ed0e7cb943be"
    "ea7523efbb7b73be5de263308b384e183949ee2169d87e44e8edddb56862e945f2350a902108882080800106329107020084"
    "004b12c58205526083628c8c8cc1823178528c3c00ec1f38003de7d224f422508f0f088840400001043211020078004b12c5"
    "828524d640e60d00001188f303300200381600b0145100e07d000008880000c0000332d12c010000010064004b12c5828524"
    "d6608c0b000080e17d00c60314030802dc0700"
)
"""Made by cjxl 0.7.0, without loss, of a GIF of 16 x 12: a whole frame for 100 ms, one of 6 x 6 at (4, 4) for 70 ms, a
layer that is shown with the next alone, and one of 3 x 3 at (0, 0) for 3 s."""


def test_frames_and_layers_of_a_jpeg_xl(tmp_path):
    sequence = load_all(write(tmp_path / "a.jxl", JXL_OF_CJXL))
    assert sequence.timing == Timing((100, 70, 3000), 0)
    assert probe(tmp_path / "a.jxl").frames == 3
    corner, middle, layer = zip(*(picture.pixels[[0, 5, 3], [0, 5, 9]] for picture in sequence.pictures), strict=True)
    np.testing.assert_array_equal(corner, [[10, 20, 30], [10, 20, 30], [230, 220, 90]])
    np.testing.assert_array_equal(middle, [[255, 255, 255], [60, 210, 70], [60, 210, 70]])
    np.testing.assert_array_equal(layer, [[0, 0, 0], [0, 0, 0], [200, 40, 50]])
    first = load(tmp_path / "a.jxl")
    assert first.notes == ("Only the first of its 3 frames was taken.",)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [3, 4])
# More than one section a frame, and more than one of the coarse ones.
@pytest.mark.parametrize("size", [(40, 30), (2100, 300)])
def test_an_animated_jpeg_xl(tmp_path, size, channels, dtype, lossless):
    made = [making.smooth(size[0], size[1], channels, seed=number, dtype=dtype) for number in range(3)]
    pictures = [Picture(each[..., :3], each[..., 3] if channels == 4 else None) for each in made]
    timing = Timing((40, 1, 70_000), 3)
    assert save_all(tmp_path / "a.jxl", iter(pictures), "jxl", 95, timing=timing, lossless=lossless) == ()
    whole = imagecodecs.jpegxl_decode((tmp_path / "a.jxl").read_bytes())
    sequence = load_all(tmp_path / "a.jxl")
    assert sequence.timing == timing
    for picture, decoded, wanted in zip(sequence.pictures, whole, made, strict=True):
        np.testing.assert_array_equal(picture.pixels, decoded[..., :3])
        assert picture.pixels.dtype == dtype
        top = np.iinfo(dtype).max
        error = np.abs(decoded.astype(float) - wanted) / top
        assert error.max() == 0 if lossless else error.mean() < 0.02


@pytest.mark.parametrize(
    ("metadata", "notes"),
    [
        (Metadata(icc=making.profile("sRGB"), xmp=making.XMP), ("Written without loss, as the encoder",)),
        (Metadata(cicp=Cicp(12, 13)), ()),
        (Metadata(cicp=Cicp(9, 16)), ("Written without loss, as the encoder",)),
    ],
)
def test_what_an_animated_jpeg_xl_says_beside(tmp_path, metadata, notes):
    pictures = [Picture(making.smooth(40, 30, seed=number, dtype=np.uint16), None, metadata) for number in range(3)]
    timing = Timing((40, 300, 50), 0)
    said = save_all(tmp_path / "a.jxl", iter(pictures), "jxl", 90, timing=timing)
    assert [note[: len(words)] for note, words in zip(said, notes, strict=True)] == list(notes)
    again = load_all(tmp_path / "a.jxl")
    assert again.timing == timing
    for picture in again.pictures:
        assert (picture.metadata.icc, picture.metadata.cicp) == (metadata.icc, metadata.cicp)
        assert bool(picture.metadata.xmp) == bool(metadata.xmp)


def test_frames_of_a_gif_become_a_jpeg_xl(tmp_path):
    animate(tmp_path / "a", "gif", frames(alpha=True), loop=3)
    sequence = load_all(tmp_path / "a")
    save_all(tmp_path / "b", sequence.pictures, "jxl", timing=sequence.timing, lossless=True)
    again = load_all(tmp_path / "b")
    assert again.timing == sequence.timing
    for (one, _), two in zip(seen(tmp_path / "a"), again.pictures, strict=True):
        assert two.alpha is not None
        np.testing.assert_array_equal(two.alpha, one[..., 3])
        np.testing.assert_array_equal(two.pixels[two.alpha > 0], one[..., :3][two.alpha > 0])


def test_an_animated_jpeg_xl_too_large_to_be_decoded_at_once(tmp_path, monkeypatch):
    at_once = [picture.pixels for picture in load_all(write(tmp_path / "a.jxl", JXL_OF_CJXL)).pictures]
    monkeypatch.setattr("core.images.jxl.MOST_AT_ONCE", 0)
    for picture, wanted in zip(load_all(tmp_path / "a.jxl").pictures, at_once, strict=True):
        np.testing.assert_array_equal(picture.pixels, wanted)


def test_an_animated_jpeg_xl_with_a_broken_frame_is_refused_or_shown(tmp_path):
    for at in range(30, len(JXL_OF_CJXL), 7):
        broken = bytearray(JXL_OF_CJXL)
        broken[at] ^= 0x5A
        with suppress(UserError):
            list(load_all(write(tmp_path / "a.jxl", bytes(broken))).pictures)
    for end in range(0, len(JXL_OF_CJXL) - 1, 9):
        with pytest.raises(UserError):
            list(load_all(write(tmp_path / "a.jxl", JXL_OF_CJXL[:end])).pictures)


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_disposal_of_a_gif_is_applied(tmp_path, disposal):
    """Frames that change a part, and are cleared, or not, before the next."""
    base = Image.new("P", (20, 20), 0)
    base.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255] + [0] * 756)
    parts = []
    for number in (1, 2, 3):
        part = base.copy()
        part.paste(number, (number * 4, 2, number * 4 + 6, 12))
        parts.append(part)
    parts[0].save(
        tmp_path / "a.gif", save_all=True, append_images=parts[1:], duration=80, disposal=disposal, transparency=0
    )
    sequence = load_all(tmp_path / "a.gif")
    save_all(tmp_path / "b.gif", sequence.pictures, "gif", timing=sequence.timing)
    for (one, _), (two, _) in zip(seen(tmp_path / "a.gif"), seen(tmp_path / "b.gif"), strict=True):
        solid = one[..., 3] > 0
        np.testing.assert_array_equal(two[..., 3] > 0, solid)
        np.testing.assert_array_equal(one[solid], two[solid])


def test_the_picture_for_programs_without_animation_is_no_frame(tmp_path):
    still, *rest = frames(4)
    still.save(tmp_path / "a.png", save_all=True, append_images=rest, default_image=True, duration=[10, 20, 30])
    assert probe(tmp_path / "a.png").frames == 3
    sequence = load_all(tmp_path / "a.png")
    assert sequence.timing.durations == (10, 20, 30)
    first = next(sequence.pictures)
    np.testing.assert_array_equal(first.pixels, np.asarray(rest[0]))


def apng(bits, colour, controls, default=False, plays=0, size=(20, 14), first=0):
    """An animation by hand: each of `controls` is place and size, delay, what becomes of it, and how it is laid."""
    made = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0))
    made += chunk(b"acTL", struct.pack(">II", len(controls), plays))
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]

    def data(width, height, seed):
        samples = making.noise(width, height, channels, np.uint8, seed=seed)
        if colour in (4, 6):
            samples[..., -1] = np.where(samples[..., -1] < 80, 0, np.where(samples[..., -1] > 160, 255, 128))
        if bits == 16:
            samples = (samples.astype(np.uint16) * 257).astype(">u2")
        return zlib.compress(b"".join(b"\0" + row.tobytes() for row in samples))

    if default:
        made += chunk(b"IDAT", data(size[0], size[1], 99))
    number = 0
    for index, (left, top, width, height, delay, disposal, blending) in enumerate(controls):
        control = struct.pack(">5I2H2B", number, width, height, left, top, *delay, disposal, blending)
        made += chunk(b"fcTL", control)
        number += 1
        if index == 0 and not default:
            made += chunk(b"IDAT", data(width, height, first))
            continue
        packed = data(width, height, first + index)
        for part in (packed[:40], packed[40:]):
            made += chunk(b"fdAT", struct.pack(">I", number) + part)
            number += 1
    return made + chunk(b"IEND", b"")


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


CONTROLS = [
    (0, 0, 20, 14, (1, 10), 0, 0), (2, 3, 9, 8, (3, 100), 2, 1), (5, 1, 12, 9, (250, 1000), 1, 1),
    (0, 0, 6, 6, (5, 0), 0, 0), (4, 4, 10, 10, (7, 30), 0, 1),
]  # fmt: skip


def as_browsers_show(colour, controls):
    """Each frame of `apng`, H x W x 4 of 0 to 255, by Pillow's composition of pictures of equal size."""
    canvas, shown = Image.new("RGBA", (20, 14)), []
    for index, (left, top, width, height, _delay, disposal, blending) in enumerate(controls):
        still = Image.open(
            io.BytesIO(apng(8, colour, [(0, 0, width, height, (1, 1), 0, 0)], size=(width, height), first=index))
        )
        layer = Image.new("RGBA", canvas.size)
        layer.paste(still.convert("RGBA"), (left, top))
        before = canvas.copy()
        if blending:
            canvas = Image.alpha_composite(canvas, layer)
        else:
            canvas.paste(still.convert("RGBA"), (left, top))
        shown.append(np.asarray(canvas))
        if disposal == 2 and index:
            canvas = before
        elif disposal:
            canvas.paste((0, 0, 0, 0), (left, top, left + width, top + height))
    return shown


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colour", [0, 2, 4, 6])
@pytest.mark.parametrize("default", [False, True])
def test_frames_of_a_png_are_laid_one_over_the_other(tmp_path, bits, colour, default):
    path = write(tmp_path / "a.png", apng(bits, colour, CONTROLS, default, 3))
    sequence = load_all(path)
    assert sequence.timing == Timing((100, 30, 250, 50, 233), 3)
    read = list(sequence.pictures)
    unit = 257 if bits == 16 else 1
    for picture, expected in zip(read, as_browsers_show(colour, CONTROLS), strict=True):
        assert picture.bits == bits
        # An opaque frame that is taken away leaves nothing behind it, whatever the pixels are stored as.
        np.testing.assert_allclose(picture.alpha / unit, expected[..., 3], atol=1)
        seen = expected[..., 3] > 0
        np.testing.assert_allclose((picture.pixels / unit)[seen], expected[..., :3][seen], atol=2)
    save_all(tmp_path / "b.png", iter(read), "png", timing=sequence.timing)
    again = load_all(tmp_path / "b.png")
    assert again.timing == sequence.timing
    for one, two in zip(read, again.pictures, strict=True):
        np.testing.assert_array_equal(one.pixels, two.pixels)
        np.testing.assert_array_equal(one.alpha, two.alpha)


def test_an_animated_png_of_a_palette(tmp_path):
    images = [image.quantize(8) for image in frames(3)]
    images[0].save(tmp_path / "a.png", save_all=True, append_images=images[1:], duration=[10, 20, 30], disposal=0)
    sequence = load_all(tmp_path / "a.png")
    assert sequence.timing.durations == (10, 20, 30)
    for image, picture in zip(images, sequence.pictures, strict=True):
        np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")))
        assert picture.alpha is None


def test_photographs_keep_their_look_in_a_gif(tmp_path):
    smooth = [Image.fromarray(making.smooth(120, 90, seed=seed)) for seed in range(3)]
    animate(tmp_path / "a.png", "png", smooth)
    sequence = load_all(tmp_path / "a.png")
    save_all(tmp_path / "b.gif", sequence.pictures, "gif", timing=sequence.timing)
    for image, (shown, _) in zip(smooth, seen(tmp_path / "b.gif"), strict=True):
        blurred = [
            np.asarray(each.convert("RGB").resize((30, 22))).astype(int) for each in (image, Image.fromarray(shown))
        ]
        assert np.abs(blurred[0] - blurred[1]).mean() < 4


@pytest.mark.parametrize("format", ["png", "webp", "avif", "gif"])
def test_what_is_said_of_an_animation_stays(tmp_path, format):
    metadata = Metadata(xmp=making.XMP, icc=making.profile(), exif=None if format == "gif" else making.exif())
    made = [Picture(np.asarray(image), None, metadata) for image in frames(3)]
    save_all(tmp_path / "a", iter(made), format, timing=Timing((10, 20, 30), 0))
    again = load(tmp_path / "a")
    assert b"J\xc3\xb6rg" in again.metadata.xmp
    assert again.metadata.icc == metadata.icc
    if metadata.exif:
        assert making.read_exif(again.metadata.exif)[making.ARTIST] == "Ada Lovelace"


def test_pages_keep_their_own_mode_size_and_words(tmp_path):
    rng = np.random.default_rng(0)
    pages: list[tuple[np.ndarray, dict[str, Any]]] = [
        (rng.integers(0, 256, (30, 40, 3), np.uint8), {"photometric": "rgb", "description": "first"}),
        (rng.integers(0, 65536, (20, 50), np.uint16), {"photometric": "minisblack", "description": "second"}),
        (rng.integers(0, 256, (10, 12, 4), np.uint8), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        (rng.random((8, 9)).astype(np.float32) * 500 - 20, {"photometric": "minisblack", "resolution": (300, 300)}),
    ]
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for array, options in pages:
            tiff.write(array, metadata=None, resolutionunit="INCH", **options)
            # A smaller version of it is no page.
            tiff.write(array[::2, ::2], metadata=None, subfiletype=1)
    assert probe(tmp_path / "a.tif").frames == 4
    for keep_values in (False, True):
        save_all(tmp_path / "b.tif", load_all(tmp_path / "a.tif").pictures, "tiff", keep_values=keep_values)
        with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
            assert len(tiff.pages) == 4
            for index, (array, options) in enumerate(pages):
                page = tiff.pages[index]
                if index < 3 or keep_values:
                    assert page.dtype == array.dtype
                    np.testing.assert_allclose(page.asarray(), array, atol=0.01 if index == 3 else 0)
                if "description" in options:
                    assert page.tags["ImageDescription"].value == options["description"]
            assert tiff.pages[3].tags["XResolution"].value == (300, 1)
    assert probe(tmp_path / "b.tif").frames == 4


def test_a_file_of_many_pages_takes_the_memory_of_one(tmp_path):
    def made(count):
        for number in range(count):
            yield Picture(making.noise(400, 300, 3, np.uint8, seed=number), None)

    def peak(count):
        save_all(tmp_path / "a.tif", made(count), "tiff")
        tracemalloc.start()
        try:
            save_all(tmp_path / "b.tif", load_all(tmp_path / "a.tif").pictures, "tiff")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # Two: of several pages one may be decoded while the one before is written.
    few, many = peak(2), peak(30)
    assert many < few + 500_000


def test_what_may_grow_beyond_four_gigabytes_is_a_big_tiff(tmp_path):
    picture = Picture(making.noise(8, 8, 3, np.uint8), None, Metadata(exif=making.exif()))
    save_all(tmp_path / "a.tif", [picture, picture], "tiff", expected_bytes=5_000_000_000)
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II+\0"
    assert [page.metadata.exif is not None for page in load_all(tmp_path / "a.tif").pictures] == [True, True]
    np.testing.assert_array_equal(load(tmp_path / "a.tif").pixels, picture.pixels)


def test_a_broken_page_leaves_no_result(tmp_path):
    rgb = making.noise(20, 20, 3, np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", np.stack([rgb, rgb, rgb]), photometric="rgb", metadata=None, compression="zlib"
    )
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        at = tiff.pages[1].dataoffsets[0]
    content[at : at + 40] = bytes(40)
    write(tmp_path / "b.tif", bytes(content))
    with pytest.raises(UserError, match=r"“b.tif” is damaged"):
        save_all(tmp_path / "c.tif", load_all(tmp_path / "b.tif").pictures, "tiff")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "b.tif"]


@pytest.mark.parametrize("format", [*ANIMATIONS, "tiff"])
def test_who_cancels_between_pictures_waits_for_no_more(tmp_path, format):
    if format == "tiff":
        frames()[0].save(tmp_path / "a", "TIFF", save_all=True, append_images=frames()[1:])
    else:
        animate(tmp_path / "a", format, frames())
    asked = []

    def check():
        asked.append(1)
        if len(asked) > 8:
            raise Cancelled

    def take_all():
        for _ in range(3):
            list(load_all(tmp_path / "a", check).pictures)

    with pytest.raises(Cancelled):
        take_all()


@pytest.mark.parametrize("format", [*ANIMATIONS, "deep png"])
def test_broken_animations_are_pictures_or_refused(tmp_path, format):
    buffer = io.BytesIO()
    if format != "deep png":
        animate(buffer, format, frames(4))
    whole = buffer.getvalue() or apng(16, 6, CONTROLS)
    rng = np.random.default_rng(7)
    for number in range(500):
        broken = bytearray(whole)
        for _ in range(1 + number % 3):
            broken[rng.integers(len(broken))] = rng.integers(256)
        if number % 5 == 0:
            broken = broken[: rng.integers(1, len(broken))]
        path = write(tmp_path / "a", bytes(broken))
        try:
            for picture in load_all(path).pictures:
                assert picture.pixels.shape[2] in (1, 3)
        except UserError as error:
            said = error
            assert "\n" not in str(said)


def test_formats_of_several_pictures():
    assert {row.key for row in FORMATS.values() if row.several == "frames"} == {*ANIMATIONS, "jxl"}
    assert [row.key for row in FORMATS.values() if row.several == "pages"] == ["tiff", "dicom"]


def test_an_animation_that_claims_a_million_frames(tmp_path):
    animate(tmp_path / "a.png", "png", frames(3))
    content = bytearray((tmp_path / "a.png").read_bytes())
    at = content.index(b"acTL") + 4
    content[at : at + 4] = struct.pack(">I", 1_000_000)
    with pytest.raises(UserError):
        list(load_all(write(tmp_path / "b.png", bytes(content))).pictures)


def test_a_small_file_that_claims_hours_of_pixels(tmp_path):
    animate(tmp_path / "a.webp", "webp", frames(4))
    content = bytearray((tmp_path / "a.webp").read_bytes())
    at = content.index(b"VP8X") + 12
    content[at : at + 3] = (10_000_000).to_bytes(3, "little")
    with pytest.raises(UserError, match="far too many"):
        load_all(write(tmp_path / "b.webp", bytes(content)))


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [3, 4])
def test_the_first_frame_of_a_deep_avif(tmp_path, bits, channels):
    # Asked for one of several frames, the library writes beyond its memory.
    deep = np.stack([making.noise(300, 200, channels, np.uint16, seed=number) >> (16 - bits) for number in range(4)])
    content = imagecodecs.avif_encode(deep, level=100, bitspersample=bits, pixelformat="444", speed=10)
    picture = load(write(tmp_path / "a.avif", content))
    assert picture.bits == bits
    assert (picture.alpha is not None) == (channels == 4)
    first = deep[0, ..., :3].astype(np.float64) * 65535 / ((1 << bits) - 1)
    assert np.abs(picture.pixels - first).mean() < 200


def test_comments_of_an_animated_gif_stay_in_it(tmp_path):
    animate(tmp_path / "a.gif", "gif", frames(3))
    data = (tmp_path / "a.gif").read_bytes()
    text = "Hallö ".encode() * 60
    blocks = b"".join(bytes((len(text[at : at + 255]),)) + text[at : at + 255] for at in range(0, len(text), 255))
    (tmp_path / "a.gif").write_bytes(data[:-1] + b"\x21\xfe" + blocks + b"\0;")
    sequence = load_all(tmp_path / "a.gif")
    assert save_all(tmp_path / "b.gif", sequence.pictures, "gif", timing=sequence.timing) == ()
    with Image.open(tmp_path / "b.gif") as image:
        assert image.info["comment"] == text


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [3, 4])
def test_all_frames_of_a_deep_avif(tmp_path, bits, channels):
    deep = np.stack([making.smooth(60, 40, channels, seed=each, dtype=np.uint16) >> (16 - bits) for each in range(3)])
    content = imagecodecs.avif_encode(deep, level=100, bitspersample=bits, pixelformat="444", speed=10)
    sequence = load_all(write(tmp_path / "a.avif", content))
    made = list(sequence.pictures)
    for picture, wanted in zip(made, deep, strict=True):
        assert (picture.bits, picture.notes, picture.alpha is not None) == (bits, (), channels == 4)
        error = np.abs(picture.pixels - wanted[..., :3].astype(np.float64) * 65535 / ((1 << bits) - 1))
        assert error.max() < 65535 / 256
    for target in ("png", "jxl"):
        save_all(tmp_path / "b", iter(made), target, timing=sequence.timing, lossless=True)
        for one, two in zip(made, load_all(tmp_path / "b").pictures, strict=True):
            np.testing.assert_array_equal(one.pixels, two.pixels)


def test_frames_of_ten_bits_say_what_they_lose_where_they_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr("core.images.animation.MOST_AT_ONCE", 0)
    samples = np.stack([making.noise(32, 24, 3, np.uint16) >> 6] * 2)
    (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(samples, level=100, bitspersample=10))
    for picture in load_all(tmp_path / "a.avif").pictures:
        assert picture.notes == ("Its 10 bits a channel were reduced to 8.",)


@pytest.mark.parametrize("format", ["webp", "png"])
def test_all_frames_are_turned_upright_like_the_first(tmp_path, format):
    images = frames(3)
    options = {"lossless": True, "exact": True} if format == "webp" else {}
    images[0].save(
        tmp_path / "a", format, save_all=True, append_images=images[1:], exif=b"Exif\0\0" + making.exif(6), **options
    )
    first = load(tmp_path / "a")
    turned = [picture.pixels for picture in load_all(tmp_path / "a").pictures]
    assert probe(tmp_path / "a").width == first.width == 30
    np.testing.assert_array_equal(turned[0], first.pixels)
    for image, pixels in zip(images, turned, strict=True):
        np.testing.assert_array_equal(pixels, np.rot90(np.asarray(image.convert("RGB")), -1))
