"""What becomes of an encoder's memory when the file cannot be written."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.images import FORMATS, Picture, save


@pytest.mark.parametrize("format", [row.key for row in FORMATS.values() if row.can_choose])
def test_a_write_that_fails_leaves_nothing_that_cannot_be_collected(
    format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    picture = Picture(np.zeros((8, 8, 3), np.uint8), None)
    try:
        save(tmp_path / "no such folder" / "a", picture, format)
    except OSError as error:
        # A circle, as a handler that keeps the error makes one: only the collector ends it.
        error.itself = error  # type: ignore[attr-defined]
    else:
        pytest.fail("there is no such folder")
    gc.collect()
    assert complaints == []
