from __future__ import annotations

from pathlib import Path

import pytest

from core import paths
from tests.core.training.pictures import picture_folder


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache and models."""
    monkeypatch.setattr(paths, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(paths, "user_models", lambda: tmp_path / "models")


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """All tests here."""


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("training") / "data")


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("training") / "held", count=2, first=100)
