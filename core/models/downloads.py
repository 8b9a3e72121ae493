"""Fetch a known model into the user's folder. Plain: the window's process may do this, too.

pooch checks the SHA-256 and gives the file its name only then; the bytes come through a downloader of ours, which pooch
lacks: one that goes on where it was cut, in this attempt or the next, and stops when asked.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pooch
import requests

from core import paths
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.models import DownloadProgress, DownloadRequest, ModelAdded
from core.edition import has_torch, needs_torch
from core.language import gettext as _
from core.models.known import KNOWN, KnownModel, known_model

PART_SUFFIX = ".part"
"""What a download is called until it is whole; kept when it is cut or cancelled, so that the next one goes on there."""
TIMEOUT = 15.0
"""Seconds without a byte after which a connection is given up."""
ATTEMPTS = 3
"""Connections in a row that bring nothing new, before the download is given up."""
PAUSE = 0.5
"""Seconds before the second of them; twice as long before each further one."""

_CHUNK = 1 << 16
_POLL = 0.05
_GONE = (401, 403, 404, 410, 451)


def download(request: DownloadRequest, cancel: CancelToken) -> Iterator[DownloadProgress | ModelAdded]:
    """Fetch a model of the catalogue, or find that it is here.

    Yields:
        `DownloadProgress` at most about 20 times a second, then a `ModelAdded`.

    Raises:
        UserError: there is no such model, no connection, no space, or what came is not the file.
        Cancelled: asked for; what was fetched is kept for the next time.
    """
    known = known_model(request.key)
    if known is None:
        names = ", ".join(model.key for model in KNOWN)
        raise UserError(
            _("There is no model “{key}” to download.").format(key=request.key),
            _("Choose one of {names}.").format(names=names),
        )
    if not has_torch():
        raise needs_torch(known.file_name)
    fetching = _Fetching(known, paths.user_models())
    thread = threading.Thread(target=fetching.run, name=f"download of {known.key}", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            cancel.check()
            thread.join(_POLL)
            if progress := fetching.latest():
                yield progress
        if progress := fetching.latest():
            yield progress
    finally:
        # A connection that hangs ends by its time-out; nobody waits for it.
        fetching.stop()
    if fetching.error is not None:
        raise fetching.error
    yield ModelAdded(known.key, fetching.target, () if fetching.fetched else (_("Already installed."),))


class _Stopped(Exception):  # noqa: N818 - an answer
    pass


class _Fetching:
    """One download, run in a thread of its own so that a server that says nothing can be left waiting."""

    def __init__(self, known: KnownModel, folder: Path) -> None:
        self.known = known
        self.target = folder / known.file_name
        self.part = folder / f".{known.file_name}{PART_SUFFIX}"
        self._stopped = threading.Event()
        self._at_the_part = threading.Lock()
        self.error: Exception | None = None
        self.fetched = False
        self._progress: queue.SimpleQueue[DownloadProgress] = queue.SimpleQueue()

    def latest(self) -> DownloadProgress | None:
        """The newest progress since the last call."""
        newest = None
        while not self._progress.empty():
            newest = self._progress.get_nowait()
        return newest

    def stop(self) -> None:
        """Leave the part alone from now on: the next download of this model may already be at it."""
        with self._at_the_part:
            self._stopped.set()

    @contextmanager
    def _owning_the_part(self) -> Iterator[None]:
        with self._at_the_part:
            if self._stopped.is_set():
                raise _Stopped
            yield

    def run(self) -> None:
        """Fetch; what goes wrong is left in `error`."""
        # pooch logs every file, which would be printed.
        pooch.get_logger().setLevel(logging.WARNING)
        try:
            pooch.retrieve(
                self.known.url,
                known_hash=f"sha256:{self.known.sha256}",
                fname=self.target.name,
                path=self.target.parent,
                downloader=self._download,
            )
        except _Stopped:
            pass
        except UserError as error:
            self.error = error
        except ValueError:
            # pooch raises this for a wrong hash, and has deleted the file.
            self.error = UserError(
                _("What was received is not {key}: its SHA-256 differs.").format(key=self.known.key),
                _("Try again later. Behind a company's proxy or a hotel's login page, try another network."),
            )
        except OSError as error:
            self.error = UserError(
                _("{key} could not be written to {parent}: {strerror}.").format(
                    key=self.known.key, parent=self.target.parent, strerror=error.strerror or error
                ),
                _("Free some space, or check the folder's permissions."),
            )
        except Exception as error:  # for the caller's thread, which shows the traceback
            self.error = error

    def _download(self, url: str, output_file: str, _pooch: object) -> None:
        """What pooch calls: fill `output_file`, by way of the part that survives."""
        self.fetched = True
        failures = 0
        trouble: Exception | None = None
        while failures < ATTEMPTS:
            if failures and self._stopped.wait(PAUSE * 2 ** (failures - 1)):
                raise _Stopped
            before = self._size()
            try:
                self._get_rest(url, before)
            except requests.RequestException as error:
                trouble = error
            else:
                with self._owning_the_part():
                    self.part.replace(output_file)
                return
            failures = 0 if self._size() > before else failures + 1
        raise UserError(
            _("{key} could not be downloaded: {in_words}").format(key=self.known.key, in_words=_in_words(trouble)),
            _hint(self._size()),
        )

    def _get_rest(self, url: str, have: int) -> None:
        if self._stopped.is_set():
            raise _Stopped
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code == 416:
                # The part is as long as the file, or longer. Its hash will tell; if it is wrong, the next try is fresh.
                if _length_of_whole(answer) == have:
                    return
                with self._owning_the_part():
                    self.part.unlink(missing_ok=True)
                raise requests.ConnectionError("the part from before did not fit the file")
            if answer.status_code in _GONE:
                raise UserError(
                    _("{key} is not where it was: {url} answers {status_code}.").format(
                        key=self.known.key, url=url, status_code=answer.status_code
                    ),
                    _("Look for a newer version of this program, or fetch the file by hand and import it."),
                )
            answer.raise_for_status()
            if answer.headers.get("Content-Type", "").startswith("text/html"):
                raise UserError(
                    _("A web page came instead of {key}.").format(key=self.known.key),
                    _("Behind a company's proxy or a hotel's login page, log in there or try another network."),
                )
            # A server that does not know ranges sends the whole file again.
            goes_on = answer.status_code == 206 and _first_byte(answer) == have
            done = have if goes_on else 0
            length = int(answer.headers.get("Content-Length") or 0)
            total = done + length if length else 0
            reported = 0.0
            with self._owning_the_part():
                # Without a buffer, which would be written when the file is closed, whoever owned the part by then.
                file = self.part.open("ab" if goes_on else "wb", buffering=0)
            with file:
                for chunk in answer.iter_content(_CHUNK):
                    with self._owning_the_part():
                        left = memoryview(chunk)
                        while left:
                            # A disk that is nearly full writes a part of the chunk, and fails at the rest.
                            left = left[file.write(left) :]
                    done += len(chunk)
                    if time.monotonic() - reported > _POLL:
                        reported = time.monotonic()
                        self._progress.put(DownloadProgress(self.known.key, done, total))
                os.fsync(file.fileno())
            if total and done < total:
                raise requests.ConnectionError("the connection was cut")
            self._progress.put(DownloadProgress(self.known.key, done, total or done))

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0


def _length_of_whole(answer: requests.Response) -> int:
    text = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(text) if text.isdigit() else -1


def _first_byte(answer: requests.Response) -> int:
    text = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(text) if text.isdigit() else 0


def _in_words(error: Exception | None) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return _("the server's certificate cannot be trusted.")
    if isinstance(error, requests.TooManyRedirects):
        return _("the server redirects without end.")
    if isinstance(error, requests.Timeout):
        return _("the server does not answer.")
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _("the server answers {status_code}.").format(status_code=error.response.status_code)
    return _("there is no connection to the server.")


def _hint(have: int) -> str:
    kept = (
        _(" The {have:.1f} MB received are kept; the next attempt continues there.").format(have=have / 1e6)
        if have
        else ""
    )
    return _("Connect to the internet, then try again.{kept}").format(kept=kept)
