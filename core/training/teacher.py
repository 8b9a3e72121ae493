"""A teacher: a model whose outputs a smaller network learns, as large and as slow as it may be.

Such a model takes many times as long as the step that learns from it, so it works once: it enlarges a pool of patches,
cut and degraded as the recipe's crops are, and the loader cuts its crops from these (knowledge distillation: Hinton et
al. 2015; for super-resolution He et al. 2020, "FAKD"). The pool lies in the user's cache, and serves every run that has
the same teacher, the same pictures and the same way of making LR: also one that was interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np
import torch

from core import paths
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.training import TeacherProgress
from core.language import gettext as _
from core.models.catalogue import Model, find_model
from core.models.graph_files import digest_of
from core.models.serving import load_served
from core.runtimes.torch_network import TorchModel
from core.training import degradation
from core.training.dataset import TrainingPicture, loader_of
from core.training.pool import CHUNK, Pool
from core.training.processes import Place, wait_for_all
from core.training.recipe import Recipe
from core.training.scan import Scan
from core.training.synthetic import SIDE as SYNTHETIC_SIDE
from core.upscale.engine import Engine

PATCH = 64
"""Side of a patch in LR pixels, where pictures are large enough: several crops find room in it."""
MARGIN = 16
"""LR pixels around a patch that the teacher also sees, so that the patch is as in the whole picture."""
POOLS_BYTES = 16 << 30
"""What all pools together may take; the ones that were not used for longest are deleted."""
POOL_SEED = 7919
"""Added to the recipe's seed: other crops than those of the steps."""
EVENTS_A_SECOND = 20
AHEAD = 4
"""Patches that are cut in advance."""


class Teacher:
    """A loaded model that can teach what a recipe trains."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        """Load the recipe's teacher.

        Raises:
            UserError: there is no such model, it is of another scale, or it knows no colours.
        """
        self.model: Model = find_model(recipe.teacher)
        network, card = load_served([(self.model.path, 1.0)])
        self.name = card.name
        scale = recipe.generator.scale
        if network.scale != scale:
            fits = network.scale in (2, 4, 8)
            raise UserError(
                _("The teacher {name} enlarges {scale} times, and the recipe's network {wanted} times.").format(
                    name=self.name, scale=network.scale, wanted=scale
                ),
                _("Set generator.scale to {scale}, or name another teacher.").format(scale=network.scale)
                if fits
                else _("Name another teacher."),
            )
        if getattr(network, "channels", 3) == 1:
            raise UserError(
                _("The teacher {name} knows no colours: it enlarges one channel.").format(name=self.name),
                _("Name a model for colour pictures."),
            )
        self._engine = Engine(TorchModel(network, device), self.name)
        self.seconds = 0.0
        """That the last picture took."""
        self.untaught = 0
        """Patches of the recipe's pool that it has not enlarged."""

    def enlarge(self, lr: np.ndarray, cancel: CancelToken) -> np.ndarray:
        """Enlarge H x W x 3 uint8 RGB to scale*H x scale*W x 3.

        Raises:
            UserError: the model fails on this picture.
            Cancelled: asked for.
        """
        begin = time.perf_counter()
        try:
            result = self._engine.upscale(np.ascontiguousarray(lr), cancel)
        except (Cancelled, UserError):
            raise
        except Exception as error:  # whatever a stranger's network stumbles on
            height, width = lr.shape[:2]
            raise UserError(
                _("The teacher {name} fails on a crop of {width} x {height} pixels: {error}").format(
                    name=self.name, width=width, height=height, error=str(error).strip() or type(error).__name__
                ),
                _("Name another teacher."),
            ) from error
        self.seconds = time.perf_counter() - begin
        return result


def pool_of(
    recipe: Recipe, found: Scan, teacher: Teacher, place: Place, cancel: CancelToken, *, only_try: bool = False
) -> Generator[TeacherProgress, None, Pool]:
    """Let the teacher enlarge whatever patches of the pool it has not enlarged yet.

    Args:
        recipe: of the run.
        found: its pictures.
        teacher: the recipe's.
        place: of this process; several share the work.
        cancel: asked at every patch.
        only_try: stop after the first chunk.

    Raises:
        UserError: the teacher fails on a patch, or the disk is too full: what is done is kept.
        Cancelled: asked for; what is done is kept.
    """
    pictures, patch, margin = _patches(recipe, found.training)
    count = -(-recipe.data.teacher_patches // CHUNK) * CHUNK
    folder = pools_folder() / _key(recipe, found.fingerprint, teacher.model, patch, margin)
    pool = Pool(folder, patch, recipe.generator.scale, count)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The pools that were not used for longest go first.
        os.utime(folder)
        missing = [chunk for chunk in pool.chunks if not pool.holds(chunk)]
        if only_try:
            pool = Pool(folder, patch, recipe.generator.scale, CHUNK)
        chunks = [chunk for chunk in missing if chunk in pool.chunks]
        wanted = len(chunks) * pool.chunk_bytes
        if place.first:
            _make_room(folder, wanted)
            if shutil.disk_usage(folder).free < wanted:
                raise _full(folder, wanted)
        yield from _enlarge(recipe, pictures, teacher, pool, margin, chunks[place.rank :: place.count], cancel)
    except OSError as error:
        raise _full(folder, pool.chunk_bytes, error) from error
    teacher.untaught = (len(missing) - len(chunks)) * CHUNK
    if only_try and teacher.untaught and not chunks:
        side = patch + 2 * margin
        teacher.enlarge(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8), cancel)
    wait_for_all()
    return pool


def pools_folder() -> Path:
    """Where all pools lie; not necessarily there yet."""
    return paths.user_cache() / "teachers"


def _enlarge(
    recipe: Recipe,
    pictures: Sequence[TrainingPicture],
    teacher: Teacher,
    pool: Pool,
    margin: int,
    chunks: Sequence[int],
    cancel: CancelToken,
) -> Generator[TeacherProgress, None, None]:
    """Fill these chunks."""
    side = pool.patch + 2 * margin
    large = slice(margin * pool.scale, (margin + pool.patch) * pool.scale)
    small = slice(margin, margin + pool.patch)
    patches = [chunk * CHUNK + number for chunk in chunks for number in range(CHUNK)]
    done = pool.count - len(patches)
    last = 0.0
    seeded = recipe.model_copy(update={"seed": recipe.seed + POOL_SEED})
    with loader_of(seeded, pictures) as loader:
        records = np.zeros(CHUNK, pool.dtype)
        for index, number in enumerate(patches):
            cancel.check()
            now = time.monotonic()
            if now - last > 1 / EVENTS_A_SECOND:
                last = now
                yield TeacherProgress(teacher.name, done + index, pool.count)
            ahead = [(each, side, 1) for each in patches[index + 1 : index + 1 + AHEAD]]
            batch = loader.take(number, side, 1, ahead)
            into = records[number % CHUNK]
            into["lr"] = batch.lr[0, small, small]
            into["hr"] = batch.hr[0, large, large]
            into["teacher"] = teacher.enlarge(batch.lr[0], cancel)[large, large]
            into["synthetic"] = batch.synthetic is not None and bool(batch.synthetic[0])
            if number % CHUNK == CHUNK - 1:
                pool.write(number // CHUNK, records)
    if patches:
        yield TeacherProgress(teacher.name, pool.count, pool.count)


def _patches(recipe: Recipe, pictures: Sequence[TrainingPicture]) -> tuple[list[TrainingPicture], int, int]:
    """(pictures that patches are cut from, side of a patch, margin around it): large ones where most pictures hold
    them, else as large as the largest crop."""
    crop, scale = recipe.largest_crop, recipe.generator.scale
    for patch, margin in ((max(PATCH, crop), MARGIN), (crop, MARGIN)):
        side = (patch + 2 * margin) * scale
        large = [picture for picture in pictures if min(picture.width, picture.height) >= side]
        if 2 * len(large) >= len(pictures) and not (recipe.data.synthetic and side > SYNTHETIC_SIDE):
            return large, patch, margin
    return list(pictures), crop, 0


def _key(recipe: Recipe, fingerprint: str, model: Model, patch: int, margin: int) -> str:
    """A name for a pool, made of all that decides what lies in it."""
    data = recipe.data
    decisive = (
        digest_of(model.path),
        fingerprint,
        recipe.seed,
        recipe.generator.scale,
        patch,
        margin,
        data.degradation,
        degradation.VERSION,
        data.synthetic,
        data.candidates,
        data.reduce_to,
        data.recolour,
        data.cache_mb,
    )
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:32]


def _make_room(mine: Path, wanted: int) -> None:
    """Delete the pools that were not used for longest, while all of them are too large together."""
    others = [folder for folder in mine.parent.iterdir() if folder.is_dir() and folder != mine]
    sizes = {folder: _size(folder) for folder in others}
    used = sum(sizes.values()) + _size(mine) + wanted
    for folder in sorted(others, key=lambda each: each.stat().st_mtime):
        if used <= POOLS_BYTES:
            return
        shutil.rmtree(folder, ignore_errors=True)
        used -= sizes[folder]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _full(folder: Path, wanted: int, error: OSError | None = None) -> UserError:
    why = _("there is too little room") if error is None else error.strerror or str(error)
    return UserError(
        _("The teacher's outputs cannot be kept in {folder}: {why}.").format(folder=folder, why=why),
        _(
            "Make room for {wanted:.1f} GB, or lower data.teacher_patches; then begin the same "
            "run again: what the teacher has done is kept."
        ).format(wanted=wanted / 1e9),
    )
