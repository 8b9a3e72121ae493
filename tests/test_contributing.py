"""What CONTRIBUTING.md, SECURITY.md and RELEASING.md name is there: files, commands, links, names in the code; and what
the workflows install is enough for what they run."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGES = ("CONTRIBUTING.md", "SECURITY.md", "RELEASING.md", "docs/api.md", ".github/pull_request_template.md")
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(page: str) -> None:
    named = set(re.findall(r"`([\w./-]+/[\w./-]+\.\w+)`", TEXTS[page]))
    linked = {
        (Path(page).parent / target).as_posix()
        for target in re.findall(r"\]\(([^):#]+)\)", TEXTS[page])
        if not target.startswith("http")
    }
    assert {name for name in named | linked if not (ROOT / name).exists() and "NAME" not in name} == set()


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_are_named_can_be_made(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)`", TEXTS[page])) <= targets


def test_names_of_the_steps_are_in_the_code() -> None:
    steps = "\n".join(re.findall(r"^\d\. .*?(?=\n\d\.|\n\n)", TEXTS["CONTRIBUTING.md"], re.MULTILINE | re.DOTALL))
    files = {ROOT / name for name in re.findall(r"`(\w+/[\w/]+\.py)`", steps) if "NAME" not in name}
    sources = "".join(path.read_text(encoding="utf-8") for path in (*files, *(ROOT / "srgan_desktop").glob("*.py")))
    named = set(re.findall(r"`(_?[A-Za-z]\w+)`(?!\.)", steps))
    assert {name for name in named if not re.search(rf"\b{name}\b", sources)} == set()
    assert len(named) > 10


def test_hooks_call_what_the_environment_has() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    for program in re.findall(r"entry: \.venv/bin/([\w-]+)", text):
        assert shutil.which(program, path=str(ROOT / ".venv" / "bin")) or shutil.which(program), program
    assert "repo: http" not in text


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
def test_help_lists_what_there_is_to_make() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "quick", "coverage", "findings"):
        assert re.search(rf"^{target}\b", said, re.MULTILINE), target


@pytest.mark.parametrize(("workflow", "tests"), [("test", "tests/core"), ("package", "tests/packaging")])
def test_a_workflow_installs_what_its_tests_import(workflow: str, tests: str) -> None:
    """Jobs that install less than `.[dev]`: a library that is missing there ends them before the first test."""
    steps = (ROOT / ".github" / "workflows" / f"{workflow}.yml").read_text(encoding="utf-8")
    (extras, others), *_rest = re.findall(r"--editable '\.\[([\w,]+)\]' \\\n\s+(.+)", steps)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *others.split()]
    named += [line for extra in extras.split(",") for line in project["optional-dependencies"][extra]]
    installed = _with_what_they_require(named)
    owners = _owners()
    paths = [*(ROOT / tests).rglob("*.py"), *(ROOT / "tests").glob("*.py")]
    missing = {
        f"{path.name}: {module}"
        for path in paths
        for module in _imported_by_all_means(path)
        if module in owners and not installed & owners[module]
    }
    assert {"OpenEXR", "tifffile", "ray"} <= owners.keys()
    assert missing == set()


def _owners() -> dict[str, set[str]]:
    """The distributions that a top-level module is of.

    `packages_distributions` of Python 3.11 overlooks compiled modules that are in no folder, as OpenEXR's is.
    """
    owners: dict[str, set[str]] = {}
    for module, names in packages_distributions().items():
        owners[module] = {canonicalize_name(name) for name in names}
    for distribution in distributions():
        # One line a file, without what `files` would make of each.
        lines = (distribution.read_text("RECORD") or "").splitlines()
        for line in lines:
            file = line.partition(",")[0]
            module = None if "/" in file else inspect.getmodulename(file)
            if module:
                owners.setdefault(module, set()).add(canonicalize_name(distribution.name))
    return owners


def _with_what_they_require(lines: Iterable[str]) -> set[str]:
    """The distributions that pip installs for these requirements."""
    found: set[str] = {"srgan-desktop"}
    queue = list(lines)
    while queue:
        requirement = Requirement(queue.pop())
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            queue += requires(name) or []
    return found


def _imported_by_all_means(path: Path) -> Iterator[str]:
    """Modules that a file imports as it is imported, but for those that it is skipped without."""
    text = path.read_text(encoding="utf-8")
    asked = set(re.findall(r"^(?:\w+ = )?pytest\.importorskip\(\"(\w+)", text, re.MULTILINE))
    for node in ast.parse(text).body:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        tops = {name.partition(".")[0] for name in names}
        yield from tops - asked - set(sys.stdlib_module_names)
