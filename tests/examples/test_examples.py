"""The programs in examples/ as a newcomer runs them: in a process of their own, on a tiny folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.core.training.pictures import TINY, picture_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("examples") / "photos")


def example(name: str, *arguments: str | Path) -> str:
    command = [sys.executable, ROOT / "examples" / name, *arguments]
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_upscale_a_folder(photos: Path, tmp_path: Path) -> None:
    said = example("upscale_folder.py", photos, tmp_path)
    assert said.count("144 x 128") == len(list(photos.iterdir())) == len(list(tmp_path.glob("*.png")))


def test_upscale_an_array(photos: Path, tmp_path: Path) -> None:
    source = next(photos.iterdir())
    example("upscale_array.py", source, tmp_path / "large.png")
    with Image.open(source) as small, Image.open(tmp_path / "large.png") as large:
        assert large.size == (small.width * 4, small.height * 4)


def test_train_a_recipe_and_measure_the_model(photos: Path, tmp_path: Path) -> None:
    said = example("train_recipe.py", photos, tmp_path / "run", *(f"{name}={value}" for name, value in TINY))
    assert "step 6:" in said
    model = Path(said.split()[-1])
    said = example("measure_model.py", photos, model)
    assert said.startswith("photos: 6 pictures")
    assert said.count("PSNR") == 2


def test_every_example_is_short_and_run_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    for path in (ROOT / "examples").glob("*.py"):
        assert f'"{path.name}"' in here
        assert len(path.read_text(encoding="utf-8").splitlines()) < 30
