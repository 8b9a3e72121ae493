"""How far a run is, on the program's entry in the taskbar or dock: for desktops that have such a thing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

log = logging.getLogger(__name__)

Show = Callable[[float | None, bool], None]
"""Takes how much is done (0 to 1; None while there is no run), and whether the run is paused."""


class TaskbarProgress:
    """Tells the desktop about progress. Where it cannot be told, nothing happens.

    Linux: the LauncherEntry signal on the session bus, which Unity, KDE's taskbar, Dash to Dock and Plank listen to.
    Windows: ITaskbarList3. On macOS a progress bar on the dock's icon has to be drawn through Cocoa, which Qt does
    not offer and no dependency of ours brings.
    """

    def __init__(self, window: QWidget) -> None:
        """Tell nothing yet; what that takes is loaded at the first run."""
        self._window = window
        self._show: Show | None = None
        self._told: tuple[float | None, bool] = None, False

    def show(self, fraction: float | None, paused: bool = False) -> None:
        """Show how much is done, 0 to 1; None takes it away."""
        told = (None if fraction is None else round(min(1.0, max(0.0, fraction)), 2)), paused
        if told == self._told:
            return
        self._told = told
        try:
            if self._show is None:
                self._show = connect_taskbar(self._window)
            self._show(*told)
        except (OSError, ImportError) as error:
            log.info("no progress in the taskbar: %s", error)
            self._show = _show_nothing


def connect_taskbar(window: QWidget) -> Show:
    """What shows progress in this system's taskbar.

    Raises:
        OSError, ImportError: it cannot be reached.
    """
    if sys.platform == "win32":
        return _windows(window)
    return _show_nothing if sys.platform == "darwin" else launcher_entry()


def _show_nothing(_fraction: float | None, _paused: bool) -> None:
    return


def launcher_entry(bus: str = "") -> Show:
    """Progress for Linux desktops, as https://wiki.ubuntu.com/Unity/LauncherAPI describes it.

    Args:
        bus: address of the message bus; by default that of the session.

    Raises:
        ImportError: Qt came without D-Bus.
        OSError: there is no such bus.
    """
    from PySide6.QtDBus import QDBusConnection, QDBusMessage

    name = "srgan-desktop taskbar"
    connection = QDBusConnection.connectToBus(bus, name) if bus else QDBusConnection.sessionBus()
    if not connection.isConnected():
        raise OSError(connection.lastError().message() or "there is no session bus")
    application = f"application://{QGuiApplication.desktopFileName()}.desktop"

    def show(fraction: float | None, _paused: bool) -> None:
        update = QDBusMessage.createSignal(
            "/io/github/srgan_desktop/launcher", "com.canonical.Unity.LauncherEntry", "Update"
        )
        update.setArguments([application, {"progress": fraction or 0.0, "progress-visible": fraction is not None}])
        connection.send(update)

    return show


def _windows(window: QWidget) -> Show:
    if sys.platform == "win32":
        import ctypes
        from ctypes import POINTER, WINFUNCTYPE, byref, c_int, c_ulonglong, c_void_p, cast
        from uuid import UUID

        # shobjidl_core.h: class and interface, then what stands where in the interface's table.
        taskbar_list = UUID("56fdf344-fd6d-11d0-958a-006097c9a090").bytes_le
        taskbar_list_3 = UUID("ea1afb91-9e28-4b86-90e9-5e9f8a5eefaf").bytes_le
        in_process, init, set_value, set_state = 1, 3, 9, 10
        none, normal, paused_state = 0, 2, 8

        pointer = c_void_p()
        # Qt has initialised COM for this thread.
        result = ctypes.windll.ole32.CoCreateInstance(taskbar_list, None, in_process, taskbar_list_3, byref(pointer))
        if result != 0 or not pointer:
            raise OSError(f"no ITaskbarList3: {result & 0xFFFFFFFF:#010x}")
        table = cast(cast(pointer, POINTER(c_void_p))[0], POINTER(c_void_p))
        handle = c_void_p(int(window.winId()))
        WINFUNCTYPE(c_int, c_void_p)(table[init])(pointer)
        tell_value = WINFUNCTYPE(c_int, c_void_p, c_void_p, c_ulonglong, c_ulonglong)(table[set_value])
        tell_state = WINFUNCTYPE(c_int, c_void_p, c_void_p, c_int)(table[set_state])

        def show(fraction: float | None, paused: bool) -> None:
            if fraction is not None:
                tell_value(pointer, handle, round(1000 * fraction), 1000)
            tell_state(pointer, handle, none if fraction is None else paused_state if paused else normal)

        return show
    raise OSError("this is not Windows")
