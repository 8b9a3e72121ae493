"""The fastest device is found by measuring, once for a kind of network, and what was found is remembered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.settings import Precision
from core.models.catalogue import find_model
from core.runtimes import choice, trial
from core.runtimes.cards import installed_cards
from core.upscale.engine import open_engine
from tests.core.networks import save_small_model
from tests.core.runtimes.conftest import sample
from tests.homes import places


class Clock:
    """Time that passes only while somebody computes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """An engine that takes a given time a pixel."""

    kind = (4.0, 320.0)

    def __init__(self, device: str, speed: float, clock: Clock, fp32_bytes: int = 1_000_000) -> None:
        self.device, self.speed, self.clock, self.fp32_bytes = device, speed, clock, fp32_bytes
        self.sides: list[int] = []

    def upscale(self, pixels: np.ndarray, cancel: CancelToken) -> np.ndarray:
        self.sides.append(pixels.shape[0])
        self.clock.now += self.speed * pixels.shape[0] * pixels.shape[1]
        return pixels


class Machine:
    """A processor, and other devices with their speeds; None where one cannot compute the network."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **speeds: float | None) -> None:
        self.clock = Clock()
        self.speeds = speeds
        self.asked: list[str] = []
        monkeypatch.setattr(time, "perf_counter", self.clock)
        monkeypatch.setattr(trial, "rivals", lambda first: list(speeds) if first == "cpu" else [])
        monkeypatch.setattr(trial, "versions", lambda names: [f"{name} 1" for name in names])

    def fastest(self, first: Scripted | None = None) -> str:
        first = first or Scripted("cpu", 1e-5, self.clock)
        return trial.fastest(first, self.on, "auto").device

    def choose(self, path: Path, precision: Precision = "auto") -> str:
        return trial.choose([path], self.on, precision).device

    def on(self, device: str) -> Scripted:
        self.asked.append(device)
        if device in ("auto", "cpu"):
            return Scripted("cpu", 1e-5, self.clock)
        speed = self.speeds[device]
        if speed is None:
            raise UserError("It has no words for this network.")
        return Scripted(device, speed, self.clock)


def test_the_fastest_wins_and_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, openvino=0.8e-5, vulkan=0.2e-5)
    assert machine.fastest() == "vulkan"
    assert machine.asked == ["openvino", "vulkan"]
    assert machine.fastest() == "vulkan"
    assert machine.asked == ["openvino", "vulkan", "vulkan"]


def test_a_winner_is_known_without_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "torch_may_have_cards", lambda: False)
    machine = Machine(monkeypatch, openvino=0.8e-5, vulkan=0.2e-5)
    assert trial.known_winner(machine.on, "auto") is None
    assert machine.asked == []
    first = Scripted("cpu", 1e-5, machine.clock)
    # A runtime may count a network's bytes otherwise.
    first.kind = (4.0, 321.0)
    assert machine.fastest(first) == "vulkan"
    known = trial.known_winner(machine.on, "auto")
    assert known is not None
    assert known.device == "vulkan"
    assert machine.asked == ["openvino", "vulkan", "vulkan"]
    assert trial.known_winner(machine.on, "fp32") is None, "another precision is another trial"
    machine.speeds["vulkan"] = None
    assert trial.known_winner(machine.on, "auto") is None
    machine.speeds["vulkan"] = 0.2e-5
    monkeypatch.setattr(trial, "torch_may_have_cards", lambda: True)
    assert trial.known_winner(machine.on, "auto") is None


def test_no_winner_is_known_where_torch_won(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "torch_may_have_cards", lambda: False)
    machine = Machine(monkeypatch, openvino=3e-5)
    assert machine.fastest() == "cpu"
    assert trial.known_winner(machine.on, "auto") is None
    assert machine.asked == ["openvino"]


def model_file(folder: Path, size: int = 1000) -> Path:
    path = folder / "a.safetensors"
    path.write_bytes(bytes(size))
    return path


@pytest.mark.parametrize(("speed", "winner"), [(0.2e-5, "vulkan"), (3e-5, "cpu")])
def test_who_won_is_known_by_a_models_files_alone(
    speed: float, winner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "torch_may_have_cards", lambda: False)
    machine = Machine(monkeypatch, vulkan=speed)
    path = model_file(tmp_path)
    assert machine.choose(path) == winner
    assert machine.asked == ["auto", "vulkan"]

    def started(_first: str) -> list[str]:
        raise AssertionError("no runtime need be started to know which devices there are")

    monkeypatch.setattr(trial, "rivals", started)
    machine.asked.clear()
    path.touch()
    assert machine.choose(path) == winner
    assert machine.asked == [winner]


def test_files_of_another_size_and_other_drivers_are_looked_at_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "torch_may_have_cards", lambda: False)
    machine = Machine(monkeypatch, vulkan=0.2e-5)
    machine.choose(model_file(tmp_path))
    machine.asked.clear()
    machine.choose(model_file(tmp_path, size=1001))
    assert machine.asked == ["vulkan"], "of a kind that is known once it is built"
    machine.asked.clear()
    machine.choose(model_file(tmp_path, size=1001), "fp32")
    assert machine.asked == ["auto", "vulkan"], "another precision is another trial"
    machine.asked.clear()
    monkeypatch.setattr(trial, "installed_cards", lambda: ["another driver"])
    machine.choose(model_file(tmp_path))
    assert machine.asked == ["vulkan"]
    monkeypatch.setattr(trial, "torch_may_have_cards", lambda: True)
    machine.asked.clear()
    machine.choose(model_file(tmp_path))
    assert machine.asked[0] == "auto", "only torch can tell which cards it has"


def test_a_winner_that_refuses_the_network_is_not_asked_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "torch_may_have_cards", lambda: False)
    machine = Machine(monkeypatch, vulkan=0.2e-5)
    path = model_file(tmp_path)
    assert machine.choose(path) == "vulkan"
    machine.speeds["vulkan"] = None
    assert machine.choose(path) == "cpu"
    machine.asked.clear()
    assert machine.choose(path) == "cpu"
    assert machine.asked == ["cpu"]


def test_a_winner_that_was_lost_is_left_out_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "torch_may_have_cards", lambda: False)
    machine = Machine(monkeypatch, vulkan=0.2e-5)
    path = model_file(tmp_path)
    assert machine.choose(path) == "vulkan"
    choice.give_up("vulkan")
    with monkeypatch.context() as without:
        without.setattr(trial, "rivals", lambda _first: [])
        machine.asked.clear()
        assert machine.choose(path) == "cpu"
        assert machine.asked == ["auto"]
    monkeypatch.setattr(choice, "lost_devices", set())
    assert machine.choose(path) == "vulkan", "what one process lost, the next one may have"


def test_only_the_newest_winners_are_kept(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "torch_may_have_cards", lambda: False)
    monkeypatch.setattr(trial, "MOST_REMEMBERED", 3)
    machine = Machine(monkeypatch, vulkan=0.2e-5)
    for size in range(1000, 1005):
        machine.choose(model_file(tmp_path, size))
    assert len(json.loads((cache / "runtimes.json").read_text())) == 3
    machine.asked.clear()
    for size in (1004, 1003, 1002):
        machine.choose(model_file(tmp_path, size))
    assert machine.asked == ["vulkan"] * 3


def test_cards_and_drivers_are_known_by_what_the_system_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VK_DRIVER_FILES", raising=False)
    before = installed_cards(tmp_path)
    device = tmp_path / "sys" / "class" / "drm" / "card0" / "device"
    device.mkdir(parents=True)
    (device / "uevent").write_text("DRIVER=amdgpu\nPCI_ID=1002:73FF\n")
    with_card = installed_cards(tmp_path)
    assert with_card == sorted([*before, "DRIVER=amdgpu PCI_ID=1002:73FF"])
    drivers = tmp_path / "usr" / "share" / "vulkan" / "icd.d"
    drivers.mkdir(parents=True)
    (drivers / "radeon.json").write_text("{}")
    with_driver = installed_cards(tmp_path)
    assert with_driver != with_card
    os.utime(drivers / "radeon.json", (1, 1))
    renewed = installed_cards(tmp_path)
    assert renewed not in (with_card, with_driver)
    assert installed_cards(tmp_path) == renewed
    monkeypatch.setenv("VK_DRIVER_FILES", "other.json")
    assert installed_cards(tmp_path) != renewed


@pytest.mark.parametrize(
    ("kind", "system", "files", "expected"),
    [
        ("2.9.0+cpu", "linux", ["/dev/nvidiactl"], False),
        ("2.9.0+cu128", "linux", ["/dev/nvidiactl"], True),
        ("2.9.0+cu128", "linux", ["/dev/dxg"], True),
        ("2.9.0", "linux", [], False),
        ("2.9.0+rocm6.4", "linux", [], True),
        ("2.9.0+xpu", "win32", [], True),
        ("2.9.0", "win32", [], False),
        ("2.9.0+cu128", "win32", ["nvcuda.dll"], True),
        ("2.9.0", "darwin", [], True),
        (None, "linux", [], True),
    ],
)
def test_cards_of_torch_are_ruled_out_without_it(
    kind: str | None, system: str, files: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(_package: str) -> str:
        if kind is None:
            raise PackageNotFoundError
        return kind

    monkeypatch.setattr(choice, "version", version)
    monkeypatch.setattr(sys, "platform", system)
    there = {*files, *(str(Path("/windows") / "System32" / name) for name in files)}
    monkeypatch.setenv("SYSTEMROOT", "/windows")
    monkeypatch.setattr(Path, "exists", lambda self: str(self) in there)
    assert choice.torch_may_have_cards() == expected


OPENED = """
import sys
import numpy as np
from core.contract.cancel import CancelToken
from core.runtimes import trial
from core.upscale.engine import open_engine
# The larger network by OpenVINO, the smaller by torch.
trial.measure_times = lambda contenders: [
    1.0 if (each.device == "cpu") == (each.fp32_bytes < 3_000_000) else 2.0 for each in contenders
]
engine = open_engine(sys.argv[1], "auto")
assert engine.upscale(np.zeros((9, 9, 3), np.uint8), CancelToken()).shape == (36, 36, 3)
print(engine.device, *(name for name in ("torch", "openvino") if name in sys.modules))
"""


@pytest.mark.skipif(choice.torch_may_have_cards(), reason="torch may have a card here")
def test_no_runtime_is_started_but_the_one_that_computes(tmp_path: Path) -> None:
    environment = os.environ | places(tmp_path, "cache")

    def opened(model: str) -> list[str]:
        line = [sys.executable, "-c", OPENED, model]
        return subprocess.run(line, env=environment, capture_output=True, encoding="utf-8", check=True).stdout.split()

    assert [opened("faithful-x4") for _ in range(2)] == [["openvino", "torch", "openvino"], ["openvino", "openvino"]]
    # In the same precision something else has won by now.
    assert [opened("fast-x4") for _ in range(2)] == [["cpu", "torch", "openvino"], ["cpu", "torch"]]


@pytest.mark.parametrize("speed", [0.95e-5, 3e-5])
def test_what_is_hardly_faster_changes_nothing_and_is_not_tried_again(
    speed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(monkeypatch, openvino=speed)
    assert machine.fastest() == "cpu"
    assert machine.fastest() == "cpu"
    assert machine.asked == ["openvino"]


def test_what_cannot_compute_a_network_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Machine(monkeypatch, openvino=None, vulkan=0.5e-5).fastest() == "vulkan"
    assert Machine(monkeypatch, openvino=None).fastest() == "cpu"


def test_another_driver_is_another_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, vulkan=0.5e-5)
    assert machine.fastest() == "vulkan"
    monkeypatch.setattr(trial, "versions", lambda names: [f"{name} 2" for name in names])
    machine.speeds["vulkan"] = 2e-5
    assert machine.fastest() == "cpu"


def test_small_networks_and_machines_with_a_card_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, openvino=0.1e-5)
    assert machine.fastest(Scripted("cpu", 1e-5, machine.clock, fp32_bytes=20_000)) == "cpu"
    assert machine.fastest(Scripted("cuda:0", 1e-5, machine.clock)) == "cuda:0"
    assert machine.asked == []
    assert choice.rivals("cuda:0") == []


def test_the_trial_picture_is_as_large_as_time_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, openvino=1e-5)
    for speed, side in ((1e-7, 128), (4e-5, 61), (1e-2, 32)):
        first = Scripted("cpu", speed, machine.clock, fp32_bytes=1_000_000 + side)
        first.kind = (4.0, float(side))
        machine.fastest(first)
        assert first.sides[-1] == side


def test_a_trial_of_a_slow_network_ends_after_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, openvino=1e-3)
    first = Scripted("cpu", 3e-3, machine.clock)
    assert machine.fastest(first) == "openvino"
    assert len(first.sides) == 3, "one to warm up, one to find the size, one round"


def test_a_memory_that_cannot_be_read_is_written_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    (cache / "runtimes.json").write_text("[broken")
    machine = Machine(monkeypatch, vulkan=0.5e-5)
    assert machine.fastest() == "vulkan"
    assert list(json.loads((cache / "runtimes.json").read_text()).values()) == ["vulkan"]
    cache.joinpath("runtimes.json").unlink()
    cache.rmdir()
    cache.write_text("a file where the folder should be")
    assert machine.fastest() == "vulkan"


@pytest.mark.parametrize("winner", ["cpu", "openvino"])
def test_automatic_takes_what_was_found_and_says_so(winner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "rivals", lambda _first: ["openvino"])
    monkeypatch.setattr(trial, "rivals", lambda first: ["openvino"] if first == "cpu" else [])
    monkeypatch.setattr(
        trial, "measure_times", lambda contenders: [2.0 if each.device != winner else 1.0 for each in contenders]
    )
    model = str(find_model("fast-x4").path)
    engine = open_engine(model, "auto", tile=123 + len(winner))
    assert engine.device == winner
    assert ("by OpenVINO" in engine.description) == (winner == "openvino")
    pixels = sample(20, 24)
    exact = open_engine(model, "cpu", "fp32").upscale(pixels, CancelToken()).astype(int)
    assert np.abs(engine.upscale(pixels, CancelToken()) - exact).max() <= 3


def test_a_lost_device_is_no_rival(monkeypatch: pytest.MonkeyPatch) -> None:
    before = choice.rivals("cpu")
    for each in before:
        choice.give_up(each)
    assert choice.rivals("cpu") == []


def test_small_models_open_on_the_processor_at_once(tmp_path: Path, cache: Path) -> None:
    assert open_engine(str(save_small_model(tmp_path / "a.safetensors"))).device in ("cpu", "cuda:0", "mps", "xpu:0")
    assert not (cache / "runtimes.json").exists()
