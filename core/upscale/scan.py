"""Find the pictures in files and folders. Plain."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

from core import archives, stores
from core.atomic import PART_SUFFIX
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.upscale import Input
from core.folders import is_left_out, real_path
from core.images import FORMATS, READABLE_SUFFIXES
from core.images.decode import shown
from core.language import gettext as _
from core.language import listed, ngettext
from core.upscale.cuts import alike, are_apart, safe_cuts, stem_and_suffix
from core.upscale.folder_listing import FolderListing, natural
from core.upscale.journal import results_of_sources_in
from core.upscale.text_tables import TextSet


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file, folder or archive that was named, or met, and cannot be searched."""

    path: Path
    error: UserError


@dataclass(frozen=True, slots=True)
class Named:
    """A file, folder or archive that was named."""

    path: Path
    root: Path | None
    """The folder, or archive, that its pictures are found in; None for a file by itself."""
    kind: Literal["file", "folder", "archive"]

    @property
    def is_searched(self) -> bool:
        """Whether it is a folder or an archive."""
        return self.kind != "file"


class Cut(Enum):
    """A place among what is found where one portion of a batch may end, and the next begin."""

    HERE = 0


class Cuts(Enum):
    """Where `scan_with_cuts` says so."""

    NOWHERE = 0
    BETWEEN_FOLDERS = 1
    ANYWHERE = 2


def scan(
    inputs: Iterable[Input],
    recursive: bool,
    cancel: CancelToken,
    leave_out: Path | None = None,
    passed_over: Counter[str] | None = None,
) -> Iterator[Input | Unusable]:
    """Every picture among `inputs`, in their folders and archives, each once, folders in natural order.

    A file that was named is taken whatever its suffix: its content decides later. In folders, only files with the
    suffix of a picture are taken; hidden ones, and those that an earlier run made of other pictures found here, are
    not. Links are followed, but no folder is searched twice. Archives are folders, and all in them is taken.

    Args:
        inputs: files and folders.
        recursive: also search the folders inside folders.
        cancel: asked at every entry.
        leave_out: a folder of results, which is not searched unless it is named.
        passed_over: counts the suffixes of files of other kinds that lie in the folders.

    Raises:
        Cancelled: as `cancel.check`.
    """
    found = scan_with_cuts(named_in(inputs), roots_in(inputs), recursive, cancel, leave_out, passed_over, Cuts.NOWHERE)
    for each in found:
        if not isinstance(each, Cut):
            yield each


def named_in(inputs: Iterable[Input]) -> Iterator[Named | Unusable]:
    """What the inputs are."""
    for given in inputs:
        path = stores.given(given.path)
        try:
            is_folder = path.is_dir()
        except OSError as error:  # a name that is too long, a network drive that is gone
            yield Unusable(
                path,
                UserError(
                    _("“{path}” could not be read: {strerror}.").format(path=shown(path), strerror=error.strerror),
                    _("Check the path."),
                ),
            )
            continue
        if is_folder:
            yield Named(path, path, "folder")
        elif archives.is_archive(path):
            yield Named(path, path, "archive")
        else:
            root = given.root if given.root is not None and path.is_relative_to(given.root) else None
            yield Named(path, root or archives.archive_of(path), "file")


def roots_in(inputs: Iterable[Input]) -> frozenset[Path]:
    """The places that the inputs name."""
    return frozenset(stores.given(given.path) for given in inputs)


def scan_with_cuts(
    named: Iterable[Named | Unusable],
    roots: Set[Path],
    recursive: bool,
    cancel: CancelToken,
    leave_out: Path | None,
    passed_over: Counter[str] | None,
    cuts: Cuts,
    before: Sequence[int] = (),
) -> Iterator[Input | Unusable | Cut]:
    """What `scan` finds, with the places at which it may be cut.

    On a disk no two results come to want one name, in one folder of results or in folders of which some file system
    takes two for one, if their pictures are on both sides of a cut. In a store, which lists millions as a stream, that
    is so but for names that differ only in case, in how accents are composed, or in what no file may be called.

    Args:
        named: what the inputs are, as `named_in` tells.
        roots: the places that they name.
        recursive: as those that follow, of `scan`.
        cancel: asked at every entry.
        leave_out: a folder of results, which is not searched unless it is named.
        passed_over: counts the suffixes of files of other kinds that lie in the folders.
        cuts: where a folder that is named may be cut.
        before: before which of the files that are named it may be cut, by their order; none without it.

    Raises:
        Cancelled: as `cancel.check`.
    """
    seen = TextSet()
    folder, real = Path(), ""
    files = 0
    for given in named:
        if isinstance(given, Unusable):
            yield given
            continue
        path = given.path
        may_cut = files >= len(before) or bool(before[files])
        inside = cuts if may_cut else Cuts.NOWHERE
        if may_cut and cuts is not Cuts.NOWHERE:
            yield Cut.HERE
        if not given.is_searched:
            files += 1
            found: Iterator[Input | Unusable | Cut] = iter([Input(path, given.root)])
        elif isinstance(path, stores.StorePath):
            found = _listed(path, roots, recursive, leave_out, passed_over, inside)
        elif given.kind == "folder":
            found = _search(path, roots, recursive, cancel, leave_out, passed_over, inside)
        else:
            made = TextSet()
            _add_results(made, roots, path.parent)
            found = _unpacked(path, path, made, passed_over)
        for each in found:
            cancel.check()
            if not isinstance(each, Input):
                yield each
                continue
            # The folder is resolved, the name is not: two links in one folder are two pictures there.
            if each.path.parent != folder:
                folder = each.path.parent
                real = real_path(folder)
            key = f"{real}/{each.path.name}"
            if seen.add(key if stores.is_store(each.path) else os.path.normcase(key)):
                yield each


def _search(
    root: Path,
    roots: Set[Path],
    recursive: bool,
    cancel: CancelToken,
    leave_out: Path | None,
    passed_over: Counter[str] | None,
    cuts: Cuts,
) -> Iterator[Input | Unusable | Cut]:
    avoided = real_path(leave_out) if leave_out is not None else None
    visited, made = TextSet(), TextSet()
    # Folders that are to be searched by where they lie: of millions their names take the least.
    waiting: list[tuple[Path, list[str], Cuts]] = [(root, [""], cuts)]
    while waiting:
        cancel.check()
        parent, names, cuts = waiting[-1]
        if not names:
            waiting.pop()
            continue
        folder = parent / names.pop()
        real = real_path(folder)
        if (real == avoided and folder != root) or not visited.add(real):
            continue
        try:
            listing = FolderListing(folder, cancel.check)
        except OSError as error:
            yield Unusable(folder, _unreadable(folder, error))
            continue
        _add_results(made, roots, folder)
        with listing:
            if cuts is not Cuts.NOWHERE:
                yield Cut.HERE
                if recursive and not are_apart(_folders_of_results(folder, listing)):
                    cuts = Cuts.NOWHERE
            safe = iter(safe_cuts(_Pictures(listing)) if cuts is Cuts.ANYWHERE else b"")
            folders = []
            for name, is_folder in listing:
                path = folder / name
                if is_folder:
                    folders.append(name)
                elif _is_named_as_picture(name):
                    if next(safe, False):
                        yield Cut.HERE
                    if not _is_in(made, path):
                        yield Input(path, root)
                elif recursive and archives.is_archive(path):
                    yield from _unpacked(path, root, made, passed_over)
                elif passed_over is not None and path.suffix not in _COMPANIONS and not _is_in(made, path):
                    passed_over[path.suffix.lower()] += 1
        if recursive:
            waiting.append((folder, folders[::-1], cuts))


class _Pictures:
    """The names of pictures in a folder, as often as they are asked for."""

    def __init__(self, listing: FolderListing) -> None:
        self._listing = listing

    def __iter__(self) -> Iterator[str]:
        return (name for name, is_folder in self._listing if not is_folder and _is_named_as_picture(name))


def _add_results(made: TextSet, roots: Set[Path], folder: Path) -> None:
    for result in results_of_sources_in(roots, folder):
        made.add(str(result))


def _is_in(made: TextSet, path: Path) -> bool:
    return len(made) > 0 and str(path) in made


def _is_named_as_picture(name: str) -> bool:
    suffix = stem_and_suffix(name)[1]
    return suffix.lower() in READABLE_SUFFIXES and suffix != PART_SUFFIX


def _folders_of_results(folder: Path, listing: FolderListing) -> Iterator[str]:
    """What the folders are called that the results of what is in a folder go into."""
    for name, is_folder in listing:
        if is_folder:
            yield name
        elif stem_and_suffix(name)[1].lower() in archives.ARCHIVE_SUFFIXES:
            yield folder_name_for(folder / name)


def folder_name_for(archive: Path) -> str:
    """What the folder of the results of an archive is called that lies in a folder."""
    # A folder or another archive of that name has its results there.
    others = (archive.with_suffix(suffix) for suffix in ("", *sorted(archives.ARCHIVE_SUFFIXES)))
    is_alone = not any(other != archive and other.exists() for other in others)
    return archive.stem if is_alone else archive.name


def _listed(
    root: stores.StorePath,
    roots: Set[Path],
    recursive: bool,
    leave_out: Path | None,
    passed_over: Counter[str] | None,
    cuts: Cuts,
) -> Iterator[Input | Unusable | Cut]:
    """The pictures below a folder of a store, in the store's own order."""
    avoided = stores.given(leave_out) if leave_out is not None else None
    made = TextSet()
    folder: Path | None = None
    stem = ""
    try:
        for path in stores.listed(root, recursive):
            if isinstance(path, OSError):
                yield Unusable(
                    Path(str(path.filename)),
                    UserError(_("“{path}” is no path: {why}.").format(path=path.filename, why=path.strerror)),
                )
                continue
            if avoided is not None and avoided != root and path.is_relative_to(avoided):
                continue
            if path.parent != folder:
                folder = path.parent
                made = TextSet()
                _add_results(made, roots, folder)
                stem = ""
            # All that begins alike follows each other, whatever the folder.
            if cuts is not Cuts.NOWHERE and alike(begin := path.name.partition(".")[0]) != stem:
                if cuts is Cuts.ANYWHERE or not stem:
                    yield Cut.HERE
                stem = alike(begin)
            suffix = path.suffix.lower()
            if _is_in(made, path):
                continue
            if suffix in READABLE_SUFFIXES and suffix != PART_SUFFIX:
                yield Input(path, root)
            elif passed_over is not None and suffix not in _COMPANIONS:
                passed_over[suffix] += 1
    except OSError as error:
        yield Unusable(root, _unreadable(root, error))


def _unpacked(archive: Path, root: Path, made: TextSet, passed_over: Counter[str] | None) -> Iterator[Input | Unusable]:
    """The pictures in an archive that are none of those made before, in natural order, then what it has that is not
    opened."""
    try:
        listing = archives.list_archive(archive)
    except UserError as error:
        yield Unusable(archive, error)
        return
    for name in sorted(listing.members, key=lambda name: [natural(part) for part in name.split("/")]):
        path = archive / name
        if any(map(is_left_out, name.split("/"))) or _is_in(made, path):
            continue
        if path.suffix.lower() in READABLE_SUFFIXES:
            yield Input(path, root)
        elif passed_over is not None and path.suffix not in _COMPANIONS:
            passed_over[path.suffix.lower()] += 1
    for refusal in listing.refused:
        yield Unusable(archive, refusal)


_COMPANIONS = frozenset({PART_SUFFIX, ".xmp", ".prj", ".wld", ".tfw", ".jgw", ".pgw", ".xml"})
"""What belongs to a picture and is no kind of its own."""
_MOST_KINDS = 5


def in_words(passed_over: Counter[str]) -> str | None:
    """What a folder holds beside pictures that can be read: a sentence, or None for nothing."""
    total = passed_over.total()
    if not total:
        return None
    missing = {suffix for row in FORMATS.values() if not row.can_read for suffix in row.suffixes}
    kinds = []
    for suffix, count in passed_over.most_common(_MOST_KINDS):
        name = suffix[1:].upper() or _("without a suffix")
        words = _("{count:,} {name} without its reader") if suffix in missing else _("{count:,} {name}")
        kinds.append(words.format(count=count, name=name))
    others = total - sum(count for _suffix, count in passed_over.most_common(_MOST_KINDS))
    if others:
        kinds.append(_("{count:,} more").format(count=others))
    words = ngettext(
        "{count:,} file of another kind was passed over: {kinds}.",
        "{count:,} files of other kinds were passed over: {kinds}.",
        total,
    )
    return words.format(count=total, kinds=listed(kinds))


def _unreadable(folder: Path, error: OSError) -> UserError:
    if isinstance(error, PermissionError):
        return UserError(
            _("The folder “{folder}” may not be read.").format(folder=shown(folder)),
            _("Ask its owner for permission to read it."),
        )
    return UserError(
        _("The folder “{folder}” could not be read: {strerror}.").format(folder=shown(folder), strerror=error.strerror),
        stores.hint_for(folder),
    )
