"""What the box of devices lists: what could be there, until the worker says what is."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QComboBox

from core.contract.device import DeviceInfo
from core.language import gettext as _
from srgan_desktop import settings

MISSING = _(" (not found)")


def possible(current: str) -> list[tuple[object, str]]:
    """The kinds of devices, and one card among several that the settings name."""
    declared = list(settings.DEVICES)
    label = dict(declared).get(_kind(current))
    if label is None or current in dict(declared):
        return declared
    return [*declared, (current, f"{label} {current.partition(':')[2]}")]


def list_devices(box: QComboBox, found: Sequence[DeviceInfo]) -> None:
    """Name the devices that are there, behind Automatic; what is chosen stays, also where it is not there."""
    current, label = box.currentData(), box.currentText()
    rows: list[tuple[str, str]] = [("auto", settings.DEVICES[0][1])]
    rows += [(_shortest(each.name), each.label) for each in found]
    if current not in dict(rows):
        rows.append((current, f"{label.removesuffix(MISSING)}{MISSING}"))
    # The setting does not change, and so nobody is told.
    blocked = box.blockSignals(True)
    box.clear()
    for value, words in rows:
        box.addItem(words, value)
    box.setCurrentIndex(box.findData(current))
    box.blockSignals(blocked)


def _kind(name: str) -> str:
    return name.partition(":")[0]


def _shortest(name: str) -> str:
    """The first of its kind as settings call it: `cuda` for `cuda:0`."""
    return name.removesuffix(":0")
