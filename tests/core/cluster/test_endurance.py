"""Long runs on a cluster whose nodes die, fill up, or lack something: minutes, so `make test-cluster` runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.contract.cancel import CancelToken
from core.upscale.batch import upscale
from tests.core.cluster.conftest import request_for, worker_processes
from tests.core.upscale.conftest import files_in, picture

ROOT = Path(__file__).parents[3]

pytestmark = [
    pytest.mark.endurance,
    pytest.mark.timeout(900),
    pytest.mark.skipif("SRGAN_ENDURANCE" not in os.environ, reason="takes minutes: make test-cluster"),
]

needs_mounts = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="mounts file systems, which root alone may",
)


@pytest.fixture
def fresh() -> Iterator[Any]:
    """A cluster for one test, which may break it: a head without cores of its own, and two nodes."""
    pytest.importorskip("ray", reason="needs the extra srgan-desktop[cluster]")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


class Command:
    """`srgan upscale --cluster --json` in a process of its own; every line on its standard output must be an event."""

    def __init__(self, cluster: Any, model: str, folder: Path, output: Path) -> None:
        self.line = [sys.executable, "-m", "core.cli", "upscale", str(folder), "-o", str(output), "--model", model]
        self.line += ["--cluster", str(cluster.address), "--per-worker", "cpu=1", "--json"]
        self.process = subprocess.Popen(self.line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")

    def events(self) -> Iterator[dict[str, Any]]:
        yield from map(json.loads, self.process.stdout)

    def wait(self) -> tuple[int, str]:
        said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.wait(), said


def pictures(folder: Path, count: int, side: int = 24) -> Path:
    for number in range(count):
        picture(folder / f"{number % 7}" / f"{number:05}.png", side, side, seed=number)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_in(folder)}


def test_two_thousand_pictures_survive_a_worker_a_node_and_the_driver(tmp_path: Path, model: str, fresh: Any) -> None:
    folder = pictures(tmp_path / "in", 2000)
    doomed = fresh.add_node(num_cpus=1)
    command = Command(fresh, model, folder, tmp_path / "out")
    saved = 0
    for event in command.events():
        saved += event["event"] == "FileSaved"
        if event["event"] != "FileSaved":
            continue
        if saved == 200:
            worker_processes()[0].kill()
        elif saved == 500:
            fresh.remove_node(doomed, allow_graceful=False)
        elif saved == 1000:
            command.process.kill()
            break
    command.wait()
    before = contents(tmp_path / "out")
    assert 1000 <= len(before) < 2000
    command = Command(fresh, model, folder, tmp_path / "out")
    events = list(command.events())
    code, said = command.wait()
    assert code == 0, said
    done = [event for event in events if event["event"] == "FileSkipped"]
    made = [event for event in events if event["event"] == "FileSaved"]
    assert len(done) == len(before)
    assert len(made) == 2000 - len(before)
    assert list((tmp_path / "out").rglob("*.part")) == []
    list(upscale(request_for(model, tmp_path / "here", folder), CancelToken()))
    assert contents(tmp_path / "out") == contents(tmp_path / "here")


@needs_mounts
def test_a_full_disk_ends_the_run_and_the_next_one_goes_on(tmp_path: Path, model: str, fresh: Any) -> None:
    folder = pictures(tmp_path / "in", 60, 64)
    output = tmp_path / "out"
    output.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", output], check=True)
    try:
        command = Command(fresh, model, folder, output)
        for _ in command.events():
            pass
        code, said = command.wait()
        assert code == 1
        assert "is full" in said
        before = contents(output)
        assert 0 < len(before) < 60
        subprocess.run(["mount", "-o", "remount,size=64m", output], check=True)
        command = Command(fresh, model, folder, output)
        for _ in command.events():
            pass
        assert command.wait()[0] == 0
        after = contents(output)
        assert len(after) == 60
        assert {name: after[name] for name in before} == before
        assert list(output.rglob("*.part")) == []
    finally:
        subprocess.run(["umount", output], check=True)


@needs_mounts
@pytest.mark.parametrize(
    ("over", "words"),
    [
        ("out", "is not the one of this machine"),
        ("in", "does not see"),
        ("model", "There is no model"),
        ("package", "is not installed there"),
    ],
)
def test_a_node_that_lacks_something_is_told_of_before_the_run(
    tmp_path: Path, model: str, fresh: Any, over: str, words: str
) -> None:
    folder = pictures(tmp_path / "in", 3)
    (tmp_path / "out").mkdir()
    hidden = {"out": [tmp_path / "out"], "in": [folder], "model": [Path(model).parent], "package": _packages()}[over]
    # A machine that has an empty folder there.
    mounts = [f"mount -t tmpfs none {path}" for path in hidden]
    start = f"exec {sys.executable} -m ray.scripts.scripts start --block --num-cpus=1 --address={fresh.address}"
    line = ["unshare", "-m", "sh", "-c", " && ".join([*mounts, start])]
    with (tmp_path / "log").open("wb") as log:
        node = subprocess.Popen(line, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 120
        while _nodes(fresh) < 4 and time.monotonic() < until:
            time.sleep(0.5)
        assert _nodes(fresh) == 4, (tmp_path / "log").read_text()
        command = Command(fresh, model, folder, tmp_path / "out")
        assert [event["event"] for event in command.events()] == ["Planned"]
        code, said = command.wait()
        assert code == 1
        assert words in said.replace("\n", " ")
        assert contents(tmp_path / "out") == {}
        assert list((tmp_path / "out").rglob("*.part")) == []
    finally:
        for process in [*psutil.Process(node.pid).children(recursive=True), psutil.Process(node.pid)]:
            process.kill()
        node.wait()


def _packages() -> list[Path]:
    """Where this program lies, as this process and as any other finds it."""
    command = [sys.executable, "-c", "import core; print(core.__file__)"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    installed = subprocess.run(
        command, cwd="/", env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True
    ).stdout
    return sorted({ROOT / "core", Path(installed.strip()).parent})


def _nodes(cluster: Any) -> int:
    program = f"""
import logging, ray
ray.init({cluster.address!r}, configure_logging=False, log_to_driver=False, logging_level=logging.ERROR)
print(sum(node["Alive"] for node in ray.nodes()))
"""
    command = [sys.executable, "-c", program]
    return int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


@pytest.mark.parametrize("what", ["head", "own node"])
def test_a_cluster_that_is_gone_ends_the_run_in_words(tmp_path: Path, model: str, fresh: Any, what: str) -> None:
    # More than are done before a driver notices that its node is gone, some seconds.
    folder = pictures(tmp_path / "in", 400, 200)
    command = Command(fresh, model, folder, tmp_path / "out")
    ended = False
    for event in command.events():
        if event["event"] == "FileSaved" and not ended:
            ended = True
            # Only of this cluster: the one that other tests share has a head too.
            if what == "own node":
                fresh.head_node.kill_raylet()
            else:
                fresh.head_node.kill_gcs_server(check_alive=False)
    code, said = command.wait()
    assert code == 1
    assert "The cluster is gone" in said
    assert 0 < len(files_in(tmp_path / "out")) < 400
