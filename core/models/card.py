"""The model card: what a model is, in the words of OpenModelDB, kept in the weights file's own header.

Plain: reads a safetensors header (8 bytes of length, then JSON) without torch, so that the window can list models.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from core.atomic import replacing
from core.contract.errors import UserError
from core.language import gettext as _

TEST_PICTURES = "held-out"
"""The set that a run's own test pictures are, in the metrics of a card. To be shown as `set_and_figure` has it."""
MAX_HEADER = 8 << 20
"""Bytes; the safetensors format itself allows 100 MB, and no honest upscaler needs one."""


def set_and_figure(metric: str) -> tuple[str, str]:
    """The set of pictures that a metric of a card was measured on, for people and maybe empty, and the figure's key."""
    pictures, _space, figure = metric.rpartition(" ")
    return _("Test pictures") if pictures == TEST_PICTURES else pictures, figure


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Field names follow OpenModelDB's schema where it has one; every value is optional in files from elsewhere."""

    name: str
    author: str = ""
    license: str = ""
    """SPDX identifier."""
    scale: int = 4
    architecture: str = "srgan"
    size: str = ""
    """How large the network is: `64nf 16nb`."""
    tags: tuple[str, ...] = ()
    description: str = ""
    """What it is for in the first line, how it was made in the others."""
    dataset: str = ""
    dataset_sha256: str = ""
    """SHA-256 of the sorted list of the training pictures' SHA-256s."""
    iterations: int = 0
    """Optimisation steps, those of the parent not counted."""
    parent: str = ""
    """What it was trained from: name and SHA-256 of the file."""
    base: str = ""
    """Key of the model at the other end of the Detail slider: the one that this was trained on from, of the same
    topology. Empty where there is none."""
    cleaner: str = ""
    """Key of the model at 100 % of the Clean-up slider: one of the same topology and ancestry that takes noise, grain
    and compression away. Empty where there is none."""
    metrics: dict[str, float] = field(default_factory=dict)
    """By set and figure, like `Set5 psnr_y`; the set is `TEST_PICTURES` where it was measured on those of its run."""
    recipe: str = ""
    """The training recipe, as TOML."""
    date: str = ""
    """ISO 8601 day."""

    @property
    def purpose(self) -> str:
        """What it is for: the description's first line, in the language of the program where that is known."""
        return _(self.description.partition("\n")[0].strip())

    @property
    def explanation(self) -> str:
        """The description, each line of it in the language of the program where that is known."""
        return "\n".join(map(_, self.description.splitlines()))

    def to_metadata(self) -> dict[str, str]:
        """The string-to-string map that safetensors stores; anything but text is JSON."""
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str], name: str) -> ModelCard:
        """From what a file says of itself; what is missing or of the wrong type keeps its default.

        Args:
            metadata: the safetensors `__metadata__`.
            name: used where the file names none.
        """
        values: dict[str, Any] = {}
        for each in fields(cls):
            text = metadata.get(each.name)
            if not isinstance(text, str):
                continue
            if each.name in ("scale", "iterations", "tags", "metrics"):
                # A stranger's text: too deep, a number that no float holds, half a surrogate.
                with contextlib.suppress(ValueError, RecursionError, OverflowError):
                    parsed = json.loads(text)
                    if each.name in ("scale", "iterations") and isinstance(parsed, int):
                        values[each.name] = parsed
                    elif each.name == "tags" and isinstance(parsed, list):
                        values[each.name] = tuple(str(tag) for tag in parsed)
                    elif each.name == "metrics" and isinstance(parsed, dict):
                        values[each.name] = {str(k): float(v) for k, v in parsed.items() if isinstance(v, int | float)}
            else:
                values[each.name] = text
        values.setdefault("name", name)
        return cls(**values)


def read_card(path: Path) -> ModelCard:
    """Read the card of a safetensors file without reading its weights.

    Raises:
        UserError: the file cannot be read, or is not a safetensors file.
    """
    return ModelCard.from_metadata(read_header(path).get("__metadata__", {}), path.stem)


def rewrite_card(path: Path, card: ModelCard, target: Path) -> None:
    """Copy a safetensors file with another card; `target` may be `path`. Its weights are copied, not looked at.

    Raises:
        UserError: as `read_card`.
        OSError: the disk is full, or the folder cannot be written.
    """
    header = read_header(path)
    header["__metadata__"] = {**header.get("__metadata__", {}), **card.to_metadata()}
    text = json.dumps(header, separators=(",", ":")).encode()
    # The format wants the weights to begin at a multiple of eight.
    text += b" " * (-len(text) % 8)
    # Both are closed before the new file takes its name, which may be the old one's: Windows insists on that.
    with replacing(target) as temporary:  # noqa: SIM117
        with path.open("rb") as old, temporary.open("wb") as new:
            (length,) = struct.unpack("<Q", old.read(8))
            old.seek(8 + length)
            new.write(struct.pack("<Q", len(text)) + text)
            shutil.copyfileobj(old, new, 1 << 20)


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do, whatever its name says: a length, then JSON.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return begins_safetensors(file.read(9))
    except OSError as error:
        raise _unreadable(path, error) from error


def begins_safetensors(beginning: bytes) -> bool:
    """Whether a file whose first nine bytes or more are these is safetensors."""
    return beginning[8:9] == b"{" and 2 <= int.from_bytes(beginning[:8], "little") <= MAX_HEADER


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(
        _("The model {path} cannot be read: {strerror}.").format(path=path, strerror=error.strerror),
        _("Check the path and its permissions."),
    )


def read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: tensor names, types and shapes, and `__metadata__`.

    Raises:
        UserError: the file cannot be read, or is not a safetensors file.
    """
    broken = UserError(
        _("{name} is not a safetensors model.").format(name=path.name),
        _("It may be cut short or something else; fetch or export it again."),
    )
    try:
        with path.open("rb") as file:
            prefix = file.read(8)
            if len(prefix) < 8:
                raise broken
            (length,) = struct.unpack("<Q", prefix)
            if not 2 <= length <= MAX_HEADER:
                raise broken
            text = file.read(length)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise broken from error
    if len(text) < length or not isinstance(header, dict):
        raise broken
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise broken
    return header
