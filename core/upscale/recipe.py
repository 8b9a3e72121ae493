"""The settings of an upscale run as a file: in every output folder, and read by `srgan upscale --recipe`. Plain."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

from core.contract.errors import UserError
from core.contract.upscale import ExistingPolicy, OutputSize, Precision, UpscaleRequest

_CHOICES: dict[str, tuple[str, ...]] = {"existing": get_args(ExistingPolicy), "precision": get_args(Precision)}
_NOT_SETTINGS = frozenset({"inputs", "output", "roots"})


def settings_of(request: UpscaleRequest) -> dict[str, str | int | bool]:
    """Every field but what is upscaled and where to, as plain values."""
    values = {field.name: getattr(request, field.name) for field in fields(request) if field.name not in _NOT_SETTINGS}
    return values | {"size": str(request.size)}


def to_toml(request: UpscaleRequest) -> str:
    """The settings as TOML; `from_toml` reads them back."""
    lines = ["# The settings of this run. The same again: srgan upscale PICTURES --recipe THIS_FILE", ""]
    # JSON's strings, numbers and truth values are TOML's too, but for DEL, which nobody has in a setting.
    lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in settings_of(request).items()]
    return "\n".join(lines) + "\n"


def from_toml(path: Path, request: UpscaleRequest) -> UpscaleRequest:
    """`request` with the settings of a recipe file in place of its own.

    Raises:
        UserError: the file cannot be read, is no TOML, or a setting is unknown or out of range.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"The recipe {path} cannot be read: {error.strerror}.", "Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no recipe file: {error}", "It must be TOML, as `.srgan/recipe.toml` is.") from error
    defaults = settings_of(UpscaleRequest(()))
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in defaults:
            raise UserError(f"{path} has a setting “{name}”, which there is not.", f"Settings: {', '.join(defaults)}.")
        wanted = type(defaults[name])
        if type(value) is not wanted:
            raise UserError(
                f"{path}: {name} = {value!r} is not possible.", f"It must be of the kind {wanted.__name__}."
            )
        changes[name] = OutputSize.parse(str(value)) if name == "size" else value
    changed = replace(request, **changes)
    check_choices(changed)
    return changed


def check_choices(request: UpscaleRequest) -> None:
    """Refuse words that a setting does not know.

    Raises:
        UserError: which setting, and what it can be.
    """
    for name, choices in _CHOICES.items():
        value = getattr(request, name)
        if value not in choices:
            raise UserError(f"{name} cannot be “{value}”.", f"Choose one of {', '.join(choices)}.")
