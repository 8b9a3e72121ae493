"""A run's state on the disk, and what others do with its files meanwhile."""

from __future__ import annotations

import errno
from pathlib import Path

import psutil
import pytest
import torch

from core import atomic
from core.contract.errors import UserError
from core.training.checkpoint import (
    PartState,
    checkpoints,
    forget_after,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)


class Part:
    def __init__(self, step: int) -> None:
        self.step = step

    def state(self) -> PartState:
        return PartState({"weights": torch.full((3, 2), float(self.step))}, {"step": self.step})

    def restore(self, state: PartState) -> None:
        self.step = state.values["step"]


def written(folder: Path, step: int, keep: int = 2) -> Path:
    return save_checkpoint(folder, step, [("training", Part(step))], keep)


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    written(tmp_path, 7)
    path, checkpoint = newest_checkpoint(tmp_path)
    assert (path.name, checkpoint.step) == ("checkpoint-00000007.safetensors", 7)
    assert torch.equal(checkpoint.part("training").tensors["weights"], torch.full((3, 2), 7.0))
    assert checkpoint.part("adversary").values == {}


def test_the_file_of_what_was_restored_is_free(tmp_path: Path) -> None:
    """Windows lets nobody replace, truncate or delete a file that is mapped into memory."""
    path = written(tmp_path, 1)
    checkpoint = load_checkpoint(path)
    assert path not in [Path(each.path) for each in psutil.Process().memory_maps()]
    written(tmp_path, 1)
    path.write_bytes(b"")
    path.unlink()
    assert checkpoint.part("training").tensors["weights"].sum() == 6


def test_an_old_one_that_is_open_elsewhere_ends_no_run(tmp_path: Path) -> None:
    old = written(tmp_path, 1, 1)
    with old.open("rb"):
        assert written(tmp_path, 2, 1).exists()
    written(tmp_path, 3, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000003.safetensors"]


def test_a_step_back_forgets_what_came_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (1, 2, 3):
        written(tmp_path, step, 9)
    forget_after(tmp_path, 2)
    assert [path.name[-13:-12] for path in checkpoints(tmp_path)] == ["1", "2"]

    def held(_path: Path, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "The process cannot access the file")

    # One that stays must not be resumed from without a word.
    monkeypatch.setattr(atomic, "HELD_SECONDS", 0.0)
    monkeypatch.setattr(Path, "unlink", held)
    with pytest.raises(UserError, match="could not be deleted: The process") as caught:
        forget_after(tmp_path, 1)
    assert "resume" in caught.value.hint
