"""Names for new files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.names import MAX_NAME_BYTES, fitting_name, free_folder, free_path, portable_name


def test_a_free_path_is_itself_and_a_taken_one_gets_the_first_free_number(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    assert free_path(path) == path
    path.touch()
    assert free_path(path) == tmp_path / "a (2).png"
    (tmp_path / "a (2).png").touch()
    (tmp_path / "a (4).png").touch()
    assert free_path(path) == tmp_path / "a (3).png"


def test_a_link_to_nothing_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.symlink_to(tmp_path / "gone.png")
    assert free_path(path) == tmp_path / "a (2).png"


def test_a_dot_in_a_folder_s_name_begins_no_suffix(tmp_path: Path) -> None:
    folder = tmp_path / "photos.2024"
    assert free_folder(folder, {folder}.__contains__) == tmp_path / "photos.2024 (2)"


def test_a_number_fits_where_the_name_is_as_long_as_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 125 + ".png")
    path.touch()
    free = free_path(path)
    free.touch()
    assert len(os.fsencode(free.name)) <= MAX_NAME_BYTES
    assert free_path(path) not in (path, free)


def test_two_long_names_never_become_one() -> None:
    one, two = (fitting_name("x" * 300 + end, ".png") for end in "12")
    assert one != two
    assert max(len(one), len(two)) <= MAX_NAME_BYTES


@pytest.mark.parametrize(
    ("name", "portable"),
    [
        ("con", "con-"),
        ("CON.png", "CON-.png"),
        ("aux .tar.gz", "aux -.tar.gz"),
        ("com1.old.png", "com1-.old.png"),
        ("LPT²", "LPT²-"),
        ("console.png", "console.png"),
        ("com10.png", "com10.png"),
        ('a<b>:c"d|e?f*g', "a-b-c-d-e-f-g"),
        ("a/b\\c", "a-b-c"),
        ("line\nbreak", "line-break"),
        ("ends with a dot. . ", "ends with a dot"),
        ("...", "-"),
        ("日本 → ünï.png", "日本 → ünï.png"),
    ],
)
def test_names_that_windows_cannot_hold_are_changed_as_little_as_possible(name: str, portable: str) -> None:
    assert portable_name(name) == portable
    assert portable_name(portable) == portable
