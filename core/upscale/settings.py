"""The settings of an upscale run as a file and as a fingerprint. Plain.

The file is in every output folder, and `srgan upscale --settings` reads it. The fingerprint tells whether a result that
is there was made with the settings of today.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from core.contract.errors import UserError
from core.contract.settings import SETTINGS, OutputSize, UpscaleSettings, check_settings
from core.language import gettext as _
from core.models.catalogue import AUTOMATIC, Mix, Model, base_of, family_of, find_model
from core.models.graph_files import digest_of
from core.upscale.automatic import POLICY_VERSION

RESULTS_VERSION = 3
"""Goes up when the same settings begin to give other pictures, so that old results are not taken for new ones."""

_ALWAYS = frozenset({"size", "format", "quality", "keep_metadata", "ensemble", "precision"})
"""Settings that are in every fingerprint. Later ones are in it only where they differ from their default: so results of
the time before there was such a setting are still known."""

_BY_WEIGHTS = frozenset({"model", "detail", "clean_up", "before"})
"""Settings that are in the fingerprint by the weights which they choose."""

S = TypeVar("S", bound=UpscaleSettings)


def to_plain(settings: UpscaleSettings) -> dict[str, str | int | bool | list[str]]:
    """All settings by name, as values that TOML and JSON know."""
    return {name: _plain(getattr(settings, name)) for name in SETTINGS}


def _plain(value: Any) -> Any:
    if isinstance(value, OutputSize):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def to_toml(settings: UpscaleSettings) -> str:
    """The settings as TOML; `from_toml` reads them back."""
    head = "# The settings of this run. The same again: srgan upscale PICTURES --settings THIS_FILE\n\n"
    return head + tomli_w.dumps(to_plain(settings))


def from_toml(path: Path, settings: S) -> S:
    """`settings` with those of a file in place of its own.

    Raises:
        UserError: the file cannot be read, is no TOML, or a setting is unknown or out of range.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            _("The settings file {path} cannot be read: {strerror}.").format(path=path, strerror=error.strerror),
            _("Check the path."),
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            _("{path} is not a settings file: {error}").format(path=path, error=error),
            _("It must be TOML, as `.srgan/settings.toml` is."),
        ) from error
    defaults = to_plain(UpscaleSettings())
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in defaults:
            raise UserError(
                _("{path} has an unknown setting, “{name}”.").format(path=path, name=name),
                _("Settings: {defaults}.").format(defaults=", ".join(defaults)),
            )
        wanted = type(defaults[name])
        if type(value) is not wanted:
            raise UserError(
                _("{path}: {name} = {value!r} is not possible.").format(path=path, name=name, value=value),
                _("It must be of the kind {name}.").format(name=wanted.__name__),
            )
        if isinstance(value, list):
            if not all(isinstance(each, str) for each in value):
                raise UserError(
                    _("{path}: {name} = {value!r} is not possible.").format(path=path, name=name, value=value),
                    _("It must be a list of texts."),
                )
            value = "\n".join(value)
        changes[name] = SETTINGS[name].parse(value) if isinstance(value, str) else value
    changed = replace(settings, **changes)
    check_settings(changed)
    return changed


def fingerprint_of(settings: UpscaleSettings, model: Model, mix: Mix) -> str:
    """The settings fingerprint: equal for two runs whose results would be the same.

    Device and tile size are no part of it, as results do not depend on them, or by two levels at most where a network
    of other people is cut into tiles.

    Args:
        settings: the model that they name is not looked at, but the two given here.
        model: in the fingerprint by its content, wherever its file lies.
        mix: what `mix_for` makes of the model at these settings' detail and clean-up.

    Returns:
        The SHA-256 of everything that decides a result, as hex.

    Raises:
        UserError: a model cannot be read, or one that runs before is not there.
    """
    deciding: dict[str, object] = {"version": RESULTS_VERSION, "model": _sha256_of_model(model.path)}
    values = to_plain(settings)
    for name, declared in SETTINGS.items():
        if not declared.decides or name in _BY_WEIGHTS:
            continue
        if name in _ALWAYS or getattr(settings, name) != declared.default:
            deciding[declared.name] = values[name]
    if settings.before:
        deciding["before"] = [_sha256_of_model(find_model(name).path) for name in settings.before]
    if settings.model == AUTOMATIC:
        # What is chosen follows from the picture, these weights and the policy.
        family = [_sha256_of_model(each.path) for each in family_of(model)]
        deciding |= {"model": AUTOMATIC, "family": family, "policy": POLICY_VERSION}
        return _digest(deciding)
    base = base_of(model) if settings.detail < 100 else None
    if base is not None:
        deciding |= {"base": _sha256_of_model(base.path), "detail": settings.detail}
    if settings.clean_up:
        ends = [_sha256_of_model(each.path) for each, _share in mix.parts]
        deciding |= {"clean_up": settings.clean_up, "mixed": ends}
    return _digest(deciding)


def _digest(deciding: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def _sha256_of_model(path: Path) -> str:
    try:
        return digest_of(path)
    except OSError as error:
        raise UserError(
            _("The model {path} cannot be read: {strerror}.").format(path=path, strerror=error.strerror),
            _("Check the path."),
        ) from error
