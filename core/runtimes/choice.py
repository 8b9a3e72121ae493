"""Which runtime computes a model, and where. Plain: a runtime is imported when it is first asked for.

The full edition begins with torch, which opens every model. The light one has no torch: OpenVINO computes on the
processor there, and ncnn what OpenVINO cannot, or everything where that is not installed.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core import processor
from core.contract.device import DeviceInfo
from core.contract.errors import UserError
from core.contract.settings import Precision
from core.edition import has_torch, needs_torch
from core.language import gettext as _
from core.runtimes.network import LoadedModel

TORCH = "core.runtimes.torch_network"
NCNN_PROCESSOR = "core.runtimes.ncnn_processor"
RUNTIMES = {
    "openvino": "core.runtimes.openvino_network",
    "vulkan": "core.runtimes.ncnn_network",
}
"""The module of each, by what its devices' names begin with; `cpu` is torch's, or ncnn's where torch is not."""
OF_TORCH = ("cuda", "xpu", "mps")

lost_devices: set[str] = set()
"""Devices that stopped answering in this process."""


def load_model(parts: Sequence[tuple[Path, float]], device: str, precision: Precision) -> LoadedModel:
    """Load a model for a device.

    Args:
        parts: model files and their shares, which sum to 1 (`core.models.catalogue.Mix`).
        device: as a request names it; `auto` is the one that is taken without a trial. One that was lost in this
            process is taken for the processor.
        precision: as a request names it: int8 on a processor is OpenVINO's alone.

    Raises:
        UserError: there is no such device, or the files are no usable model.
    """
    if device in lost_devices or f"{device}:0" in lost_devices:
        device = "cpu"
    if precision == "int8" and device in ("auto", "cpu"):
        device = "openvino"
    if device == "auto" and not has_torch():
        return _load_without_torch(parts)
    loaded: LoadedModel = _runtime(device).load(parts, device)
    return loaded


def _load_without_torch(parts: Sequence[tuple[Path, float]]) -> LoadedModel:
    device = first_device().name
    try:
        loaded: LoadedModel = _runtime(device).load(parts, device)
    except UserError:
        if device == "cpu":
            raise
        # What OpenVINO cannot build, ncnn may; what is no model at all is refused again, in the same words.
        loaded = _runtime("cpu").load(parts, "cpu")
    return loaded


def give_up(device: str) -> None:
    """Use a device no more in this process."""
    lost_devices.add(device)


def devices() -> list[DeviceInfo]:
    """Every device of this machine, by every runtime that is installed: the one that `auto` begins with first."""
    modules = [TORCH, *RUNTIMES.values()] if has_torch() else [RUNTIMES["openvino"], NCNN_PROCESSOR, RUNTIMES["vulkan"]]
    return [each for module in modules for each in importlib.import_module(module).devices()]


def first_device() -> DeviceInfo:
    """The device that `auto` takes without a trial.

    Raises:
        UserError: nothing that computes is installed.
    """
    modules = [TORCH] if has_torch() else [RUNTIMES["openvino"], NCNN_PROCESSOR]
    for module in modules:
        for each in importlib.import_module(module).devices():
            if has_torch() or each.name in ("openvino", "cpu"):
                found: DeviceInfo = each
                return found
    raise UserError(_("Nothing that computes networks is installed."), _("Reinstall the program."))


def first_label() -> str:
    """What the device that `auto` takes without a trial is called; torch is not imported if it has the processor alone.

    Raises:
        UserError: nothing that computes is installed.
    """
    return first_device().label if not has_torch() or torch_may_have_cards() else processor.processor_name()


def torch_may_have_cards() -> bool:
    """Whether torch might find more than the processor to compute on, as far as can be told without importing it."""
    try:
        kind = version("torch").partition("+")[2]
    except PackageNotFoundError:
        return True
    if kind == "cpu":
        return False
    if kind.startswith(("xpu", "rocm")):
        return True
    # Built for CUDA, or not said: then a driver of NVIDIA's decides, on Linux the one of Windows' subsystem as well.
    system: str = sys.platform
    if system == "win32":
        return (Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "nvcuda.dll").exists()
    if system == "linux":
        return any(Path(each).exists() for each in ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvhost-gpu"))
    return True


def rivals(first: str) -> list[str]:
    """Devices that may be faster than the one that is taken without a trial.

    Where torch knows a graphics card there are none: others would have to share it. Drivers that compute on the
    processor are left out, and so is what was lost_devices.
    """
    if first not in ("cpu", "openvino"):
        return []
    found = [each.name for name in RUNTIMES for each in _runtime(name).rivals()]
    return [each for each in found if each not in (first, *lost_devices)]


def versions(names: Sequence[str]) -> list[str]:
    """What a measurement on these devices holds for: their names, and the versions of libraries and drivers."""
    # The processor is the same by whatever runtime.
    drivers = [processor.processor_name() if each == "cpu" else _runtime(each).driver_of(each) for each in names]
    return [*drivers, *package_versions()]


def package_versions() -> list[str]:
    """The libraries that compute, with their versions, as far as they are installed."""
    found = []
    for package in ("torch", "openvino", "ncnn"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def _runtime(device: str) -> Any:
    name = device.partition(":")[0]
    if name in RUNTIMES or has_torch():
        return importlib.import_module(RUNTIMES.get(name, TORCH))
    if name in OF_TORCH:
        raise needs_torch(_("The device “{device}”").format(device=device))
    return importlib.import_module(NCNN_PROCESSOR)
