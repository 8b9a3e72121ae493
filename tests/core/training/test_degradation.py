from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.evaluate.metrics import psnr_y
from core.evaluate.resampling import enlarge_bicubic, reduce_bicubic
from core.training import degradation
from core.training.degradation import DEGRADATIONS, bicubic, blind
from tests.core.training.pictures import textured

HR = textured(0, 96, 128)


def test_bicubic_is_antialiased_and_keeps_its_place() -> None:
    """Against another program's: Pillow's bicubic has the same kernel (a = -0.5) and widens it likewise."""
    # As floats: of bytes Pillow cuts off what overshoots between its two passes.
    planes = [Image.fromarray(HR[..., channel].astype(np.float32)) for channel in range(3)]
    small = np.stack([np.asarray(plane.resize((32, 24), Image.Resampling.BICUBIC)) for plane in planes], -1)
    difference = np.abs(bicubic(HR, 4, np.random.default_rng(0)) - small.clip(0, 255))
    # At the edges the two mean different things by what lies outside.
    assert difference[2:-2, 2:-2].max() <= 1


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("name", sorted(DEGRADATIONS))
def test_sizes_and_kind(name: str, scale: int) -> None:
    for seed in range(6):
        lr = DEGRADATIONS[name](HR, scale, np.random.default_rng(seed))
        assert (lr.shape, lr.dtype) == ((96 // scale, 128 // scale, 3), np.uint8)


def test_the_seed_decides_everything() -> None:
    once = [blind(HR, 4, np.random.default_rng(seed)) for seed in range(20)]
    again = [blind(HR, 4, np.random.default_rng(seed)) for seed in range(20)]
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    assert len({lr.tobytes() for lr in once}) >= 15


def test_blind_spoils_pictures_but_leaves_them_recognisable() -> None:
    clean = enlarge_bicubic(reduce_bicubic(HR, 4), 4)
    figures = [psnr_y(clean, enlarge_bicubic(blind(HR, 4, np.random.default_rng(s)), 4), 4) for s in range(60)]
    # A tenth stays as it is; nothing is lost altogether, as it would be by a shift or swapped colours.
    assert 1 <= sum(figure == float("inf") for figure in figures) <= 15
    spoiled = [figure for figure in figures if figure < 100]
    assert min(spoiled) > 12
    assert np.median(spoiled) < 38


def test_blurs_keep_brightness_and_place() -> None:
    random = np.random.default_rng(3)
    spot = np.zeros((41, 41, 3), np.float32)
    spot[20, 20] = 100
    for _ in range(10):
        for kernel in (degradation._gaussian(7, (0.2, 2.4), random), degradation._sinc(7, random)):
            assert kernel.shape == (15, 15)
            blurred = degradation._convolved(spot, kernel)
            assert blurred.shape == spot.shape
            assert blurred.sum() == pytest.approx(300, rel=1e-3)
            assert np.unravel_index(blurred[..., 0].argmax(), (41, 41)) == (20, 20)
    # Not a mirrored kernel either: a step to the right and down stays there.
    kernel = np.zeros((7, 7))
    kernel[5, 4] = 1
    moved = degradation._convolved(spot, kernel)
    assert np.unravel_index(moved[..., 0].argmax(), (41, 41)) == (22, 21)


def test_both_orders_of_the_last_compression_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[list[tuple[int, int]]] = []
    compress = degradation._compressed

    def noted(picture, order, random):
        sizes[-1].append(picture.shape[:2])
        return compress(picture, order, random)

    monkeypatch.setattr(degradation, "_compressed", noted)
    for seed in range(60):
        sizes.append([])
        blind(HR, 4, np.random.default_rng(seed))
    lasts = [each[1] for each in sizes if len(each) == 2]
    assert any(last == (24, 32) for last in lasts)
    assert any(last != (24, 32) for last in lasts)
    assert any(len(each) == 1 and each[0] != (24, 32) for each in sizes)
    # Two in five are compressed for the first time when they are already small.
    assert 12 <= sum(each[:1] == [(24, 32)] for each in sizes) <= 36
