"""A process of a training run is killed: `torchrun --max-restarts` goes on from the newest checkpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented, but no name of `__all__`

from core.contract.errors import UserError
from core.contract.training import TrainRequest
from core.training.checkpoint import newest_checkpoint
from core.training.processes import job, meeting_place
from core.training.recipe import load_recipe
from core.training.run import RunFolder
from tests.core.training.pictures import TINY
from tests.homes import places

ROOT = Path(__file__).parents[3]
RECIPE = (
    *TINY,
    ("psnr.steps", "30"),
    ("psnr.batch", "4"),
    ("gan.steps", "120"),
    ("gan.batch", "4"),
    ("gan.crops", "[8]"),
    ("gan.discriminator_features", "4"),
    ("gan.losses", "{ l1 = 1.0, adversarial = 0.1 }"),
    ("validation.every", "75"),
    ("validation.gan_metric", '"psnr_y"'),
    ("checkpoint_every", "10"),
)
PATIENCE = 300
WITH_LIBUV = sys.platform != "win32"
"""torch for Windows is built without it."""


@contextmanager
def training(data: Path, held_out: Path, run: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Two processes under torchrun that are started again when one of them dies; their words beside the run."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=2"]
    command += ["-m", "--", "core.commands.training", "train", "quick", f"--data={data}", f"--val={held_out}"]
    command += [f"--run={run}", "--threads=1", "--json", "--device=cpu"]
    command += [f"--set={field}={value}" for field, value in RECIPE]
    environment = {**os.environ, **places(run.parent, "cache"), "OMP_NUM_THREADS": "1"}
    with run.with_suffix(".events").open("wb") as events, run.with_suffix(".errors").open("wb") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=events, stderr=errors)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE)


def rank_of(process: subprocess.Popen[bytes], rank: int) -> psutil.Process:
    """One of the processes that torchrun has started."""
    return next(each for each in psutil.Process(process.pid).children() if each.environ().get("RANK") == str(rank))


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    """Those of the newest checkpoint, of both networks."""
    checkpoint = newest_checkpoint(run / "checkpoints")[1]
    assert checkpoint.step == 150
    parts = (("training", "generator"), ("training", "ema"), ("adversary", "network"))
    return {
        f"{part}/{network}/{name}": value
        for part, network in parts
        for name, value in checkpoint.part(part).tensors_below(network).items()
    }


@pytest.mark.endurance
@pytest.mark.timeout(900)
@pytest.mark.skipif("SRGAN_ENDURANCE" not in os.environ, reason="takes minutes: make test-cluster")
def test_a_killed_process_changes_nothing_about_the_result(data: Path, held_out: Path, tmp_path: Path) -> None:
    """The one that writes, in the middle of the second stage: bit for bit what comes of a run that nobody touched."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    with training(data, held_out, calm) as process:
        assert process.wait(PATIENCE) == 0, calm.with_suffix(".errors").read_text()
    with training(data, held_out, killed) as process:
        until = time.monotonic() + PATIENCE
        while not (killed / "checkpoints" / "checkpoint-00000050.safetensors").exists():
            assert process.poll() is None, killed.with_suffix(".errors").read_text()
            assert time.monotonic() < until
            time.sleep(0.02)
        rank_of(process, 0).kill()
        assert process.wait(PATIENCE) == 0, killed.with_suffix(".errors").read_text()
    events = [json.loads(line) for line in killed.with_suffix(".events").read_text().splitlines()]
    begun = [event["start_step"] for event in events if event["event"] == "TrainingStarted"]
    assert len(begun) == 2
    assert begun[0] == 0
    assert 50 <= begun[1] < 150
    wanted, found = weights_of(calm), weights_of(killed)
    assert wanted.keys() == found.keys()
    assert [name for name, value in wanted.items() if not torch.equal(value, found[name])] == []
    logged = [json.loads(line) for line in (killed / "log.jsonl").read_text().splitlines()]
    steps = [event["step"] for event in logged if event["event"] == "TrainingStep"]
    assert steps == sorted(set(steps))


def test_processes_meet_again_in_a_store_that_kept_what_the_dead_ones_said() -> None:
    """A store like torchrun's: without a place of their own they would take old addresses for their neighbours'."""
    server = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, use_libuv=WITH_LIBUV)
    found: list[dict[int, str]] = []
    for _attempt in range(3):
        met: dict[int, str] = {}

        def join(rank: int, met: dict[int, str] = met) -> None:
            client = TCPStore("127.0.0.1", server.port, timeout=timedelta(seconds=60), use_libuv=WITH_LIBUV)
            place = meeting_place(client, rank, 3)
            if rank == 0:
                place.set("address", f"of attempt {len(found)}")
            met[rank] = place.get("address").decode("ascii")

        # The first comes last, so that the others find the dead one's name.
        threads = [threading.Thread(target=join, args=(rank,)) for rank in (2, 1, 0)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found.append(met)
    assert found == [dict.fromkeys(range(3), f"of attempt {attempt}") for attempt in range(3)]


def test_a_job_has_a_name_under_torchrun_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert job() == ""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "4711")
    assert job() == "4711"
    # What all runs without --rdzv-id are called: the torchrun that is above this process is meant.
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert job() == job() != "none"


def test_only_the_job_that_began_a_run_may_do_so_again(tmp_path: Path) -> None:
    folder, recipe = RunFolder(tmp_path / "run"), load_recipe("quick", TINY)
    request = TrainRequest("quick", tmp_path, folder.path)
    assert not folder.was_begun_by("one", recipe)
    folder.create(recipe, request, "one")
    assert folder.was_begun_by("one", recipe)
    assert not folder.was_begun_by("another", recipe)
    assert not folder.was_begun_by("", recipe)
    assert not folder.was_begun_by("one", load_recipe("quick", (*TINY, ("seed", "7"))))
    # Killed before its first checkpoint, it begins once more; anybody else is refused.
    folder.create(recipe, request, "one", begun=True)
    with pytest.raises(UserError, match="already holds a run"):
        folder.create(recipe, request, "another")
