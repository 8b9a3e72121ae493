"""Pictures behind links: fetched in a thread, checked, and saved as files of their own."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from core.atomic import replacing
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.language import gettext as _
from core.names import fitting_name, free_path, portable_name

if TYPE_CHECKING:
    import requests

MOST_BYTES = 200_000_000
"""Larger files are refused: nobody means to fetch so much by letting go of a mouse button."""
MOST_REDIRECTS = 5
TIMEOUT = 15.0
"""Seconds without a byte after which a connection is given up."""
TELL_SECONDS = 0.2
"""Between two words about the progress."""
_CHUNK = 1 << 16
_BY_HAND = _("Save the picture with your browser, then add the file; or copy the picture itself and paste it here.")


@dataclass(frozen=True, slots=True)
class Fetching:
    """How far a link is."""

    name: str
    """The file's, as far as it is known."""
    host: str
    done: int = 0
    """Bytes."""
    total: int = 0
    """Bytes; 0 where the server does not say."""


def fetch_picture(link: str, folder: Path, cancel: CancelToken) -> Iterator[Fetching | Path]:
    """Fetch the picture that a link leads to, and save it in a folder under a free name.

    Nothing is written before all of it has come and has turned out to be a picture that can be read.

    Yields:
        `Fetching` a few times a second, then the path of the file.

    Raises:
        UserError: there is no connection, no picture, too much of it, or no way to write it.
        Cancelled: asked for; nothing was written.
    """
    # Here, in a thread, as both take long to import and few need them.
    import requests

    from core.images.content import key_of_content
    from core.images.formats import FORMATS, format_of_suffix
    from core.images.refusal import UnreadableError

    name, host = name_in(link), urlsplit(link).hostname or link
    yield Fetching(name, host)
    session = requests.Session()
    session.max_redirects = MOST_REDIRECTS
    # requests knows no other schemes, so that a redirect never leads to a file of this machine.
    try:
        with session, session.get(link, stream=True, timeout=TIMEOUT) as answer:
            answer.raise_for_status()
            name = _name_of(answer) or name_in(answer.url)
            total = int(answer.headers.get("Content-Length") or 0)
            body = io.BytesIO()
            told = 0.0
            for chunk in answer.iter_content(_CHUNK):
                cancel.check()
                body.write(chunk)
                if max(body.tell(), total) > MOST_BYTES:
                    raise UserError(
                        _("“{name}” is larger than {most_bytes} MB.").format(
                            name=name, most_bytes=MOST_BYTES // 1000000
                        ),
                        _BY_HAND,
                    )
                if time.monotonic() - told > TELL_SECONDS:
                    told = time.monotonic()
                    yield Fetching(name, host, body.tell(), total)
    except (requests.RequestException, OSError) as error:
        raise UserError(
            _("“{name}” could not be fetched from {host}: {cause}.").format(name=name, host=host, cause=_cause(error)),
            _BY_HAND,
        ) from error
    body.seek(0)
    try:
        key = key_of_content(body, Path(name))
    except UnreadableError as error:
        raise UserError(
            _("“{name}” from {host} {what}").format(name=name, host=host, what=error.what), _BY_HAND
        ) from None
    suffix = Path(name).suffix
    if format_of_suffix(suffix) != key:
        suffix = FORMATS[key].suffixes[0]
    cancel.check()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = free_path(folder / fitting_name(Path(name).stem, suffix))
        with replacing(path) as temporary:
            temporary.write_bytes(body.getbuffer())
    except OSError as error:
        raise UserError(
            _("“{name}” could not be saved in {folder}: {strerror}.").format(
                name=name, folder=folder, strerror=error.strerror or error
            ),
            _("Check the disk and the permissions."),
        ) from error
    yield path


def name_in(link: str) -> str:
    """A name for the file behind a link: the last part of its path, as every system can have it."""
    last = unquote(urlsplit(link).path).rstrip("/").rpartition("/")[2]
    return portable_name(last) if last else "picture"


def _name_of(answer: requests.Response) -> str:
    """The name that the server gives the file; empty where it gives none."""
    said = answer.headers.get("Content-Disposition", "")
    found = re.search(r"filename\*=[\w-]+''([^;]+)", said) or re.search(r'filename="?([^";]+)', said)
    return portable_name(Path(unquote(found[1])).name) if found else ""


def _cause(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _("the server answers {status_code}").format(status_code=error.response.status_code)
    if isinstance(error, requests.TooManyRedirects):
        return _("the server redirects without end")
    if isinstance(error, requests.exceptions.SSLError):
        return _("the server's certificate cannot be trusted")
    if isinstance(error, requests.Timeout):
        return _("the server does not answer")
    if isinstance(error, requests.exceptions.InvalidSchema):
        return _("it redirects to something that is not on the web")
    return _("there is no connection")
