"""Two processes under `torchrun` learn what one learns from the whole batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from core.contract.cancel import CancelToken
from core.contract.training import TrainingStep, TrainRequest
from core.training.checkpoint import newest_checkpoint
from core.training.processes import any_of_all
from core.training.trainer import train
from tests.core.training.pictures import TINY
from tests.homes import places
from tests.warm_start import start_program

ROOT = Path(__file__).parents[3]
BOTH_STAGES = (
    *TINY,
    ("psnr.steps", "3"),
    ("psnr.batch", "4"),
    ("psnr.accumulate", "2"),
    ("gan.steps", "3"),
    ("gan.batch", "4"),
    ("gan.crops", "[8]"),
    ("gan.discriminator_features", "4"),
    ("gan.losses", "{ l1 = 1.0, adversarial = 0.1, ldl = 0.1 }"),
    ("validation.gan_metric", '"psnr_y"'),
    ("validation.every", "6"),
)


def words_for(data: Path, held_out: Path, run: Path, overrides: tuple[tuple[str, str], ...]) -> list[str]:
    words = ["train", "quick", f"--data={data}", f"--val={held_out}", f"--run={run}"]
    words += ["--threads=1", "--json", "--device=cpu"]
    return words + [f"--set={field}={value}" for field, value in overrides]


def environment_of(run: Path) -> dict[str, str]:
    return {**os.environ, **places(run.parent, "cache"), "OMP_NUM_THREADS": "1"}


def events_in(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def run_side_by_side(
    data: Path, held_out: Path, run: Path, overrides: tuple[tuple[str, str], ...]
) -> list[dict[str, Any]]:
    """Train in two processes that are told of each other as torchrun does, which itself takes seconds to begin."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = environment_of(run) | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    words = words_for(data, held_out, run, overrides)
    with ExitStack() as both:
        first, second = (
            both.enter_context(
                start_program("core.commands.training", words, told | {"RANK": rank, "LOCAL_RANK": rank})
            )
            for rank in ("0", "1")
        )
        said, errors = first.communicate()
    assert (first.returncode, second.returncode) == (0, 0), errors
    return events_in(said)


def run_together(data: Path, held_out: Path, run: Path, overrides: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    """Train in two processes under torchrun, but on Windows, where torchrun wants libuv, and torch has none."""
    if sys.platform == "win32":
        return run_side_by_side(data, held_out, run, overrides)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    # The two dashes, as torchrun would take --run and --start for abbreviations of its own options.
    command += ["-m", "--", "core.commands.training", *words_for(data, held_out, run, overrides)]
    environment = environment_of(run)
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return events_in(ran.stdout)


def test_two_processes_leave_a_stage_together(data: Path, held_out: Path, tmp_path: Path) -> None:
    """Without progress, which the first process alone sees."""
    standing_still = (*BOTH_STAGES, ("psnr.steps", "60"), ("psnr.rate", "1e-12"), ("validation.every", "2"))
    events = run_side_by_side(data, held_out, tmp_path / "run", (*standing_still, ("validation.patience", "2")))
    assert [e["step"] for e in events if e["event"] == "Validation" and e["stage"] == "psnr"] == [2, 4, 6]
    assert events[-1]["event"] == "TrainingFinished"


def test_two_processes_are_one_with_the_doubled_batch(data: Path, held_out: Path, tmp_path: Path) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    wanted = TrainRequest("quick", data, alone, validation=held_out, overrides=BOTH_STAGES, threads=1)
    steps = [event for event in train(wanted, CancelToken()) if isinstance(event, TrainingStep)]
    events = run_together(data, held_out, together, BOTH_STAGES)
    # One of the two talks.
    assert [event["event"] for event in events].count("TrainingFinished") == 1
    found = {event["step"]: event for event in events if event["event"] == "TrainingStep"}
    assert 6 in found
    for step in steps:
        if step.step in found:
            assert set(found[step.step]["losses"]) == set(step.losses)
            for name, value in step.losses.items():
                # LDL weighs a pixel fully or not at all, by which of two nearly equal errors is the larger: on some
                # processors' rounding one pixel of all turns around.
                exact = 1e-4 if name != "ldl" else 0.02
                assert found[step.step]["losses"][name] == pytest.approx(value, rel=exact), name
            assert found[step.step]["d_real"] == (step.d_real and pytest.approx(step.d_real, rel=1e-4))
    # Adam's first steps are as long as the rate whatever the gradient's length, so rounding may turn a tiny one around.
    mine, theirs = newest_checkpoint(alone / "checkpoints")[1], newest_checkpoint(together / "checkpoints")[1]
    assert mine.step == theirs.step == 6
    for part, network in (("training", "generator"), ("training", "ema"), ("adversary", "network")):
        found_weights = theirs.part(part).tensors_below(network)
        for key, weights in mine.part(part).tensors_below(network).items():
            different = (weights - found_weights[key]).abs() > 1e-5
            assert different.float().mean() < 0.02, key
    moments = theirs.part("adversary").tensors_below("optimizer").values()
    assert all(torch.isfinite(value).all() for value in moments)


def test_alone_what_one_says_is_what_all_say() -> None:
    assert any_of_all(True)
    assert not any_of_all(False)
