"""Make what is given to people of the program that PyInstaller built under Wine: `make package-windows`.

usage: package_windows.py BUILT FOR_WINE PUBLISHED OUTPUT [--interpreter FOLDER] [--makensis COMMAND]

BUILT is PyInstaller's folder, called as the edition is. Some libraries in it were changed by one byte so that Wine can
run them (`scripts/windows/patch.py`), and two stand in for what Wine lacks: in the folder of that name in OUTPUT the
former are the published ones again, byte for byte as in their wheels, and the latter are gone. FOR_WINE and PUBLISHED
are the folders of packages with and without that change; --interpreter is Windows' Python, some of whose libraries are
called as others in wheels are. The installer lies beside it: NAME-VERSION-setup.exe.
"""

from __future__ import annotations

import argparse
import base64
import csv
import filecmp
import hashlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from core.images import READABLE_SUFFIXES
from core.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
STAND_INS = ("icuuc.dll", "xpi-ms-win-crt-math-l1-1-0.dll")
"""What only Wine needs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("built", "for_wine", "published", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--interpreter", type=Path)
    parser.add_argument("--makensis", default="makensis", help="command; its working folder is OUTPUT")
    parser.add_argument("--compressor", default="lzma", choices=["lzma", "zlib"])
    given = parser.parse_args()
    folder = given.output / given.built.name
    as_published(given.built, given.for_wine, given.published, folder)
    unlike = unlike_records(folder, given.published, given.interpreter)
    if unlike:
        sys.exit("These are not what was published:\n" + "\n".join(unlike))
    installer = make_installer(folder, given.output, shlex.split(given.makensis), given.compressor)
    print(f"{folder}: {size_of(folder) / 1e6:.0f} MB\n{installer}: {installer.stat().st_size / 1e6:.0f} MB")


def as_published(built: Path, for_wine: Path, published: Path, folder: Path) -> None:
    """Copy a built folder with the published libraries in place of those that were changed for Wine.

    Args:
        built: PyInstaller's folder.
        for_wine: the packages that it was made of.
        published: the same as their wheels have them.
        folder: to be written; what was there goes.

    Raises:
        SystemExit: a changed library is in a place that no package says.
    """
    shutil.rmtree(folder, ignore_errors=True)
    changed = {path.name: path for path in _changed(for_wine, published)}
    for path in sorted(built.rglob("*")):
        target = folder / path.relative_to(built)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif path.name in STAND_INS:
            continue
        elif path.name in changed and filecmp.cmp(path, for_wine / changed[path.name], shallow=False):
            _copy(published / changed[path.name], target)
        else:
            _copy(path, target)
            if path.suffix.lower() in (".dll", ".pyd") and b"xpi-ms-win-" in path.read_bytes():
                raise SystemExit(f"{path} is changed for Wine, and where it was published is not known.")


def _changed(for_wine: Path, published: Path) -> Iterator[Path]:
    for path in sorted(for_wine.rglob("*")):
        original = published / path.relative_to(for_wine)
        if path.suffix.lower() in (".dll", ".pyd") and not path.samefile(original):
            yield path.relative_to(for_wine)


def unlike_records(folder: Path, published: Path, interpreter: Path | None = None) -> list[str]:
    """The libraries of a program that a wheel has under their name, but with no such content.

    Args:
        folder: the program.
        published: packages as pip unpacked them, with their `*.dist-info/RECORD`.
        interpreter: Python's folder; a wheel may bring a library of the same name as one of its.
    """
    hashes: dict[str, set[str]] = {}
    for record in published.glob("*.dist-info/RECORD"):
        with record.open(encoding="utf-8", newline="") as lines:
            for name, hashed, _size in csv.reader(lines):
                if hashed.startswith("sha256="):
                    hashes.setdefault(PureWindowsPath(name).name.lower(), set()).add(hashed.partition("=")[2])
    for path in interpreter.rglob("*") if interpreter is not None else ():
        if path.suffix.lower() in (".dll", ".pyd") and path.name.lower() in hashes:
            hashes[path.name.lower()].add(_record_hash(path))
    found = []
    for path in sorted(folder.rglob("*")):
        wanted = hashes.get(path.name.lower())
        if path.suffix.lower() not in (".dll", ".pyd") or wanted is None:
            continue
        if _record_hash(path) not in wanted:
            found.append(path.relative_to(folder).as_posix())
    return found


def _record_hash(path: Path) -> str:
    """The SHA-256 of a file, as a wheel's RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()


def make_installer(folder: Path, output: Path, makensis: list[str], compressor: str = "lzma") -> Path:
    """Have NSIS pack a program's folder.

    Args:
        folder: in `output`; the installer is called after it.
        output: where the installer goes; `makensis` runs there, so that it need not see other places.
        makensis: command.
        compressor: `lzma` makes half of `zlib`, and takes minutes.
    """
    lists = output / "installer"
    shutil.rmtree(lists, ignore_errors=True)
    lists.mkdir(parents=True)
    (lists / "files.nsh").write_text(files_list(folder), encoding="utf-8")
    (lists / "types.nsh").write_text(types_list(sorted(READABLE_SUFFIXES)), encoding="utf-8")
    shutil.copyfile(ROOT / "packaging" / "windows" / "installer.nsi", lists / "installer.nsi")
    shutil.copyfile(ROOT / "LICENSE", lists / "LICENSE.txt")
    subprocess.run([sys.executable, str(ROOT / "scripts" / "package_icons.py"), str(lists / "icons")], check=True)
    numbers = ".".join(((VERSION.split("+")[0].split(".dev")[0]) + ".0.0.0").split(".")[:4])
    target = f"{folder.name}-{VERSION}-setup.exe"
    options = {
        "VERSION": VERSION,
        "NUMBERS": numbers,
        "SOURCE": folder.name,
        "OUTPUT": target,
        "SIZE_KB": str(size_of(folder) // 1024),
        "LISTS": "installer",
        "ICON": "installer/icons/srgan-desktop.ico",
        "LICENCE": "installer/LICENSE.txt",
        "COMPRESSOR": compressor,
    }
    # 64 bits, like the program, and like Wine everywhere.
    target_of_nsis = "-XTarget amd64-unicode"
    command = [*makensis, "-V2", "-NOCD", target_of_nsis, *(f"-D{name}={value}" for name, value in options.items())]
    subprocess.run([*command, "installer/installer.nsi"], check=True, cwd=output)
    shutil.rmtree(lists)
    return output / target


def files_list(folder: Path) -> str:
    """An NSIS macro that deletes the program's files by name, and its folders where they are empty then."""
    lines = ["!macro DeleteFiles"]
    paths = sorted(folder.rglob("*"))
    lines += [f'  Delete "{_installed(path, folder)}"' for path in paths if not path.is_dir()]
    lines += [f'  RMDir "{_installed(path, folder)}"' for path in reversed(paths) if path.is_dir()]
    return "\n".join([*lines, "!macroend", ""])


def types_list(suffixes: list[str]) -> str:
    """NSIS macros that name the program for files with these suffixes, and in their context menus."""
    types = r"${CLASSES}\Applications\${PROGRAM}\SupportedTypes"
    menu = r"${CLASSES}\SystemFileAssociations\%s\shell\srgan-desktop"
    add, remove = ["!macro AddTypes"], ["!macro RemoveTypes"]
    for suffix in suffixes:
        key = menu % suffix
        add += [
            f'  WriteRegStr HKCU "{types}" "{suffix}" ""',
            f'  WriteRegStr HKCU "{key}" "" "Upscale with ${{NAME}}"',
            f'  WriteRegStr HKCU "{key}" "Icon" "$INSTDIR\\${{PROGRAM}}"',
            f'  WriteRegStr HKCU "{key}\\command" "" \'"$INSTDIR\\${{PROGRAM}}" "%1"\'',
        ]
        remove.append(f'  DeleteRegKey HKCU "{key}"')
    return "\n".join([*add, "!macroend", *remove, "!macroend", ""])


def _installed(path: Path, folder: Path) -> str:
    name = str(PureWindowsPath(path.relative_to(folder))).replace("$", "$$")
    return f"$INSTDIR\\{name}"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
