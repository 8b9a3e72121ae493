"""What CONTRIBUTING.md, SECURITY.md and RELEASING.md name is there: files, commands, links, names in the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

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
