"""Requests and events of upscaling: a batch, a watch over folders, a preview of one region.

Every batch is `Planned`, then per file `FileStarted`, any number of `Progress`, and exactly one of `FileSaved`,
`FileSkipped`, `FileFailed`; then `BatchFinished`. A watch is one batch after another, each with a `BatchStarted` before
it. A preview is one `PreviewReady`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from core.contract.errors import UserError
from core.contract.jobs import Notice

ExistingPolicy = Literal["skip", "number", "replace"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
SizeKind = Literal["factor", "width", "height", "longest"]
Size = tuple[int, int]
"""Width and height in pixels."""
Region = tuple[int, int, int, int]
"""x, y, width, height in source pixels, after EXIF orientation is applied."""
Stamp = tuple[int, int]
"""Bytes and time of change of a file, in ns: equal as long as nobody has written it."""

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
    clean_up: int = 0
    """Percent of the way from the model to its cleaner one, which takes noise, grain and compression away; by network
    interpolation too, and only 0 for a model without one."""
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
    region: Region
    """Clipped to the picture."""
    model: str = ""
    detail: int = 100
    """Percent, as in an `UpscaleRequest`."""
    clean_up: int = 0
    """Percent, as in an `UpscaleRequest`."""
    device: str = "auto"
    precision: Precision = "auto"
    tile: int = 0
    ensemble: bool = False
    size: OutputSize = OutputSize()
    """Of the whole picture's result."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The batch is known: this many files to do, none touched yet."""

    files: int
    skipped: int
    """Already done by the same recipe; a `FileSkipped` follows for each."""
    refused: int
    """Cannot be done; a `FileFailed` follows for each."""


@dataclass(frozen=True, slots=True)
class FileStarted:
    """A decoded picture went to the network."""

    source: Path
    output: Path
    input_size: Size
    output_size: Size


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the run is; at most about 20 of these a second."""

    source: Path
    fraction: float
    """Of this file, 0 to 1."""
    total_fraction: float
    """Of the whole run, 0 to 1, by pixels."""
    seconds_left: float | None
    """Of the whole run; None until enough is done to tell."""


LOW_CONSISTENCY = 25.0
"""dB of `FileSaved.consistency` under which a result should be looked at."""


@dataclass(frozen=True, slots=True)
class FileSaved:
    """A result lies under its final name, complete."""

    source: Path
    output: Path
    input_size: Size
    output_size: Size
    consistency: float
    """PSNR in dB of the output, before lossy compression and reduced to the input's size, against the input; infinite
    when equal."""
    seconds: float
    notes: tuple[str, ...] = ()
    """What the user should know: first frame of an animation, CMYK turned into RGB, a precision that fell back."""


@dataclass(frozen=True, slots=True)
class FileSkipped:
    """Nothing to do: `output` was made from this very source by this very recipe."""

    source: Path
    output: Path
    reason: str
    consistency: float | None = None
    """As in `FileSaved`, of when it was made; None where that is not known."""


@dataclass(frozen=True, slots=True)
class FileFailed:
    """This file could not be done; the run goes on."""

    source: Path
    message: str
    hint: str = ""
    details: str = ""
    """For a bug report: the traceback, where the cause was not the user's."""


@dataclass(frozen=True, slots=True)
class BatchFinished:
    """The last event of an upscale run that was not cancelled."""

    saved: int
    skipped: int
    failed: int
    seconds: float


BatchEvent = Planned | FileStarted | Progress | FileSaved | FileSkipped | FileFailed | Notice | BatchFinished
"""Of an upscale run."""


@dataclass(frozen=True, slots=True)
class BatchStarted:
    """The next batch of a watch is about to begin."""

    pictures: tuple[tuple[Input, Stamp], ...]
    """Those of the request, then newcomers, and pictures that have changed or could not be done before."""


@dataclass(frozen=True, slots=True)
class BatchInterrupted:
    """A watched folder went away in the middle of a batch. What was not done comes again once it is back."""

    message: str


WatchEvent = BatchStarted | BatchEvent | BatchInterrupted
"""Of a watch: a `BatchStarted` before each batch, and a `BatchInterrupted` in place of a `BatchFinished`."""


@dataclass(frozen=True, slots=True)
class PreviewReady:
    """The upscaled region."""

    source: Path
    region: Region
    """The part really done."""
    scale: int
    pixels: np.ndarray
    """uint8, (height * scale) x (width * scale) x 3 (RGB) or 4 (RGBA, not premultiplied)."""
    seconds: float
    notes: tuple[str, ...] = ()
