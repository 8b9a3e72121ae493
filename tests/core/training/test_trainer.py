from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.jobs import Notice
from core.contract.training import (
    CheckpointSaved,
    PrepareRequest,
    SamplesSaved,
    ScanFinished,
    StageStarted,
    TrainingEstimated,
    TrainingEstimateRequest,
    TrainingFinished,
    TrainingStarted,
    TrainingStep,
    TrainRequest,
    Validation,
)
from core.models.card import read_card, read_header
from core.models.generator import Generator as Network
from core.models.generator import GeneratorConfig
from core.models.weights import load_generator
from core.training import dataset, validation
from core.training.checkpoint import (
    RandomState,
    load_checkpoint,
    newest_checkpoint,
    optimizer_tensors,
)
from core.training.dataset import decode
from core.training.losses import LOSSES
from core.training.prepare import prepare
from core.training.run import RunFolder
from core.training.step import StepReport, Training
from core.training.trainer import estimate, train
from tests.core.networks import save_small_model
from tests.core.training.pictures import TINY
from tests.homes import places
from tests.warm_start import start_program

GAN = (
    *TINY,
    ("gan.steps", "4"),
    ("gan.batch", "2"),
    ("gan.crops", "[8]"),
    ("gan.discriminator_features", "4"),
    ("gan.losses", "{ l1 = 1.0, adversarial = 0.1, ldl = 0.1 }"),
    ("validation.gan_metric", "psnr_y"),
)
OLD = Path(__file__).parent / "data"


def request(data: Path, held_out: Path, run: Path, *overrides: tuple[str, str], **more) -> TrainRequest:
    return TrainRequest("quick", data, run, validation=held_out, overrides=(*TINY, *overrides), threads=1, **more)


def kinds(events: list) -> list[str]:
    return [type(event).__name__ for event in events]


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def final_state(run: Path) -> tuple[dict[str, torch.Tensor], dict]:
    _, checkpoint = newest_checkpoint(RunFolder(run).checkpoints)
    tensors = {f"{name}/{key}": value for name, part in checkpoint.parts.items() for key, value in part.tensors.items()}
    return tensors, {name: part.values for name, part in checkpoint.parts.items()}


def assert_equal_runs(one: Path, other: Path) -> None:
    tensors, state = final_state(one)
    found, found_state = final_state(other)
    assert found_state == state
    assert tensors.keys() == found.keys()
    different = [key for key in tensors if not torch.equal(tensors[key], found[key])]
    assert different == []
    assert (one / "model.safetensors").read_bytes()[-4096:] == (other / "model.safetensors").read_bytes()[-4096:]


def test_a_pattern_of_the_gan_is_told_once(
    data: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "MESH_SEEN", -100.0)
    events = list(train(request(data, held_out, tmp_path / "run", *GAN), CancelToken()))
    told = [event.message for event in events if isinstance(event, Notice)]
    assert [words.partition(":")[0] for words in told] == ["A regular pattern begins to show"]
    assert len([event for event in events if isinstance(event, Validation) and event.stage == "gan"]) == 2


def test_a_whole_run(data: Path, held_out: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    events = list(train(request(data, held_out, run, *GAN), CancelToken()))
    names = [name for name in kinds(events) if name not in ("ScanProgress", "TrainingStep")]
    assert names == [
        "ScanFinished",
        "SamplesSaved",
        "TrainingStarted",
        *("StageStarted", "CheckpointSaved", "Validation", "CheckpointSaved", "Validation", "CheckpointSaved"),
        *("StageStarted", "CheckpointSaved", "Validation", "CheckpointSaved", "Validation", "CheckpointSaved"),
        "TrainingFinished",
    ]
    started = next(e for e in events if isinstance(e, TrainingStarted))
    assert (started.start_step, started.total_steps, started.parent) == (0, 10, "")
    assert [e.stage for e in events if isinstance(e, StageStarted)] == ["psnr", "gan"]
    samples = next(e for e in events if isinstance(e, SamplesSaved))
    assert all(size(lr) == (8, 8) and size(hr) == (32, 32) for lr, hr in samples.pairs)
    validations = [e for e in events if isinstance(e, Validation)]
    assert [each.step for each in validations] == [3, 6, 9, 10]
    assert all(each.seen_gain is not None and each.seen_gain < 0 for each in validations)
    for picture in validations[-1].pictures:
        assert size(picture.sr) == size(picture.hr) == size(picture.bicubic)
    steps = [e for e in events if isinstance(e, TrainingStep)]
    last = steps[-1]
    assert last.step == 10
    assert set(last.losses) == {"l1", "adversarial", "ldl", "discriminator"}
    assert set(last.gradient_norms) == {"l1", "adversarial", "ldl"}
    assert last.d_real is not None
    assert 0 <= last.d_real <= 1
    finished = events[-1]
    assert isinstance(finished, TrainingFinished)
    assert finished.better_than_bicubic is False
    assert finished.better_than_parent is None
    assert "Not better than bicubic" in finished.verdict
    assert "2 test pictures" in finished.verdict
    card = read_card(finished.model)
    scan = next(e for e in events if isinstance(e, ScanFinished))
    assert (card.iterations, card.scale, card.dataset_sha256) == (10, 4, scan.fingerprint)
    assert card.metrics["held-out psnr_y"] == finished.metrics["psnr_y"]
    assert "[psnr]" in card.recipe
    assert load_generator(finished.model)[0].config.features == 8
    # What is told is also on the disk, for a window that starts later.
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["event"] == "Validation"] == [3, 6, 9, 10]
    assert len(list((run / "checkpoints").iterdir())) == 3


@pytest.mark.parametrize(
    ("stop", "overrides"),
    [
        (2, (("psnr.accumulate", "2"), ("checkpoint_every", "2"), ("data.degradation", '"blind"'))),
        (6, GAN),
        (8, (*GAN, ("gan.discriminator", '"pooled"'), ("precision", '"bf16"'))),
    ],
    ids=["psnr", "between the stages", "gan"],
)
def test_stop_and_go_on_is_exact(data: Path, held_out: Path, tmp_path: Path, stop: int, overrides: tuple) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    list(train(request(data, held_out, whole, *overrides), CancelToken()))
    events = list(train(request(data, held_out, parts, *overrides, stop_after=stop), CancelToken()))
    assert events[-1].model is None
    torch.manual_seed(99)
    events = list(train(TrainRequest("", data, parts, True, held_out, threads=1), CancelToken()))
    assert next(e for e in events if isinstance(e, TrainingStarted)).start_step == stop
    assert_equal_runs(whole, parts)


def test_a_killed_run_goes_on_exactly(data: Path, held_out: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    overrides = (("psnr.steps", "400"), ("checkpoint_every", "5"), ("validation.every", "400"))
    command = ["train", "quick", f"--data={data}", f"--val={held_out}", f"--run={killed}", "--threads=1", "--json"]
    command += [f"--set={field}={value}" for field, value in (*TINY, *overrides)]
    environment = {**os.environ, **places(tmp_path, "cache")}
    with start_program("core.commands.training", command, environment) as process:
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "CheckpointSaved" and event["step"] >= 10:
                process.kill()
                break
    assert process.returncode == (-9 if os.name == "posix" else 1)
    step = newest_checkpoint(killed / "checkpoints")[1].step
    assert 10 <= step < 400
    # To the next multiple of five, with and without the kill.
    end = step + 5
    list(train(request(data, held_out, whole, *overrides, stop_after=end), CancelToken()))
    list(train(TrainRequest("", data, killed, True, held_out, threads=1, stop_after=end), CancelToken()))
    tensors, state = final_state(whole)
    found, found_state = final_state(killed)
    assert state == found_state
    assert all(torch.equal(value, found[key]) for key, value in tensors.items())


def test_three_bad_steps_bring_the_last_state_back_at_half_the_rate(
    data: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    l1, calls = LOSSES["l1"], 0

    def bad_for_a_while(context):
        nonlocal calls
        calls += 1
        value = l1(context)
        return value * float("nan") if 5 <= calls <= 7 else value

    monkeypatch.setitem(LOSSES, "l1", bad_for_a_while)
    run = tmp_path / "run"
    events = list(train(request(data, held_out, run, ("psnr.steps", "9")), CancelToken()))
    (notice,) = [e for e in events if isinstance(e, Notice)]
    assert "l1" in notice.message
    assert "back to step 3, with 0.5 times the learning rate" in notice.message
    _, state = final_state(run)
    training = state["training"]
    assert (training["step"], training["rate_factor"], training["bad_steps"]) == (9, 0.5, 0)
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged if line["event"] == "Validation"] == [3, 6, 9]


def test_a_run_that_no_rate_can_hold_gives_up(
    data: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    l1 = LOSSES["l1"]
    monkeypatch.setitem(LOSSES, "l1", lambda context: l1(context) * float("nan"))
    run = tmp_path / "run"
    with pytest.raises(UserError, match="is unstable: the l1 loss is not finite"):
        list(train(request(data, held_out, run), CancelToken()))
    assert newest_checkpoint(run / "checkpoints")[1].part("training").values["rate_factor"] == 2**-8


def test_cancel_saves_where_it_was(data: Path, held_out: Path, tmp_path: Path) -> None:
    run, cancel = tmp_path / "run", CancelToken()
    seen = []
    events = train(request(data, held_out, run, ("psnr.steps", "1000")), cancel)
    for event in events:
        if isinstance(event, CheckpointSaved) and event.step == 3:
            break
    cancel.cancel()
    with pytest.raises(Cancelled):
        seen.extend(events)
    assert isinstance(seen[-1], CheckpointSaved)
    assert newest_checkpoint(run / "checkpoints")[1].step == seen[-1].step == 3


def test_a_full_disk_stops_the_run_with_its_checkpoint_whole(
    data: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.parent.name == "checkpoints" and len(list(path.parent.glob("checkpoint-*"))) == 2:
            write(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    run = tmp_path / "run"
    with pytest.raises(UserError) as caught:
        list(train(request(data, held_out, run, ("psnr.steps", "9")), CancelToken()))
    assert "No space left" in caught.value.message
    assert "--resume" in caught.value.hint
    assert [load_checkpoint(p).step for p in sorted((run / "checkpoints").iterdir())] == [0, 3]


def test_a_vanished_folder_stops_the_run(data: Path, held_out: Path, tmp_path: Path) -> None:
    run, away = tmp_path / "run", tmp_path / "away"
    events = train(request(data, held_out, run, ("psnr.steps", "9")), CancelToken())
    for event in events:
        if isinstance(event, CheckpointSaved) and event.step == 3:
            break
    run.rename(away)
    with pytest.raises(UserError, match="had to stop: No such file"):
        list(events)
    away.rename(run)
    finished = list(train(TrainRequest("", data, run, True, held_out, threads=1), CancelToken()))[-1]
    assert (finished.steps, finished.model.is_file()) == (9, True)


def test_vanished_pictures_stop_the_run(data: Path, held_out: Path, tmp_path: Path) -> None:
    run, pictures = tmp_path / "run", tmp_path / "pictures"
    shutil.copytree(data, pictures)
    overrides = (("psnr.steps", "60"), ("data.cache_mb", "64"))
    events = train(request(pictures, held_out, run, *overrides), CancelToken())
    for event in events:
        if isinstance(event, ScanFinished):
            shutil.rmtree(pictures)
            break
    with pytest.raises(UserError, match="does not exist"):
        list(events)


def test_another_picture_stands_in_for_one_that_vanished(
    data: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanished(path: Path) -> np.ndarray:
        if path.name == "picture-003.png":
            raise UserError(f"“{path.name}” does not exist.")
        return decode(path)

    monkeypatch.setattr(dataset, "decode", vanished)
    events = list(train(request(data, held_out, tmp_path / "run", ("psnr.steps", "40")), CancelToken()))
    told = [e.message for e in events if isinstance(e, Notice) and "picture-003.png" in e.message]
    assert len(told) == 1
    assert "other pictures in its place" in told[0]
    assert events[-1].steps == 40


def test_what_ends_a_run_does_not_cost_its_steps(
    data: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, real = tmp_path / "run", Training.train_step

    def out_of_memory(training: Training, batches) -> StepReport:
        if training.step == 5:
            raise RuntimeError("out of memory")
        return real(training, batches)

    with monkeypatch.context() as broken:
        broken.setattr(Training, "train_step", out_of_memory)
        with pytest.raises(RuntimeError, match="out of memory"):
            list(train(request(data, held_out, run), CancelToken()))
    assert newest_checkpoint(run / "checkpoints")[1].step == 5


def test_who_goes_on_need_not_say_again_what_was_held_out(data: Path, held_out: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    list(train(request(data, held_out, whole), CancelToken()))
    list(train(request(data, held_out, parts, stop_after=4), CancelToken()))
    list(train(TrainRequest("", data, parts, True, threads=1), CancelToken()))
    assert_equal_runs(whole, parts)


def test_a_spoiled_checkpoint_is_passed_over(data: Path, held_out: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    list(train(request(data, held_out, run), CancelToken()))
    newest, _ = newest_checkpoint(run / "checkpoints")
    newest.write_bytes(newest.read_bytes()[:-100])
    path, checkpoint = newest_checkpoint(run / "checkpoints")
    assert (path != newest, checkpoint.step) == (True, 3)
    for each in (run / "checkpoints").iterdir():
        each.write_bytes(b"nothing")
    with pytest.raises(UserError, match="no checkpoint to resume from"):
        list(train(TrainRequest("", data, run, True, held_out), CancelToken()))


def test_a_run_of_the_first_format_goes_on(data: Path, held_out: Path, tmp_path: Path) -> None:
    """The file is of version 0.1.0: stopped at step 8 of 10, in the second of four steps of a GAN stage."""
    for name in ("bundles", "looks"):
        (tmp_path / "run" / name).mkdir(parents=True)
    run = RunFolder(tmp_path / "run")
    shutil.copy(OLD / "format-1.toml", run.path / "recipe.toml")
    old = run.path / "bundles" / "bundle-00000008.safetensors"
    shutil.copy(OLD / "format-1.safetensors", old)
    tensors = safetensors.torch.load_file(old)
    recipe = run.recipe()
    assert (recipe.checkpoint_every, recipe.keep_checkpoints) == (3, 3)
    training = Training(recipe, Network(GeneratorConfig(**recipe.generator.model_dump())), torch.device("cpu"), "fp32")
    checkpoint = load_checkpoint(old)
    training.restore(checkpoint.part("training"))
    training.adversary.restore(checkpoint.part("adversary"))
    RandomState(training.device).restore(checkpoint.part("random"))
    assert (training.step, training.taken, training.gan, training.bad_steps) == (8, 8, True, 0)
    for name, now in (
        ("generator", training.generator.state_dict()),
        ("ema", training.ema.state_dict()),
        ("before", training.before.state_dict()),
        ("discriminator", training.adversary.network.state_dict()),
        ("optimizer", optimizer_tensors(training.optimizer, training.generator)),
        ("optimizer_d", optimizer_tensors(training.adversary.optimizer, training.adversary.network)),
        ("random", {"cpu": torch.get_rng_state()}),
    ):
        then = {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
        assert then.keys() == now.keys(), name
        assert all(torch.equal(value, now[key]) for key, value in then.items()), name
    shutil.copy(OLD / "format-1-best.safetensors", run.best("gan"))
    events = list(train(TrainRequest("", data, run.path, True, held_out, threads=1), CancelToken()))
    assert next(e for e in events if isinstance(e, TrainingStarted)).start_step == 8
    assert [e.step for e in events if isinstance(e, CheckpointSaved)] == [9, 10]
    # What it began, it goes on with: no second folder for the same thing.
    assert {path.name for path in run.path.iterdir() if path.is_dir()} == {"bundles", "looks"}
    assert old in run.checkpoints.iterdir()
    assert events[-1].steps == 10
    then = json.loads(read_header(OLD / "format-1.safetensors")["__metadata__"]["state"])
    _, after = final_state(run.path)
    assert after["validation"]["best"]["psnr"][:3] == then["best"]["psnr"]
    assert after["validation"]["seen"]["gaps"][:2] == then["seen"]["gaps"]


def test_a_run_ends_early_without_progress(data: Path, held_out: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Training, "train_step", _standing_still)
    overrides = (("psnr.steps", "1000"), ("validation.patience", "2"))
    events = list(train(request(data, held_out, tmp_path / "run", *overrides), CancelToken()))
    assert any(isinstance(e, Notice) and "No better weights" in e.message for e in events)
    assert [e.step for e in events if isinstance(e, Validation)] == [3, 6, 9]
    assert [e.best for e in events if isinstance(e, Validation)] == [True, False, False]
    assert events[-1].model is not None


def _standing_still(training: Training, batches) -> StepReport:
    training.step += 1
    return StepReport({"l1": 0.5}, {"l1": 0.5}, d_real=0.99, d_fake=0.01)


def test_a_discriminator_that_has_won_is_told_in_words(data: Path, held_out: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Training, "train_step", _standing_still)
    overrides = (*GAN, ("gan.steps", "400"), ("validation.every", "1000"), ("checkpoint_every", "1000"))
    events = list(train(request(data, held_out, tmp_path / "run", *overrides), CancelToken()))
    (notice,) = [e for e in events if isinstance(e, Notice)]
    assert "D(real) is 0.99 and D(fake) 0.01" in notice.message


def test_a_parent_is_measured_and_named(data: Path, held_out: Path, tmp_path: Path) -> None:
    parent = save_small_model(tmp_path / "parent.safetensors", features=8, blocks=1)
    wanted = request(data, held_out, tmp_path / "run", start=str(parent))
    events = list(train(wanted, CancelToken()))
    finished = events[-1]
    assert next(e for e in events if isinstance(e, TrainingStarted)).parent == "parent"
    assert finished.better_than_parent is not None
    assert "its parent parent" in finished.verdict
    assert "parent_psnr_y" in finished.metrics
    assert read_card(finished.model).parent.startswith("parent (sha256 ")
    other = save_small_model(tmp_path / "other.safetensors", features=12, blocks=1)
    with pytest.raises(UserError, match="another network"):
        list(train(request(data, held_out, tmp_path / "run2", start=str(other)), CancelToken()))
    keep = (("data.synthetic", "0.5"), ("psnr.losses", "{ keep = 1.0 }"))
    with pytest.raises(UserError, match="begins with random weights"):
        list(train(request(data, held_out, tmp_path / "run3", *keep), CancelToken()))
    with pytest.raises(UserError, match=r"set data\.synthetic above 0"):
        list(train(request(data, held_out, tmp_path / "run4", keep[1], start=str(parent)), CancelToken()))


def test_a_run_folder_is_used_once(data: Path, held_out: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    list(train(request(data, held_out, run, stop_after=1), CancelToken()))
    with pytest.raises(UserError, match="already holds a run"):
        list(train(request(data, held_out, run), CancelToken()))
    with pytest.raises(UserError, match="holds no run"):
        list(train(TrainRequest("", data, tmp_path / "none", True, held_out), CancelToken()))


def test_missing_content_weights_end_it_before_anything(data: Path, held_out: Path, tmp_path: Path) -> None:
    overrides = (*GAN, ("gan.losses", "{ content = 1.0 }"))
    wanted = request(data, held_out, tmp_path / "run", *overrides, content_weights=tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="no content weights"):
        next(train(wanted, CancelToken()))
    assert not (tmp_path / "run").exists()


def test_the_perceptual_distance_decides_the_gan_stage(data: Path, held_out: Path, tmp_path: Path, vgg16: Path) -> None:
    overrides = (
        *GAN,
        ("validation.gan_metric", '"perceptual"'),
        ("gan.losses", "{ content = 1.0 }"),
        ("gan.content.layers", "{ conv1_2 = 1.0, conv3_4 = 0.5 }"),
        ("psnr.steps", "3"),
        ("gan.steps", "3"),
    )
    events = list(train(request(data, held_out, tmp_path / "run", *overrides, content_weights=vgg16), CancelToken()))
    assert all(e.perceptual is not None and e.perceptual > 0 for e in events if isinstance(e, Validation))
    assert "perceptual" in events[-1].verdict
    assert {"perceptual", "bicubic_perceptual"} <= events[-1].metrics.keys()


def test_a_trial_writes_nothing(data: Path, held_out: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    finished = list(estimate(TrainingEstimateRequest(request(data, held_out, run, *GAN), steps=1), CancelToken()))[-1]
    assert isinstance(finished, TrainingEstimated)
    assert set(finished.seconds_per_step) == {"psnr", "gan"}
    expected = 6 * finished.seconds_per_step["psnr"] + 4 * finished.seconds_per_step["gan"]
    assert finished.seconds_total == pytest.approx(expected)
    assert finished.peak_memory > 0
    assert not run.exists()


def test_a_trial_measures_steps_of_the_generator(
    data: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, real = [], Training.train_step

    def watched(training: Training, batches) -> StepReport:
        turns.append(training.generator_step)
        return real(training, batches)

    monkeypatch.setattr(Training, "train_step", watched)
    wanted = request(data, held_out, tmp_path / "run", *GAN, ("gan.steps", "400"), ("gan.head_start", "200"))
    list(estimate(TrainingEstimateRequest(wanted, steps=1), CancelToken()))
    assert turns == [0, 1, 0, 1]


def test_tensorboard_files(data: Path, held_out: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    list(train(request(data, held_out, run, tensorboard=True), CancelToken()))
    board = EventAccumulator(str(run / "tensorboard"))
    board.Reload()
    tags = board.Tags()["scalars"]
    assert {"loss/l1", "gradient/l1", "rate", "held-out/psnr_y"} <= set(tags)
    assert [e.step for e in board.Scalars("held-out/psnr_y")] == [3, 6]


@pytest.mark.parametrize(("field", "value"), [("data.synthetic", "0.5"), ("data.reduce_to", "0.5")])
def test_what_makes_its_own_small_pictures_does_not_go_with_pairs(
    data: Path, tmp_path: Path, field: str, value: str
) -> None:
    pairs = tmp_path / "pairs"
    list(prepare(PrepareRequest(data, pairs, 64, 16, 4, 0), CancelToken()))
    asked = TrainRequest("quick", pairs, tmp_path / "run", overrides=(*TINY, (field, value)), threads=1)
    with pytest.raises(UserError, match=f"{field} does not go with ready-made pairs"):
        list(train(asked, CancelToken()))
    assert not (tmp_path / "run").exists()


def test_a_share_of_synthetic_crops_trains(data: Path, held_out: Path, tmp_path: Path) -> None:
    asked = request(data, held_out, tmp_path / "run", ("data.synthetic", "1.0"), ("data.candidates", "2"))
    *_, finished = train(asked, CancelToken())
    assert isinstance(finished, TrainingFinished)
    assert "synthetic = 1.0" in read_card(finished.model).recipe
