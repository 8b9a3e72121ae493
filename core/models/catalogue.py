"""Which models there are: those that ship, and those in the user's folder. Plain, for the window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core import paths
from core.contract.errors import UserError
from core.models.card import ModelCard, read_card

DEFAULT_MODEL = "faithful-x4"
"""File name, without suffix, of the model that is used when nobody chooses one."""
SUFFIXES = (".safetensors", ".pth", ".pt")


@dataclass(frozen=True, slots=True)
class Model:
    """One model that can be used now."""

    key: str
    """What a request calls it: the file name without suffix; unique."""
    path: Path
    card: ModelCard
    shipped: bool


def models() -> list[Model]:
    """The shipped models, the default one first, then the user's own by name; unreadable files are left out."""
    found: dict[str, Model] = {}
    for folder, shipped in ((paths.SHIPPED_MODELS, True), (paths.user_models(), False)):
        files = sorted(folder.glob("*")) if folder.is_dir() else []
        for path in files:
            if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or path.stem in found:
                continue
            try:
                card = read_card(path) if path.suffix.lower() == ".safetensors" else ModelCard(name=path.stem)
            except UserError:
                continue
            found[path.stem] = Model(path.stem, path, card, shipped)
    return sorted(found.values(), key=lambda model: (model.key != DEFAULT_MODEL, not model.shipped, model.key))


def find_model(name: str) -> Model:
    """The model of a request: empty for the default, a key, or the path of a file.

    Raises:
        UserError: there is no such model, or its file cannot be read.
    """
    known = models()
    for model in known:
        if model.key == (name or DEFAULT_MODEL):
            return model
    path = Path(name).expanduser()
    if name and path.is_file():
        card = read_card(path) if path.suffix.lower() == ".safetensors" else ModelCard(name=path.stem)
        return Model(str(path), path, card, shipped=False)
    raise UserError(
        f"There is no model “{name or DEFAULT_MODEL}”.",
        f"Choose one of {', '.join(model.key for model in known) or '(none)'}, or give a model file's path.",
    )
