"""Print what pip is to fetch for Windows: the packages of packages.txt in requirements.lock's versions.

python scripts/windows/requirements.py > requirements.txt
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCK = HERE.parent.parent / "requirements.lock"
PACKAGES = HERE / "packages.txt"


def requirements(packages: str, lock: str) -> list[str]:
    """Put the lock's version behind every package that has none.

    Raises:
        ValueError: the lock has none either.
    """
    locked = {_key(line.partition("==")[0]): line for line in _lines(lock) if "==" in line}
    found = []
    for line in _lines(packages):
        if re.search("[=<>]", line):
            found.append(line)
        elif _key(line) in locked:
            found.append(locked[_key(line)])
        else:
            raise ValueError(f"{line} has no version in requirements.lock; give it one in {PACKAGES.name}")
    return found


def _lines(text: str) -> list[str]:
    return [line for each in text.splitlines() if (line := each.partition("#")[0].strip())]


def _key(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(PACKAGES.read_text(), LOCK.read_text())) + "\n")
