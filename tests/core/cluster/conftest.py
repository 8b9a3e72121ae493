from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from core.cluster.options import ClusterOptions, Share
from core.contract.cancel import CancelToken
from core.contract.upscale import Input, UpscaleRequest
from tests.core.networks import save_small_model
from tests.core.upscale.conftest import Outcome, picture

# As the program does, before anything imports it.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    """A worker sets torch's threads for its process, which here is that of the tests."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_small_model(tmp_path_factory.mktemp("model") / "small.safetensors"))


@pytest.fixture(scope="session")
def cluster(store_port: int) -> Iterator[Any]:
    """A real cluster of Ray on this machine: two nodes of one core each, which this process has not joined.

    Its workers know where the tests' store is: they hear of it when their nodes start.
    """
    pytest.importorskip("ray", reason="needs the extra srgan-desktop[cluster]")
    if sys.platform != "linux":
        pytest.skip("Ray has clusters of several nodes on Linux alone")
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    started.add_node(num_cpus=1)
    yield started
    started.shutdown()


@pytest.fixture(scope="session")
def joined(cluster: Any) -> Iterator[str]:
    """The same cluster, joined once for all runs of this process: its address."""
    import ray

    ray.init(cluster.address, configure_logging=False, log_to_driver=False, logging_level=logging.ERROR)
    yield str(cluster.address)
    ray.shutdown()


def run_on(
    address: str,
    request: UpscaleRequest,
    *,
    workers: int | None = None,
    cancel: CancelToken | None = None,
    on_event: Any = lambda _event: None,
) -> Outcome:
    """Upscale there, with a core a worker."""
    from core.cluster.run import upscale_on

    outcome = Outcome()
    options = ClusterOptions(address, workers, Share(1))
    for event in upscale_on(options, request, cancel or CancelToken()):
        outcome.events.append(event)
        on_event(event)
    return outcome


def request_for(model: str, output: Path, *inputs: Path, **settings: Any) -> UpscaleRequest:
    return UpscaleRequest(tuple(Input(path) for path in inputs), output, **{"model": model} | settings)


def broken_picture(path: Path) -> Path:
    """A picture whose header is sound, so that only who decodes it finds out."""
    content = bytearray(picture(path, 64, 64).read_bytes())
    content[6000:6100] = bytes(100)
    path.write_bytes(content)
    return path


def worker_processes() -> list[psutil.Process]:
    """Those of the cluster that this process started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            line = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if line and line[0].startswith("ray::UpscaleActor"):
            found.append(process)
    return found
