"""What core tells whoever drives it. One frozen dataclass says one thing that happened.

Every upscale run is `Planned`, then per file `FileStarted`, any number of `Progress`, and exactly one of `FileSaved`,
`FileSkipped`, `FileFailed`; then `BatchFinished`. A watch is one such run after another. A job in the worker process
ends with exactly one of `JobDone`, `JobFailed`, `JobCancelled`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.contract.requests import Input, Stamp

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The batch is known: this many files to do, none touched yet."""

    files: int
    skipped: int
    """Already done by the same recipe; a `FileSkipped` follows for each."""
    refused: int
    """Cannot be done; a `FileFailed` follows for each."""
    output_pixels: int
    """Sum over the files to do."""


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
class Notice:
    """Something worth a line in the window that belongs to no one file."""

    message: str


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
class Arrived:
    """The next batch of a watch is about to begin."""

    pictures: tuple[tuple[Input, Stamp], ...]
    """Those of the request, then newcomers, and pictures that have changed or could not be done before."""


@dataclass(frozen=True, slots=True)
class BatchInterrupted:
    """A watched folder went away in the middle of a batch. What was not done comes again once it is back."""

    message: str


WatchEvent = Arrived | BatchEvent | BatchInterrupted
"""Of a watch: an `Arrived` before each batch, and a `BatchInterrupted` in place of a `BatchFinished`."""


@dataclass(frozen=True, slots=True)
class PreviewReady:
    """The upscaled region."""

    source: Path
    region: tuple[int, int, int, int]
    """x, y, width, height in source pixels: the part really done."""
    scale: int
    pixels: np.ndarray
    """uint8, (height * scale) x (width * scale) x 3 (RGB) or 4 (RGBA, not premultiplied)."""
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """The worker process has imported torch and chosen a device: `device` says which, for people."""

    device: str


@dataclass(frozen=True, slots=True)
class JobDone:
    """The job's generator ran to its end."""


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """The job stopped because it was asked to."""


@dataclass(frozen=True, slots=True)
class JobFailed:
    """The job ended on an error; words as in `UserError`, and a traceback where the cause was not the user's."""

    message: str
    hint: str = ""
    details: str = ""
