"""What the results of a batch are called: each has a name of its own, and none takes that of another file. Plain."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core import archives, stores
from core.contract.upscale import Input, Size
from core.folders import real_path
from core.hashing import sha256_of
from core.images import Probe
from core.images.decode import shown
from core.language import gettext as _
from core.names import fitting_name, free_path
from core.upscale.cuts import alike
from core.upscale.journal import Journal
from core.upscale.text_tables import TextSet


@dataclass(frozen=True, slots=True)
class Packing:
    """How the results of an archive's pictures become an archive again."""

    source: Path
    """The archive that they are from."""
    output: Path
    """The archive that they go into."""
    unpacked: Path
    """A folder of this run's own, where results lie until all of them can be packed."""
    journal: Path
    """The folder whose journal knows them."""


@dataclass(slots=True)
class Placement:
    """A picture with the place that its result should have, before it is known what is there."""

    input: Input
    probe: Probe
    format: str
    size: Size
    folder: Path
    journal_folder: Path
    stem: str
    suffix: str
    notes: list[str] = field(default_factory=list)
    pictures: int = 1
    copied: bool = False
    packing: Packing | None = None

    @property
    def output(self) -> Path:
        """Where the result should lie."""
        return self.folder / fitting_name(self.stem, self.suffix)


class NameInDoubt(Exception):  # noqa: N818 - it is an answer, not an error
    """What a result replaces may be that of a picture that is still to be found."""


class ResultNames:
    """Gives names to the results of one batch, all of them, or those of one portion, before the first is made."""

    def __init__(self, sources: Iterable[Path] = ()) -> None:
        """No result gets the name of one of `sources`."""
        self._folders: dict[Path, str] = {}
        self._sources = TextSet()
        self._expected = TextSet()
        self._promised = TextSet()
        self._lately: set[str] = set()
        """Names that were promised since `keep`."""
        self._there: dict[Path, bool] = {}
        """Whether something has these names in stores, where to ask takes long."""
        self.add_sources(sources)

    def add_sources(self, sources: Iterable[Path]) -> None:
        """Let no result have the name of one of these either."""
        for source in sources:
            self._sources.add(self._key(source))

    def expect_sources(self, sources: Iterable[Path]) -> None:
        """Nor of one of these, which are to be found."""
        for source in sources:
            self._expected.add(self._key(source))

    def forget_folders(self) -> None:
        """Ask the disk anew, as what was found out of the folders and names of one portion is of no use for another."""
        self._folders.clear()
        self._there.clear()

    def real_folder(self, folder: Path) -> str:
        """Where a folder leads, through links; the disk is asked once for each."""
        real = self._folders.get(folder)
        if real is None:
            real = self._folders[folder] = real_path(folder)
        return real

    def part(self, placements: Sequence[Placement]) -> None:
        """Part results that would have one name: `a.jpg` and `a.png` as PNG become `a_jpg.png` and `a.png`."""
        for group in self._colliding(placements):
            for placement in group:
                old = placement.input.path.suffix
                if old.lower() != placement.suffix.lower():
                    placement.stem = f"{placement.stem}_{old[1:]}" if len(old) > 1 else f"{placement.stem}_"
        for group in self._colliding(placements):
            wanted: set[str] = set()
            for placement in group:
                free = free_path(placement.output, lambda path: self._key(path) in wanted)  # noqa: B023 - used at once
                placement.stem = free.name.removesuffix(placement.suffix)
                wanted.add(self._key(free))

    def promise(self, result: Path) -> None:
        """Give this name away: the result is there already."""
        self._lately.add(self._key(result))

    def is_promised(self, result: Path) -> bool:
        """Whether a result has this name."""
        return (key := self._key(result)) in self._lately or key in self._promised

    def keep(self) -> None:
        """Let all that was promised be so for good."""
        for key in self._lately:
            self._promised.add(key)
        self._lately.clear()

    def withdraw(self) -> None:
        """Take back what was promised since `keep`."""
        self._lately.clear()

    def choose(
        self, placement: Placement, replacing: Journal | None, *, knows_all: bool = True
    ) -> tuple[Path, tuple[str, ...]]:
        """Give a result its name, or that with the first free number.

        With a journal, what it says was made by an earlier run is replaced, unless it is the result of another picture
        that is still there and that this run does not do: of `a.jpg`, as PNG, where `a.png` came later.

        Args:
            placement: the result.
            replacing: the journal.
            knows_all: whether no more pictures are to be found.

        Returns:
            Where it goes, and a note where that is not where it should have gone.

        Raises:
            NameInDoubt: that depends on the pictures that are still to be found.
        """

        def taken(path: Path) -> bool:
            # Never replace a source, nor what this run makes or has found done.
            if self.is_reserved(path):
                return True
            if not self._lies_there(path):
                return False
            if replacing is None or not replacing.made(path):
                return True
            if not knows_all and (path != placement.output or self._may_be_of_another(path, replacing)):
                raise NameInDoubt
            return self._another_has(path, placement, replacing)

        free = free_path(placement.output, taken)
        self.promise(free)
        return free, note_of(free, placement.output, replacing=replacing is not None)

    def look_at(self, path: Path) -> None:
        """Find out whether something has this name in a store; by any thread.

        Raises:
            OSError: the store could not be asked.
        """
        self._there[path] = path.exists()

    def _lies_there(self, path: Path) -> bool:
        if not stores.is_store(path):
            return os.path.lexists(path)
        return self._there[path] if path in self._there else path.exists()

    def is_reserved(self, path: Path) -> bool:
        """Whether this is the name of a source, or was given away."""
        key = self._key(path)
        return key in self._sources or key in self._expected or self.is_promised(path)

    def _may_be_of_another(self, path: Path, journal: Journal) -> bool:
        """Whether a result was ever made of a picture that is there but has not been found yet."""
        makers = journal.makers_of(path)
        return any(self._key(maker) not in self._sources and archives.exists(maker) for maker in makers)

    def _another_has(self, path: Path, placement: Placement, journal: Journal) -> bool:
        made_of = journal.made_of(path)
        if made_of is None:
            return False
        maker, sha256 = made_of
        if self.is_reserved(maker) or not archives.exists(maker):
            return False
        try:
            # A copy elsewhere is the same picture.
            return sha256_of(placement.input.path) != sha256
        except OSError:
            return True

    def _colliding(self, placements: Sequence[Placement]) -> list[list[Placement]]:
        # Nearly all have names of their own, which need not be kept.
        met = TextSet()
        shared = {key for placement in placements if not met.add(key := self._key(placement.output))}
        groups: dict[str, list[Placement]] = defaultdict(list)
        for placement in placements if shared else ():
            key = self._key(placement.output)
            if key in shared:
                groups[key].append(placement)
        return list(groups.values())

    def _key(self, path: Path) -> str:
        """Equal for what some file system takes for one: through links, by case, or by how accents are composed.

        The folder is resolved, the name is not: a result replaces a link, not what the link leads to.
        """
        return alike(f"{self.real_folder(path.parent)}/{path.name}")


def note_of(free: Path, wanted: Path, *, replacing: bool = False) -> tuple[str, ...]:
    """What to say of a result whose wanted name was taken; nothing where it was not.

    Args:
        free: its path.
        wanted: the path that it should have had.
        replacing: whether earlier results are replaced, which this one then was not.
    """
    if free == wanted:
        return ()
    words = (
        _("Named {free}, as {wanted} already exists and is not an earlier result of it.")
        if replacing
        else _("Named {free}, as {wanted} already exists.")
    )
    return (words.format(free=shown(free), wanted=shown(wanted)),)
