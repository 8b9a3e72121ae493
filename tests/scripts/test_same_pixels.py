from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.images import Picture, save
from scripts import same_pixels


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two, with one picture each that is the same."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        save(tmp_path / name / "a.png", Picture(np.full((4, 5, 3), 100, np.uint8), None), "png")
    return tmp_path / "one", tmp_path / "other"


def test_a_level_is_no_difference(folders: tuple[Path, Path]) -> None:
    one, other = folders
    assert same_pixels.difference(one, other) == []
    for levels, found in ((1, []), (2, ["a.png differs by 2.0 levels"])):
        save(other / "a.png", Picture(np.full((4, 5, 3), 100 - levels, np.uint8), None), "png")
        assert same_pixels.difference(one, other) == found


def test_another_size_a_missing_picture_and_none_at_all_are_differences(folders: tuple[Path, Path]) -> None:
    one, other = folders
    save(other / "a.png", Picture(np.zeros((5, 5, 3), np.uint8), None), "png")
    save(one / "b.png", Picture(np.zeros((5, 5, 3), np.uint8), None), "png")
    assert same_pixels.difference(one, other) == [
        "b.png is in one of them only",
        "a.png has (4, 5, 3) uint8 and (5, 5, 3) uint8",
    ]
    for path in (*one.iterdir(), *other.iterdir()):
        path.unlink()
    assert same_pixels.difference(one, other) == ["there are no pictures"]


def test_it_ends_with_what_it_found(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["same_pixels.py", *map(str, folders)])
    with pytest.raises(SystemExit) as ended:
        same_pixels.main()
    assert ended.value.code == 0
