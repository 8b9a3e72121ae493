"""The folders that were added, and the pictures met in them: what a watch has to know so as not to do them again."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path

from core.contract.upscale import Stamp


class AddedFolders:
    """Remembers also what was taken out of the queue since."""

    def __init__(self) -> None:
        self._folders: dict[Path, None] = {}
        self._met: dict[Path, Stamp | None] = {}

    @property
    def paths(self) -> tuple[Path, ...]:
        """The folders, in the order in which they were added."""
        return tuple(self._folders)

    def add(self, folders: Iterable[Path], recursive: bool) -> None:
        """Add folders; one that lies in another is searched with that one, and its results have their place there."""
        for folder in folders:
            if not (recursive and any(folder.is_relative_to(other) for other in self._folders)):
                self._folders[folder] = None

    def meet(self, pictures: Iterable[Path]) -> None:
        """Note pictures that a search found."""
        for picture in pictures:
            self._met.setdefault(picture, None)

    def stamp(self, pictures: Mapping[Path, Stamp]) -> None:
        """Note pictures as a watch has just taken them."""
        self._met |= pictures

    def known(self, waiting: Container[Path]) -> tuple[tuple[Path, Stamp | None], ...]:
        """The pictures that are no newcomers, but for those that wait to be done."""
        return tuple((path, stamp) for path, stamp in self._met.items() if path not in waiting)

    def clear(self) -> None:
        """Forget all folders and pictures."""
        self._folders.clear()
        self._met.clear()
