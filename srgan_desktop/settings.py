"""What is kept between starts. One line declares an option: its key, default, values, label and tooltip.

The options of an upscale run are made of the declarations in `core.contract.settings`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from PySide6.QtCore import QObject, QSettings, Signal

from core import language, paths
from core.contract import settings
from core.contract.errors import UserError
from core.contract.settings import SETTINGS, ExistingPolicy, OutputSize, Precision, Setting
from core.language import gettext as _
from core.models.catalogue import AUTOMATIC, DEFAULT_DETAIL

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Option(Generic[T]):
    """One thing that can be set."""

    key: str
    """`section/name` in the file."""
    default: T
    read: Callable[[str], T]
    """From the file's text; raises ValueError (or UserError) where that is no value of this option."""
    label: str = ""
    """With the mnemonic that Qt marks by `&`."""
    tooltip: str = ""
    setting: Setting[T] | None = None
    """The setting of upscaling that this option keeps: its range and choices are there."""


def text(value: str) -> str:
    """Any text."""
    return value


def flag(value: str) -> bool:
    """`true` or `false`."""
    return {"true": True, "false": False}[value]


def one_of(*values: str) -> Callable[[str], str]:
    """One of these words."""

    def read(value: str) -> str:
        if value not in values:
            raise ValueError(value)
        return value

    return read


def _of(setting: Setting[Any], default: Any = None) -> Option[Any]:
    """The option that keeps a setting of upscaling between starts."""
    return Option(
        f"upscale/{setting.name}",
        setting.default if default is None else default,
        setting.parse,
        setting.label,
        setting.tooltip,
        setting,
    )


UPSCALE: dict[str, Option[Any]] = {name: _of(setting) for name, setting in SETTINGS.items()}
"""An option for each setting of upscaling, by the name of its field in `UpscaleSettings`."""
UPSCALE["model"] = _of(SETTINGS["model"], AUTOMATIC)
UPSCALE["detail"] = _of(SETTINGS["detail"], DEFAULT_DETAIL)
PREVIEWED = tuple(option for name, option in UPSCALE.items() if SETTINGS[name].previewed)
"""Options that change what a preview shows."""

MODEL: Option[str] = UPSCALE["model"]
DETAIL: Option[int] = UPSCALE["detail"]
CLEAN_UP: Option[int] = UPSCALE["clean_up"]
BEFORE: Option[tuple[str, ...]] = UPSCALE["before"]
TIE_COLOURS: Option[bool] = UPSCALE["tie_colours"]
SIZE: Option[OutputSize] = UPSCALE["size"]
FORMAT: Option[str] = UPSCALE["format"]
QUALITY: Option[int] = UPSCALE["quality"]
EXISTING: Option[ExistingPolicy] = UPSCALE["existing"]
RECURSIVE: Option[bool] = UPSCALE["recursive"]
DEVICE: Option[str] = UPSCALE["device"]
PRECISION: Option[Precision] = UPSCALE["precision"]
TILE: Option[int] = UPSCALE["tile"]
ENSEMBLE: Option[bool] = UPSCALE["ensemble"]
METADATA: Option[bool] = UPSCALE["keep_metadata"]
OUTPUT: Option[str] = _of(settings.OUTPUT)
WATCH: Option[bool] = _of(settings.WATCH)

DEVICES = SETTINGS["device"].choices
"""What computes, and what to call it."""
TRAIN_DEVICES = tuple((name, label) for name, label in DEVICES if name not in ("vulkan", "openvino"))
"""What can train: torch alone."""

PREVIEW = Option(
    "upscale/preview",
    True,
    flag,
    _("Live previe&w"),
    _("Upscale the visible part of the selected picture at once, before any run."),
)
ADVANCED = Option(
    "upscale/advanced",
    False,
    flag,
    _("Adva&nced"),
    _("Defaults that suit nearly everyone."),
)
OPTIONS = Option("upscale/options", False, flag, _("Options"), _("Model, size, format, folder: what is done (Ctrl+,)"))
SPLIT = Option("upscale/split", "", text)
TRAIN_FOLDER = Option(
    "train/folder",
    "",
    text,
    _("&Pictures"),
    _("A folder of sharp pictures of any size, or one with hr_images and lr_images. Your originals are never changed."),
)
TRAIN_VALIDATION = Option(
    "train/validation",
    "",
    text,
    _("&Test pictures"),
    _(
        "Pictures the network never trains on, used to measure it. Without a folder of their "
        "own, some are taken from the training pictures."
    ),
)
TRAIN_RECIPE = Option(
    "train/recipe",
    "quick",
    text,
    _("&Recipe"),
    _("How to train: how long, on what, with which losses. Every field can be changed below."),
)
TRAIN_CONTENT = Option(
    "train/content",
    "",
    text,
    _("&Content weights"),
    _(
        "VGG features for the content loss, as a safetensors file that says how pictures are "
        "prepared for it. Without a file torchvision’s is downloaded once: VGG19, or what the "
        "recipe names."
    ),
)
TRAIN_DEVICE = Option("train/device", DEVICE.default, text, DEVICE.label, DEVICE.tooltip)
TRAIN_FILES = Option("train/files", "", text)
"""Where recipes and weights were chosen last."""
MODELS_FOLDER = Option("models/folder", "", text)
APPEARANCE = Option(
    "window/appearance",
    "system",
    one_of("system", "light", "dark"),
    _("Appearance"),
    _("Light or dark; System follows your desktop."),
)
LANGUAGE = Option(
    "window/language",
    "system",
    one_of("system", *language.LANGUAGES),
    _("L&anguage"),
    _("The program’s language; System follows your desktop."),
)
GEOMETRY = Option("window/geometry", "", text)
FOLDER = Option("window/folder", "", text)


def default_path() -> Path:
    """The file in the user's configuration folder."""
    return paths.user_settings()


class Settings(QObject):
    """Options in an ini file. What somebody wrote into it by hand is checked when it is read."""

    changed = Signal(object)
    """The `Option` that has a new value."""

    def __init__(self, path: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = QSettings(str(path or default_path()), QSettings.Format.IniFormat)
        self._overrides: dict[str, Any] = {}

    def get(self, option: Option[T]) -> T:
        """The saved value, or the default where there is none or none that is valid."""
        if option.key in self._overrides:
            return cast(T, self._overrides[option.key])
        raw = self._store.value(option.key)
        if raw is None:
            return option.default
        try:
            return option.read(str(raw))
        except (ValueError, KeyError, UserError):
            return option.default

    def set(self, option: Option[T], value: T) -> None:
        """Save a value; equal ones change nothing."""
        if value == self.get(option):
            return
        self._overrides.pop(option.key, None)
        plain = str(value).lower() if isinstance(value, bool) else str(value)
        self._store.setValue(option.key, plain if option.setting is None else option.setting.write(value))
        self.changed.emit(option)

    def upscale(self) -> dict[str, Any]:
        """The settings of upscaling as they are saved, by the names of the fields of `UpscaleSettings`."""
        return {name: self.get(option) for name, option in UPSCALE.items()}

    def override(self, option: Option[T], value: T) -> None:
        """Let a value from the command line hold until it is set by hand; it is not saved."""
        self._overrides[option.key] = value
        self.changed.emit(option)

    def save(self) -> None:
        """Write to the disk now; Qt otherwise does it soon."""
        self._store.sync()
