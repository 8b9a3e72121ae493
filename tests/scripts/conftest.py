from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.contract.cancel import CancelToken
from core.contract.training import TrainRequest
from core.training.trainer import train
from tests.core.training.pictures import TINY, picture_folder
from tests.homes import move_in

ROOT = Path(__file__).parents[2]

Run = Callable[..., str]


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No script reads or writes the user's models and settings."""
    home = tmp_path_factory.mktemp("home")
    move_in(monkeypatch, home, "config", "data", "state")


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call a script's `main` with words of a command line; gives what it printed."""

    def call(module: types.ModuleType, *arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", [str(module.__file__), *map(str, arguments)])
        module.main()
        return capsys.readouterr().out

    return call


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("scripts") / "photos")


@pytest.fixture(scope="session")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of six steps, validated after every second one."""
    folder = tmp_path_factory.mktemp("scripts") / "run"
    fields = (*TINY, ("validation.every", "2"))
    threads = torch.get_num_threads()
    for _event in train(TrainRequest("quick", photos, folder, overrides=fields, threads=1), CancelToken()):
        pass
    torch.set_num_threads(threads)
    return folder


class Judge(torch.nn.Module):
    """Stands in for ST-LPIPS, whose package the program does not need: mean absolute difference."""

    def __init__(self, **_options: object) -> None:
        super().__init__()

    def forward(self, first: Tensor, second: Tensor, normalize: bool) -> Tensor:
        assert normalize
        return (first - second).abs().mean()


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = types.ModuleType("stlpips_pytorch"), types.ModuleType("stlpips_pytorch.stlpips")
    module.LPIPS = Judge  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stlpips_pytorch", package)
    monkeypatch.setitem(sys.modules, "stlpips_pytorch.stlpips", module)
