"""What is done to model files, on a thread of its own: a large one takes a while to read or to copy."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.hashing import sha256_of
from core.models.catalogue import remove_model, rename_model
from srgan_desktop.errands import Errands


class Shelf(Errands):
    """Asked from the main thread; answers come in the order of the questions."""

    hashed = Signal(object, str)
    """Path of a file, and its SHA-256."""
    renamed = Signal(str, str)
    """Key of a model before and after."""
    removed = Signal(str)
    """Key of a model that is gone."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("shelf", parent)

    def hash(self, path: Path) -> None:
        """Compute a file's SHA-256; ends with `hashed` or `failed`."""
        self._read(lambda: sha256_of(path), lambda digest: self.hashed.emit(path, digest))

    def rename(self, key: str, name: str) -> None:
        """Give a model of the user's another name; ends with `renamed` or `failed`."""
        self._write(lambda: rename_model(key, name), lambda model: self.renamed.emit(key, model.key))

    def remove(self, key: str) -> None:
        """Delete a model of the user's; ends with `removed` or `failed`."""
        self._write(lambda: remove_model(key), lambda _: self.removed.emit(key))
