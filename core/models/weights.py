"""Load and save generator weights: safetensors with a model card, or foreign `.pth` without running its code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from core.atomic import replacing
from core.contract.errors import UserError
from core.models.card import ModelCard, read_card
from core.models.generator import Generator, config_of, fold_batch_norm

MAX_BYTES = 2 << 30
"""A file larger than this is no upscaler."""


def load_generator(path: Path, *, fold: bool = False) -> tuple[Generator, ModelCard]:
    """Build the generator that a file holds, in eval mode on the CPU, in float32.

    Args:
        path: a `.safetensors` file, or a `.pth`/`.pt` state dict.
        fold: fold batch normalisation into the convolutions, for serving.

    Raises:
        UserError: the file cannot be read, holds code, is cut short, or is no SRGAN generator.
    """
    state, card = load_state(path)
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    try:
        if fold:
            state = fold_batch_norm(state)
        with torch.device("meta"):
            generator = Generator(config_of(state))
        generator.load_state_dict(state, strict=True, assign=True)
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"{path.name} does not hold an SRGAN generator.",
            f"It was read, but its weights do not fit: {_first(error)}",
        ) from error
    return generator.eval(), card


def load_state(path: Path) -> tuple[dict[str, Tensor], ModelCard]:
    """Read tensors by name, and the card, from a file that is not trusted.

    Raises:
        UserError: the file cannot be read, is not a weights file, or would run code.
    """
    if not path.is_file():
        raise UserError(f"There is no model file {path}.", "Check the path, or choose a model from the list.")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path.name} is larger than 2 GB.", "That is no upscaler; choose another file.")
    if path.suffix.lower() == ".safetensors":
        card = read_card(path)
        try:
            return safetensors.torch.load_file(path), card
        except (safetensors.SafetensorError, OSError) as error:
            raise UserError(f"{path.name} is damaged: {_first(error)}", "Fetch or export it again.") from error
    return _load_pickle(path), ModelCard(name=path.stem)


def _load_pickle(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        Exception
    ) as error:  # torch raises whatever its parser stumbled on: UnpicklingError, RuntimeError, EOFError...
        raise UserError(
            f"{path.name} was not opened: it is damaged, or holds code besides weights.",
            "Get it as .safetensors, or from somebody you trust.",
        ) from error
    # The names under which training programs keep the generator inside a checkpoint.
    for key in ("params_ema", "params", "state_dict", "model_state_dict", "generator", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(
            f"{path.name} holds no table of weights.", "Choose the file that the training program exported."
        )
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def save_generator(path: Path, state: Mapping[str, Tensor], card: ModelCard, *, half: bool = False) -> None:
    """Write weights and card as safetensors, whole or not at all.

    Args:
        path: final name; an existing file is replaced at the last moment.
        state: tensors by name; moved to the CPU.
        card: goes into the header.
        half: store floating-point weights as float16, half the size.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    tensors = {}
    for key, value in state.items():
        value = value.detach().cpu()
        tensors[key] = (value.half() if half and value.is_floating_point() else value).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, card.to_metadata()))


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
