"""A folder is listed in natural order, however large it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.contract.cancel import Cancelled, CancelToken
from core.upscale import folder_listing
from core.upscale.folder_listing import FolderListing, natural

NAMES = st.text(st.sampled_from("aB1209. é_"), min_size=1, max_size=8).filter(
    # Windows leaves dots and blanks at the end out.
    lambda name: not name.startswith(".") and (sys.platform != "win32" or not name.endswith((" ", ".")))
)


def names_in(folder: Path) -> list[str]:
    with FolderListing(folder) as listing:
        first = list(listing)
        # As often as it is asked.
        assert list(listing) == first
    return [name for name, _is_folder in first]


@given(st.sets(NAMES, max_size=30))
def test_sorted_in_runs_is_sorted(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    folder = tmp_path_factory.mktemp("folder")
    for name in names:
        (folder / name).touch()
    whole = names_in(folder)
    assert set(whole) == names
    assert [natural(name) for name in whole] == sorted(map(natural, names))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder_listing, "RUN", 4)
        assert names_in(folder) == whole


def test_folders_are_told_apart_and_hidden_files_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        (tmp_path / f"{number}.png").touch()
        (tmp_path / f".{number}").touch()
    (tmp_path / "2").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "2")
    for run in (3, 100):
        monkeypatch.setattr(folder_listing, "RUN", run)
        with FolderListing(tmp_path) as listing:
            entries = dict(listing)
        assert [name for name, is_folder in entries.items() if is_folder] == ["2", "link"]
        assert [name for name in entries if name.endswith(".png")] == [f"{number}.png" for number in range(12)]
        assert len(entries) == 14
    with pytest.raises(FileNotFoundError):
        FolderListing(tmp_path / "gone")


def test_a_large_folder_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        (tmp_path / f"{number}.png").touch()
    monkeypatch.setattr(folder_listing, "RUN", 2)
    cancel = CancelToken()
    with FolderListing(tmp_path, cancel.check) as listing:
        entries = iter(listing)
        assert next(entries) == ("0.png", False)
        cancel.cancel()
        with pytest.raises(Cancelled):
            list(listing)
    with pytest.raises(Cancelled):
        FolderListing(tmp_path, cancel.check)
