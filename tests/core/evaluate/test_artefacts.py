"""Each score sees its own fault, and hardly the others."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from core.contract.evaluate import Artefacts
from core.evaluate.artefacts import artefacts
from core.evaluate.resampling import crop_to_multiple, enlarge_bicubic, reduce_bicubic
from core.paths import RESOURCES


@pytest.fixture(scope="module")
def original() -> np.ndarray:
    with Image.open(RESOURCES / "samples" / "coffee.webp") as picture:
        return crop_to_multiple(np.asarray(picture.convert("RGB")), 4)


def changed(original: np.ndarray, by: np.ndarray | float) -> Artefacts:
    return artefacts(original, np.clip(np.rint(original + by), 0, 255).astype(np.uint8))


def pattern(original: np.ndarray, period: int, *, across: bool = True) -> np.ndarray:
    rows, columns = np.indices(original.shape[:2])
    wave = np.cos(2 * np.pi * rows / period) + np.cos(2 * np.pi * columns / period) * across
    return 3.0 * wave[..., None]


def test_the_picture_itself_has_no_faults(original: np.ndarray) -> None:
    assert artefacts(original, original) == Artefacts(0, 0, 0)


@pytest.mark.parametrize("period", [2, 4, 8])
@pytest.mark.parametrize("across", [False, True])
def test_a_faint_mesh_stands_out_of_a_natural_error(original: np.ndarray, period: int, across: bool) -> None:
    soft = enlarge_bicubic(reduce_bicubic(original, 4), 4)
    plain = artefacts(original, soft)
    meshed = np.clip(np.rint(soft + pattern(original, period, across=across)), 0, 255).astype(np.uint8)
    found = artefacts(original, meshed)
    assert plain.mesh < 4
    assert found.mesh > plain.mesh + 4
    assert found.ringing < plain.ringing + 1
    assert found.colour < plain.colour + 1


def test_texture_without_a_grid_is_no_mesh(original: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(0, 8, original.shape)
    assert changed(original, noise).mesh < 2


def test_halos_ring_and_blur_does_not(original: np.ndarray) -> None:
    picture = Image.fromarray(original)
    sharpened = np.asarray(picture.filter(ImageFilter.UnsharpMask(3, 300, 0)))
    blurred = np.asarray(picture.filter(ImageFilter.GaussianBlur(2)))
    assert artefacts(original, sharpened).ringing > 3
    assert artefacts(original, blurred).ringing < 0.1


def test_a_tint_is_a_colour_shift_and_noise_is_none(original: np.ndarray) -> None:
    middle = np.clip(original, 20, 235)
    tint = artefacts(middle, (middle + np.array([6, 0, -6])).astype(np.uint8))
    assert tint.colour == pytest.approx(np.sqrt(24), abs=0.1)
    assert tint.mesh == 0
    noise = np.random.default_rng(0).normal(0, 8, original.shape)
    assert artefacts(middle, np.clip(np.rint(middle + noise), 0, 255).astype(np.uint8)).colour < 1


def test_small_and_unequal_pictures(original: np.ndarray) -> None:
    assert artefacts(original[:40, :40], original[1:41, :40]).mesh == 0
    with pytest.raises(ValueError, match="cannot be compared"):
        artefacts(original, original[:-1])
