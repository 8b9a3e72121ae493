"""Several processes under `torchrun`: each takes its share of every batch, gradients are averaged, rank 0 writes."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import psutil
import torch
from torch import distributed as dist

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

ANSWER_SECONDS = 2
"""How long the first process may take to answer before the others look whether it is another one by now."""
MEETING_SECONDS = 600
"""How long processes wait for each other: those of other machines start later, and load torch from slow disks."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which of the processes this is."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process looks, writes and talks."""
        return self.rank == 0


@contextmanager
def joined(device: str) -> Iterator[tuple[Place, str]]:
    """Join the other processes while the block runs; alone unless `torchrun` says otherwise.

    Args:
        device: as in a request; `auto` and `cuda` become this process's own GPU.

    Yields:
        (this process's place, its device as in a request).
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Place(), device
        return
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if on_gpu:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    from torch.distributed.rendezvous import rendezvous

    everywhere, rank, count = next(rendezvous("env://"))
    store = meeting_place(everywhere, rank, count)
    dist.init_process_group("nccl" if on_gpu else "gloo", store=store, rank=rank, world_size=count)
    try:
        yield Place(rank, count), device
    finally:
        dist.destroy_process_group()


def meeting_place(store: Store, rank: int, count: int) -> Store:
    """The part of a store that the processes of this attempt, and no others, use.

    `torchrun --max-restarts` keeps one store for all attempts, and a new process would take what a dead one left there,
    such as its address, for its neighbour's. `TORCHELASTIC_RESTART_COUNT` does not tell attempts apart: each machine
    counts its own. So the first process thinks of a name for the part, and the others use it once it has answered them.

    Args:
        store: what all processes of all attempts share.
        rank: of this process.
        count: of the processes of this attempt; every one must call this.

    Raises:
        RuntimeError: they have not met within `MEETING_SECONDS`.
    """
    own = secrets.token_hex(8)
    if rank == 0:
        store.set("first", own)
        for other in range(1, count):
            key = f"{own}/{other}"
            store.wait([key], timedelta(seconds=MEETING_SECONDS))
            store.set(f"{own}/{store.get(key).decode('ascii')}", "")
        return _part_of(store, own)
    until = time.monotonic() + MEETING_SECONDS
    while True:
        store.wait(["first"], timedelta(seconds=MEETING_SECONDS))
        first = store.get("first").decode("ascii")
        store.set(f"{first}/{rank}", own)
        try:
            store.wait([f"{first}/{own}"], timedelta(seconds=ANSWER_SECONDS))
        except dist.DistStoreError:
            # That was the first process of an earlier attempt, or it waits for others yet.
            if time.monotonic() > until:
                raise
            continue
        return _part_of(store, first)


def _part_of(store: Store, name: str) -> Store:
    part: Store = dist.PrefixStore(name, store)  # type: ignore[attr-defined]  # documented, but no name of `__all__`
    return part


def job() -> str:
    """What is the same for all attempts of one `torchrun`, and for no other one; empty without it.

    On several machines it is what `--rdzv-id` says; without that, only the first machine's is of use.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return ""
    named = os.environ["TORCHELASTIC_RUN_ID"]
    if named not in ("", "none"):
        return named
    parent = psutil.Process(os.getppid())
    return f"{parent.pid} of {parent.create_time():.2f}"


def wait_for_all() -> None:
    """Let every process come to this point; nothing where there is one."""
    if dist.is_initialized():
        dist.barrier()


def any_of_all(said: bool) -> bool:
    """Whether any process says so; all of them get the same answer, and must ask at the same point."""
    if not dist.is_initialized():
        return said
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    answer = torch.tensor(int(said), device=device)
    dist.all_reduce(answer, dist.ReduceOp.MAX)
    return bool(answer.item())
