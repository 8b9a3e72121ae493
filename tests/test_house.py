"""Rules of the house that no linter knows: one name for one class, classes of a few pages, tests where one looks."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "srgan_desktop")
LARGEST_CLASS = 350
"""Lines."""

TOPICS = {
    "core/cluster": {"endurance"},
    "core/upscale": {"before", "stores"},
    "core/images": {"more_formats", "carried", "hostile", "kinds", "round_trip", "samples"},
    "core/models": {"hostile", "mix", "shipped"},
    "core/runtimes": {"without_torch"},
    "core/training": {"elastic"},
    "core": {"api", "windows"},
    "srgan_desktop": {"languages", "xvfb"},
    "srgan_desktop/compare": {"scaling"},
    "srgan_desktop/training": {"window"},
    "srgan_desktop/upscale": {"page_scripted"},
    "scripts": {"bench", "draw", "package", "reports", "system_packages", "windows"},
    "examples": {"examples"},
    "packaging": {"contents", "deb", "window"},
    "": {"contributing", "house", "version"},
}
"""Tests of what several modules do together; all others are named after the module that they test."""

SHOWN = {"text", "currentText", "itemText", "title", "toolTip", "windowTitle", "accessibleName", "statusTip"}
"""What gives the words of a widget."""

SEAMS = (
    "core/contract/protocol.py",
    "core/contract/cancel.py",
    "core/contract/upscale.py",
    "core/contract/training.py",
    "core/contract/evaluate.py",
    "core/contract/models.py",
    "core/worker.py",
    "srgan_desktop/job.py",
    "srgan_desktop/session.py",
    "srgan_desktop/page.py",
    "srgan_desktop/main_window.py",
)
"""Where requests and events pass between processes, and pages between each other and the window."""

PRIVATE = {
    "tests/desktop/scripted.py: _exit": "os._exit, the system's own way to end at once",
    "tests/warm_start.py: _run_exitfuncs": "atexit's, which a process that was forked leaves out",
    **{
        f"tests/core/training/test_degradation.py: {name}": "a step of random wear, whose result alone is random"
        for name in ("_compressed", "_convolved", "_gaussian", "_sinc")
    },
}
"""Private names that a test reaches for all the same, and why."""


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def _classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for path in _sources(*PACKAGES):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ClassDef):
                yield path, node


def test_no_class_name_is_used_twice() -> None:
    counts = Counter(node.name for _, node in _classes())
    assert len(counts) > 200
    assert [name for name, count in counts.items() if count > 1] == []


def test_no_class_is_longer_than_a_few_pages() -> None:
    lengths = {f"{path.stem}.{node.name}": (node.end_lineno or 0) - node.lineno + 1 for path, node in _classes()}
    assert {name: length for name, length in lengths.items() if length > LARGEST_CLASS} == {}


def test_nothing_reaches_for_private_names_of_others() -> None:
    """What a test needs of a module has a public name there; what has none for a reason stands in `PRIVATE`."""
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in _sources("tests", "scripts", "examples")
        for name in _private_names(_tree(path))
    }
    assert found == set(PRIVATE)


def _private_names(tree: ast.Module) -> Iterator[str]:
    """Names with one leading underscore that are read, imported or replaced, and are not the file's own."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")).endswith("attr"):
            names = [
                argument.value.rpartition(".")[2]
                for argument in node.args
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            ]
        yield from (name for name in names if re.match(r"_[^_]", name) and name not in own)


def test_no_logic_hangs_on_the_words_of_a_widget() -> None:
    """Words change with taste and language; what is decided by is a state, an enum or an item's data."""
    found = []
    for path in _sources("srgan_desktop"):
        for node in ast.walk(_tree(path)):
            asked: list[ast.expr] = []
            line = getattr(node, "lineno", 0)
            if isinstance(node, ast.Compare):
                asked = [node.left, *node.comparators]
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("startswith", "endswith"):
                asked = [node.func, *node.args]
            elif isinstance(node, ast.Match):
                asked = [
                    node.subject,
                    *(case.pattern.value for case in node.cases if isinstance(case.pattern, ast.MatchValue)),
                ]
            # The mark of a key in them is no word.
            words = any(
                isinstance(each, ast.Constant) and isinstance(each.value, str) and re.search(r"\w", each.value)
                for each in asked
            )
            if words and any(_shows_words(each) for one in asked for each in ast.walk(one)):
                found.append(f"{path.relative_to(ROOT)}:{line}")
    assert found == []


def _shows_words(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        # A draft's `text(path)` is a value.
        return node.func.attr in SHOWN and (not node.args or node.func.attr == "itemText")
    return isinstance(node, ast.Attribute) and node.attr == "whole"


def test_rooms_that_are_called_plain_are_held_to_it() -> None:
    """docs/architecture.md says which; the import contract is what holds them, whole rooms and not module by module."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (plain,) = [each for each in contracts if each["name"] == "plain rooms know no torch"]
    table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    promised = set()
    for named, tail in re.findall(r"^\| (`core/[^|]+) \|.*\| ([^|]+) \|$", table, re.MULTILINE):
        rooms = [path.removesuffix(".py").replace("/", ".") for path in re.findall(r"`([\w/.]+)`", named)]
        if tail == "yes":
            promised |= set(rooms)
        else:
            promised |= {
                module for name in re.findall(r"`([\w*]+)`", tail) for room in rooms for module in _modules(room, name)
            }
    assert len(promised) > 30
    assert promised - set(plain["source_modules"]) == set()


def _modules(room: str, name: str) -> list[str]:
    """The modules of a room that a name, or a pattern, stands for; the room itself where it is that name."""
    if room.rpartition(".")[2] == name:
        return [room]
    return [f"{room}.{path.stem}" for path in (ROOT / room.replace(".", "/")).glob(f"{name}.py")]


def test_threads_of_the_window_have_two_owners() -> None:
    """Lanes do all that would hold it up; `job` serves the pipe. Whatever else began a thread would have to end it."""
    names = {"Thread", "QThread", "QThreadPool", "QRunnable", "ThreadPoolExecutor", "start_new_thread"}
    owners = {
        path.relative_to(ROOT).as_posix()
        for path in _sources("srgan_desktop")
        for node in ast.walk(_tree(path))
        if names & {getattr(node, "attr", ""), getattr(node, "id", ""), getattr(node, "name", "")}
    }
    assert owners == {"srgan_desktop/background.py", "srgan_desktop/job.py"}


@pytest.mark.parametrize("path", SEAMS)
def test_what_crosses_a_seam_has_a_type(path: str) -> None:
    names = {node.id for node in ast.walk(_tree(ROOT / path)) if isinstance(node, ast.Name)}
    assert "Any" not in names


def test_docstrings_are_sentences() -> None:
    """One that begins with Of or As is the end of a sentence whose beginning is a name."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value.value[:40]}"
        for path in _sources(*PACKAGES, "scripts", "tests", "packaging", "examples")
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if node.value.value.startswith(("Of ", "As "))
    ]
    assert found == []


def test_comments_do_not_begin_with_of() -> None:
    """“Of several frames none ...” is word order that a reader has to turn round first."""
    found = [
        f"{path.relative_to(ROOT)}:{number} {line.strip()}"
        for path in _sources(*PACKAGES, "scripts", "tests", "packaging", "examples")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.match(r"\s*# Of ", line)
    ]
    assert found == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda path: path.stem)
def test_tests_lie_where_the_module_lies(path: Path) -> None:
    place = path.parent.relative_to(ROOT / "tests").as_posix().removeprefix(".")
    package = place.replace("desktop", "srgan_desktop", 1)
    name = path.stem.removeprefix("test_")
    assert (ROOT / package).is_dir()
    if name not in TOPICS.get(package, ()):
        assert (ROOT / package / f"{name}.py").is_file() or (ROOT / package / name / "__init__.py").is_file()


def test_every_script_runs_in_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in _sources("tests/scripts"))
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.suffix in (".py", ".sh")]
    assert len(scripts) > 10
    runs = r"\bmain\(\s*{0}\b|\b{0}\.\w+\(|\b{0}\.sh\b"
    assert [path.name for path in scripts if not re.search(runs.format(path.stem), tests)] == []
