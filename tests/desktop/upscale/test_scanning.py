"""Searching folders beside the main thread, and pasted pictures."""

import itertools
import threading
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtGui import QColor, QImage

from core.contract.upscale import Input
from srgan_desktop.upscale.scanning import Scanner
from tests.desktop.conftest import make_picture


class Finds:
    def __init__(self, scanner):
        self.found, self.ends, self.threads = [], [], set()
        scanner.found.connect(self._on_found)
        scanner.finished.connect(self.ends.append)

    def _on_found(self, found):
        self.found += found
        self.threads.add(threading.current_thread())

    @property
    def names(self):
        return [each.input.path.name for each in self.found]


@pytest.fixture
def scanner(qtbot):
    scanner = Scanner()
    yield scanner
    with qtbot.waitSignal(scanner.stopped):
        scanner.close()


@pytest.fixture
def finds(scanner):
    return Finds(scanner)


def test_archives_are_searched_as_folders_are(scanner, finds, qtbot, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.cbz", "w") as archive:
        archive.write(make_picture(tmp_path / "p.png"), "pages/1.png")
        archive.writestr("../evil.png", b"x")
    with qtbot.waitSignal(scanner.finished):
        scanner.search([tmp_path / "a.cbz"], True)
    assert [each.input for each in finds.found if each.problem is None] == [
        Input(tmp_path / "a.cbz" / "pages" / "1.png", tmp_path / "a.cbz")
    ]
    assert "leads out" in finds.found[-1].problem.message


@pytest.fixture
def endless(monkeypatch):
    """A folder of this name has no end."""
    from core.upscale import scan as scanning

    real = scanning.scan

    def scan(inputs, recursive, cancel):
        if inputs[0].path.name != "endless":
            yield from real(inputs, recursive, cancel)
            return
        for number in itertools.count():
            cancel.check()
            yield Input(inputs[0].path / f"{number}.png")

    monkeypatch.setattr(scanning, "scan", scan)


def search(qtbot, scanner, finds, *paths, recursive=True):
    before = len(finds.ends)
    scanner.search(paths, recursive)
    assert scanner.busy
    qtbot.waitUntil(lambda: len(finds.ends) == before + 1, timeout=20_000)
    assert not scanner.busy


def test_a_tree_in_natural_order_in_the_main_thread(qtbot, scanner, finds, tmp_path):
    for name in ("b10.png", "b9.png", "in/side.jpg"):
        make_picture(tmp_path / "top" / name)
    (tmp_path / "top" / "notes.txt").write_text("no picture")
    search(qtbot, scanner, finds, tmp_path / "top")
    assert finds.names == ["b9.png", "b10.png", "side.jpg"]
    assert {each.input.root for each in finds.found} == {tmp_path / "top"}
    assert finds.ends[0].words == "Found 3 pictures"
    assert finds.threads == {threading.main_thread()}


def test_folders_inside_are_left_out_on_request(qtbot, scanner, finds, tmp_path):
    make_picture(tmp_path / "a.png")
    make_picture(tmp_path / "in" / "b.png")
    search(qtbot, scanner, finds, tmp_path, recursive=False)
    assert finds.names == ["a.png"]


def test_links_that_loop_end(qtbot, scanner, finds, tmp_path):
    make_picture(tmp_path / "a.png")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    search(qtbot, scanner, finds, tmp_path)
    assert finds.names == ["a.png"]


def test_a_folder_without_pictures_says_so(qtbot, scanner, finds, tmp_path):
    (tmp_path / "empty").mkdir()
    search(qtbot, scanner, finds, tmp_path / "empty")
    assert "“empty”" in finds.ends[0].problem.message
    assert finds.found == []


def test_searches_are_done_in_order(qtbot, scanner, finds, tmp_path):
    for folder in "xyz":
        make_picture(tmp_path / folder / f"{folder}.png")
        scanner.search([tmp_path / folder], True)
    qtbot.waitUntil(lambda: len(finds.ends) == 3, timeout=20_000)
    assert finds.names == ["x.png", "y.png", "z.png"]


def test_a_pasted_picture_becomes_a_file(qtbot, scanner, finds, tmp_path):
    image = QImage(7, 5, QImage.Format.Format_ARGB32)
    image.fill(QColor(10, 200, 30, 128))
    scanner.save_and_add(image, tmp_path / "new folder" / "pasted.png")
    qtbot.waitUntil(lambda: bool(finds.ends), timeout=20_000)
    assert finds.names == ["pasted.png"]
    with Image.open(tmp_path / "new folder" / "pasted.png") as saved:
        assert (saved.size, saved.getpixel((3, 3))) == ((7, 5), (10, 200, 30, 128))
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["pasted.png"]


def test_a_paste_that_cannot_be_written_says_so(qtbot, scanner, finds, tmp_path):
    (tmp_path / "file").write_text("in the way")
    image = QImage(2, 2, QImage.Format.Format_RGB32)
    image.fill(0)
    scanner.save_and_add(image, tmp_path / "file" / "pasted.png")
    qtbot.waitUntil(lambda: bool(finds.ends), timeout=20_000)
    assert finds.ends[0].problem.message
    assert not scanner.busy


def test_what_is_given_up_finds_nothing_more_and_holds_up_nothing(qtbot, scanner, finds, tmp_path, endless):
    scanner.search([tmp_path / "endless"], True)
    scanner.search([tmp_path / "endless"], True)
    qtbot.waitUntil(lambda: bool(finds.found), timeout=20_000)
    scanner.cancel_all()
    before = len(finds.found)
    make_picture(tmp_path / "in" / "a.png")
    scanner.search([tmp_path / "in"], True)
    qtbot.waitUntil(lambda: not scanner.busy, timeout=20_000)
    assert finds.names[before:] == ["a.png"]
    assert [end.words for end in finds.ends] == ["", "", "Found 1 picture"]


def test_closing_in_the_middle_of_a_search(qtbot, tmp_path):
    for folder in range(40):
        for number in range(5):
            (tmp_path / str(folder)).mkdir(exist_ok=True)
            Path(tmp_path / str(folder) / f"{number}.png").touch()
    scanner = Scanner()
    scanner.search([tmp_path], True)
    with qtbot.waitSignal(scanner.stopped, timeout=20_000):
        scanner.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "scanner"]
    scanner.search([tmp_path], True)
    assert not scanner.busy
