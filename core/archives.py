"""Archives of pictures, ZIP and CBZ, read as if they were folders: `comic.cbz/page 1.png` is a path. Plain.

What leads into an archive is opened by `opened`, weighed by `stamp_of` and told to be there by `exists`; for all other
paths these do what the file system does. Nothing is ever unpacked under a name that an archive says.
"""

from __future__ import annotations

import io
import re
import shutil
import stat
import struct
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from core import stores
from core.contract.errors import UserError
from core.language import current, ngettext
from core.language import gettext as _
from core.random_access import RandomAccess

ARCHIVE_SUFFIXES = frozenset({".zip", ".cbz"})
"""Lower case with dot."""

MOST_ENTRIES = 20_000
_MOST_DIRECTORY_BYTES = 1 << 24
MOST_BYTES = 1 << 32
"""The most that one file in an archive may unpack to: more than the largest picture that is read takes unpacked."""
WHERE_BOMBS_BEGIN, MOST_RATIO = 1 << 30, 250
"""An archive that unpacks to more than this many bytes, and more than so many times its size, is refused: only blank
paper is packed like that."""
_IN_MEMORY = 1 << 26
"""Bytes of an unpacked file that are kept in memory; beyond, they lie in a temporary file."""
_BLOCK = 1 << 20
_ENCRYPTED, _UTF_8 = 0x1, 0x800
_METHODS = {
    zipfile.ZIP_STORED: "",
    zipfile.ZIP_DEFLATED: "zlib",
    zipfile.ZIP_BZIP2: "bz2",
    zipfile.ZIP_LZMA: "lzma",
}
_OTHERS = {
    b"Rar!": _("a RAR archive"),
    b"7z\xbc\xaf": _("a 7-Zip archive"),
    b"\x1f\x8b": _("a gzip archive"),
    b"%PDF": _("a PDF document"),
}
"""What goes under these suffixes, too."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive."""

    name: str
    """With slashes, relative to the archive."""
    info: zipfile.ZipInfo

    @property
    def stamp(self) -> tuple[int, int]:
        """Bytes and checksum: what `stamp_of` says."""
        return self.info.file_size, self.info.CRC

    @property
    def time_ns(self) -> int | None:
        """When it was last changed, in nanoseconds, by the local time; None where that is no time."""
        _year, month, day, *_rest = self.info.date_time
        with suppress(ValueError, OverflowError):
            # Zeros, which mean that nobody knew, would be taken for the day before.
            return None if not (month and day) else int(time.mktime((*self.info.date_time, 0, 0, -1))) * 1_000_000_000
        return None


@dataclass(frozen=True, slots=True)
class Listing:
    """What an archive holds."""

    members: dict[str, Member] = field(default_factory=dict)
    """By name, in the archive's order; of two of one name the last, as unpacking leaves it."""
    refused: tuple[UserError, ...] = ()
    """What is in it and is not opened, each with its name."""


_may_lead_into_one = re.compile(rf"(?:{'|'.join(map(re.escape, sorted(ARCHIVE_SUFFIXES)))})[/\\]", re.IGNORECASE).search


def archive_of(path: Path) -> Path | None:
    """The archive that a path leads into; None for a path that leads to a file or folder of its own.

    Archives in stores are not opened: each look into one would fetch it.
    """
    # Asked several times for each of millions of pictures, hardly any of which is in one.
    if stores.is_store(path) or not _may_lead_into_one(str(path)):
        return None
    for parent in path.parents:
        if parent.suffix.lower() in ARCHIVE_SUFFIXES and parent.is_file():
            return parent
    return None


def is_archive(path: Path) -> bool:
    """Whether a path is that of an archive, by its suffix."""
    return not stores.is_store(path) and path.suffix.lower() in ARCHIVE_SUFFIXES and path.is_file()


def list_archive(archive: Path) -> Listing:
    """The files in an archive; read once as long as nobody changes it.

    Raises:
        UserError: it cannot be read, is none, or has more in it than an honest one.
    """
    try:
        status = archive.stat()
        key = (str(archive), status.st_size, status.st_mtime_ns)
        with _lock:
            if key in _known:
                return _known[key]
        with archive.open("rb") as file:
            listing = _listed(file, archive.name)
    except OSError as error:
        if error.errno is None:
            raise _damaged(archive.name) from error
        raise UserError(
            _("“{name}” could not be read: {strerror}.").format(name=_plain(archive.name), strerror=error.strerror),
            _("Check the disk."),
        ) from error
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, EOFError, OverflowError) as error:
        raise _damaged(archive.name) from error
    with _lock:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = listing
    return listing


def stamp_of(path: Path) -> tuple[int, int] | None:
    """Bytes and time of change in ns of a file, or bytes and checksum of one in an archive or a store; None where there
    is none.

    Equal as long as nobody writes it.

    Raises:
        OSError: a store could not be asked, so that nobody knows.
    """
    if isinstance(path, stores.StorePath):
        return path.version()
    if archive_of(path) is None:
        try:
            status = path.stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns
    member = _found(path)
    return None if member is None else member.stamp


def exists(path: Path) -> bool:
    """Whether there is such a file, in an archive or not."""
    return path.is_file() if archive_of(path) is None else _found(path) is not None


def times_of(path: Path) -> tuple[int, int]:
    """When a file was last read and last changed, in ns; for one in an archive both are what that says.

    Raises:
        OSError: there is no such file.
    """
    archive = archive_of(path)
    member = _found(path)
    if member is not None and member.time_ns is not None:
        return member.time_ns, member.time_ns
    status = (archive or path).stat()
    return status.st_atime_ns, status.st_mtime_ns


def siblings(path: Path) -> Iterator[Path]:
    """What lies in the folder of a file, in an archive or not.

    Raises:
        OSError: the folder cannot be read.
    """
    archive = archive_of(path)
    if archive is None:
        yield from path.parent.iterdir()
        return
    for name in list_archive(archive).members:
        if (archive / name).parent == path.parent:
            yield archive / name


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """A file, in an archive or not, open for reading at any place.

    Raises:
        OSError: there is no such file, or it cannot be read.
        UserError: the archive is damaged, or does not open this one.
    """
    archive = archive_of(path)
    if archive is None:
        with path.open("rb") as file:
            yield file
        return
    member = _found(path)
    if member is None:
        raise FileNotFoundError(2, _("No such file in the archive"), str(path))
    try:
        with zipfile.ZipFile(archive) as container, container.open(member.info) as packed:
            unpacking = _Unpacking(cast(BinaryIO, packed), member.info.file_size)
            try:
                yield io.BufferedReader(unpacking)
            finally:
                unpacking.discard()
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise UserError(
            _("“{name}” cannot be unpacked from “{archive}”, which is damaged.").format(
                name=_plain(path.name), archive=_plain(archive.name)
            ),
            _("Copy or download the archive again."),
        ) from error


@contextmanager
def on_disk(path: Path) -> Iterator[Path]:
    """Where a file lies for libraries that want a name: itself, or a copy of what is in an archive or a store, as long
    as needed.

    Raises:
        OSError, UserError: as `opened`.
    """
    if archive_of(path) is None:
        with stores.at_hand(path) as local:
            yield local
        return
    with tempfile.TemporaryDirectory(prefix="srgan-") as folder:
        # The name is ours: what an archive says may be anything.
        copy = Path(folder, f"unpacked{path.suffix if path.suffix.isascii() else ''}")
        with opened(path) as file, copy.open("wb") as target:
            shutil.copyfileobj(file, target, _BLOCK)
        yield copy


class _Unpacking(RandomAccess):
    """A packed file read at any place: unpacked only as far as somebody has read, so that a header costs little."""

    def __init__(self, packed: BinaryIO, size: int) -> None:
        super().__init__(size)
        self._packed = packed
        self._copy = tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="srgan-")  # noqa: SIM115 - closed by `discard`
        self._there = 0
        """Bytes unpacked so far."""

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._unpack_to(min(self._at + len(buffer), self._size))
        self._copy.seek(self._at)
        data = self._copy.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def discard(self) -> None:
        """Let go of what was unpacked."""
        self._copy.close()

    def _unpack_to(self, end: int) -> None:
        self._copy.seek(self._there)
        while self._there < end:
            data = self._packed.read(_BLOCK)
            if not data:
                raise EOFError("less than it says")
            self._copy.write(data)
            self._there += len(data)


_MOST_KNOWN = 64
_known: dict[tuple[str, int, int], Listing] = {}
_lock = threading.Lock()


def _found(path: Path) -> Member | None:
    archive = archive_of(path)
    if archive is None:
        return None
    try:
        return list_archive(archive).members.get(path.relative_to(archive).as_posix())
    except UserError:
        return None


def _listed(file: BinaryIO, name: str) -> Listing:
    name = _plain(name)
    head = file.read(4)
    for signature, kind in _OTHERS.items():
        if head.startswith(signature):
            raise UserError(
                _("“{name}” is {kind}, not a ZIP archive.").format(name=name, kind=kind), _("Unpack it first.")
            )
    size = file.seek(0, io.SEEK_END)
    if _directory_bytes(file, size) > _MOST_DIRECTORY_BYTES:
        raise _too_many(name)
    with zipfile.ZipFile(file) as container:
        entries = container.infolist()
    if len(entries) > MOST_ENTRIES:
        raise _too_many(name)
    entries = [each for each in entries if each.filename and not each.filename.endswith(("/", "\\"))]
    unpacked, packed = sum(each.file_size for each in entries), sum(each.compress_size for each in entries)
    # Parts that are packed once and listed often make the largest bombs of all.
    if packed > size or (unpacked > WHERE_BOMBS_BEGIN and unpacked > MOST_RATIO * size):
        raise UserError(
            _("“{name}” says that it unpacks to {unpacked:,.0f} GB, far too much for its size.").format(
                name=name, unpacked=unpacked / 1e9
            ),
            _("If you trust it, unpack it first."),
        )
    members: dict[str, Member] = {}
    refused: list[UserError] = []
    encrypted = 0
    for each in entries:
        inside = _name_of(each)
        problem = _problem_of(each, inside, name)
        if each.flag_bits & _ENCRYPTED:
            encrypted += 1
        elif problem is not None:
            refused.append(problem)
        else:
            inside = _path_within(inside)
            members[inside] = Member(inside, each)
    if encrypted:
        what = (
            ngettext(
                "“{name}”: {count:,} of its files are encrypted.",
                "“{name}”: {count:,} of its files are encrypted.",
                encrypted,
            )
            if members
            else _("“{name}”: It is encrypted.")
        )
        refused.append(UserError(what.format(name=name, count=encrypted), _("Unpack it with its password first.")))
    return Listing(members, tuple(refused))


def _directory_bytes(file: BinaryIO, size: int) -> int:
    """How long the list of an archive's files is, as its end says; 0 where there is none, which its reader will tell.

    Looked at first, as reading a list takes several times its length of memory.
    """
    file.seek(max(0, size - _END_BYTES))
    end = file.read(_END_BYTES)
    at = end.rfind(b"PK\5\6")
    if at < 0 or len(end) < at + 22:
        return 0
    length = int(struct.unpack_from("<I", end, at + 12)[0])
    if length == 0xFFFFFFFF and at >= 20 and end[at - 20 : at - 16] == b"PK\6\7":
        file.seek(min(size, struct.unpack_from("<Q", end, at - 12)[0]))
        large = file.read(56)
        length = struct.unpack_from("<Q", large, 40)[0] if len(large) == 56 else length
    return length


_END_BYTES = (1 << 16) + 22 + 20
"""The end of an archive: its record, a comment, and where the record of a large archive lies."""


def _name_of(info: zipfile.ZipInfo) -> str:
    """Its name with slashes.

    Where nothing says how it is written, it is UTF-8 if it can be, as most programs write, else as Windows writes it
    where people read the language in use, else as the standard has it (code page 437).
    """
    # `filename` has had its backslashes turned on Windows, which may be halves of letters.
    name = info.orig_filename.partition("\0")[0]
    if not info.flag_bits & _UTF_8:
        with suppress(UnicodeError):
            name = _decoded(name.encode("cp437"), info.extra)
    # Some programs of Windows write its own separator, others begin with a dot.
    return str(PurePosixPath(name.replace("\\", "/")))


def _decoded(raw: bytes, extra: bytes) -> str:
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        content = extra[at + 4 : at + 4 + size]
        # Only as long as the name is still the one that it was written for.
        if kind == _UNICODE_PATH and content[:1] == b"\1" and content[1:5] == struct.pack("<I", zlib.crc32(raw)):
            return content[5:].decode("utf-8")
        at += 4 + size
    try:
        return raw.decode("utf-8")
    except UnicodeError:
        return raw.decode(_CODE_PAGES[current()]) if current() in _CODE_PAGES else raw.decode("cp437")


_UNICODE_PATH = 0x7075
"""What an extra field of Info-ZIP's is called that holds the name in UTF-8."""
_CODE_PAGES = {"ja": "cp932", "zh_CN": "gbk"}


_DRIVE = re.compile(r"[A-Za-z]:(?:/|$)")


def _path_within(inside: str) -> str:
    """The name under which a file is found: Windows would take the first letter of `a:b.png` for a drive."""
    return f"{inside[0]}-{inside[2:]}" if sys.platform == "win32" and inside[1:2] == ":" else inside


def _problem_of(info: zipfile.ZipInfo, inside: str, name: str) -> UserError | None:
    """Why a file in an archive is not opened; None where it is."""
    what = _("“{inside}” in “{name}”").format(inside=_plain(inside), name=name)
    path = PurePosixPath(inside)
    if path.is_absolute() or not path.parts or ".." in path.parts or _DRIVE.match(inside):
        return UserError(
            _("{what} leads out of the archive, and is not opened.").format(what=what), _("Unpack the archive first.")
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        return UserError(_("{what} is a link, and is not followed.").format(what=what), _("Unpack the archive first."))
    if path.suffix.lower() in ARCHIVE_SUFFIXES:
        return UserError(
            _("{what} is an archive in an archive, and is not opened.").format(what=what),
            _("Unpack the outer one first."),
        )
    if info.compress_type not in _METHODS:
        return UserError(
            _("{what} is packed in a way that cannot be read.").format(what=what), _("Unpack the archive first.")
        )
    if info.file_size > MOST_BYTES:
        return UserError(
            _("{what} says that it unpacks to {file_size:,.0f} GB.").format(what=what, file_size=info.file_size / 1e9),
            _("Unpack the archive first."),
        )
    return None


def _too_many(name: str) -> UserError:
    return UserError(
        _("“{name}” lists more than {most_entries:,} files.").format(name=name, most_entries=MOST_ENTRIES),
        _("Unpack it first."),
    )


def _damaged(name: str) -> UserError:
    return UserError(
        _("“{name}” is not a ZIP archive, or is damaged or cut off.").format(name=_plain(name)),
        _("Copy or download it again, or unpack it."),
    )


def _plain(name: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in name)
