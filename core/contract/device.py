"""What is known of a device that a runtime can compute on. Plain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One device that a runtime can compute on."""

    name: str
    """What a request calls it: `cpu`, `cuda:0`, `openvino`."""
    label: str
    """For people: the processor's or card's name, and the runtime's where that is not torch."""
    precision: str
    """What `auto` tries first here; the engine verifies it before use."""
    memory_total: int
    """Bytes."""
    memory_free: int
    """Bytes, now."""
