"""Whether a batch may be planned in portions, and where what was named may be cut. Plain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core import archives, stores
from core.contract.upscale import UpscaleRequest
from core.folders import real_path
from core.upscale.cuts import alike, are_apart, safe_cuts
from core.upscale.scan import Cuts, Named


@dataclass(frozen=True, slots=True)
class CutPlaces:
    """Where a batch may be cut."""

    inside: Cuts = Cuts.NOWHERE
    """In each folder that is searched."""
    before: bytes | bytearray = b""
    """Before which of the files that are named, by their order: 1 where it may be, else 0. A folder that is named
    between two of them may be cut where it may be cut before the second."""


NOWHERE = CutPlaces()


def cut_places(request: UpscaleRequest, named: Iterable[Named], output_roots: Mapping[Path, Path]) -> CutPlaces:
    """Where results on both sides never come to want one name, and none is met as a picture.

    Args:
        request: the batch.
        named: its inputs.
        output_roots: for each folder or archive that pictures come from, where its results go.
    """
    output = None if request.output is None else stores.given(request.output)
    # What becomes one archive is packed when all of it is there. What is in a store is asked for one by one.
    if request.archives == "archive" or (request.existing == "replace" and _is_in_store(output, output_roots)):
        return NOWHERE
    folders = [each.path for each in named if each.is_searched]
    files = [each for each in named if not each.is_searched]
    alone = {each.path.parent for each in files if each.root is None}
    if any(stores.is_store(each.path) or archives.archive_of(each.path) for each in files):
        return NOWHERE
    if output is None:
        if _meet(output_roots, folders, alone):
            return NOWHERE
    elif _are_below({real_path(output)}, [*folders, *(each.path.parent for each in files)]):
        # A folder of results in that of the sources is not searched; the other way round they may lie side by side.
        return NOWHERE
    elif alone and len(output_roots) == 1 and folders:
        # All of it goes into one folder.
        return NOWHERE
    searched = set(folders)
    if any(each.root in searched for each in files) or not are_apart(map(str, output_roots.values())):
        return NOWHERE
    if request.result_name:
        # A pattern may give one name to pictures that have nothing in common.
        return CutPlaces(Cuts.BETWEEN_FOLDERS, bytes([1, *bytes(len(files) - 1)]) if files else b"")
    return CutPlaces(Cuts.ANYWHERE, safe_cuts(_in_one_folder(files, output, output_roots)))


def _is_in_store(output: Path | None, output_roots: Mapping[Path, Path]) -> bool:
    return any(map(stores.is_store, [*output_roots.values(), *([] if output is None else [output])]))


def _meet(output_roots: Mapping[Path, Path], folders: list[Path], alone: set[Path]) -> bool:
    """Whether results that go beside their sources may come to lie in a folder of pictures, or of other results."""
    searched = {real_path(each) for each in folders}
    results = {real_path(each) for each in output_roots.values()}
    # Those of a file that was found in no folder lie beside it.
    return (
        len(results) < len(output_roots)
        or _are_below(searched, [*output_roots.values(), *alone])
        or _are_below(results, [*output_roots, *alone])
        or any(_is_below(results, Path(each).parent) for each in results)
    )


def _are_below(folders: set[str], paths: Iterable[Path]) -> bool:
    return any(_is_below(folders, path) for path in dict.fromkeys(paths))


def _is_below(folders: set[str], path: Path) -> bool:
    """Whether a path leads to one of these real folders, or into it."""
    real = Path(real_path(path))
    return any(str(each) in folders for each in (real, *real.parents))


def _in_one_folder(files: list[Named], output: Path | None, output_roots: Mapping[Path, Path]) -> list[str]:
    """What `safe_cuts` compares of files whose results go into several folders: the names, each with that folder."""
    begins: dict[tuple[Path | None, Path], str] = {}
    names = []
    for each in files:
        parent = each.path.parent
        begin = begins.get((each.root, parent))
        if begin is None:
            inner = "" if each.root is None else parent.relative_to(each.root)
            folder = (output or parent if each.root is None else output_roots[each.root]) / inner
            begin = begins[each.root, parent] = alike(f"{real_path(folder)}/")
        name = each.path.name
        # No dot of the folder, nor one at a name's begin or end, is before a suffix.
        names.append(f"{begin}{name}" if 0 < name.rfind(".") < len(name) - 1 else f"{begin}{name}.")
    return names
