"""This machine's processor and memory, whatever computes there. Plain."""

from __future__ import annotations

import ctypes
import platform
import sys
from contextlib import suppress
from functools import cache

import psutil


@cache
def processor_name() -> str:
    """What the processor is called, for people."""
    if sys.platform == "linux":
        try:
            with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                for line in file:
                    if line.startswith("model name"):
                        return line.split(":", 1)[1].strip()
        except OSError:
            pass
    if sys.platform == "win32":
        import winreg

        # platform.processor() says family and stepping, which tell nobody what they own.
        with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _WINDOWS_CPU) as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    return platform.processor() or platform.machine() or "CPU"


def system_memory() -> tuple[int, int]:
    """(total, free) bytes."""
    system = psutil.virtual_memory()
    return system.total, system.available


def release_memory() -> None:
    """Give memory that was freed back to the system after a large picture."""
    if libc := _glibc():
        libc.malloc_trim(0)


def keep_large_blocks() -> None:
    """Let glibc reuse large freed blocks instead of handing each back to the kernel; call once per process.

    glibc maps every block over 32 MB afresh, so each layer of a large tile would fault in and zero its output page by
    page: the trunk on a 1024 x 1024 tile takes 1.6 times as long that way. `release_memory` gives the blocks back.
    """
    if libc := _glibc():
        m_trim_threshold, m_mmap_max = -1, -4
        libc.mallopt(m_mmap_max, 0)
        libc.mallopt(m_trim_threshold, 2**31 - 1)


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL("libc.so.6")


_WINDOWS_CPU = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
