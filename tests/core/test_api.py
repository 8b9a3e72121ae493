"""What other programs may rely on: the names of `core`, that they cost nothing, and that they are explained."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_overloads

import pytest

import core
from core.contract.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", core.__all__)
def test_every_public_name_is_there_and_explained(name: str) -> None:
    assert getattr(core, name) is not None
    assert name in dir(core)
    assert re.search(rf"`{name}\b", (ROOT / "docs" / "api.md").read_text(encoding="utf-8")), f"docs/api.md: {name}"


def test_no_public_name_hides_a_module() -> None:
    modules = {path.stem for path in (ROOT / "core").iterdir()}
    assert modules.isdisjoint(core.__all__)


def test_importing_loads_no_heavy_library() -> None:
    code = (
        "import sys, core; from core import UpscaleRequest, TrainRequest, load\n"
        "print([name for name in ('torch', 'PySide6') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, cwd=ROOT)
    assert said.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = core.no_such_thing


def test_a_request_that_nobody_serves_is_refused() -> None:
    with pytest.raises(UserError, match="what a str is"):
        list(core.run("upscale everything"))


def test_a_cancelled_token_ends_the_work_before_it_begins(tmp_path: Path) -> None:
    token = core.CancelToken()
    token.cancel()
    with pytest.raises(core.Cancelled):
        list(core.run(core.UpscaleRequest((core.Input(ROOT / "resources/samples"),), tmp_path), token))
    assert list(tmp_path.iterdir()) == []


def test_types_are_shipped() -> None:
    assert (ROOT / "core" / "py.typed").is_file()


def test_a_type_checker_knows_what_each_public_request_yields() -> None:
    public = {name for name in core.__all__ if name.endswith("Request")}
    assert {each.__annotations__["request"] for each in get_overloads(core.run)} == {*public, "object"}
