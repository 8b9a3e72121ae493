"""What is kept between starts. One line declares an option: its key, default, values, label and tooltip."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast, get_args

import platformdirs
from PySide6.QtCore import QObject, QSettings, Signal

from core import paths
from core.contract.errors import UserError
from core.contract.upscale import ExistingPolicy, OutputSize, Precision
from core.models.catalogue import DEFAULT_DETAIL

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


def text(value: str) -> str:
    """Any text."""
    return value


def flag(value: str) -> bool:
    """`true` or `false`."""
    return {"true": True, "false": False}[value]


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number in a closed range."""

    def read(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError(value)
        return number

    return read


def one_of(*values: str) -> Callable[[str], str]:
    """One of these words."""

    def read(value: str) -> str:
        if value not in values:
            raise ValueError(value)
        return value

    return read


DEVICES = (
    (("auto", "Automatic"), ("mps", "Graphics (Apple)"), ("cpu", "Processor"))
    if sys.platform == "darwin"
    else (
        ("auto", "Automatic"),
        ("cuda", "Graphics card (NVIDIA, AMD)"),
        ("xpu", "Graphics card (Intel)"),
        ("cpu", "Processor"),
    )
)
"""What computes, and what to call it."""

MODEL = Option(
    "upscale/model",
    "",
    text,
    "&Model",
    "The network that enlarges your pictures. Each was trained for another taste: faithful ones add nothing that "
    "is not there.",
)
DETAIL = Option(
    "upscale/detail",
    DEFAULT_DETAIL,
    whole(0, 100),
    "Detai&l",
    "How much the network may add. At 0 % it only restores what the small picture proves, and stays soft where that is "
    "little; at 100 % it also draws the texture that is likely there. In between, the weights of both are averaged.",
)
SIZE = Option(
    "upscale/size",
    OutputSize(),
    OutputSize.parse,
    "Output si&ze",
    "How large the results become. The network enlarges by its own factor, as often as needed; the result is then "
    "reduced to exactly this size.",
)
FORMAT = Option(
    "upscale/format",
    "same",
    text,
    "&Format",
    "The file format of the results. “Same as source” keeps each picture’s own; PNG is used where that cannot be "
    "written or cannot hold transparency.",
)
QUALITY = Option(
    "upscale/quality",
    95,
    whole(1, 100),
    "&Quality",
    "For JPEG, WebP and AVIF: higher keeps more detail and makes larger files. 95 shows no loss to the eye; WebP "
    "at 100 is lossless.",
)
OUTPUT = Option(
    "upscale/output",
    "",
    text,
    "Sa&ve to",
    "Where results go. Folders keep their inner structure there. Sources are never changed.",
)
EXISTING = Option(
    "upscale/existing",
    "skip",
    one_of(*get_args(ExistingPolicy)),
    "If it e&xists",
    "What to do where a result of that name is there. Skipping looks at the settings and the source, not only at "
    "the name: a result made with other settings is kept, and the new one gets a number.",
)
RECURSIVE = Option(
    "upscale/recursive",
    True,
    flag,
    "Include folders inside folde&rs",
    "When a folder is added, also take the pictures in all the folders inside it.",
)
WATCH = Option(
    "upscale/watch",
    False,
    flag,
    "Watc&h added folders",
    "A run stays open when everything is done, and upscales what comes into the folders that were added, as soon as it "
    "is there whole, until you stop it.",
)
DEVICE = Option(
    "upscale/device",
    "auto",
    text,
    "&Device",
    "What computes. Automatic takes the graphics card where there is a usable one, else the processor.",
)
PRECISION = Option(
    "upscale/precision",
    "auto",
    one_of(*get_args(Precision)),
    "Num&ber format",
    "16-bit numbers are about twice as fast where the hardware has them. Automatic checks that they are also "
    "right on this machine, and falls back to 32 bits where not.",
)
TILE = Option(
    "upscale/tile",
    0,
    whole(0, 8192),
    "&Tile size",
    "Large pictures are done in squares of this side, in source pixels. Automatic measures free memory. Smaller needs "
    "less memory; the result is the same for SRGAN models, and nearly so for others.",
)
ENSEMBLE = Option(
    "upscale/ensemble",
    False,
    flag,
    "Self-&ensemble (8 passes)",
    "Enlarges each picture eight times, flipped and turned, and averages. A little better, eight times slower.",
)
METADATA = Option(
    "upscale/metadata",
    True,
    flag,
    "&Keep metadata",
    "Copies EXIF (camera, date, place), XMP and resolution into the results. The colour profile always stays, as "
    "colours depend on it.",
)
PREVIEW = Option(
    "upscale/preview",
    True,
    flag,
    "Live previe&w",
    "Enlarges the part of the selected picture that you are looking at, before any run.",
)
ADVANCED = Option(
    "upscale/advanced",
    False,
    flag,
    "Adva&nced",
    "Settings that are right as they are for nearly everyone.",
)
SPLIT = Option("upscale/split", "", text)
TRAIN_FOLDER = Option(
    "train/folder",
    "",
    text,
    "&Pictures",
    "A folder of sharp pictures of any size, or one that holds hr_images and lr_images. They are only read.",
)
TRAIN_VALIDATION = Option(
    "train/validation",
    "",
    text,
    "&Held-out pictures",
    "Pictures that the network never learns from, to measure it by. Without a folder for them, some of the others "
    "are held back.",
)
TRAIN_RECIPE = Option(
    "train/recipe",
    "quick",
    text,
    "&Recipe",
    "How to train: how long, on what, with which losses. Every field of it can be changed below.",
)
TRAIN_CONTENT = Option(
    "train/content",
    "",
    text,
    "&Content weights",
    "VGG features for the content loss, as a safetensors file that says how pictures are prepared for it. Without "
    "a file torchvision’s is downloaded once: VGG19, or what the recipe names.",
)
TRAIN_DEVICE = Option(
    "train/device",
    "auto",
    text,
    "&Device",
    "What computes. Automatic takes the graphics card where there is a usable one, else the processor.",
)
MODELS_FOLDER = Option("models/folder", "", text)
APPEARANCE = Option(
    "window/appearance",
    "system",
    one_of("system", "light", "dark"),
    "Appearance",
    "Light or dark; System follows your desktop.",
)
GEOMETRY = Option("window/geometry", "", text)
FOLDER = Option("window/folder", "", text)


def default_path() -> Path:
    """The file in the user's configuration folder."""
    return Path(platformdirs.user_config_dir(paths.APP, appauthor=False)) / "settings.ini"


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
        self._store.setValue(option.key, str(value).lower() if isinstance(value, bool) else str(value))
        self.changed.emit(option)

    def override(self, option: Option[T], value: T) -> None:
        """Let a value from the command line hold until it is set by hand; it is not saved."""
        self._overrides[option.key] = value
        self.changed.emit(option)

    def save(self) -> None:
        """Write to the disk now; Qt otherwise does it soon."""
        self._store.sync()
