"""`srgan info`, `srgan models` and `srgan check` as somebody types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from core import paths
from core.commands.models import app
from core.contract.cancel import CancelToken
from core.contract.models import DownloadProgress, DownloadRequest, ModelAdded
from core.images import probe
from core.models import downloads
from core.training.recipe import parse_recipe
from tests.core.networks import save_small_model
from tests.core.training.pictures import textured


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "user_models", lambda: tmp_path / "models")
    monkeypatch.setattr(paths, "downloaded_content", lambda name: tmp_path / f"{name}.safetensors")
    return tmp_path / "models"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    Image.fromarray(textured(3, 72, 96)).save(tmp_path / "mine.png")
    return tmp_path / "mine.png"


def srgan(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["-a", "faithful-x4"], ["faithful x4", "detail x4 at 50 % detail"]),
        (["-a", "faithful-x4", "-b", "detail-x4", "--detail", "30"], ["faithful x4", "detail x4 at 30 % detail"]),
        (["-a", "bicubic", "-b", "detail-x4"], ["bicubic", "detail x4"]),
    ],
)
def test_a_blind_page_is_made_at_the_detail_asked_for(tmp_path: Path, arguments: list[str], names: list[str]) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)).save(tmp_path / "a.png")
    page = tmp_path / "page.html"
    code, text = srgan("blind", tmp_path / "a.png", *arguments, "-o", page, "--side", "32", "--device", "cpu")
    assert code == 0, text
    for side, name in zip("ab", names, strict=True):
        assert f'"{side}": "{name}"' in page.read_text()


def test_models_that_are_here_and_there_are_listed() -> None:
    code, text = srgan("models", "list")
    assert code == 0
    assert "detail-x4 (default)" in text
    assert "RealESRGAN_x4plus_anime_6B" in text
    assert "BSD-3-Clause" in text
    code, text = srgan("models", "list", "--json")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == ["Model"] * (len(lines) - 6) + ["KnownModel"] * 6
    assert lines[0]["key"] == "detail-x4"


def test_import_then_remove(tmp_path: Path, user_folder: Path) -> None:
    good = save_small_model(tmp_path / "good [bold].safetensors")
    bad = tmp_path / "bad.pth"
    bad.write_bytes(b"<html>")
    code, text = srgan("models", "import", good, bad)
    assert code == 1
    assert "good [bold]:" in text
    assert "bad.pth is a web page" in text
    code, text = srgan("models", "remove", "good [bold]")
    assert (code, list(user_folder.iterdir())) == (0, [])
    code, text = srgan("models", "remove", "faithful-x4")
    assert code == 1
    assert "belongs to the program" in text


def test_download_tells_where_the_model_is(monkeypatch: pytest.MonkeyPatch, user_folder: Path) -> None:
    asked = []

    def download(request: DownloadRequest, _cancel: CancelToken) -> Iterator[DownloadProgress | ModelAdded]:
        asked.append(request.key)
        yield DownloadProgress(request.key, 5, 10)
        yield ModelAdded(request.key, user_folder / "x.pth")

    monkeypatch.setattr(downloads, "download", download)
    code, text = srgan("models", "download", "one", "two")
    assert (code, asked) == (0, ["one", "two"])
    assert f"two: {user_folder / 'x.pth'}" in text
    code, text = srgan("models", "download", "one", "--json")
    assert [json.loads(line)["event"] for line in text.splitlines()] == ["DownloadProgress", "ModelAdded"]


def test_the_licence_of_what_was_trained_here(tmp_path: Path, user_folder: Path) -> None:
    """It is named as in the window; a file from elsewhere may have been trained by somebody else."""
    user_folder.mkdir()
    for folder in (user_folder, tmp_path):
        save_small_model(folder / "mine.safetensors", recipe="name = 'quick'")
    assert "Yours: trained on this computer" in srgan("info", "mine")[1]
    assert "unknown" in srgan("info", tmp_path / "mine.safetensors")[1]
    assert "yours" in srgan("models", "list")[1]


def test_info_shows_the_card(tmp_path: Path) -> None:
    code, text = srgan("info")
    assert code == 0
    assert "detail x4" in text
    assert "MIT" in text
    code, text = srgan("info", save_small_model(tmp_path / "mine.safetensors", scale=2), "--json")
    assert json.loads(text)["scale"] == 2
    code, text = srgan("info", "detail-x4", "--recipe")
    assert (code, parse_recipe(text, "detail").start) == (0, "detail-x4")
    code, text = srgan("info", save_small_model(tmp_path / "silent.safetensors"), "--recipe")
    assert code == 1
    assert "does not say how it was trained" in text
    code, text = srgan("info", "nothing")
    assert code == 1
    assert "no model “nothing”" in text


def test_check_says_how_good_it_is_and_keeps_the_pictures(source: Path, tmp_path: Path) -> None:
    model = save_small_model(tmp_path / "small.safetensors")
    code, text = srgan("check", source, "-m", model, "-o", tmp_path / "out", "--region", "0,0,64,60")
    assert code == 0
    for wanted in ("PSNR-Y", "SSIM-Y", "bicubic", "than bicubic", "does not measure", "No perceptual distance"):
        assert wanted in text
    sizes = {path.name: (probe(path).width, probe(path).height) for path in (tmp_path / "out").iterdir()}
    assert sizes == {
        "mine-original.png": (64, 60),
        "mine-reduced.png": (16, 15),
        "mine-upscaled.png": (64, 60),
        "mine-bicubic.png": (64, 60),
    }
    before = (tmp_path / "out" / "mine-original.png").read_bytes()
    code, text = srgan("check", source, "-m", model, "-o", tmp_path / "out")
    assert code == 1
    assert "already exists" in text
    assert (tmp_path / "out" / "mine-original.png").read_bytes() == before


def test_check_as_json_gives_figures_and_no_pictures(source: Path, tmp_path: Path) -> None:
    code, text = srgan("check", source, "-m", save_small_model(tmp_path / "small.safetensors"), "--json")
    event = json.loads(text)
    assert code == 0
    assert event["event"] == "CheckReady"
    assert event["upscaled"] == [72, 96, 3]
    assert event["quality"]["psnr_y"] > 5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--region", "1,2"], "is not a region"),
        (["--precision", "int4"], "precision cannot be"),
        (["-m", "nope"], "no model"),
    ],
)
def test_check_refuses_in_words(arguments: list[str], says: str, source: Path) -> None:
    code, text = srgan("check", source, *arguments)
    assert code == 1
    assert says in text
