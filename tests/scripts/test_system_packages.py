"""The system's packages, asked of a dpkg that knows a list: what is missing is named, and Debian 13's names count."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.scripts.conftest import ROOT

SCRIPT = ROOT / "scripts" / "system_packages.sh"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a shell script")


def ask(tmp_path: Path, installed: str, kind: str = "run") -> subprocess.CompletedProcess[str]:
    """Run the script as somebody who may install nothing, where these packages are there."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    known = " ".join(installed.split())
    for name, body in {
        "dpkg-query": f'case " {known} " in *" $3 "*) echo install ok installed;; *) exit 1; esac',
        "id": "echo 1000",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    for name in ("sh", "grep", "uname"):
        if not (programs / name).exists():
            (programs / name).symlink_to(str(shutil.which(name)))
    return subprocess.run(
        [SCRIPT, kind], cwd=ROOT, env={"PATH": str(programs)}, capture_output=True, text=True, check=False
    )


def packages_of(said: str) -> set[str]:
    line = next(line for line in said.splitlines() if "apt-get install" in line)
    return {word for word in line.split() if not word.startswith("-")} - {"sudo", "apt-get", "install"}


def test_all_that_is_missing_is_named_with_the_command(tmp_path: Path) -> None:
    done = ask(tmp_path, "")
    assert done.returncode == 1
    wanted = packages_of(done.stderr)
    assert {"python3-venv", "libxcb-cursor0", "libglib2.0-0"} <= wanted
    assert "xvfb" not in wanted
    assert {"xvfb", "xdotool"} <= packages_of(ask(tmp_path, "", "test").stderr)
    # Nothing more is asked for where all of it is there.
    assert ask(tmp_path, " ".join(wanted)).returncode == 0


def test_debian_13_calls_some_by_another_name(tmp_path: Path) -> None:
    wanted = packages_of(ask(tmp_path, "").stderr)
    debian13 = {"libglib2.0-0t64" if name == "libglib2.0-0" else name for name in wanted}
    done = ask(tmp_path, " ".join(debian13))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
