import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from srgan_desktop.settings import Settings
from srgan_desktop.theme import Theme


@pytest.fixture(scope="session")
def settings(qapp, tmp_path_factory):
    return Settings(tmp_path_factory.mktemp("settings") / "settings.ini", qapp)


@pytest.fixture(scope="session")
def theme(qapp, settings):
    return Theme(qapp, settings)


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
