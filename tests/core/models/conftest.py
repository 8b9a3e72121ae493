from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core import paths
from tests.core.models.ncnn_weights import state_of


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's models."""
    folder = tmp_path / "user models"
    monkeypatch.setattr(paths, "user_models", lambda: folder)
    return folder


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """All tests here."""


@pytest.fixture(scope="session")
def animevideo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real-ESRGAN's fastest network, in the form its authors publish: a .pth with the weights under `params`."""
    path = tmp_path_factory.mktemp("real") / "animevideov3.pth"
    torch.save({"params": state_of("realesr-animevideov3-x4")}, path)
    return path
