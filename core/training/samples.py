"""Some pictures as training would see them, before it begins: what a recipe does to one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.training import HR_FOLDER, LR_FOLDER, SamplesReady, SamplesRequest
from core.language import gettext as _
from core.training.dataset import TrainingPicture, decode, loader_of
from core.training.recipe import Recipe, load_recipe
from core.training.sources import lr_of, pictures_in

SIDE = 192
"""HR pixels: enough to see noise and blur in, whatever crops the recipe trains on."""
TRIES = 5
"""Pictures looked at for each sample, as some are too small or broken."""


def samples(request: SamplesRequest, cancel: CancelToken) -> Iterator[SamplesReady]:
    """Let the loader of the recipe cut crops of a few pictures, the same ones for the same seed.

    Yields:
        One `SamplesReady`; with fewer pairs where the folder has fewer usable pictures.

    Raises:
        UserError: recipe or folder are unusable.
        Cancelled: asked for.
    """
    recipe = load_recipe(request.recipe, request.overrides)
    pairs = (request.data / HR_FOLDER).is_dir() and (request.data / LR_FOLDER).is_dir()
    folder = request.data / HR_FOLDER if pairs else request.data
    if not folder.is_dir():
        raise UserError(_("There is no folder {folder}.").format(folder=folder), _("Choose a folder of pictures."))
    files = pictures_in(folder)
    ready_made = lr_of(files, request.data, recipe.generator.scale)[0] if pairs else {}
    order = np.random.default_rng(recipe.seed).permutation(len(files))
    made: list[tuple[np.ndarray, np.ndarray]] = []
    for place in order[: TRIES * request.count]:
        cancel.check()
        path = files[place]
        try:
            made.append(_sample(path, ready_made.get(path), recipe, int(place)))
        except UserError:
            continue
        if len(made) == request.count:
            break
    yield SamplesReady(tuple(made), recipe.generator.scale)


def _sample(hr: Path, lr: Path | None, recipe: Recipe, number: int) -> tuple[np.ndarray, np.ndarray]:
    """(LR, HR) of a crop somewhere in the picture, as step `number` of a run with this picture alone would see it."""
    height, width = decode(hr).shape[:2]
    crop = min(SIDE, height, width) // recipe.generator.scale
    if crop * recipe.generator.scale < recipe.data.minimum_side // 2:
        raise UserError(_("{name} is too small.").format(name=hr.name))
    if lr is not None:
        crop = min(crop, *decode(lr).shape[:2])
    with loader_of(recipe, [TrainingPicture(hr, width, height, "", lr)]) as loader:
        batch = loader.cut(number, crop, 1)
    return batch.lr[0], batch.hr[0]
