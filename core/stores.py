"""Object stores, read and written as if they were folders: `s3://bucket/scans/a.png` is a path. Plain.

A `StorePath` does by fsspec what other paths do by the system. What it reads comes in blocks, each asked for again
where the network failed; what it writes is there whole or not at all. Whatever goes wrong is an `OSError` whose words
are ours: what libraries say may hold signed addresses.
"""

from __future__ import annotations

import errno
import hashlib
import io
import mimetypes
import os
import posixpath
import random
import stat
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache, partial
from itertools import groupby, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from core.contract.errors import UserError, how_to_install
from core.folders import is_left_out
from core.language import gettext as _
from core.random_access import RandomAccess

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "memory": ""}
"""The schemes that are known, and what each needs beside fsspec."""
_WHOLE_OR_NOT = ("s3", "gs", "az")
"""Stores whose PUT is whole or not at all, as their makers promise: nobody sees a part of an object, nor does one stay
behind when the upload is cut off. To others a file goes under another name, and is then moved."""
ANSWER_SECONDS = 30
"""How long a connection that was cut without a word is waited for, and then tried again."""
UPLOAD_PATIENCE = 2.0
SLOWEST_UPLOAD = 100_000
"""An upload is given up, and tried again, after so many times that, and one second more for so many bytes."""
TRIES = 5
FIRST_PAUSE_SECONDS = 0.5
"""Before the second try; twice as long before each further one, and a little by chance, so that workers part."""
MOST_BYTES = 1 << 32
"""The largest object that is fetched, as in `core.archives`."""
FETCHED_AT_ONCE = 1 << 23
"""Bytes: what of an object is in memory while it is fetched."""
_BLOCK = 1 << 18
"""Bytes that a reader asks for at a time: the headers of nearly all pictures lie in the first."""
_MOST_BLOCKS = 64
PAGE = 1000
"""Names that a store tells at a time."""
MANY = 32
"""Requests that are made at a time where their number is what takes long."""
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})

T = TypeVar("T")
U = TypeVar("U")
if TYPE_CHECKING:
    _SystemPath = Path
else:
    _SystemPath = type(Path())


def is_store(path: Path) -> bool:
    """Whether a path leads into a store."""
    return isinstance(path, StorePath)


def given(path: Path) -> Path:
    """A path as somebody wrote it: a `StorePath` if that begins with a scheme, and else made absolute.

    Links are not followed, so that people see the names that they gave.
    """
    if is_store(path):
        return path
    if not path.is_absolute() and path.parts and path.parts[0].endswith(":") and path.parts[0][:-1] in PACKAGES:
        # `Path` has made one slash of two.
        return StorePath(*path.parts)
    return Path(os.path.abspath(path))  # noqa: PTH100


def from_url(text: str) -> Path:
    """The path of `str(path)`."""
    return given(Path(text)) if "://" in text else Path(text)


class StorePath(_SystemPath):
    """A path whose first part is a scheme and whose second is a bucket, or one relative to such a path."""

    __slots__ = ()

    def __str__(self) -> str:
        parts = self.parts
        if not self.is_absolute():
            return "/".join(parts) or "."
        return f"{parts[0]}//{'/'.join(parts[1:])}"

    def __reduce__(self) -> tuple[type[StorePath], tuple[str, ...]]:
        return StorePath, self.parts

    def as_posix(self) -> str:
        """The same as `str`."""
        return str(self)

    def is_absolute(self) -> bool:
        """Whether it begins with a scheme."""
        parts = self.parts
        return bool(parts) and parts[0].endswith(":") and parts[0][:-1] in PACKAGES

    @property
    def scheme(self) -> str:
        """`s3`, `gs`, `az` or `memory`."""
        return self.parts[0][:-1]

    @property
    def key(self) -> str:
        """What the store calls it, behind the name of the bucket."""
        return "/".join(self.parts[2:])

    @property
    def _inside(self) -> str:
        """What fsspec calls it: without the scheme."""
        inside = "/".join(self.parts[1:])
        return f"/{inside}" if self.scheme == "memory" else inside

    def info(self) -> dict[str, Any]:
        """What the store says of it.

        Raises:
            OSError: there is no such object, or it cannot be asked for.
        """
        found: dict[str, Any] = _asked(self, lambda: _system(self.scheme).info(self._inside))
        return found

    def stat(self, **_how: Any) -> os.stat_result:
        """Bytes, time of change, and in place of the other times a hash of the version.

        Raises:
            OSError: as `info`.
        """
        return _status(self.info())

    def lstat(self) -> os.stat_result:
        """The same as `stat`: stores have no links."""
        return self.stat()

    def version(self) -> tuple[int, int] | None:
        """Bytes, and a number that another content would not have; None where there is no such object.

        Raises:
            OSError: it could not be asked for.
        """
        try:
            status = self.stat()
        except OSError as error:
            if error.errno in _MISSING:
                return None
            raise
        return (status.st_size, status.st_ctime_ns) if stat.S_ISREG(status.st_mode) else None

    def exists(self, **_how: Any) -> bool:
        """Whether there is such an object, or anything below it.

        Raises:
            OSError: it could not be asked for.
        """
        try:
            self.info()
        except OSError as error:
            if error.errno in _MISSING:
                return False
            raise
        return True

    def is_file(self, **_how: Any) -> bool:
        """Whether there is such an object.

        Raises:
            OSError: it could not be asked for.
        """
        return self.version() is not None

    def is_dir(self, **_how: Any) -> bool:
        """Whether there is anything below it.

        Raises:
            OSError: it could not be asked for.
        """
        try:
            return self.info()["type"] == "directory"
        except OSError as error:
            if error.errno in _MISSING:
                return False
            raise

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: in stores folders are only in names."""

    def iterdir(self) -> Iterator[StorePath]:  # type: ignore[override]
        """What lies in it."""
        system = _system(self.scheme)
        for name in _asked(self, lambda: system.ls(self._inside, detail=False, refresh=True)):
            yield self / posixpath.basename(name.rstrip("/"))

    def glob(self, *_pattern: Any, **_how: Any) -> Iterator[StorePath]:  # type: ignore[override]
        """Nothing: what is unfinished is not seen in a store, and pictures are found by `listed`."""
        return iter(())

    def open(self, mode: str = "r", *_how: Any, **_more: Any) -> IO[Any]:  # type: ignore[override]
        """Open it for reading: the copy that is at hand, or the object itself, in blocks.

        Raises:
            OSError: as `info`.
        """
        if mode != "rb":
            raise io.UnsupportedOperation("A store is read as bytes, and written whole.")
        with _lock:
            held = _held.get(self)
        if held is not None:
            return held.local.open("rb")
        return io.BufferedReader(_Blocks(self, _status(self.info()).st_size), _BLOCK)

    def read_text(self, encoding: str | None = None, *_how: Any, **_more: Any) -> str:
        """All of it, as text.

        Raises:
            OSError, ValueError: it is not there, or not text.
        """
        return self.read_bytes().decode(encoding or "utf-8")

    def write_bytes(self, data: Any) -> int:
        """Make it hold this, from one moment to the next.

        Raises:
            OSError: the store does not take it.
        """
        content = bytes(data)
        system = _system(self.scheme)
        limit = _upload_limit(system, len(content))
        _asked(self, lambda: system.pipe_file(self._inside, content, **limit))
        return len(content)

    def write_text(self, data: str, encoding: str | None = None, *_how: Any, **_more: Any) -> int:
        """The same as `write_bytes`."""
        return self.write_bytes(data.encode(encoding or "utf-8"))

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete it.

        Raises:
            OSError: it cannot be deleted.
        """
        try:
            _asked(self, lambda: _system(self.scheme).rm_file(self._inside))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def replace(self, target: Any) -> StorePath:
        """Give it another name in the same store: a copy by the store, which is there whole or not at all.

        Raises:
            OSError: it cannot be copied.
        """
        _asked(self, lambda: _system(self.scheme).cp_file(self._inside, target._inside))
        self.unlink(missing_ok=True)
        return StorePath(target)


def put(local: Path, final: StorePath) -> None:
    """Let a store have a file, whole or not at all; with its date and kind, where the store has a place for them.

    Raises:
        OSError: the store does not take it; what was there before is untouched.
    """
    system = _system(final.scheme)
    limit = _upload_limit(system, local.stat().st_size)
    if final.scheme in _WHOLE_OR_NOT:
        _asked(final, lambda: system.put_file(str(local), final._inside, **_facts(local, final), **limit))
        return
    other = final.with_name(f".srgan-{os.urandom(6).hex()}.part")
    try:
        _asked(final, lambda: system.put_file(str(local), other._inside, **limit))
        other.replace(final)
    except BaseException:
        with suppress(OSError):
            other.unlink(missing_ok=True)
        raise


def _facts(local: Path, final: StorePath) -> dict[str, Any]:
    """What a store notes of an object beside its content."""
    kind = mimetypes.guess_type(final.name.removesuffix(".part"))[0] or "application/octet-stream"
    changed = local.stat().st_mtime_ns
    if final.scheme == "s3":
        # Where rclone and s3cmd look for it.
        return {"ContentType": kind, "Metadata": {"mtime": f"{changed / 1e9:.9f}"}}
    if final.scheme == "gs":
        # Where gsutil looks for it.
        return {"content_type": kind, "metadata": {"goog-reserved-file-mtime": str(changed // 10**9)}}
    return {}


class _Held:
    """An object that was fetched."""

    def __init__(self, local: Path) -> None:
        self.local = local
        self.users = 1


_lock = threading.Lock()
_held: dict[Path, _Held] = {}


@contextmanager
def at_hand(path: Path) -> Iterator[Path]:
    """Keep a copy of an object on the disk, which whoever opens it reads meanwhile; other paths are there as they are.

    Raises:
        OSError: it cannot be fetched, or is larger than `MOST_BYTES`.
    """
    if not isinstance(path, StorePath):
        yield path
        return
    with _lock:
        held = _held.get(path)
        if held is not None:
            held.users += 1
    if held is None:
        held = _Held(_fetched(path))
        with _lock:
            # Two may have fetched it at once: the second copy is only its own.
            _held.setdefault(path, held)
    try:
        yield held.local
    finally:
        with _lock:
            held.users -= 1
            over = not held.users
            if over and _held.get(path) is held:
                del _held[path]
        if over:
            with suppress(OSError):
                held.local.unlink()


def _fetched(path: StorePath) -> Path:
    size = _status(path.info()).st_size
    if size > MOST_BYTES:
        raise OSError(errno.EFBIG, _("it has {size:,.0f} GB").format(size=size / 1e9), str(path))
    handle, name = tempfile.mkstemp(prefix="srgan-", suffix=path.suffix if path.suffix.isascii() else "")
    local = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for start in range(0, size, FETCHED_AT_ONCE):
                file.write(_part(path, start, min(size, start + FETCHED_AT_ONCE)))
    except BaseException:
        local.unlink(missing_ok=True)
        raise
    return local


def _part(path: StorePath, start: int, end: int) -> bytes:
    system = _system(path.scheme)

    def read() -> bytes:
        # By name: s3fs has the version of the object in second place.
        data: bytes = system.cat_file(path._inside, start=start, end=end)
        if len(data) != end - start:
            raise ConnectionError(errno.ECONNRESET, _("the store cannot be reached, or the connection was cut"))
        return data

    return _asked(path, read)


class _Blocks(RandomAccess):
    """An object read at any place, in blocks, the last of which are kept."""

    def __init__(self, path: StorePath, size: int) -> None:
        super().__init__(size)
        self._path = path
        self._blocks: dict[int, bytes] = {}

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        number, skipped = divmod(self._at, _BLOCK)
        if self._at >= self._size or not len(buffer):
            return 0
        if number not in self._blocks:
            if len(self._blocks) >= _MOST_BLOCKS:
                self._blocks.pop(next(iter(self._blocks)))
            start = number * _BLOCK
            self._blocks[number] = _part(self._path, start, min(self._size, start + _BLOCK))
        data = self._blocks[number][skipped : skipped + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def listed(folder: StorePath, recursive: bool = True, *, hidden: bool = False) -> Iterator[StorePath | OSError]:
    """The objects below a folder, as the store hands them out: by name, and never all at once in memory.

    What is hidden, or kept there by systems, is left out, as `is_left_out` says of any part of the name, unless it is
    asked for. An object whose name no path can have is an `OSError` with its name.

    Raises:
        OSError: the store cannot be asked.
    """
    prefix = f"{folder.key}/" if folder.key else ""
    for name in _names(folder, prefix, recursive):
        inside = name[len(prefix) :]
        parts = inside.split("/")
        if not parts[-1] or (not hidden and any(map(is_left_out, filter(None, parts)))):
            continue
        if any(part in ("", ".", "..") for part in parts):
            yield OSError(errno.EINVAL, _("its name has an empty part, or one of dots"), f"{folder}/{inside}")
        else:
            yield folder.joinpath(*parts)


def _names(folder: StorePath, prefix: str, recursive: bool) -> Iterator[str]:
    """Keys below a prefix."""
    system = _system(folder.scheme)
    if folder.scheme == "s3":
        # Page by page; fsspec itself would first have all of them.
        asked: dict[str, Any] = {"Bucket": folder.parts[1], "Prefix": prefix, "MaxKeys": PAGE}
        if not recursive:
            asked["Delimiter"] = "/"
        while True:
            page = _asked(folder, lambda: system.call_s3("list_objects_v2", **asked))
            yield from (each["Key"] for each in page.get("Contents", ()))
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]
    start = len(folder.parts[1]) + 1
    waiting = [folder._inside]
    while waiting:
        here = waiting.pop()
        try:
            entries = _asked(folder, partial(system.ls, here, detail=True, refresh=True))
        except FileNotFoundError:
            continue
        below = []
        for entry in sorted(entries, key=lambda each: each["name"]):
            name = entry["name"].strip("/")
            if entry["type"] != "directory":
                yield name[start:]
            elif recursive and not is_left_out(posixpath.basename(name)) and name != here.strip("/"):
                below.append(entry["name"])
        waiting += below[::-1]


def names_like(path: StorePath) -> set[str]:
    """The names in the folder of an object that begin as its own does up to the suffix: one request for all.

    Raises:
        OSError: the store cannot be asked.
    """
    if path.scheme == "s3":
        prefix = path.with_suffix("").key
        return {posixpath.basename(key) for key in _names(path.parent, prefix, recursive=False)}
    return {each.name for each in path.parent.iterdir()}


def check_reachable(path: Path, *, for_writing: bool = False) -> None:
    """For words before the work: whether a store and its bucket are there, and let this user in.

    Raises:
        UserError: not.
    """
    if not isinstance(path, StorePath):
        return
    if len(path.parts) < 2 or "@" in path.parts[1]:
        # What stands before an @ may be a password.
        raise UserError(
            _("“{scheme}://” must be followed by the name of a bucket.").format(scheme=path.scheme),
            _("Write {scheme}://BUCKET/FOLDER.").format(scheme=path.scheme),
        )
    where = f"{path.scheme}://{path.parts[1]}"
    system = _system(path.scheme)
    try:
        if path.scheme == "s3":
            _asked(path, lambda: system.call_s3("list_objects_v2", Bucket=path.parts[1], Prefix=path.key, MaxKeys=1))
        elif path.scheme != "memory":
            _asked(path, lambda: system.info(path.parts[1]))
        if for_writing:
            probe = path / f".srgan-{os.urandom(6).hex()}.part"
            probe.write_bytes(b"")
            probe.unlink(missing_ok=True)
    except FileNotFoundError:
        raise UserError(
            _("There is no bucket “{bucket}”.").format(bucket=where), _("Check its name, and make it first.")
        ) from None
    except PermissionError as error:
        words = _("“{path}” may not be written: {why}.") if for_writing else _("“{path}” may not be read: {why}.")
        raise UserError(
            words.format(path=path, why=error.strerror),
            _("Set up the rights and the credentials of this store, as its own tools take them."),
        ) from None
    except OSError as error:
        raise UserError(
            _("“{bucket}” cannot be used: {why}.").format(bucket=where, why=error.strerror),
            _("Check the network and the address of the store."),
        ) from None


def hint_for(path: Path) -> str:
    """What to look at where a file cannot be read."""
    return _("Check the network and the store.") if is_store(path) else _("Check the disk.")


def in_parallel(act: Callable[[T], U], items: Iterable[T], is_far: Callable[[T], bool]) -> Iterator[U]:
    """`map`, in order; items in a row that are far away are acted on `MANY` at the same time."""
    for far, row in groupby(items, is_far):
        if far:
            yield from _many_at_once(act, row)
        else:
            yield from map(act, row)


def _many_at_once(act: Callable[[T], U], items: Iterator[T]) -> Iterator[U]:
    with ThreadPoolExecutor(MANY, "store") as pool:
        ahead = deque(pool.submit(act, each) for each in islice(items, 2 * MANY))
        try:
            while ahead:
                result = ahead.popleft().result()
                ahead.extend(pool.submit(act, each) for each in islice(items, 1))
                yield result
        finally:
            pool.shutdown(cancel_futures=True)


@cache
def _system(scheme: str) -> Any:
    """The file system of a scheme; its credentials are what its own tools take."""
    try:
        import fsspec
        from fsspec.config import conf

        options: dict[str, Any] = {}
        if scheme == "s3":
            # Tried again by us alone: two sorts of waiting multiply.
            options["config_kwargs"] = {
                "retries": {"mode": "standard", "total_max_attempts": 1},
                "connect_timeout": 10,
                "read_timeout": ANSWER_SECONDS,
                **conf.get("s3", {}).get("config_kwargs", {}),
            }
        if scheme != "memory":
            # What was listed may have changed since.
            options["use_listings_cache"] = False
        return fsspec.filesystem(scheme, **options)
    except ImportError:
        raise UserError(
            _("{scheme}:// needs {package}, which is not installed.").format(
                scheme=scheme, package=PACKAGES[scheme] or "fsspec"
            ),
            how_to_install("'srgan-desktop[stores]'"),
        ) from None


def _upload_limit(system: Any, size: int) -> dict[str, float]:
    """What ends an upload that nobody answers: aiohttp waits for a store's leave to send a body without any limit."""
    from fsspec.asyn import AsyncFileSystem

    if not isinstance(system, AsyncFileSystem):
        return {}
    answer = (getattr(system, "config_kwargs", None) or {}).get("read_timeout", ANSWER_SECONDS)
    return {"timeout": UPLOAD_PATIENCE * answer + size / SLOWEST_UPLOAD}


def _asked(path: StorePath, act: Callable[[], T]) -> T:
    """Do it, again where the store or the network failed for a moment.

    Raises:
        OSError: it failed for good; in our own words.
    """
    for number in range(TRIES):
        try:
            return act()
        except Exception as error:
            found = _in_words(error, path)
            if found is None:
                raise
            translated, passing = found
        if not passing or number == TRIES - 1:
            raise translated
        time.sleep(FIRST_PAUSE_SECONDS * 2**number * random.uniform(0.75, 1.25))
    raise AssertionError


def _in_words(error: Exception, path: StorePath) -> tuple[OSError, bool] | None:
    """An error of a store in our words, and whether it may pass; None for one of the program's own."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    status = next((found for each in chain if (found := _status_code(each))), 0)
    names = {type(each).__name__ for each in chain}
    if status in (401, 403) or isinstance(error, PermissionError) or "credential" in "".join(names).lower():
        words = _("the store knows no credentials for it")
        if status:
            words = _("the store answered {status}").format(status=_phrase(status))
        return PermissionError(errno.EACCES, words, str(path)), False
    if status == 404 or isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return FileNotFoundError(errno.ENOENT, _("it is not there"), str(path)), False
    if isinstance(error, FileExistsError) or status in (409, 412):
        return FileExistsError(errno.EEXIST, _("it is there already"), str(path)), False
    if status:
        passing = status >= 500 or status in (408, 429)
        return OSError(errno.EIO, _("the store answered {status}").format(status=_phrase(status)), str(path)), passing
    of_a_library = type(error).__module__.partition(".")[0] in _LIBRARIES
    if not isinstance(error, OSError | EOFError) and not of_a_library:
        return None
    if any("Timeout" in name for name in names):
        return TimeoutError(errno.ETIMEDOUT, _("the store takes too long to answer"), str(path)), True
    if any(word in name for name in names for word in ("Endpoint", "Connect", "Payload", "Incomplete")):
        return OSError(errno.EIO, _("the store cannot be reached, or the connection was cut"), str(path)), True
    return OSError(errno.EIO, _("the store failed ({kind})").format(kind=type(error).__name__), str(path)), True


_LIBRARIES = frozenset({"botocore", "aiobotocore", "aiohttp", "s3fs", "gcsfs", "google", "azure", "fsspec", "urllib3"})


def _status_code(error: BaseException) -> int:
    """The status of HTTP that an error tells of; 0 for none."""
    answer = getattr(error, "response", None)
    if isinstance(answer, dict):
        found = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    else:
        found = next((getattr(error, name, None) for name in ("status", "status_code", "code")), 0)
        found = found or getattr(answer, "status_code", 0)
    return int(found) if isinstance(found, int) and 400 <= found < 600 else 0


def _phrase(status: int) -> str:
    import http

    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _status(info: dict[str, Any]) -> os.stat_result:
    changed = next((found for name in _TIMES if (found := _nanoseconds(info.get(name))) is not None), 0)
    mark = next((str(info[name]) for name in _MARKS if info.get(name)), "")
    version = int.from_bytes(hashlib.sha256(mark.encode()).digest()[:7]) if mark else changed
    kind = stat.S_IFDIR | 0o755 if info["type"] == "directory" else stat.S_IFREG | 0o644
    seconds = changed // 10**9
    return os.stat_result(
        (kind, 0, 0, 1, 0, 0, info.get("size") or 0, seconds, seconds, seconds),
        {"st_atime_ns": changed, "st_mtime_ns": changed, "st_ctime_ns": version},
    )


_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")
_MARKS = ("ETag", "etag", "md5Hash")


def _nanoseconds(moment: Any) -> int | None:
    if isinstance(moment, str):
        with suppress(ValueError):
            moment = datetime.fromisoformat(moment)
    if not isinstance(moment, datetime):
        return None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000
