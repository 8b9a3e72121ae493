"""The `srgan` command. Each group of commands stands in a module of its own in `core.commands`."""

from __future__ import annotations

import multiprocessing
import sys

from core import language
from core.edition import missing_torch


def main() -> None:
    """Entry point of `srgan`."""
    # Before anything else: in a frozen program every worker process starts here too, and goes no further.
    multiprocessing.freeze_support()
    for stream in (sys.stdout, sys.stderr):
        # File names may hold what a terminal's encoding does not.
        if stream is not None and hasattr(stream, "reconfigure"):
            # Windows gives a pipe or a file the encoding of its oldest programs, which lacks most of the world's names.
            encoding = "utf-8" if sys.platform == "win32" and not stream.isatty() else None
            stream.reconfigure(encoding=encoding, errors="replace")
    # Programs read lines of JSON, and they know English. Helps are texts, so modules that have some come after this.
    language.use(language.ENGLISH if "--json" in sys.argv else language.preferred())
    try:
        from core.commands.program import app

        app()
    except ImportError as error:
        missing = missing_torch(error, f"“srgan {next(iter(sys.argv[1:]), '')}”")
        if missing is None:
            raise
        raise SystemExit(str(missing)) from error


if __name__ == "__main__":
    main()
