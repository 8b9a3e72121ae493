"""Where a model stands on the Detail and Clean-up sliders, and what a request for it says of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.contract.errors import UserError
from core.language import gettext as _
from core.models.catalogue import DEFAULT_MODEL, Model, base_of, cleaner_of, find_model, full_of, uncleaned_of
from srgan_desktop import settings
from srgan_desktop.settings import Option, Settings

PHOTOGRAPHS = _("Photographs")
"""What the default model is called, whose sliders lead to four shipped ones."""


def name_of(model: Model) -> str:
    """What the Upscale page calls a model."""
    return PHOTOGRAPHS if model.key == DEFAULT_MODEL else model.card.name


@dataclass(frozen=True, slots=True)
class Standing:
    """A model's place among those that it is mixed with."""

    full: Model
    """The model at 100 % detail and 0 % clean-up: the one that all mixes are asked of."""
    detail: int | None
    """Percent; None where there is no choice of it."""
    clean_up: int | None
    """Percent; None where there is no choice of it."""


def standing_of(model: Model, options: Settings) -> Standing:
    """Where both sliders stand for a model, whichever of their ends it is."""
    full = uncleaned_of(full_of(model))
    cleaner = cleaner_of(full)
    clean = cleaner is not None and model.key in {end.key for end in (cleaner, base_of(cleaner)) if end is not None}
    soft = full_of(model) is not model
    detail = None if base_of(full) is None else 0 if soft else options.get(settings.DETAIL)
    clean_up = None
    if cleaner is not None:
        clean_up = 100 if clean else 0 if soft else options.get(settings.CLEAN_UP)
    return Standing(full, detail, clean_up)


def detail_in_use(options: Settings, key: str) -> int:
    """What a request for this model asks for: the slider's value, or 100 for a model that knows no other."""
    return _in_use(options, key, base_of, settings.DETAIL, 100)


def clean_up_in_use(options: Settings, key: str) -> int:
    """The same of clean-up, which is 0 for a model that has no cleaner one."""
    return _in_use(options, key, cleaner_of, settings.CLEAN_UP, 0)


def _in_use(
    options: Settings, key: str, other_end: Callable[[Model], Model | None], option: Option[int], without: int
) -> int:
    try:
        model = find_model(key)
    except UserError:
        return without
    return without if other_end(model) is None else options.get(option)
