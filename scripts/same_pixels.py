"""Compare two folders of pictures: the same names, and pixels that differ by a level of 8 bits at most.

    python scripts/same_pixels.py FOLDER FOLDER

Ends with 1, and says which, where pictures differ by more.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from core.images import READABLE_SUFFIXES, load

LEVELS = 1


def main() -> None:
    one, other = map(Path, sys.argv[1:3])
    found = difference(one, other)
    print("\n".join(found) or f"{one} and {other} hold the same pictures.")
    sys.exit(bool(found))


def difference(one: Path, other: Path) -> list[str]:
    """What is not the same, a line each."""
    names = [{path.name for path in folder.iterdir() if path.suffix in READABLE_SUFFIXES} for folder in (one, other)]
    lines = [f"{name} is in one of them only" for name in sorted(names[0] ^ names[1])]
    if not any(names):
        lines.append("there are no pictures")
    for name in sorted(names[0] & names[1]):
        first, second = load(one / name).pixels, load(other / name).pixels
        if first.shape != second.shape or first.dtype != second.dtype:
            lines.append(f"{name} has {first.shape} {first.dtype} and {second.shape} {second.dtype}")
            continue
        levels = np.abs(first.astype(np.int32) - second).max() / (np.iinfo(first.dtype).max / 255)
        if levels > LEVELS:
            lines.append(f"{name} differs by {levels:.1f} levels")
    return lines


if __name__ == "__main__":
    main()
