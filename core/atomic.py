"""Write a file whole or not at all, and not over another's. Plain."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core import stores
from core.contract.errors import UserError
from core.language import gettext as _

PART_SUFFIX = ".part"
"""What unfinished files end in; a scan for pictures never takes them, and a later run may delete them."""

IS_WINDOWS = os.name == "nt"
HELD_SECONDS = 2.0 if IS_WINDOWS else 0.0
"""How long a file that cannot be moved or deleted is tried again: on Windows a virus scanner, an indexer or a viewer
holds what is new for a moment."""
PAUSE_SECONDS = 0.05


@contextmanager
def replacing(final: Path) -> Iterator[Path]:
    """Hand out a temporary path in the folder of `final`, and move it there once the block ends without an error.

    The data is on the disk before the name is: after a crash or a power cut `final` is the old file or the new one,
    never half of one. On an error the temporary file is deleted and `final` is as before. For a store the file is put
    together here, and sent at the end, as `stores.put` does.

    Raises:
        OSError: the disk is full, the folder cannot be written, or another program keeps `final` open (Windows).
    """
    if isinstance(final, stores.StorePath):
        with tempfile.TemporaryDirectory(prefix="srgan-") as folder:
            unsent = Path(folder, "result")
            yield unsent
            stores.put(unsent, final)
        return
    # Not tempfile: its files are readable by their owner alone, and results should have the user's usual rights.
    # A short name of its own, as `final.name` may already be as long as the file system allows.
    temporary = final.parent / f".srgan-{secrets.token_hex(6)}{PART_SUFFIX}"
    try:
        yield temporary
        # Windows can flush only what is open for writing.
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        _patiently(lambda: _replace(temporary, final))
    except BaseException:
        # What cannot be deleted must not hide what went wrong; a later run clears it away.
        with suppress(OSError):
            remove(temporary)
        raise


def remove(path: Path) -> None:
    """Delete a file, if it is there; one that a scanner holds is waited for.

    Raises:
        PermissionError: another program keeps it open (Windows), or the folder cannot be written.
        OSError: the folder is gone.
    """
    _patiently(lambda: path.unlink(missing_ok=True))


def _replace(temporary: Path, final: Path) -> None:
    try:
        temporary.replace(final)
    except PermissionError:
        # Windows does not replace a file that is marked read-only, which elsewhere says nothing of its name.
        if not IS_WINDOWS or os.access(final, os.W_OK) or not final.is_file():
            raise
        final.chmod(stat.S_IWRITE)
        temporary.replace(final)


def _patiently(act: Callable[[], None]) -> None:
    """Do it, again and again for `HELD_SECONDS` where somebody has the file open."""
    until = time.monotonic() + HELD_SECONDS
    while True:
        try:
            return act()
        except PermissionError:
            if time.monotonic() >= until:
                raise
        time.sleep(PAUSE_SECONDS)


def check_free(paths: Iterable[Path]) -> None:
    """For files that nobody has asked to replace: look before the work, not after it.

    Raises:
        UserError: one of them is there.
    """
    for path in paths:
        if os.path.lexists(path):
            raise UserError(
                _("{path} already exists and would be overwritten.").format(path=path),
                _("Choose another place, or remove the existing file."),
            )
