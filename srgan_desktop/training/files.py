"""Reading, copying and deleting the user's training runs off the main thread: the log of a long run takes a while."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core import paths
from core.contract.errors import UserError
from core.language import gettext as _
from srgan_desktop.background import Lane
from srgan_desktop.training.runs import RunRecord, install_model, read_run, read_runs, rename_run


class RunFiles(Lane):
    """Does what is asked in that order; each request ends with a signal of its own or with `failed`."""

    listed = Signal(object)
    """A list of `RunRecord` without curves, the newest first."""
    opened = Signal(object)
    """A `RunRecord` with its curves."""
    installed = Signal(str)
    """Key of a model that can now be used."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("run files", parent)
        self.runs: list[RunRecord] = []
        """What was listed last."""

    def reload(self) -> None:
        """Look which runs there are; ends with `listed`."""
        self.run(partial(read_runs, paths.user_runs()), self._on_listed)

    def open(self, folder: Path) -> None:
        """Read one with its curves; ends with `opened`."""
        self.run(partial(read_run, folder), self.opened.emit)

    def install(self, record: RunRecord) -> None:
        """Copy a run's model, where it has one, among the user's own; ends with `installed`."""
        if record.model is not None:
            self.run(partial(install_model, record.model), self.installed.emit, writes=True)

    def delete(self, folder: Path) -> None:
        """Delete a run's folder for good, then list what is left."""
        self.run(partial(delete_run_folder, folder, paths.user_runs()), self._on_listed, writes=True)

    def rename(self, folder: Path, name: str) -> None:
        """Call a run otherwise, then list all; its folder and its model keep their names."""
        self.run(partial(_rename, folder, name, paths.user_runs()), self._on_listed, writes=True)

    def _on_listed(self, runs: list[RunRecord]) -> None:
        self.runs = runs
        self.listed.emit(runs)


def _rename(folder: Path, name: str, root: Path) -> list[RunRecord]:
    rename_run(folder, name)
    return read_runs(root)


def delete_run_folder(folder: Path, root: Path) -> list[RunRecord]:
    """Delete a run's folder for good.

    Args:
        folder: directly in `root`.
        root: of all runs.

    Returns:
        The runs that are left.

    Raises:
        UserError: it is no run of ours.
    """
    # Nothing but a run of ours is ever deleted, whatever a link or a caller's mistake may say.
    if folder.parent != root or folder.is_symlink() or not (folder / "recipe.toml").is_file():
        raise UserError(
            _("{folder} is not a run of this program.").format(folder=folder), _("Delete it in the file manager.")
        )
    shutil.rmtree(folder)
    return read_runs(root)
