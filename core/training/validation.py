"""Validation: what a generator makes of held-out pictures, in figures and as files to look at."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from core.atomic import replacing
from core.contract.jobs import Notice
from core.contract.training import StageName, Validation, ValidationPicture
from core.evaluate.artefacts import mesh
from core.evaluate.metrics import luma, mean_psnr, psnr_y, ssim_y
from core.evaluate.resampling import crop_to_multiple, enlarge_bicubic, middle
from core.language import gettext as _
from core.models.card import ModelCard
from core.models.content import ContentNetwork, picture_distances
from core.models.weights import save_generator
from core.names import free_name
from core.training.checkpoint import PartState
from core.training.dataset import TrainingPicture, decode
from core.training.degradation import DEGRADATIONS
from core.training.recipe import Recipe
from core.training.run import RunFolder

PERCEPTUAL_SIDE = 256
"""The perceptual distance is taken on the middle of each picture: VGG at full size would cost more than the rest."""

MARGINS = {"psnr_y": 0.01, "ssim_y": 0.0002, "perceptual": 0.0005, "teacher": 0.01}
"""By how much a figure must differ before one model is called better than another."""

PARTED_AFTER = 3
"""So many validations in a row must widen the gap between training and held-out pictures before anybody is told."""
MESH_SEEN = 5.0
"""dB by which the mesh of the GAN stage must exceed that of bicubic before anybody is told. Without the loss `grid` it
was 8 to 19 after 200 steps, and with it 1."""
PARTED_DB = 0.05
"""By which held-out pictures must have become worse than they were at their best."""

Enlarge = Callable[[np.ndarray], np.ndarray]
"""H x W x 3 uint8 LR to scale*H x scale*W x 3 uint8 SR."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over the held-out pictures."""

    psnr_y: float
    ssim_y: float
    perceptual: float | None
    mesh: float = 0.0
    """dB, as in `Artefacts`; no figure to choose a model by."""
    teacher: float | None = None
    """PSNR on Y in dB towards the teacher's outputs, where there is a teacher."""

    def better_than(self, other: Figures, metric: str) -> bool:
        """By `psnr_y`, `ssim_y` or `teacher` (higher is better) or `perceptual` (lower is)."""
        if metric == "teacher" and self.teacher is not None and other.teacher is not None:
            return self.teacher > other.teacher
        if metric == "perceptual" and self.perceptual is not None and other.perceptual is not None:
            return self.perceptual < other.perceptual
        if metric == "ssim_y":
            return self.ssim_y > other.ssim_y
        return self.psnr_y > other.psnr_y

    def clearly_better_than(self, other: Figures, metric: str) -> bool:
        """Whether it is better by more than is lost in rounding: for telling people."""
        margin = MARGINS[metric]
        worst = Figures(
            self.psnr_y - margin,
            self.ssim_y - margin,
            None if self.perceptual is None else self.perceptual + margin,
            teacher=None if self.teacher is None else self.teacher - margin,
        )
        return worst.better_than(other, metric)

    def named(self, before: str = "") -> dict[str, float]:
        """By name, for model cards; `before` goes in front."""
        values = {
            "psnr_y": self.psnr_y,
            "ssim_y": self.ssim_y,
            "perceptual": self.perceptual,
            "psnr_to_teacher": self.teacher,
        }
        return {before + name: round(value, 4) for name, value in values.items() if value is not None}


class HeldOut:
    """Held-out pictures, decoded once and degraded as the training pictures are, always in the same way.

    A picture that bicubic brings back exactly (its middle is blank) is left out while there are others: it tells
    nothing of a generator, and would count for more than all of them.
    """

    def __init__(
        self,
        pictures: Sequence[TrainingPicture],
        recipe: Recipe,
        content: ContentNetwork | None,
        teacher: Enlarge | None = None,
    ) -> None:
        """Decode the first `validation.pictures` of `pictures`.

        Args:
            pictures: held-out ones.
            recipe: of the run.
            content: for the perceptual distance.
            teacher: for the nearness to its results; it enlarges every picture once, here.
        """
        self.scale = scale = recipe.generator.scale
        self.content = content
        self.shown = recipe.validation.shown
        found: list[tuple[str, np.ndarray, np.ndarray, float]] = []
        degrade = DEGRADATIONS[recipe.data.degradation]
        for number, picture in enumerate(pictures[: recipe.validation.pictures]):
            hr = crop_to_multiple(decode(picture.hr), scale)
            rows, columns = middle(hr.shape, recipe.validation.side, scale)
            hr = hr[rows, columns]
            if picture.lr is None:
                lr = degrade(hr, scale, np.random.default_rng([recipe.seed, number]))
            else:
                reduced = [slice(part.start // scale, part.stop // scale) for part in (rows, columns)]
                lr = decode(picture.lr)[tuple(reduced)]
            hr, lr = np.ascontiguousarray(hr), np.ascontiguousarray(lr)
            found.append((picture.hr.stem, hr, lr, psnr_y(hr, enlarge_bicubic(lr, scale), scale)))
        kept = [each for each in found if math.isfinite(each[3])] or found
        # Pictures of two folders may share a name, and their results lie in one.
        self.names = _different([name for name, _, _, _ in kept])
        self.hr = [hr for _, hr, _, _ in kept]
        self.lr = [lr for _, _, lr, _ in kept]
        self.taught = None if teacher is None else [teacher(lr) for lr in self.lr]
        """What the teacher makes of them."""
        self.bicubic, _rest = self.measure(lambda lr: enlarge_bicubic(lr, scale))
        self.bicubic_psnr = [psnr for _, _, _, psnr in kept[: self.shown]]

    def __len__(self) -> int:
        return len(self.hr)

    def measure(self, enlarge: Enlarge) -> tuple[Figures, list[tuple[np.ndarray, float]]]:
        """(means, (SR, PSNR) of the pictures that are shown)."""
        psnr, ssim, distances, meshes, nearness, shown = [], [], [], [], [], []
        for number, (lr, hr) in enumerate(zip(self.lr, self.hr, strict=True)):
            sr = enlarge(lr)
            psnr.append(psnr_y(hr, sr, self.scale))
            ssim.append(ssim_y(hr, sr, self.scale))
            meshes.append(mesh(luma(sr) - luma(hr)))
            if self.content is not None:
                distances.append(picture_distance(self.content, hr, sr))
            if self.taught is not None:
                nearness.append(psnr_y(self.taught[number], sr, self.scale))
            if number < self.shown:
                shown.append((sr, psnr[-1]))
        perceptual = float(np.mean(distances)) if distances else None
        teacher = mean_psnr(nearness) if nearness else None
        return Figures(mean_psnr(psnr), float(np.mean(ssim)), perceptual, float(np.mean(meshes)), teacher), shown

    def psnr(self, enlarge: Enlarge) -> float:
        """The mean PSNR alone, which takes a tenth of the time."""
        pairs = zip(self.lr, self.hr, strict=True)
        return mean_psnr([psnr_y(hr, enlarge(lr), self.scale) for lr, hr in pairs])

    def save_references(self, folder: Path) -> None:
        """Write LR, HR and bicubic of the shown pictures, once a run."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, lr, hr in list(zip(self.names, self.lr, self.hr, strict=True))[: self.shown]:
            for kind, picture in (("lr", lr), ("hr", hr), ("bicubic", enlarge_bicubic(lr, self.scale))):
                write_png(folder / f"{name}-{kind}.png", picture)

    def save_shown(
        self, shown: Sequence[tuple[np.ndarray, float]], references: Path, folder: Path
    ) -> tuple[ValidationPicture, ...]:
        """Write what was made of the shown pictures in one validation."""
        folder.mkdir(exist_ok=True)
        pictures = []
        for (sr, psnr), name, bicubic in zip(shown, self.names, self.bicubic_psnr, strict=False):
            path = folder / f"{name}.png"
            write_png(path, sr)
            lr, hr, enlarged = (references / f"{name}-{kind}.png" for kind in ("lr", "hr", "bicubic"))
            pictures.append(ValidationPicture(name, path, lr, hr, enlarged, psnr, bicubic))
        return tuple(pictures)


class Validator:
    """Measures a run's moving average on held-out pictures, keeps the best weights of each stage, and says what goes
    wrong; a part of a checkpoint."""

    def __init__(
        self,
        training: Sequence[TrainingPicture],
        held_out: Sequence[TrainingPicture],
        recipe: Recipe,
        content: ContentNetwork | None = None,
        teacher: Enlarge | None = None,
    ) -> None:
        """Decode the pictures.

        Args:
            training: the training pictures, of which a few are measured as well.
            held_out: the held-out ones.
            recipe: of the run.
            content: for the perceptual distance.
            teacher: for the nearness to its results.
        """
        self.recipe = recipe
        self.held_out = HeldOut(held_out, recipe, content, teacher)
        self.seen = Seen(training, recipe)
        self.best: dict[str, Figures] = {}
        """By stage, the figures of its best weights."""
        self.without_better = 0
        """Validations in a row, in this stage, that found nothing better."""
        self._mesh_reported = False
        self._further = recipe.extra_validations(len(training))

    def begin_stage(self) -> None:
        """Give the stage all of its patience."""
        self.without_better = 0

    def is_due(self, step: int) -> bool:
        """Whether the recipe asks for a validation after this step of the run."""
        return step % self.recipe.validation.every == 0 or step in self._further

    @property
    def out_of_patience(self) -> bool:
        """Whether the stage is to end for want of anything better."""
        patience = self.recipe.validation.patience
        return bool(patience) and self.without_better >= patience

    def metric(self, stage: StageName) -> str:
        """What the best of a stage goes by."""
        return self.recipe.validation.gan_metric if stage == "gan" else self.recipe.validation.metric

    def validate(
        self,
        stage: StageName,
        step: int,
        enlarge: Enlarge,
        weights: Mapping[str, Tensor],
        card: Callable[[Figures], ModelCard],
        folder: RunFolder,
    ) -> Iterator[Validation | Notice]:
        """Measure, save the weights as the latest and, where they are, as the best, and the pictures that are shown.

        Args:
            stage: under way.
            step: of the run.
            enlarge: by these weights.
            weights: of the moving average.
            card: what the weights are to say of themselves.
            folder: of the run.

        Yields:
            A `Validation`, then a `Notice` for each thing that goes wrong.
        """
        figures, shown = self.held_out.measure(enlarge)
        best = stage not in self.best or figures.better_than(self.best[stage], self.metric(stage))
        description = card(figures)
        save_generator(folder.latest, weights, description)
        if best:
            self.best[stage] = figures
            save_generator(folder.best(stage), weights, description)
        self.without_better = 0 if best else self.without_better + 1
        pictures = self.held_out.save_shown(shown, folder.references, folder.validation(step))
        seen_gain = self.seen.gain(enlarge)
        yield Validation(
            stage,
            step,
            figures.psnr_y,
            figures.ssim_y,
            figures.perceptual,
            pictures,
            best,
            folder.latest,
            seen_gain,
            figures.mesh,
            figures.teacher,
        )
        if stage == "gan":
            yield from self._watch_mesh(figures)
        else:
            yield from self._watch_gap(figures.psnr_y - self.held_out.bicubic.psnr_y, seen_gain)

    def _watch_mesh(self, figures: Figures) -> Iterator[Notice]:
        bicubic = self.held_out.bicubic.mesh
        if not self._mesh_reported and figures.mesh > bicubic + MESH_SEEN:
            self._mesh_reported = True
            yield Notice(
                _(
                    "A regular pattern begins to show: it stands {mesh:.1f} dB out of the error (bicubic "
                    "{bicubic:.1f}). Raise the loss grid, or lower content and adversarial."
                ).format(mesh=figures.mesh, bicubic=bicubic)
            )

    def _watch_gap(self, gain: float, seen_gain: float | None) -> Iterator[Notice]:
        if self.seen.parts_from(gain, seen_gain):
            yield Notice(
                _(
                    "It begins to overfit: on the training pictures it still improves, but on test "
                    "pictures it has lost {best_gain:.2f} dB. More pictures, or fewer steps, help."
                ).format(best_gain=self.seen.best_gain - gain)
            )

    def state(self) -> PartState:
        """Return what `restore` needs."""
        best = {stage: list(astuple(figures)) for stage, figures in self.best.items()}
        values = {"best": best, "without_better": self.without_better, "mesh_reported": self._mesh_reported}
        return PartState(values={**values, "seen": self.seen.state()})

    def restore(self, state: PartState) -> None:
        """Become exactly what `state` described."""
        values = state.values
        self.best = {stage: Figures(*figures) for stage, figures in values["best"].items()}
        self.without_better, self._mesh_reported = values["without_better"], values["mesh_reported"]
        self.seen.restore(values["seen"])


class Seen:
    """Some of the training pictures, to tell learning from overfitting."""

    def __init__(self, pictures: Sequence[TrainingPicture], recipe: Recipe) -> None:
        """Decode `validation.training_pictures` of them, spread over the whole set."""
        count = min(recipe.validation.training_pictures, len(pictures))
        chosen = [pictures[number * len(pictures) // count] for number in range(count)]
        fitted = recipe.validation.model_copy(update={"pictures": max(1, count), "shown": 0})
        self.pictures = HeldOut(chosen, recipe.model_copy(update={"validation": fitted}), None) if chosen else None
        self.gaps: list[float] = []
        """By how much the gain on training pictures exceeded that on held-out ones, at one validation after another."""
        self.best_gain = -math.inf
        self.reported = False

    def gain(self, enlarge: Enlarge) -> float | None:
        """dB above bicubic, mean; None where no training pictures are measured."""
        if self.pictures is None:
            return None
        return self.pictures.psnr(enlarge) - self.pictures.bicubic.psnr_y

    def parts_from(self, held_out_gain: float, seen_gain: float | None) -> bool:
        """Whether the gap has now widened for `PARTED_AFTER` validations in a row, and held-out pictures are worse than
        at their best. True once.

        Args:
            held_out_gain: dB above bicubic on held-out pictures now.
            seen_gain: the same on training pictures.
        """
        if seen_gain is None:
            return False
        self.gaps.append(seen_gain - held_out_gain)
        fell = held_out_gain < self.best_gain - PARTED_DB
        self.best_gain = max(self.best_gain, held_out_gain)
        recent = self.gaps[-PARTED_AFTER - 1 :]
        widens = len(recent) > PARTED_AFTER and all(a < b for a, b in itertools.pairwise(recent))
        if self.reported or not (fell and widens):
            return False
        self.reported = True
        return True

    def state(self) -> dict[str, Any]:
        """What `restore` needs in a run that goes on."""
        return {"gaps": self.gaps, "best_gain": self.best_gain, "reported": self.reported}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`; checkpoints of before it have none."""
        self.gaps = list(state.get("gaps", []))
        self.best_gain = state.get("best_gain", -math.inf)
        self.reported = state.get("reported", state.get("told", False))


def _different(names: Sequence[str]) -> list[str]:
    """Numbers those that are there already, also in other letters: some file systems tell no case."""
    found: dict[str, str] = {}
    for name in names:
        free = free_name(name, lambda each: each.casefold() in found)
        found[free.casefold()] = free
    return list(found.values())


def picture_distance(content: ContentNetwork, first: np.ndarray, second: np.ndarray) -> float:
    """`perceptual_distances` of the middle of two H x W x 3 uint8 pictures, at most `PERCEPTUAL_SIDE` a side."""
    part = middle(first.shape, PERCEPTUAL_SIDE)
    return picture_distances(content, first[part], [second[part]])[0]


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write H x W x 3 uint8 as a PNG, whole or not at all."""
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, "PNG", compress_level=1)
