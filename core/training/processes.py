"""Several processes under `torchrun`: each takes its share of every batch, gradients are averaged, rank 0 writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed as dist


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
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Place(dist.get_rank(), count), device
    finally:
        dist.destroy_process_group()


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
