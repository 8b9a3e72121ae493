"""Where tests have the user's files lie."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

KINDS = ("config", "data", "state", "cache")


def places(home: Path, *kinds: str) -> dict[str, str]:
    """The environment in which `core.paths` puts files of these kinds below `home`, by default of all of them.

    Windows has one place for all, so that there the others come along.
    """
    if sys.platform == "win32":
        return {"WIN_PD_OVERRIDE_LOCAL_APPDATA": str(home)}
    return {f"XDG_{kind.upper()}_HOME": str(home / kind) for kind in kinds or KINDS}


def move_in(monkeypatch: pytest.MonkeyPatch, home: Path, *kinds: str) -> None:
    """Have this process, and those that it starts, find the user's files so for a test: as `places`."""
    for name, place in places(home, *kinds).items():
        monkeypatch.setenv(name, place)
