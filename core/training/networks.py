"""What every network in training needs: its place on the device, its arithmetic, its optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from core import devices
from core.training.muon import Muon
from core.training.recipe import StageRecipe

Network = TypeVar("Network", bound=nn.Module)


def placed(network: Network, device: torch.device) -> Network:
    """Move a network to the device, in the memory layout that convolutions are fastest in."""
    return network.to(device).to(memory_format=torch.channels_last)


def distributed(network: nn.Module, device: torch.device) -> nn.Module:
    """Wrap a network so that all processes average its gradients; where there is one process it stays as it is."""
    if not dist.is_initialized():
        return network
    # Each process keeps its own running statistics, as in plain DDP training of SRGANs; rank 0's are saved.
    ids = [device] if device.type == "cuda" else None
    return DistributedDataParallel(network, device_ids=ids, broadcast_buffers=False)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Compute in `precision` (`fp32`, `bf16` or `fp16`) while the block runs; weights stay float32."""
    return torch.autocast(device.type, devices.DTYPES[precision], enabled=precision != "fp32")


def training_precision(device: torch.device, wanted: str) -> str:
    """The precision of a run. On GPUs bf16 goes before fp16: it has float32's range, so gradients do not vanish."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    if device.type == "mps":
        return "fp32"
    return devices.fast_precision(device)


def optimizer_of(generator: nn.Module, stage: StageRecipe) -> torch.optim.Optimizer:
    """The optimiser that a stage names for the generator."""
    if stage.optimizer == "muon":
        return Muon(generator, stage.rate, stage.betas, stage.weight_decay)
    return adam(generator, stage.rate, stage)


def adam(network: nn.Module, rate: float, stage: StageRecipe) -> torch.optim.Optimizer:
    """AdamW with a stage's decay rates."""
    return torch.optim.AdamW(
        network.parameters(), lr=rate, betas=stage.betas, weight_decay=stage.weight_decay, fused=True
    )


class no_sync:  # noqa: N801 - reads as the statement it is
    """DDP's `no_sync` of all that are wrapped, for all batches of a step but the last."""

    def __init__(self, networks: Sequence[nn.Module | None], *, until_last: bool) -> None:
        wrapped = [n for n in networks if isinstance(n, DistributedDataParallel)]
        self.contexts = [n.no_sync() for n in wrapped] if until_last else []

    def __enter__(self) -> None:
        for context in self.contexts:
            context.__enter__()

    def __exit__(self, *exception: Any) -> None:
        for context in self.contexts:
            context.__exit__(*exception)


LARGEST_SHIFT = 7
"""Pixels by which the content loss's pictures are shifted at most: what its first three poolings make one of is 8."""


def augment_alike(sr: Tensor, hr: Tensor, largest_shift: int = LARGEST_SHIFT) -> tuple[Tensor, Tensor]:
    """Both pictures shifted, turned and mirrored alike, at random; up to `largest_shift` pixels smaller."""
    # On the CPU, whose random state a checkpoint keeps.
    top, left, turns, mirrored = (int(n) for n in torch.randint(0, 8, (4,)))
    spare = min(largest_shift, min(sr.shape[-2:]) // 4)
    height, width = (side - spare for side in sr.shape[-2:])
    top, left = min(top, spare), min(left, spare)

    def change(x: Tensor) -> Tensor:
        x = x[..., top : top + height, left : left + width]
        x = x.flip(-1) if mirrored % 2 else x
        return torch.rot90(x, turns % 4, (-2, -1))

    return change(sr), change(hr)
