"""The box of devices: kinds at first, then what the worker found; what is chosen stays."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QComboBox

from core.contract.device import DeviceInfo
from srgan_desktop import settings
from srgan_desktop.upscale.device_rows import list_devices, possible
from srgan_desktop.upscale.options import OptionsPanel

FOUND = (
    DeviceInfo("cpu", "A processor", "bf16", 1, 1),
    DeviceInfo("openvino", "A processor by OpenVINO", "bf16", 1, 1),
    DeviceInfo("vulkan:0", "A card by Vulkan", "fp16", 1, 1),
    DeviceInfo("vulkan:1", "Another card by Vulkan", "fp16", 1, 1),
)


def box_of(qtbot, current: str) -> QComboBox:
    box = QComboBox()
    qtbot.addWidget(box)
    for value, label in possible(current):
        box.addItem(label, value)
    box.setCurrentIndex(box.findData(current))
    return box


def rows(box: QComboBox) -> dict[str, str]:
    return {box.itemData(row): box.itemText(row) for row in range(box.count())}


@pytest.mark.parametrize("current", ["auto", "vulkan", "vulkan:1"])
def test_devices_that_are_there_are_named(qtbot, current):
    box = box_of(qtbot, current)
    told = []
    box.currentIndexChanged.connect(told.append)
    for _ in range(2):  # the next worker tells them again
        list_devices(box, FOUND)
        assert rows(box) == {
            "auto": "Automatic",
            "cpu": "A processor",
            "openvino": "A processor by OpenVINO",
            "vulkan": "A card by Vulkan",
            "vulkan:1": "Another card by Vulkan",
        }
        assert box.currentData() == current
    assert told == []


def test_a_choice_that_is_not_there_stays_and_says_so(qtbot):
    box = box_of(qtbot, "vulkan")
    for _ in range(2):
        list_devices(box, FOUND[:1])
        assert box.currentData() == "vulkan"
        assert box.currentText().count("(not found)") == 1
    list_devices(box, FOUND)
    assert box.currentText() == "A card by Vulkan"


@pytest.mark.parametrize("name", ["vulkan:1", "vulkan"])
def test_a_card_that_was_chosen_is_there_at_the_next_start(name, options, theme, qtbot):
    options.set(settings.DEVICE, name)
    panel = OptionsPanel(theme, options)
    qtbot.addWidget(panel)
    assert panel.device.currentData() == name
    assert options.get(settings.DEVICE) == name
