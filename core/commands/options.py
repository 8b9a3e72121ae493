"""The settings of upscaling as options of a command, made of their declarations."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_type_hints

import typer

from core.contract.settings import SETTINGS, Setting
from core.language import gettext as _
from core.models.catalogue import AUTOMATIC

_DEFAULTS = {
    "model": _("{automatic}, which chooses model, clean-up and detail by the picture").format(automatic=AUTOMATIC)
}
"""In words, where the declaration does not know it."""


def help_of(name: str) -> str:
    """The help of a setting, by the name of its field."""
    declared = SETTINGS[name]
    default = _DEFAULTS.get(name, str(declared.default))
    return declared.help.format(choices=declared.choices_in_words, default=default)


def option(declared: Setting[Any]) -> Any:
    """The option of a setting that stands beside `SETTINGS`, for `Annotated`."""
    return typer.Option(*_names(declared, declared.option), help=declared.help)


def takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each setting of upscaling.

    Args:
        command: its parameter `given` gets a dictionary of the settings that were named, by their fields, as
            `read_settings` takes them. It is no option itself; theirs stand in its place.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for each in inspect.signature(command).parameters.values():
        if each.name == "given":
            parameters += [_parameter(name) for name in SETTINGS]
        else:
            parameters.append(each.replace(annotation=hints[each.name]))

    @functools.wraps(command)
    def with_settings(**values: Any) -> None:
        named = {name: values.pop(name) for name in SETTINGS}
        command(given={name: value for name, value in named.items() if value is not None}, **values)

    with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_settings.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_settings


def read_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of settings that a command was given, by their fields.

    Raises:
        UserError: one is not possible.
    """
    values = {name: _value(name, each) for name, each in given.items()}
    for name, value in values.items():
        SETTINGS[name].check(value)
    return values


def _value(name: str, given: Any) -> Any:
    if isinstance(given, str):
        return SETTINGS[name].parse(given)
    return tuple(given) if isinstance(given, list) else given


def _parameter(name: str) -> inspect.Parameter:
    declared = SETTINGS[name]
    switch = isinstance(declared.default, bool)
    kind: Any = type(declared.default) if isinstance(declared.default, int) else str
    if isinstance(declared.default, tuple):
        kind = list[str]
    long = f"{declared.option}/--no-{declared.option[2:]}" if switch else declared.option
    info = typer.Option(*_names(declared, long), help=help_of(name))
    # None tells what was not named from what was named as it is by default: a settings file may say otherwise.
    annotation: Any = Annotated[kind | None, info]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _names(declared: Setting[Any], long: str) -> tuple[str, ...]:
    return (long, f"-{declared.letter}") if declared.letter else (long,)
