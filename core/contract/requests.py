"""What can be asked of core. One frozen dataclass describes one whole run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.contract.errors import UserError

ExistingPolicy = Literal["skip", "number", "replace"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
SizeKind = Literal["factor", "width", "height", "longest"]

MAX_FACTOR = 64.0


@dataclass(frozen=True, slots=True)
class OutputSize:
    """How large a picture becomes: a factor, or one target side in pixels with the aspect ratio kept."""

    kind: SizeKind = "factor"
    value: float = 4.0
    """The factor (0.1 to 64), or the target side in pixels."""

    def __post_init__(self) -> None:
        if self.kind == "factor" and not 0.1 <= self.value <= MAX_FACTOR:
            raise UserError(f"A factor of {self.value:g} is out of range.", f"Choose 0.1 to {MAX_FACTOR:g}.")
        if self.kind != "factor" and not 1 <= self.value <= 1_000_000:
            raise UserError(f"A side of {self.value:g} pixels is out of range.", "Choose 1 to 1,000,000.")

    def of(self, width: int, height: int) -> tuple[int, int]:
        """The (width, height) in pixels of what becomes of a `width` x `height` picture; never under 1 x 1."""
        side = {"width": width, "height": height, "longest": max(width, height)}
        factor = self.value if self.kind == "factor" else self.value / side[self.kind]
        return max(1, round(width * factor)), max(1, round(height * factor))

    @classmethod
    def parse(cls, text: str) -> OutputSize:
        """Read `4`, `x4`, `4x`, `2.5x` (factors), `1920w`, `1080h` or `2000px` (longest side).

        Raises:
            UserError: the text is none of these, or out of range.
        """
        match = re.fullmatch(r"x?(\d+(?:\.\d+)?)(x|w|h|px)?", text.strip().lower())
        if not match:
            raise UserError(
                f"“{text}” is not an output size.",
                "Write a factor (4x, 2.5x), a width (1920w), a height (1080h) or a longest side (2000px).",
            )
        kinds: dict[str, SizeKind] = {"w": "width", "h": "height", "px": "longest"}
        return cls(kinds.get(match[2] or "x", "factor"), float(match[1]))

    def __str__(self) -> str:
        suffix = {"factor": "x", "width": "w", "height": "h", "longest": "px"}[self.kind]
        return f"{self.value:g}{suffix}"


@dataclass(frozen=True, slots=True)
class Input:
    """A file or folder to upscale."""

    path: Path
    """A picture, or a folder that is searched for pictures."""
    root: Path | None = None
    """For a file that came with a folder: that folder. Below the output folder the file keeps its path from here."""


@dataclass(frozen=True, slots=True)
class UpscaleRequest:
    """A whole batch: what to upscale, how, and where the results go."""

    inputs: tuple[Input, ...]
    output: Path | None = None
    """Folder for the results; None puts those of a folder into `<folder>_4x` beside it, those of a file beside it."""
    model: str = ""
    """Name of a shipped or installed model, or path of a model file; empty is the default model."""
    detail: int = 100
    """Percent of the way from the model's base (a faithful one) to the model itself, by network interpolation; only
    100 for a model without a base."""
    size: OutputSize = OutputSize()
    format: str = "same"
    """A key of `core.images.FORMATS` that can be written, or `same` as the source."""
    quality: int = 95
    """1 to 100, for formats that lose something; 100 is lossless where the format can."""
    existing: ExistingPolicy = "skip"
    """`skip` what this very recipe made of this very source and number the rest; always `number`; or `replace`
    results of earlier runs that differ from what this recipe gives. Nothing else is replaced, nor the result of another
    picture that is still there and is no part of this run."""
    recursive: bool = True
    """Also search the folders inside a folder."""
    keep_metadata: bool = True
    """Carry EXIF, XMP, ICC profile and dpi over; without it only the ICC profile stays, as colours depend on it."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `xpu`, `mps`."""
    precision: Precision = "auto"
    tile: int = 0
    """Side of a tile in source pixels; 0 measures free memory and decides."""
    ensemble: bool = False
    """Average eight flipped and turned passes (x8 self-ensemble): a little better, eight times slower."""
    roots: tuple[Path, ...] = ()
    """Folders beside those of the inputs whose results share the output folder: batches of one run then agree on what
    lies where in it."""


Stamp = tuple[int, int]
"""Bytes and time of change of a file, in ns: equal as long as nobody has written it."""


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """A batch, and then all that comes into some folders, until it is cancelled."""

    batch: UpscaleRequest
    """Its inputs come first, and may be none."""
    folders: tuple[Path, ...]
    known: tuple[tuple[Path, Stamp | None], ...] = ()
    """Pictures in them that are no newcomers as long as they have this stamp; without one, that of the first look."""


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    """Upscale one region of one picture as the whole would be, for looking at before a batch."""

    source: Path
    region: tuple[int, int, int, int]
    """x, y, width, height in source pixels, after EXIF orientation is applied; clipped to the picture."""
    model: str = ""
    detail: int = 100
    """As in an `UpscaleRequest`."""
    device: str = "auto"
    precision: Precision = "auto"
    tile: int = 0
    ensemble: bool = False
    size: OutputSize = OutputSize()
    """Of the whole picture's result."""
