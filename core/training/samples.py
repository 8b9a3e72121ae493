"""Some pictures as training would see them, before it begins: what the degradation of a recipe does to one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.training import HR_FOLDER, LR_FOLDER, SamplesReady, SamplesRequest
from core.training.dataset import decode
from core.training.degradation import DEGRADATIONS
from core.training.recipe import Recipe, load_recipe
from core.training.sources import lr_of, pictures_in

SIDE = 192
"""HR pixels: enough to see noise and blur in, whatever crops the recipe trains on."""
TRIES = 5
"""Pictures looked at for each sample, as some are too small or broken."""


def samples(request: SamplesRequest, cancel: CancelToken) -> Iterator[SamplesReady]:
    """Cut and degrade crops of a few pictures, the same ones for the same seed.

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
        raise UserError(f"There is no folder {folder}.", "Choose a folder of pictures.")
    files = pictures_in(folder)
    ready_made = lr_of(files, request.data)[0] if pairs else {}
    order = np.random.default_rng(recipe.seed).permutation(len(files))
    made: list[tuple[np.ndarray, np.ndarray]] = []
    for place in order[: TRIES * request.count]:
        cancel.check()
        path = files[place]
        try:
            made.append(_sample(path, ready_made.get(path), recipe, np.random.default_rng([recipe.seed, int(place)])))
        except UserError:
            continue
        if len(made) == request.count:
            break
    yield SamplesReady(tuple(made), recipe.generator.scale)


def _sample(hr: Path, lr: Path | None, recipe: Recipe, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(LR, HR) of a crop somewhere in the picture."""
    scale = recipe.generator.scale
    picture = decode(hr)
    side = min(SIDE, *picture.shape[:2])
    side -= side % scale
    if side < recipe.data.minimum_side // 2:
        raise UserError(f"{hr.name} is too small.")
    top, left = (int(random.integers((extent - side) // scale + 1)) for extent in picture.shape[:2])
    crop = np.ascontiguousarray(picture[top * scale : top * scale + side, left * scale : left * scale + side])
    if lr is None:
        return DEGRADATIONS[recipe.data.degradation](crop, scale, random), crop
    small = decode(lr)[top : top + side // scale, left : left + side // scale]
    return np.ascontiguousarray(small), crop
