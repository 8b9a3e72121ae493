"""Which two models the Detail slider lies between, and what it says of a request."""

from __future__ import annotations

from dataclasses import dataclass

from core.contract.errors import UserError
from core.models.catalogue import Model, base_of, cleaner_of, find_model, full_of
from srgan_desktop import settings
from srgan_desktop.settings import Settings


@dataclass(frozen=True, slots=True)
class Span:
    """Two models and all that lies between them."""

    base: Model
    """At 0 %."""
    full: Model
    """At 100 %."""


def span_of(model: Model) -> Span | None:
    """What the slider reaches from this model, whichever end it is at; None where it is at neither."""
    base = base_of(model)
    if base is not None:
        return Span(base, model)
    full = full_of(model)
    return None if full is model else Span(model, full)


def detail_in_use(options: Settings, key: str) -> int:
    """What a request for this model asks for: the slider's value, or 100 for a model that knows no other."""
    try:
        model = find_model(key)
    except UserError:
        return 100
    return 100 if base_of(model) is None else options.get(settings.DETAIL)


def clean_up_in_use(options: Settings, key: str) -> int:
    """The same of clean-up, which is 0 for a model that has no cleaner one."""
    try:
        model = find_model(key)
    except UserError:
        return 0
    return 0 if cleaner_of(model) is None else options.get(settings.CLEAN_UP)
