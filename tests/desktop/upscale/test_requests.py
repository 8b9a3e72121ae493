"""How two requests differ, and what each field is called."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from core import paths
from core.contract.settings import SETTINGS, OutputSize
from core.contract.upscale import UpscaleRequest
from core.models.card import rewrite_card
from core.models.catalogue import find_model
from srgan_desktop import settings
from srgan_desktop.upscale.requests import OPTIONS, RESULT, RUN, differing, settings_words, upscale_request
from tests.core.networks import save_pair
from tests.core.upscale.test_settings import ANOTHER

OTHER: dict[str, tuple[Any, str]] = {
    "model": ("faithful-x4", "faithful x4"),
    "detail": (20, "Detail 20 %"),
    "before": (("one", "faithful-x4"), "after one and faithful x4"),
    "size": (OutputSize("factor", 2.5), "2.5×"),
    "ensemble": (True, "8 passes"),
    "precision": ("fp32", "fp32"),
    "format": ("webp", "WebP"),
    "quality": (70, "quality 70"),
    "keep_metadata": (False, "without metadata"),
    "tie_colours": (False, "colours not tied"),
    "keep_date": (False, "without file dates"),
    "provenance": (False, "without provenance"),
    "keep_values": (True, "with measured values"),
    "depth": ("16", "16 bits per channel"),
    "wrap": (True, "seamless"),
    "larger": ("copy", "larger ones copied"),
    "archives": ("archive", "archives of archives"),
    "result_name": ("{name}_{model}", "named {name}_{model}"),
    "frames": ("first", "only first pages and frames"),
    "output": (Path("/tmp/out"), "saved to out"),
    "existing": ("replace", "replaces results"),
    "device": ("cpu", "device cpu"),
    "tile": (256, "tile 256"),
}


@pytest.mark.parametrize("field", OTHER)
def test_a_field_that_differs_is_named(field):
    plain = UpscaleRequest(())
    value, words = OTHER[field]
    other = replace(plain, **{field: value})
    assert differing(plain, other, RUN) == (field,)
    assert settings_words(other, (field,)) == words
    assert settings_words(plain, (field,)) not in ("", words)


def test_a_run_keeps_every_field_that_is_no_question_of_what_is_added():
    assert {each.name for each in fields(UpscaleRequest)} - set(RUN) == {"inputs", "recursive", "roots"}


@pytest.mark.parametrize("field", sorted({*SETTINGS} & {*RUN} - {"model", "detail", "clean_up"}))
def test_every_setting_has_words_that_tell_its_values_apart(field):
    plain = UpscaleRequest(())
    words = settings_words(replace(plain, **{field: ANOTHER[field]}), (field,))
    assert words not in ("", settings_words(plain, (field,)))


def test_every_option_of_a_request_is_watched(options):
    save_pair(paths.user_models())
    sharp = find_model("sharp")
    rewrite_card(sharp.path, replace(sharp.card, cleaner="soft"), sharp.path)
    options.set(settings.MODEL, "detail-x4")
    before = upscale_request(options, ())
    others = {settings.UPSCALE[name]: value for name, value in ANOTHER.items()}
    others |= {settings.MODEL: "sharp", settings.OUTPUT: "elsewhere"}
    for option in OPTIONS:
        options.set(option, others[option])
    assert set(differing(before, upscale_request(options, ()), RUN)) == set(RUN)


def test_what_a_model_without_detail_is_asked_for_says_nothing_of_detail():
    save_pair(paths.user_models())
    request = UpscaleRequest((), model="soft", detail=100)
    assert settings_words(request, RESULT).startswith("soft, colours tied, no model before it, 4×")
    assert settings_words(replace(request, model="sharp", detail=40), ("model", "detail")) == "sharp, Detail 40 %"
    sharp = find_model("sharp")
    rewrite_card(sharp.path, replace(sharp.card, cleaner="soft"), sharp.path)
    request = replace(request, clean_up=30)
    assert settings_words(replace(request, model="sharp"), ("detail", "clean_up")) == "Detail 100 %, Clean-up 30 %"
    assert settings_words(replace(request, model="/gone/away.safetensors"), ("model", "detail")) == "away"
