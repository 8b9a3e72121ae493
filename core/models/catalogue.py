"""Which models there are: those that ship, and those in the user's folder. Plain, for the window."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from core import paths
from core.contract.errors import UserError
from core.edition import has_torch
from core.language import gettext as _
from core.models.card import ModelCard, is_safetensors, read_header, rewrite_card
from core.models.known import KNOWN, KnownModel
from core.names import first_free, portable_name

DEFAULT_MODEL = "detail-x4"
"""File name, without suffix, of the model that is used when nobody chooses one."""
AUTOMATIC = "auto"
"""In place of a model's name: each picture gets what suits it (`core.upscale.choice`)."""
DEFAULT_DETAIL = 50
"""Percent of it, where nobody chooses: by both perceptual measures nearer to the originals than 0 % on every set, for
0.1 to 0.2 dB (docs/models.md)."""
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".param", ".onnx")
"""How files of models end; the weights of ncnn's `.param` lie beside it."""
OUR_ARCHITECTURE = "srgan"
"""What the card of a model says that this program can train, blend and export."""
IMPORTED = "Imported from "
"""How the last line of an imported model's description begins."""

Kind = Literal["shipped", "trained", "blended", "downloaded", "imported"]


@dataclass(frozen=True, slots=True)
class Model:
    """One model that can be used now."""

    key: str
    """What a request calls it: the file name without suffix; unique."""
    path: Path
    card: ModelCard
    shipped: bool

    @property
    def kind(self) -> Kind:
        """Where it is from."""
        if self.shipped:
            return "shipped"
        if any(self.path.name == known.file_name for known in KNOWN):
            return "downloaded"
        if "blend" in self.card.tags:
            return "blended"
        # A card with a recipe may come from elsewhere; what was imported says so.
        return "trained" if self.card.recipe and IMPORTED not in self.card.description else "imported"

    @property
    def trainable(self) -> bool:
        """Whether training can start from it: an SRGAN generator, in a file of this program's."""
        return self.card.architecture == OUR_ARCHITECTURE and self.path.suffix.lower() == ".safetensors"


def models() -> list[Model]:
    """The shipped models, the default one first, then the user's own by name; unreadable files are left out."""
    found: dict[str, Model] = {}
    for folder, shipped in ((paths.SHIPPED_MODELS, True), (paths.user_models(), False)):
        files = sorted(folder.glob("*")) if folder.is_dir() else []
        for path in files:
            if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or path.stem in found:
                continue
            try:
                card = card_of(path)
            except UserError:
                continue
            found[path.stem] = Model(path.stem, path, card, shipped)
    return sorted(found.values(), key=lambda model: (model.key != DEFAULT_MODEL, not model.shipped, model.key))


def downloadable() -> list[KnownModel]:
    """The known models that are not here yet; none without torch, as all of them are files that it reads."""
    if not has_torch():
        return []
    here = {model.key for model in models()}
    return [known for known in KNOWN if known.key not in here]


def find_model(name: str) -> Model:
    """The model of a request: empty for the default, a key, or the path of a file.

    Raises:
        UserError: there is no such model, or its file cannot be read.
    """
    known = models()
    for model in known:
        if model.key == (name or DEFAULT_MODEL):
            return model
    with contextlib.suppress(OSError, RuntimeError):  # a name that no file can have, or `~` of a user who is not here
        path = Path(name).expanduser()
        if name and path.is_file():
            from core.models.graph_files import files_of

            # The one of ncnn's two files that lists layers stands for both.
            path = files_of(path)[0]
            return Model(str(path), path, card_of(path), shipped=False)
    if any(name == other.key for other in KNOWN):
        raise UserError(
            _("The model “{name}” is not here yet.").format(name=name),
            _("Download it first: srgan models download {name}").format(name=name),
        )
    raise UserError(
        _("There is no model “{name}”.").format(name=name or DEFAULT_MODEL),
        _("Choose one of {known}, or give a model file's path.").format(
            known=", ".join(model.key for model in known) or "(none)"
        ),
    )


@dataclass(frozen=True, slots=True)
class Mix:
    """The weights one network is made of: files and their shares, which sum to 1 (network interpolation: ESRGAN,
    Wang et al. 2018, sec. 3.4)."""

    parts: tuple[tuple[Model, float], ...]
    name: str
    """For people: the model, and how much of its detail and clean-up."""


def family_of(model: Model) -> tuple[Model, ...]:
    """All that a mix may be made of: the model, its base, and its cleaner one with that one's base."""
    cleaner = cleaner_of(model)
    ends = (model, base_of(model), cleaner, None if cleaner is None else base_of(cleaner))
    return tuple(end for end in ends if end is not None)


def mix_for(model: Model, detail: int = 100, clean_up: int = 0) -> Mix:
    """Which weights make `model` at `detail` percent of its detail and `clean_up` percent of its clean-up.

    The two mix independently: clean-up goes from the model to its cleaner one, each of them first mixed with its own
    base for the detail.

    Raises:
        UserError: a percentage is out of 0..100, or the model has nothing here to mix it with.
    """
    for what, percent in ((_("detail"), detail), (_("clean-up"), clean_up)):
        if not 0 <= percent <= 100:
            raise UserError(
                _("A {what} of {percent} % is out of range.").format(what=what, percent=percent), _("Choose 0 to 100.")
            )
    cleaner = cleaner_of(model)
    if clean_up and cleaner is None:
        raise UserError(
            _("{name} has no version that cleans up, so its clean-up is always 0 %.").format(name=model.card.name),
            _("Models with a choice of clean-up: {listed}.").format(listed=_listed(cleaner_of)),
        )
    ends = [(model, 1 - clean_up / 100)]
    if cleaner is not None:
        ends.append((cleaner, clean_up / 100))
    parts = []
    for end, share in ends:
        base = base_of(end)
        if base is None and end is model and detail < 100:
            raise UserError(
                _("{name} has no softer version to go towards, so its detail is always 100 %.").format(
                    name=model.card.name
                ),
                _("Models with a choice of detail: {listed}.").format(listed=_listed(base_of)),
            )
        # A cleaner model without a base of its own is the same at any detail.
        full = detail / 100 if base is not None else 1.0
        parts.append((end, share * full))
        if base is not None:
            parts.append((base, share * (1 - full)))
    kept = tuple((each, share) for each, share in parts if share > 0)
    degrees = [_("{detail} % detail").format(detail=detail)] if detail < 100 else []
    degrees += [_("{clean_up} % clean-up").format(clean_up=clean_up)] if clean_up else []
    if not degrees:
        return Mix(kept, model.card.name)
    return Mix(kept, _("{name} at {degrees}").format(name=model.card.name, degrees=_(" and ").join(degrees)))


def _listed(end: Callable[[Model], Model | None]) -> str:
    return ", ".join(each.key for each in models() if end(each) is not None) or _("none is here")


def chosen(model: str, detail: int | None, clean_up: int | None = None) -> tuple[str, int, int]:
    """What a person means who leaves out a model (empty), a detail or a clean-up (None), or all of them.

    Detail is asked of a model that has some, also where its soft end was named; so is clean-up of the end that cleans
    nothing.

    Returns:
        The model's key, percent of detail, percent of clean-up.

    Raises:
        UserError: as `find_model`.
    """
    if detail is None and clean_up is None and model:
        return model, 100, 0
    found = find_model(model)
    wanted = found
    if clean_up is not None:
        wanted = uncleaned_of(wanted)
    if detail is not None or (not model and base_of(wanted) is not None):
        wanted = full_of(wanted)
        detail = DEFAULT_DETAIL if detail is None else detail
    return wanted.key, 100 if detail is None else detail, clean_up or 0


def detail_of_each(names: Sequence[str], detail: int) -> tuple[int, ...]:
    """The percent of detail for each of several models: `detail` where there is a choice, and 100 elsewhere.

    Where none has a choice all get it, so that whoever uses them says so.

    Raises:
        UserError: as `find_model`.
    """
    able = [base_of(find_model(name)) is not None for name in names]
    return tuple(detail if each or not any(able) else 100 for each in able)


def full_of(model: Model) -> Model:
    """The model at 100 % of the detail whose 0 % this one is; itself where it is no such end."""
    return next((each for each in models() if each.card.base == model.key and each.key != model.key), model)


def uncleaned_of(model: Model) -> Model:
    """The model at 0 % of the clean-up whose 100 % this one is; itself where it is no such end."""
    ends = {model.key, full_of(model).key}
    return next((each for each in models() if each.card.cleaner in ends and each.key not in ends), model)


def base_of(model: Model) -> Model | None:
    """The model at 0 % of this one's detail, where its card names one that is here."""
    return _other_end(model, model.card.base)


def cleaner_of(model: Model) -> Model | None:
    """The model at 100 % of this one's clean-up, where its card names one that is here."""
    return _other_end(model, model.card.cleaner)


def _other_end(model: Model, key: str) -> Model | None:
    if not key or key == model.key:
        return None
    return next((each for each in models() if each.key == key), None)


def licence(entry: Model | KnownModel) -> tuple[str, str]:
    """Its licence, or whose it is, in a word or two and in a sentence."""
    card = entry.card
    if card.license:
        return card.license, card.license
    kind = entry.kind if isinstance(entry, Model) else None
    if kind == "trained":
        return _("yours"), (
            _("Yours: trained on this computer. The licence of its parent applies, too")
            if card.parent
            else _("Yours: trained on this computer")
        )
    if kind == "blended":
        return _("your blend"), _("Your blend: the licences of both parents apply")
    return _("licence unknown"), _("Unknown: ask its author before you use its results")


def card_of(path: Path) -> ModelCard:
    """The card in a file; for a pickle, which has none, that of the known model or what its name says.

    Raises:
        UserError: the file cannot be read, or is called safetensors and is none.
    """
    try:
        stat = path.stat()
    except OSError:
        # Says why.
        is_safetensors(path)
        raise
    card = _stated_card(path, (stat.st_size, stat.st_mtime_ns, stat.st_ino))
    if card is not None:
        return card
    # Here, as the window lists models at its start, and files of other programs are the exception.
    from core.models import graph_files

    if graph_files.origin_of(path) is not None:
        return graph_files.card_of_graph(path)
    for known in KNOWN:
        if path.name == known.file_name:
            return known.card
    return ModelCard(name=path.stem, scale=_scale_in_name(path.stem), architecture="")


@lru_cache(maxsize=1024)
def _stated_card(path: Path, _stamp: tuple[int, ...]) -> ModelCard | None:
    """What a file with this stamp says of itself; None for a pickle.

    Models are listed several times for each picture, so a header is read anew only when its file has changed.
    """
    if not is_safetensors(path) and (path.suffix.lower() != ".safetensors" or _is_pickle(path)):
        return None
    header = read_header(path)
    metadata = header.get("__metadata__", {})
    card = ModelCard.from_metadata(metadata, path.stem)
    if "architecture" in metadata or "head.conv.weight" in header:
        return card
    return replace(card, architecture="", scale=_scale_in_name(path.stem))


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in (b"PK", b"\x80\x02")


def _scale_in_name(name: str) -> int:
    """OpenModelDB's names begin or end with the scale: 4x-UltraSharp, RealESRGAN_x4plus. Else the usual one."""
    match = re.search(r"(?<![0-9a-z])(?:([1-9])x|x([1-9]))(?![0-9])", name.lower())
    return int(match[1] or match[2]) if match else ModelCard("").scale


def free_key(wanted: str) -> str:
    """A name for a new file in the user's folder: `wanted` as far as a file may be called that, numbered if taken."""
    plain = portable_name(wanted.strip(" .")[:100] or "model")
    # Lower case, as some file systems take two names that differ in case for one.
    taken = {key.lower() for key in _taken()}
    return first_free(lambda n: plain if n == 1 else f"{plain}-{n}", lambda key: key.lower() in taken)


def remove_model(key: str) -> None:
    """Delete a model of the user's.

    Raises:
        UserError: it ships with the program, there is none, or it cannot be deleted.
    """
    from core.models.graph_files import files_of

    model = _own_model(key, _("{name} belongs to the program and cannot be removed."))
    try:
        for each in files_of(model.path):
            each.unlink()
    except OSError as error:
        raise UserError(
            _("{path} cannot be deleted: {strerror}.").format(path=model.path, strerror=error.strerror),
            _("Close what uses it."),
        ) from error


def rename_model(key: str, name: str) -> Model:
    """Give a model of the user's another name, on its card and as a file.

    Raises:
        UserError: it ships with the program, there is none, the name is taken, or its file has no card.
    """
    model = _own_model(key, _("{name} belongs to the program and cannot be renamed."))
    if model.path.suffix.lower() != ".safetensors":
        raise UserError(
            _("{name} has no model card, so it cannot be renamed.").format(name=model.path.name),
            _("Import the file; the copy has one."),
        )
    wanted = name.strip()
    if not wanted:
        raise UserError(_("A model needs a name."), _("Give it one."))
    new = key if wanted == key else free_key(wanted)
    target = model.path.with_name(f"{new}.safetensors")
    try:
        rewrite_card(model.path, replace(model.card, name=wanted), target)
        if target != model.path:
            model.path.unlink()
    except OSError as error:
        raise UserError(
            _("{path} cannot be renamed: {strerror}.").format(path=model.path, strerror=error.strerror),
            _("Check the disk and its permissions."),
        ) from error
    return find_model(new)


def _own_model(key: str, refusal: str) -> Model:
    model = find_model(key)
    if model.shipped:
        raise UserError(
            refusal.format(name=model.card.name),
            _("Choose one of your own."),
        )
    if model.path.parent != paths.user_models():
        raise UserError(_("{path} is not in the folder of models.").format(path=model.path), _("Import it first."))
    return model


def _taken() -> Iterator[str]:
    for folder in (paths.SHIPPED_MODELS, paths.user_models()):
        if folder.is_dir():
            yield from (path.stem for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    yield from (known.key for known in KNOWN)
