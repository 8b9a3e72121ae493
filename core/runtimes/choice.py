"""Which runtime computes a model, and where. Plain: a runtime is imported when it is first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.contract.device import DeviceInfo
from core.contract.settings import Precision
from core.runtimes.network import LoadedModel

RUNTIMES = {"openvino": "core.runtimes.openvino_network", "torch": "core.runtimes.torch_network"}
"""The module of each, by what its devices' names begin with; torch's own names are `cpu`, `cuda`, `xpu` and `mps`."""


def load_model(parts: Sequence[tuple[Path, float]], device: str, precision: Precision) -> LoadedModel:
    """Load a model for a device.

    Args:
        parts: model files and their shares, which sum to 1 (`core.models.catalogue.Mix`).
        device: as a request names it.
        precision: as a request names it: int8 on a processor is OpenVINO's alone.

    Raises:
        UserError: there is no such device, or the files are no usable model.
    """
    if precision == "int8" and device in ("auto", "cpu"):
        device = "openvino"
    name = device.partition(":")[0]
    loaded: LoadedModel = _runtime(name if name in RUNTIMES else "torch").load(parts, device)
    return loaded


def devices() -> list[DeviceInfo]:
    """Every device of this machine, by every runtime that is installed: torch's first."""
    return [each for name in ("torch", "openvino") for each in _runtime(name).devices()]


def _runtime(name: str) -> Any:
    return importlib.import_module(RUNTIMES[name])
