from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def vgg16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of VGG16 features with random weights."""
    # Here, as it brings torch, which tests of plain rooms do without.
    from tests.core.training.pictures import vgg16_file

    return vgg16_file(tmp_path_factory.mktemp("content") / "vgg16.safetensors")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small networks are slower on several threads, above all beside other tests; and sums depend on how many."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
