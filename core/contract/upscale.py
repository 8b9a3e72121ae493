"""Requests and events of upscaling: a batch, a watch over folders, a preview of one region.

Every batch is `Planned` (a large one several times), then per file `FileStarted`, any number of `Progress`, and exactly
one of `FileSaved`, `FileSkipped`, `FileFailed`; then an `ArchiveSaved` for each archive made of an archive, and
`BatchFinished`. A watch is one batch after another, each with a `BatchStarted` before it. A preview is one
`PreviewReady`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.contract.jobs import Notice
from core.contract.settings import UpscaleSettings

if TYPE_CHECKING:
    import numpy as np

Size = tuple[int, int]
"""Width and height in pixels."""
Region = tuple[int, int, int, int]
"""x, y, width, height in source pixels, after EXIF orientation is applied."""
Stamp = tuple[int, int]
"""Bytes and time of change of a file, in ns: equal as long as nobody has written it."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file or folder to upscale."""

    path: Path
    """A picture, or a folder that is searched for pictures."""
    root: Path | None = None
    """For a file that came with a folder: that folder. Below the output folder the file keeps its path from here."""


@dataclass(frozen=True, slots=True)
class UpscaleRequest(UpscaleSettings):
    """A whole batch: what to upscale, where the results go, and the settings by name."""

    inputs: tuple[Input, ...]
    output: Path | None = None
    """Folder for the results; None puts those of a folder into `<folder>_4x` beside it, those of a file beside it."""
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
class PreviewRequest(UpscaleSettings):
    """Upscale one region of one picture as the whole would be, for looking at before a batch; the settings by name.

    Those of the file that is not written (format, quality, metadata) change nothing.
    """

    source: Path
    region: Region
    """Clipped to the picture."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The batch is known: this many files to do, none touched yet.

    One of many thousands of pictures begins before it is known, and tells so several times: of all that is known by
    then, last with `complete`.
    """

    files: int
    skipped: int
    """Already done by the same settings; a `FileSkipped` follows for each, before the pictures that come behind it."""
    refused: int
    """Cannot be done; a `FileFailed` follows for each, likewise."""
    pictures: int = 0
    """Pages and frames in the files to do; as many as `files` where each has one."""
    complete: bool = True
    """Whether that is all, and not only what is known so far."""


@dataclass(frozen=True, slots=True)
class FileStarted:
    """A decoded picture went to the network."""

    source: Path
    output: Path
    input_size: Size
    output_size: Size
    reason: str = ""
    """Why the automatic choice made of it what it makes: `grain, JPEG about 55: clean-up 70 %`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the run is; at most about 20 of these a second."""

    source: Path
    fraction: float
    """How much of this file is done, 0 to 1."""
    total_fraction: float
    """How much of the whole run is done, 0 to 1, by pixels."""
    seconds_left: float | None
    """Until the end of the run; None until all is planned, and enough is done to tell."""


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
    reason: str = ""
    """What `FileStarted.reason` says."""
    pictures: int = 1
    """How many pages or frames the result has; sizes are those of the first, and the consistency is the least."""
    packed: Path | None = None
    """Where in an archive the result ends up, as an `ArchiveSaved` will say; None for one that stays where it is."""


@dataclass(frozen=True, slots=True)
class ArchiveSaved:
    """The results of an archive's pictures became an archive."""

    source: Path
    """The archive that the pictures are from."""
    output: Path
    moved: tuple[tuple[Path, Path], ...]
    """Where results lay, and where they lie now: paths that lead into `output`."""
    pictures: int
    """How many of them it holds."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSkipped:
    """Nothing to do: `output` was made from this very source by these very settings."""

    source: Path
    output: Path
    reason: str
    consistency: float | None = None
    """What `FileSaved.consistency` said when it was made; None where that is not known."""


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
    """Without pauses."""
    pictures: int = 0
    """Pages and frames in what was saved; as many as `saved` where each file has one."""


BatchEvent = (
    Planned | FileStarted | Progress | FileSaved | FileSkipped | FileFailed | ArchiveSaved | Notice | BatchFinished
)
"""What an upscale run yields."""


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
"""What a watch yields: a `BatchStarted` before each batch, and a `BatchInterrupted` in place of a `BatchFinished`."""


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
    reason: str = ""
    """Why the automatic choice took what is shown."""
