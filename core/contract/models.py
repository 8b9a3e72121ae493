"""Requests and events around models: fetching and importing them, and what they are worth on a picture of the user's.

A download is any number of `DownloadProgress` (of `core.contract.training`) and one `ModelAdded`; an import gives one
`ModelAdded` or `ModelRefused` for each file; a blend one `ModelAdded`. A check is `CheckProgress` and one `CheckReady`;
a comparison is `CheckProgress` and one `ModelCompared` or `CompareFailed` for each model; a blind test `CheckProgress`
and one `BlindReady`. Plain, as everything in this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.contract.errors import UserError
from core.contract.requests import Precision

Region = tuple[int, int, int, int]
"""x, y, width, height in source pixels, after EXIF orientation is applied."""

MOST_COMPARED = 4


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """Fetch a model of the catalogue into the user's folder; what an earlier attempt got is not fetched again."""

    key: str
    """Of a `core.models.known.KnownModel`."""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Bring model files from anywhere into the user's folder, each looked at and run once before it is taken."""

    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class BlendRequest:
    """Make a model between two of one topology, in the user's folder."""

    first: str
    """Name or path of a model."""
    second: str
    share: float = 0.5
    """Of the second, 0 to 1."""
    name: str = ""
    """Of the new model; empty makes one up from both."""


@dataclass(frozen=True, slots=True)
class ModelAdded:
    """A model can be used now."""

    key: str
    """What requests call it."""
    path: Path
    notes: tuple[str, ...] = ()
    """What the user should know: it was here already, its licence is not known."""


@dataclass(frozen=True, slots=True)
class ModelRefused:
    """This file was not taken; the others go on. In words: what it is, and what to do."""

    path: Path
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """How good will it be on my picture? Reduce it by the model's scale, enlarge that again, and measure."""

    source: Path
    model: str = ""
    """As in an `UpscaleRequest`."""
    region: Region | None = None
    """Only this part; None takes the whole picture. A few hundred pixels a side answer in seconds."""
    content_weights: Path | None = None
    """VGG features for the perceptual distance; None leaves it out unless torchvision's VGG19 is already downloaded."""
    device: str = "auto"
    precision: Precision = "auto"
    tile: int = 0
    detail: int = 100
    """As in an `UpscaleRequest`."""


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """So much is done, 0 to 1; at most about 20 a second."""

    fraction: float


@dataclass(frozen=True, slots=True)
class Quality:
    """How near an enlarged picture comes to the original."""

    psnr_y: float
    """dB on the luma, a border of `scale` pixels left out; infinite when equal."""
    ssim_y: float
    perceptual: float | None
    """Distance of VGG features (`core.models.content.perceptual_distances`), 0 for equal; None without content
    weights."""


@dataclass(frozen=True, slots=True, eq=False)
class CheckReady:
    """The answer: figures, and the pictures to look at. All of one size, H x W x 3 uint8 RGB, but for `reduced`."""

    source: Path
    region: Region
    """The part really measured: clipped to the picture, its sides multiples of the scale."""
    model: str
    """Its name, for people."""
    scale: int
    original: np.ndarray
    reduced: np.ndarray
    """What the model was given: a `scale`th of the sides."""
    upscaled: np.ndarray
    bicubic: np.ndarray
    quality: Quality
    bicubic_quality: Quality
    seconds: float
    """The network's own."""
    verdict: str
    """One sentence with the figures."""
    meaning: str
    """One sentence: what this measures, and what it does not."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """Enlarge one region by two to four models."""

    source: Path
    region: Region
    """Clipped to the picture."""
    models: tuple[str, ...]
    """Names or paths; empty text is the default model."""
    device: str = "auto"
    precision: Precision = "auto"
    tile: int = 0
    details: tuple[int, ...] = ()
    """One for each model, as in an `UpscaleRequest`; empty for 100 of all."""

    def __post_init__(self) -> None:
        if not 2 <= len(self.models) <= MOST_COMPARED:
            raise UserError(
                f"{len(self.models)} models cannot be compared.", f"Choose two to {MOST_COMPARED} of the list."
            )


@dataclass(frozen=True, slots=True, eq=False)
class ModelCompared:
    """What one of the models made of the region, and what that took."""

    index: int
    """Of `CompareRequest.models`."""
    model: str
    """Its name, for people."""
    region: Region
    """The part really done."""
    scale: int
    """The models' scales may differ; the pictures then differ in size."""
    pixels: np.ndarray
    """uint8, (height * scale) x (width * scale) x 3 (RGB) or 4 (RGBA, not premultiplied)."""
    seconds_per_megapixel: float
    """Of output, the network's own time; measured on this region only, so a small one overstates it."""
    memory_per_megapixel: int
    """Bytes at the peak beyond what was there before; of the device where it has its own memory, else of the
    process."""
    device: str
    """Model, device and precision, for people."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompareFailed:
    """This one of the models could not do it; the others go on."""

    index: int
    model: str
    message: str
    hint: str = ""


BICUBIC = "bicubic"
"""In a `BlindRequest`: plain enlargement instead of a model."""


@dataclass(frozen=True, slots=True)
class BlindRequest:
    """Make a page on which a person chooses between two models without knowing which is which."""

    pictures: tuple[Path, ...]
    """Pictures, and folders of pictures."""
    first: str
    """Name or path of a model, or `bicubic`."""
    second: str
    page: Path
    """The HTML file, which holds everything in itself."""
    side: int = 160
    """Source pixels a side of the part that is shown, from the middle of each picture."""
    reduced: bool = False
    """Reduce the pictures first, and ask which result looks more like the original; without it, which one is better."""
    device: str = "auto"
    precision: Precision = "auto"
    worn: bool = False
    """With `reduced`: also add noise and JPEG compression to what the models get."""
    details: tuple[int, int] = (100, 100)
    """Of both, as in an `UpscaleRequest`."""

    def __post_init__(self) -> None:
        if not 32 <= self.side <= 512:
            raise UserError(f"Parts of {self.side} pixels are out of range.", "Choose 32 to 512.")
        if (self.first, self.details[0]) == (self.second, self.details[1]):
            raise UserError("Both sides would be the same.", "Choose two models.")
        if self.worn and not self.reduced:
            raise UserError("Only reduced pictures can be worn.", "Add --reduced.")


@dataclass(frozen=True, slots=True)
class BlindReady:
    """The page is written."""

    page: Path
    pairs: int
    left_out: tuple[str, ...] = ()
    """In words: pictures that could not be used, and why."""
