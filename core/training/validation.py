"""Held-out pictures: what a generator makes of them, in figures and as files to look at."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.atomic import replacing
from core.contract.training import LookPicture
from core.evaluate.artefacts import mesh
from core.evaluate.metrics import luma, mean_psnr, psnr_y, ssim_y
from core.evaluate.resampling import crop_to_multiple, enlarge_bicubic, middle
from core.models.content import ContentNetwork, picture_distances
from core.training.dataset import Picture, decode
from core.training.degradation import DEGRADATIONS
from core.training.recipe import Recipe

PERCEPTUAL_SIDE = 256
"""The perceptual distance is taken on the middle of each picture: VGG at full size would cost more than the look."""

MARGINS = {"psnr_y": 0.01, "ssim_y": 0.0002, "perceptual": 0.0005}
"""By how much a figure must differ before one model is called better than another."""

PARTED_LOOKS = 3
"""So many looks in a row must widen the gap between training and held-out pictures before anybody is told."""
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

    def better_than(self, other: Figures, metric: str) -> bool:
        """By `psnr_y` or `ssim_y` (higher is better) or `perceptual` (lower is)."""
        if metric == "perceptual" and self.perceptual is not None and other.perceptual is not None:
            return self.perceptual < other.perceptual
        if metric == "ssim_y":
            return self.ssim_y > other.ssim_y
        return self.psnr_y > other.psnr_y

    def clearly_better_than(self, other: Figures, metric: str) -> bool:
        """As `better_than`, by more than is lost in rounding: for telling people."""
        margin = MARGINS[metric]
        worst = Figures(
            self.psnr_y - margin, self.ssim_y - margin, None if self.perceptual is None else self.perceptual + margin
        )
        return worst.better_than(other, metric)

    def named(self, before: str = "") -> dict[str, float]:
        """By name, for model cards; `before` goes in front."""
        values = {"psnr_y": self.psnr_y, "ssim_y": self.ssim_y, "perceptual": self.perceptual}
        return {before + name: round(value, 4) for name, value in values.items() if value is not None}


class HeldOut:
    """Held-out pictures, decoded once and degraded as the training pictures are, always in the same way.

    A picture that bicubic brings back exactly (its middle is blank) is left out while there are others: it tells
    nothing of a generator, and would count for more than all of them.
    """

    def __init__(self, pictures: Sequence[Picture], recipe: Recipe, content: ContentNetwork | None) -> None:
        """Decode the first `validation.pictures` of `pictures`; `content` is for the perceptual distance."""
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
        # Pictures of two folders may share a name, and their looks lie in one.
        self.names = _different([name for name, _, _, _ in kept])
        self.hr = [hr for _, hr, _, _ in kept]
        self.lr = [lr for _, _, lr, _ in kept]
        self.bicubic, _ = self.measure(lambda lr: enlarge_bicubic(lr, scale))
        self.bicubic_psnr = [psnr for _, _, _, psnr in kept[: self.shown]]

    def __len__(self) -> int:
        return len(self.hr)

    def measure(self, enlarge: Enlarge) -> tuple[Figures, list[tuple[np.ndarray, float]]]:
        """(means, (SR, PSNR) of the pictures that are shown)."""
        psnr, ssim, distances, meshes, shown = [], [], [], [], []
        for number, (lr, hr) in enumerate(zip(self.lr, self.hr, strict=True)):
            sr = enlarge(lr)
            psnr.append(psnr_y(hr, sr, self.scale))
            ssim.append(ssim_y(hr, sr, self.scale))
            meshes.append(mesh(luma(sr) - luma(hr)))
            if self.content is not None:
                distances.append(picture_distance(self.content, hr, sr))
            if number < self.shown:
                shown.append((sr, psnr[-1]))
        perceptual = float(np.mean(distances)) if distances else None
        return Figures(mean_psnr(psnr), float(np.mean(ssim)), perceptual, float(np.mean(meshes))), shown

    def psnr(self, enlarge: Enlarge) -> float:
        """The mean PSNR alone, which takes a tenth of the time."""
        pairs = zip(self.lr, self.hr, strict=True)
        return mean_psnr([psnr_y(hr, enlarge(lr), self.scale) for lr, hr in pairs])

    def save_references(self, folder: Path) -> None:
        """Write LR, HR and bicubic of the shown pictures, once a run."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, lr, hr in list(zip(self.names, self.lr, self.hr, strict=True))[: self.shown]:
            for kind, picture in (("lr", lr), ("hr", hr), ("bicubic", enlarge_bicubic(lr, self.scale))):
                save_png(folder / f"{name}-{kind}.png", picture)

    def save_shown(
        self, shown: Sequence[tuple[np.ndarray, float]], references: Path, folder: Path
    ) -> tuple[LookPicture, ...]:
        """Write the SR pictures of a look."""
        folder.mkdir(exist_ok=True)
        pictures = []
        for (sr, psnr), name, bicubic in zip(shown, self.names, self.bicubic_psnr, strict=False):
            path = folder / f"{name}.png"
            save_png(path, sr)
            lr, hr, enlarged = (references / f"{name}-{kind}.png" for kind in ("lr", "hr", "bicubic"))
            pictures.append(LookPicture(name, path, lr, hr, enlarged, psnr, bicubic))
        return tuple(pictures)


class Seen:
    """Some of the training pictures, to tell learning from learning by heart."""

    def __init__(self, pictures: Sequence[Picture], recipe: Recipe) -> None:
        """Decode `validation.training_pictures` of them, spread over the whole set."""
        count = min(recipe.validation.training_pictures, len(pictures))
        chosen = [pictures[number * len(pictures) // count] for number in range(count)]
        fitted = recipe.validation.model_copy(update={"pictures": max(1, count), "shown": 0})
        self.pictures = HeldOut(chosen, recipe.model_copy(update={"validation": fitted}), None) if chosen else None
        self.gaps: list[float] = []
        """By how much the gain on training pictures exceeded that on held-out ones, look by look."""
        self.best_gain = -math.inf
        self.told = False

    def gain(self, enlarge: Enlarge) -> float | None:
        """dB above bicubic, mean; None where no training pictures are measured."""
        if self.pictures is None:
            return None
        return self.pictures.psnr(enlarge) - self.pictures.bicubic.psnr_y

    def parts_from(self, held_out_gain: float, seen_gain: float | None) -> bool:
        """Whether the gap has now widened for `PARTED_LOOKS` looks in a row, and held-out pictures are worse than at
        their best. True once.

        Args:
            held_out_gain: dB above bicubic on held-out pictures at this look.
            seen_gain: the same on training pictures.
        """
        if seen_gain is None:
            return False
        self.gaps.append(seen_gain - held_out_gain)
        fell = held_out_gain < self.best_gain - PARTED_DB
        self.best_gain = max(self.best_gain, held_out_gain)
        recent = self.gaps[-PARTED_LOOKS - 1 :]
        widens = len(recent) > PARTED_LOOKS and all(a < b for a, b in itertools.pairwise(recent))
        if self.told or not (fell and widens):
            return False
        self.told = True
        return True

    def state(self) -> dict[str, Any]:
        """What `restore` needs in a run that goes on."""
        return {"gaps": self.gaps, "best_gain": self.best_gain, "told": self.told}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`; bundles of before it have none."""
        self.gaps = list(state.get("gaps", []))
        self.best_gain = state.get("best_gain", -math.inf)
        self.told = state.get("told", False)


def _different(names: Sequence[str]) -> list[str]:
    """Numbers those that are there already, also in other letters: some file systems tell no case."""
    taken: set[str] = set()
    found = []
    for name in names:
        free, number = name, 2
        while free.casefold() in taken:
            free, number = f"{name} ({number})", number + 1
        taken.add(free.casefold())
        found.append(free)
    return found


def picture_distance(content: ContentNetwork, first: np.ndarray, second: np.ndarray) -> float:
    """`perceptual_distances` of the middle of two H x W x 3 uint8 pictures, at most `PERCEPTUAL_SIDE` a side."""
    part = middle(first.shape, PERCEPTUAL_SIDE)
    return picture_distances(content, first[part], [second[part]])[0]


def save_png(path: Path, picture: np.ndarray) -> None:
    """Write H x W x 3 uint8 as a PNG, whole or not at all."""
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, "PNG", compress_level=1)
