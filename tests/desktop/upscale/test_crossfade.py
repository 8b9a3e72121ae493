"""Both ends of the Detail slider, mixed as pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from core.contract.upscale import PreviewReady, PreviewRequest
from srgan_desktop.upscale.crossfade import Crossfade

REQUEST = PreviewRequest(Path("/a.png"), (0, 0, 2, 1), detail=50)
SOFT = np.array([[[0, 100, 255]] * 8] * 4, np.uint8)
FULL = np.array([[[200, 100, 0]] * 8] * 4, np.uint8)


def filled():
    fade = Crossfade()
    for detail, pixels in ((0, SOFT), (100, FULL)):
        request = replace(REQUEST, detail=detail)
        fade.keep(request, PreviewReady(request.source, request.region, 4, pixels, 1.0))
    return fade


def test_a_mix_lies_between_its_ends():
    fade = filled()
    for detail in (0, 25, 50, 100):
        mixed = fade.mix(replace(REQUEST, detail=detail))
        assert mixed is not None
        wanted = SOFT + (FULL.astype(float) - SOFT) * detail / 100
        np.testing.assert_allclose(mixed.pixels, wanted, atol=1)
        assert (mixed.region, mixed.scale) == (REQUEST.region, 4)


def test_there_is_no_mix_of_other_settings_or_another_place():
    fade = filled()
    assert fade.mix(replace(REQUEST, clean_up=50)) is None
    assert fade.mix(replace(REQUEST, region=(1, 0, 1, 1))) is None


def test_the_ends_that_are_missing_are_named_one_after_the_other():
    fade = Crossfade()
    first = fade.missing(REQUEST)
    assert first is not None
    assert first.detail == 0
    fade.keep(first, PreviewReady(REQUEST.source, REQUEST.region, 4, SOFT, 1.0))
    second = fade.missing(REQUEST)
    assert second is not None
    assert second.detail == 100
    fade.keep(second, PreviewReady(REQUEST.source, REQUEST.region, 4, FULL, 1.0))
    assert fade.missing(REQUEST) is None
    assert fade.missing(replace(REQUEST, ensemble=True)) is not None
