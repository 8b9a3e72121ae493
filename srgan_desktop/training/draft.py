"""The recipe while it is being edited: a shipped or saved one, and what was changed in it. No widgets.

Every field of the form comes from the pydantic model itself (`core.training.recipe`), with its explanation: a field
that is added there appears in the window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from PySide6.QtCore import QObject, Signal

from core.contract.errors import UserError
from core.language import gettext as _
from core.models.card import read_header
from core.models.config import config_of_shapes
from core.training.recipe import LOSS_DECLARATIONS, Recipe, load_recipe, recipe_toml, toml_value

Kind = Literal["whole", "number", "flag", "choice", "text", "wholes", "numbers", "weights"]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that can be set in a recipe."""

    path: str
    """Dotted, as `psnr.steps`; a loss is `psnr.losses.l1`."""
    group: str
    """A key of `GROUPS`."""
    title: str
    explanation: str
    kind: Kind
    choices: tuple[str, ...] = ()


GROUPS: dict[str, tuple[str, str]] = {
    "psnr": (_("First stage"), _("Pixels only: the network learns to be right before it learns to be sharp.")),
    "psnr.losses": (_("Losses of the first stage"), _("What counts as a fault. A weight of 0 leaves a loss out.")),
    "gan": (
        _("Second stage (GAN)"),
        _("Against a discriminator: sharper, and less true to the pixel. 0 steps leave it out."),
    ),
    "gan.losses": (_("Losses of the second stage"), _("What counts as a fault. A weight of 0 leaves a loss out.")),
    "gan.content": (_("Content loss"), _("How the VGG features of the second stage are compared.")),
    "data": (_("Pictures"), _("What the network sees.")),
    "generator": (_("Network"), _("The generator that is trained. Fixed once a run has begun.")),
    "validation": (_("Test pictures"), _("How often, and by what, the network is measured.")),
    "": (_("Run"), _("Whatever belongs to no stage.")),
}
"""Title and explanation of each part of the form, in its order."""

ELSEWHERE = {"name", "description", "start", "teacher"}
"""Fields that have a place of their own on the page."""

_NAMES = {
    "ema": "EMA",
    "synthetic": _("Share of synthetic crops"),
    "candidates": _("Places tried per crop"),
    "judge_synthetic": _("Discriminator sees synthetic crops"),
    "reduce_to": _("Also reduced, down to"),
    "recolour": _("Swap colours, negatives"),
    "taught": _("Share of taught crops"),
    "teacher_patches": _("Patches for the teacher"),
    "loader_threads": _("Loader threads"),
    "loader_processes": _("Loader processes"),
    "cache_mb": _("Cache (MB)"),
    "held_out": _("Share of test pictures"),
    "gan_metric": _("Metric of the second stage"),
    "at_epochs": _("Further validations at epochs"),
}


def _fields() -> Iterator[Field]:
    dumped = Recipe(name="any").model_dump(mode="json")

    def walk(model: type[BaseModel], prefix: str, values: Mapping[str, Any]) -> Iterator[Field]:
        for name, info in model.model_fields.items():
            path = f"{prefix}.{name}" if prefix else name
            if path in ELSEWHERE:
                continue
            if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
                yield from walk(info.annotation, path, values[name])
            elif name == "losses":
                for loss, declared in LOSS_DECLARATIONS.items():
                    if prefix == "gan" or not declared.gan_only:
                        title = declared.title or _in_words(loss)
                        yield Field(f"{path}.{loss}", path, title, declared.words, "number")
            else:
                kind, choices = _kind(info.annotation)
                title = _NAMES.get(name) or _in_words(name)
                words = re.sub(r"`([^`]+)`", r"“\1”", info.description or "")
                yield Field(path, prefix, title, words, kind, choices)

    yield from walk(Recipe, "", dumped)


def _in_words(name: str) -> str:
    return _(name.replace("_", " ").capitalize())


def _kind(annotation: Any) -> tuple[Kind, tuple[str, ...]]:
    if get_origin(annotation) is Literal:
        return "choice", tuple(str(each) for each in get_args(annotation))
    if get_origin(annotation) is tuple:
        return ("wholes" if get_args(annotation)[0] is int else "numbers"), ()
    if get_origin(annotation) is dict:
        return "weights", ()
    return cast(Kind, {bool: "flag", int: "whole", float: "number", str: "text"}[annotation]), ()


FIELDS: tuple[Field, ...] = tuple(sorted(_fields(), key=lambda field: list(GROUPS).index(field.group)))
"""Every field of the form, by group and in the recipe's order."""
_BY_PATH = {field.path: field for field in FIELDS}


class Draft(QObject):
    """A recipe, the changes to it, and whether the two together are valid."""

    changed = Signal()
    """Another recipe, another value, or another fault."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.source = ""
        """Name of a shipped recipe, or path of a TOML file."""
        self.base = Recipe(name="new")
        self.recipe: Recipe | None = self.base
        """What the changes make of it; None while a field is wrong."""
        self.faults: dict[str, str] = {}
        """By field or group (or "" for the whole): what is wrong."""
        self._texts: dict[str, str] = {}

    @property
    def changes(self) -> dict[str, str]:
        """Fields that differ from the recipe's, and their text."""
        return dict(self._texts)

    def load(self, source: str) -> None:
        """Take a recipe, and forget all changes.

        Raises:
            UserError: there is none, or it is not valid; nothing has changed then.
        """
        base = load_recipe(source)
        self.source, self.base = source, base
        self._texts = {}
        self._judge()

    def text(self, path: str) -> str:
        """A field's value as it is typed."""
        return self._texts[path] if path in self._texts else self.default_text(path)

    def default_text(self, path: str) -> str:
        """What the recipe itself has there."""
        return _text(_get(self.base.model_dump(mode="json"), path))

    def set(self, path: str, text: str) -> None:
        """Change a field; the recipe's own value takes the change back."""
        text = text.strip()
        if text == self.text(path):
            return
        if text == self.default_text(path):
            self._texts.pop(path, None)
        else:
            self._texts[path] = text
        self._judge()

    def reset(self, path: str | None = None) -> None:
        """Take back one field's change, or all of them."""
        for each in [path] if path is not None else list(self._texts):
            self._texts.pop(each, None)
        self._judge()

    def changed_in(self, group: str) -> int:
        """How many fields of a group are changed."""
        return sum(path in _BY_PATH and _BY_PATH[path].group == group for path in self._texts)

    def fit_to(self, model: Path) -> bool:
        """Set the network to that of a model to start from; False where its file does not tell.

        Starting from another network than the recipe's would be refused when the run starts.
        """
        try:
            header = read_header(model)
            shapes = {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
            config = config_of_shapes(shapes)
        except (UserError, ValueError, KeyError, TypeError):
            return False
        for name in Recipe(name="any").generator.model_dump():
            path, text = f"generator.{name}", _text(getattr(config, name))
            if text == self.default_text(path):
                self._texts.pop(path, None)
            else:
                self._texts[path] = text
        self._judge()
        return True

    def learn_from(self, teacher: str) -> None:
        """Take a model as the teacher, by key or path; none where it is empty.

        A loss that learns from it comes with it, where the recipe has none, and goes with it.
        """
        stage = "psnr" if self.text("psnr.steps") != "0" or self.text("psnr.epochs") != "0" else "gan"
        loss = f"{stage}.losses.teacher"
        self.set("teacher", teacher)
        if not teacher:
            self.reset(loss)
        elif self.recipe is None or not self.recipe.wants_teacher:
            self.set(loss, "1")

    def overrides(self, name: str = "") -> tuple[tuple[str, str], ...]:
        """The changes as a `TrainRequest` takes them; each makes of the recipe what the draft made of it.

        Args:
            name: of the run, where it is to be another than the draft's.
        """
        single = {path: toml_value(_value(path, text)) for path, text in self._texts.items() if not _is_loss(path)}
        if name:
            single["name"] = toml_value(name)
        # The table of losses goes as a whole: a recipe that leaves it to the defaults has none to change a row of.
        for stage in sorted({path.split(".")[0] for path in self._texts if _is_loss(path)}):
            losses = self.base.model_dump(mode="json")[stage]["losses"]
            losses |= {
                p.rsplit(".", 1)[1]: _value(p, t) for p, t in self._texts.items() if p.startswith(f"{stage}.losses.")
            }
            single[f"{stage}.losses"] = toml_value(losses)
        return tuple(single.items())

    def save(self, path: Path) -> None:
        """Write the recipe with its changes as a TOML file, and go on from that.

        Raises:
            UserError: a field is wrong, or the file cannot be written.
        """
        from core.atomic import replacing

        if self.recipe is None:
            raise UserError(
                _("The recipe cannot be saved yet: a field is not valid."), _("Correct the marked fields first.")
            )
        try:
            with replacing(path) as temporary:
                temporary.write_text(recipe_toml(self.recipe), encoding="utf-8")
        except OSError as error:
            raise UserError(
                _("{path} cannot be written: {strerror}.").format(path=path, strerror=error.strerror),
                _("Choose another folder."),
            ) from error
        self.load(str(path))

    @property
    def wants_content(self) -> bool:
        """Whether a run needs VGG weights."""
        return self.recipe is not None and self.recipe.wants_content

    @property
    def lacks_teacher(self) -> bool:
        """Whether the recipe learns from a teacher, and none is named."""
        return self.recipe is not None and self.recipe.wants_teacher and not self.recipe.teacher

    def _judge(self) -> None:
        self.faults = {}
        values = self.base.model_dump(mode="json")
        for path, text in self._texts.items():
            try:
                _set(values, path, _value(path, text))
            except ValueError as error:
                self.faults[path] = str(error)
        if self.faults:
            self.recipe = None
        else:
            try:
                self.recipe = Recipe.model_validate(values)
            except ValidationError as error:
                self.recipe = None
                for each in error.errors(include_url=False):
                    self.faults.setdefault(_place(each["loc"]), _words(each["msg"]))
        self.changed.emit()


def _place(location: tuple[int | str, ...]) -> str:
    """The longest part of pydantic's location that is a field or group here."""
    parts = [str(each) for each in location]
    while parts:
        path = ".".join(parts)
        if path in _BY_PATH or path in GROUPS or path in ELSEWHERE:
            return path
        parts.pop()
    return ""


def _words(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return message[:1].upper() + message[1:]


def _value(path: str, text: str) -> Any:
    """A typed text as the recipe's value.

    Raises:
        ValueError: with words about what is wrong.
    """
    field = _BY_PATH.get(path)
    kind = field.kind if field else "text"
    match kind:
        case "text":
            return text
        case "choice":
            return int(text) if text.isdigit() else text
        case "flag":
            return text == "true"
        case "whole":
            return _number(text, int, _("a whole number"))
        case "number":
            return _number(text, float, _("a number"))
        case "wholes":
            return [_number(each, int, _("whole numbers, as 24, 32, 48")) for each in _parts(text)]
        case "numbers":
            return [_number(each, float, _("numbers, as 0, 0.35, 0.7")) for each in _parts(text)]
        case "weights":
            weights = {}
            for part in _parts(text):
                name, equals, weight = part.partition("=")
                if not equals:
                    raise ValueError(_("Needs names and weights, as conv3_4 = 1, conv4_4 = 0.5"))
                weights[name.strip()] = _number(weight, float, _("a number for each weight"))
            return weights
    raise AssertionError(kind)


def _number(text: str, kind: type, what: str) -> Any:
    try:
        return kind(text.strip())
    except ValueError:
        raise ValueError(_("Needs {what}").format(what=what)) from None


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _text(value: Any) -> str:
    """A recipe's value as somebody would type it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_text(weight)}" for name, weight in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _is_loss(path: str) -> bool:
    return path.startswith(("psnr.losses.", "gan.losses."))


def _get(values: Mapping[str, Any], path: str) -> Any:
    *tables, last = path.split(".")
    place: Any = values
    for table in tables:
        place = place[table]
    return place.get(last, 0.0)


def _set(values: dict[str, Any], path: str, value: Any) -> None:
    *tables, last = path.split(".")
    for table in tables:
        values = values[table]
    values[last] = value
