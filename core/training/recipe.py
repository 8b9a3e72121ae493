"""The training recipe: one validated TOML model. Plain enough for a form: every field carries its own explanation."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pydantic.errors  # noqa: F401 - first: PySide's import hook asks it for attributes while pydantic is half there
import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core import paths
from core.contract.errors import UserError
from core.language import gettext as _
from core.training.synthetic import SIDE as SYNTHETIC_SIDE

SHIPPED_RECIPES = paths.RESOURCES / "recipes"


@dataclass(frozen=True, slots=True)
class LossDeclaration:
    """All there is to say about a loss but how it is computed, which is a function of its name in
    `core.training.losses`."""

    words: str
    """What it does, for a form and for the documentation."""
    title: str = ""
    """In a form; its name where that reads as a word."""
    gan_only: bool = False
    """Whether only the GAN stage has it."""


LOSS_DECLARATIONS: dict[str, LossDeclaration] = {
    "l1": LossDeclaration(_("Mean absolute error of pixels: sharp edges for a high PSNR."), "L1"),
    "charbonnier": LossDeclaration(_("L1 that is smooth near zero.")),
    "mse": LossDeclaration(
        _("Mean squared error of pixels, as in the 2017 paper: the highest PSNR, a little soft."), "MSE"
    ),
    "ms_ssim": LossDeclaration(_("One minus multi-scale structural similarity."), "MS-SSIM"),
    "keep": LossDeclaration(
        _(
            "L1 that holds photographs to what the model made of them when the stage began, and "
            "synthetic crops to the truth: it learns text and lines, and photographs stay as they "
            "were."
        )
    ),
    "teacher": LossDeclaration(
        _("L1 towards what the teacher makes of the same crop, alone or beside the losses towards the truth.")
    ),
    "content": LossDeclaration(
        _("Distance of VGG features: textures like the original's rather than equal pixels."), gan_only=True
    ),
    "teacher_content": LossDeclaration(
        _("The content loss towards the teacher's output: its textures rather than its pixels."), gan_only=True
    ),
    "adversarial": LossDeclaration(
        _("How easily the discriminator tells the output from real pictures."), gan_only=True
    ),
    "ldl": LossDeclaration(
        _("L1 where the output shows artefacts; keeps a GAN from inventing patterns."), "LDL", gan_only=True
    ),
    "grid": LossDeclaration(
        _("Patterns locked to the grid of the enlargement: the mesh that content and adversarial losses draw.")
    ),
    "texture": LossDeclaration(
        _(
            "How far the amount of fine detail in each patch is from the truth's, wherever it "
            "lies: against the softness that comes of averaging what cannot be known. With "
            "`grid`, as a mesh is detail too."
        )
    ),
    "fft": LossDeclaration(_("L1 of the spectrum: weighs all frequencies alike."), "FFT"),
    "tv": LossDeclaration(_("Total variation: smooths the output; a very small weight is enough."), "TV"),
}
"""Every loss that a recipe may weigh."""

if TYPE_CHECKING:
    LossName = str
else:
    LossName = Literal[tuple(LOSS_DECLARATIONS)]

_RENAMED = {
    "bundle_every": "checkpoint_every",
    "keep_bundles": "keep_checkpoints",
    "drawn": "synthetic",
    "judge_drawn": "judge_synthetic",
}
"""Fields by their former names."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _names_of_older_recipes(cls, values: Any) -> Any:
        """Recipes of older runs and models, and whoever still types their names."""
        if isinstance(values, dict):
            values = {_RENAMED.get(name, name): value for name, value in values.items()}
        return values


Name = TypeVar("Name", bound=str)


def _some_above_zero(weights: dict[Name, float], refusal: str) -> dict[Name, float]:
    if not any(weights.values()) or any(weight < 0 for weight in weights.values()):
        raise ValueError(refusal)
    return weights


class GeneratorRecipe(_Section):
    """The network that is trained (`core.models.generator`)."""

    scale: Literal[2, 4, 8] = Field(default=4, description=_("How many times larger the output's sides are."))
    features: int = Field(
        default=64,
        ge=4,
        le=256,
        description=_("Feature maps of every layer. Half of them is about four times faster and a little worse."),
    )
    blocks: int = Field(
        default=16, ge=1, le=64, description=_("Residual blocks. More see further and learn more, and take longer.")
    )
    norm: Literal["batch", "none"] = Field(
        default="none",
        description=_(
            "Batch normalisation, as in the 2017 paper; without it training is faster and free of its artefacts."
        ),
    )
    attention: Literal["none", "channel"] = Field(
        default="none",
        description=_("Channel attention weighs the feature maps of each block by what the whole crop shows."),
    )
    skip: Literal["none", "bicubic"] = Field(
        default="bicubic",
        description=_("Add the bicubic enlargement to the output, so that the network only learns what bicubic lacks."),
    )
    upsampler: Literal["shuffle", "direct"] = Field(
        default="shuffle",
        description=_(
            "`direct` goes to full size in one step at the very end: far fewer multiplications, a little worse."
        ),
    )
    output: Literal["linear", "tanh"] = Field(
        default="linear",
        description=_(
            "`tanh` squeezes the output into 0 to 1, as some other programs' generators do: only "
            "for going on from one of them."
        ),
    )


class DataRecipe(_Section):
    """What the network sees."""

    degradation: Literal["bicubic", "blind"] = Field(
        default="bicubic",
        description=_(
            "How LR pictures are made: clean bicubic reduction, or randomly blurred, noisy and "
            "compressed as worn pictures are."
        ),
    )
    synthetic: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description=_(
            "Share of the crops that comes from pictures drawn by the trainer: text, lines, "
            "shapes, stripes. For what photographs do not show."
        ),
    )
    candidates: int = Field(
        default=1,
        ge=1,
        le=16,
        description=_(
            "Random places tried for each crop, of which the one with the most edges is taken. "
            "Sky and blur teach little; 1 takes any place."
        ),
    )
    reduce_to: float = Field(
        default=1.0,
        ge=0.25,
        le=1,
        description=_(
            "Half of the crops come from pictures reduced to a random size, down to this share: "
            "sharper than photographs are at full size, and more to learn from few. 1 takes all "
            "as they are."
        ),
    )
    recolour: bool = Field(
        default=False,
        description=_(
            "Swap the colour channels of half of the crops, and make negatives of half of these: "
            "edges are the same in other colours. For few pictures."
        ),
    )
    taught: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description=_(
            "Share of the crops that the teacher has enlarged, where there is one. The others are "
            "cut anew at every step, and have only the truth to learn from."
        ),
    )
    teacher_patches: int = Field(
        default=1000,
        ge=8,
        le=20_000,
        description=_(
            "Patches of pictures that the teacher enlarges, once; all crops that it teaches are "
            "cut from them. More teach more and take it longer; a thousand are about 0.4 GB."
        ),
    )
    cache_mb: int = Field(
        default=2048,
        ge=64,
        description=_(
            "Megabytes of memory for decoded pictures. A larger set is read in turns through a "
            "sliding selection of this size."
        ),
    )
    loader_threads: int = Field(
        default=1, ge=1, le=64, description=_("Threads that decode and crop ahead of the network.")
    )
    loader_processes: int = Field(
        default=0,
        ge=0,
        le=64,
        description=_(
            "Processes that do so instead, each with a cache of its own: for a fast graphics card "
            "that waits for data. 0 for threads."
        ),
    )
    held_out: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description=_("Share of the pictures kept as test pictures, where no folder of them is given."),
    )
    minimum_side: int = Field(
        default=96,
        ge=32,
        description=_(
            "Pictures with a side under this many pixels are quarantined; those that the largest "
            "crop does not fit into are in any case."
        ),
    )
    quarantine: bool = Field(
        default=True,
        description=_(
            "Also quarantine near-duplicates, enlarged and heavily compressed pictures, not only "
            "unreadable and small ones. Doubles of test pictures and pairs that do not match "
            "are in any case."
        ),
    )


class ContentRecipe(_Section):
    """The content (perceptual) loss: distances of VGG features."""

    network: Literal["vgg19", "vgg16"] = Field(
        default="vgg19", description=_("Which VGG; a file of content weights goes before this.")
    )
    layers: dict[str, float] = Field(
        default={"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0},
        description=_("Weight of each layer. Shallow ones keep edges and colours, deep ones textures."),
    )
    before_activation: bool = Field(
        default=True,
        description=_("Compare features before the ReLU: more of them, and no drift of brightness (ESRGAN, sec. 3.3)."),
    )
    distance: Literal["l1", "mse", "lpips"] = Field(
        default="l1",
        description=_(
            "How features are compared; the 2017 paper takes the squared error. `lpips` compares "
            "only their directions, as the perceptual distance does."
        ),
    )
    share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description=_("Share of a step's crops that the network sees. It takes a third of a step's time on a CPU."),
    )
    augment: bool = Field(
        default=False,
        description=_(
            "Shift, turn and mirror SR and HR alike and at random before they are compared. What "
            "the network overlooks, as patterns in step with its pooling, it then overlooks less "
            "(E-LPIPS: Kettunen et al. 2019)."
        ),
    )
    normalise: bool = Field(
        default=True,
        description=_(
            "Divide each layer's distance by the mean magnitude (or square) of the HR features, "
            "so that layers weigh as their numbers say. Nothing to do for `lpips`."
        ),
    )

    @field_validator("layers")
    @classmethod
    def _weights_are_positive(cls, layers: dict[str, float]) -> dict[str, float]:
        return _some_above_zero(layers, _("needs at least one layer with a weight above 0, and none below"))


class StageRecipe(_Section):
    """One stage of training: optimiser, schedule, crops and losses."""

    steps: int = Field(default=10_000, ge=0, description=_("Optimisation steps; 0 leaves the stage out."))
    epochs: int = Field(default=0, ge=0, description=_("Passes over the pictures; above 0 it goes before `steps`."))
    batch: int = Field(
        default=16,
        ge=1,
        description=_(
            "Crops a step at the first crop size, over all processes; larger crops come in fewer "
            "at about the same number of pixels."
        ),
    )
    crops: tuple[int, ...] = Field(
        default=(24, 32, 48),
        min_length=1,
        description=_(
            "Sides of the LR crops in pixels, one after another during the stage. Large crops "
            "late are better at the same cost."
        ),
    )
    crop_starts: tuple[float, ...] = Field(
        default=(0.0, 0.35, 0.7), description=_("At which part of the stage (0 to 1) each crop size begins.")
    )
    rate: float = Field(default=1e-3, gt=0, le=0.1, description=_("Peak learning rate of the generator."))
    rate_end: float = Field(default=0.0, ge=0, description=_("Learning rate at the end of a cosine."))
    schedule: Literal["cosine", "constant", "step"] = Field(
        default="cosine",
        description=_("How the rate falls; `step` divides it by ten at half of the stage, as in the 2017 paper."),
    )
    warmup: int = Field(default=100, ge=0, description=_("Steps in which the rate rises to its peak."))
    optimizer: Literal["adamw", "muon"] = Field(
        default="adamw",
        description=_(
            "Of the generator. `muon` steps along orthogonal matrices in the wide kernels, and as AdamW in the rest."
        ),
    )
    betas: tuple[float, float] = Field(default=(0.9, 0.99), description=_("Adam's decay rates."))
    weight_decay: float = Field(default=0.0, ge=0, description=_("Decoupled weight decay, of either optimiser."))
    clip: float = Field(
        default=1.0,
        ge=0,
        description=_("Largest L2 norm of a step's gradient; longer ones are cut to it. 0 never cuts."),
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        le=64,
        description=_("Batches that are added up for one step: a larger batch in the same memory."),
    )
    ema: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description=_(
            "Decay of the moving average of the weights, which is what is measured and saved. 0 "
            "takes the weights as they are."
        ),
    )
    losses: dict[LossName, float] = Field(default={"l1": 1.0}, description=_("Weight of each loss of the generator."))

    @field_validator("losses")
    @classmethod
    def _weights_are_positive(cls, losses: dict[LossName, float]) -> dict[LossName, float]:
        return _some_above_zero(losses, _("needs at least one loss with a weight above 0, and none below"))

    @field_validator("betas")
    @classmethod
    def _betas_are_decay_rates(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if any(not 0 <= beta < 1 for beta in betas):
            raise ValueError(_("decay rates are 0 to under 1"))
        return betas

    @model_validator(mode="after")
    def _crops_have_starts(self) -> StageRecipe:
        starts = self.crop_starts
        if (
            len(starts) != len(self.crops)
            or starts[0] != 0
            or any(not 0 <= s < 1 for s in starts)
            or list(starts) != sorted(starts)
        ):
            raise ValueError(_("crop_starts needs one rising number from 0 to under 1 for each of crops, the first 0"))
        if any(not 8 <= crop <= 512 for crop in self.crops):
            raise ValueError(_("crops are 8 to 512 LR pixels"))
        return self

    def crop_at(self, step: int) -> int:
        """LR crop side of step `step` (from 0) of the stage."""
        part = step / self.steps if self.steps else 0.0
        begun = [crop for crop, start in zip(self.crops, self.crop_starts, strict=True) if part >= start]
        return begun[-1]

    def batch_at(self, step: int) -> int:
        """Crops of step `step` (from 0) of the stage, at about equal pixels."""
        return max(1, round(self.batch * (self.crops[0] / self.crop_at(step)) ** 2))


class PsnrStage(StageRecipe):
    """First stage, always: pixels only. A GAN without it goes astray."""

    @model_validator(mode="after")
    def _has_no_opponent(self) -> PsnrStage:
        for name, declared in LOSS_DECLARATIONS.items():
            if declared.gan_only and self.losses.get(name):
                raise ValueError(_("the PSNR stage has no {name} loss; it belongs to [gan]").format(name=name))
        return self


class GanStage(StageRecipe):
    """Second stage: the generator against a discriminator."""

    steps: int = Field(default=0, ge=0, description=_("Optimisation steps; 0 leaves the stage out."))
    batch: int = Field(default=8, ge=1, description=_("Crops a step at the first crop size, over all processes."))
    crops: tuple[int, ...] = Field(
        default=(32,),
        min_length=1,
        description=_("Sides of the LR crops in pixels, one after another during the stage."),
    )
    crop_starts: tuple[float, ...] = Field(
        default=(0.0,), description=_("At which part of the stage (0 to 1) each crop size begins.")
    )
    rate: float = Field(default=1e-4, gt=0, le=0.1, description=_("Peak learning rate of the generator."))
    losses: dict[LossName, float] = Field(
        default={"l1": 0.1, "content": 0.5, "adversarial": 0.05, "ldl": 0.5},
        description=_("Weight of each loss of the generator."),
    )
    adversarial: Literal["vanilla", "relativistic", "hinge"] = Field(
        default="vanilla",
        description=_("The game: real against fake (2017), real against the average fake (ESRGAN), or hinge."),
    )
    discriminator: Literal["paper", "pooled", "patch", "unet"] = Field(
        default="unet",
        description=_(
            "2017's with dense layers (one crop size), the same pooled (any size), the same with "
            "a verdict for every patch (learns fastest), or a spectral-norm U-Net that judges "
            "every pixel (for runs of many hours)."
        ),
    )
    discriminator_features: int = Field(
        default=64, ge=4, le=256, description=_("Feature maps of the discriminator's first layer.")
    )
    discriminator_rate: float = Field(
        default=2e-4,
        gt=0,
        le=0.1,
        description=_("Learning rate of the discriminator; above the generator's, it keeps up."),
    )
    discriminator_steps: int = Field(
        default=1, ge=1, le=10, description=_("Steps of the discriminator for each of the generator.")
    )
    gradient_penalty: float = Field(
        default=0.0,
        ge=0,
        description=_(
            "How much the discriminator is held to verdicts that faint noise does not change (approximated R1). "
            "Without it a long game can end in fine weaves."
        ),
    )
    head_start: int = Field(
        default=0,
        ge=0,
        description=_(
            "Steps at the beginning in which only the discriminator learns. One that lags behind "
            "lets the content loss draw a mesh."
        ),
    )
    teacher_is_truth: bool = Field(
        default=False,
        description=_(
            "On crops that the teacher has enlarged, its output stands for the truth in all losses but `l1` "
            "and `adversarial`: one sharp guess instead of the mean of all that may be true."
        ),
    )
    judge_synthetic: bool = Field(
        default=True,
        description=_(
            "Show the discriminator synthetic crops too (`data.synthetic`). Without them it "
            "leaves text and lines to the other losses: an adversary sets halos round black on "
            "white."
        ),
    )
    ramp: int = Field(
        default=200,
        ge=0,
        description=_("Steps, after the head start, in which the adversarial weight rises to its value."),
    )
    content: ContentRecipe = Field(default_factory=ContentRecipe, description=_("The content loss."))

    @model_validator(mode="after")
    def _has_a_game(self) -> GanStage:
        if self.head_start and not self.losses.get("adversarial"):
            raise ValueError(_("without an adversarial loss there is no discriminator to give a head start"))
        return self

    @model_validator(mode="after")
    def _fits_the_paper(self) -> GanStage:
        if self.discriminator == "paper" and len(set(self.crops)) > 1:
            raise ValueError(_("the paper's discriminator has dense layers and takes one crop size; choose another"))
        return self


class ValidationRecipe(_Section):
    """Measuring on held-out pictures during the run."""

    every: int = Field(default=500, ge=1, description=_("Steps between two validations."))
    pictures: int = Field(default=30, ge=1, description=_("At most so many test pictures are measured."))
    training_pictures: int = Field(
        default=16,
        ge=0,
        description=_(
            "So many training pictures are measured as well: what rises there while it falls on "
            "test pictures is overfitting."
        ),
    )
    side: int = Field(
        default=512,
        ge=64,
        description=_("Of larger test pictures the middle of this side (HR pixels) is measured."),
    )
    shown: int = Field(default=4, ge=0, description=_("So many of them are saved at every validation."))
    metric: Literal["psnr_y", "ssim_y", "teacher"] = Field(
        default="psnr_y",
        description=_(
            "What the best of the PSNR stage goes by. `teacher` is nearness to the teacher's "
            "results: of a teacher that invents, a good student is not nearer to the truth."
        ),
    )
    gan_metric: Literal["perceptual", "psnr_y", "ssim_y", "teacher"] = Field(
        default="perceptual",
        description=_("What the best of the GAN stage goes by; its PSNR falls as it should, and says little."),
    )
    at_epochs: tuple[int, ...] = Field(
        default=(),
        description=_("Further validations after so many passes over the pictures, counted over both stages."),
    )
    patience: int = Field(
        default=0,
        ge=0,
        description=_("End the stage after so many validations in a row without better weights; 0 never does."),
    )


class Recipe(_Section):
    """A whole training run but for its data."""

    name: str = Field(description=_("Short name."), min_length=1, max_length=60)
    description: str = Field(default="", description=_("What it is for."))
    seed: int = Field(
        default=0, ge=0, le=2**31 - 1, description=_("The same seed, data and machine give the same model.")
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto",
        description=_("Arithmetic of the networks; `auto` takes half precision where the device is faster with it."),
    )
    start: str = Field(
        default="",
        description=_("Model to start from: a shipped one's name or a file. Empty starts from random weights."),
    )
    teacher: str = Field(
        default="",
        description=_(
            "Model to learn from, of the same scale: an installed one's name or a file, of any "
            "architecture that this program opens. It counts by the losses `teacher` and "
            "`teacher_content`."
        ),
    )
    checkpoint_every: int = Field(
        default=500, ge=1, description=_("Steps between two saved checkpoints, from which a run can be resumed.")
    )
    keep_checkpoints: int = Field(default=3, ge=1, description=_("Older checkpoints are deleted."))
    generator: GeneratorRecipe = Field(default_factory=GeneratorRecipe, description=_("The network."))
    data: DataRecipe = Field(default_factory=DataRecipe, description=_("The pictures."))
    psnr: PsnrStage = Field(default_factory=PsnrStage, description=_("First stage."))
    gan: GanStage = Field(default_factory=GanStage, description=_("Second stage."))
    validation: ValidationRecipe = Field(default_factory=ValidationRecipe, description=_("Measuring during the run."))

    @property
    def total_steps(self) -> int:
        """Steps of both stages."""
        return self.psnr.steps + self.gan.steps

    @property
    def largest_crop(self) -> int:
        """Side of the largest LR crop of both stages."""
        stages = [stage for stage in (self.psnr, self.gan) if stage.steps or stage.epochs]
        return max((crop for stage in stages for crop in stage.crops), default=0)

    @property
    def wants_teacher(self) -> bool:
        """Whether a loss learns from a teacher."""
        stages = [stage for stage in (self.psnr, self.gan) if stage.steps or stage.epochs]
        instead = self.gan in stages and self.gan.teacher_is_truth
        return instead or any(stage.losses.get("teacher") or stage.losses.get("teacher_content") for stage in stages)

    @property
    def wants_content(self) -> bool:
        """Whether a run needs VGG weights."""
        losses = self.gan.losses
        wanted = losses.get("content") or losses.get("teacher_content") or self.validation.gan_metric == "perceptual"
        return bool(self.gan.steps or self.gan.epochs) and bool(wanted)

    def for_pictures(self, count: int) -> Recipe:
        """The recipe with epochs turned into steps, for a data set of `count` training pictures."""
        stages = {
            name: stage.model_copy(update={"steps": stage.epochs * _steps_an_epoch(count, stage), "epochs": 0})
            for name, stage in (("psnr", self.psnr), ("gan", self.gan))
            if stage.epochs
        }
        return self.model_copy(update=stages)

    def extra_validations(self, count: int) -> frozenset[int]:
        """Steps, of the whole run, at which `validation.at_epochs` asks for a validation; `count` pictures an epoch."""
        psnr, gan = _steps_an_epoch(count, self.psnr), _steps_an_epoch(count, self.gan)
        in_psnr = self.psnr.steps // psnr
        return frozenset(
            epoch * psnr if epoch <= in_psnr else self.psnr.steps + (epoch - in_psnr) * gan
            for epoch in self.validation.at_epochs
        )

    @model_validator(mode="after")
    def _has_a_stage(self) -> Recipe:
        if not (self.total_steps or self.psnr.epochs or self.gan.epochs):
            raise ValueError(_("both stages have 0 steps"))
        if not (self.psnr.steps or self.psnr.epochs or self.start):
            raise ValueError(_("without a PSNR stage the GAN stage needs a model to start from (start = ...)"))
        return self

    @model_validator(mode="after")
    def _discriminator_can_halve_the_crops(self) -> Recipe:
        divisor = {"paper": 16, "unet": 8}.get(self.gan.discriminator, 1)
        sides = [crop * self.generator.scale for crop in self.gan.crops]
        odd = [side for side in sides if side % divisor]
        if odd and (self.gan.steps or self.gan.epochs):
            raise ValueError(
                _(
                    "gan.crops become {odd} pixels, and the discriminator “{discriminator}” takes "
                    "multiples of {divisor}"
                ).format(odd=odd[0], discriminator=self.gan.discriminator, divisor=divisor)
            )
        return self

    @model_validator(mode="after")
    def _keep_has_something_to_learn(self) -> Recipe:
        for stage in (self.psnr, self.gan):
            alone = {name for name, weight in stage.losses.items() if weight} == {"keep"}
            if alone and not self.data.synthetic and (stage.steps or stage.epochs):
                raise ValueError(
                    _("keep alone learns from synthetic crops only: set data.synthetic above 0, or add a loss")
                )
        return self

    @model_validator(mode="after")
    def _teacher_has_somebody_to_teach(self) -> Recipe:
        if self.teacher and not self.wants_teacher:
            raise ValueError(
                _(
                    "a teacher is named, and no loss learns from it: set psnr.losses.teacher or "
                    "gan.losses.teacher above 0"
                )
            )
        metrics = [
            name
            for name, stage in (("metric", self.psnr), ("gan_metric", self.gan))
            if (stage.steps or stage.epochs) and getattr(self.validation, name) == "teacher"
        ]
        if metrics and not self.wants_teacher:
            raise ValueError(
                _("validation.{metrics} is nearness to a teacher, and no loss learns from one").format(
                    metrics=metrics[0]
                )
            )
        for stage in (self.psnr, self.gan):
            losses = {name for name, weight in stage.losses.items() if weight}
            alone = bool(losses) and losses <= {"teacher", "teacher_content"}
            if alone and self.data.taught < 1 and (stage.steps or stage.epochs):
                raise ValueError(
                    _("a teacher alone has nothing to say of crops that it never saw: set data.taught to 1")
                )
        return self

    @model_validator(mode="after")
    def _synthetic_pictures_hold_the_crops(self) -> Recipe:
        if self.data.synthetic and self.largest_crop * self.generator.scale > SYNTHETIC_SIDE:
            most = SYNTHETIC_SIDE // self.generator.scale
            raise ValueError(
                _(
                    "synthetic pictures are too small for crops of {largest_crop}: take {most} at most, "
                    "or set data.synthetic to 0"
                ).format(largest_crop=self.largest_crop, most=most)
            )
        return self


def _steps_an_epoch(count: int, stage: StageRecipe) -> int:
    return max(1, -(-count // (stage.batch_at(0) * stage.accumulate)))


def load_recipe(name: str, overrides: tuple[tuple[str, str], ...] = ()) -> Recipe:
    """Read a recipe.

    Args:
        name: of a shipped recipe, or path of a TOML file.
        overrides: (dotted field, value as TOML; a bare word is taken as text).

    Raises:
        UserError: there is none, it is no TOML, or a field is unknown or out of range (each one named).
    """
    path = Path(name).expanduser()
    if path.suffix != ".toml":
        path = SHIPPED_RECIPES / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            _("There is no recipe “{name}”.").format(name=name),
            _("Choose one of {shipped_recipes}, or give the path of a .toml file.").format(
                shipped_recipes=", ".join(shipped_recipes())
            ),
        ) from error
    return parse_recipe(text, path.name, overrides)


def parse_recipe(text: str, source: str, overrides: tuple[tuple[str, str], ...] = ()) -> Recipe:
    """Validate a recipe's TOML; `source` names it in errors. Raises as `load_recipe`."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            _("{source} is not TOML: {error}").format(source=source, error=error),
            _("Compare it with one of the shipped recipes."),
        ) from error
    for field, value in overrides:
        _set(values, field, value)
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'recipe'}: {each['msg']}" for each in error.errors(include_url=False)
        )
        raise UserError(
            _("The recipe {source} is not valid: {faults}.").format(source=source, faults=faults),
            _("Correct these fields."),
        ) from error


def shipped_recipes() -> list[str]:
    """Names of the recipes that come with the program."""
    return sorted(path.stem for path in SHIPPED_RECIPES.glob("*.toml"))


def recipe_toml(recipe: Recipe) -> str:
    """The recipe as TOML with every field; `parse_recipe` reads the same recipe back."""
    return tomli_w.dumps(recipe.model_dump(mode="json"))


def toml_value(value: Any) -> str:
    """A field's value as the TOML of an override; a table as an inline one."""
    # Only within an array does the library write tables inline.
    return tomli_w.dumps({"value": [value]}).removeprefix("value = [\n").removesuffix(",\n]\n").strip()


def _set(values: dict[str, Any], field: str, text: str) -> None:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, last = field.split(".")
    place = values
    for table in tables:
        place = place.setdefault(table, {})
        if not isinstance(place, dict):
            raise UserError(
                _("{field} is not a field of a recipe: {table} is a single value.").format(field=field, table=table),
                _("Write it as psnr.steps=500."),
            )
    place[last] = value
