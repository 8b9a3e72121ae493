"""What waits for its turn outside memory: things in a temporary file. Plain."""

from __future__ import annotations

import errno
import pickle
import tempfile
import threading
import zlib
from typing import Any

from core.contract.errors import UserError
from core.language import gettext as _

Place = tuple[int, int]
"""Where something lies in the file, and how many bytes it takes there."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Spool:
    """Keeps what can be pickled, packed; for this process alone, and by any of its threads. The file has no name."""

    def __init__(self) -> None:
        """Begin with nothing.

        Raises:
            OSError: there is no place for temporary files.
        """
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` does
        self._size = 0
        self._lock = threading.Lock()

    def put(self, thing: object) -> Place:
        """Keep something, and say where.

        Raises:
            UserError: the disk is full.
        """
        packed = zlib.compress(pickle.dumps(thing, pickle.HIGHEST_PROTOCOL), 1)
        try:
            with self._lock:
                at = self._size
                self._file.seek(at)
                self._file.write(packed)
                self._size += len(packed)
                return at, len(packed)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise UserError(
                _("The disk of “{folder}” is full, where the plan of so many pictures lies.").format(
                    folder=tempfile.gettempdir()
                ),
                _("Free some space, or set TMPDIR, then start again: finished results are kept."),
            ) from error

    def get(self, place: Place) -> Any:
        """What was put there; it stays."""
        at, size = place
        with self._lock:
            self._file.seek(at)
            packed = self._file.read(size)
        return pickle.loads(zlib.decompress(packed))

    def close(self) -> None:
        """Let go of all that is kept."""
        self._file.close()
