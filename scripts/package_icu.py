"""Make a smaller copy of Qt's libicudata, the data of ICU: of 32 MB, Qt's widgets need 5.

usage: package_icu.py LIBRARY OUTPUT

Kept is what sorts names in every language, and what ICU reads to know languages and time zones at all. Left out are
the names of countries, currencies, units and calendars, transliterations, and encodings older than Unicode: Qt brings
its own formats of dates and numbers. ICU does without what is not there, as its own builds can leave the same parts
out. Needs binutils, which PyInstaller needs as well.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

KEPT = (
    r"coll/.*",
    r"[^/]+\.(icu|nrm|spp|cfu)",
    r"(pool|root|en|res_index|likelySubtags|supplementalData|keyTypeData|numberingSystems|metadata|icustd|icuver)\.res",
    r"(timezoneTypes|zoneinfo64|metaZones|windowsZones)\.res",
)
"""Names of items, below the one of the data itself."""
DROPPED = r"unames\.icu"
"""Names of characters."""
_ALIGNED = 16


def reduce(library: Path, output: Path) -> None:
    """Write a library that holds the items of `KEPT` alone, under the same symbol and name.

    Args:
        library: `libicudata.so.73`, or another version.
        output: to write.
    """
    symbol, data = _read(library)
    header_size, magic = struct.unpack_from("<HH", data)
    if magic != 0x27DA or data[12:16] != b"CmnD":
        raise SystemExit(f"{library} holds no data of ICU as it is known here")
    toc = data[header_size:]
    (count,) = struct.unpack_from("<I", toc)
    entries = [struct.unpack_from("<II", toc, 4 + 8 * number) for number in range(count)]
    ends = [offset for _name, offset in entries[1:]] + [len(toc)]
    kept = []
    for (name_at, begin), end in zip(entries, ends, strict=True):
        name = toc[name_at : toc.index(b"\0", name_at)]
        item = name.decode().partition("/")[2]
        if any(re.fullmatch(pattern, item) for pattern in KEPT) and not re.fullmatch(DROPPED, item):
            kept.append((name, toc[begin:end]))
    _link(data[:header_size] + _table(kept), symbol, library.name, output)


def _table(items: list[tuple[bytes, bytes]]) -> bytes:
    """A table of contents, names, and items, each aligned; offsets count from the table's beginning."""
    names_at = 4 + 8 * len(items)
    at = -(-(names_at + sum(len(name) + 1 for name, _item in items)) // _ALIGNED) * _ALIGNED
    rows, names, contents = b"", b"", b""
    for name, item in items:
        rows += struct.pack("<II", names_at + len(names), at + len(contents))
        names += name + b"\0"
        contents += item + b"\0" * (-len(item) % _ALIGNED)
    return (struct.pack("<I", len(items)) + rows + names).ljust(at, b"\0") + contents


def _read(library: Path) -> tuple[str, bytes]:
    """The symbol that the data has, and everything from there on."""
    symbols = _said("nm", "-D", "--defined-only", str(library))
    found = re.search(r"^([0-9a-f]+) R (icudt\d+_dat)$", symbols, re.MULTILINE)
    segments = re.findall(r"LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)", _said("readelf", "-lW", str(library)))
    if found is None:
        raise SystemExit(f"{library} has no data of ICU")
    address = int(found[1], 16)
    for offset, virtual, size in ((int(each, 16) for each in segment) for segment in segments):
        if virtual <= address < virtual + size:
            begin = offset + address - virtual
            return found[2], library.read_bytes()[begin : offset + size]
    raise SystemExit(f"{library} holds its data nowhere")


def _link(data: bytes, symbol: str, name: str, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "icu").write_bytes(data)
        subprocess.run(["ld", "-r", "-b", "binary", "-o", "raw.o", "icu"], cwd=folder, check=True)
        section = ".data=.rodata,alloc,load,readonly,data,contents"
        aligned = ["--set-section-alignment", ".data=64", "--rename-section", section]
        subprocess.run(["objcopy", *aligned, "raw.o", "data.o"], cwd=folder, check=True)
        shared = ["ld", "-shared", "-soname", name, f"--defsym={symbol}=_binary_icu_start", "-z", "noexecstack"]
        subprocess.run([*shared, "-o", "library", "data.o"], cwd=folder, check=True)
        output.write_bytes((folder / "library").read_bytes())
    output.chmod(0o755)


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    reduce(Path(sys.argv[1]), Path(sys.argv[2]))
