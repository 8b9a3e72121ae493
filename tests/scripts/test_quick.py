"""Which tests `make quick` runs for a change."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts import quick
from tests.scripts.conftest import ROOT, Run

FILES = """
    core/images/png.py core/images/metadata/exif.py core/training/losses.py core/worker.py srgan_desktop/page.py
    tests/core/images/test_png.py tests/core/images/test_kinds.py tests/core/images/metadata/test_exif.py
    tests/core/training/test_losses.py tests/core/training/conftest.py tests/core/test_worker.py tests/core/networks.py
    tests/desktop/test_page.py tests/desktop/upscale/test_page.py tests/test_version.py pyproject.toml README.md
"""

PNG, LOSSES = "tests/core/images/test_png.py", "tests/core/training/test_losses.py"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in FILES.split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("core/images/png.py", "tests/core/images"),
        ("tests/core/images/test_kinds.py", "tests/core/images"),
        ("core/images/metadata/exif.py", "tests/core/images/metadata"),
        (
            "core/images/png.py core/training/losses.py",
            "tests/core/images/test_png.py tests/core/training/test_losses.py",
        ),
        ("core/images/png.py tests/core/training/conftest.py", "tests/core/images/test_png.py tests/core/training"),
        ("core/worker.py", "tests/core/test_worker.py"),
        ("srgan_desktop/page.py", "tests/desktop/test_page.py tests/desktop/upscale/test_page.py"),
        ("pyproject.toml docs/glossary.md", "tests/test_version.py"),
        ("docs/glossary.md", ""),
        (
            "tests/core/images/test_gone.py core/training/losses.py",
            "tests/core/images tests/core/training/test_losses.py",
        ),
    ],
)
def test_a_change_runs_the_tests_that_mirror_it(tree: Path, changed: str, expected: str) -> None:
    assert quick.tests_for(tree, map(Path, changed.split())) == expected.split()


def git(root: Path, *words: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", root, *names, *words], check=True, capture_output=True)


def test_what_has_changed(tmp_path: Path) -> None:
    git(tmp_path, "init", "-b", "main")
    for name in ("a.py", "b.py"):
        (tmp_path / name).touch()
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-m", name)
    # On main, with nothing in work: the last commit.
    assert quick.changed_files(tmp_path) == [Path("b.py")]
    (tmp_path / "a.py").write_text("1")
    assert quick.changed_files(tmp_path) == [Path("a.py")]
    git(tmp_path, "switch", "-c", "work")
    git(tmp_path, "commit", "-am", "a")
    (tmp_path / "new.py").touch()
    # On a branch: all that differs from main.
    assert quick.changed_files(tmp_path) == [Path("a.py"), Path("new.py")]
    assert quick.changed_files(tmp_path, "HEAD") == [Path("new.py")]


def test_it_lists_what_it_would_run(main: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "changed_files", lambda *_: [Path("core/version.py")])
    assert main(quick, "--list").strip() == "1 changed files; tests: tests/test_version.py"


def test_a_script_and_an_example_run_the_tests_that_name_them() -> None:
    changed = [Path("scripts/bench_engine.py"), Path("examples/upscale_folder.py")]
    chosen = quick.tests_for(ROOT, changed)
    assert {"tests/scripts/test_bench.py", "tests/examples/test_examples.py"} <= set(chosen)


def test_places_that_are_no_modules_lead_to_tests() -> None:
    for place, test in quick.ELSEWHERE.items():
        assert (ROOT / place).exists(), place
        assert (ROOT / test).is_file(), test
