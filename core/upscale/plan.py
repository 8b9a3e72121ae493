"""What a batch will do, settled before it touches anything: what goes where, what is done, what cannot be. Plain."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import psutil

from core import archives, stores
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.settings import ExistingPolicy, UpscaleSettings, check_settings
from core.contract.upscale import Input, Size, UpscaleRequest
from core.folders import real_path
from core.images import FORMATS, Probe, choose_format, probe, suffix_for
from core.images.decode import shown
from core.language import gettext as _
from core.language import shown_number
from core.models.catalogue import AUTOMATIC, DEFAULT_MODEL, Model, find_model, mix_for
from core.names import free_folder, free_path, portable_name
from core.upscale.journal import FOLDER, Journal
from core.upscale.pass_sizes import pass_sizes
from core.upscale.result_names import Packing, Placement, ResultNames
from core.upscale.scan import Unusable, in_words, scan
from core.upscale.settings import fingerprint_of

BYTES_PER_PIXEL = {
    "png": 1.6,
    "jpeg": 0.7,
    "webp": 0.5,
    "tiff": 2.2,
    "avif": 0.4,
    "jxl": 0.6,
    "gif": 0.7,
    "tga": 2.5,
    "dds": 1.4,
    "pnm": 3.0,
    "pfm": 12.0,
    "hdr": 3.5,
    "qoi": 1.8,
    "dicom": 3.0,
}
"""What 8-bit colour photographs take at the default quality: for the check of free space, which warns before it
refuses."""
SPACE_MARGIN = 0.5
"""Share of the estimated space that must be free; flat pictures take far less than the estimate."""

MOST_SCALE = 16
"""The largest scale of a network that the estimate of memory believes."""
MEMORY_COPIES = 3
"""How often a result lies in memory at its peak: as pixels, as what is being written, and as a working copy."""
UNPACKED = "unpacked"
"""The folder beside a journal where results lie until they are packed."""
REDUCTION_COPIES = 3
"""Likewise what the network makes, where it is larger than the result and lies beside it: itself, and what the
reduction works on. Measured at 8 bits, with `resize`: 2.4."""
DEEP_REDUCTION_COPIES = 4
"""The same at 16 bits, whose reduction works on floats: 3.6."""


@dataclass(frozen=True, slots=True)
class Task:
    """A picture to upscale."""

    source: Path
    output: Path
    journal: Path
    """The folder whose journal the result goes into."""
    probe: Probe
    size: Size
    """What the result has."""
    format: str
    """A key of `FORMATS`."""
    notes: tuple[str, ...] = ()
    root: Path | None = None
    """The folder that the source was found in."""
    pictures: int = 1
    """How many pages or frames are done."""
    copied: bool = False
    """Whether the source itself is the result, as it is large enough."""
    packed: Path | None = None
    """Where the result ends up in an archive, once that is packed."""

    @property
    def pixels(self) -> int:
        """How many the result has."""
        return self.size[0] * self.size[1] * self.pictures

    @property
    def pictures_in_words(self) -> str:
        """`12 pages`, `40 frames`, or nothing for a single picture."""
        return f"{shown_number(self.pictures, ',')} {FORMATS[self.probe.format].several}" if self.pictures > 1 else ""

    @property
    def final(self) -> Path:
        """Where the result is to be found in the end."""
        return self.packed or self.output


@dataclass(frozen=True, slots=True)
class Done:
    """A picture whose result is there already, or that is large enough, and so is its own."""

    source: Path
    output: Path
    consistency: float | None = None
    """What `FileSaved.consistency` said, where it is known."""
    reason: str = _("Already made, with the same settings, from the same picture.")


@dataclass(frozen=True, slots=True)
class RefusedInput:
    """A picture, or a folder, that cannot be done."""

    source: Path
    error: UserError


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a batch, in the order in which it will be done."""

    tasks: tuple[Task, ...]
    done: tuple[Done, ...]
    refused: tuple[RefusedInput, ...]
    fingerprint: str
    """The settings fingerprint of all results."""
    warnings: tuple[str, ...] = ()
    packings: tuple[Packing, ...] = ()
    """What is to be packed: archives whose results become archives, too."""
    journals: Mapping[Path, Journal] = field(default_factory=dict, repr=False, compare=False)
    """What was read of the journals of output folders; whoever writes there goes on with that."""


def plan(request: UpscaleRequest, cancel: CancelToken) -> Plan:
    """Settle a batch without changing anything on any disk, or in any store.

    Raises:
        Cancelled: as `cancel.check`.
        UserError: nothing to do was given, the model is missing, a format cannot be written, or the results will not
            fit on the disk.
    """
    if not request.inputs:
        raise UserError(_("No picture was given."), _("Name files or folders."))
    if request.format != "same" and not (request.format in FORMATS and FORMATS[request.format].can_choose):
        writable = ", ".join(row.key for row in FORMATS.values() if row.can_choose)
        raise UserError(
            _("Pictures cannot be written as “{format}”.").format(format=request.format),
            _("Choose same, {writable}.").format(writable=writable),
        )
    check_settings(request)
    for store in _stores_of(request):
        stores.check_reachable(store)
    if request.output is not None:
        stores.check_reachable(_absolute(request.output))
    model = find_model(DEFAULT_MODEL if request.model == AUTOMATIC else request.model)
    fingerprint = fingerprint_of(request, model, mix_for(model, request.detail, request.clean_up))
    placements: list[Placement] = []
    refused: list[RefusedInput] = []
    large_enough: list[Done] = []
    passed_over: Counter[str] = Counter()
    found = list(scan(request.inputs, request.recursive, cancel, request.output, passed_over))
    roots = [each.root for each in found if isinstance(each, Input) and each.root is not None]
    output_roots = _output_roots(request, [*map(_absolute, request.roots), *roots])
    for each, header in stores.in_parallel(_with_header, found, lambda each: stores.is_store(each.path)):
        cancel.check()
        if isinstance(each, Unusable):
            refused.append(RefusedInput(each.path, each.error))
            continue
        try:
            if isinstance(header, UserError):
                raise header
            placement = _place(request, each, header, output_roots, model, fingerprint)
            if placement is None:
                large_enough.append(
                    Done(each.path, each.path, reason=_("It is larger than {size} already.").format(size=request.size))
                )
            else:
                placements.append(placement)
        except UserError as error:
            refused.append(RefusedInput(each.path, error))
    # A refused source is still somebody's picture, and must not be replaced.
    names = ResultNames(each.path for each in found)
    names.part(placements)
    journals: dict[Path, Journal] = {}
    tasks, done, unreadable, packings = _compare_with_disk(request, placements, fingerprint, names, journals, cancel)
    refused += unreadable
    done += large_enough
    others = in_words(passed_over)
    if not tasks and not done and not refused:
        given = ", ".join(f"“{shown(each.path)}”" for each in request.inputs[:3])
        hint = _("Name a folder with pictures, or the pictures themselves.")
        raise UserError(
            _("There is no picture in {given}.").format(given=given), f"{others} {hint}" if others else hint
        )
    warnings = (*((others,) if others else ()), *_check_space(tasks))
    return Plan(tuple(tasks), tuple(done), tuple(refused), fingerprint, warnings, packings, journals)


def _stores_of(request: UpscaleRequest) -> list[Path]:
    """A place in each bucket that pictures come from."""
    given = (stores.given(each.path) for each in request.inputs)
    return list({path.parts[:2]: path for path in given if stores.is_store(path)}.values())


def _with_header(each: Input | Unusable) -> tuple[Input | Unusable, Probe | UserError]:
    if isinstance(each, Unusable):
        return each, each.error
    try:
        return each, probe(each.path)
    except UserError as error:
        return each, error


def _output_roots(request: UpscaleRequest, roots: Iterable[Path]) -> dict[Path, Path]:
    """For each folder that was searched, the folder below which its tree is mirrored."""
    distinct = list(dict.fromkeys(roots))
    if request.output is None:
        for root in distinct:
            if stores.is_store(root) and len(root.parts) < 3:
                raise UserError(
                    _("There is no place beside the bucket “{root}”.").format(root=root),
                    _("Say with --output where results go."),
                )
        return {root: root.parent / f"{_folder_name(root) or 'disk'}_{request.size}" for root in distinct}
    output = _absolute(request.output)
    if len(distinct) == 1:
        return {distinct[0]: output}
    # Several trees go side by side; two of one name get a number.
    output_roots: dict[Path, Path] = {}
    taken: set[Path] = set()
    for root in distinct:
        output_roots[root] = free_folder(output / (_folder_name(root) or "disk"), taken.__contains__)
        taken.add(output_roots[root])
    return output_roots


def _folder_name(root: Path) -> str:
    """What the folder of an archive's results is called, or of those of a folder."""
    return root.stem if archives.is_archive(root) else root.name


def _within(root: Path, archive: Path) -> Path:
    """The folder of the results of an archive that lies somewhere in a folder, relative to that."""
    # A folder or another archive of that name has its results there.
    others = (archive.with_suffix(suffix) for suffix in ("", *sorted(archives.ARCHIVE_SUFFIXES)))
    is_alone = not any(other != archive and other.exists() for other in others)
    return archive.parent.relative_to(root) / (archive.stem if is_alone else archive.name)


def _packing(request: UpscaleRequest, archive: Path, root: Path, output_root: Path, fingerprint: str) -> Packing:
    output = None if request.output is None else _absolute(request.output)
    if stores.is_store(output_root):
        raise UserError(_("No archive is made in a store."), _("Choose a folder for each, with --archives folder."))
    if root != archive:
        target = output_root / archive.relative_to(root)
    elif output_root == output:
        target = output_root / archive.name
    else:
        target = output_root.with_name(f"{output_root.name}{archive.suffix}")
    if real_path(target) == real_path(archive):
        target = archive.with_name(f"{archive.stem}_{request.size}{archive.suffix}")
    journal = output or (target.parent if root == archive else output_root)
    key = hashlib.sha256(f"{os.path.relpath(archive, journal)}\n{fingerprint}".encode("utf-8", "surrogateescape"))
    return Packing(archive, target, journal / FOLDER / UNPACKED / key.hexdigest()[:16], journal)


def _place(
    request: UpscaleRequest,
    each: Input,
    header: Probe,
    output_roots: dict[Path, Path],
    model: Model,
    fingerprint: str,
) -> Placement | None:
    """None where the picture is large enough, and is to be left out."""
    target, pictures = target_of(request, header)
    size = request.size.of(header.width, header.height)
    copied = False
    is_large_enough = request.size.kind != "factor" and size[0] * size[1] < header.width * header.height
    if is_large_enough and request.larger != "shrink":
        if request.larger == "skip":
            return None
        copied, size, target = True, (header.width, header.height), header.format
    else:
        header = deepened(header, request, target)
        _check_size(each.path, header, size, target, model.card.scale)
    source = each.path
    # Several trees below one output folder keep one journal there.
    output = None if request.output is None else _absolute(request.output)
    packing = None
    archive = archives.archive_of(source)
    leaves_store = stores.is_store(source) and output is not None and not stores.is_store(output)
    is_foreign = archive is not None or leaves_store
    if each.root is not None and archive is not None:
        if request.archives == "archive":
            packing = _packing(request, archive, each.root, output_roots[each.root], fingerprint)
            folder, journal_folder = packing.unpacked, packing.journal
        else:
            inside = _within(each.root, archive) if each.root != archive else ""
            folder, journal_folder = output_roots[each.root] / inside, output or output_roots[each.root]
        folder = folder.joinpath(*map(portable_name, source.parent.relative_to(archive).parts))
    elif each.root is not None:
        inner = source.parent.relative_to(each.root).parts
        # What a store or an archive calls its files was never asked of this system.
        inner = tuple(map(portable_name, inner)) if is_foreign else inner
        folder = output_roots[each.root].joinpath(*inner)
        journal_folder = output or output_roots[each.root]
    else:
        folder = journal_folder = output or source.parent
    beside = real_path(folder) == real_path(source.parent)
    stem = f"{source.stem}_{request.size}" if beside else source.stem
    if request.result_name:
        stem = _named(request, source, model, header, size)
    if is_foreign:
        stem = portable_name(stem)
    suffix = source.suffix if copied else suffix_for(source.suffix, target)
    placement = Placement(each, header, target, size, folder, journal_folder, stem, suffix)
    placement.copied = copied
    placement.pictures = pictures
    placement.packing = packing
    asked = header.format if request.format == "same" else request.format
    if copied:
        placement.notes.append(_("Copied as it is, as it is larger than {size} already.").format(size=request.size))
    elif target != asked:
        why = (
            _("Saved as {label}, as {asked} cannot hold transparency.")
            if FORMATS[asked].can_write
            else _("Saved as {label}, as {asked} cannot be written.")
        )
        placement.notes.append(why.format(label=FORMATS[target].label, asked=FORMATS[asked].label))
    return placement


def _named(request: UpscaleRequest, source: Path, model: Model, header: Probe, size: Size) -> str:
    """The name of a result, without suffix, after the pattern."""
    return request.result_name.format(
        name=source.stem,
        model="auto" if request.model == AUTOMATIC else Path(model.key).stem,
        scale=f"{round(size[0] / header.width, 2):g}",
        size=request.size,
        width=size[0],
        height=size[1],
        folder=source.parent.name,
    )


def target_of(request: UpscaleSettings, header: Probe) -> tuple[str, int]:
    """The format of a result, and how many pages or frames it has."""
    target = choose_format(header, request.format)
    kind = FORMATS[header.format].several
    # Of animations PNG alone keeps 16 bits.
    is_lost = kind == "frames" and header.sixteen_bit and (header.format, target) != ("png", "png")
    if request.frames == "first" or header.frames == 1 or not kind or is_lost:
        return target, 1
    if request.format == "same":
        return header.format, header.frames
    return (target, header.frames) if FORMATS[target].several == kind else (target, 1)


def deepened(header: Probe, settings: UpscaleSettings, target: str) -> Probe:
    """What the header would say of a source that is as deep as its result shall be; frames are read in 8 bits."""
    animated = header.frames > 1 and FORMATS[header.format].several == "frames"
    if settings.depth == "16" and FORMATS[target].sixteen_bit and not animated:
        return replace(header, sixteen_bit=True)
    return header


def _absolute(path: Path) -> Path:
    return stores.given(path)


def _check_size(path: Path, header: Probe, size: Size, target: str, scale: int) -> None:
    longest = FORMATS[target].max_side
    if max(size) > longest:
        raise UserError(
            _(
                "“{path}” would become {width:,} x {height:,} pixels, but {label} holds at most {longest:,} a side."
            ).format(path=shown(path), width=size[0], height=size[1], label=FORMATS[target].label, longest=longest),
            _("Choose PNG or TIFF, or a smaller size."),
        )
    channels = 4 if header.alpha else 3
    # A stranger's card may state any scale: take it for one that networks have.
    scale = min(max(2, scale), MOST_SCALE)
    depth = 2 if header.sixteen_bit else 1
    result = size[0] * size[1] * channels * depth
    needed = result * MEMORY_COPIES
    passes = pass_sizes((header.width, header.height), size, scale)
    if passes and (made := (passes[-1][0] * scale, passes[-1][1] * scale)) != size:
        copies = DEEP_REDUCTION_COPIES if header.sixteen_bit else REDUCTION_COPIES
        needed = max(needed, result + made[0] * made[1] * 3 * depth * copies)
    memory = psutil.virtual_memory().total
    if needed > memory:
        raise UserError(
            _(
                "To make {width:,} x {height:,} pixels of “{path}” takes {needed:.0f} GB of memory; "
                "this machine has {memory:.0f} GB."
            ).format(width=size[0], height=size[1], path=shown(path), needed=needed / 2**30, memory=memory / 2**30),
            _("Choose a smaller size, or cut the picture into parts."),
        )


def _compare_with_disk(
    request: UpscaleRequest,
    placements: list[Placement],
    fingerprint: str,
    names: ResultNames,
    journals: dict[Path, Journal],
    cancel: CancelToken,
) -> tuple[list[Task], list[Done], list[RefusedInput], tuple[Packing, ...]]:
    """Which are done, which are to do, under which names; reads what journals it needs into `journals`."""
    done: list[Done] = []
    refused: list[RefusedInput] = []
    waiting: list[Placement] = []
    if request.existing != "number":
        folders = dict.fromkeys(placement.journal_folder for placement in placements)
        journals |= {folder: Journal(folder) for folder in folders}

    def look(placement: Placement) -> Path | OSError | None:
        """The result that is there already."""
        try:
            if request.existing == "number":
                made = None
            else:
                made = journals[placement.journal_folder].done(placement.input.path, placement.output, fingerprint)
            if made is None and stores.is_store(placement.output):
                names.look_at(placement.output)
            return made
        except OSError as error:
            return error

    # First find all that is done: a new result must not get the name of one of these.
    looks = stores.in_parallel(look, placements, lambda each: stores.is_store(each.folder))
    for placement, made in zip(placements, looks, strict=True):
        cancel.check()
        source = placement.input.path
        if isinstance(made, OSError):
            refused.append(
                RefusedInput(
                    source,
                    UserError(
                        _("“{source}” could not be read: {strerror}.").format(
                            source=shown(source), strerror=made.strerror
                        )
                    ),
                )
            )
            continue
        if request.existing != "number":
            # Replacing a result by an equal one would be for nothing; one that somebody changed is made again.
            in_archive = made is not None and archives.archive_of(made) is not None
            if (
                made is not None
                # Who wants a folder is not served by an archive.
                and (placement.packing is not None or not in_archive)
                and not names.is_promised(made)
                and (request.existing == "skip" or journals[placement.journal_folder].is_untouched(made))
            ):
                done.append(Done(source, made, journals[placement.journal_folder].consistency(made)))
                names.promise(made)
                continue
        waiting.append(placement)
    packings = _settled_packings(request, placements, waiting, done, names)
    tasks: list[Task] = []
    for placement in waiting:
        packing = None if placement.packing is None else packings[placement.packing]
        # What waits to be packed was left by a run of the same settings.
        replaces = request.existing == "replace" or packing is not None
        if replaces and placement.journal_folder not in journals:
            journals[placement.journal_folder] = Journal(placement.journal_folder)
        output, note = names.choose(placement, journals[placement.journal_folder] if replaces else None)
        notes = (*placement.notes, *note)
        tasks.append(
            Task(
                placement.input.path,
                output,
                placement.journal_folder,
                placement.probe,
                placement.size,
                placement.format,
                notes,
                placement.input.root,
                placement.pictures,
                placement.copied,
                None if packing is None else packing.output / output.relative_to(packing.unpacked),
            )
        )
    return tasks, done, refused, tuple(packings.values())


def _settled_packings(
    request: UpscaleRequest,
    placements: list[Placement],
    waiting: list[Placement],
    done: list[Done],
    names: ResultNames,
) -> dict[Packing, Packing]:
    """For each packing as it was wanted the one with a name that is free, or whose archive gets more."""
    settled: dict[Packing, Packing] = {}
    for wanted in dict.fromkeys(each.packing for each in placements if each.packing is not None):
        due = {each.input.path for each in waiting if each.packing == wanted}
        made = [each.output for each in done if archives.archive_of(each.source) == wanted.source]
        takes = partial(_takes, Journal(wanted.journal), wanted.source, request.existing, due, made)
        output = free_path(wanted.output, lambda path: names.is_reserved(path) or not takes(path))  # noqa: B023
        names.promise(output)
        settled[wanted] = replace(wanted, output=output)
    return settled


def _takes(
    journal: Journal, source: Path, existing: ExistingPolicy, due: set[Path], made: list[Path], archive: Path
) -> bool:
    """Whether an archive can be made under this name, or, where an earlier run made one of `source`, gets more.

    Args:
        journal: what is on record.
        source: the archive that the pictures are from.
        existing: what becomes of earlier results.
        due: the pictures to do.
        made: the results that are there already.
        archive: the name.
    """
    if not os.path.lexists(archive):
        return True
    there = {of for output, of in journal.results_in(archive).items() if archives.exists(output)}
    if existing == "number" or not any(archives.archive_of(of) == source for of in there):
        return False
    # Pictures with settings of their own are done by another run, into the same archive.
    return existing == "replace" or due.isdisjoint(there) or any(each.is_relative_to(archive) for each in made)


def _check_space(tasks: list[Task]) -> tuple[str, ...]:
    """Warn, or refuse, where the results of a disk will hardly fit on it."""
    needed: dict[int, float] = defaultdict(float)
    places: dict[int, Path] = {}
    for task in tasks:
        if stores.is_store(task.output):
            continue
        place = nearest_existing(task.output.parent)
        if not place.is_dir():
            raise UserError(
                _("There is no disk “{place}” to write results to.").format(place=place),
                _("Connect it, or choose another output folder."),
            )
        device = place.stat().st_dev
        places[device] = place
        size = task.pixels * BYTES_PER_PIXEL[task.format] * (2 if task.probe.sixteen_bit else 1)
        # While results are packed, they are there twice.
        needed[device] += size if task.packed is None else 2 * size
    warnings = []
    for device, place in places.items():
        free = shutil.disk_usage(place).free
        figures = {"needed": _gigabytes(needed[device]), "free": _gigabytes(free), "place": place}
        if needed[device] * SPACE_MARGIN > free:
            raise UserError(
                _("The results would take about {needed}, and {free} are free on the disk of “{place}”.").format(
                    **figures
                ),
                _("Free some space, or choose another output folder, format or size."),
            )
        if needed[device] > free:
            warnings.append(
                _(
                    "The results may not fit: they take about {needed}, and {free} are free on the disk of “{place}”."
                ).format(**figures)
            )
    return tuple(warnings)


def nearest_existing(folder: Path) -> Path:
    """The folder, or the closest one above it that is there; the root of its disk where none is."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def _gigabytes(size: float) -> str:
    return f"{shown_number(size / 1e9, '.1f')} GB" if size >= 1e8 else f"{shown_number(size / 1e6, '.1f')} MB"
