from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def vgg16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of VGG16 features with random weights."""
    # Here, as it brings torch, which tests of plain rooms do without.
    from tests.core.training.pictures import vgg16_file

    return vgg16_file(tmp_path_factory.mktemp("content") / "vgg16.safetensors")
