"""Pictures for the documentation, drawn from a tiny run and from the sample photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.images import load
from core.models.catalogue import models
from scripts import draw_curves, draw_students, make_samples, model_previews
from tests.scripts.conftest import Run


def test_draw_curves(main: Run, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qapp) -> None:
    monkeypatch.setattr(draw_curves, "IMAGES", tmp_path)
    assert "6 steps" in main(draw_curves, f"tiny={trained}")
    with Image.open(tmp_path / "curve-tiny.webp") as drawn:
        assert drawn.size == (draw_curves.WIDTH, 2 * draw_curves.HEIGHT_A_PLOT)
        assert len(drawn.getcolors(1 << 20) or ()) > 10


def test_draw_students(main: Run, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_students, "IMAGES", tmp_path)
    monkeypatch.setattr(draw_students, "SIDE", 32)
    said = main(draw_students, trained, trained)
    assert said.count("psnr_y") == 6
    with Image.open(tmp_path / "students.webp") as sheet:
        # Bicubic, three validations, the other run and HR beside one another.
        assert sheet.width == 6 * 32 + 5 * 6


def test_draw_students_needs_three_validations(main: Run, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_students, "EPOCHS", (1, 2))
    with pytest.raises(SystemExit, match="has 3 validations"):
        main(draw_students, trained, trained)


def test_make_samples_makes_those_that_ship(main: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = make_samples.SAMPLES
    monkeypatch.setattr(make_samples, "SAMPLES", tmp_path)
    main(make_samples)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {path.relative_to(shipped) for path in shipped.rglob("*") if path.is_file()}
    assert (tmp_path / "SOURCES.md").read_text() == (shipped / "SOURCES.md").read_text()
    for sample in make_samples.ALL:
        mine, theirs = load(tmp_path / sample.name).pixels, load(shipped / sample.name).pixels
        # Encoders of other versions differ by a little.
        assert np.abs(mine.astype(int) - theirs).mean() < 1, sample.name


def test_model_previews(tmp_path: Path) -> None:
    model_previews.make(tmp_path / "previews")
    made = {path.stem: path for path in (tmp_path / "previews").iterdir()}
    assert made.keys() == {model.key for model in models() if model.shipped}
    with Image.open(made["faithful-x4"]) as both:
        assert both.size == (2 * 4 * model_previews.PART[2], 4 * model_previews.PART[3])
        before, after = np.split(np.asarray(both.convert("RGB")).astype(int), 2, axis=1)
    assert 0 < np.abs(before - after).mean() < 20
