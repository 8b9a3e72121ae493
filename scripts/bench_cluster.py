"""What a cluster costs beside one machine, and how two nodes of one core do beside one of them. Needs Ray, on Linux.

Prints ratios, measured side by side in one run: `srgan upscale` with `--cluster auto` and without it, of the whole
command; and with one and with two nodes of one core each, from the first result to the last, when all workers are warm.
Beside them the driver's own processor time, of that of its workers. Minutes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from core import paths
from scripts.bench_batches import cut_samples

PICTURES = 1000
SIDE = 96
MODEL = "faithful-x4"
_WORKER = "ray::UpscaleActor"
_LOOK_SECONDS = 0.25
_SAVED = '"event": "FileSaved"'


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run of the command took, in seconds."""

    whole: float
    between: float
    """From the first result to the last."""
    driver: float
    """Processor time of the command itself, without what it starts."""
    workers: float
    """Processor time of all actors together."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--model", default=MODEL)
    given = parser.parse_args()
    # Before Ray is imported, as the program does.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cut_samples(folder / "in", given.pictures, (SIDE, SIDE), (".png",))
        command = ["upscale", str(folder / "in"), "--model", given.model, "--json"]
        alone = run([*command, "-o", str(folder / "alone")])
        here = run([*command, "-o", str(folder / "here"), "--cluster", "auto"])
        print(f"with --cluster on this machine: {here.whole / alone.whole:.2f} times as long", flush=True)
        print(f"the driver: {here.driver / here.workers:.1%} of its workers' processor time", flush=True)
        runs = []
        for nodes in (1, 2):
            with nodes_of_one_core(nodes) as address:
                on = ["-o", str(folder / f"nodes{nodes}"), "--cluster", address, "--per-worker", "cpu=1"]
                runs.append(run([*command, *on]))
        one, two = runs
        print(f"two nodes of one core: {one.between / two.between:.2f} times as fast as one", flush=True)
        print(f"the same, of the whole command: {one.whole / two.whole:.2f}", flush=True)


@contextmanager
def nodes_of_one_core(count: int) -> Iterator[str]:
    """A cluster of Ray on this machine, with so many nodes that have a core each and no other: its address."""
    from ray.cluster_utils import Cluster

    cores = sorted(os.sched_getaffinity(0))
    cluster: Any = Cluster()
    try:
        for number in range(count):
            # What a node starts has its core, also what does not mind how many threads it was given.
            os.sched_setaffinity(0, {cores[number % len(cores)]})
            cluster.add_node(num_cpus=1, **({} if number else {"include_dashboard": False}))
        os.sched_setaffinity(0, cores)
        yield str(cluster.address)
    finally:
        os.sched_setaffinity(0, cores)
        cluster.shutdown()


def run(arguments: list[str]) -> Taken:
    """Run the command, and look at its processes meanwhile."""
    line = [sys.executable, "-m", "core.cli", *arguments]
    # What `auto` finds is then none of the clusters that others run on this machine.
    environment = os.environ | {"PYTHONPATH": str(paths.RESOURCES.parent), "RAY_ADDRESS": "local"}
    begun = time.perf_counter()
    saved: list[float] = []
    with subprocess.Popen(line, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        watch = _Watch(process.pid)
        watch.start()
        for event in process.stdout:
            if _SAVED in event:
                saved.append(time.perf_counter())
        process.wait()
        whole = time.perf_counter() - begun
        watch.ended.set()
        watch.join()
    assert process.returncode == 0, line
    return Taken(whole, saved[-1] - saved[0], watch.driver, sum(watch.workers.values()))


class _Watch(threading.Thread):
    """The processor time of the driver and of every worker, as it was when they were last seen."""

    def __init__(self, driver: int) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()
        self.driver = 0.0
        self.workers: dict[int, float] = {}
        self._process = psutil.Process(driver)

    def run(self) -> None:
        while not self.ended.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        try:
            self.driver = _seconds(self._process)
        except psutil.Error:
            return
        for each in psutil.process_iter(["cmdline"]):
            try:
                if (each.info["cmdline"] or [""])[0].startswith(_WORKER):
                    self.workers[each.pid] = _seconds(each)
            except psutil.Error:
                continue


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
