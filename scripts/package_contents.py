"""What is inside the packaged program: whose it is, under which licence, and how much was left out.

`build.spec` calls this with PyInstaller's list of files. It fails where a file belongs to nobody known, or where its
owner's licence cannot be found: a program must not be given away without it.
"""

from __future__ import annotations

import hashlib
import platform
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from core.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "srgan-desktop"
LICENCES = ROOT / "packaging" / "licenses"

Entry = tuple[str, str, str]
"""Path in the bundle, source file, kind: one row of PyInstaller's lists."""

LIGHT_WITHOUT = ("torch", "torchvision", "spandrel", "openvino-telemetry")
"""What the light edition leaves out, and with each what nothing else needs. OpenVINO does without the last."""
LIGHT_EXTRAS = ("openvino",)
"""Extras that the light edition has inside."""

_LICENCE_NAME = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|AUTHORS)", re.IGNORECASE)
_NOT_A_TEXT = {".py", ".pyc", ".pyi", ".so", ".json", ".h"}

# Their wheels hold no licence text; what they state in their metadata or on their sites stands here.
NO_TEXT: dict[str, tuple[Path, ...] | str] = {
    "pyside6-essentials": (LICENCES / "LGPL-3.0.txt", LICENCES / "GPL-3.0.txt"),
    "shiboken6": (LICENCES / "LGPL-3.0.txt", LICENCES / "GPL-3.0.txt"),
    "spandrel": "MIT License, Copyright (c) 2024 Joey Ballentine; the text is that of SRGAN Desktop's own licence.",
}

_QT_NOTE = (
    "Qt and PySide6 are used under the LGPL, version 3. They are shared libraries in the folder PySide6, unchanged as "
    "The Qt Company publishes them, and can be replaced there. Their source: https://download.qt.io and "
    "https://code.qt.io/cgit/pyside/pyside-setup.git"
)

_ICU_NOTE = (
    "Parts of ICU's data beside it (libicudata) that the program does not use were left out: scripts/package_icu.py"
)


@dataclass
class Component:
    """One distribution, Debian package or Python itself, as far as it is in the bundle."""

    name: str
    version: str
    licence: str
    """What it calls its licence."""
    texts: list[str] = field(default_factory=list)
    files: int = 0
    size: int = 0


@cache
def required(*, light: bool = False) -> dict[str, Distribution]:
    """The program and all that it requires on this system, by canonical name; none of its extras.

    Args:
        light: of the light edition.
    """
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    lines = list(project["dependencies"])
    if light:
        lines += [line for extra in LIGHT_EXTRAS for line in project["optional-dependencies"][extra]]
    queue = [(line, frozenset({""})) for line in lines]
    found = {PROGRAM: distribution(PROGRAM)}
    seen = set()
    while queue:
        line, extras = queue.pop()
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name, asked = canonicalize_name(requirement.name), frozenset({"", *requirement.extras})
        if light and name in LIGHT_WITHOUT:
            continue
        if (name, asked) not in seen:
            seen.add((name, asked))
            found[name] = distribution(name)
            queue += [(further, asked) for further in found[name].requires or []]
    return found


def import_names(owner: Distribution) -> set[str]:
    """What can be imported from a distribution."""
    names = set()
    for file in owner.files or []:
        first = file.parts[0]
        if len(file.parts) > 1 and first.isidentifier() and file.suffix in (".py", ".so", ".pyd"):
            names.add(first)
        elif len(file.parts) == 1 and file.suffix in (".py", ".so", ".pyd"):
            names.add(first.split(".")[0])
    return names


def foreign_names(*, light: bool = False) -> list[str]:
    """What can be imported here, but is not the program's: test tools, linters, the user's optional choices."""
    wanted = required(light=light)
    ours = {name for owner in wanted.values() for name in import_names(owner)}
    others = {
        name for owner in distributions() if canonicalize_name(owner.name) not in wanted for name in import_names(owner)
    }
    return sorted(others - ours)


def parts_of(entries: Iterable[Entry]) -> list[Component]:
    """Whose all these files are, largest first; ends the build where that cannot be told.

    Args:
        entries: of everything that goes into the bundle.
    """
    owners = owners_by_path()
    parts: dict[str, Component] = {}
    homeless = []
    for target, source, kind in entries:
        if kind == "SYMLINK":
            continue
        name = owners.get(_package_path(target)) or owners.get(str(Path(source).resolve())) or _system_owner(source)
        if name is None:
            homeless.append(f"{target}  from  {source}")
            continue
        if name not in parts:
            parts[name] = _part(name)
        parts[name].files += 1
        parts[name].size += Path(source).stat().st_size if Path(source).is_file() else 0
    if homeless:
        raise SystemExit("Nobody is known to own these files of the bundle:\n  " + "\n  ".join(homeless[:50]))
    # Its boot loader starts both programs.
    parts.setdefault("pyinstaller", _part("pyinstaller"))
    without = [part.name for part in parts.values() if not part.texts]
    if without:
        raise SystemExit(f"No licence text is known of {', '.join(sorted(without))}; add it to NO_TEXT in {__file__}")
    return sorted(parts.values(), key=lambda part: -part.size)


def licences(parts: Iterable[Component], *, light: bool = False) -> str:
    """The text of THIRD_PARTY_LICENSES: who, which version, and each text once."""
    by_name = sorted((part for part in parts if part.name != PROGRAM), key=lambda part: part.name.lower())
    numbers: dict[str, int] = {}
    texts: list[tuple[str, list[str]]] = []
    lines = [
        "SRGAN Desktop contains the following works of others, under their own licences.",
        "",
        _QT_NOTE,
        *[_ICU_NOTE] * light,
        "",
    ]
    for part in by_name:
        references = []
        for text in part.texts:
            digest = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
            if digest not in numbers:
                numbers[digest] = len(texts) + 1
                texts.append((text, []))
            texts[numbers[digest] - 1][1].append(part.name)
            references.append(numbers[digest])
        shown = ", ".join(str(number) for number in sorted(set(references)))
        lines.append(f"{part.name} {part.version}: {part.licence or 'see its text'} [{shown}]")
    for number, (text, names) in enumerate(texts, 1):
        whose = ", ".join(dict.fromkeys(names))
        lines += ["", "=" * 100, f"[{number}] {whose}", "=" * 100, "", text.strip()]
    return "\n".join(lines) + "\n"


def versions(parts: Iterable[Component]) -> str:
    """What was built of what, to go with a problem report."""
    lines = [
        f"srgan-desktop {VERSION}",
        f"commit {_commit()}",
        f"python {platform.python_version()}",
        f"built on {platform.platform()}",
        "",
    ]
    lines += sorted(f"{part.name} {part.version}" for part in parts if part.name != PROGRAM)
    return "\n".join(lines) + "\n"


def report(parts: Iterable[Component], *, light: bool = False) -> str:
    """Sizes in MB: of each part in the bundle, beside what it takes where it is installed."""
    inside = {canonicalize_name(part.name): part for part in parts}
    wanted = required(light=light)
    rows: list[tuple[int, int, str]] = []
    for name in sorted({*inside, *wanted}):
        part = inside.get(canonicalize_name(name))
        installed = _installed_size(wanted[name]) if name in wanted else (part.size if part else 0)
        rows.append((installed, part.size if part else 0, name))
    rows.sort(reverse=True)
    lines = [f"{'part':40} {'installed':>10} {'bundled':>10} {'left out':>10}   (MB)"]
    for installed, bundled, name in rows:
        if max(installed, bundled) >= 500_000:
            left_out = max(0, installed - bundled)
            lines.append(f"{name:40} {installed / 1e6:10.1f} {bundled / 1e6:10.1f} {left_out / 1e6:10.1f}")
    total = sum(row[0] for row in rows), sum(row[1] for row in rows)
    lines.append(f"{'all':40} {total[0] / 1e6:10.1f} {total[1] / 1e6:10.1f}")
    gpu = sum(row[1] for row in rows if row[2].startswith("nvidia-"))
    lines.append(f"of which NVIDIA's libraries: {gpu / 1e6:.1f}")
    others = sum(_installed_size(owner) for owner in distributions() if canonicalize_name(owner.name) not in wanted)
    lines.append(f"installed here for other ends, and left out: {others / 1e6:.1f}")
    return "\n".join(lines) + "\n"


@cache
def owners_by_path() -> dict[str, str]:
    """Which distribution every installed file belongs to, by its path and by its path in the bundle."""
    owners = {}
    for owner in distributions():
        for file in owner.files or []:
            if ".." not in file.parts:
                owners[_package_path(str(file))] = owner.name
                owners[str(Path(str(file.locate())).resolve())] = owner.name
    for folder in ("core", "srgan_desktop", "resources", "packaging"):
        for path in (ROOT / folder).rglob("*"):
            owners[_package_path(str(path.relative_to(ROOT)))] = PROGRAM
            owners[str(path)] = PROGRAM
    for name in ("LICENSE", "pyproject.toml"):
        owners[str(ROOT / name)] = PROGRAM
    return owners


def _package_path(path: str) -> str:
    """One name for `a/b.py`, its byte code, and the same with the other slashes."""
    path = path.replace("\\", "/")
    return path.removesuffix("c") if path.endswith(".pyc") else path


@cache
def _system_owner(source: str) -> str | None:
    """`python`, or the name of the system's package that a file is from."""
    path = Path(source).resolve()
    library = Path(sysconfig.get_path("stdlib")).resolve()
    named = re.match(r"(lib)?python3[\d.]*|base_library\.zip|Python$", path.name)
    if path.is_relative_to(library) or named or "PyInstaller" in path.parts or path.is_relative_to(ROOT / "build"):
        return "python"
    if sys.platform == "win32":
        in_windows = path.is_relative_to(Path(sys.base_prefix).resolve()) or "System32" in path.parts
        return "python" if in_windows else None
    if path.is_relative_to(Path(sys.base_prefix).resolve()) and Path(sys.base_prefix) != Path("/usr"):
        return "python"
    return _debian_package(path)


def _debian_package(path: Path) -> str | None:
    # Since the merge of /lib into /usr/lib the database knows files by either name.
    for name in (str(path), str(path).removeprefix("/usr"), f"/usr{path}"):
        try:
            answer = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True)
        except FileNotFoundError:
            return None
        if answer.returncode == 0:
            return f"debian:{answer.stdout.split(':')[0].split(',')[0]}"
    return None


def _part(name: str) -> Component:
    if name == "python":
        return Component("Python", platform.python_version(), "PSF-2.0", [_python_licence()])
    if name.startswith("debian:"):
        package = name.removeprefix("debian:")
        shown = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True, text=True).stdout
        texts = [
            path.read_text(errors="replace")
            for path in [Path("/usr/share/doc") / package / "copyright"]
            if path.is_file()
        ]
        return Component(package, shown.strip(), "as Debian states it", texts)
    owner = distribution(name)
    metadata: Any = owner.metadata  # an email.message.Message, which typeshed does not promise
    classifiers = [
        line.split(" :: ")[-1] for line in metadata.get_all("Classifier") or [] if line.startswith("License")
    ]
    stated = metadata.get("License-Expression") or metadata.get("License") or ", ".join(classifiers)
    texts = list(_texts(owner))
    spare = NO_TEXT.get(canonicalize_name(name), ())
    if not texts:
        texts = [spare] if isinstance(spare, str) else [path.read_text("utf-8", "replace") for path in spare]
    return Component(owner.name, owner.version, " ".join(str(stated).split())[:100], texts)


def _texts(owner: Distribution) -> Iterator[str]:
    for file in owner.files or []:
        if _LICENCE_NAME.match(file.name) and file.suffix not in _NOT_A_TEXT:
            path = Path(str(file.locate()))
            if path.is_file():
                yield path.read_text(encoding="utf-8", errors="replace")


def _python_licence() -> str:
    library = Path(sysconfig.get_path("stdlib"))
    package = _debian_package(library / "os.py") if sys.platform == "linux" else None
    candidates = [library / "LICENSE.txt", Path(sys.base_prefix) / "LICENSE.txt", Path(sys.base_prefix) / "LICENSE"]
    if package:
        candidates.append(Path("/usr/share/doc") / package.removeprefix("debian:") / "copyright")
    for path in candidates:
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    raise SystemExit(f"The licence of Python was not found; looked for {', '.join(map(str, candidates))}")


def _installed_size(owner: Distribution) -> int:
    return sum(file.size or 0 for file in owner.files or [])


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        # Built of a source archive, on a machine without git.
        return "unknown"
    return answer.stdout.strip() or "unknown"
