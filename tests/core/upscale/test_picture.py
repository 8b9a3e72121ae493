"""What becomes of one picture's colours on the way through a network that knows RGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import paths
from core.contract.cancel import CancelToken
from core.contract.settings import OutputSize
from core.contract.upscale import PreviewRequest
from core.images import Picture, load, save
from core.upscale.engine import open_engine
from core.upscale.picture import Wrap, resize, upscale_picture
from core.upscale.preview import preview
from tests.core.networks import save_small_model
from tests.core.training.pictures import textured


def enlarged(path: Path, model: str) -> np.ndarray:
    picture = load(path)
    engine = open_engine(model, precision="fp32")
    return upscale_picture(engine, picture, (picture.width * 4, picture.height * 4), False, CancelToken()).pixels


def test_a_grey_picture_stays_grey_however_it_is_kept(tmp_path: Path) -> None:
    model = str(save_small_model(tmp_path / "tints.safetensors"))
    grey = textured(3, 40, 48)[..., :1]
    Image.fromarray(grey[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(np.repeat(grey, 3, axis=2)).save(tmp_path / "rgb.png")
    of_engine = open_engine(model, precision="fp32").upscale(np.repeat(grey, 3, axis=2), CancelToken())
    assert (of_engine != of_engine[..., :1]).any()
    as_grey, as_rgb = enlarged(tmp_path / "grey.png", model), enlarged(tmp_path / "rgb.png", model)
    assert (as_grey.shape[2], as_rgb.shape[2]) == (1, 3)
    np.testing.assert_array_equal(as_rgb, np.repeat(as_grey, 3, axis=2))
    # A scan's preview shows what the batch will make of it.
    (shown,) = preview(
        PreviewRequest(tmp_path / "rgb.png", (8, 8, 16, 16), model=model, device="cpu", precision="fp32"), CancelToken()
    )
    np.testing.assert_array_equal(shown.pixels, as_rgb[32:96, 32:96])


def test_a_grey_picture_is_known_in_every_format(tmp_path: Path) -> None:
    grey = Image.fromarray(textured(3, 80, 96)).convert("L")
    files: dict[str, dict[str, Any]] = {"a.webp": {"quality": 80}, "a.jpg": {"quality": 60}, "a.png": {}, "a.tif": {}}
    for name, options in files.items():
        grey.convert("RGB").save(tmp_path / name, **options)
        assert load(tmp_path / name).colourless, name
    grey.save(tmp_path / "one.png")
    assert load(tmp_path / "one.png").colourless
    deep = np.repeat(np.linspace(0, 65535, 64 * 64).reshape(64, 64, 1), 3, axis=2).astype(np.uint16)
    for spread, expected in ((200, True), (600, False)):
        shifted = deep.copy()
        shifted[63, 5, 1] -= spread
        save(tmp_path / f"{spread}.png", Picture(shifted, None), "png")
        assert load(tmp_path / f"{spread}.png").colourless is expected


def test_progress_of_a_transparent_picture_only_rises(tmp_path: Path) -> None:
    engine = open_engine(str(save_small_model(tmp_path / "small.safetensors")), precision="fp32")
    pixels = textured(3, 40, 48)
    told: list[float] = []
    picture = Picture(pixels, np.ascontiguousarray(pixels[..., 1]))
    result = upscale_picture(engine, picture, (192, 160), False, CancelToken(), told.append)
    assert result.alpha is not None
    assert told == sorted(told)
    assert told[-1] == 1
    assert any(0 < fraction < 0.5 for fraction in told)


def test_a_previews_notes_stay_with_it(tmp_path: Path) -> None:
    model = str(save_small_model(tmp_path / "small.safetensors"))
    Image.fromarray(textured(3, 40, 48)).save(tmp_path / "a.png")
    engine = open_engine(model, "cpu", "fp32")
    request = PreviewRequest(tmp_path / "a.png", (8, 8, 16, 16), model=model, device="cpu", precision="fp32")
    # One that was cancelled, and what was found out about the engine meanwhile.
    engine.picture_notes.append("Memory ran out.")
    engine.engine_notes.append("bf16 gives wrong pictures.")
    (shown,) = preview(request, CancelToken())
    assert shown.notes == ("bf16 gives wrong pictures.",)
    (again,) = preview(request, CancelToken())
    assert again.notes == ()


@pytest.mark.parametrize("height", [270, 333, 1370])
def test_a_preview_of_any_size_lies_where_the_picture_does(tmp_path: Path, height: int) -> None:
    """A ramp's value tells the place that it was taken from."""
    model = str(save_small_model(tmp_path / "small.safetensors"))
    ramp = np.repeat(np.linspace(40, 215, 600).astype(np.uint8)[None, :, None], 400, axis=0).repeat(3, axis=2)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    whole = Image.fromarray(
        upscale_picture(
            open_engine(model, "cpu", "fp32"), load(tmp_path / "a.png"), OutputSize("height", height).of(600, 400),
            False, CancelToken(),
        ).pixels
    )  # fmt: skip
    request = PreviewRequest(
        tmp_path / "a.png",
        (301, 201, 64, 48),
        model=model,
        device="cpu",
        precision="fp32",
        size=OutputSize("height", height),
    )
    (shown,) = preview(request, CancelToken())
    wanted = np.asarray(whole.resize((2400, 1600), Image.Resampling.BICUBIC))[804:996, 1204:1460]
    # A level is 3.4 source pixels; the fault was up to 1.9 of them.
    assert abs(shown.pixels.astype(float).mean() - wanted.mean()) < 0.1


@pytest.mark.parametrize(
    ("factor", "scale", "worst"), [(4.0, 4, 0), (2.0, 2, 1), (3.0, 3, 1), (1.0, 1, 0), (8.0, 8, 1)]
)
def test_a_preview_is_a_part_of_the_result_at_its_size(tmp_path: Path, factor: float, scale: int, worst: int) -> None:
    model = str(save_small_model(tmp_path / "small.safetensors"))
    Image.fromarray(textured(3, 60, 72)).save(tmp_path / "a.png")
    engine = open_engine(model, "cpu", "fp32")
    size = OutputSize("factor", factor)
    whole = upscale_picture(engine, load(tmp_path / "a.png"), size.of(72, 60), False, CancelToken(), tie=False).pixels
    request = PreviewRequest(
        tmp_path / "a.png", (20, 16, 24, 20), model=model, device="cpu", precision="fp32", size=size, tie_colours=False
    )
    (shown,) = preview(request, CancelToken())
    assert (shown.scale, shown.pixels.shape) == (scale, (20 * scale, 24 * scale, 3))
    part = whole[16 * scale : 36 * scale, 20 * scale : 44 * scale]
    assert np.abs(shown.pixels.astype(int) - part).max() <= worst


def test_a_preview_ties_colours_as_the_batch_does(tmp_path: Path) -> None:
    pixels = load(paths.RESOURCES / "samples" / "cat.jpg").pixels.copy()
    # One-pixel stripes, of which the network makes another colour.
    pixels[60:90, 100:120:2] = 30
    source = tmp_path / "striped.png"
    Image.fromarray(pixels).save(source)
    picture = load(source)
    engine = open_engine("fast-x4", "cpu", "fp32")
    size = (4 * picture.width, 4 * picture.height)
    whole = upscale_picture(engine, picture, size, False, CancelToken()).pixels
    request = PreviewRequest(source, (90, 60, 40, 30), model="fast-x4", device="cpu", precision="fp32")
    (shown,) = preview(request, CancelToken())
    part = whole[240:360, 360:520].astype(int)
    # An odd height makes the cells of both, over which colours are compared, a little different.
    assert np.abs(shown.pixels - part).max() <= 2
    untied = upscale_picture(engine, picture, size, False, CancelToken(), tie=False).pixels[240:360, 360:520]
    assert np.abs(untied.astype(int) - part).max() >= 8


@pytest.mark.parametrize("size", [OutputSize("factor", 1.5), OutputSize("width", 31), OutputSize("factor", 0.1)])
def test_a_preview_of_no_whole_factor_is_shown_at_the_models(tmp_path: Path, size: OutputSize) -> None:
    model = str(save_small_model(tmp_path / "small.safetensors"))
    smooth = np.asarray(Image.fromarray(textured(3, 6, 8)).resize((72, 60), Image.Resampling.BICUBIC))
    Image.fromarray(smooth).save(tmp_path / "a.png")
    engine = open_engine(model, "cpu", "fp32")
    whole = upscale_picture(engine, load(tmp_path / "a.png"), size.of(72, 60), False, CancelToken()).pixels
    request = PreviewRequest(
        tmp_path / "a.png", (20, 16, 24, 20), model=model, device="cpu", precision="fp32", size=size
    )
    (shown,) = preview(request, CancelToken())
    assert (shown.scale, shown.pixels.shape) == (4, (80, 96, 3))
    wanted = np.asarray(Image.fromarray(whole).resize((288, 240), Image.Resampling.BICUBIC))[64:144, 80:176]
    assert np.abs(shown.pixels.astype(int) - wanted).mean() < 12


def test_one_colour_anywhere_makes_a_picture_colourful(tmp_path: Path) -> None:
    model = str(save_small_model(tmp_path / "tints.safetensors"))
    pixels = np.repeat(textured(3, 40, 48)[..., :1], 3, axis=2)
    pixels[37, 41] = (200, 90, 10)
    Image.fromarray(pixels).save(tmp_path / "spot.png")
    assert not load(tmp_path / "spot.png").colourless
    whole = enlarged(tmp_path / "spot.png", model)
    # Its grey parts are enlarged as parts of a colour picture, in the preview as in the batch.
    (shown,) = preview(
        PreviewRequest(tmp_path / "spot.png", (0, 0, 20, 20), model=model, device="cpu", precision="fp32"),
        CancelToken(),
    )
    # Colours are tied by what surrounds a region, of which a preview sees less than all.
    assert np.abs(shown.pixels.astype(int) - whole[:80, :80]).max() <= 1
    assert (shown.pixels != shown.pixels[..., :1]).any()


@pytest.mark.parametrize("size", [(1999, 1511), (1000, 750), (4001, 3001), (8000, 6000), (16001, 12007), (999, 749)])
def test_a_seamless_texture_of_any_size_takes_about_the_margin_that_it_needs(size: tuple[int, int]) -> None:
    source = (1000, 750)
    wrap = Wrap.of(source, size, 48, 4)
    assert 48 <= min(wrap.across, wrap.down) <= max(wrap.across, wrap.down) <= 64
    left, top, right, bottom = wrap.box
    for near, far, side, margin, whole in zip(
        (left, top), (right, bottom), source, (wrap.across, wrap.down), wrap.size, strict=True
    ):
        # What is cut out is what the picture itself became.
        assert (near, far - near) == pytest.approx(
            (margin * whole / (side + 2 * margin), side * whole / (side + 2 * margin))
        )
    assert all(cut >= wanted for cut, wanted in zip((right - left + 1, bottom - top + 1), size, strict=True))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_lies_around_a_box_reaches_into_what_is_resized(dtype: type) -> None:
    ramp = np.tile(np.arange(40), (30, 1))[..., None].astype(dtype) * 4
    part = resize(ramp, (16, 16), (4.0, 7.0, 12.0, 15.0))
    # A ramp cut off at its edges would level out there.
    np.testing.assert_array_equal(part[..., 0], np.tile(15 + 2 * np.arange(16), (16, 1)))
    np.testing.assert_array_equal(resize(ramp, (8, 8), (4.0, 7.0, 12.0, 15.0)), ramp[7:15, 4:12])
