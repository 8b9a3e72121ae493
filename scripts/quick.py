"""Lint a change and run the tests of the rooms that it touches, in under a minute: `make quick`.

A change is what differs from main: on a branch its commits and what is not committed yet, on main the latter, or else
the last commit. A change in one room runs all tests of that room; one in several rooms runs the test files named after
the changed modules, and whole rooms only where there is no such file. A script or example runs the tests that name it.
All other tests are left to `make test`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ELSEWHERE = {
    "resources/recipes": "tests/core/training/test_recipe.py",
    "resources/models": "tests/core/models/test_shipped.py",
    "resources/samples": "tests/core/images/test_samples.py",
    "pyproject.toml": "tests/test_version.py",
    "CHANGELOG.md": "tests/test_version.py",
    "README.md": "tests/scripts/test_readme_tables.py",
    "docs/architecture.md": "tests/test_house.py",
    "resources/languages": "tests/scripts/test_languages.py",
    "docs/api.md": "tests/core/test_api.py",
    ".github": "tests/test_contributing.py",
    "CONTRIBUTING.md": "tests/test_contributing.py",
    "SECURITY.md": "tests/test_contributing.py",
    "RELEASING.md": "tests/test_contributing.py",
    "Makefile": "tests/test_contributing.py",
    "packaging/linux": "tests/test_version.py",
}
"""Tests of what is no Python module."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default="", metavar="COMMIT", help="what the change is measured against")
    parser.add_argument("--list", action="store_true", help="only say which tests would run")
    options = parser.parse_args()
    changed = changed_files(ROOT, options.against)
    if not changed:
        print("Nothing has changed.")
        return 0
    tests = tests_for(ROOT, changed)
    print(f"{len(changed)} changed files; tests: {' '.join(tests) or 'none'}")
    return 0 if options.list else run(changed, tests)


def run(changed: list[Path], tests: list[str]) -> int:
    """Lint and test; gives the first exit status that is not 0, after all of them have run."""
    python = [str(path) for path in changed if path.suffix in (".py", ".pyi", ".spec") and (ROOT / path).is_file()]
    there = [str(path) for path in changed if (ROOT / path).is_file()]
    commands = [["typos", "--force-exclude", *there]] if there else []
    if python:
        commands += [["ruff", "check", *python], ["ruff", "format", "--check", *python]]
    if any(path.parts[0] in ("core", "srgan_desktop") for path in changed):
        commands.append(["lint-imports"])
    if tests:
        # Every test takes a process's start: below some files a second process would cost more than it gains.
        parallel = ["-n", "auto", "--dist", "worksteal"] if any((ROOT / test).is_dir() for test in tests) else []
        commands.append(["pytest", "-q", *parallel, *tests])
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    programs = Path(sys.executable).parent
    # Beside all others, as it takes one core for most of that time; what it says comes last.
    types = subprocess.Popen([programs / "mypy"], cwd=ROOT, stdout=subprocess.PIPE, text=True) if python else None
    failed = 0
    for name, *arguments in commands:
        status = subprocess.run([programs / name, *arguments], cwd=ROOT, env=environment, check=False).returncode
        failed = failed or status
    if types is not None:
        print(types.communicate()[0], end="")
        failed = failed or types.returncode
    return failed


def changed_files(root: Path, against: str = "") -> list[Path]:
    """Files that differ from `against`, or from main, relative to `root`; also those that are not tracked yet."""

    def git(*words: str) -> list[str]:
        answer = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
        return answer.stdout.splitlines() if answer.returncode == 0 else []

    untracked = git("ls-files", "--others", "--exclude-standard")
    if not against:
        against = "HEAD"
        base = git("merge-base", "HEAD", "main")
        if base and base != git("rev-parse", "HEAD"):
            against = base[0]
        elif not untracked and not git("diff", "--name-only", "HEAD"):
            against = "HEAD~1"
    return [Path(name) for name in sorted({*git("diff", "--name-only", against), *untracked})]


def tests_for(root: Path, changed: Iterable[Path]) -> list[str]:
    """Test files and folders for changed files, all relative to `root`, sorted; none of them inside another."""
    rooms: set[str] = set()
    named: set[str] = set()
    for path in changed:
        room = _room_of(root, path)
        files = _named_after(root, path)
        named |= files
        # Nobody waits for a whole package, which `tests/core` alone would be.
        if len(Path(room).parts) > 2:
            rooms.add(room)
            named |= files or {room}
    chosen = named | rooms if len(rooms) == 1 else named
    # A file goes with the folder that it lies in.
    return sorted(each for each in chosen if not any(Path(other) in Path(each).parents for other in chosen))


def _room_of(root: Path, path: Path) -> str:
    """The folder of tests that mirrors a module's, or that a test lies in."""
    if path.suffix != ".py" or len(path.parts) < 2:
        return ""
    folder = path.parent if path.parts[0] == "tests" else Path("tests", *_mirrored(path.parent))
    while len(folder.parts) > 1 and not (root / folder).is_dir():
        folder = folder.parent
    return folder.as_posix() if len(folder.parts) > 1 else ""


def _named_after(root: Path, path: Path) -> set[str]:
    """Test files that carry a module's name; a changed test file is its own."""
    if path.suffix == ".py" and path.parts[0] == "tests":
        return {path.as_posix()} if path.name.startswith("test_") and (root / path).is_file() else set()
    if path.suffix == ".py" and len(path.parts) > 1:
        stem = path.parent.name if path.stem == "__init__" else path.stem
        name, tests = f"test_{stem.strip('_')}.py", root / "tests"
        found = [*(tests / _mirrored(path)[0]).rglob(name), *tests.glob(name)]
        if path.parts[0] in ("scripts", "examples"):
            found += [test for test in (tests / path.parts[0]).glob("test_*.py") if _names(test, stem)]
        return {each.relative_to(root).as_posix() for each in found}
    return {
        test
        for place, test in ELSEWHERE.items()
        if (path == Path(place) or Path(place) in path.parents) and (root / test).is_file()
    }


def _names(test: Path, stem: str) -> bool:
    return re.search(rf"\b{stem}\b", test.read_text(encoding="utf-8")) is not None


def _mirrored(path: Path) -> tuple[str, ...]:
    """`core/images` lies in `tests/core/images`, `srgan_desktop` in `tests/desktop`."""
    first = {"srgan_desktop": "desktop"}.get(path.parts[0], path.parts[0])
    return (first, *path.parts[1:])


if __name__ == "__main__":
    sys.exit(main())
