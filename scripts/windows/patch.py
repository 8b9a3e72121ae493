"""Let wheels for Windows find C99's complex functions in a library of ours: Wine 10 has them only as stubs.

One letter of an import's name is changed, `api-ms-win-crt-math-l1-1-0.dll` to `xpi-...`, in every library that imports
such a function; no other library is touched. Files are written anew, as they may be links to the published ones.

    python scripts/windows/patch.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

NAME = b"api-ms-win-crt-math-l1-1-0.dll"
FUNCTIONS = tuple(
    b"\0" + name for name in (b"creal", b"cimag", b"cabs", b"carg", b"cexp", b"clog", b"csqrt", b"cpow")
) + tuple(b"\0" + name for name in (b"ccos", b"csin", b"ctan", b"catan"))


def patch(folder: Path) -> list[Path]:
    """Change the libraries below a folder; returns which."""
    changed = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".pyd", ".dll"):
            continue
        content = path.read_bytes()
        place = content.lower().find(NAME)
        if place < 0 or not any(name in content for name in FUNCTIONS):
            continue
        path.unlink()
        path.write_bytes(content[:place] + b"x" + content[place + 1 :])
        changed.append(path)
    return changed


if __name__ == "__main__":
    for each in patch(Path(sys.argv[1])):
        print(each)
