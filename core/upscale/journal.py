"""What has been done: an append-only record in the folder of the results. Plain.

    <output folder>/.srgan/settings.toml    the settings of the newest run; `srgan upscale --settings` reads it
    <output folder>/.srgan/journal.jsonl    one line before a result is written, one when it is complete
    <output folder>/.srgan/lock             held while a run writes there

In a store, where nothing can be appended to, the lines are in objects (`core/upscale/journal_log.py`).

A line is on the disk before what it announces happens, and results get their names only once they are complete. So
whatever moment a run is killed at, the next one can tell each result that is done from one that is not. Paths are kept
relative to the output folder: moved along with its sources, it still knows them.
"""

from __future__ import annotations

import json
import os
import posixpath
import threading
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from core import archives, stores
from core.atomic import PART_SUFFIX, replacing
from core.contract.errors import UserError
from core.contract.upscale import Size
from core.hashing import sha256_of, stamp_of
from core.images import load
from core.stores import StorePath
from core.upscale.journal_log import log_of
from core.upscale.text_tables import TextIndex

FOLDER = ".srgan"
SETTINGS_FILE = "settings.toml"
_OLD_SETTINGS_FILE = "recipe.toml"
"""Its name in version 0.1."""
_KEYS = {"fingerprint": "recipe"}
"""What a field is called in the file, where it is not its name: as version 0.1 wrote it."""
_NOTHING = (0, 0)
_KEPT = 64
"""Lines and folders that are kept because they are soon asked for again."""
_K = TypeVar("_K")
_V = TypeVar("_V")
SUPERSEDED_LINES = 10_000
"""So many announcements whose results were completed make a run leave them out of the journal before it begins."""


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the journal: a result that is complete, or that was about to be written."""

    complete: bool
    fingerprint: str
    """Fingerprint of the settings and the model that decide what the result looks like."""
    source: str
    """Relative to the output folder where it can be, as all paths here."""
    source_sha256: str
    source_stamp: tuple[int, int, int]
    """Bytes, and the times of the last change to content and entry in ns: equal stamps spare reading the file."""
    output: str
    output_size: Size
    output_stamp: tuple[int, int] = _NOTHING
    """Bytes and time of the last change in ns: of the result, or, until that is complete, of what its name belonged to
    before; zeros for nothing."""
    consistency: float = 0.0
    """In dB, what `FileSaved.consistency` said."""
    reason: str = ""
    """What the automatic choice took, and why; empty where the settings said it."""

    def is_of(self, other: Result) -> bool:
        """Whether both lines tell of one picture made of one content."""
        return (self.fingerprint, self.source_sha256) == (other.fingerprint, other.source_sha256)


class Journal:
    """The record of one output folder. Reading needs no lock; a run that writes takes it with `begin`.

    While one thread writes, another may ask what is done, as the plan of a large batch goes on while it is worked on.
    """

    def __init__(self, folder: Path) -> None:
        """Read what is there; a folder without a record has an empty one, and is not changed."""
        self.folder = folder
        self._own = folder / FOLDER
        self._log = log_of(self._own)
        self._lately: dict[int, Result] = {}
        """Some lines by where they stand, as one is asked for several times in a row."""
        self._folders: dict[Path, str] = {}
        """Some folders as they are in the lines."""
        self._tables = threading.RLock()
        """Held while what is in memory of the lines, or where they stand, changes, and while one is looked up."""
        self._read()

    def _read(self) -> None:
        # Where the lines stand, not the lines: a journal may have millions.
        self._by_source = TextIndex()
        self._by_output = TextIndex()
        self._unfinished: dict[str, tuple[int, Result]] = {}
        """By output the newest announcement that was not followed by its completion, and where it stands."""
        self._lately.clear()
        self._superseded = 0
        """How many announcements were."""
        at = 0
        for line in self._log.lines():
            result = _parsed(line)
            if result is not None:
                self._remember(result, at)
            at += len(line)

    def done(self, source: Path, wanted: Path, fingerprint: str) -> Path | None:
        """The result that these settings made of this very content, if it is still there and whole.

        Args:
            source: a picture.
            wanted: where its result would go; found there even after the source was moved.
            fingerprint: that of the settings.

        Raises:
            OSError: the source cannot be read.
        """
        candidates = self._of_source(self._relative(source)) + self._of_output(self._relative(wanted))
        stamp = source_stamp(source)
        for result in dict.fromkeys(reversed(candidates)):
            if result.fingerprint != fingerprint:
                continue
            if result.source_stamp != stamp and result.source_sha256 != sha256_of(source):
                continue
            output = self._absolute(result.output)
            if self._lies_there(output, result):
                return output
        return None

    def is_untouched(self, output: Path) -> bool:
        """Whether a result has not been written to since it was completed."""
        return self.consistency(output) is not None

    def consistency(self, output: Path) -> float | None:
        """What `FileSaved` said of a result; None where it is not on record, or somebody has changed the file."""
        maker = self._maker(self._relative(output), _output_stamp(output))
        return None if maker is None else maker.consistency

    def made(self, output: Path) -> bool:
        """Whether a file under this name is, or was before somebody changed it, a result on record."""
        lines = self._of_output(self._relative(output))
        if any(each.complete for each in lines):
            return True
        # A run may have been killed between naming the result and recording it.
        return bool(lines) and lines[-1].output_stamp != _output_stamp(output) and _has_size(output, lines[-1])

    def made_of(self, output: Path) -> tuple[Path, str] | None:
        """The picture that the newest result on record under this name was made of, and its SHA-256 then."""
        lines = self._of_output(self._relative(output))
        return (self._absolute(lines[-1].source), lines[-1].source_sha256) if lines else None

    def makers_of(self, output: Path) -> set[Path]:
        """All pictures that results on record under this name were made of, now or before."""
        return {self._absolute(line.source) for line in self._of_output(self._relative(output))}

    def results_in(self, archive: Path) -> dict[Path, Path]:
        """The results on record that lie in an archive, each with its source."""
        below = f"{self._relative(archive)}/"
        # The newest line of each counts.
        return {
            self._absolute(result.output): self._absolute(result.source)
            for result in self._all()
            if result.output.startswith(below)
        }

    def results(self) -> Iterator[tuple[Path, Path]]:
        """(source, output) of everything on record."""
        return ((self._absolute(result.source), self._absolute(result.output)) for result in self._all())

    def begin(self, settings_text: str) -> None:
        """Take the lock, note the settings, and delete what a killed run left unfinished.

        Raises:
            UserError: another run is writing into this folder.
            OSError: the folder cannot be made or written.
        """
        self._own.mkdir(parents=True, exist_ok=True)
        self._log.lock()
        with self._tables:
            if self._log.has_changed():
                self._read()
            if self._superseded >= SUPERSEDED_LINES:
                # On a full disk, or where somebody reads it on Windows, it stays as it was: as good, only longer.
                with suppress(OSError):
                    self._log.rewrite(self._is_kept)
                self._read()
        self.clean(self._own)
        with replacing(self._own / SETTINGS_FILE) as temporary:
            # A model's file name may not be UTF-8, which is no reason to stop the batch.
            temporary.write_text(settings_text, encoding="utf-8", errors="replace")
        # It describes a run that is no longer the newest.
        (self._own / _OLD_SETTINGS_FILE).unlink(missing_ok=True)

    def clean(self, folder: Path) -> None:
        """Delete unfinished files in a folder of results; only while the lock is held.

        Those in a store are in a place of their own: `clean_parts`.
        """
        for left in folder.glob(f".srgan-*{PART_SUFFIX}"):
            left.unlink(missing_ok=True)

    def clean_parts(self) -> None:
        """Delete what workers have left unfinished in a store; only while none is at work."""
        self._log.clear()

    def announcement(
        self,
        fingerprint: str,
        source: Path,
        sha256: str,
        stamp: tuple[int, int, int],
        output: Path,
        size: Size,
        reason: str = "",
    ) -> Result:
        """The line that a result is about to be written, and what lies under its name now; for `announce`."""
        before = _output_stamp(output)
        paths = self._relative(source), self._relative(output)
        return Result(False, fingerprint, paths[0], sha256, stamp, paths[1], size, before, reason=reason)

    def announce(self, *announcements: Result) -> None:
        """Say that results are about to be written: once `settle` has been called, whatever happens then.

        Raises:
            OSError: the disk is full, or gone.
        """
        self._append(*announcements)

    def complete(self, *made: tuple[Result, float]) -> None:
        """Say that announced results lie under their names: for each its announcement and its consistency in dB.

        Raises:
            OSError: the disk is full, or gone.
        """
        self._append(
            *(
                replace(
                    announced,
                    complete=True,
                    output_stamp=_output_stamp(self._absolute(announced.output)),
                    consistency=consistency,
                )
                for announced, consistency in made
            )
        )

    def announce_move(self, old: Path, new: Path) -> None:
        """Say that a result is about to go to another place.

        Raises:
            OSError: the disk is full, or gone.
        """
        line = self._maker(self._relative(old), _output_stamp(old))
        if line is not None:
            output = self._relative(new)
            self._append(replace(line, complete=False, output=output, output_stamp=_output_stamp(new)))

    def complete_moves(self, moved: Mapping[Path, Path]) -> None:
        """Say that results, which still lie where they were, lie at other places too: for each the old one by the new.

        Raises:
            OSError: the disk is full, or gone.
        """
        lines = []
        for new, old in moved.items():
            line = self._maker(self._relative(old), _output_stamp(old))
            if line is not None:
                lines.append(replace(line, output=self._relative(new), output_stamp=_output_stamp(new)))
        self._append(*lines)

    def settle(self) -> None:
        """Return when all lines so far are kept, whatever happens. On a disk they are at once; several threads may ask.

        Raises:
            OSError: the store cannot be reached.
        """
        self._log.settle()

    def end(self) -> None:
        """Let go of the lock, once all lines are kept."""
        self._log.unlock()

    def _lies_there(self, output: Path, result: Result) -> bool:
        """Whether the file is what this line tells of, or, copied or edited since, still a picture of that size."""
        stamp = _output_stamp(output)
        if stamp == _NOTHING:
            return False
        maker = self._maker(result.output, stamp)
        if maker is not None:
            return maker.is_of(result)
        newest = self._of_output(result.output)[-1]
        # The run was killed, or the disk was full, before it replaced what was there.
        never_written = not newest.complete and newest.output_stamp == stamp
        return not never_written and newest.is_of(result) and _has_size(output, result)

    def _maker(self, output: str, stamp: tuple[int, int]) -> Result | None:
        """The line whose result a file with this stamp is; None where somebody else has written it since."""
        lines = self._of_output(output)
        return next((each for each in reversed(lines) if each.complete and each.output_stamp == stamp), None)

    def _append(self, *results: Result) -> None:
        if not results:
            return
        names = Result.__dataclass_fields__
        values = ({_KEYS.get(name, name): getattr(result, name) for name in names} for result in results)
        lines = [f"{json.dumps(each)}\n".encode("ascii") for each in values]
        at = self._log.append(b"".join(lines))
        with self._tables:
            for result, line in zip(results, lines, strict=True):
                self._remember(result, at)
                at += len(line)

    def _remember(self, result: Result, at: int) -> None:
        announced_at, announced = self._unfinished.get(result.output, (0, None))
        if not result.complete:
            self._unfinished[result.output] = at, result
        elif announced is not None and announced.source == result.source and announced.is_of(result):
            # It says all that its announcement did.
            del self._unfinished[result.output]
            self._by_source.replace(result.source, announced_at, at)
            self._by_output.replace(result.output, announced_at, at)
            self._superseded += 1
            return
        self._by_source.add(result.source, at)
        self._by_output.add(result.output, at)

    def _of_source(self, source: str) -> list[Result]:
        """The lines on a source, the newest last."""
        with self._tables:
            return [each for each in self._at(self._by_source.find(source)) if each.source == source]

    def _of_output(self, output: str) -> list[Result]:
        """The lines on a result, the newest last."""
        with self._tables:
            return [each for each in self._at(self._by_output.find(output)) if each.output == output]

    def _all(self) -> Iterator[Result]:
        return self._at(self._by_output.numbers())

    def _at(self, places: list[int]) -> Iterator[Result]:
        for at in places:
            result = self._lately.get(at) or _parsed(self._log.read(at))
            if result is not None:
                _keep(self._lately, at, result)
                yield result

    def _is_kept(self, at: int, line: bytes) -> bool:
        """Whether a line that was read is more than an announcement that its completion supersedes."""
        result = _parsed(line)
        return result is None or result.complete or at in self._by_output.find(result.output)

    def _relative(self, path: Path) -> str:
        if stores.is_store(path) or stores.is_store(self.folder):
            if path.parts[:2] != self.folder.parts[:2]:  # another bucket, or a disk
                return str(path)
            return posixpath.relpath("/".join(path.parts), "/".join(self.folder.parts))
        folder, name = path.parent, path.name
        below = self._folders.get(folder)
        if below is None:
            try:
                below = Path(os.path.relpath(folder, self.folder)).as_posix()
            except ValueError:  # another drive
                return str(path)
            _keep(self._folders, folder, below)
        return name if below == "." else f"{below}/{name}"

    def _absolute(self, text: str) -> Path:
        if "://" in text:
            return stores.from_url(text)
        if stores.is_store(self.folder):
            return (
                Path(text)
                if Path(text).is_absolute()
                else StorePath(posixpath.normpath("/".join((*self.folder.parts, text))))
            )
        return Path(os.path.normpath(self.folder / text))


def _keep(kept: dict[_K, _V], key: _K, value: _V) -> None:
    if len(kept) >= _KEPT:
        kept.clear()
    kept[key] = value


def results_of_sources_in(roots: Set[Path], folder: Path) -> Iterator[Path]:
    """By the journal in `folder`, the files that were made of pictures under `roots`; none where there is no journal.

    Who searches `roots` finds their sources, and so leaves these out.
    """
    if log_of(folder / FOLDER).is_there():
        for source, output in Journal(folder).results():
            if not roots.isdisjoint((source, *source.parents)):
                yield output


def source_stamp(path: Path) -> tuple[int, int, int]:
    """Bytes and times of change; differs after every change of the content, but for one on Windows that keeps both
    size and date. In an archive: bytes, checksum and time.

    Raises:
        OSError: there is no such file.
    """
    if archives.archive_of(path) is not None:
        _read_at, changed = archives.times_of(path)
        return *(archives.stamp_of(path) or _NOTHING), changed
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _output_stamp(path: Path) -> tuple[int, int]:
    """`Result.output_stamp` of a file."""
    return stamp_of(path) or _NOTHING


def _has_size(output: Path, result: Result) -> bool:
    """Whether a file is a whole picture of the size that a result has."""
    try:
        picture = load(output)
    except (OSError, UserError):
        return False
    return (picture.width, picture.height) == result.output_size


def _parsed(line: bytes) -> Result | None:
    try:
        values: Any = json.loads(line)
        complete, fingerprint, source, digest = (values[k] for k in ("complete", "recipe", "source", "source_sha256"))
        output = values["output"]
        if not isinstance(complete, bool) or not all(isinstance(v, str) for v in (fingerprint, source, digest, output)):
            return None
        stamp, size = values["source_stamp"], values["output_size"]
        made = values["output_stamp"]
        return Result(
            complete,
            fingerprint,
            source,
            digest,
            (int(stamp[0]), int(stamp[1]), int(stamp[2])),
            output,
            (int(size[0]), int(size[1])),
            (int(made[0]), int(made[1])),
            float(values["consistency"]),
            # Lines of earlier versions know none.
            str(values.get("reason", "")),
        )
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError):
        return None
