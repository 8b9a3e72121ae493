"""Which of torch's devices to compute on, in which precision, and how much memory it has left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from core import processor
from core.contract.device import DeviceInfo
from core.contract.errors import UserError
from core.contract.settings import Precision
from core.language import gettext as _

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def devices() -> list[DeviceInfo]:
    """Every device of this machine, the one that `auto` takes first."""
    return [describe(torch.device(name)) for name in _names()]


def choose(name: str = "auto") -> torch.device:
    """The device of a request.

    Raises:
        UserError: there is no such device here.
    """
    names = _names()
    if name == "auto":
        return torch.device(names[0])
    wanted = name if ":" in name or name in ("cpu", "mps") else f"{name}:0"
    if wanted not in names:
        raise UserError(
            _("There is no device “{name}” here.").format(name=name),
            _("Choose auto or one of: {names}.").format(names=", ".join(names)),
        )
    return torch.device(wanted)


def of_engine(name: str) -> torch.device:
    """Where torch measures what an engine on the device `name` made: there if it can, else on the processor."""
    return torch.device(name if name in _names() else "cpu")


def describe(device: torch.device) -> DeviceInfo:
    """What a person wants to know of a device."""
    total, free = memory(device)
    label = processor.processor_name()
    if device.type in ("cuda", "xpu"):
        label = getattr(torch, device.type).get_device_name(device)
    elif device.type == "mps":
        label = _("Apple GPU")
    return DeviceInfo(str(device), label, fast_precision(device), total, free)


def fast_precision(device: torch.device) -> Precision:
    """The precision in which a device should be fastest; whether it is also right, the engine finds out."""
    if device.type == "cpu":
        # Without these instructions bf16 is emulated, and slower than fp32.
        native = {"avx512_bf16", "amx_bf16", "bf16", "sve_bf16"}
        capabilities = dict(torch.cpu.get_capabilities()) if hasattr(torch.cpu, "get_capabilities") else {}
        if hasattr(torch.cpu, "_is_avx512_bf16_supported"):  # torch < 2.11
            capabilities["avx512_bf16"] = torch.cpu._is_avx512_bf16_supported()
        return "bf16" if any(capabilities.get(name) for name in native) else "fp32"
    if device.type == "cuda":
        # Half precision pays from Volta (7.0) on; fp16 rather than bf16, as it keeps three more bits of the mantissa.
        return "fp16" if torch.cuda.get_device_capability(device) >= (7, 0) else "fp32"
    return "fp16"


def memory(device: torch.device) -> tuple[int, int]:
    """(total, free) bytes of the memory that a device computes in."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return total, free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "xpu":
        free, total = torch.xpu.mem_get_info(device)
        return total, free
    # Apple's GPU shares the system's memory.
    return processor.system_memory()


def release_memory(device: torch.device) -> None:
    """Give cached memory back to the system after a large picture."""
    if device.type in ("cuda", "xpu", "mps"):
        getattr(torch, device.type).empty_cache()
    else:
        processor.release_memory()


@contextmanager
def same_shapes(device: torch.device) -> Iterator[None]:
    """Let cuDNN try out which of its convolutions is fastest, once for each shape: pays where shapes stay the same."""
    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=True):
        yield


def _names() -> list[str]:
    names = []
    for kind in ("cuda", "xpu"):
        backend = getattr(torch, kind, None)
        if backend is not None and backend.is_available():
            names += [f"{kind}:{index}" for index in range(backend.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]
