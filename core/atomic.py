"""Write a file whole or not at all, and not over another's. Plain."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core.contract.errors import UserError

PART_SUFFIX = ".part"
"""What unfinished files end in; a scan for pictures never takes them, and a later run may delete them."""


@contextmanager
def replacing(final: Path) -> Iterator[Path]:
    """Hand out a temporary path in the folder of `final`, and move it there once the block ends without an error.

    The data is on the disk before the name is: after a crash or a power cut `final` is the old file or the new one,
    never half of one. On an error the temporary file is deleted and `final` is as before.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    # Not tempfile: its files are readable by their owner alone, and results should have the user's usual rights.
    # A short name of its own, as `final.name` may already be as long as the file system allows.
    temporary = final.parent / f".srgan-{secrets.token_hex(6)}{PART_SUFFIX}"
    try:
        yield temporary
        # Windows can flush only what is open for writing.
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def check_free(paths: Iterable[Path]) -> None:
    """For files that nobody has asked to replace: look before the work, not after it.

    Raises:
        UserError: one of them is there.
    """
    for path in paths:
        if os.path.lexists(path):
            raise UserError(
                f"{path} is there already, and would be overwritten.", "Choose another place, or remove what is there."
            )
