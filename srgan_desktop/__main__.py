"""`python -m srgan_desktop` and `srgan-desktop`.

The worker process imports this module again, as every spawned process does with its parent's: so nothing of Qt may be
imported at the top.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys


def main() -> int:
    """Open the window; answers with the exit code."""
    # Before anything else: in a frozen program the worker process starts here too, and goes no further.
    multiprocessing.freeze_support()
    # Modules and texts stay: to look for garbage among them again and again took a tenth of the start.
    gc.disable()
    from srgan_desktop import spoken

    spoken.settle()
    # With its modules come all texts.
    from srgan_desktop.app import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
