from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core import paths
from core.contract.errors import UserError
from core.contract.training import TrainingFinished, TrainingStarted, TrainingStep, TrainRequest, Validation
from core.training.recipe import load_recipe
from core.training.run import RunFolder
from srgan_desktop.training.runs import POINTS, Series, new_run_folder, read_run, read_runs, rename_run, slug
from tests.desktop.training.scripted import validation_event


def step(number: int, loss: float = 1.0, skipped: str = "") -> TrainingStep:
    return TrainingStep("psnr", number, 100, 1e-3, {"l1": loss}, {"l1": 1.0}, 0.6, 0.4, 0.1, 0.0, None, skipped)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "runs" / "first")
    folder.create(load_recipe("quick"), TrainRequest("quick", tmp_path, folder.path))
    folder.log(TrainingStarted(folder.path, "", "cpu", "fp32", 1, 0, 400, 27.5, 0.8, "parent"))
    return folder


def test_a_curve_stays_short_and_keeps_its_ends() -> None:
    series = Series()
    for number in range(5 * POINTS):
        series.add(number, float(number))
    assert POINTS // 2 <= len(series.steps) < POINTS
    assert series.steps[0] == 0
    assert series.steps[-1] > 5 * POINTS - 20
    assert series.steps == sorted(series.steps) == [int(value) for value in series.values]
    series.forget_after(100)
    assert series.steps[-1] <= 100


def test_a_run_is_read_from_its_folder(folder: RunFolder) -> None:
    for number in range(1, 11):
        folder.log(step(number, 1 / number))
    folder.log(validation_event(folder, 10))
    (folder.checkpoints / "checkpoint-00000010.safetensors").write_bytes(b"")
    record = read_run(folder.path)
    assert (record.name, record.step, record.total_steps) == ("quick", 10, 100)
    assert record.losses["l1"].values == [1 / number for number in range(1, 11)]
    assert record.d_real.values == [0.6] * 10
    assert record.bicubic_psnr == 27.5
    assert record.validations[0].pictures[0].sr.is_file()
    assert record.can_go_on
    assert record.model == folder.best("psnr")
    (listed,) = read_runs(folder.path.parent)
    assert (listed.step, listed.validations, listed.can_go_on) == (10, record.validations, True)
    assert len(listed.losses["l1"].steps) < 10


def test_a_run_can_be_called_otherwise(folder: RunFolder) -> None:
    recipe = folder.recipe()
    rename_run(folder.path, "  Sharper,\nsecond try ")
    assert read_run(folder.path).name == "Sharper, second try"
    # What a resumed run compares stays as it is.
    assert folder.recipe() == recipe
    with pytest.raises(UserError, match="needs a name"):
        rename_run(folder.path, "  ")
    shutil.rmtree(folder.path)
    with pytest.raises(UserError, match="could not be saved"):
        rename_run(folder.path, "gone")


def test_a_moved_run_finds_its_pictures(folder: RunFolder, tmp_path: Path) -> None:
    folder.log(validation_event(folder, 2))
    moved = tmp_path / "elsewhere"
    shutil.move(folder.path, moved)
    picture = read_run(moved).validations[0].pictures[0]
    assert all(
        path.is_file() and moved in path.parents for path in (picture.sr, picture.lr, picture.hr, picture.bicubic)
    )


def test_the_half_line_of_a_killed_run_and_anything_foreign_is_passed_over(folder: RunFolder) -> None:
    folder.log(step(1))
    with folder.log_file.open("a") as file:
        file.write('{"event": "Unknown"}\n[1, 2]\n{"event": "Validation", "step": 3}\n{"event": "TrainingStep", "sta')
    record = read_run(folder.path)
    assert record.losses["l1"].steps == [1]
    assert record.validations == []


def test_a_spoiled_recipe_still_makes_a_row(folder: RunFolder) -> None:
    (folder.path / "recipe.toml").write_text("name = ")
    (record,) = read_runs(folder.path.parent)
    assert record.name == "first"
    assert not record.can_go_on


def test_steps_done_again_replace_the_old_ones(folder: RunFolder) -> None:
    record = read_run(folder.path)
    for number in (1, 2, 3, 4):
        record.take(step(number, number))
    record.take(validation_event(folder, 4))
    record.take(step(3, 30))
    assert record.losses["l1"].values == [1, 2, 30]
    assert record.validations == []
    record.take(step(4, 1.0, skipped="the l1 loss is not finite"))
    assert record.step == 4
    assert record.losses["l1"].steps == [1, 2, 3]


def test_a_finished_run_knows_its_verdict(folder: RunFolder) -> None:
    folder.model.write_bytes(b"")
    folder.log(TrainingFinished(folder.path, folder.model, 100, True, False, "Not better.", {}))
    (folder.checkpoints / "checkpoint-00000100.safetensors").write_bytes(b"")
    record = read_run(folder.path)
    assert record.finished.verdict == "Not better."
    assert not record.can_go_on
    assert record.model == folder.model


@pytest.mark.parametrize(
    ("name", "plain"),
    [("My café, x4", "my-cafe-x4"), ("../../etc", "etc"), ("猫", "model"), ("a" * 200, "a" * 60), ("con.", "con")],
)
def test_names_become_file_names(name: str, plain: str) -> None:
    assert slug(name) == plain


def test_two_runs_of_a_second_get_two_folders() -> None:
    first = new_run_folder("cats")
    first.mkdir(parents=True)
    second = new_run_folder("cats")
    assert first != second
    assert first.parent == second.parent == paths.user_runs()


def test_a_validation_is_read_back_equal(folder: RunFolder) -> None:
    event = validation_event(folder, 2)
    assert isinstance(event, Validation)
    folder.log(event)
    assert read_run(folder.path).validations == [event]


def test_validations_of_the_first_versions_are_read(folder: RunFolder, tmp_path: Path) -> None:
    """They were called looks, on the disk too."""
    folder.validations.rename(folder.path / "looks")
    older = RunFolder(folder.path)
    older.log(validation_event(older, 2))
    older.log_file.write_text(older.log_file.read_text().replace('"Validation"', '"Look"'))
    moved = tmp_path / "elsewhere"
    shutil.move(older.path, moved)
    (event,) = read_run(moved).validations
    assert event.pictures[0].sr == moved / "looks" / "00000002" / "a.png"
    assert event.pictures[0].sr.is_file()
