import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def noise():
    """Makes uint8 pixels of a shape, the same each time."""

    def make(*shape: int) -> np.ndarray:
        return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)

    return make


@pytest.fixture
def save(tmp_path):
    """Writes pixels into a PNG."""

    def write(name: str, pixels: np.ndarray) -> Path:
        path = tmp_path / name
        Image.fromarray(pixels).save(path)
        return path

    return write


def compare_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "compare"]


@pytest.fixture(autouse=True)
def no_thread_left():
    """A decoding thread ends when its work does."""
    yield
    for thread in compare_threads():
        thread.join(10)
    assert not compare_threads()
