"""What measures the shipped models, on two pictures of a few pixels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from scripts import models_report, worn_report
from tests.core.training.pictures import picture_folder, vgg16_file
from tests.scripts.conftest import ROOT, Run

MODEL = "fast-x4"


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    picture_folder(folder / "Tiny", count=2)
    return folder


@pytest.fixture
def small_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The report of one model on a set of two pictures, in a folder of its own; gives its page."""
    page = tmp_path / "models.md"
    page.write_text((ROOT / "docs" / "models.md").read_text(encoding="utf-8"), encoding="utf-8")
    sets = dict.fromkeys(models_report.MEASURED, ("Tiny",))
    for name, value in {
        "PAGE": page,
        "FIGURES": tmp_path / "models" / "figures.json",
        "IMAGES": tmp_path / "images",
        "MEASURED": sets,
        "PUBLISHED": (),
        "ROUNDS": 1,
        "SPEED_SIDE": 16,
        "shipped": lambda: [models_report.Candidate("`fast x4`", MODEL)],
    }.items():
        monkeypatch.setattr(models_report, name, value)
    return page


def test_models_report(main: Run, small_report: Path, bench: Path, tmp_path: Path) -> None:
    content = vgg16_file(tmp_path / "vgg16.safetensors")
    main(models_report, "--bench", bench, "--content", content)
    text = small_report.read_text(encoding="utf-8")
    assert re.search(r"\| `fast x4` \| \d+\.\d\d / \.\d{4} / \.\d{3} \|", text)
    assert len(list((tmp_path / "images").glob("*.webp"))) == 3
    figures = json.loads((tmp_path / "models" / "figures.json").read_text())
    assert {entry["label"] for entry in figures.values() if "label" in entry} == {"`fast x4`"}
    # What is known is not measured again, for which the VGG file would be missed.
    main(models_report, "--bench", bench)
    assert json.loads((tmp_path / "models" / "figures.json").read_text()) == figures
    assert small_report.read_text(encoding="utf-8") == text


def test_worn_report(main: Run, judge: None, bench: Path, tmp_path: Path) -> None:
    cache = tmp_path / "figures.json"
    words = ("--data", bench / "Tiny", "--cache", cache, "--precision", "fp32", "bicubic", MODEL)
    said = main(worn_report, *words)
    assert said.splitlines()[0].count("|") == len(worn_report.KINDS) + 2
    assert len(json.loads(cache.read_text())) == 2 * 2 * len(worn_report.KINDS)
    assert main(worn_report, *words) == said


def test_worn_report_knows_the_best_model_for_each_picture(main: Run, judge: None, bench: Path) -> None:
    words = ("--data", bench, "--kinds", "jpeg", "--best", "--by-folder", "auto", MODEL, "photo-x4")
    lines = main(worn_report, *words).splitlines()
    assert lines[:2] == ["", "Tiny"]
    distances = {row.split("|")[1].strip(): float(row.split("/")[2]) for row in lines[4:]}
    assert list(distances) == ["auto", MODEL, "photo-x4", "best of these"]
    assert distances["best of these"] <= min(distances[MODEL], distances["photo-x4"])


def test_worn_report_wears_a_picture_alike_each_time() -> None:
    clean = models_report.sample("cat.jpg", 64)
    for kind in worn_report.KINDS:
        worn = worn_report.worn(clean, kind, "cat.jpg")
        assert (worn == worn_report.worn(clean, kind, "cat.jpg")).all()
        assert (worn == clean).all() == (kind == "clean")
