from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.images.wear import WearEstimate
from core.models.catalogue import DEFAULT_MODEL, cleaner_of, find_model
from core.upscale.automatic import choose


@pytest.mark.parametrize(
    ("estimate", "reason"),
    [
        (WearEstimate(), "clean: detail 100 %"),
        (WearEstimate(kind="text"), "text, clean: detail 0 %"),
        (WearEstimate(noise=4, jpeg_quality=55), "grain, JPEG about 55: clean-up 100 %"),
        (WearEstimate(noise=30), "heavy grain: clean-up 100 %"),
        (WearEstimate(jpeg_quality=94), "clean: detail 100 %"),
        (WearEstimate(blur=0.4), "a little soft: clean-up 50 %"),
        (WearEstimate(kind="drawing", jpeg_quality=35), "drawing, JPEG about 35: clean-up 100 %"),
        (WearEstimate(interlaced=True), "interlaced: clean-up 60 %"),
    ],
)
def test_the_reason_says_what_was_seen_and_done(estimate: WearEstimate, reason: str) -> None:
    assert choose(estimate).reason == reason


def test_the_model_is_one_that_can_clean_up() -> None:
    assert {choose(WearEstimate(noise=noise)).model for noise in (0, 10)} == {DEFAULT_MODEL}
    assert cleaner_of(find_model(DEFAULT_MODEL)) is not None


def test_texture_is_invented_in_photographs_and_not_in_letters() -> None:
    clean, worn = (choose(WearEstimate(noise=noise)) for noise in (0, 30))
    assert (clean.detail, worn.detail) == (100, 100)
    assert choose(WearEstimate(kind="text", jpeg_quality=20)).detail == 0


@pytest.mark.parametrize("noise", [0.0, 2.0, 2.6, 9.0])
@pytest.mark.parametrize("blur", [0.0, 0.2, 0.35, 2.0])
@pytest.mark.parametrize("quality", [None, 95, 86, 30])
@pytest.mark.parametrize("chroma", [0.0, 3.0, 6.0])
def test_nothing_is_cleaned_that_is_called_clean(noise: float, blur: float, quality: int | None, chroma: float) -> None:
    estimate = WearEstimate(noise=noise, chroma_noise=chroma, jpeg_quality=quality, blur=blur)
    choice = choose(estimate)
    assert choice.clean_up == 0 or "clean" not in str(estimate)


def test_worse_wear_is_cleaned_more() -> None:
    steps: dict[str, list[Any]] = {
        "noise": [0, 2, 4, 8, 16, 40],
        "chroma_noise": [0, 3, 8, 30],
        "jpeg_quality": [None, 95, 85, 70, 50, 30, 5],
        "blur": [0, 1.0, 1.5, 3],
    }
    for field, values in steps.items():
        clean_ups = [choose(replace(WearEstimate(), **{field: value})).clean_up for value in values]
        assert clean_ups == sorted(clean_ups)
        assert clean_ups[0] == 0 < clean_ups[-1] <= 100
    # One fault does not hide another.
    assert choose(WearEstimate(noise=10, jpeg_quality=80)).clean_up == choose(WearEstimate(noise=10)).clean_up
