"""Pictures of a measurement that somebody wants to keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.contract.errors import UserError
from core.evaluate.saving import save_png

PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def test_the_folders_above_are_made(tmp_path: Path) -> None:
    save_png(tmp_path / "a" / "b" / "c.png", PIXELS)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a" / "b" / "c.png")), PIXELS)


def test_where_a_file_is_in_the_way_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("no folder")
    with pytest.raises(UserError, match=r"c\.png cannot be written") as caught:
        save_png(tmp_path / "a" / "b" / "c.png", PIXELS)
    assert caught.value.hint
    assert (tmp_path / "a").read_text() == "no folder"
