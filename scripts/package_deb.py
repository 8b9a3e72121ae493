"""Make a Debian package of the packaged program: `make deb`.

usage: package_deb.py FOLDER OUTPUT_FOLDER

Needs nothing but dpkg-deb and binutils. What it depends on is read from the program's own libraries: whatever one of
them is linked with, that is not in the folder, is asked of the Debian package that has it here.
"""

from __future__ import annotations

import gzip
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from core.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
NAME = "srgan-desktop"
ICON_SIZES = (16, 22, 24, 32, 48, 64, 128, 256, 512)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

# Opened by Qt's plugins by name, so no library says so. Fonts: Qt brings none.
ALSO_NEEDED = ("libegl1", "libgl1", "fontconfig-config")
RECOMMENDED = ("fonts-dejavu-core", "xdg-desktop-portal")


def main(folder: Path, output: Path) -> Path:
    if not (folder / NAME).is_file():
        raise SystemExit(f"There is no program in {folder}; run `make package` first.")
    stage = output / "deb"
    shutil.rmtree(stage, ignore_errors=True)
    library = stage / "usr" / "lib" / NAME
    _link_tree(folder, library)
    for program in (NAME, "srgan"):
        _link(stage / "usr" / "bin" / program, f"../lib/{NAME}/{program}")
    linux = ROOT / "packaging" / "linux"
    _copy(linux / f"{NAME}.desktop", stage / "usr/share/applications" / f"{NAME}.desktop")
    for path in linux.glob("*.metainfo.xml"):
        _copy(path, stage / "usr/share/metainfo" / path.name)
    icons = output / "deb-icons"
    subprocess.run([sys.executable, str(ROOT / "scripts" / "package_icons.py"), str(icons)], check=True)
    themes = stage / "usr/share/icons/hicolor"
    for size in ICON_SIZES:
        _copy(icons / f"{size}.png", themes / f"{size}x{size}" / "apps" / f"{NAME}.png")
    _copy(ROOT / "resources/icons/srgan-desktop.svg", themes / "scalable/apps" / f"{NAME}.svg")
    shutil.rmtree(icons)
    documents = stage / "usr/share/doc" / NAME
    documents.mkdir(parents=True)
    (documents / "copyright").write_text((ROOT / "LICENSE").read_text() + "\n" + _third_party(library).read_text())
    changes = gzip.compress((ROOT / "CHANGELOG.md").read_bytes(), mtime=0)
    (documents / "changelog.gz").write_bytes(changes)
    control = stage / "DEBIAN" / "control"
    control.parent.mkdir()
    control.write_text(_control(stage, library))
    target = output / file_name()
    # zstd at a low level: xz gains a tenth of the size for ten times the minutes.
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z3", "--build", str(stage), str(target)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    shutil.rmtree(stage)
    return target


def file_name() -> str:
    return f"{NAME}_{VERSION}_{_architecture()}.deb"


def _control(stage: Path, library: Path) -> str:
    size = sum(path.stat().st_size for path in stage.rglob("*") if path.is_file() and not path.is_symlink())
    fields = {
        "Package": NAME,
        "Version": VERSION,
        "Architecture": _architecture(),
        "Maintainer": "The SRGAN Desktop developers <srgan-desktop@users.noreply.github.com>",
        "Installed-Size": str(size // 1024),
        "Depends": ", ".join(_dependencies(library)),
        "Recommends": ", ".join(RECOMMENDED),
        "Section": "graphics",
        "Priority": "optional",
        "Description": "make small pictures large\n"
        " A batch upscaler in a window and on the command line, built on SRGAN. It keeps\n"
        " 16 bits, transparency, metadata and colour profiles, goes on where it was\n"
        " interrupted, and can be trained on your own pictures.",
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items())


def _dependencies(library: Path) -> list[str]:
    """Debian packages of the libraries that are linked with and not in the folder, by name."""
    here = {path.name for path in library.rglob("*") if ".so" in path.name}
    needed: set[str] = set()
    for path in library.rglob("*"):
        if path.is_file() and not path.is_symlink() and (".so" in path.name or os.access(path, os.X_OK)):
            dump = subprocess.run(["objdump", "-p", str(path)], capture_output=True, text=True).stdout
            needed |= set(re.findall(r"NEEDED\s+(\S+)", dump))
    packages = set(ALSO_NEEDED)
    known = _known_libraries()
    for name in sorted(needed - here):
        # The driver brings it where there is a card; everywhere else torch does without.
        if name.startswith("libcuda.so") or name not in known:
            continue
        packages.add(_package(known[name]))
    glibc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    # Libraries of this machine are inside, so the target's C library must not be older.
    return [f"{name} (>= {glibc.split()[-1]})" if name == "libc6" else name for name in sorted(packages)]


def _known_libraries() -> dict[str, str]:
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    wanted = "AArch64" if _architecture() == "arm64" else "x86-64"
    return {m[1]: m[3] for m in re.finditer(r"^\s+(\S+) \(([^)]*)\) => (\S+)$", cache, re.MULTILINE) if wanted in m[2]}


def _package(path: str) -> str:
    for name in (path, path.removeprefix("/usr"), os.path.realpath(path), os.path.realpath(path).removeprefix("/usr")):
        answer = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True)
        if answer.returncode == 0:
            return answer.stdout.split(":")[0].split(",")[0]
    raise SystemExit(f"no Debian package has {path}")


def _third_party(library: Path) -> Path:
    return next(library.rglob("THIRD_PARTY_LICENSES.txt"))


def _link_tree(source: Path, target: Path) -> None:
    """A copy of hard links where the file system can: the folder may have several gigabytes."""

    def link(one: str, other: str) -> None:
        try:
            os.link(one, other, follow_symlinks=False)
        except OSError:
            shutil.copy2(one, other, follow_symlinks=False)

    shutil.copytree(source, target, symlinks=True, copy_function=link)


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o644)


def _architecture() -> str:
    return ARCHITECTURES[platform.machine()]


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2])))
