"""Reading at any place of what comes piece by piece. Plain."""

from __future__ import annotations

import errno
import io


class RandomAccess(io.RawIOBase):
    """Bytes that are read at any place; a subclass has `readinto`, which reads on from `_at`, and moves it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place, also beyond the end.

        Raises:
            OSError: it lies before the beginning.
        """
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "Invalid argument")
        self._at = start + offset
        return self._at
