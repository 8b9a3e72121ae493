"""One version in one place; whatever shows it elsewhere agrees."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import core
from core.version import VERSION
from scripts import package_contents, package_deb

ROOT = Path(__file__).parents[1]


def test_it_is_a_release_number() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", VERSION)
    assert core.__version__ == VERSION


def test_the_build_reads_it_from_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"] == {"path": "core/version.py"}


@pytest.mark.parametrize("module", ["core.cli", "srgan_desktop"])
def test_both_programs_say_it(module: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, encoding="utf-8", check=True
    )
    assert said.stdout.split()[-1] == VERSION


def test_packages_carry_it() -> None:
    assert f"_{VERSION}_" in package_deb.file_name()
    assert package_contents.versions([]).startswith(f"srgan-desktop {VERSION}\n")


def test_the_newest_entry_of_each_list_of_releases_is_it() -> None:
    changes = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    store = ROOT / "packaging/linux/io.github.srgan_desktop.metainfo.xml"
    released = re.search(r'<release version="([^"]+)"', store.read_text(encoding="utf-8"))
    assert changes is not None
    assert released is not None
    assert (changes[1], released[1]) == (VERSION, VERSION)
