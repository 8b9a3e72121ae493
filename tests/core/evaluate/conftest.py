from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from core import paths
from tests.core.networks import save_small_model
from tests.core.training.pictures import textured


@pytest.fixture
def _no_cached_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(paths, "downloaded_content", lambda name: tmp_path / f"{name}.safetensors")


@pytest.fixture
def small(tmp_path: Path) -> str:
    return str(save_small_model(tmp_path / "small.safetensors"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    Image.fromarray(textured(3, 75, 98)).save(tmp_path / "mine.png")
    return tmp_path / "mine.png"
