"""Training crops: which ones step k sees, and how they are there in time.

The crops of a step are a pure function of (seed, step, pictures): nothing random is carried from step to step, so a run
that goes on from a checkpoint needs no place in the data but the step number, and threads cannot change the order.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np
from PIL import Image

from core.contract.errors import UserError
from core.evaluate.resampling import rgb8
from core.images import load
from core.language import gettext as _
from core.training import synthetic
from core.training.degradation import DEGRADATIONS
from core.training.pool import Pool
from core.training.recipe import Recipe

MARGIN = 4
"""LR pixels of HR around a crop that its reduction also sees, so that the crop's edge is as in the whole picture."""
TRIES = 10
"""Pictures thrown for a crop before those that cannot be read any more are taken for all of them."""
PICTURES_A_STEP = 1
"""How many pictures enter (and leave) the sliding selection a step, where the set is larger than memory."""


@dataclass(frozen=True, slots=True)
class TrainingPicture:
    """One training picture, known to be sound."""

    hr: Path
    width: int
    """Pixels of HR, after EXIF orientation."""
    height: int
    sha256: str
    lr: Path | None = None
    """Its ready-made LR picture, in a folder of pairs."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Crops of one step."""

    lr: np.ndarray
    """N x h x w x 3 uint8 RGB."""
    hr: np.ndarray
    """N x scale*h x scale*w x 3 uint8 RGB."""
    synthetic: np.ndarray | None = None
    """N bool: which crops come from synthetic pictures; None where none can."""
    taught: np.ndarray | None = None
    """N bool: which crops a teacher has enlarged; None where there is no teacher."""
    teacher: np.ndarray | None = None
    """What it made of these, T x scale*h x scale*w x 3 uint8 RGB."""


_Cut = tuple[Batch, dict[Path, UserError]]
"""A step's crops, and the pictures that could not be read any more."""


def decode(path: Path) -> np.ndarray:
    """Decode a picture as H x W x 3 uint8 RGB, upright, without alpha; grey becomes RGB, 16 bits become 8.

    Raises:
        UserError: it cannot be read.
    """
    return rgb8(load(path).pixels)


class CropLoader:
    """Cuts the crops of coming steps on threads, or in processes, while the device works on the present one.

    Decoded pictures are kept within `cache_bytes`. A set that does not fit is read through a selection that slides by
    `PICTURES_A_STEP` a step along an endless series of shuffles, so decoding costs the same at every step.

    Use as a context manager; leaving it ends the threads or processes.
    """

    def __init__(
        self,
        pictures: Sequence[TrainingPicture],
        *,
        scale: int,
        degradation: str,
        seed: int,
        cache_bytes: int,
        synthetic_share: float = 0.0,
        candidates: int = 1,
        reduce_to: float = 1.0,
        recolour: bool = False,
        pool: Pool | None = None,
        taught: float = 1.0,
        threads: int = 1,
        processes: int = 0,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        """Set the loader up; nothing is read yet.

        Args:
            pictures: the training pictures, in an order that is the same at every start.
            scale: HR side over LR side.
            degradation: a key of `DEGRADATIONS`; pairs have their own.
            seed: of everything random.
            cache_bytes: for decoded and synthetic pictures. Part of what decides which pictures a step sees.
            synthetic_share: of crops that are cut from synthetic pictures (`core.training.synthetic`), 0 to 1.
            candidates: places thrown for each crop, of which the one with the most edges is cut.
            reduce_to: half of the crops come from pictures reduced to a random size, at least this share of theirs.
            recolour: swap the channels of half of the crops, and make negatives of half of these.
            pool: patches with a teacher's outputs, where there is a teacher.
            taught: share of the crops that are cut from the pool.
            threads: that decode and crop.
            processes: that do so instead, where there are any, each with a cache of its own: threads wait for one
                another, and make the training step wait, whenever they run Python.
            shard: (rank, number of processes): which part of each batch this process takes.
        """
        self.pictures = list(pictures)
        self.scale = scale
        self.degrade = DEGRADATIONS[degradation]
        self.seed = seed
        self.shard = shard
        picture_bytes = cache_bytes
        if synthetic_share:
            picture_bytes = max(cache_bytes // 2, cache_bytes - synthetic.COUNT * 3 * synthetic.SIDE**2)
        mean_bytes = sum(3 * p.width * p.height for p in self.pictures) / len(self.pictures)
        # Some room for what loader threads decode ahead of the selection.
        self.selected = max(1, min(len(self.pictures), int(0.8 * picture_bytes / mean_bytes)))
        self.cache = PictureCache(picture_bytes)
        self.synthetic_share = synthetic_share
        self.candidates = candidates
        self.reduce_to = reduce_to
        self.recolour = recolour
        self.pool = pool
        self.taught = taught
        self._synthetic: dict[int, np.ndarray] = {}
        self._lost: dict[Path, UserError] = {}
        self._reported: set[Path] = set()
        self.threads = threads
        self.waited = 0.0
        """Seconds that `take` has blocked so far."""
        self._coming: OrderedDict[tuple[int, int, int], Future[_Cut]] = OrderedDict()
        self._pool: Executor
        if processes:
            loader = partial(
                CropLoader,
                self.pictures,
                scale=scale,
                degradation=degradation,
                seed=seed,
                cache_bytes=cache_bytes,
                synthetic_share=synthetic_share,
                candidates=candidates,
                reduce_to=reduce_to,
                recolour=recolour,
                pool=pool,
                taught=taught,
                shard=shard,
            )
            # Spawned: a fork would take a GPU's context along, and Windows has none.
            self._pool = ProcessPoolExecutor(
                processes, get_context("spawn"), initializer=_begin_process, initargs=(loader,)
            )
        else:
            self._pool = ThreadPoolExecutor(threads, thread_name_prefix="crops")
        self._work = _cut_in_process if processes else self._cut_and_tell

    def __enter__(self) -> CropLoader:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, step: int, crop: int, batch: int, ahead: Sequence[tuple[int, int, int]] = ()) -> Batch:
        """The crops of a step.

        Args:
            step: of the whole run, from 0.
            crop: LR side in pixels.
            batch: crops over all processes.
            ahead: (step, crop, batch) of the steps that come next, to be prepared meanwhile.

        Raises:
            UserError: of pictures that were sound at the scan, `TRIES` in a row cannot be read any more; or a process
                that cuts has ended.
        """
        wanted = (step, crop, batch)
        begin = time.perf_counter()
        try:
            for each in (wanted, *ahead):
                if each not in self._coming:
                    self._coming[each] = self._pool.submit(self._work, *each)
            batch_of_step, lost = self._coming.pop(wanted).result()
        except BrokenProcessPool as error:
            raise UserError(
                _("A process that cuts training crops has ended, probably because memory ran out."),
                _("Lower data.loader_processes or data.cache_mb in the recipe, then resume the run."),
            ) from error
        self.waited += time.perf_counter() - begin
        self._lost |= lost
        return batch_of_step

    def take_lost(self) -> list[UserError]:
        """The errors of pictures that could not be read any more, and that others stood in for; each is given once."""
        new = [(path, error) for path, error in list(self._lost.items()) if path not in self._reported]
        self._reported.update(path for path, _ in new)
        return [error for _, error in new]

    def cut(self, step: int, crop: int, batch: int) -> Batch:
        """Cut this process's share of a step's crops, on the calling thread. Pure but for the cache."""
        rank, processes = self.shard
        pairs: list[tuple[np.ndarray, np.ndarray]] = []
        targets: list[np.ndarray] = []
        is_synthetic, is_taught = [], []
        for number in range(rank, batch, processes):
            random = np.random.default_rng([self.seed, step, number])
            # Without a teacher nothing is thrown for it, so that recipes of before it see the crops they saw.
            is_taught.append(self.pool is not None and (self.taught == 1 or random.random() < self.taught))
            if self.pool is not None and is_taught[-1]:
                *crops, from_synthetic = self.pool.cut(crop, random)
                lr, hr, target = _turned(int(random.integers(8)), *crops)
                targets.append(target)
            else:
                # Nor is it for a share of synthetic pictures.
                from_synthetic = self.synthetic_share > 0 and random.random() < self.synthetic_share
                if from_synthetic:
                    lr, hr = self._cut(self._draw(int(random.integers(synthetic.COUNT))), crop, random)
                else:
                    lr, hr = self._crop(step, crop, random)
            is_synthetic.append(from_synthetic)
            pairs.append((lr, hr))
        side = crop * self.scale
        return Batch(
            np.stack([lr for lr, _ in pairs]),
            np.stack([hr for _, hr in pairs]),
            np.array(is_synthetic) if self.synthetic_share else None,
            np.array(is_taught) if self.pool is not None else None,
            # Also where none of these crops is taught.
            np.stack(targets) if targets else np.empty((0, side, side, 3), np.uint8) if self.pool else None,
        )

    def _cut_and_tell(self, step: int, crop: int, batch: int) -> _Cut:
        return self.cut(step, crop, batch), dict(self._lost)

    def _choose(self, step: int, random: np.random.Generator) -> TrainingPicture:
        count = len(self.pictures)
        if self.selected == count:
            return self.pictures[int(random.integers(count))]
        place = step * PICTURES_A_STEP + int(random.integers(self.selected))
        epoch, position = divmod(place, count)
        order = _shuffled(count, self.seed, epoch)
        return self.pictures[int(order[position])]

    def _draw(self, number: int) -> np.ndarray:
        # Two threads may draw the same one; what they draw is the same.
        if number not in self._synthetic:
            self._synthetic[number] = synthetic.draw(np.random.default_rng([self.seed, number]))
        return self._synthetic[number]

    def _crop(self, step: int, crop: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        hr, small = self._read_one(step, random)
        if small is None:
            return self._cut(hr, crop, random)
        v, u = self._place(small, crop, random)
        y, x, side = v * self.scale, u * self.scale, crop * self.scale
        change = self._recoloured(random)
        lr, hr = change(small[v : v + crop, u : u + crop]), change(hr[y : y + side, x : x + side])
        lr, hr = _turned(int(random.integers(8)), lr, hr)
        return lr, hr

    def _read_one(self, step: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray | None]:
        """HR and ready-made LR of a picture thrown for a step; of another where that one is gone since the scan."""
        for left in reversed(range(TRIES)):
            picture = self._choose(step, random)
            try:
                hr = self.cache.get(picture.hr)
                small = self.cache.get(picture.lr) if picture.lr is not None else None
                if hr.shape[:2] != (picture.height, picture.width):
                    raise UserError(
                        _("“{name}” is not the picture that it was when the run began.").format(name=picture.hr.name)
                    )
            except UserError as error:
                self._lost[picture.hr] = error
                if not left:
                    raise
            else:
                return hr, small
        raise AssertionError

    def _place(self, picture: np.ndarray, side: int, random: np.random.Generator) -> tuple[int, int]:
        """Top and left of a square in the picture."""
        rows, columns = picture.shape[0] - side + 1, picture.shape[1] - side + 1
        places = [(int(random.integers(rows)), int(random.integers(columns))) for _ in range(self.candidates)]
        if len(places) == 1:
            return places[0]
        return max(places, key=lambda place: _edges(picture[place[0] :, place[1] :][:side, :side]))

    def _cut(self, hr: np.ndarray, crop: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A crop anywhere in a picture, and its LR made from it."""
        scale, side = self.scale, crop * self.scale
        if self.reduce_to < 1 and random.random() < 0.5:
            hr = self._reduced(hr, side, random)
        y, x = self._place(hr, side, random)
        # Whole LR pixels of margin, as many as there are, so that the reduced grid is the crop's own.
        top, left = min(y // scale, MARGIN), min(x // scale, MARGIN)
        bottom = min((hr.shape[0] - y - side) // scale, MARGIN)
        right = min((hr.shape[1] - x - side) // scale, MARGIN)
        wide = hr[y - top * scale : y + side + bottom * scale, x - left * scale : x + side + right * scale]
        # Before the small one is made of it: what JPEG does to a picture depends on its colours.
        wide = self._recoloured(random)(wide)
        lr = self.degrade(wide, scale, random)[top : top + crop, left : left + crop]
        hr = wide[top * scale : top * scale + side, left * scale : left * scale + side]
        lr, hr = _turned(int(random.integers(8)), lr, hr)
        return lr, hr

    def _recoloured(self, random: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """What becomes of a crop's colours; without the option nothing is thrown for it, as for other options."""
        kind = random.random() if self.recolour else 1.0
        if kind >= 0.5:
            return lambda pixels: pixels
        order = random.permutation(3)

        def change(pixels: np.ndarray) -> np.ndarray:
            # Contiguous: indexed so, the channels would lie plane by plane, which all that follows is slower on.
            swapped = np.ascontiguousarray(pixels[..., order])
            return 255 - swapped if kind < 0.25 else swapped

        return change

    def _reduced(self, hr: np.ndarray, side: int, random: np.random.Generator) -> np.ndarray:
        """A square part of a picture at a random smaller size; holds a crop, with its margin where there is room."""
        shortest = min(hr.shape[:2])
        share = random.uniform(max(self.reduce_to, side / shortest), 1.0)
        extent = min(shortest, round((side + 2 * MARGIN * self.scale) / share))
        y, x = self._place(hr, extent, random)
        small = max(side, round(extent * share))
        # Pillow's, which is quicker than ours: this is a picture like any other, not one to be measured by.
        part = Image.fromarray(hr[y : y + extent, x : x + extent])
        return np.asarray(part.resize((small, small), Image.Resampling.BICUBIC))


def loader_of(
    recipe: Recipe, pictures: Sequence[TrainingPicture], shard: tuple[int, int] = (0, 1), pool: Pool | None = None
) -> CropLoader:
    """The loader of a run.

    Args:
        recipe: of the run.
        pictures: to learn from.
        shard: as of `CropLoader`.
        pool: likewise.
    """
    return CropLoader(
        pictures,
        scale=recipe.generator.scale,
        degradation=recipe.data.degradation,
        synthetic_share=recipe.data.synthetic,
        candidates=recipe.data.candidates,
        reduce_to=recipe.data.reduce_to,
        recolour=recipe.data.recolour,
        pool=pool,
        taught=recipe.data.taught,
        seed=recipe.seed,
        cache_bytes=recipe.data.cache_mb << 20,
        threads=recipe.data.loader_threads,
        processes=recipe.data.loader_processes,
        shard=shard,
    )


def _edges(part: np.ndarray) -> float:
    """Mean step of green between points two pixels apart, on every other row and column: quick, and enough to rank."""
    green = part[::2, ::2, 1].astype(np.int16)
    return float(np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean())


def _turned(way: int, *crops: np.ndarray) -> list[np.ndarray]:
    """One of the eight flips and turns of a square, the same for all."""
    turned = [np.rot90(each, way % 4) for each in crops]
    return [each[:, ::-1] for each in turned] if way >= 4 else turned


_of_process: CropLoader
"""In a process that only cuts."""


def _begin_process(loader: Callable[[], CropLoader]) -> None:
    global _of_process
    # Ctrl-C and a closed terminal reach all processes; the trainer saves its run first, and needs crops until then.
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    _of_process = loader()


def _end_with_parent() -> None:
    """A pool's processes wait for work for ever: a killed trainer would leave them behind."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _cut_in_process(step: int, crop: int, batch: int) -> _Cut:
    return _of_process._cut_and_tell(step, crop, batch)


_shuffles: dict[tuple[int, int, int], np.ndarray] = {}


def _shuffled(count: int, seed: int, epoch: int) -> np.ndarray:
    key = (count, seed, epoch)
    if key not in _shuffles:
        if len(_shuffles) > 8:
            _shuffles.clear()
        _shuffles[key] = np.random.default_rng([seed, epoch, count]).permutation(count)
    return _shuffles[key]


class PictureCache:
    """Decoded pictures, the longest unused thrown out first. Threads that want the same picture decode it once."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.used = 0
        self._pictures: OrderedDict[Path, np.ndarray] = OrderedDict()
        self._decoding: dict[Path, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, path: Path) -> np.ndarray:
        """The picture, H x W x 3 uint8 RGB, not to be written to; decoded if it is not here.

        Raises:
            UserError: it cannot be read.
        """
        with self._lock:
            if path in self._pictures:
                self._pictures.move_to_end(path)
                return self._pictures[path]
            busy = self._decoding.setdefault(path, threading.Lock())
        with busy:
            with self._lock:
                if path in self._pictures:
                    return self._pictures[path]
            picture = decode(path)
            picture.flags.writeable = False
            with self._lock:
                self._pictures[path] = picture
                self.used += picture.nbytes
                self._decoding.pop(path, None)
                while self.used > self.budget and len(self._pictures) > 1:
                    _rest, old = self._pictures.popitem(last=False)
                    self.used -= old.nbytes
        return picture
