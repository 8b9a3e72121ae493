"""The page of a blind test: what is in it, and what it does in a browser is left to the browser."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import paths
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.evaluate import BlindReady, BlindRequest, CheckProgress
from core.evaluate.blind import blind
from core.evaluate.resampling import enlarge_bicubic
from core.upscale.engine import open_engine
from tests.core.networks import save_small_model
from tests.core.training.pictures import textured


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "user_models", lambda: tmp_path / "models")


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(save_small_model(tmp_path / "small.safetensors"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for seed in range(3):
        Image.fromarray(textured(seed, 150, 200)).save(tmp_path / "in" / f"{seed}.png")
    return tmp_path / "in"


def run(request: BlindRequest) -> tuple[BlindReady, dict]:
    *progress, ready = blind(request, CancelToken())
    assert all(isinstance(each, CheckProgress) for each in progress)
    assert isinstance(ready, BlindReady)
    text = ready.page.read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    return ready, json.loads(data[1])


def decoded(inline: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(inline.split(",")[1]))))


def test_both_results_and_the_source_are_in_the_page(model: str, folder: Path, tmp_path: Path) -> None:
    ready, data = run(BlindRequest((folder,), model, "bicubic", tmp_path / "out" / "page.html", side=64))
    assert ready.pairs == len(data["pairs"]) == 3
    assert data["names"] == {"a": "small", "b": "bicubic"}
    small = textured(1, 150, 200)[43:107, 68:132]
    pair = next(each for each in data["pairs"] if each["name"] == "1.png")
    np.testing.assert_array_equal(decoded(pair["a"]), open_engine(model).upscale(small, CancelToken()))
    np.testing.assert_array_equal(decoded(pair["b"]), enlarge_bicubic(small, 4))
    np.testing.assert_array_equal(decoded(pair["reference"]), enlarge_bicubic(small, 4))
    # Nothing is fetched from anywhere.
    assert "http" not in re.sub(r"data:[^\"]+", "", ready.page.read_text(encoding="utf-8"))


def test_the_page_has_all_its_words_and_says_in_which_language(model: str, folder: Path, tmp_path: Path) -> None:
    ready, data = run(BlindRequest((folder,), model, "bicubic", tmp_path / "page.html", side=64))
    page = ready.page.read_text(encoding="utf-8")
    used = set(re.findall(r'data-(?:word|alt)="(\w+)"', page)) | set(re.findall(r"\bwords\.(\w+)", page))
    assert used == set(data["words"])
    assert '<html lang="en">' in page
    # What its script fills in.
    filled = set(re.findall(r"\{(\w+)\}", "".join(data["words"].values())))
    assert filled == {"number", "all", "more", "often", "less", "seldom", "percent"}


def test_a_grey_picture_is_judged_as_the_batch_makes_it(model: str, tmp_path: Path) -> None:
    Image.fromarray(textured(1, 150, 200)).convert("L").convert("RGB").save(tmp_path / "scan.png")
    _, data = run(BlindRequest((tmp_path / "scan.png",), model, "bicubic", tmp_path / "page.html", side=64))
    result = decoded(data["pairs"][0]["a"])
    assert (result == result[..., :1]).all()
    worn = BlindRequest((tmp_path / "scan.png",), model, "bicubic", tmp_path / "worn.html", 32, reduced=True, worn=True)
    _, data = run(worn)
    result = decoded(data["pairs"][0]["a"])
    assert (result != result[..., :1]).any()


def test_reduced_pictures_are_judged_by_the_original(model: str, folder: Path, tmp_path: Path) -> None:
    _, plain = run(BlindRequest((folder,), model, "bicubic", tmp_path / "a.html", side=32, reduced=True))
    _, worn = run(BlindRequest((folder,), model, "bicubic", tmp_path / "b.html", side=32, reduced=True, worn=True))
    assert "original" in plain["caption"]
    one, other = plain["pairs"][0], worn["pairs"][0]
    np.testing.assert_array_equal(decoded(one["reference"]), textured(0, 150, 200)[11:139, 36:164])
    assert one["reference"] == other["reference"]
    assert one["b"] != other["b"]
    assert plain["id"] != worn["id"]


def test_a_name_cannot_break_out_of_the_page(model: str, folder: Path, tmp_path: Path) -> None:
    (folder / "0.png").rename(folder / "<!--<script>alert(1)<!-- .png")
    _, data = run(BlindRequest((folder,), model, "bicubic", tmp_path / "page.html", side=32))
    assert "<!--<script>alert(1)<!-- .png" in {each["name"] for each in data["pairs"]}


def test_what_cannot_be_used_is_said(model: str, folder: Path, tmp_path: Path) -> None:
    (folder / "1.png").write_bytes(b"broken")
    Image.fromarray(textured(0, 20, 200)).save(folder / "2.png")
    ready, data = run(BlindRequest((folder,), model, "bicubic", tmp_path / "page.html", side=64))
    assert [each["name"] for each in data["pairs"]] == ["0.png"]
    assert sorted(words.split(":")[0] for words in ready.left_out) == ["1.png", "2.png"]
    with pytest.raises(UserError, match="already exists"):
        run(BlindRequest((folder,), model, "bicubic", ready.page, side=64))
    ready.page.unlink()
    (folder / "0.png").unlink()
    with pytest.raises(UserError, match="None of these pictures"):
        run(BlindRequest((folder,), model, "bicubic", tmp_path / "page.html"))
    Image.fromarray(textured(0, 64, 64)).save(folder / "0.png")
    with pytest.raises(UserError, match=r"End it in \.html"):
        run(BlindRequest((folder,), model, "bicubic", folder / "0.png"))
    with pytest.raises(UserError, match="cannot be written"):
        run(BlindRequest((folder,), model, "bicubic", folder / "0.png" / "page.html"))


def test_wrong_wishes(model: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the same"):
        BlindRequest((folder,), "bicubic", "bicubic", tmp_path / "page.html")
    with pytest.raises(UserError, match="out of range"):
        BlindRequest((folder,), model, "bicubic", tmp_path / "page.html", side=8)
    with pytest.raises(UserError, match="wear"):
        BlindRequest((folder,), model, "bicubic", tmp_path / "page.html", worn=True)
    double = str(save_small_model(tmp_path / "double.safetensors", scale=2))
    with pytest.raises(UserError, match="2x and 4x"):
        run(BlindRequest((folder,), model, double, tmp_path / "page.html"))
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(blind(BlindRequest((folder,), model, "bicubic", tmp_path / "page.html"), cancel))
    assert not (tmp_path / "page.html").exists()
