"""What becomes of results: their names, their lines in the journals, and words for those that failed. Plain.

One `Records` writes all journals of a run, wherever the pictures are computed.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core import stores
from core.contract.errors import UserError
from core.contract.upscale import LOW_CONSISTENCY, FileFailed, FileSaved, Size, UpscaleRequest
from core.images.companions import carry_companions
from core.images.decode import shown
from core.language import gettext as _
from core.names import free_path
from core.upscale.cuts import alike
from core.upscale.journal import Journal, Result
from core.upscale.plan import Plan, Task
from core.upscale.result_names import note_of
from core.upscale.settings import to_toml

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class ResultFacts:
    """What is known of a result before it is written."""

    source_sha256: str
    """Empty where the source changed while it was read."""
    source_stamp: tuple[int, int, int]
    input_size: Size
    output_size: Size
    notes: tuple[str, ...] = ()
    """On decoding and computing it."""
    reason: str = ""
    """What the automatic choice took, and why."""
    orientation: int = 1
    """EXIF's, by which the source was turned upright."""
    copied: bool = False
    """Whether the result is the source's file as it is."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What is known of a result once its file is written."""

    consistency: float
    """What `FileSaved.consistency` says."""
    notes: tuple[str, ...] = ()
    """On writing it."""
    pictures: int = 1
    """How many pages or frames it has."""


Save = Callable[[Path], Encoded]
"""Writes a result, complete or not at all, under the name that it is given."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A result that is to have its name."""

    task: Task
    facts: ResultFacts
    save: Save


class Records:
    """The journals of the folders that this run writes into, opened when the first result is on its way there."""

    def __init__(self, request: UpscaleRequest, settled: Plan) -> None:
        self._request = request
        self._fingerprint = settled.fingerprint
        self._as_planned = settled.journals
        self._toml = to_toml(request)
        self._journals: dict[Path, Journal] = {}
        self._ready: set[Path] = set()
        self._refused: dict[Path, UserError] = {}
        """Why a folder cannot be used: no journal can be kept in it, or no result written to it."""
        self._lock = threading.Lock()

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_error: object) -> None:
        for journal in self._journals.values():
            journal.end()

    def open(self, task: Task) -> None:
        """Make the folder of a result ready.

        Raises:
            UserError: it cannot be made or written, or another run has it.
        """
        with self._lock:
            if task.journal not in self._journals:
                self._once(task.journal, lambda: self._begin(task.journal))
            if task.output.parent not in self._ready:
                self._once(task.output.parent, lambda: self._make_ready(task))

    def _begin(self, folder: Path) -> None:
        journal = self._as_planned.get(folder) or Journal(folder)
        journal.begin(self._toml)
        self._journals[folder] = journal

    def _make_ready(self, task: Task) -> None:
        folder = task.output.parent
        folder.mkdir(parents=True, exist_ok=True)
        self._journals[task.journal].clean(folder)
        self._ready.add(folder)

    def _once(self, folder: Path, prepare: Callable[[], None]) -> None:
        """Refuse what goes into a folder that was refused before without another try."""
        if folder in self._refused:
            raise self._refused[folder]
        try:
            prepare()
        except UserError as error:
            self._refused[folder] = error
            raise
        except OSError as error:
            if error.errno in _FULL:
                raise
            refusal = UserError(
                _("The folder “{folder}” cannot be written: {strerror}.").format(
                    folder=folder, strerror=error.strerror
                ),
                _("Choose another output folder."),
            )
            self._refused[folder] = refusal
            raise refusal from error

    def publish(self, task: Task, facts: ResultFacts, save: Save) -> FileSaved:
        """Let a result have its name, and put it on record; `FileSaved.seconds` is left to the caller.

        Raises:
            OSError, UserError: it cannot be written.
        """
        result = Publication(task, facts, save)
        [(announced, output, renamed)] = self._announce(task.journal, [result])
        saved = self._saved(result, output, renamed)
        self._complete(task.journal, [(announced, saved.consistency)])
        return saved

    def publish_all(self, results: Sequence[Publication]) -> list[FileSaved | OSError | UserError]:
        """Let several results have their names, with one flush of each journal before that and one after.

        Returns:
            For each, in their order, what `publish` would have returned or raised.
        """
        outcomes: dict[int, FileSaved | OSError | UserError] = {}
        numbers: dict[Path, list[int]] = defaultdict(list)
        for number, each in enumerate(results):
            numbers[each.task.journal].append(number)
        for folder, together in numbers.items():
            try:
                lines = self._announce(folder, [results[number] for number in together])
            except (OSError, UserError) as error:
                outcomes |= dict.fromkeys(together, error)
                continue
            completed: dict[int, tuple[Result, float]] = {}
            for number, (announced, output, renamed) in zip(together, lines, strict=True):
                try:
                    saved = outcomes[number] = self._saved(results[number], output, renamed)
                except (OSError, UserError) as error:
                    outcomes[number] = error
                else:
                    completed[number] = announced, saved.consistency
            try:
                self._complete(folder, completed.values())
            except OSError as error:
                outcomes |= dict.fromkeys(completed, error)
        return [outcomes[number] for number in range(len(results))]

    def _announce(self, folder: Path, results: Sequence[Publication]) -> list[tuple[Result, Path, tuple[str, ...]]]:
        """Put on record that results of one journal are about to be written.

        Returns:
            For each its line, the name that it is to have, and a note where that is not the planned one.
        """
        journal = self._journals[folder]
        lines = []
        for each, (output, renamed) in zip(results, self._still_free(each.task for each in results), strict=True):
            facts = each.facts
            line = journal.announcement(
                self._fingerprint,
                each.task.source,
                facts.source_sha256,
                facts.source_stamp,
                output,
                facts.output_size,
                facts.reason,
            )
            lines.append((line, output, renamed))
        with self._lock:
            journal.announce(*(line for line, _output, _renamed in lines))
        journal.settle()
        return lines

    def _complete(self, folder: Path, made: Iterable[tuple[Result, float]]) -> None:
        with self._lock:
            self._journals[folder].complete(*made)

    def _saved(self, result: Publication, output: Path, renamed: tuple[str, ...]) -> FileSaved:
        """Write a result that is announced, and what belongs beside it."""
        task, facts = result.task, result.facts
        encoded = result.save(output)
        notes = (*facts.notes, *renamed, *encoded.notes)
        if self._request.keep_metadata:
            _written, more = carry_companions(
                task.source, output, facts.input_size, facts.output_size, facts.orientation, copied=facts.copied
            )
            notes += more
        if encoded.consistency < LOW_CONSISTENCY:
            notes += (
                _("It differs a lot from its source ({consistency:.0f} dB): look at it, or try another model.").format(
                    consistency=encoded.consistency
                ),
            )
        return FileSaved(
            task.source,
            output,
            facts.input_size,
            facts.output_size,
            encoded.consistency,
            0.0,
            notes,
            facts.reason,
            encoded.pictures,
            task.packed,
        )

    def clean(self, task: Task) -> None:
        """Delete what was left unfinished beside a result; only while nothing is being written there."""
        with self._lock:
            if task.journal in self._journals:
                self._journals[task.journal].clean(task.output.parent)
                self._journals[task.journal].clean_parts()

    def _still_free(self, tasks: Iterable[Task]) -> list[tuple[Path, tuple[str, ...]]]:
        """For each the planned name, or another if somebody else has put a file there since; no two get one."""
        given: set[str] = set()
        names = []

        def taken(path: Path) -> bool:
            return alike(str(path)) in given or _lies_there(path)

        for task in tasks:
            # What lies in wait of being packed is nobody's yet.
            replaces = self._request.existing == "replace" or task.packed is not None
            output, wanted = task.output, task.output
            if alike(str(wanted)) in given or (_lies_there(wanted) and not (replaces and self._made(task))):
                output = free_path(wanted, taken)
            given.add(alike(str(output)))
            names.append((output, note_of(output, wanted)))
        return names

    def _made(self, task: Task) -> bool:
        with self._lock:
            return self._journals[task.journal].made(task.output)


def _lies_there(path: Path) -> bool:
    return path.exists() if stores.is_store(path) else os.path.lexists(path)


def failure_of(task: Task, error: Exception) -> tuple[FileFailed, UserError | None]:
    """What to say of a picture that could not be done, and why the run ends where the rest would fail likewise."""
    words, ends = _explain(task, error)
    expected = isinstance(error, UserError | OSError | MemoryError)
    details = "" if expected else "".join(traceback.format_exception(error))
    return FileFailed(task.source, words.message, words.hint, details), words if ends else None


def _explain(task: Task, error: Exception) -> tuple[UserError, bool]:
    """What to tell people, and whether it ends the run."""
    if isinstance(error, UserError):
        if task.root is not None and stores.is_store(task.root):
            try:
                stores.check_reachable(task.root)
            except UserError as refusal:
                return UserError(refusal.message, _("Fix that, then start again: finished results are kept.")), True
        elif task.root is not None and not task.root.exists():
            gone = UserError(
                _("The folder “{root}” is gone.").format(root=task.root),
                _("Connect its disk again, then start again: finished results are kept."),
            )
            return gone, True
        return error, False
    if isinstance(error, MemoryError):
        return UserError(
            _("“{source}” does not fit into memory.").format(source=shown(task.source)),
            _("Close other programs, choose a smaller size, or cut the picture into parts."),
        ), False
    if isinstance(error, OSError):
        folder = task.output.parent
        if stores.is_store(task.output):
            return _explain_store(task, error)
        if error.errno in _FULL:
            return UserError(
                _("The disk of “{folder}” is full.").format(folder=folder),
                _("Free some space, then start again: finished results are kept."),
            ), True
        if not task.journal.is_dir():
            return UserError(
                _("The output folder “{journal}” is gone.").format(journal=task.journal),
                _("Connect its disk again, then start again: finished results are kept."),
            ), True
        held = isinstance(error, PermissionError) and task.output.exists()
        advice = (
            _(
                "Close it where another program has it open, or check the permissions of “{folder}”, or choose another "
                "output folder."
            )
            if held
            else _("Check the permissions of “{folder}”, or choose another output folder.")
        )
        return UserError(
            _("“{output}” could not be written: {strerror}.").format(
                output=shown(task.output), strerror=error.strerror or error
            ),
            advice.format(folder=folder),
        ), False
    return UserError(
        _("“{source}” could not be upscaled: {name}.").format(source=shown(task.source), name=type(error).__name__),
        _("This is a bug in the program; the details help to fix it."),
    ), False


def _explain_store(task: Task, error: OSError) -> tuple[UserError, bool]:
    """The same where the result was to go into a store."""
    if error.errno in _FULL:
        return UserError(
            _("The disk of “{folder}” is full, where results lie until they are sent.").format(
                folder=tempfile.gettempdir()
            ),
            _("Free some space, or set TMPDIR, then start again: finished results are kept."),
        ), True
    try:
        stores.check_reachable(task.journal, for_writing=True)
    except UserError as gone:
        return UserError(gone.message, _("Fix that, then start again: finished results are kept.")), True
    return UserError(
        _("“{output}” could not be written: {why}.").format(output=shown(task.output), why=error.strerror or error),
        _("Start again to do what is missing: finished results are kept."),
    ), False
