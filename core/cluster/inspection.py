"""What a machine of the cluster finds when it is asked whether it could work for a run. Plain."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from core.contract.errors import UserError
from core.contract.upscale import UpscaleRequest
from core.models.catalogue import AUTOMATIC, DEFAULT_MODEL, find_model, mix_for
from core.upscale.settings import fingerprint_of
from core.version import VERSION


def inspect(request: UpscaleRequest, marks: list[tuple[Path, str]], sources: list[tuple[Path, int]]) -> dict[str, Any]:
    """Look around on this machine.

    Args:
        request: the settings of the run.
        marks: for each output folder a file to write there, and what into it; the run looks for it, and deletes it.
        sources: pictures that should be seen from here, and their bytes.

    Returns:
        `version` of this program; `torch`, whether it is there; `fingerprint` of the settings, or `model`: the words of
        what is wrong with it; `store`: the words of what a store lacks there; `unwritable`: (folder, why); `unseen`:
        the first picture that is not there, or another.
    """
    found: dict[str, Any] = {"version": VERSION, "torch": importlib.util.find_spec("torch") is not None}
    try:
        model = find_model(DEFAULT_MODEL if request.model == AUTOMATIC else request.model)
        found["fingerprint"] = fingerprint_of(request, model, mix_for(model, request.detail, request.clean_up))
    except UserError as error:
        found["model"] = error.message
    for mark, content in marks:
        try:
            mark.write_text(content, encoding="ascii")
        except UserError as error:
            found["store"] = error.message
        except OSError as error:
            found.setdefault("unwritable", (str(mark.parent), error.strerror or str(error)))
    for source, size in sources:
        try:
            seen = source.is_file() and source.stat().st_size == size
        except UserError as error:
            found["store"] = error.message
            continue
        except OSError:
            seen = False
        if not seen:
            found.setdefault("unseen", str(source))
    return found
