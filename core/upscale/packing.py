"""Archives of results: what an archive's pictures became, packed as that was, with all else that is in it. Plain.

Results are written, recorded and resumed like all others, in a folder of the journal's own; an archive is made of them
when the last one is there. It has its name only when it is whole.
"""

from __future__ import annotations

import re
import shutil
import time
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from core import archives
from core.atomic import replacing
from core.contract.cancel import CancelToken
from core.contract.upscale import ArchiveSaved, UpscaleRequest
from core.folders import is_left_out
from core.images import READABLE_SUFFIXES
from core.images.companions import is_companion
from core.language import ngettext
from core.upscale.folder_listing import natural
from core.upscale.journal import Journal
from core.upscale.plan import Plan
from core.upscale.result_names import Packing
from core.upscale.settings import to_toml

_COMIC_INFO = "comicinfo.xml"
_PAGE_FIGURES = re.compile(rb'\s(?:ImageWidth|ImageHeight|ImageSize)="[^"]*"')
"""What ComicRack notes of each page's file: all three may be left out."""
_MOST_INFO_BYTES = 1 << 24
_BLOCK = 1 << 20


def pack(packing: Packing, request: UpscaleRequest, settled: Plan, cancel: CancelToken) -> ArchiveSaved | None:
    """Make an archive of results, or put more of them into it, and record where they lie now.

    Args:
        packing: which, and where.
        request: whose results they are.
        settled: the plan of that.
        cancel: asked before each file.

    Returns:
        What became of them; None where the archive is there already, or there is nothing to pack.

    Raises:
        Cancelled: as `cancel.check`.
        OSError, UserError: it cannot be written; the results stay, and the next run packs them.
    """
    target = packing.output
    made = {each.output for each in settled.done if archives.archive_of(each.source) == packing.source} - {
        packing.source
    }
    kept = {path for path in made if path.is_relative_to(target)}
    fresh = {target / path.relative_to(packing.unpacked): path for path in _files(packing.unpacked)}
    elsewhere = [path for path in made - kept if not path.is_relative_to(packing.unpacked)]
    fresh |= {target / _place_of(path, packing, settled): path for path in elsewhere}
    if not fresh:
        return None
    journal = Journal(packing.journal)
    journal.begin(to_toml(request))
    try:
        results = {new: old for new, old in fresh.items() if journal.is_untouched(old)}
        contents = _contents(packing, journal, results.values()) | fresh
        if not results:
            # Nothing but what killed runs have left.
            return None
        journal.announce_move(*next((old, new) for new, old in results.items()))
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            write_archive(temporary, target, contents, cancel)
        journal.complete_moves(results)
    finally:
        journal.end()
    shutil.rmtree(packing.unpacked, ignore_errors=True)
    with suppress(OSError):
        packing.unpacked.parent.rmdir()
    pictures = sum(path.suffix.lower() in READABLE_SUFFIXES for path in contents)
    moved = tuple((old, new) for new, old in results.items())
    return ArchiveSaved(packing.source, target, moved, pictures, _notes(packing, settled, results))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not is_left_out(path.name)]


def _place_of(result: Path, packing: Packing, settled: Plan) -> Path:
    """Where in the archive a result goes that was made for a folder."""
    source = next(each.source for each in settled.done if each.output == result)
    return source.relative_to(packing.source).parent / result.name


def _contents(packing: Packing, journal: Journal, results: Iterable[Path]) -> dict[Path, Path]:
    """What stays of an archive when these results come, and what else is in the first one: by where it goes where it
    is."""
    target = packing.output
    contents = {}
    for name, member in archives.list_archive(packing.source).members.items():
        path = packing.source / name
        is_picture = path.suffix.lower() in READABLE_SUFFIXES or is_companion(path)
        if not is_picture and not any(map(is_left_out, name.split("/"))) and member.info.file_size:
            contents[target / name] = path
    if target.exists():
        of = journal.results_in(target)
        done_again = {made_of[0] for each in results if (made_of := journal.made_of(each)) is not None}
        for name in archives.list_archive(target).members:
            path = target / name
            # Nothing of a picture that is there no more, or is there anew.
            if path not in of or (of[path] not in done_again and archives.exists(of[path])):
                contents[path] = path
    return contents


def write_archive(temporary: Path, target: Path, contents: dict[Path, Path], cancel: CancelToken) -> None:
    """Put files into a ZIP in natural order.

    Args:
        temporary: the archive.
        target: the folder that it stands for, to which names in it are relative.
        contents: for each path below `target` the file that has its content.
        cancel: asked at every file.

    Raises:
        Cancelled: as `cancel.check`.
        OSError: a file cannot be read, or the disk is full.
    """

    def order(path: Path) -> list[list[tuple[int, int | str]]]:
        return [natural(part) for part in path.relative_to(target).parts]

    # Pictures are packed already; to pack them once more takes long and gains nothing.
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as container:
        for path in sorted(contents, key=order):
            cancel.check()
            source = contents[path]
            size = (archives.stamp_of(source) or (0, 0))[0]
            changed = time.localtime(archives.times_of(source)[1] / 1e9)[:6]
            info = zipfile.ZipInfo(path.relative_to(target).as_posix(), _in_range(changed))
            info.external_attr, info.file_size = 0o644 << 16, size
            with archives.opened(source) as file, container.open(info, "w", force_zip64=size >= 1 << 31) as packed:
                if path.name.lower() == _COMIC_INFO and size <= _MOST_INFO_BYTES:
                    packed.write(_PAGE_FIGURES.sub(b"", file.read()))
                else:
                    shutil.copyfileobj(file, packed, _BLOCK)


def _in_range(moment: tuple[int, ...]) -> tuple[int, int, int, int, int, int]:
    """A time that an archive can note: from 1980 to 2107."""
    year, month, day, hour, minute, second = moment
    if year < 1980:
        return 1980, 1, 1, 0, 0, 0
    return (year, month, day, hour, minute, second) if year < 2108 else (2107, 12, 31, 23, 59, 58)


def _notes(packing: Packing, settled: Plan, results: dict[Path, Path]) -> tuple[str, ...]:
    # A result may have got another name on the way; so only their number is compared.
    wanted = sum(task.packed is not None and task.packed.is_relative_to(packing.output) for task in settled.tasks)
    waiting = sum(each.output.is_relative_to(packing.unpacked) for each in settled.done)
    elsewhere = len([new for new, old in results.items() if not old.is_relative_to(packing.unpacked)])
    refused = sum(archives.archive_of(each.source) == packing.source for each in settled.refused)
    missing = refused + max(0, wanted + waiting + elsewhere - len(results))
    if missing <= 0:
        return ()
    return (
        ngettext(
            "It lacks {count:,} picture that could not be done.",
            "It lacks {count:,} pictures that could not be done.",
            missing,
        ).format(count=missing),
    )
