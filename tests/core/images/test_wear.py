"""What is estimated of pictures whose wear is known: in the right order, and near it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from core import paths
from core.images import load
from core.images.jpeg_traces import find_traces, quality_of_tables
from core.images.wear import WearEstimate, estimate_wear

SAMPLES = ("astronaut.jpg", "cat.jpg", "coffee.webp", "rocket.jpg")


@pytest.fixture(params=SAMPLES)
def photograph(request: pytest.FixtureRequest) -> np.ndarray:
    """H x W x 3 uint8, small and clean: the samples are reduced from larger ones."""
    return load(paths.RESOURCES / "samples" / request.param).pixels


def noisy(picture: np.ndarray, sigma: float, seed: int = 5, spread: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, picture.shape)
    for _ in range(spread):
        for axis in (0, 1):
            noise = noise + 0.4 * (np.roll(noise, 1, axis) + np.roll(noise, -1, axis))
    return np.clip(np.rint(picture + noise / noise.std() * sigma), 0, 255).astype(np.uint8)


def luma_of(noise: float) -> float:
    """Deviation in luma of noise that is independent in each channel."""
    return noise * float(np.sqrt(0.299**2 + 0.587**2 + 0.114**2))


def saved(picture: np.ndarray, quality: int, subsampling: int = 2, cut: tuple[int, int] = (0, 0)) -> np.ndarray:
    """The picture after JPEG, cut at the top left."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))[cut[0] :, cut[1] :]


def blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma)))


def page(width: int = 256, height: int = 256) -> np.ndarray:
    image = Image.new("RGB", (width, height), "white")
    canvas = ImageDraw.Draw(image)
    for row in range(8, height - 16, 16):
        canvas.text((8, row), "The quick brown fox jumps over the lazy dog 0123456789", fill="black", font_size=12)
    return np.asarray(image)


def drawing(side: int = 256) -> np.ndarray:
    image = Image.new("RGB", (side * 3, side * 3), (120, 190, 240))
    canvas = ImageDraw.Draw(image)
    random = np.random.default_rng(3)
    for _ in range(14):
        x, y, radius = random.integers(0, side * 3, 3)
        radius = 40 + radius // 6
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline="black", width=9)
    return np.asarray(image.reduce(3))


def test_clean_photographs_are_called_clean(photograph: np.ndarray) -> None:
    estimate = estimate_wear(photograph)
    assert estimate.noise < 2.5
    assert estimate.chroma_noise < 2.5
    assert estimate.jpeg_quality is None or estimate.jpeg_quality > 85
    assert estimate.blur < 0.9
    assert (estimate.kind, estimate.interlaced, estimate.halftone) == ("photograph", False, False)
    assert str(estimate) == "clean"


@pytest.mark.parametrize("spread", [0, 1])
def test_more_noise_is_estimated_as_more(photograph: np.ndarray, spread: int) -> None:
    sigmas = (0, 10, 18, 32)
    estimates = [estimate_wear(noisy(photograph, sigma, spread=spread)) for sigma in sigmas]
    for values in ([e.noise for e in estimates], [e.chroma_noise for e in estimates]):
        assert values == sorted(values)
        assert len(set(values)) == len(values)
    for sigma, estimate in list(zip(sigmas, estimates, strict=True))[1:]:
        assert estimate.noise == pytest.approx(luma_of(sigma), rel=0.4, abs=1.5)


@pytest.mark.parametrize("quality", [15, 30, 50, 70, 85])
def test_quality_is_read_from_pixels_wherever_the_blocks_begin(photograph: np.ndarray, quality: int) -> None:
    for subsampling, cut in ((2, (0, 0)), (0, (3, 6)), (2, (5, 1))):
        estimate = estimate_wear(saved(photograph, quality, subsampling, cut))
        assert estimate.jpeg_quality == pytest.approx(quality, abs=10)
    assert f"JPEG about {5 * round(estimate.jpeg_quality / 5)}" in str(estimate)


def test_coarser_blocks_stand_out_more(photograph: np.ndarray) -> None:
    steps = [estimate_wear(saved(photograph, quality)).blockiness for quality in (60, 30, 12)]
    assert steps == sorted(steps)
    assert steps[0] > estimate_wear(photograph).blockiness


def test_of_two_compressions_the_worse_counts(photograph: np.ndarray) -> None:
    worse_first = saved(saved(photograph, 35, cut=(4, 4)), 88, subsampling=0)
    worse_last = saved(saved(photograph, 88), 35, cut=(2, 7))
    for twice in (worse_first, worse_last):
        assert estimate_wear(twice).jpeg_quality == pytest.approx(35, abs=10)


@pytest.mark.parametrize("quality", [10, 35, 50, 75, 90, 95])
def test_quality_is_read_from_tables(photograph: np.ndarray, tmp_path: Path, quality: int) -> None:
    path = tmp_path / "saved.jpg"
    Image.fromarray(photograph).save(path, quality=quality)
    said = load(path).jpeg_quality
    assert said == pytest.approx(quality, abs=1)
    # Also where nothing can be seen in the pixels.
    assert estimate_wear(photograph[:1, :1], saved_at=said).jpeg_quality == pytest.approx(quality, abs=1)
    # And the worse of both where the picture had been saved before.
    before = saved(photograph, 25)
    assert estimate_wear(before, saved_at=said).jpeg_quality == pytest.approx(min(quality, 25), abs=5)


def test_only_jpeg_files_say_at_which_quality_they_were_saved(photograph: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "kept.png"
    Image.fromarray(photograph).save(path)
    assert load(path).jpeg_quality is None


def test_tables_at_their_limits_and_broken_ones() -> None:
    assert quality_of_tables({0: [1] * 64}) == 100
    assert quality_of_tables({0: [255] * 64, 1: [1] * 64}) == 1
    for broken in ({}, {0: [1] * 63}):
        with pytest.raises(ValueError, match="64 steps"):
            quality_of_tables(broken)


def test_more_blur_is_estimated_as_more(photograph: np.ndarray) -> None:
    sigmas = (0.0, 1.0, 1.5, 2.0)
    values = [estimate_wear(blurred(photograph, sigma) if sigma else photograph).blur for sigma in sigmas]
    assert values == sorted(values)
    for sigma, value in list(zip(sigmas, values, strict=True))[1:]:
        assert value == pytest.approx(float(np.hypot(sigma, values[0])), abs=0.6)


def test_a_page_is_text_and_flat_shapes_are_a_drawing() -> None:
    assert estimate_wear(page()).kind == "text"
    assert estimate_wear(drawing()).kind == "drawing"
    for made in (page(), drawing()):
        estimate = estimate_wear(made)
        assert estimate.noise < 1.5
        assert estimate.jpeg_quality is None
    assert str(estimate_wear(saved(page(), 40))).startswith("text, ")


def test_depth_and_grey_make_no_difference(photograph: np.ndarray) -> None:
    worn = noisy(photograph, 22)
    deep = worn.astype(np.uint16) * 257
    assert estimate_wear(deep) == estimate_wear(worn)
    grey = np.asarray(Image.fromarray(worn).convert("L"))[..., None]
    estimate, as_rgb = estimate_wear(grey), estimate_wear(np.repeat(grey, 3, axis=2))
    assert estimate.noise == pytest.approx(as_rgb.noise, abs=0.5)
    assert estimate.noise == pytest.approx(luma_of(22), rel=0.4)
    assert estimate.blur == pytest.approx(as_rgb.blur, abs=0.1)
    assert estimate.chroma_noise == as_rgb.chroma_noise == 0


def test_faint_noise_of_sixteen_bits_is_not_rounded_away() -> None:
    smooth = np.linspace(20_000, 40_000, 128)[:, None, None].repeat(128, 1).repeat(3, 2)
    fine = smooth + np.random.default_rng(0).normal(0, 5 * 257, smooth.shape)
    assert estimate_wear(fine.astype(np.uint16)).noise > estimate_wear(smooth.astype(np.uint16)).noise


def test_what_is_transparent_does_not_count() -> None:
    picture = load(paths.RESOURCES / "samples" / "coffee.webp").pixels
    half = picture.shape[1] // 2
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[:, :half] = 0
    rubbish = picture.copy()
    rubbish[:, :half] = noisy(picture, 50)[:, :half]
    assert estimate_wear(rubbish, alpha).noise < 2.5
    assert estimate_wear(rubbish, 255 - alpha).noise > 15
    opaque = np.full_like(alpha, 255)
    assert estimate_wear(picture, opaque) == estimate_wear(picture)
    assert estimate_wear(rubbish, np.zeros_like(alpha)) == WearEstimate()


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 5000), (15, 15), (16, 16), (17, 900), (64, 4096), (40, 9000), (20, 30_000)]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_size_gives_an_answer(size: tuple[int, int], dtype: type) -> None:
    random = np.random.default_rng(1)
    for channels in (1, 3):
        for picture in (
            random.integers(0, np.iinfo(dtype).max, (*size, channels), dtype, endpoint=True),
            np.full((*size, channels), 77, dtype),
        ):
            estimate = estimate_wear(picture)
            assert np.isfinite([estimate.noise, estimate.chroma_noise, estimate.blockiness, estimate.blur]).all()
            assert str(estimate)


def test_a_flat_picture_has_no_noise() -> None:
    for level in (0, 128, 255):
        estimate = estimate_wear(np.full((200, 200, 3), level, np.uint8))
        assert estimate.noise < 1
        assert estimate.jpeg_quality is None


def test_a_large_picture_is_judged_as_its_parts_are_and_always_alike() -> None:
    tile = noisy(load(paths.RESOURCES / "samples" / "cat.jpg").pixels[:144, :208], 15)
    large = np.tile(tile, (20, 14, 1))
    estimate = estimate_wear(large)
    assert estimate == estimate_wear(large.copy())
    assert estimate.noise == pytest.approx(estimate_wear(tile).noise, rel=0.3)
    assert estimate_wear(saved(large, 45)).jpeg_quality == pytest.approx(45, abs=3)


def test_stills_of_interlaced_video_are_known(photograph: np.ndarray) -> None:
    combed = photograph.copy()
    combed[1::2] = np.roll(combed[1::2], 6, axis=1)
    assert estimate_wear(combed).interlaced
    assert not estimate_wear(noisy(photograph, 20)).interlaced


def test_printed_dots_are_known(photograph: np.ndarray) -> None:
    height, width = photograph.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    across, down = (x + y) / 5.2, (x - y) / 5.2
    screen = 127 + 63 * (np.cos(2 * np.pi * across) + np.cos(2 * np.pi * down))
    dots = np.where(photograph.mean(2) > screen, 235, 30).astype(np.uint8)
    scanned = blurred(np.repeat(dots[..., None], 3, axis=2), 0.8)
    assert estimate_wear(scanned).halftone
    assert not estimate_wear(noisy(photograph, 20)).halftone


def test_traces_are_found_nowhere_in_a_picture_that_never_was_jpeg() -> None:
    random = np.random.default_rng(2)
    for picture in (random.integers(0, 256, (1, 96, 96)), np.zeros((1, 96, 96)), page(96, 96).mean(2)[None]):
        assert find_traces(picture.astype(np.float32)).quality is None


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (WearEstimate(), "clean"),
        (WearEstimate(kind="text"), "text, clean"),
        (WearEstimate(noise=6, jpeg_quality=54), "grain, JPEG about 55"),
        (WearEstimate(noise=25, chroma_noise=20), "heavy grain"),
        (WearEstimate(chroma_noise=8), "colour noise"),
        (WearEstimate(jpeg_quality=96), "clean"),
        (WearEstimate(jpeg_quality=2, kind="drawing"), "drawing, JPEG about 5"),
        (WearEstimate(blur=1.2), "a little soft"),
        (WearEstimate(blur=2.2, interlaced=True, halftone=True), "blurred, interlaced, printed dots"),
    ],
)
def test_estimates_are_told_in_plain_words(estimate: WearEstimate, words: str) -> None:
    assert str(estimate) == words
