"""Where the lines of a journal are kept: in a file that is appended to, or, in a store, in objects. Plain.

    <output folder>/.srgan/journal.jsonl          on a disk
    <output folder>/.srgan/journal/*.jsonl        in a store: read in the order of their names
    <output folder>/.srgan/parts/                 there: results of a cluster's workers that have no name yet

A store cannot append. So the newest lines are in an object that is sent again, whole, with each that comes; when it is
large it is left as it is and another begins, and when there are many small ones they are sent as one before they are
deleted. A run on any machine reads all of them: nothing of it is kept on this one.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

import psutil
from filelock import FileLock, Timeout

from core.atomic import replacing
from core.contract.errors import UserError
from core.language import gettext as _
from core.stores import StorePath, in_parallel, listed

JOURNAL = "journal.jsonl"
_MAX_LINE = 1 << 16
_TAIL_BYTES = 1 << 14
"""Where the object that is sent again and again ends: about twenty results."""
MERGED = 64
"""How many such objects become one."""
_MERGED_NAME = "-merged.jsonl"
COPY_BYTES = 1 << 20
"""The longest journal that is kept in memory as it is. A longer one of a disk is kept open, which a thousand in as many
folders could not be; one of a store is copied to a temporary file."""
_LEASE_SECONDS = 600
"""How long the lock of a run holds that is heard of no more, and runs on another machine."""
_RENEWAL_SECONDS = 120


class Log(Protocol):
    """What a `Journal` asks of the place of its lines."""

    def is_there(self) -> bool:
        """Whether there are any."""

    def lines(self) -> Iterator[bytes]:
        """All of them, whatever a stranger may have put there; the last one may be cut off."""

    def read(self, at: int) -> bytes:
        """One of them again; by any thread.

        Args:
            at: how many bytes those before it have together that `lines` gave, or what `append` said.

        Raises:
            OSError: it cannot be read.
        """

    def has_changed(self) -> bool:
        """Whether somebody else has written since `lines` was asked, so that it is to be asked again."""

    def rewrite(self, is_kept: Callable[[int, bytes], bool]) -> None:
        """Leave lines out for good, where that can be done; only while the lock is held, and with `lines` after it.

        Args:
            is_kept: whether a line stays, by where it stands and what it says.

        Raises:
            OSError: the disk is full, or somebody reads it on Windows; it holds all lines, still.
        """

    def lock(self) -> None:
        """Keep other runs out, and clear away what a killed one has left.

        Raises:
            UserError: another run is writing there.
            OSError: nothing can be written there.
        """

    def clear(self) -> None:
        """Delete the unfinished results that are kept here; on a disk they are where results are.

        Raises:
            OSError: they cannot be deleted.
        """

    def append(self, text: bytes) -> int:
        """Add lines.

        Returns:
            Where the first one stands, for `read`.

        Raises:
            OSError: they cannot be kept.
        """

    def settle(self) -> None:
        """Return when all lines so far are kept.

        Raises:
            OSError: they cannot be kept.
        """

    def unlock(self) -> None:
        """Let others in, once all lines are kept; the last that say that a result is complete may go with the store."""


def log_of(own: Path) -> Log:
    """The log in a folder `.srgan`."""
    return _StoreLog(own) if isinstance(own, StorePath) else _DiskLog(own)


def parts_of(folder: Path) -> Path:
    """Where in a store results without a name are, for the output folder that has the journal."""
    return folder / ".srgan" / "parts"


class _DiskLog:
    def __init__(self, own: Path) -> None:
        self._own = own
        self._lock: FileLock | None = None
        self._is_alone = False
        """Whether the lock is one: some network drives know none."""
        self._text = b""
        self._kept: IO[bytes] | None = None
        """The file as it was when it was read, whatever another run has made of it since; its text, if it is short."""
        self._seen: tuple[int, int, int] | None = None
        """Which file that was, and how much of it; None where there was none."""
        self._reading = threading.Lock()

    def __del__(self) -> None:
        if self._kept is not None:
            self._kept.close()

    def is_there(self) -> bool:
        return (self._own / JOURNAL).is_file()

    def lines(self) -> Iterator[bytes]:
        with self._reading, suppress(OSError):
            self._close()
            file = (self._own / JOURNAL).open("rb")
            status = os.fstat(file.fileno())
            if status.st_size <= COPY_BYTES:
                with file:
                    self._text = file.read()
                lines = _lines_of(self._text)
            else:
                self._kept = file
                lines = iter(partial(file.readline, _MAX_LINE), b"")
            count = 0
            for line in lines:
                count += len(line)
                yield line
            self._seen = status.st_dev, status.st_ino, count

    def _close(self) -> None:
        if self._kept is not None:
            self._kept.close()
        self._text, self._kept, self._seen = b"", None, None

    def read(self, at: int) -> bytes:
        with self._reading:
            if self._kept is not None:
                self._kept.seek(at)
                return self._kept.readline(_MAX_LINE)
            if at < len(self._text):
                return next(_lines_of(self._text[at : at + _MAX_LINE]))
            # One that was added since.
            with (self._own / JOURNAL).open("rb") as file:
                file.seek(at)
                return file.readline(_MAX_LINE)

    def has_changed(self) -> bool:
        try:
            now = (self._own / JOURNAL).stat()
        except OSError:
            return self._seen is not None
        return self._seen != (now.st_dev, now.st_ino, now.st_size)

    def rewrite(self, is_kept: Callable[[int, bytes], bool]) -> None:
        if not self._is_alone:
            return
        with replacing(self._own / JOURNAL) as temporary:
            at = 0
            with temporary.open("wb") as file:
                for line in self.lines():
                    if is_kept(at, line):
                        file.write(line)
                    at += len(line)
            # Windows replaces no file that is open.
            self._close()

    def lock(self) -> None:
        # One thread may begin a run and another end it.
        lock = FileLock(self._own / "lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
            self._is_alone = True
        except Timeout:
            raise _busy(self._own) from None
        except NotImplementedError:
            pass  # Some network drives know no locks: better to work there without one than not at all.
        self._lock = lock

    def clear(self) -> None:
        pass

    def append(self, text: bytes) -> int:
        with (self._own / JOURNAL).open("ab") as file:
            if file.tell() and not _ends_with_newline(self._own / JOURNAL):
                file.write(b"\n")
            at = file.tell()
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            return at

    def settle(self) -> None:
        pass

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class _StoreLog:
    def __init__(self, own: StorePath) -> None:
        self._own = own
        self._folder = own / "journal"
        self._lease = _Lease(own)
        # Names sort by time, and no two runs have the same.
        self._name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        self._number = 0
        self._small: list[StorePath] = []
        """Objects of this run that are full."""
        self._tail = b""
        self._room = threading.Condition()
        self._written, self._kept = 0, 0
        """How many lines were added, and how many of them are kept."""
        self._sending = False
        self._copy: IO[bytes] = tempfile.SpooledTemporaryFile(COPY_BYTES)  # noqa: SIM115 - `__del__` closes it
        """All lines as they were read and added, as one of them in the store is far away."""

    def __del__(self) -> None:
        self._copy.close()

    def is_there(self) -> bool:
        return (self._own / JOURNAL).is_file() or next(self._objects(), None) is not None

    def _objects(self) -> Iterator[StorePath]:
        # Hidden from `listed` are only names within the folder that it is asked for.
        return (each for each in listed(self._folder, recursive=False) if isinstance(each, StorePath))

    def _contents(self) -> Iterator[tuple[StorePath, bytes]]:
        """Each object with what it holds, in whole lines, in their order."""
        # A folder that was copied here from a disk brings that disk's.
        first = [self._own / JOURNAL] if (self._own / JOURNAL).is_file() else []
        objects = [*first, *sorted(self._objects())]
        contents = in_parallel(StorePath.read_bytes, objects, lambda _: True)
        for each, content in zip(objects, contents, strict=True):
            yield each, content if not content or content.endswith(b"\n") else content + b"\n"

    def lines(self) -> Iterator[bytes]:
        with self._room:
            self._copy.seek(0)
            self._copy.truncate()
            for _object, content in self._contents():
                self._copy.write(content)
            self._copy.seek(0)
            while line := self._copy.readline(_MAX_LINE):
                yield line

    def read(self, at: int) -> bytes:
        with self._room:
            self._copy.seek(at)
            return self._copy.readline(_MAX_LINE)

    def has_changed(self) -> bool:
        # To find out takes about as long as reading all.
        return True

    def rewrite(self, is_kept: Callable[[int, bytes], bool]) -> None:
        at = 0
        for each, content in self._contents():
            kept = bytearray()
            for line in _lines_of(content):
                if is_kept(at, line):
                    kept += line
                at += len(line)
            # An object is sent whole, and is there whole: who reads meanwhile has the old one or the new one.
            if len(kept) < len(content):
                each.write_bytes(bytes(kept))

    def lock(self) -> None:
        self._lease.take()
        self.clear()
        small: list[StorePath] = []
        for each in [*sorted(self._objects()), None]:
            if each is not None and not each.name.endswith(_MERGED_NAME):
                small.append(each)
            if len(small) >= 8 * MERGED or (len(small) >= MERGED and (each is None or each is not small[-1])):
                self._merge(small)
                small = []
            elif each is not None and small and each is not small[-1]:
                small = []

    def clear(self) -> None:
        for left in [*listed(self._own / "parts", hidden=True)]:
            if isinstance(left, StorePath):
                left.unlink(missing_ok=True)

    def append(self, text: bytes) -> int:
        with self._room:
            at = self._copy.seek(0, os.SEEK_END)
            self._copy.write(text)
            self._tail += text
            self._written += 1
            return at

    def settle(self) -> None:
        with self._room:
            wanted = self._written
            # One sends for all that have come meanwhile.
            while self._kept < wanted:
                if self._sending:
                    self._room.wait()
                    continue
                self._sending = True
                written, tail, target = self._written, self._tail, self._current
                self._room.release()
                try:
                    target.write_bytes(tail)
                finally:
                    self._room.acquire()
                    self._sending = False
                    self._room.notify_all()
                self._kept = written
                if len(tail) >= _TAIL_BYTES:
                    self._tail = self._tail[len(tail) :]
                    self._small.append(target)
                    self._number += 1
            small = self._small if len(self._small) >= MERGED else []
            if small:
                self._small = []
        if small:
            self._merge(small)

    @property
    def _current(self) -> StorePath:
        return self._folder / f"{self._name}-{self._number:09d}.jsonl"

    def _merge(self, objects: list[StorePath]) -> None:
        """Make one of several that follow each other; who reads in between finds lines twice, which is the same."""
        contents = in_parallel(StorePath.read_bytes, objects, lambda _: True)
        whole = b"".join(each if not each or each.endswith(b"\n") else each + b"\n" for each in contents)
        # Where the first of them was among all, as “-” comes before “.”.
        merged = objects[0].with_name(objects[0].name.removesuffix(".jsonl") + _MERGED_NAME)
        merged.write_bytes(whole)
        for _gone in in_parallel(lambda each: each.unlink(missing_ok=True), objects, lambda _: True):
            pass

    def unlock(self) -> None:
        # What is lost here is only that results are complete: the next run finds out by looking at them.
        with suppress(OSError):
            self.settle()
        self._lease.give_back()


class _Lease:
    """A lock in a store: an object that says who writes, and until when nobody else may."""

    def __init__(self, own: StorePath) -> None:
        self._own = own
        self._object = own / "lock"
        self._mark = secrets.token_hex(8)
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self) -> None:
        try:
            there: Any = json.loads(self._object.read_bytes())
            host, process, until = str(there["host"]), int(there["process"]), float(there["until"])
            mark = str(there["mark"])
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, KeyError):
            pass  # Somebody else's, or nothing.
        else:
            # A process of this machine that is no more holds nothing.
            alive = mark in _held_here if process == os.getpid() else psutil.pid_exists(process)
            if (alive or host != socket.gethostname()) and until > time.time():
                raise _busy(self._own, host)
        self._renew()
        _held_here.add(self._mark)
        self._thread = threading.Thread(target=self._hold, name="lease", daemon=True)
        self._thread.start()

    def _hold(self) -> None:
        while not self._end.wait(_RENEWAL_SECONDS):
            # What fails now is tried again before the lease is over.
            with suppress(OSError):
                self._renew()

    def _renew(self) -> None:
        until = time.time() + _LEASE_SECONDS
        who = {"host": socket.gethostname(), "process": os.getpid(), "mark": self._mark, "until": until}
        self._object.write_bytes(json.dumps(who).encode("ascii"))

    def give_back(self) -> None:
        if self._thread is None:
            return
        self._end.set()
        self._thread.join()
        self._thread = None
        _held_here.discard(self._mark)
        with suppress(OSError):
            self._object.unlink(missing_ok=True)


_held_here: set[str] = set()
"""The marks of this process."""


def _busy(own: Path, host: str = "") -> UserError:
    if host:
        words = _("Another run on {host} is writing into “{folder}” at this moment.")
    else:
        words = _("Another run is writing into “{folder}” at this moment.")
    return UserError(
        words.format(folder=own.parent, host=host), _("Wait until it has ended, or choose another output folder.")
    )


def _lines_of(content: bytes) -> Iterator[bytes]:
    file = io.BytesIO(content)
    while line := file.readline(_MAX_LINE):
        yield line


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
