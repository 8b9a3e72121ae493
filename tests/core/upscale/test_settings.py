"""The settings of a run as a file, and as the fingerprint that tells what is done."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.contract.errors import UserError
from core.contract.settings import SETTINGS, OutputSize, UpscaleSettings
from core.contract.upscale import Input, UpscaleRequest
from core.models.card import ModelCard
from core.models.catalogue import Mix, Model
from core.upscale.settings import fingerprint_of, from_toml, to_plain, to_toml

ANOTHER: dict[str, Any] = {
    "model": 'my "best" \\ model é',
    "detail": 35,
    "clean_up": 70,
    "before": ("fast-x4", "faithful-x4"),
    "tie_colours": False,
    "size": OutputSize("width", 1920),
    "format": "webp",
    "quality": 80,
    "existing": "replace",
    "recursive": False,
    "keep_metadata": False,
    "keep_date": False,
    "provenance": False,
    "keep_values": True,
    "depth": "16",
    "frames": "first",
    "larger": "copy",
    "archives": "archive",
    "wrap": True,
    "result_name": "{name}_{model}_{scale}x",
    "device": "cuda:1",
    "precision": "fp32",
    "tile": 256,
    "ensemble": True,
}
"""A value for each setting that is not its default."""


def test_every_setting_has_another_value_here() -> None:
    assert ANOTHER.keys() == SETTINGS.keys()
    assert all(ANOTHER[name] != declared.default for name, declared in SETTINGS.items())


def test_a_settings_file_gives_back_every_setting_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(to_toml(UpscaleRequest((Input(Path("a")),), Path("out"), **ANOTHER)), encoding="utf-8")
    other = UpscaleRequest((Input(Path("b")),), Path("elsewhere"))
    assert from_toml(path, other) == replace(other, **ANOTHER)


def test_a_file_of_version_0_1_is_read(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        '# The settings of this run.\n\nmodel = "detail-x4"\ndetail = 50\nsize = "4x"\nformat = "same"\nquality = 95\n'
        'existing = "skip"\nrecursive = true\nkeep_metadata = false\ndevice = "auto"\nprecision = "auto"\ntile = 0\n'
        "ensemble = false\n"
    )
    assert from_toml(path, UpscaleSettings()) == UpscaleSettings(model="detail-x4", detail=50, keep_metadata=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quality = 'high'", "quality = 'high' is not possible"),
        ("quality = true", "quality = True is not possible"),
        ("quality = 0", "A quality of 0 is out of range. Choose 1 to 100."),
        ("before = ['a', 1]", r"before = \['a', 1\] is not possible. It must be a list of texts"),
        ("tile = -5", "A tile size of -5 is out of range"),
        ("colour = 1", "“colour”"),
        ("existing = 'burn'", "existing cannot be “burn”. Choose one of skip, number or replace."),
        ("precision = 'int3'", "precision cannot be “int3”"),
        ("size = 'huge'", "“huge” is not an output size"),
        ("size = '1e9x'", "“1e9x” is not an output size"),
        ("inputs = ['/etc/passwd']", "“inputs”"),
        ("= 1", "not a settings file"),
    ],
)
def test_a_wrong_settings_file_is_refused_with_words(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        from_toml(path, UpscaleSettings())


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.toml cannot be read"):
        from_toml(tmp_path / "none.toml", UpscaleSettings())


@pytest.fixture
def model(tmp_path: Path) -> Model:
    (tmp_path / "model").write_bytes(b"weights")
    return Model("model", tmp_path / "model", ModelCard("model"), False)


def of(model: Model, **settings: Any) -> str:
    return fingerprint_of(UpscaleSettings(**settings), model, Mix(((model, 1.0),), ""))


@pytest.fixture
def _results_of_version_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fingerprints below are of that time; nothing but the version may tell those of today from them."""
    monkeypatch.setattr("core.upscale.settings.RESULTS_VERSION", 2)


@pytest.mark.usefixtures("_results_of_version_2")
def test_the_fingerprints_of_results_from_version_0_1_are_still_known(model: Model) -> None:
    assert of(model) == "0861b2993c47bf22331604c0bed6a2a18b84a90e484e723f12ea89854ee91949"
    of_then = ("size", "format", "quality", "existing", "recursive", "keep_metadata", "device", "precision", "tile")
    others = {name: ANOTHER[name] for name in (*of_then, "ensemble")}
    assert of(model, **others) == "136293f3779e9e47510be596005ca4aa6b90cac69abd2651f16ab34eb6781c79"


@pytest.mark.usefixtures("_results_of_version_2")
def test_the_fingerprint_with_detail_is_that_of_version_0_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for name, content, base in (("soft", b"base", ""), ("sharp", b"weights", "soft")):
        (tmp_path / name).write_bytes(content)
        ends.append(Model(name, tmp_path / name, ModelCard(name, base=base), False))
    monkeypatch.setattr("core.models.catalogue.models", lambda: ends)
    soft, sharp = ends
    mix = Mix(((sharp, 0.4), (soft, 0.6)), "")
    known = "469de7d44f7bacbba778a1d74654ac89db486dfbc488722832709199fbaeae10"
    assert fingerprint_of(UpscaleSettings(detail=40), sharp, mix) == known


@pytest.mark.parametrize("name", sorted(ANOTHER.keys() - {"model", "detail"}))
def test_a_setting_is_in_the_fingerprint_if_it_decides_the_result(model: Model, name: str) -> None:
    assert (of(model, **{name: ANOTHER[name]}) != of(model)) == SETTINGS[name].decides


def test_the_fingerprint_is_of_the_model_s_content_and_not_of_its_name(model: Model, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"weights")
    assert of(replace(model, key="copy", path=tmp_path / "copy")) == of(model)
    (tmp_path / "copy").write_bytes(b"other weights")
    assert of(replace(model, path=tmp_path / "copy")) != of(model)


def test_plain_values_can_be_written_as_json() -> None:
    assert json.loads(json.dumps(to_plain(UpscaleSettings(**ANOTHER)))) == to_plain(UpscaleSettings(**ANOTHER))
