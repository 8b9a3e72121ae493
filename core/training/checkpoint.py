"""Bundles: one file with everything a run needs to go on exactly from where it was.

A bundle is a safetensors file: networks, moving average, optimisers and random state as tensors, the rest as JSON in
its header. Reading it runs no code. It is written whole or not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from core.atomic import PART_SUFFIX, replacing
from core.contract.errors import UserError
from core.models.card import read_header

FORMAT = 1
"""Rises when an older program could not read a bundle any more."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one file holds."""

    tensors: dict[str, Tensor]
    """By `part/name`, as `generator/head.conv.weight`."""
    state: dict[str, Any]
    """JSON values."""

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of one part, without its name before them; empty where there is none."""
        prefix = name + "/"
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def bundle_path(folder: Path, step: int) -> Path:
    """Where the bundle of a step lies."""
    return folder / f"bundle-{step:08d}.safetensors"


def step_of(path: Path) -> int:
    """The step whose bundle this is."""
    return int(path.stem.removeprefix("bundle-"))


def save_bundle(
    folder: Path, step: int, parts: Mapping[str, Mapping[str, Tensor]], state: dict[str, Any], keep: int
) -> Path:
    """Write a bundle, then delete all but the newest `keep`.

    Raises:
        OSError: the disk is full or the folder is gone; the bundles before are as they were.
    """
    tensors = {
        f"{part}/{name}": value.detach().cpu().contiguous()
        for part, named in parts.items()
        for name, value in named.items()
    }
    path = bundle_path(folder, step)
    metadata = {"format": str(FORMAT), "step": str(step), "state": json.dumps(state)}
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata))
    for old in bundles(folder)[:-keep]:
        old.unlink(missing_ok=True)
    # What a killed run left half-written.
    for part_file in folder.glob(f".srgan-*{PART_SUFFIX}"):
        part_file.unlink(missing_ok=True)
    return path


def bundles(folder: Path) -> list[Path]:
    """The bundles of a run, oldest first."""
    found = [path for path in folder.glob("bundle-*.safetensors") if re.fullmatch(r"bundle-\d+", path.stem)]
    return sorted(found, key=step_of)


def newest_bundle(folder: Path, wanted: Callable[[Bundle], bool] = lambda _: True) -> tuple[Path, Bundle]:
    """The newest `wanted` bundle that can be read; one that a disk fault spoiled is passed over.

    Raises:
        UserError: there is none.
    """
    for path in reversed(bundles(folder)):
        try:
            bundle = load_bundle(path)
        except UserError:
            continue
        if wanted(bundle):
            return path, bundle
    raise UserError(f"{folder} holds no bundle to go on from.", "Start the run anew in an empty folder.")


def load_bundle(path: Path) -> Bundle:
    """Read a bundle.

    Raises:
        UserError: it is damaged, or no bundle of this version.
    """
    metadata = read_header(path).get("__metadata__", {})
    try:
        if int(metadata["format"]) != FORMAT:
            raise UserError(f"{path.name} is from another version of the program.", "Go on with that version.")
        state = json.loads(metadata["state"])
        return Bundle(safetensors.torch.load_file(path), state)
    except (KeyError, ValueError, OSError, safetensors.SafetensorError) as error:
        raise UserError(f"{path.name} is no whole bundle.", "An older one in the same folder may be.") from error


def optimizer_tensors(optimizer: torch.optim.Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """An optimiser's state by `parameter name/state name`."""
    return {
        f"{name}/{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    optimizer.state.clear()
    parameters = dict(network.named_parameters())
    fused = {parameter for group in optimizer.param_groups if group.get("fused") for parameter in group["params"]}
    for key, value in tensors.items():
        name, state = key.rsplit("/", 1)
        parameter = parameters[name]
        memory = (
            torch.channels_last if parameter.dim() == 4 and _is_channels_last(parameter) else torch.contiguous_format
        )
        if value.dim() == 0:
            # The step count: fused kernels read it on the device, the others on the CPU.
            optimizer.state[parameter][state] = value.to(parameter.device) if parameter in fused else value.clone()
        else:
            optimizer.state[parameter][state] = (
                value.to(parameter.device).contiguous(memory_format=memory).clone(memory_format=torch.preserve_format)
            )


def _is_channels_last(parameter: Tensor) -> bool:
    return parameter.is_contiguous(memory_format=torch.channels_last) and not parameter.is_contiguous()
