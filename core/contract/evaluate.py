"""Requests and events of measuring models: on sets of pictures, on one picture of the user's, by people's eyes.

A check is `CheckProgress` and one `CheckReady`; a comparison is `CheckProgress` and one `ModelCompared` or
`CompareFailed` for each model; a blind test is `CheckProgress` and one `BlindReady`. An evaluation is one
`PictureEvaluated` for each picture and one `SetEvaluated` for each set.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.contract.errors import UserError
from core.contract.jobs import Notice
from core.contract.settings import Precision
from core.contract.upscale import Region
from core.language import gettext as _

MOST_COMPARED = 4


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """How good will it be on my picture? Reduce it by the model's scale, enlarge that again, and measure."""

    source: Path
    model: str = ""
    """What it is in an `UpscaleRequest`."""
    region: Region | None = None
    """Only this part; None takes the whole picture. A few hundred pixels a side answer in seconds."""
    content_weights: Path | None = None
    """VGG features for the perceptual distance; None leaves it out unless torchvision's VGG19 is already downloaded."""
    device: str = "auto"
    precision: Precision = "auto"
    tile: int = 0
    detail: int = 100
    """Percent, as in an `UpscaleRequest`."""
    clean_up: int = 0
    """Percent, as in an `UpscaleRequest`."""


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """So much is done, 0 to 1; at most about 20 a second."""

    fraction: float


@dataclass(frozen=True, slots=True)
class PictureQuality:
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
    quality: PictureQuality
    bicubic_quality: PictureQuality
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
                _("{count} models cannot be compared.").format(count=len(self.models)),
                _("Choose two to {most_compared} of the list.").format(most_compared=MOST_COMPARED),
            )


@dataclass(frozen=True, slots=True, eq=False)
class ModelCompared:
    """What one of the models made of the region, and what that took."""

    index: int
    """Which of `CompareRequest.models`, from 0."""
    model: str
    """Its name, for people."""
    region: Region
    """The part really done."""
    scale: int
    """The models' scales may differ; the pictures then differ in size."""
    pixels: np.ndarray
    """uint8, (height * scale) x (width * scale) x 3 (RGB) or 4 (RGBA, not premultiplied)."""
    seconds_per_megapixel: float
    """The network's own time for a megapixel of output; measured on this region only, so a small one overstates it."""
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
    """Percent for each of the two, like that of an `UpscaleRequest`."""

    def __post_init__(self) -> None:
        if not 32 <= self.side <= 512:
            raise UserError(
                _("Parts of {side} pixels are out of range.").format(side=self.side), _("Choose 32 to 512.")
            )
        if (self.first, self.details[0]) == (self.second, self.details[1]):
            raise UserError(_("Both sides would be the same."), _("Choose two models."))
        if self.worn and not self.reduced:
            raise UserError(_("Only reduced pictures can be given wear."), _("Add --reduced."))


@dataclass(frozen=True, slots=True)
class BlindReady:
    """The page is written."""

    page: Path
    pairs: int
    left_out: tuple[str, ...] = ()
    """In words: pictures that could not be used, and why."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A model to measure."""

    model: str
    """Name of a shipped or installed model, or path of a model file."""
    detail: int = 100
    """Percent, as in an `UpscaleRequest`."""
    ensemble: bool = False
    """What it is in an `UpscaleRequest`."""
    clean_up: int = 0
    """Percent, as in an `UpscaleRequest`."""


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """Measure models on HR pictures: each is reduced by bicubic, enlarged by every model, and compared."""

    models: tuple[Evaluated, ...]
    """One or more, of one scale."""
    data: Path
    """Folder of HR pictures; each of its folders, if there are any, is a set of its own."""
    content_weights: Path | None = None
    """VGG features for the perceptual distance; None leaves it out unless torchvision's VGG19 is already downloaded."""
    device: str = "auto"
    precision: Precision = "auto"
    """What it is in an `UpscaleRequest`; `fp32` for figures to be printed to more than two digits."""
    output: Path | None = None
    """Folder for the enlarged pictures, with a folder for each model if there are several; None keeps none."""
    worn: bool = False
    """Give the models worn pictures, LR with noise and JPEG compression, instead of clean LR."""


@dataclass(frozen=True, slots=True)
class Artefacts:
    """Faults of a result beside the picture it should have become (`core.evaluate.artefacts`); 0 for none."""

    mesh: float
    """How far the strongest regular pattern of a period of 2, 4 or 8 pixels stands out of the error, in dB."""
    ringing: float
    """Near edges: by how many levels (of 255) luma leaves the range of the original's surroundings, mean."""
    colour: float
    """Difference of the mean colours of 16 x 16 blocks in levels (of 255), root mean square."""


@dataclass(frozen=True, slots=True)
class ModelQuality:
    """How near a result came to the picture that it should have become; of a set, the means."""

    of: str
    """Which model's, with its detail; unique within a request. Or `bicubic`."""
    psnr_y: float
    ssim_y: float
    perceptual: float | None
    """None where there are no content weights."""
    artefacts: Artefacts


@dataclass(frozen=True, slots=True)
class PictureEvaluated:
    """One picture measured."""

    path: Path
    dataset: str
    bicubic: ModelQuality
    results: tuple[ModelQuality, ...]
    """One for each of the request's models, in their order."""
    seconds: tuple[float, ...]
    """Likewise."""


@dataclass(frozen=True, slots=True)
class SetEvaluated:
    """Means over one folder of pictures."""

    dataset: str
    pictures: int
    bicubic: ModelQuality
    results: tuple[ModelQuality, ...]
    """One for each of the request's models, in their order."""
    seconds_per_megapixel: tuple[float, ...]
    """Likewise; of output, on this device."""


CheckEvent = CheckProgress | CheckReady
"""What a check yields."""
EvaluateEvent = PictureEvaluated | SetEvaluated | Notice
"""What an evaluation yields."""
