"""The pool: patches of training pictures with what a teacher made of them, as files that are read in place.

A pool is a folder of chunks, each a numpy file of `CHUNK` records that is written whole or not at all. Nothing is
decoded, and nothing is copied but the crops that a step sees.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.atomic import replacing

CHUNK = 8
"""Patches in a file: what an interrupted teacher has to do again at most."""


OPEN_CHUNKS = 256
"""Chunks that stay open: each takes a file descriptor, and systems allow a program about a thousand."""


def record(patch: int, scale: int) -> np.dtype:
    """What a pool holds of one patch of `patch` x `patch` LR pixels; 8-bit RGB.

    `lr`, `hr` and `teacher` (the teacher's output, as large as HR) are patches of one place; `synthetic` tells whether
    the trainer drew the picture.
    """
    side = patch * scale
    small, large = (patch, patch, 3), (side, side, 3)
    return np.dtype(
        [("lr", np.uint8, small), ("hr", np.uint8, large), ("teacher", np.uint8, large), ("synthetic", bool)]
    )


class Pool:
    """The first patches of a pool."""

    def __init__(self, folder: Path, patch: int, scale: int, count: int) -> None:
        """Name a pool; its files are opened when they are first read, also in another process.

        Args:
            folder: of the chunks.
            patch: side of a patch in LR pixels.
            scale: HR side over LR side.
            count: of patches; a multiple of `CHUNK`.
        """
        self.folder = folder
        self.patch = patch
        self.scale = scale
        self.count = count
        self.dtype = record(patch, scale)
        self._chunks: dict[int, np.ndarray] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_chunks": {}}

    @property
    def chunks(self) -> range:
        """The numbers of its chunks."""
        return range(self.count // CHUNK)

    @property
    def chunk_bytes(self) -> int:
        """About what one chunk takes on the disk."""
        return CHUNK * self.dtype.itemsize

    def holds(self, chunk: int) -> bool:
        """Whether a chunk is there, and whole."""
        try:
            self._open(chunk)
        except (OSError, ValueError):
            return False
        return True

    def write(self, chunk: int, records: np.ndarray) -> None:
        """Store a chunk.

        Raises:
            OSError: the disk is full, or gone.
        """
        with replacing(self._path(chunk)) as temporary, temporary.open("wb") as file:
            np.save(file, records)

    def cut(self, crop: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
        """A crop anywhere in any patch.

        Args:
            crop: LR side, at most the patch's.
            random: decides which.

        Returns:
            (LR, HR, the teacher's output, whether it is synthetic); the pictures are read-only.
        """
        number = int(random.integers(self.count))
        y, x = (int(place) for place in random.integers(0, self.patch - crop + 1, 2))
        found = self._open(number // CHUNK)[number % CHUNK]
        s = self.scale
        top, left, side = y * s, x * s, crop * s
        hr, teacher = (found[name][top : top + side, left : left + side] for name in ("hr", "teacher"))
        return found["lr"][y : y + crop, x : x + crop], hr, teacher, bool(found["synthetic"])

    def _path(self, chunk: int) -> Path:
        return self.folder / f"{chunk:05d}.npy"

    def _open(self, chunk: int) -> np.ndarray:
        """Raises OSError or ValueError: it is not there, not whole, or of another size."""
        if chunk in self._chunks:
            return self._chunks[chunk]
        found: np.ndarray = np.load(self._path(chunk), mmap_mode="r")
        if found.dtype != self.dtype or found.shape != (CHUNK,):
            raise ValueError(f"{self._path(chunk)} is no chunk of this pool.")
        if len(self._chunks) < OPEN_CHUNKS:
            self._chunks[chunk] = found
        return found
