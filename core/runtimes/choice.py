"""Which runtime computes a model, and where. Plain: a runtime is imported when it is first asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.contract.device import DeviceInfo
from core.contract.settings import Precision
from core.runtimes.network import LoadedModel

RUNTIMES = {
    "torch": "core.runtimes.torch_network",
    "openvino": "core.runtimes.openvino_network",
    "vulkan": "core.runtimes.ncnn_network",
}
"""The module of each, by what its devices' names begin with; torch's own names are `cpu`, `cuda`, `xpu` and `mps`."""

lost_devices: set[str] = set()
"""Devices that stopped answering in this process."""


def load_model(parts: Sequence[tuple[Path, float]], device: str, precision: Precision) -> LoadedModel:
    """Load a model for a device.

    Args:
        parts: model files and their shares, which sum to 1 (`core.models.catalogue.Mix`).
        device: as a request names it; `auto` is the one that torch takes by itself. One that was lost in this process
            is taken for the processor.
        precision: as a request names it: int8 on a processor is OpenVINO's alone.

    Raises:
        UserError: there is no such device, or the files are no usable model.
    """
    if device in lost_devices or f"{device}:0" in lost_devices:
        device = "cpu"
    if precision == "int8" and device in ("auto", "cpu"):
        device = "openvino"
    loaded: LoadedModel = _runtime(device).load(parts, device)
    return loaded


def give_up(device: str) -> None:
    """Use a device no more in this process."""
    lost_devices.add(device)


def devices() -> list[DeviceInfo]:
    """Every device of this machine, by every runtime that is installed: torch's first."""
    return [each for module in RUNTIMES.values() for each in importlib.import_module(module).devices()]


def rivals(first: str) -> list[str]:
    """Devices that may be faster than the one that torch takes by itself.

    Where torch knows a graphics card there are none: others would have to share it. Drivers that compute on the
    processor are left out, and so is what was lost_devices.
    """
    if first != "cpu":
        return []
    found = [each.name for name in ("openvino", "vulkan") for each in _runtime(name).rivals()]
    return [each for each in found if each not in lost_devices]


def versions(names: Sequence[str]) -> list[str]:
    """What a measurement on these devices holds for: their names, and the versions of libraries and drivers."""
    found = [_runtime(each).driver_of(each) for each in names]
    for package in ("torch", "openvino", "ncnn"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def _runtime(device: str) -> Any:
    name = device.partition(":")[0]
    return importlib.import_module(RUNTIMES.get(name, RUNTIMES["torch"]))
