"""Which runtime computes a model, and where. Plain: a runtime is imported when it is first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from core.runtimes.network import LoadedModel

LOADERS = {"torch": "core.runtimes.torch_network:load"}
"""What loads a model in each runtime."""


def load_model(parts: Sequence[tuple[Path, float]], device: str) -> LoadedModel:
    """Load a model for a device.

    Args:
        parts: model files and their shares, which sum to 1 (`core.models.catalogue.Mix`).
        device: as a request names it.

    Raises:
        UserError: there is no such device, or the files are no usable model.
    """
    module, name = LOADERS["torch"].split(":")
    load: Callable[[Sequence[tuple[Path, float]], str], LoadedModel] = getattr(importlib.import_module(module), name)
    return load(parts, device)
