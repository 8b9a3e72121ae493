"""The commands around training, as a person types them."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from core import paths
from core.commands.console import EXIT_CANCELLED
from core.commands.training import app
from core.models.card import read_card
from core.models.weights import load_generator
from tests.core.networks import save_small_model
from tests.core.training.pictures import TINY, picture_folder, vgg16_file
from tests.homes import places
from tests.picture_collections import COLLECTIONS
from tests.warm_start import start_program

SMALL = [f"--set={field}={value}" for field, value in TINY]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(paths, "user_models", lambda: tmp_path / "models")
    monkeypatch.setattr(paths, "user_runs", lambda: tmp_path / "runs")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return picture_folder(tmp_path / "data")


def srgan(*arguments: object) -> Result:
    threads = torch.get_num_threads()
    try:
        return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    finally:
        torch.set_num_threads(threads)


def words(result: Result) -> str:
    """Both streams, with the lines that a narrow terminal broke put together again."""
    return " ".join((result.stdout + result.stderr).split())


def test_a_quick_run_ends_above_bicubic(tmp_path: Path) -> None:
    """The `quick` recipe, made smaller, on photographs: shared ones where they are, else scikit-image's."""
    if COLLECTIONS.is_dir():
        train_from, held_from = (
            sorted((COLLECTIONS / "train").iterdir())[::60],
            sorted((COLLECTIONS / "val").iterdir())[:6],
        )
        photographs = [np.asarray(Image.open(p).convert("RGB")) for p in train_from]
        held = [np.asarray(Image.open(p).convert("RGB"))[:256, :256] for p in held_from]
    else:
        skimage = pytest.importorskip("skimage.data")
        photographs = [skimage.astronaut(), skimage.coffee(), skimage.rocket()]
        held = [skimage.chelsea()]
    for folder, pictures in (("train", photographs), ("val", held)):
        (tmp_path / folder).mkdir()
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(tmp_path / folder / f"{number}.png")
    small = {
        "generator.features": 16,
        "generator.blocks": 2,
        "generator.upsampler": "direct",
        "psnr.steps": 100,
        "psnr.batch": 8,
        "psnr.crops": "[16]",
        "psnr.rate": "4e-3",
        "psnr.warmup": 10,
        "psnr.ema": 0.95,
        "validation.every": 100,
        "data.quarantine": "false",
    }
    command = ["train", "quick", "--threads=1"]
    command += [f"--data={tmp_path / 'train'}", f"--val={tmp_path / 'val'}", f"--run={tmp_path / 'run'}"]
    command += [f"--set={field}={value}" for field, value in small.items()]
    environment = {**os.environ, **places(tmp_path, "cache")}
    with start_program("core.commands.training", command, environment) as program:
        said, errors = program.communicate()
    assert program.returncode == 0, errors
    assert "Better than bicubic" in said
    metrics = read_card(tmp_path / "run" / "model.safetensors").metrics
    assert metrics["held-out psnr_y"] > metrics["held-out bicubic_psnr_y"] + 0.05


def test_prepare_says_what_it_did(data: Path, tmp_path: Path) -> None:
    (data / "torn.png").write_bytes(b"no picture")
    out = tmp_path / "pairs"
    first = srgan("prepare", data, out, "--hr", 32, "--lr", 8, "--count", 0, "--seed", 0)
    assert first.exit_code == 0
    assert "left out torn.png" in words(first)
    assert "6 pairs made, 0 already there, 1 left out" in words(first)
    second = srgan("prepare", data, out, "--hr", 32, "--lr", 8, "--count", 0)
    assert "0 pairs made, 6 already there" in words(second)
    refused = srgan("prepare", data, out, "--hr", 64, "--lr", 16)
    assert refused.exit_code == 1
    assert "made with other settings" in words(refused)


def test_the_folders_of_prepare_can_be_trained_on(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    srgan("prepare", data, out, "--hr", 64, "--lr", 16, "--count", 0)
    result = srgan("train", "quick", "--data", out, "--run", tmp_path / "run", "--threads", 1, *SMALL)
    assert result.exit_code == 0, words(result)
    assert "5 pictures to train on, 1 to test on" in words(result)
    assert "few pictures overfits" in words(result)


def test_train_stops_resumes_and_finishes(data: Path, tmp_path: Path) -> None:
    common = ["--data", data, "--threads", 1]
    first = srgan("train", "quick", *common, *SMALL, "--stop-after", 3)
    assert first.exit_code == 0, words(first)
    assert "resume it any time" in words(first)
    run = tmp_path / "runs" / "quick"
    assert srgan("train", "quick", *common, *SMALL).exit_code == 1
    # Where the pictures are, too, only the run need know.
    second = srgan("train", "quick", "--resume", "--stop-after", 4)
    assert second.exit_code == 0, words(second)
    second = srgan("train", "--run", run, "--resume", "--json")
    assert second.exit_code == 0, words(second)
    events = [json.loads(line) for line in second.stdout.splitlines()]
    assert next(e for e in events if e["event"] == "TrainingStarted")["start_step"] == 4
    assert events[-1]["event"] == "TrainingFinished"
    assert events[-1]["model"] == str(run / "model.safetensors")
    assert load_generator(run / "model.safetensors")[0].config.features == 8


def test_a_run_goes_on_from_anywhere_with_what_it_was_told_last(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    srgan("train", "quick", "--data", data, "--threads", 1, "--run", tmp_path / "parent", *SMALL)
    monkeypatch.chdir(tmp_path / "parent")
    begun = srgan(
        "train", "quick", "--data", data, "--threads", 1, "--run", run, *SMALL, "--start", "model.safetensors",
        "--stop-after", 1,
    )  # fmt: skip
    assert begun.exit_code == 0, words(begun)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    moved = data.rename(tmp_path / "moved")
    for more in ((), ("--stop-after", 1)):
        lost = srgan("train", "--run", run, "--resume", *more)
        assert lost.exit_code == 1
        assert "Traceback" not in words(lost)
    trial = srgan("train", "--run", run, "--resume", "--data", moved, "--trial", "--json")
    assert trial.exit_code == 0, words(trial)
    # Six steps, as the run has: not the four hundred of the recipe of that name.
    seconds = json.loads(trial.stdout.splitlines()[-1])
    assert seconds["seconds_total"] == pytest.approx(6 * seconds["seconds_per_step"]["psnr"], rel=0.01)
    again = srgan("train", "--run", run, "--resume", "--data", moved, "--stop-after", 1)
    assert "is already at step 1" in words(again)
    assert srgan("train", "--run", run, "--resume", "--data", moved, "--stop-after", 2).exit_code == 0
    ended = srgan("train", "--run", run, "--resume")
    assert ended.exit_code == 0, words(ended)
    assert "its parent quick x4" in words(ended)
    # In the card, which is passed on, it is a name alone.
    recipe = read_card(run / "model.safetensors").recipe
    assert 'start = "model.safetensors"' in recipe
    assert str(tmp_path) not in recipe


def test_a_model_named_to_start_from_does_for_a_recipe_without_a_psnr_stage(data: Path, tmp_path: Path) -> None:
    small = save_small_model(tmp_path / "small.safetensors")
    common = ["train", "default", "--data", data, "--threads", 1, *SMALL, "--set", "psnr.steps=0", "--trial"]
    assert "needs a model to start from" in words(srgan(*common))
    # What it meets next is that the network is another.
    assert "another network" in words(srgan(*common, "--start", small))


def test_a_trial_tells_what_it_would_cost(data: Path, tmp_path: Path) -> None:
    result = srgan("train", "quick", "--data", data, "--trial", "--threads", 1, *SMALL)
    assert result.exit_code == 0, words(result)
    assert "s a step; about 1 minutes without the validations" in words(result)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "No recipe was named"),
        (["--resume"], "No recipe was named"),
        (["quick"], "No pictures were named"),
        (["quick", "--resume"], "holds no run"),
        (["--resume", "--run", "nowhere"], "holds no run"),
    ],
)
def test_what_a_run_needs_is_asked_for(tmp_path: Path, arguments: list[str], said: str) -> None:
    result = srgan("train", *arguments)
    assert result.exit_code == 1
    assert said in words(result)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["quick", "--set", "psnr.steps"], "changes no field"),
        (["quick", "--set", "psnr.stairs=3"], "psnr.stairs"),
        (["quick", "--set", "psnr.rate=7"], "psnr.rate"),
        (["none"], "There is no recipe"),
        (["quick", "--resume"], "holds no run"),
        (["quick", "--resume", "--set", "gan.batch=4"], "has no effect"),
        (["quick", "--resume", "--start", "faithful-x4"], "has no effect"),
        (["quick", "--device", "abacus"], "no device"),
    ],
)
def test_mistakes_end_in_words(data: Path, arguments: list[str], said: str) -> None:
    result = srgan("train", *arguments, "--data", data)
    assert result.exit_code == 1
    assert said in words(result)
    assert "Traceback" not in words(result)


def test_no_network_and_no_content_weights_end_before_the_first_step(data: Path, tmp_path: Path) -> None:
    """The whole command, with a proxy that refuses every connection in place of a missing network."""
    command = ["train", "default", f"--data={data}", "--threads=1", f"--run={tmp_path / 'run'}"]
    nowhere = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
    environment = {**os.environ, **nowhere, **places(tmp_path, "cache")}
    with start_program("core.commands.training", command, environment) as program:
        _out, errors = program.communicate()
    assert program.returncode == 1
    said = " ".join(errors.split())
    assert "could not be downloaded" in said
    assert "Connect to the internet once" in said
    assert "--content-weights" in said
    assert not (tmp_path / "run").exists()


def test_evaluate_prints_a_table(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data", count=2)
    model = save_small_model(tmp_path / "small.safetensors")
    weights = vgg16_file(tmp_path / "vgg16.safetensors")
    plain = srgan("evaluate", model, "--data", data, "--precision", "fp32")
    assert plain.exit_code == 0, words(plain)
    assert "PSNR-Y" in plain.stdout
    assert "s/megapixel" in words(plain)
    assert "No perceptual distance" in words(plain)
    whole = srgan("evaluate", model, "--data", data, "--content-weights", weights, "--json", "--out", tmp_path / "out")
    events = [json.loads(line) for line in whole.stdout.splitlines()]
    assert [e["event"] for e in events] == ["PictureEvaluated"] * 2 + ["SetEvaluated"]
    assert events[-1]["results"][0]["perceptual"] > 0
    assert len(list((tmp_path / "out" / "data").iterdir())) == 2
    assert srgan("evaluate", model, "--data", data, "--precision", "int3").exit_code == 1
    several = srgan("evaluate", "faithful-x4", "detail-x4", "--data", data, "--detail", 40, "--artefacts")
    assert several.exit_code == 0, words(several)
    assert "faithful-x4" in several.stdout
    assert "detail-x4 at 40 %" in words(several)
    assert "mesh, dB" in several.stdout
    assert "small, 8 passes" in words(srgan("evaluate", model, "--data", data, "--ensemble"))
    useless = srgan("evaluate", "faithful-x4", "fast-x4", "--data", data, "--detail", 40)
    assert useless.exit_code == 1
    assert "no softer version" in " ".join(useless.stderr.split())


def test_blend_lies_between_its_parents(tmp_path: Path) -> None:
    first, second = (
        save_small_model(tmp_path / f"{name}.safetensors", seed=seed) for name, seed in (("a", 0), ("b", 1))
    )
    out = tmp_path / "ab.safetensors"
    result = srgan("blend", first, second, "--alpha", 0.25, "--out", out)
    assert result.exit_code == 0, words(result)
    one, other, mixed = (load_generator(path)[0].state_dict() for path in (first, second, out))
    for key, value in mixed.items():
        torch.testing.assert_close(value, 0.75 * one[key] + 0.25 * other[key])
    assert "a" in read_card(out).parent
    larger = save_small_model(tmp_path / "large.safetensors", features=12)
    assert "different networks: features 8 and 12." in words(srgan("blend", first, larger, "--out", tmp_path / "x"))
    assert srgan("blend", first, second, "--alpha", 1.5, "--out", tmp_path / "x").exit_code == 1
    assert "already exists" in words(srgan("blend", first, second, "--out", out))


def test_export_writes_onnx_that_agrees(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    model, out = save_small_model(tmp_path / "small.safetensors"), tmp_path / "small.onnx"
    result = srgan("export", model, "--onnx", out)
    assert result.exit_code == 0, words(result)
    assert "from torch" in words(result)
    session = runtime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    lr = torch.rand(2, 3, 19, 31)
    (sr,) = session.run(["sr"], {"lr": lr.numpy()})
    with torch.inference_mode():
        torch.testing.assert_close(torch.from_numpy(sr), load_generator(model)[0](lr), atol=1e-4, rtol=0)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    (tmp_path / "taken").write_text("not a folder")
    out = tmp_path / "taken" / "small.onnx"
    result = srgan("export", save_small_model(tmp_path / "small.safetensors"), "--onnx", out)
    assert result.exit_code == 1
    assert "small.onnx cannot be written" in words(result)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminal hangs up here")
def test_a_closed_terminal_does_not_lose_the_steps(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["train", "quick", f"--data={data}", "--threads=1", f"--run={run}", *SMALL]
    command += ["--set=psnr.steps=100000", "--set=checkpoint_every=100000"]
    environment = {**os.environ, **places(tmp_path, "cache")}
    ours, theirs = os.openpty()
    with start_program("core.commands.training", command, environment, terminal=theirs) as process:
        os.close(theirs)
        deadline = time.monotonic() + 120
        while not (run / "log.jsonl").is_file() or "TrainingStep" not in (run / "log.jsonl").read_text():
            assert time.monotonic() < deadline
            if select.select([ours], [], [], 0.1)[0]:
                os.read(ours, 1 << 16)
        os.close(ours)
        assert process.wait(120) == EXIT_CANCELLED
    saved = [path.name for path in (run / "checkpoints").iterdir() if "00000000" not in path.name]
    assert len(saved) == 1


def test_ctrl_c_saves_and_says_so(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["train", "quick", f"--data={data}", "--threads=1", f"--run={run}", "--json", *SMALL]
    command += ["--set=psnr.steps=100000", "--set=checkpoint_every=100000"]
    environment = {**os.environ, **places(tmp_path, "cache")}
    # A shell script's background jobs ignore it from their start.
    with start_program("core.commands.training", command, environment, ignores=[signal.SIGINT]) as process:
        events = []
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["event"] == "TrainingStep" and events[-1]["step"] >= 3:
                process.send_signal(signal.SIGINT)
                break
        events += [json.loads(line) for line in process.stdout]
        assert "Stopped." in process.stderr.read()
    assert process.returncode == EXIT_CANCELLED
    assert events[-1]["event"] == "CheckpointSaved"
    assert (run / "checkpoints" / f"checkpoint-{events[-1]['step']:08d}.safetensors").is_file()
