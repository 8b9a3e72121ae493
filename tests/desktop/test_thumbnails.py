"""Small pictures for the rows, and files that have none."""

import threading

import pytest

from core import paths
from srgan_desktop import thumbnails as module
from srgan_desktop.thumbnails import KEPT, SIDE, Thumbnails
from tests.desktop.conftest import make_picture


@pytest.fixture
def thumbnails(qtbot):
    thumbnails = Thumbnails()
    yield thumbnails
    with qtbot.waitSignal(thumbnails.stopped):
        thumbnails.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "thumbnails"]


@pytest.fixture
def get(qtbot, thumbnails):
    def wait(path):
        qtbot.waitUntil(lambda: thumbnails.get(path) is not None, timeout=20_000)
        return thumbnails.get(path)

    return wait


def test_a_picture(get):
    thumbnail = get(paths.RESOURCES / "samples" / "cat.jpg")
    assert thumbnail.size == (224, 149)
    assert max(thumbnail.pixmap.width(), thumbnail.pixmap.height()) == SIDE
    colour = thumbnail.pixmap.toImage().pixelColor(48, 32)
    # The cat is ginger.
    assert colour.red() > colour.blue()


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_cannot_be_read_says_why(get, tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    thumbnail = get(path)
    assert thumbnail.pixmap is None
    assert "broken.png" in thumbnail.trouble


def test_a_file_that_is_not_there(get, tmp_path):
    assert get(tmp_path / "none.png").pixmap is None


def test_one_that_is_forgotten_while_it_is_read_is_read_again(get, thumbnails, qtbot, tmp_path, monkeypatch):
    path = make_picture(tmp_path / "a.png", 10, 10)
    reading, gate = threading.Event(), threading.Event()
    real = module.make_thumbnail

    def slow(asked):
        made = real(asked)
        reading.set()
        gate.wait(20)
        return made

    monkeypatch.setattr(module, "make_thumbnail", slow)
    assert thumbnails.get(path) is None
    assert reading.wait(20)
    make_picture(path, 20, 30)
    thumbnails.forget(path)
    gate.set()
    assert get(path).size == (20, 30)


def test_forgotten_ones_are_read_again(get, thumbnails, tmp_path):
    path = make_picture(tmp_path / "a.png", 10, 10)
    assert get(path).size == (10, 10)
    make_picture(path, 20, 30)
    assert get(path).size == (10, 10)
    thumbnails.forget(path)
    assert get(path).size == (20, 30)


def test_memory_and_waiting_are_bounded(qtbot, thumbnails, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 3)
    made = []
    thumbnails.made.connect(made.append)
    pictures = [make_picture(tmp_path / f"{n}.png") for n in range(8)]
    for path in pictures:
        thumbnails.get(path)
        qtbot.waitUntil(lambda path=path: path in made, timeout=20_000)
    assert thumbnails.in_memory == 3
    assert KEPT > 100
    for number in range(500):
        thumbnails.get(tmp_path / f"none {number}.png")
    assert thumbnails.waiting <= module.WAITING


def test_nothing_is_begun_after_the_end(qtbot, tmp_path):
    thumbnails = Thumbnails()
    with qtbot.waitSignal(thumbnails.stopped):
        thumbnails.close()
    assert thumbnails.get(make_picture(tmp_path / "a.png")) is None
    assert not [thread for thread in threading.enumerate() if thread.name == "thumbnails"]
