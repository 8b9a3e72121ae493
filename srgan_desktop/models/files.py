"""Hashing, renaming and deleting model files off the main thread: a large one takes a while to read or to copy."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.hashing import sha256_of
from core.models.catalogue import remove_model, rename_model
from srgan_desktop.background import Lane


class ModelFiles(Lane):
    """Does what is asked in that order; each request ends with a signal of its own or with `failed`."""

    hashed = Signal(object, str)
    """Path of a file, and its SHA-256."""
    renamed = Signal(str, str)
    """Key of a model before and after."""
    removed = Signal(str)
    """Key of a model that is gone."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("model files", parent)

    def hash(self, path: Path) -> None:
        """Compute a file's SHA-256; ends with `hashed`."""
        self.run(partial(sha256_of, path), partial(self.hashed.emit, path))

    def rename(self, key: str, name: str) -> None:
        """Give a model of the user's another name; ends with `renamed`."""
        self.run(partial(rename_model, key, name), lambda model: self.renamed.emit(key, model.key), writes=True)

    def remove(self, key: str) -> None:
        """Delete a model of the user's; ends with `removed`."""
        self.run(partial(remove_model, key), lambda _: self.removed.emit(key), writes=True)
