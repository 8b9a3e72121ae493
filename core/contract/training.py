"""Requests and events of training and data preparation.

A training run is `DownloadProgress`, `ScanProgress`, `PictureQuarantined`, `ScanFinished`, `TeacherProgress`,
`SamplesSaved`, `TrainingStarted`; then per stage `StageStarted` and any number of `TrainingStep`, `Validation`,
`CheckpointSaved` and `Notice`; then `TrainingFinished`. One that goes on where it was saves no samples again. Curves
are drawn from `TrainingStep` and `Validation` alone, and a run's `log.jsonl` holds these, one a line (of the steps one
in two seconds), so that a restarted window can draw them again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from core.contract.errors import UserError
from core.contract.jobs import Notice
from core.contract.models import DownloadProgress
from core.language import gettext as _

StageName = Literal["psnr", "gan"]
HR_FOLDER = "hr_images"
LR_FOLDER = "lr_images"
FEW_PICTURES = 30
"""Pictures to learn from under which a run is told that it will learn them by heart."""
FEW_HELD_OUT = 5
"""Held-out pictures under which its figures say little."""
STOP_SECONDS = 180.0
"""How long a run that is asked to stop may take to end its step or its validation, and to save a checkpoint."""


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """A whole training run, or the rest of one."""

    recipe: str
    """Name of a shipped recipe, or path of a TOML file; not looked at when resuming, as the run has its own copy."""
    data: Path | None
    """Folder of HR pictures of any size, or one that holds `hr_images` and `lr_images`. None, when resuming, takes
    those that the run began with; so does everything else that is left out."""
    run: Path
    """Folder of this run: checkpoints, validations, log and the finished model. Empty or absent unless `resume`."""
    resume: bool = False
    """Go on from the newest whole checkpoint in `run`."""
    validation: Path | None = None
    """Folder of held-out HR pictures; None holds some of `data` back."""
    overrides: tuple[tuple[str, str], ...] = ()
    """Recipe fields to change, as (`psnr.steps`, `500`): dotted name, value as TOML."""
    start: str = ""
    """Name or path of a model to start from; goes before the recipe's own `start`."""
    content_weights: Path | None = None
    """File of VGG features for the content loss; None uses torchvision's, downloaded once: VGG19, or what the
    recipe names."""
    device: str = ""
    """`auto`, `cpu`, `cuda`, `cuda:1`, `xpu` or `mps`; empty takes that of the run when resuming, else `auto`."""
    threads: int = 0
    """CPU threads for the networks; 0 leaves it to torch."""
    tensorboard: bool = False
    """Also write TensorBoard's event files into the run folder."""
    stop_after: int = 0
    """Save a checkpoint and end after so many steps of the whole run, for going on later; 0 runs to the end."""


@dataclass(frozen=True, slots=True)
class TrainingEstimateRequest:
    """Measure a few steps of each stage, to tell how long a run would take. Nothing is written but into the cache:
    what was seen of the pictures, and content weights that had to be downloaded."""

    train: TrainRequest
    steps: int = 3
    """Measured steps of each stage, after one to warm up."""


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """Look at every picture of a folder before training on it."""

    data: Path
    """Folder of HR pictures of any size, or one that holds `hr_images` and `lr_images`."""
    scale: int = 4
    minimum: int = 96
    """Pictures with a side under this many HR pixels are quarantined."""
    validation: Path | None = None
    """Folder of held-out HR pictures; None holds some of `data` back."""
    held_out: float = 0.05
    """Share of the pictures held back, where there is no folder for it."""
    seed: int = 0
    """Which ones are held back."""
    thorough: bool = True
    """Also quarantine near-duplicates, enlarged and heavily compressed pictures."""


@dataclass(frozen=True, slots=True)
class SamplesRequest:
    """Make some LR pictures as training would, to be looked at before it begins; nothing is written."""

    recipe: str
    """Name or path, like that of a `TrainRequest`."""
    data: Path
    overrides: tuple[tuple[str, str], ...] = ()
    count: int = 6


@dataclass(frozen=True, slots=True)
class PrepareRequest:
    """Make the two folders `hr_images` and `lr_images` of small pictures out of a folder of any pictures."""

    source: Path
    output: Path
    hr: int = 128
    """Side of the square HR pictures, in pixels."""
    lr: int = 32
    """Side of the square LR pictures; divides `hr`."""
    count: int = 2000
    """At most so many pictures; 0 takes all."""
    seed: int = 0
    """Which ones, and in which order."""
    threads: int = 0
    """0 takes one for each core."""

    def __post_init__(self) -> None:
        if self.lr < 1 or self.hr < self.lr or self.hr % self.lr:
            raise UserError(
                _("LR pictures of {lr} pixels cannot be made from HR pictures of {hr}.").format(lr=self.lr, hr=self.hr),
                _("The HR side must be a whole multiple of the LR side, as 128 and 32."),
            )
        if self.count < 0:
            raise UserError(
                _("{count} pictures cannot be made.").format(count=self.count), _("Give a number, or 0 for all.")
            )


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """So many of the pictures have been looked at."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class PictureQuarantined:
    """This picture is not trained on. The file itself stays where it is."""

    path: Path
    kind: Literal["unreadable", "small", "duplicate", "upscaled", "compressed", "unpaired", "mismatch"]
    reason: str
    """In words, with the figures: both sizes of a pair that does not match or how far its tones are apart, the file
    that a duplicate repeats."""


@dataclass(frozen=True, slots=True)
class ScanFinished:
    """Every picture has been looked at."""

    training: int
    validation: int
    quarantined: int
    fingerprint: str
    """SHA-256 of the sorted list of the training pictures' SHA-256s."""
    seconds: float

    @property
    def advice(self) -> str:
        """What these numbers of pictures will not do, in words; empty where there are enough."""
        words = []
        if self.training < FEW_PICTURES:
            words.append(_("Training on few pictures overfits soon; use 100 large ones or more."))
        if self.validation < FEW_HELD_OUT:
            words.append(_("Few test pictures say little about others; use more."))
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class TeacherProgress:
    """The teacher has enlarged so many of the patches that the run learns from; what is done is kept on the disk."""

    teacher: str
    """Its name."""
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class SamplesSaved:
    """Some training crops as the network will see them, to be looked at before it does."""

    pairs: tuple[tuple[Path, Path], ...]
    """(LR, HR) files in the run folder."""


@dataclass(frozen=True, slots=True)
class SamplesReady:
    """What a `SamplesRequest` asked for."""

    pairs: tuple[tuple[np.ndarray, np.ndarray], ...]
    """(LR, HR), each H x W x 3 uint8 RGB."""
    scale: int


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """Networks and data are ready; the first step follows."""

    run: Path
    recipe: str
    """The whole validated recipe as TOML."""
    device: str
    precision: str
    parameters: int
    """How many the generator has."""
    start_step: int
    """0, or the step of the checkpoint that this run goes on from."""
    total_steps: int
    bicubic_psnr_y: float
    """Bicubic enlargement of the held-out pictures: the line to beat."""
    bicubic_ssim_y: float
    parent: str
    """What the generator started from; empty for random weights."""
    teacher: str = ""
    """Name of the model that it learns from; empty where there is none."""


@dataclass(frozen=True, slots=True)
class StageStarted:
    """The PSNR stage or the GAN stage begins, or goes on."""

    stage: StageName
    first_step: int
    steps: int


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """One optimisation step; at most about 20 events a second."""

    stage: StageName
    step: int
    """Counted from 1 over the whole run."""
    total_steps: int
    rate: float
    """The generator's learning rate."""
    losses: dict[str, float]
    """Weighted value of each term of the generator's loss; with a discriminator also its own as `discriminator`."""
    gradient_norms: dict[str, float]
    """L2 norm of each weighted term's gradient with respect to the SR batch: which term drives the picture."""
    d_real: float | None
    """Mean probability that the discriminator gives real crops (0 to 1); None in the PSNR stage."""
    d_fake: float | None
    seconds_per_step: float
    waited: float
    """Share of the time since the last event that the device waited for data, 0 to 1."""
    seconds_left: float | None
    """Until the end of the stage: how long the steps of another one take is not known before."""
    skipped: str = ""
    """Why this step changed nothing: which term was not finite, or jumped."""


@dataclass(frozen=True, slots=True)
class ValidationPicture:
    """One held-out picture at one time of the run; files lie in the run folder."""

    name: str
    sr: Path
    lr: Path
    hr: Path
    bicubic: Path
    psnr_y: float
    bicubic_psnr_y: float


@dataclass(frozen=True, slots=True)
class Validation:
    """The EMA generator was measured on the held-out pictures."""

    stage: StageName
    step: int
    psnr_y: float
    ssim_y: float
    perceptual: float | None
    """Distance of VGG features (`core.models.content.perceptual_distances`); None in runs without a content network."""
    pictures: tuple[ValidationPicture, ...]
    best: bool
    """The best so far by the recipe's metric."""
    model: Path
    """EMA weights of this moment, ready for upscaling."""
    seen_gain: float | None = None
    """By how many dB the generator is better than bicubic on some of the training pictures; None where that is not
    measured. Where it rises while held-out pictures fall, the generator learns these pictures instead of enlarging."""
    mesh: float | None = None
    """dB by which a regular pattern stands out of the error, as in `Artefacts`; None in older logs."""
    psnr_to_teacher: float | None = None
    """PSNR in dB towards the teacher's results; None without a teacher."""


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """Everything needed to go on exactly from here is on the disk."""

    path: Path
    step: int


@dataclass(frozen=True, slots=True)
class TrainingFinished:
    """The last event of a run that came to its end, early or not."""

    run: Path
    model: Path | None
    """The finished model with its card; None when the run was stopped by `stop_after`."""
    steps: int
    better_than_bicubic: bool | None
    better_than_parent: bool | None
    """None without a parent."""
    verdict: str
    metrics: dict[str, float] = field(default_factory=dict)
    """On held-out pictures: `psnr_y`, `ssim_y` and, with a content network, `perceptual`; and the same with `bicubic_`
    and `parent_` before."""


@dataclass(frozen=True, slots=True)
class TrainingEstimated:
    """What a run would cost."""

    seconds_per_step: dict[str, float]
    """By stage."""
    seconds_total: float
    """With the teacher's work, so far as it has not been done yet."""
    peak_memory: int
    """Bytes: of the device where it has its own memory, else of the process."""


TrainingEvent = (
    DownloadProgress
    | ScanProgress
    | PictureQuarantined
    | ScanFinished
    | TeacherProgress
    | SamplesSaved
    | TrainingStarted
    | StageStarted
    | TrainingStep
    | Validation
    | CheckpointSaved
    | Notice
    | TrainingEstimated
    | TrainingFinished
)
"""What a run, or an estimate of one, yields."""


@dataclass(frozen=True, slots=True)
class PrepareProgress:
    """So many pictures of the folder have been done."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class PrepareFinished:
    """Both folders are complete."""

    output: Path
    made: int
    kept: int
    """Were there from an earlier run with the same settings."""
    left_out: int
    """Each was a `PictureQuarantined`."""
    seconds: float


PrepareEvent = PrepareProgress | PictureQuarantined | PrepareFinished
"""What making a training set yields."""
