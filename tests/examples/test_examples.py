"""The programs in examples/ as a newcomer runs them, on a tiny folder."""

from __future__ import annotations

import ast
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.core.networks import save_small_model
from tests.core.training.pictures import TINY, picture_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("examples") / "photos")


Run = Callable[..., str]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run an example as a program; gives what it printed."""

    def run(name: str, *arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
        said = capsys.readouterr()
        assert said.err == ""
        return said.out

    return run


def test_upscale_a_folder(example: Run, photos: Path, tmp_path: Path) -> None:
    said = example("upscale_folder.py", photos, tmp_path / "large")
    assert said.count("144 x 128") == len(list(photos.iterdir())) == len(list((tmp_path / "large").glob("*.png")))


def test_upscale_an_array(example: Run, photos: Path, tmp_path: Path) -> None:
    source = next(photos.iterdir())
    example("upscale_array.py", source, tmp_path / "large.png")
    with Image.open(source) as small, Image.open(tmp_path / "large.png") as large:
        assert large.size == (small.width * 4, small.height * 4)


def test_train_a_recipe_and_measure_the_model(example: Run, photos: Path, tmp_path: Path) -> None:
    said = example("train_recipe.py", photos, tmp_path / "run", *(f"{name}={value}" for name, value in TINY))
    assert "step 6:" in said
    model = Path(said.split()[-1])
    said = example("measure_model.py", photos, model)
    assert said.startswith("photos: 6 pictures")
    assert said.count("PSNR") == 2


def test_teach_a_small_model(example: Run, photos: Path, tmp_path: Path) -> None:
    teacher = save_small_model(tmp_path / "large.safetensors")
    fields = (*(f"{name}={value}" for name, value in TINY), "data.teacher_patches=8", "name=small")
    said = example("teach_a_small_model.py", photos, tmp_path / "run", teacher, *fields)
    assert "Its teacher large reaches" in said


def test_every_example_is_short_and_run_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    for path in (ROOT / "examples").glob("*.py"):
        assert f'"{path.name}"' in here
        text = path.read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(text), clean=False) or ""
        assert docstring
        lines = text.replace(docstring, "").splitlines()[1:]
        assert len([line for line in lines if line.strip()]) <= 15, path.name
