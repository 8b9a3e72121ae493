from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from skimage import data

from core.contract.errors import UserError
from core.images import FORMATS, Metadata, Picture, load, probe, save, thumbnail

from . import making

LUMA = np.array([0.299, 0.587, 0.114])
LOSSLESS = [("png", 95), ("tiff", 95), ("webp", 100)]


@st.composite
def pictures(draw: st.DrawFn, *, noisy: bool) -> Picture:
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    channels = draw(st.sampled_from([1, 3]))
    make = making.noise if noisy else lambda *arguments: making.smooth(*arguments[:3], dtype=arguments[3])
    alpha = making.noise(width, height, 1, dtype, seed=1)[..., 0] if draw(st.booleans()) else None
    return Picture(make(width, height, channels, dtype), alpha)


@pytest.mark.parametrize(("format", "quality"), LOSSLESS)
@settings(max_examples=40)
@given(picture=pictures(noisy=True))
def test_lossless_formats_keep_every_value(tmp_path_factory, format, quality, picture):
    path = tmp_path_factory.mktemp("round") / "picture"
    notes = save(path, picture, format, quality)
    again, header = load(path), probe(path)

    row, expected, alpha = FORMATS[format], picture.pixels, picture.alpha
    if picture.pixels.dtype == np.uint16 and not row.sixteen_bit:
        expected, alpha = (None if x is None else np.rint(x / 257).astype(np.uint8) for x in (expected, alpha))
        assert "16 bits" in notes[0]
    else:
        assert notes == ()
    if not row.grey:
        expected = np.broadcast_to(expected, (*expected.shape[:2], 3))
    if not _keeps(format, alpha):
        alpha = None
    np.testing.assert_array_equal(again.pixels, expected)
    assert again.pixels.dtype == expected.dtype
    assert (again.alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(again.alpha, alpha)
        assert again.alpha.dtype == again.pixels.dtype
    assert again.pixels.flags.c_contiguous
    assert again.pixels.flags.writeable
    assert (header.width, header.height, header.format) == (picture.width, picture.height, format)
    assert (header.sixteen_bit, header.alpha) == (again.pixels.dtype == np.uint16, again.alpha is not None)


@pytest.mark.parametrize(("format", "stays"), [("png", True), ("tiff", True), ("webp", False), ("avif", False)])
def test_alpha_that_hides_nothing_stays_where_the_format_keeps_it(tmp_path, format, stays):
    picture = Picture(making.noise(9, 7, 3, np.uint8), np.full((7, 9), 255, np.uint8))
    save(tmp_path / "picture", picture, format, 100)
    again = load(tmp_path / "picture")
    assert (again.alpha is not None) == stays
    assert again.alpha is None or again.alpha.min() == 255


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
@settings(max_examples=15)
@given(picture=pictures(noisy=False))
@example(picture=Picture(np.full((1, 1, 3), 9, np.uint8), np.full((1, 1), 255, np.uint8)))
def test_lossy_formats_stay_close(tmp_path_factory, format, picture):
    if not FORMATS[format].alpha:
        picture = Picture(picture.pixels, None)
    path = tmp_path_factory.mktemp("round") / "picture"
    save(path, picture, format, 98)
    again = load(path)
    wanted = picture.pixels / (257 if picture.pixels.dtype == np.uint16 else 1)
    assert (again.height, again.width) == wanted.shape[:2]
    assert again.pixels.dtype == (picture.pixels.dtype if FORMATS[format].bits > 8 else np.uint8)
    shown = again.pixels / (257 if again.pixels.dtype == np.uint16 else 1)
    # Colours under transparent pixels are nobody's.
    visible = np.ones(wanted.shape[:2], bool) if picture.alpha is None else picture.alpha > 0
    # Luma, as WebP always stores colour at half the resolution.
    luma, wanted_luma = (x @ LUMA if x.shape[2] == 3 else x[..., 0] for x in (shown, wanted))
    assert np.abs(luma - wanted_luma)[visible].sum() <= 8 * visible.sum()
    assert (again.alpha is None) == (picture.alpha is None or not _keeps(format, picture.alpha))


def _keeps(format, alpha):
    """WebP and AVIF leave out an alpha plane that hides nothing."""
    return format not in ("webp", "avif") or alpha is None or alpha.min() < np.iinfo(alpha.dtype).max


def test_jpeg_and_avif_keep_colour_at_full_resolution(tmp_path):
    # One-pixel stripes of equal luma: subsampled chroma would turn them into one grey.
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, 0::2], stripes[:, 1::2] = (200, 60, 60), (60, 131, 60)
    for format in ("jpeg", "avif"):
        save(tmp_path / format, Picture(stripes, None), format, 95)
        assert np.abs(load(tmp_path / format).pixels.astype(int) - stripes).mean() < 6


def test_quality_changes_the_size(tmp_path):
    photo = Picture(data.astronaut()[:128, :128], None)
    for format in ("jpeg", "webp", "avif"):
        save(tmp_path / "low", photo, format, 30)
        save(tmp_path / "high", photo, format, 95)
        assert (tmp_path / "low").stat().st_size * 2 < (tmp_path / "high").stat().st_size


@pytest.mark.parametrize("kind", ["dither", "halftone", "checks", "text", "levels", "photo", "noise"])
def test_a_png_is_about_as_small_as_zlib_can_make_it(tmp_path, kind):
    y, x = np.mgrid[0:512, 0:640]
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    bars = np.random.default_rng(1).integers(0, 2, (64, 80)).repeat(8, axis=0).repeat(8, axis=1)
    pixels = {
        "dither": np.where(x / 40 > np.tile(bayer, (128, 160)), 255, 0),
        "halftone": np.where((x + y) % 2, 255, 0),
        "checks": np.where((x // 8 + y // 8) % 2, 255, 0),
        "text": bars * 255,
        # The same as a network gives it: close to two tones, and repeating.
        "levels": np.where((x // 4 + y // 4) % 2, 250 - x % 4, 3 + y % 4),
        "photo": making.smooth(640, 512, 1)[..., 0],
        "noise": making.noise(640, 512, 1, np.uint8)[..., 0],
    }[kind].astype(np.uint8)
    save(tmp_path / "a.png", Picture(pixels[..., None], None), "png")
    png = imagecodecs.PNG
    best = min(
        len(imagecodecs.png_encode(pixels, level=9, strategy=strategy, filter=filter))
        for strategy in (png.STRATEGY.DEFAULT, png.STRATEGY.FILTERED)
        for filter in (png.FILTER.NO, png.FILTER.SUB, png.FILTER.UP, png.FILTER.PAETH, png.FILTER.ALL)
    )
    assert (tmp_path / "a.png").stat().st_size <= 1.3 * best
    np.testing.assert_array_equal(load(tmp_path / "a.png").pixels[..., 0], pixels)


def test_a_photograph_is_not_packed_in_the_ways_for_drawings(tmp_path, monkeypatch):
    levels = []
    encode = imagecodecs.png_encode

    def counted(pixels, level, **ways):
        levels.append(level)
        return encode(pixels, level=level, **ways)

    monkeypatch.setattr(imagecodecs, "png_encode", counted)
    save(tmp_path / "a.png", Picture(data.astronaut(), None), "png")
    assert max(levels) <= 4
    assert len(levels) == 3, "some of it in two ways, and then all"


def test_sixteen_bits_are_rounded_to_the_nearest_eight(tmp_path):
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    save(tmp_path / "every.webp", Picture(every, None), "webp", 100)
    np.testing.assert_array_equal(load(tmp_path / "every.webp").pixels, np.rint(every / 257).astype(np.uint8))


def test_alpha_and_jpeg_are_a_defect_of_the_caller(tmp_path):
    with pytest.raises(ValueError, match="alpha"):
        save(tmp_path / "a.jpg", Picture(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint8)), "jpeg")
    with pytest.raises(ValueError, match="GIF"):
        save(tmp_path / "a.gif", Picture(np.zeros((2, 2, 3), np.uint8), None), "gif")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
def test_a_side_beyond_the_format_is_refused_in_words(tmp_path, format):
    side = FORMATS[format].max_side + 1
    with pytest.raises(UserError, match=r"long\.x") as refusal:
        save(tmp_path / "long.x", Picture(np.zeros((1, side, 3), np.uint8), None), format)
    assert "PNG" in refusal.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
def test_the_longest_allowed_side_can_be_written(tmp_path, format):
    side = FORMATS[format].max_side
    save(tmp_path / "long", Picture(np.zeros((1, side, 3), np.uint8), None), format)
    assert probe(tmp_path / "long").width == side


def test_many_threads_at_once_give_what_one_gives(tmp_path):
    def there_and_back(number: int) -> bool:
        format, quality = LOSSLESS[number % len(LOSSLESS)]
        picture = Picture(
            making.noise(50 + number, 60, 3, np.uint8, seed=number), None, Metadata(dpi=(number + 1.0,) * 2)
        )
        path = tmp_path / f"{number}"
        save(path, picture, format, quality)
        again = load(path)
        thumbnail(path, 16)
        return bool((again.pixels == picture.pixels).all()) and again.metadata.dpi == picture.metadata.dpi

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(24)))
