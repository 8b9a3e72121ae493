"""The folder of a run is its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.contract.errors import UserError
from core.contract.training import TrainRequest
from core.training.recipe import load_recipe
from core.training.run import RunFolder


def create(path: Path) -> RunFolder:
    folder = RunFolder(path)
    folder.create(load_recipe("quick"), TrainRequest("quick", path.parent, path))
    return folder


@pytest.mark.parametrize("name", ["model.safetensors", "checkpoints/checkpoint-00090000.safetensors", "notes.txt"])
def test_a_folder_with_anything_in_it_is_refused(name: str, tmp_path: Path) -> None:
    mine = tmp_path / "run" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"hours of work")
    with pytest.raises(UserError, match=re.escape(f"is not empty: it holds {Path(name)}")) as caught:
        create(tmp_path / "run")
    assert caught.value.hint
    assert [path for path in (tmp_path / "run").rglob("*") if path.is_file()] == [mine]
    assert mine.read_bytes() == b"hours of work"


def test_a_run_is_not_begun_twice(tmp_path: Path) -> None:
    create(tmp_path / "run")
    with pytest.raises(UserError, match="already holds a run"):
        create(tmp_path / "run")


def test_empty_folders_and_what_others_leave_everywhere_do_not_count(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / ".DS_Store").write_bytes(b"")
    (run / "tensorboard").mkdir()
    (run / "tensorboard" / "events.out.tfevents.1").write_bytes(b"")
    assert create(run).holds_run


def test_a_model_to_start_from_may_have_any_name(tmp_path: Path) -> None:
    """JSON escapes 🙂 as TOML does not."""
    start = str(tmp_path / '🙂 "x4".safetensors')
    request = TrainRequest("finetune", tmp_path, tmp_path / "run", start=start)
    settled, recipe = RunFolder(tmp_path / "run").settle(request)
    assert (settled.start, recipe.start) == (start, start)
