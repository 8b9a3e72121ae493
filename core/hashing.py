"""Which file is which, by what is in it or by who wrote it last. Plain."""

from __future__ import annotations

import hashlib
from pathlib import Path

from core import archives


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content.

    Raises:
        OSError: it cannot be read.
        UserError: it cannot be unpacked from its archive.
    """
    with archives.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp_of(path: Path) -> tuple[int, int] | None:
    """Bytes, and time of change in ns, of a file: equal as long as nobody writes it. None where there is none.

    In an archive the checksum stands for the time.
    """
    return archives.stamp_of(path)
