"""Tests that cannot hold on Windows or under Wine, and why: reasons of the system or the test, never of the program.

`tests/conftest.py` skips them there.
"""

from __future__ import annotations

import ctypes
import sys
from fnmatch import fnmatch

WINDOWS: dict[str, str] = {}
"""By the test's name, as pytest says it (`*` stands for anything)."""

WINE: dict[str, str] = {}
"""Those that Windows itself would pass."""


def under_wine() -> bool:
    """Whether what says that it is Windows is Wine."""
    return sys.platform == "win32" and hasattr(ctypes.windll.ntdll, "wine_get_version")


def reason(test: str) -> str | None:
    """Why a test does not hold here; None where it does."""
    if sys.platform != "win32":
        return None
    reasons = WINDOWS | (WINE if under_wine() else {})
    return next((why for name, why in reasons.items() if fnmatch(test, name)), None)
