"""Presets: settings of upscaling under a name. Those that ship, and the user's own, as files to pass on. Plain."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import tomli_w

from core import paths
from core.atomic import replacing
from core.contract.errors import UserError
from core.contract.settings import SETTINGS, UpscaleSettings
from core.language import gettext as _
from core.names import portable_name
from core.upscale.settings import from_toml, to_plain

KEPT = tuple(name for name, declared in SETTINGS.items() if declared.decides)
"""Settings that a preset keeps: what a result depends on, and nothing of the machine."""


def presets() -> list[str]:
    """The names of all presets: the user's own, then those that ship."""
    own = sorted(path.stem for path in paths.user_presets().glob("*.toml"))
    return own + [name for name in sorted(path.stem for path in _shipped().glob("*.toml")) if name not in own]


def find_preset(name: str) -> Path:
    """The file of a preset, by its name in any case, or by its path.

    Raises:
        UserError: there is none.
    """
    for folder in (paths.user_presets(), _shipped()):
        for path in sorted(folder.glob("*.toml")):
            if path.stem.casefold() == name.strip().casefold():
                return path
    path = Path(name).expanduser()
    if path.suffix.lower() == ".toml" and path.is_file():
        return path
    raise UserError(
        _("There is no preset “{name}”.").format(name=name),
        _("Presets: {presets}; or name a TOML file.").format(presets=", ".join(presets())),
    )


def read_preset(name: str) -> dict[str, Any]:
    """The settings that a preset changes, by the names of their fields.

    Raises:
        UserError: there is none, or its file is wrong.
    """
    path = find_preset(name)
    given = from_toml(path, UpscaleSettings())
    # What a file does not name stays as it is.
    named = set(re.findall(r"^(\w+)\s*=", path.read_text(encoding="utf-8"), re.MULTILINE))
    return {each.name: getattr(given, each.name) for each in fields(given) if each.name in named}


def save_preset(name: str, settings: UpscaleSettings) -> Path:
    """Keep settings under a name; one of that name is replaced.

    Raises:
        UserError: the name is empty, or the file cannot be written.
    """
    plain = name.strip(" .")[:80]
    if not plain:
        raise UserError(_("A preset needs a name."), _("Type one."))
    path = paths.user_presets() / f"{portable_name(plain)}.toml"
    values = {key: value for key, value in to_plain(settings).items() if key in KEPT}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(tomli_w.dumps(values), encoding="utf-8")
    except OSError as error:
        raise UserError(
            _("{path} cannot be written: {strerror}.").format(path=path, strerror=error.strerror),
            _("Check the disk and the permissions."),
        ) from error
    return path


def _shipped() -> Path:
    return paths.RESOURCES / "presets"
