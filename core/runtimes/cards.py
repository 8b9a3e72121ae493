"""Which cards and drivers this machine has, as the system lists them: none is started for it. Plain."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LISTED = ("sys/class/drm/card*/device/uevent", "sys/class/accel/accel*/device/uevent")
"""What the kernel says of graphics cards and of neural processors: which they are, and the driver's name."""
_MANIFESTS = (
    "usr/share/vulkan/icd.d/*.json",
    "usr/local/share/vulkan/icd.d/*.json",
    "etc/vulkan/icd.d/*.json",
    "etc/OpenCL/vendors/*.icd",
)
"""Files in which drivers name their libraries; whatever installs another version of one writes them anew."""
_CHOSEN_BY = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES")
"""Variables that put other Vulkan drivers in the place of the system's."""
_ADAPTERS = r"SYSTEM\CurrentControlSet\Control\Class"
_CLASSES = ("{4d36e968-e325-11ce-bfc1-08002be10318}", "{f01a9d53-3ff6-48d2-9f97-c8a7004be10c}")
"""Windows' classes of graphics cards and of neural processors."""


def installed_cards(root: Path = Path("/")) -> list[str]:
    """Lines that stay the same as long as no card and no driver comes, goes or changes; empty where none is known.

    To ask Vulkan or OpenVINO for their devices takes some tenths of a second, as both start all drivers.

    Args:
        root: of the system's files; on Windows its registry is asked.
    """
    chosen = (f"{name} {os.environ[name]}" for name in _CHOSEN_BY if name in os.environ)
    return sorted({*_told_by_kernel(root), *_stamps(root), *_in_registry(), *chosen})


def _told_by_kernel(root: Path) -> Iterator[str]:
    for pattern in _LISTED:
        for path in root.glob(pattern):
            with suppress(OSError):
                yield " ".join(path.read_text(encoding="utf-8", errors="replace").split())


def _stamps(root: Path) -> Iterator[str]:
    for pattern in _MANIFESTS:
        for path in root.glob(pattern):
            with suppress(OSError):
                found = path.stat()
                yield f"{path.name} {found.st_size} {found.st_mtime_ns}"


def _in_registry() -> list[str]:
    found: list[str] = []
    if sys.platform == "win32":
        import winreg

        for kind in _CLASSES:
            with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, rf"{_ADAPTERS}\{kind}") as adapters:
                for index in range(winreg.QueryInfoKey(adapters)[0]):
                    # Some of the entries are not for everyone to read.
                    with suppress(OSError), winreg.OpenKey(adapters, winreg.EnumKey(adapters, index)) as card:
                        values = (winreg.QueryValueEx(card, name)[0] for name in ("DriverDesc", "DriverVersion"))
                        found.append(" ".join(map(str, values)))
    return found
