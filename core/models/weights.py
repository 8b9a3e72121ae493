"""Load and save weights: safetensors with a model card, or foreign `.pth` without running its code.

Nothing here trusts a file. A pickle may name nothing but tensors; an archive is looked at before it is unpacked; a
tensor that claims more values than it has bytes is refused; and what is refused is called by its name.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from core.atomic import replacing
from core.contract.errors import UserError
from core.language import gettext as _
from core.models.card import ModelCard, begins_safetensors
from core.models.catalogue import card_of
from core.models.foreign import to_our_layout
from core.models.generator import Generator, config_of, fold_batch_norm
from core.models.graph_files import holds_graph, states_layers

MAX_BYTES = 2 << 30
"""A file larger than this is no upscaler."""

_TABLES = (
    "params_ema",
    "params-ema",
    "ema_state_dict",
    "params",
    "state_dict",
    "model_state_dict",
    "generator",
    "netG",
    "model",
    "net",
)
"""The names under which training programs keep the generator inside a checkpoint, the best one first."""
_PREFIXES = ("module.", "_orig_mod.", "netG.")
"""What DataParallel, torch.compile and some training programs put before all names, in any order."""
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF", _("is an HDF5 file, as Keras and TensorFlow write it")),
    (b"GGUF", _("is a GGUF file of a language model")),
    (b"\x1f\x8b", _("is a gzip archive")),
    (b"Rar!", _("is a RAR archive")),
    (b"7z\xbc\xaf", _("is a 7z archive")),
    (b"%PDF", _("is a PDF document")),
    (b"<", _("is a web page, perhaps of an error that the server reported")),
    (b"version https://git-lfs", _("is only a pointer of Git LFS, not the file that it points at")),
    (b"\x89PNG", _("is a picture")),
    (b"\xff\xd8\xff", _("is a picture")),
)
_WANTED = _("Models are .safetensors, .pth, .pt or .ckpt files with PyTorch weights, .onnx, or ncnn's .param and .bin.")


def load_generator(path: Path, *, fold: bool = False) -> tuple[Generator, ModelCard]:
    """Build the SRGAN generator that a file holds, ours or another program's, in eval mode on the CPU, in float32.

    Args:
        path: a `.safetensors` file, or a `.pth`/`.pt` state dict.
        fold: fold batch normalisation into the convolutions, for serving.

    Raises:
        UserError: the file cannot be read, holds code, is cut short, or is no SRGAN generator.
    """
    state, card = load_state(path)
    return generator_of(state, path.name, fold=fold), card


def generator_of(state: Mapping[str, Tensor], name: str, *, fold: bool = False) -> Generator:
    """Build the SRGAN generator that these weights are.

    Args:
        state: as `load_state` gives it.
        name: of the file, for people.
        fold: as in `load_generator`.

    Raises:
        UserError: they are something else.
    """
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    try:
        state = to_our_layout(state) or state
        if fold:
            state = fold_batch_norm(state)
        with torch.device("meta"):
            generator = Generator(config_of(state))
        generator.load_state_dict(state, strict=True, assign=True)
    except (ValueError, RuntimeError) as error:
        raise UserError(
            _("{name} does not hold an SRGAN generator.").format(name=name),
            _("It was read, but its weights do not fit: {error}").format(error=_first(error)),
        ) from error
    return generator.eval()


def is_generator(state: Mapping[str, Tensor]) -> bool:
    """Whether these weights claim to be an SRGAN generator's, ours or another program's."""
    return "head.conv.weight" in state or to_our_layout(state) is not None


def load_state(path: Path) -> tuple[dict[str, Tensor], ModelCard]:
    """Read tensors by name, and the card, from a file that is not trusted. Its content decides, not its suffix.

    Raises:
        UserError: the file cannot be read, is not a weights file, or would run code.
    """
    if not path.is_file():
        raise UserError(
            _("There is no model file {path}.").format(path=path), _("Check the path, or choose a model from the list.")
        )
    if path.stat().st_size > MAX_BYTES:
        raise UserError(
            _("{name} is larger than 2 GB.").format(name=path.name), _("That is not an upscaler; choose another file.")
        )
    try:
        with path.open("rb") as file:
            beginning = file.read(32)
            file.seek(0)
            if not begins_safetensors(beginning):
                if holds_graph(path):
                    raise _is_graph(path)
                card = card_of(path)
                return _load_pickle(path, file, beginning), card
            # Not `load_file`, whose tensors keep the file mapped: Windows would let nobody replace it meanwhile.
            content = file.read()
        state = safetensors.torch.load(content)
        if states_layers(content):
            raise _is_graph(path)
        return state, card_of(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(
            _("{name} is damaged: {error}").format(name=path.name, error=_first(error)), _("Fetch or export it again.")
        ) from error


def _is_graph(path: Path) -> UserError:
    return UserError(
        _("{name} is a network of ncnn or ONNX: its weights cannot be blended, trained on or exported.").format(
            name=path.name
        ),
        _("Choose a model with PyTorch weights; this one can upscale."),
    )


def _load_pickle(path: Path, file: BinaryIO, beginning: bytes) -> dict[str, Tensor]:
    try:
        _check_beginning(path, beginning)
        if beginning.startswith(b"PK"):
            _check_archive(path, file)
            file.seek(0)
        # Not by its path: torch then takes what is called .safetensors for it, whatever it holds.
        content = torch.load(file, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named is None:
            raise _damaged(path) from error
        raise UserError(
            _("{name} was not opened: besides weights it holds code ({named}), which could do anything.").format(
                name=path.name, named=named[1]
            ),
            _("Get it as .safetensors, or have its author save the weights alone (a state_dict)."),
        ) from error
    except Exception as error:  # torch raises whatever its parser stumbled on: RuntimeError, EOFError, KeyError...
        raise _damaged(path) from error
    table = _table_of_weights(content)
    if not table:
        raise UserError(
            _("{name} holds no table of weights.").format(name=path.name),
            _("Choose the file that the training program exported."),
        )
    for key, value in table.items():
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise UserError(
                _("{name} holds weights of a kind that cannot be read here ({key}).").format(name=path.name, key=key),
                _("Have its author save them as plain tensors, best as .safetensors."),
            )
        # A few bytes can be viewed as a tensor of any size; the first operation on it would take that much memory.
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise UserError(
                _("{name} is built to exhaust memory: {key} claims {numel:,} values that are not there.").format(
                    name=path.name, key=key, numel=value.numel()
                ),
                _("Delete it."),
            )
    while prefix := next((each for each in _PREFIXES if all(key.startswith(each) for key in table)), ""):
        table = {key.removeprefix(prefix): value for key, value in table.items()}
    return table


def _check_beginning(path: Path, beginning: bytes) -> None:
    """Refuse by name what is commonly taken for a model."""
    for mark, what in _BEGINNINGS:
        if beginning.startswith(mark):
            raise UserError(f"{path.name} {what}.", _WANTED)


def _check_archive(path: Path, file: BinaryIO) -> None:
    """Refuse an archive that is no state dict, or that would unpack to more than it is."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _damaged(path) from error
    # torch stores its tensors as they are; compressed or overlapping entries are made by those who want to fill memory.
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise UserError(
            _("{name} would unpack to more than its own size, which no model does.").format(name=path.name),
            _("If it is a model packed into a zip, unpack it first; if not, delete it."),
        )
    names = [entry.filename for entry in entries]
    if any(name.endswith("/constants.pkl") for name in names):
        raise UserError(
            _("{name} is a TorchScript program, which would be run and not only read.").format(name=path.name),
            _("Ask its author for the weights alone (a state_dict)."),
        )
    if not any(name.endswith("data.pkl") for name in names):
        raise UserError(_("{name} is a zip archive of something else.").format(name=path.name), _WANTED)


def _table_of_weights(content: object) -> dict[str, Tensor]:
    """The tensors by name inside whatever a training program saved; empty where there are none."""
    for _rest in range(3):
        if not isinstance(content, Mapping):
            return {}
        named = next((content[key] for key in _TABLES if isinstance(content.get(key), Mapping)), None)
        if named is None and len(content) == 1:
            # Whatever a program calls it, there is nothing else in the file.
            ((name, only),) = content.items()
            named = only if isinstance(only, Mapping) and not str(name).startswith("optim") else None
        content = content if named is None else named
    if not isinstance(content, Mapping):
        return {}
    # An EMA copy counts its updates, and some programs leave their step beside the weights.
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor) and key != "n_averaged"}
    if isinstance(content.get("pro"), int):
        # Real-CUGAN's mark of another variant, by its mere presence; without it the network runs as the plain one.
        tensors["pro"] = torch.zeros(1)
    others = [value for value in content.values() if not isinstance(value, Tensor | int | float | str | None)]
    return {} if others else tensors


def _damaged(path: Path) -> UserError:
    return UserError(
        _("{name} was not opened: it is damaged, cut short, or not a file of PyTorch weights.").format(name=path.name),
        _("Fetch it again, or get it as .safetensors."),
    )


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
    tensors: dict[str, Tensor] = {}
    stored: set[int] = set()
    for key, value in state.items():
        value = value.detach().cpu()
        value = (value.half() if half and value.is_floating_point() else value).contiguous()
        # Some networks use one tensor under two names; safetensors wants each to have bytes of its own.
        shared = value.untyped_storage().data_ptr() in stored
        tensors[key] = value.clone() if shared else value
        stored.add(tensors[key].untyped_storage().data_ptr())
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, card.to_metadata()))


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
