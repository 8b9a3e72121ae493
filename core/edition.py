"""Which edition of the program this is: the full one, or the light one, which comes without torch. Plain."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from core.contract.errors import UserError
from core.language import gettext as _

_TORCH = ("torch", "torchvision", "spandrel")
"""What the light edition leaves out: torch, and what is nothing without it."""


def has_torch() -> bool:
    """Whether torch is here; it is looked for, and not imported."""
    return find_spec("torch") is not None


def needs_torch(what: str) -> UserError:
    """What to tell of something that the light edition does not do.

    Args:
        what: it is, as the beginning of a sentence: “Training”, “x4.pth”.
    """
    # Nothing can be put into a packaged program.
    get = (
        _("Get the full program.")
        if getattr(sys, "frozen", False)
        else _("Install it with pip install torch torchvision spandrel, or get the full program.")
    )
    return UserError(_("{what} needs torch, which this light edition leaves out.").format(what=what), get)


def missing_torch(error: ImportError, what: str) -> UserError | None:
    """What to tell of a module that could not be imported for want of torch; None where it failed for another reason.

    Args:
        error: of the import.
        what: needed it, as in `needs_torch`.
    """
    missing = (error.name or "").partition(".")[0] in _TORCH and not has_torch()
    return needs_torch(what) if missing else None
