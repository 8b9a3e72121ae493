"""What a batch will do, settled before it touches anything: what goes where, what is done, what cannot be. Plain."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
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
from core.upscale.portions import NOWHERE, CutPlaces, cut_places
from core.upscale.result_names import NameInDoubt, Packing, Placement, ResultNames
from core.upscale.scan import Cut, Named, Unusable, folder_name_for, in_words, named_in, roots_in, scan_with_cuts
from core.upscale.settings import fingerprint_of

PORTION = 4000
"""Pictures of a large batch that are planned at a time."""

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
    """All of a batch, or a portion of it, in the order in which it will be done."""

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
    complete: bool = True
    """Whether this is all of the batch, or its last portion."""


def plan(request: UpscaleRequest, cancel: CancelToken) -> Plan:
    """Settle a batch without changing anything on any disk, or in any store.

    Raises:
        Cancelled: as `cancel.check`.
        UserError: nothing to do was given, the model is missing, a format cannot be written, or the results will not
            fit on the disk.
    """
    [whole] = plans(request, cancel, most=None)
    return whole


def plans(request: UpscaleRequest, cancel: CancelToken, most: int | None = PORTION) -> Iterator[Plan]:
    """Settle a batch in portions, each when it is asked for: together they are what `plan` settles, in its order.

    While one is done the next may be settled; what was settled stays as it is. Where a portion could change another,
    all is one portion: archives that become archives, and results that go among the sources. Where a result that is to
    be replaced may be that of a picture that is still to be found, one portion is all that is left.

    Args:
        request: the batch.
        cancel: asked at every file.
        most: a portion ends, as soon as it may, when it has so many pictures; None for all in one.

    Raises:
        Cancelled: as `cancel.check`.
        UserError: as `plan`; that results will not fit on the disk may be known only in a later portion.
    """
    planner = _Planner(request, cancel)
    places = NOWHERE if most is None else planner.cut_places()
    found = scan_with_cuts(
        planner.given,
        roots_in(request.inputs),
        request.recursive,
        cancel,
        request.output,
        planner.passed_over,
        places.inside,
        places.before,
    )
    portions = _portions(found, most)
    before: list[Input | Unusable] | None = None
    for portion in portions:
        settled = None if before is None else planner.settled(before, complete=False)
        if settled is not None:
            yield settled
        before = portion
        if planner.is_in_doubt:
            break
    for portion in portions:
        before = [*(before or []), *portion]
    whole = planner.settled(before or [], complete=True)
    assert whole is not None
    yield whole


def _portions(found: Iterable[Input | Unusable | Cut], most: int | None) -> Iterator[list[Input | Unusable]]:
    portion: list[Input | Unusable] = []
    may_end = False
    for each in found:
        if isinstance(each, Cut):
            may_end = True
            continue
        if may_end and most is not None and len(portion) >= most:
            yield portion
            portion = []
        may_end = False
        portion.append(each)
    if portion:
        yield portion


class _Planner:
    """Settles one batch, all of it or portion after portion."""

    def __init__(self, request: UpscaleRequest, cancel: CancelToken) -> None:
        """Refuse at once what cannot be done at all.

        Raises:
            UserError: as `plan`.
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
        self.passed_over: Counter[str] = Counter()
        self._request = request
        self._cancel = cancel
        self._model = find_model(DEFAULT_MODEL if request.model == AUTOMATIC else request.model)
        self._fingerprint = fingerprint_of(request, self._model, mix_for(self._model, request.detail, request.clean_up))
        self._names = ResultNames()
        self._journals: dict[Path, Journal] = {}
        self.given = list(named_in(request.inputs))
        """What the inputs are: asked for once, as every file that is named is looked at for it."""
        self._named = [each for each in self.given if isinstance(each, Named)]
        roots = (each.root for each in self._named if each.root is not None)
        self._output_roots = _output_roots(request, [*map(_absolute, request.roots), *roots])
        self._held: _Examined | None = None
        self._space = _Space()
        self._memory = psutil.virtual_memory().total
        self._is_empty = True

    def cut_places(self) -> CutPlaces:
        """Where the batch may be cut."""
        # A file that is not there is a source, too, as if all were found at once.
        self._names.expect_sources(each.path for each in self._named if not each.is_searched)
        return cut_places(self._request, self._named, self._output_roots)

    @property
    def is_in_doubt(self) -> bool:
        """Whether something has to wait for all that is still to be found."""
        return self._held is not None

    def settled(self, found: list[Input | Unusable], *, complete: bool) -> Plan | None:
        """What becomes of these; None where it depends on what is still to be found, and they wait for that.

        Raises:
            Cancelled, UserError: as `plan`.
        """
        examined = self._examined(found)
        if self._held is not None:
            examined, self._held = self._held.followed_by(examined), None
        try:
            tasks, done, unreadable, packings = _compare_with_disk(
                self._request,
                examined.placements,
                self._fingerprint,
                self._names,
                self._journals,
                self._cancel,
                knows_all=complete,
            )
        except NameInDoubt:
            self._names.withdraw()
            self._held = examined
            return None
        finally:
            self._names.forget_folders()
        self._names.keep()
        refused = [*examined.refused, *unreadable]
        done += examined.large_enough
        self._is_empty = self._is_empty and not tasks and not done and not refused
        others = in_words(self.passed_over) if complete else None
        if complete and self._is_empty:
            given = ", ".join(f"“{shown(each.path)}”" for each in self._request.inputs[:3])
            hint = _("Name a folder with pictures, or the pictures themselves.")
            raise UserError(
                _("There is no picture in {given}.").format(given=given), f"{others} {hint}" if others else hint
            )
        warnings = (*((others,) if others else ()), *self._space.check(tasks))
        return Plan(
            tuple(tasks), tuple(done), tuple(refused), self._fingerprint, warnings, packings, self._journals, complete
        )

    def _examined(self, found: list[Input | Unusable]) -> _Examined:
        """Look at their headers, and give their results places of their own."""
        request = self._request
        examined = _Examined([], [], [])
        for each, header in stores.in_parallel(_with_header, found, lambda each: stores.is_store(each.path)):
            self._cancel.check()
            if isinstance(each, Unusable):
                examined.refused.append(RefusedInput(each.path, each.error))
                continue
            try:
                if isinstance(header, UserError):
                    raise header
                placement = _place(
                    request, each, header, self._output_roots, self._model, self._fingerprint, self._names
                )
                if placement is None:
                    reason = _("It is larger than {size} already.").format(size=request.size)
                    examined.large_enough.append(Done(each.path, each.path, reason=reason))
                else:
                    _check_size(placement, self._model.card.scale, self._memory)
                    examined.placements.append(placement)
            except UserError as error:
                examined.refused.append(RefusedInput(each.path, error))
        # A refused source is still somebody's picture, and must not be replaced.
        self._names.add_sources(each.path for each in found)
        self._names.part(examined.placements)
        return examined


@dataclass(frozen=True, slots=True)
class _Examined:
    """What is known of pictures from their headers."""

    placements: list[Placement]
    refused: list[RefusedInput]
    large_enough: list[Done]

    def followed_by(self, other: _Examined) -> _Examined:
        return _Examined(
            self.placements + other.placements,
            self.refused + other.refused,
            self.large_enough + other.large_enough,
        )


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
                    _("Name a place for the results with --output."),
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
    return archive.parent.relative_to(root) / folder_name_for(archive)


def _packing(request: UpscaleRequest, archive: Path, root: Path, output_root: Path, fingerprint: str) -> Packing:
    output = None if request.output is None else _absolute(request.output)
    if stores.is_store(output_root):
        raise UserError(
            _("Archives cannot be made in a store."), _("Choose a folder for each, with --archives folder.")
        )
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
    names: ResultNames,
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
    beside = names.real_folder(folder) == names.real_folder(source.parent)
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
        if not FORMATS[asked].can_write:
            why = _("Saved as {label}, as {asked} cannot be written.")
        elif header.alpha and not FORMATS[asked].alpha:
            why = _("Saved as {label}, as {asked} cannot hold transparency.")
        else:
            why = _("Saved as {label}, as animations of {asked} are written with 8 bits.")
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
    # PNG and JPEG XL are the only animations that keep 16 bits.
    is_lost = kind == "frames" and header.sixteen_bit and target not in ("png", "jxl")
    if request.frames == "first" or header.frames == 1 or not kind:
        return target, 1
    if is_lost:
        # Nobody asked for a format that loses something.
        return ("png", header.frames) if request.format == "same" else (target, 1)
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


def _check_size(placement: Placement, scale: int, memory: int) -> None:
    """Refuse a result that its format, or so many bytes of memory, cannot hold."""
    if placement.copied:
        return
    path, header, size, target = placement.input.path, placement.probe, placement.size, placement.format
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
    *,
    knows_all: bool,
) -> tuple[list[Task], list[Done], list[RefusedInput], tuple[Packing, ...]]:
    """Which are done, which are to do, under which names; reads what journals it needs into `journals`."""
    done: list[Done] = []
    refused: list[RefusedInput] = []
    waiting: list[Placement] = []
    if request.existing != "number":
        for folder in dict.fromkeys(placement.journal_folder for placement in placements):
            if folder not in journals:
                journals[folder] = Journal(folder)

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
        output, note = names.choose(
            placement, journals[placement.journal_folder] if replaces else None, knows_all=knows_all
        )
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


class _Space:
    """Whether the results fit on their disks, as far as they are known."""

    def __init__(self) -> None:
        self._needed: dict[int, float] = defaultdict(float)
        self._free: dict[int, int] = {}
        """What was free when a disk was first looked at: results that are made meanwhile take of it."""
        self._warned: set[int] = set()

    def check(self, tasks: Iterable[Task]) -> tuple[str, ...]:
        """Add these, and warn, or refuse, where the results of a disk will hardly fit on it.

        Raises:
            UserError: they take twice as much as there is, or there is no such disk.
        """
        places: dict[int, Path] = {}
        devices: dict[Path, int] = {}
        for task in tasks:
            folder = task.output.parent
            if stores.is_store(folder):
                continue
            if folder not in devices:
                place = nearest_existing(folder)
                if not place.is_dir():
                    raise UserError(
                        _("There is no disk “{place}” to write results to.").format(place=place),
                        _("Connect it, or choose another output folder."),
                    )
                devices[folder] = place.stat().st_dev
                places[devices[folder]] = place
            size = task.pixels * BYTES_PER_PIXEL[task.format] * (2 if task.probe.sixteen_bit else 1)
            # While results are packed, they are there twice.
            self._needed[devices[folder]] += size if task.packed is None else 2 * size
        return tuple(warning for each in places.items() if (warning := self._warning(*each)))

    def _warning(self, device: int, place: Path) -> str | None:
        if device not in self._free:
            self._free[device] = shutil.disk_usage(place).free
        needed, free = self._needed[device], self._free[device]
        figures = {"needed": _gigabytes(needed), "free": _gigabytes(free), "place": place}
        if needed * SPACE_MARGIN > free:
            raise UserError(
                _("The results would take about {needed}, and {free} are free on the disk of “{place}”.").format(
                    **figures
                ),
                _("Free some space, or choose another output folder, format or size."),
            )
        if needed <= free or device in self._warned:
            return None
        self._warned.add(device)
        return _(
            "The results may not fit: they take about {needed}, and {free} are free on the disk of “{place}”."
        ).format(**figures)


def nearest_existing(folder: Path) -> Path:
    """The folder, or the closest one above it that is there; the root of its disk where none is."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def _gigabytes(size: float) -> str:
    return f"{shown_number(size / 1e9, '.1f')} GB" if size >= 1e8 else f"{shown_number(size / 1e6, '.1f')} MB"
