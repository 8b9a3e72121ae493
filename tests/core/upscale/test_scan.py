"""Which files a search finds, in which order, and what it leaves alone."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from core.contract.cancel import Cancelled, CancelToken
from core.contract.upscale import Input
from core.training.sources import pictures_in
from core.upscale.scan import Unusable, in_words, scan
from tests.core.upscale.conftest import Run, files_in, picture


def names(*inputs: Path | Input, recursive: bool = True, leave_out: Path | None = None) -> list[str]:
    given = [each if isinstance(each, Input) else Input(each) for each in inputs]
    found = scan(given, recursive, CancelToken(), leave_out)
    return [each.path.name for each in found if isinstance(each, Input)]


def test_folders_come_in_natural_order_and_files_before_the_folders_inside(tmp_path: Path) -> None:
    for name in ("b.png", "a10.png", "a2.PNG", "A1.jpeg", "sub/z.png"):
        picture(tmp_path / name)
    assert names(tmp_path) == ["A1.jpeg", "a2.PNG", "a10.png", "b.png", "z.png"]
    assert names(tmp_path, recursive=False) == ["A1.jpeg", "a2.PNG", "a10.png", "b.png"]


def test_what_is_no_picture_is_left_alone_unless_it_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    for name in ("notes.txt", ".hidden.png", "Thumbs.db", ".srgan-12.part", "__MACOSX/b.png", ".git/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert names(tmp_path) == ["a.png"]
    assert names(tmp_path / "notes.txt") == ["notes.txt"]


def test_each_picture_comes_once_and_links_that_loop_end(tmp_path: Path) -> None:
    inside = picture(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "link.png").symlink_to(inside)
    assert names(tmp_path / "a", inside, tmp_path / "a" / ".." / "a") == ["link.png", "x.png"]


def test_roots_are_kept_only_where_they_hold_the_file(tmp_path: Path) -> None:
    path = picture(tmp_path / "a" / "x.png")
    [inside] = scan([Input(path, tmp_path)], True, CancelToken())
    [outside] = scan([Input(path, tmp_path / "b")], True, CancelToken())
    assert isinstance(inside, Input)
    assert isinstance(outside, Input)
    assert (inside.root, outside.root) == (tmp_path, None)


@pytest.mark.skipif(os.name == "nt", reason="rights work otherwise there")
def test_a_folder_that_cannot_be_read_is_told_of_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "shut").mkdir()
    real = os.scandir

    def guarded(path: str) -> object:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)  # root may read everything
    found = list(scan([Input(tmp_path)], True, CancelToken()))
    assert [each.path.name for each in found] == ["a.png", "shut"]
    assert isinstance(found[1], Unusable)
    assert "may not be read" in found[1].error.message


def test_results_of_pictures_found_in_the_same_search_are_left_out(tmp_path: Path, run: Run) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "album" / "deep" / "b.png")
    run(tmp_path / "a.png")
    run(tmp_path / "album")
    assert files_in(tmp_path) == ["a.png", "a_4x.png", "album/deep/b.png", "album_4x/deep/b.png"]
    assert names(tmp_path) == ["a.png", "b.png"]
    # Named by itself, a folder of results is a folder of pictures.
    assert names(tmp_path / "album_4x") == ["b.png"]


def test_the_output_folder_is_not_searched_unless_it_is_what_was_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "out" / "b.png")
    assert names(tmp_path, leave_out=tmp_path / "out") == ["a.png"]
    assert names(tmp_path / "out", leave_out=tmp_path / "out") == ["b.png"]


def test_a_search_can_be_cancelled(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        list(scan([Input(tmp_path)], True, token))


BINS = ["@eaDir", "#recycle", "lost+found", ".thumbnails", "$RECYCLE.BIN", "System Volume Information", "__MACOSX"]


def test_bins_and_thumbnails_of_systems_are_left_out_by_all(tmp_path: Path) -> None:
    for name in (*BINS, "holiday"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
    (tmp_path / "b.png").touch()
    (tmp_path / "Thumbs.db").touch()
    wanted = [tmp_path / "b.png", tmp_path / "holiday" / "a.png"]
    found = scan([Input(tmp_path)], True, CancelToken())
    assert sorted(each.path for each in found) == wanted
    assert pictures_in(tmp_path) == wanted
    # One that is named is meant.
    assert [each.path.name for each in scan([Input(tmp_path / "@eaDir")], True, CancelToken())] == ["a.png"]
    assert [path.name for path in pictures_in(tmp_path / "@eaDir")] == ["a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs the right to make links")
def test_linked_folders_are_followed_by_all_and_circles_are_not(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a.png").touch()
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "linked").symlink_to(tmp_path / "disk", target_is_directory=True)
    (tmp_path / "disk" / "back").symlink_to(pictures, target_is_directory=True)
    wanted = [pictures / "linked" / "a.png"]
    assert [each.path for each in scan([Input(pictures)], True, CancelToken())] == wanted
    assert pictures_in(pictures) == wanted


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    for name in ("a.png", "b.SVG", "c.svg", "d.txt", "e", "e.xmp", ".hidden.svg", "f.png.part"):
        (tmp_path / name).touch()
    passed_over: Counter[str] = Counter()
    list(scan([Input(tmp_path)], True, CancelToken(), None, passed_over))
    assert in_words(passed_over) == "4 files of other kinds were passed over: 2 SVG, 1 TXT, 1 without a suffix."
    assert in_words(Counter({".svg": 1})) == "1 file of another kind was passed over: 1 SVG."
    assert in_words(Counter()) is None
    assert (in_words(Counter(f".{number}" for number in range(9))) or "").endswith("4 more.")
