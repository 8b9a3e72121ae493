"""Checkpoints: one file with everything a run needs to go on exactly from where it was.

A run is made of parts, and every part can say what state it is in and take that state up again. A checkpoint is a
safetensors file of all these states: tensors under `part/name`, everything else as JSON in the header. Reading it runs
no code. It is written whole or not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from core.atomic import PART_SUFFIX, remove, replacing
from core.contract.errors import UserError
from core.language import gettext as _
from core.models.card import read_header
from core.training.run import CHECKPOINT_NAMES

_NAME = re.compile(rf"({'|'.join(CHECKPOINT_NAMES)})-\d+")
FORMAT = 2
"""Rises when an older program could not read a checkpoint any more; older formats are translated as they are read."""


@dataclass(frozen=True, slots=True)
class PartState:
    """The state of one part."""

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    """JSON values."""

    def tensors_below(self, name: str) -> dict[str, Tensor]:
        """The tensors named `name/...`, without that prefix; empty where there are none."""
        return _below(name, self.tensors)


class CheckpointPart(Protocol):
    """Whatever has to be as it was for a run to go on exactly."""

    def state(self) -> PartState:
        """Return what `restore` needs."""
        ...

    def restore(self, state: PartState) -> None:
        """Become exactly what `state` described."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one file holds."""

    parts: Mapping[str, PartState]

    def part(self, name: str) -> PartState:
        """The state of one part; an empty one where the run had no such part."""
        return self.parts.get(name, PartState())

    @property
    def step(self) -> int:
        """Steps of the run that were done."""
        return int(self.part("training").values["step"])


def restore(checkpoint: Checkpoint, parts: Iterable[tuple[str, CheckpointPart]]) -> None:
    """Give every part its state back, in the order of `parts`."""
    for name, part in parts:
        part.restore(checkpoint.part(name))


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"{CHECKPOINT_NAMES[0]}-{step:08d}.safetensors"


def step_of(path: Path) -> int:
    """The step whose checkpoint this is."""
    return int(path.stem.rpartition("-")[2])


def save_checkpoint(folder: Path, step: int, parts: Iterable[tuple[str, CheckpointPart]], keep: int) -> Path:
    """Write a checkpoint, then delete all but the newest `keep`.

    Raises:
        OSError: the disk is full or the folder is gone; the checkpoints before are as they were.
    """
    tensors: dict[str, Tensor] = {}
    values: dict[str, Mapping[str, Any]] = {}
    for name, part in parts:
        state = part.state()
        tensors |= {f"{name}/{key}": value.detach().cpu().contiguous() for key, value in state.tensors.items()}
        values[name] = state.values
    path = checkpoint_path(folder, step)
    metadata = {"format": str(FORMAT), "step": str(step), "state": json.dumps(values)}
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata))
    # The old ones, and what a killed run left half-written. What another program holds open on Windows goes next time.
    for needless in (*checkpoints(folder)[:-keep], *folder.glob(f".srgan-*{PART_SUFFIX}")):
        with suppress(PermissionError):
            needless.unlink(missing_ok=True)
    return path


def forget_after(folder: Path, step: int) -> None:
    """Delete the checkpoints of later steps: a resume would go on from them.

    Raises:
        UserError: one cannot be deleted.
    """
    for path in checkpoints(folder):
        if step_of(path) > step:
            try:
                remove(path)
            except OSError as error:
                raise UserError(
                    _("“{path}” could not be deleted: {strerror}.").format(path=path, strerror=error.strerror),
                    _("Close it where another program has it open, then resume the run."),
                ) from error


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    found = [path for path in folder.glob("*.safetensors") if _NAME.fullmatch(path.stem)]
    return sorted(found, key=step_of)


def newest_checkpoint(folder: Path, wanted: Callable[[Checkpoint], bool] = lambda _: True) -> tuple[Path, Checkpoint]:
    """The newest `wanted` checkpoint that can be read; one that a disk fault spoiled is passed over.

    Raises:
        UserError: there is none.
    """
    for path in reversed(checkpoints(folder)):
        try:
            checkpoint = load_checkpoint(path)
        except UserError:
            continue
        if wanted(checkpoint):
            return path, checkpoint
    raise UserError(
        _("{folder} has no checkpoint to resume from.").format(folder=folder), _("Start a new run in an empty folder.")
    )


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of this format or of an older one.

    Raises:
        UserError: it is damaged, no checkpoint, or of a newer version of the program.
    """
    metadata = read_header(path).get("__metadata__", {})
    try:
        if int(metadata["format"]) > FORMAT:
            raise UserError(
                _("{name} is from a newer version of the program.").format(name=path.name),
                _("Use that version."),
            )
        values = json.loads(metadata["state"])
        # Read, not mapped into memory: Windows lets nobody replace or delete a file that is mapped, and what is
        # restored may live as long as the run.
        tensors = safetensors.torch.load(path.read_bytes())
        if int(metadata["format"]) == 1:
            return _from_format_1(tensors, values)
        return Checkpoint({name: PartState(_below(name, tensors), part) for name, part in values.items()})
    except (KeyError, ValueError, OSError, safetensors.SafetensorError) as error:
        raise UserError(
            _("{name} is not a complete checkpoint.").format(name=path.name),
            _("An older one in the same folder may be."),
        ) from error


def _from_format_1(tensors: Mapping[str, Tensor], values: dict[str, Any]) -> Checkpoint:
    """Sort the one list of values, and the tensors that had no owner, into parts."""
    # The very first ones did not count the steps that were taken, and kept nothing of a best validation but its PSNR.
    values.setdefault("taken", values["step"])
    best = {
        stage: figures if isinstance(figures, list) else [figures, 0.0, None]
        for stage, figures in values["best"].items()
    }
    warned, mesh_reported = values.get("told", (False, False))
    of_training = ("step", "taken", "gan", "rate_factor", "bad_steps", "loss_mean", "scaler")
    moved = {"discriminator": "adversary/network", "optimizer_d": "adversary/optimizer", "random": "random"}
    sorted_tensors = {}
    for key, value in tensors.items():
        owner, _rest, name = key.partition("/")
        sorted_tensors[f"{moved.get(owner, f'training/{owner}')}/{name}"] = value
    sorted_values: dict[str, dict[str, Any]] = {
        "training": {name: values[name] for name in of_training},
        "validation": {
            "best": best,
            "without_better": values.get("looks_without_better", 0),
            "mesh_reported": mesh_reported,
            "seen": values.get("seen", {}),
        },
        "pictures": {"fingerprint": values["fingerprint"]} if "fingerprint" in values else {},
        "random": {},
    }
    if values["gan"]:
        sorted_values["adversary"] = {
            "scaler": values["scaler_d"],
            "saturation": values.get("saturation", 0.0),
            "warned": warned,
        }
    return Checkpoint({name: PartState(_below(name, sorted_tensors), part) for name, part in sorted_values.items()})


def _below(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = name + "/"
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def named(**groups: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Several dictionaries of tensors as one, each key with its group in front; `PartState.tensors_below` undoes it."""
    return {f"{group}/{key}": value for group, tensors in groups.items() for key, value in tensors.items()}


class RandomState:
    """The random numbers that are still to come, as a part of a checkpoint."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def state(self) -> PartState:
        """Return the generators of the CPU, and of a CUDA device."""
        tensors = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            tensors["cuda"] = torch.cuda.get_rng_state(self.device)
        return PartState(tensors)

    def restore(self, state: PartState) -> None:
        """Go on with the same numbers."""
        torch.set_rng_state(state.tensors["cpu"])
        if self.device.type == "cuda" and "cuda" in state.tensors:
            torch.cuda.set_rng_state(state.tensors["cuda"], self.device)


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
