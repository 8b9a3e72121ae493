"""Files that are written whole or not at all, also where other programs have them open."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core import atomic
from core.atomic import PART_SUFFIX, check_free, replacing
from core.contract.errors import UserError


def write_half(final: Path, error: Exception) -> None:
    with replacing(final) as temporary:
        temporary.write_text("half")
        raise error


def held_for(attempts: int, act: Callable[..., object]) -> Callable[..., object]:
    """What a file does that another program has open for so many attempts, as on Windows."""
    left = attempts

    def attempt(self: Path, *arguments: object, **options: object) -> object:
        nonlocal left
        if left > 0:
            left -= 1
            raise PermissionError(errno.EACCES, "The process cannot access the file", str(self))
        return act(self, *arguments, **options)

    return attempt


def test_the_old_file_stays_where_writing_fails(tmp_path: Path) -> None:
    final = tmp_path / "a.png"
    final.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_half(final, ZeroDivisionError())
    assert final.read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


def test_a_file_that_a_scanner_holds_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "HELD_SECONDS", 30.0)
    monkeypatch.setattr(atomic, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(Path, "replace", held_for(3, Path.replace))
    final = tmp_path / "a.png"
    with replacing(final) as temporary:
        temporary.write_text("new")
    assert final.read_text() == "new"
    assert list(tmp_path.iterdir()) == [final]


def test_a_file_that_stays_open_is_told_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "HELD_SECONDS", 0.01)
    monkeypatch.setattr(Path, "replace", held_for(1000, Path.replace))
    final = tmp_path / "a.png"
    final.write_text("old")
    with pytest.raises(PermissionError), replacing(final) as temporary:
        temporary.write_text("new")
    assert final.read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


def test_what_cannot_be_deleted_does_not_hide_what_went_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "unlink", held_for(1000, Path.unlink))
    with pytest.raises(OSError, match="No space left"):
        write_half(tmp_path / "a.png", OSError(errno.ENOSPC, "No space left on device"))
    (left,) = tmp_path.iterdir()
    assert left.suffix == PART_SUFFIX


def test_a_read_only_file_is_replaced_where_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def replace_as_windows_does(self: Path, target: Path) -> Path:
        if not target.stat().st_mode & 0o200:
            raise PermissionError(errno.EACCES, "Access is denied", str(target))
        return replace(self, target)

    monkeypatch.setattr(atomic, "IS_WINDOWS", True)
    monkeypatch.setattr(Path, "replace", replace_as_windows_does)
    # For root every file is writable.
    monkeypatch.setattr(os, "access", lambda path, _mode: bool(Path(path).stat().st_mode & 0o200))
    final = tmp_path / "a.png"
    final.write_text("old")
    final.chmod(0o444)
    with replacing(final) as temporary:
        temporary.write_text("new")
    assert final.read_text() == "new"


def test_nothing_that_is_there_is_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    check_free([tmp_path / "free"])
    with pytest.raises(UserError, match="already exists"):
        check_free([tmp_path / "free", tmp_path / "there"])
