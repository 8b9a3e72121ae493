"""The user's runs, read, copied and deleted on a thread of its own: a long run's log takes a while."""

from __future__ import annotations

import shutil
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core import paths
from core.contract.errors import UserError
from srgan_desktop.errands import Errands
from srgan_desktop.training.runs import RunRecord, install_model, read_run, read_runs


class Archive(Errands):
    """Asked from the main thread; answers come in the order of the questions."""

    listed = Signal(object)
    """A list of `RunRecord` without curves, the newest first."""
    opened = Signal(object)
    """A `RunRecord` with its curves."""
    installed = Signal(str)
    """Key of a model that can now be used."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("archive", parent)

    def list(self) -> None:
        """Look which runs there are; ends with `listed`."""
        root = paths.user_runs()
        self._read(lambda: read_runs(root), self.listed.emit)

    def open(self, folder: Path) -> None:
        """Read one with its curves; ends with `opened`."""
        self._read(lambda: read_run(folder), self.opened.emit)

    def install(self, model: Path) -> None:
        """Copy a model among the user's own; ends with `installed` or `failed`."""
        self._write(lambda: install_model(model), self.installed.emit)

    def delete(self, folder: Path) -> None:
        """Delete a run's folder for good, then list what is left."""
        root = paths.user_runs()
        self._write(lambda: _delete(folder, root), self.listed.emit)


def _delete(folder: Path, root: Path) -> list[RunRecord]:
    # Nothing but a run of ours is ever deleted, whatever a link or a caller's mistake may say.
    if folder.parent != root or folder.is_symlink() or not (folder / "recipe.toml").is_file():
        raise UserError(f"{folder} is no run of this program.", "Delete it in the file manager.")
    shutil.rmtree(folder)
    return read_runs(root)
