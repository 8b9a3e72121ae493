"""A small network learns what a large one does."""

from __future__ import annotations

import errno
import gc
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from spandrel.architectures.Compact import Compact
from spandrel.architectures.RCAN import RCAN

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.training import (
    ScanRequest,
    TeacherProgress,
    TrainingEstimated,
    TrainingEstimateRequest,
    TrainingFinished,
    TrainingStarted,
    TrainingStep,
    TrainRequest,
    Validation,
)
from core.models.card import read_card
from core.training import dataset
from core.training import pool as pool_module
from core.training import teacher as teacher_module
from core.training.checkpoint import newest_checkpoint
from core.training.dataset import CropLoader
from core.training.pool import CHUNK, Pool
from core.training.processes import Place
from core.training.recipe import load_recipe
from core.training.scan import scan
from core.training.teacher import MARGIN, PATCH, Teacher, pool_of, pools_folder
from core.training.trainer import estimate, train
from core.upscale.engine import Engine
from tests.core.networks import save_small_model
from tests.core.training.pictures import TINY, picture_folder, textured
from tests.warm_start import pool_context

CPU = torch.device("cpu")
TAUGHT = (*TINY, ("psnr.losses", "{ teacher = 1.0 }"), ("data.teacher_patches", "16"))


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    return save_small_model(tmp_path / "wise.safetensors", features=12, blocks=2, seed=5)


def request(
    data: Path, held_out: Path, run: Path, teacher: Path | str, *overrides: tuple[str, str], **more: Any
) -> TrainRequest:
    named = ("teacher", f"'{teacher}'")
    return TrainRequest(
        "quick", data, run, validation=held_out, overrides=(*TAUGHT, named, *overrides), threads=1, **more
    )


def whole_pool(data: Path, teacher: Path, *overrides: tuple[str, str]) -> tuple[Pool, list[TeacherProgress]]:
    """The pool of a run, and what was told while it was filled."""
    recipe = load_recipe("quick", (*TAUGHT, ("teacher", f"'{teacher}'"), *overrides))
    events = scan(ScanRequest(data, 4, 48, None, recipe.data.held_out, recipe.seed), CancelToken())
    filled = pool_of(recipe, result_of(events)[1], Teacher(recipe, CPU), Place(), CancelToken())
    told, pool = result_of(filled)
    return pool, told


def result_of(generator: Any) -> tuple[list[Any], Any]:
    """(what it yielded, what it returned)."""
    yielded = []
    while True:
        try:
            yielded.append(next(generator))
        except StopIteration as stop:
            return yielded, stop.value


def contents(pool: Pool) -> list[bytes]:
    return [path.read_bytes() for path in sorted(pool.folder.iterdir())]


def of_pool(pool: Pool, name: str, number: int) -> np.ndarray:
    return np.load(sorted(pool.folder.iterdir())[number // CHUNK])[number % CHUNK][name]


def test_a_run_with_a_teacher_says_who_teaches_and_learns_it(
    data: Path, held_out: Path, tmp_path: Path, teacher: Path
) -> None:
    events = list(train(request(data, held_out, tmp_path / "run", teacher, ("psnr.steps", "30")), CancelToken()))
    progress = [event for event in events if isinstance(event, TeacherProgress)]
    assert (progress[0].teacher, progress[0].done, progress[0].total) == ("wise", 0, 16)
    assert (progress[-1].done, progress[-1].total) == (16, 16)
    started = next(event for event in events if isinstance(event, TrainingStarted))
    assert started.teacher == "wise"
    assert events.index(progress[-1]) < events.index(started)
    steps = [event for event in events if isinstance(event, TrainingStep)]
    assert set(steps[-1].losses) == {"teacher"}
    assert steps[-1].losses["teacher"] < steps[0].losses["teacher"]
    finished = events[-1]
    assert isinstance(finished, TrainingFinished)
    figure = r"\d+\.\d"
    words = rf"teacher wise reaches {figure}\d dB on 2 of them, .* reaches {figure}\d, and takes {figure} times as long"
    assert re.search(words, finished.verdict)
    card = read_card(finished.model)
    assert "Taught by wise (sha256 " in card.description
    assert 'teacher = "wise.safetensors"' in card.recipe


def test_a_student_does_what_its_teacher_does(data: Path, held_out: Path, tmp_path: Path) -> None:
    """This teacher makes pictures lighter, which no truth would teach."""
    lighter = save_small_model(tmp_path / "lighter.safetensors", features=4, blocks=1)
    change_weights(lighter, lambda name, value: 0 * value + 0.1 * (name == "tail.bias") if "tail" in name else value)
    wanted = (("psnr.steps", "60"), ("psnr.rate", "1e-2"), ("psnr.ema", "0.5"), ("validation.metric", "teacher"))
    events = list(train(request(data, held_out, tmp_path / "run", lighter, *wanted), CancelToken()))
    finished = events[-1]
    assert isinstance(finished, TrainingFinished)
    nearness = [event.psnr_to_teacher for event in events if isinstance(event, Validation)]
    assert nearness[-1] > nearness[0] + 3
    assert "Better than bicubic enlargement by nearness to the teacher" in finished.verdict
    assert finished.metrics["psnr_to_teacher"] > finished.metrics["bicubic_psnr_to_teacher"] + 3
    lr = textured(50)
    recipe = load_recipe("quick", (*TAUGHT, ("teacher", f"'{lighter}'")))
    teacher, student = (
        Teacher(recipe.model_copy(update={"teacher": str(path)}), CPU) for path in (lighter, finished.model)
    )
    made, learnt = (each.enlarge(lr, CancelToken()).astype(float) for each in (teacher, student))
    assert made.mean() - lr.mean() > 15
    assert abs(learnt.mean() - made.mean()) < 5


def change_weights(path: Path, change: Callable[[str, torch.Tensor], torch.Tensor]) -> None:
    from core.models.weights import load_generator, save_generator

    generator, card = load_generator(path)
    save_generator(path, {name: change(name, value) for name, value in generator.state_dict().items()}, card)


def test_patches_are_as_in_the_whole_picture(tmp_path: Path, teacher: Path) -> None:
    large = picture_folder(tmp_path / "large", 4, height=400, width=410)
    pool, _ = whole_pool(large, teacher)
    assert (pool.patch, pool.count) == (PATCH, 16)
    recipe = load_recipe("quick", (*TAUGHT, ("teacher", f"'{teacher}'")))
    alone = Teacher(recipe, CPU)
    far = 4 * MARGIN
    for number in (0, 9):
        lr, made = of_pool(pool, "lr", number), of_pool(pool, "teacher", number).astype(int)
        cut_off = np.abs(alone.enlarge(lr, CancelToken()) - made)
        # The network sees less far than the margin: inside all is equal, and at the edges it was not the edge.
        assert cut_off[far:-far, far:-far].max() <= 1
        assert cut_off.max() > 1
        assert of_pool(pool, "hr", number).shape == made.shape == (4 * PATCH, 4 * PATCH, 3)


def test_small_pictures_make_small_patches(data: Path, teacher: Path) -> None:
    pool, _ = whole_pool(data, teacher, ("psnr.crops", "[12]"))
    assert pool.patch == 12


def test_a_teacher_of_another_program_gets_pictures_of_its_own(data: Path, tmp_path: Path) -> None:
    """RCAN multiplies its input in place."""
    torch.manual_seed(0)
    path = tmp_path / "rcan.pth"
    torch.save(RCAN(scale=4, n_resgroups=1, n_resblocks=1, n_feats=8, reduction=4).state_dict(), path)
    pool, told = whole_pool(data, path)
    assert told[-1].done == 16
    assert len({of_pool(pool, "lr", number).tobytes() for number in range(16)}) > 8
    assert of_pool(pool, "lr", 3).std() > 5
    again = Teacher(load_recipe("quick", (*TAUGHT, ("teacher", f"'{path}'"))), CPU)
    lr = of_pool(pool, "lr", 3)
    before = lr.copy()
    assert np.array_equal(again.enlarge(lr, CancelToken()), again.enlarge(lr, CancelToken()))
    assert np.array_equal(lr, before)


def test_an_interrupted_teacher_goes_on(data: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, enlarge = [], Teacher.enlarge

    def stopping(self: Teacher, lr: np.ndarray, cancel: CancelToken) -> np.ndarray:
        if len(calls) == 11:
            calls.append(0)
            raise Cancelled
        calls.append(0)
        return enlarge(self, lr, cancel)

    monkeypatch.setattr(Teacher, "enlarge", stopping)
    with pytest.raises(Cancelled):
        whole_pool(data, teacher)
    # The first chunk was kept.
    monkeypatch.setattr(Teacher, "enlarge", enlarge)
    pool, told = whole_pool(data, teacher)
    assert told[0].done == CHUNK
    once, folder = contents(pool), pool.folder
    # Windows deletes no file that is mapped.
    del pool
    gc.collect()
    for path in folder.iterdir():
        path.unlink()
    assert contents(whole_pool(data, teacher)[0]) == once
    # And now there is nothing left to do.
    assert whole_pool(data, teacher)[1] == []


@pytest.mark.skipif(not hasattr(psutil.Process, "num_fds"), reason="counts file descriptors")
def test_a_large_pool_does_not_use_up_file_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "OPEN_CHUNKS", 3)
    pool = Pool(tmp_path, 8, 2, 20 * CHUNK)
    for chunk in pool.chunks:
        pool.write(chunk, np.full(CHUNK, chunk, pool.dtype))
    before = psutil.Process().num_fds()
    random = np.random.default_rng(0)
    seen = {int(lr[0, 0, 0]) for lr, _, _, _ in (pool.cut(4, random) for _ in range(300))}
    assert seen == set(pool.chunks)
    assert psutil.Process().num_fds() <= before + 3


def test_a_spoiled_chunk_is_made_again(data: Path, teacher: Path) -> None:
    pool, _ = whole_pool(data, teacher)
    once = contents(pool)
    spoiled = sorted(pool.folder.iterdir())[1]
    spoiled.write_bytes(spoiled.read_bytes()[:-10])
    pool, told = whole_pool(data, teacher)
    assert told[0].done == CHUNK
    assert contents(pool) == once


def test_a_full_disk_stops_the_teacher_and_keeps_what_is_done(
    data: Path, held_out: Path, tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = np.save

    def full(file: Any, array: np.ndarray) -> None:
        if list(pools_folder().rglob("*.npy")):
            file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(file, array)

    run = tmp_path / "run"
    with monkeypatch.context() as broken:
        broken.setattr(np, "save", full)
        with pytest.raises(UserError, match="No space left on device") as caught:
            list(train(request(data, held_out, run, teacher), CancelToken()))
    assert "is kept" in caught.value.hint
    assert not run.exists()
    (kept,) = [path for path in pools_folder().rglob("*") if path.is_file()]
    events = list(train(request(data, held_out, run, teacher), CancelToken()))
    assert next(event for event in events if isinstance(event, TeacherProgress)).done == CHUNK
    assert isinstance(events[-1], TrainingFinished)
    assert kept.is_file()


def test_too_little_room_is_said_before_the_work(data: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(UserError, match="too little room") as caught:
        whole_pool(data, teacher)
    assert "teacher_patches" in caught.value.hint


def test_pools_together_stay_within_their_bound(
    data: Path, tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = whole_pool(data, teacher)
    second, _ = whole_pool(data, save_small_model(tmp_path / "other.safetensors", seed=8))
    assert first.folder.is_dir()
    monkeypatch.setattr(teacher_module, "POOLS_BYTES", 2 * sum(map(len, contents(second))) + 1000)
    # Used again, the first is the newer one.
    whole_pool(data, teacher)
    third, _ = whole_pool(data, save_small_model(tmp_path / "third.safetensors", seed=9))
    assert {folder.name for folder in pools_folder().iterdir()} == {first.folder.name, third.folder.name}


def test_what_cannot_teach_is_refused_before_the_run(data: Path, held_out: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def refused(teacher: Path | str, *overrides: tuple[str, str]) -> UserError:
        with pytest.raises(UserError) as caught:
            list(train(request(data, held_out, run, teacher, *overrides), CancelToken()))
        assert not run.exists()
        return caught.value

    double = refused(save_small_model(tmp_path / "double.safetensors", scale=2))
    assert double.message == "The teacher double enlarges 2 times, and the recipe's network 4 times."
    assert double.hint.startswith("Set generator.scale to 2")
    grey = tmp_path / "grey.pth"
    torch.save(Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, upscale=4).state_dict(), grey)
    assert "knows no colours" in refused(grey).message
    broken = save_small_model(tmp_path / "broken.safetensors")
    change_weights(broken, lambda _, value: torch.full_like(value, float("nan")))
    assert "gives no valid numbers" in refused(broken).message
    assert "no model “nobody”" in refused("nobody").message
    assert "is named" in refused("").message


def test_a_teacher_that_stumbles_on_a_crop_is_refused_in_words(
    data: Path, held_out: Path, tmp_path: Path, teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbles(*_: object) -> None:
        raise RuntimeError("size of tensor a (7) must match")

    monkeypatch.setattr(Engine, "upscale", stumbles)
    with pytest.raises(UserError, match=r"The teacher wise fails on a crop of 8 x 8 pixels: size of tensor a"):
        list(train(request(data, held_out, tmp_path / "run", teacher), CancelToken()))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((("teacher", "detail-x4"),), "no loss learns from it"),
        ((("psnr.losses", "{ teacher = 1.0 }"), ("data.taught", "0.5")), "set data.taught to 1"),
        ((("psnr.losses", "{ teacher_content = 1.0 }"),), "belongs to"),
        ((("data.taught", "0"),), "data.taught"),
        ((("validation.metric", "teacher"),), "no loss learns from one"),
    ],
)
def test_recipes_that_make_no_sense_with_a_teacher(overrides: tuple[tuple[str, str], ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_recipe("quick", overrides)


def test_a_share_of_the_crops_is_taught_and_all_have_their_truth(data: Path, teacher: Path) -> None:
    pool, _ = whole_pool(data, teacher)
    events = scan(ScanRequest(data, 4, 48), CancelToken())
    pictures = result_of(events)[1].training
    options: dict[str, Any] = {"scale": 4, "degradation": "bicubic", "seed": 3, "cache_bytes": 1 << 26}
    with CropLoader(pictures, pool=pool, taught=0.5, **options) as loader:
        batch = loader.cut(0, 8, 40)
        again = loader.cut(0, 8, 40)
    assert np.array_equal(batch.teacher, again.teacher)
    assert 8 < batch.taught.sum() < 32
    assert len(batch.teacher) == batch.taught.sum()
    patches = [of_pool(pool, "lr", number) for number in range(16)]
    from_pool = [any(is_in(lr, patch) for patch in patches) for lr in batch.lr]
    assert [bool(taught) for taught in batch.taught] == from_pool
    # LR, HR and the teacher's output are turned alike.
    teachers = iter(batch.teacher)
    for taught, lr in zip(batch.taught, batch.lr, strict=True):
        if taught:
            made = next(teachers)
            small = made.reshape(8, 4, 8, 4, 3).mean((1, 3))
            assert np.corrcoef(small.ravel(), lr.ravel())[0, 1] > 0.5
    # Without a pool the crops are those of before.
    with CropLoader(pictures, **options) as loader:
        plain = loader.cut(0, 8, 4)
    assert plain.teacher is None
    assert plain.taught is None


def is_in(crop: np.ndarray, patch: np.ndarray) -> bool:
    """Whether a crop is a part of a patch, in any of its eight turns."""
    side = len(crop)
    windows = np.lib.stride_tricks.sliding_window_view(patch, (side, side), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    turns = [np.rot90(each, turn) for each in (crop, crop[:, ::-1]) for turn in range(4)]
    return any((windows == turned).all((2, 3, 4)).any() for turned in turns)


@pytest.mark.parametrize("processes", ["0", "1"])
def test_stop_and_go_on_is_exact_even_where_the_outputs_are_gone(
    data: Path, held_out: Path, tmp_path: Path, teacher: Path, processes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "get_context", pool_context)
    mixed = (
        ("psnr.losses", "{ l1 = 0.5, teacher = 1.0 }"),
        ("data.taught", "0.6"),
        ("data.synthetic", "0.3"),
        ("data.loader_processes", processes),
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    list(train(request(data, held_out, whole, teacher, *mixed), CancelToken()))
    list(train(request(data, held_out, parts, teacher, *mixed, stop_after=4), CancelToken()))
    gc.collect()
    for file in [path for path in pools_folder().rglob("*") if path.is_file()]:
        file.unlink()
    list(train(TrainRequest("", None, parts, True), CancelToken()))
    one, other = (newest_checkpoint(run / "checkpoints")[1].part("training") for run in (whole, parts))
    assert one.values == other.values
    assert all(torch.equal(value, other.tensors[name]) for name, value in one.tensors.items())


def test_a_trial_lets_the_teacher_do_a_little_and_counts_the_rest(
    data: Path, held_out: Path, tmp_path: Path, teacher: Path
) -> None:
    wanted = request(data, held_out, tmp_path / "run", teacher, ("data.teacher_patches", "80"))
    for _ in range(2):  # the second finds that little done
        finished = list(estimate(TrainingEstimateRequest(wanted, steps=1), CancelToken()))[-1]
        assert isinstance(finished, TrainingEstimated)
        assert len(list(pools_folder().rglob("*.npy"))) == 1
        assert finished.seconds_total > 6 * finished.seconds_per_step["psnr"]


def test_textures_are_learnt_from_a_teacher_too(
    data: Path, held_out: Path, tmp_path: Path, teacher: Path, vgg16: Path
) -> None:
    stages = (
        ("psnr.steps", "2"),
        ("gan.steps", "3"),
        ("gan.batch", "2"),
        ("gan.crops", "[8]"),
        ("gan.discriminator_features", "4"),
        ("gan.losses", "{ l1 = 0.1, teacher = 1.0, teacher_content = 0.5, adversarial = 0.05 }"),
        ("gan.content.layers", "{ conv1_2 = 1.0 }"),
        ("data.taught", "1.0"),
    )
    wanted = request(data, held_out, tmp_path / "run", teacher, *stages, content_weights=vgg16)
    events = list(train(wanted, CancelToken()))
    last = [event for event in events if isinstance(event, TrainingStep)][-1]
    assert set(last.losses) == {"l1", "teacher", "teacher_content", "adversarial", "discriminator"}
    assert last.losses["teacher_content"] > 0
