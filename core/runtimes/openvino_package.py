"""The openvino package, without its telemetry."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from core.contract.errors import UserError, how_to_install
from core.language import gettext as _


@cache
def openvino() -> Any:
    """Import `openvino`.

    Its own import tells Google Analytics of it, keeps an identifier in `~/intel` and leaves a thread behind, all
    without asking (openvino 2026.4). It does without where `openvino_telemetry` cannot be imported, and so it is made.

    Raises:
        UserError: it is not installed.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # what `import` takes for "there is none"
    try:
        import openvino as package
    except ImportError as error:
        raise UserError(_("OpenVINO is not installed."), how_to_install("openvino")) from error
    return package
