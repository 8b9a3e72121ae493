"""What models there are, what they are called, and what may be done to them, without torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from core.contract.errors import UserError
from core.models.card import ModelCard, read_card
from core.models.catalogue import (
    DEFAULT_DETAIL,
    DEFAULT_MODEL,
    card_of,
    chosen,
    downloadable,
    find_model,
    free_key,
    mix_for,
    models,
    remove_model,
    rename_model,
)
from core.models.generator import GeneratorConfig
from core.models.known import KNOWN, known_by_hash, known_model
from core.models.weights import load_generator, load_state, save_generator
from tests.core.networks import lively_generator, save_pair, save_small_model


def test_every_known_model_has_what_a_person_and_a_download_need() -> None:
    assert len({known.key for known in KNOWN}) == len(KNOWN) == 6
    for known in KNOWN:
        assert re.fullmatch(r"[0-9a-f]{64}", known.sha256)
        assert known.url.startswith("https://github.com/xinntao/Real-ESRGAN/releases/download/v0.")
        assert known.card.license == "BSD-3-Clause"
        assert known.card.author
        assert f"x{known.card.scale}" in known.key or "anime" in known.key
        assert known.good_at.endswith(".")
        assert 1 < known.megabytes < 100
        assert known_model(known.key) is known
        assert known_by_hash(known.sha256) is known
    assert known_model("nothing") is None


def test_known_models_are_offered_until_they_are_here(user_folder: Path) -> None:
    assert len(downloadable()) == 6
    with pytest.raises(UserError, match="not here yet") as caught:
        find_model("RealESRGAN_x2plus")
    assert "srgan models download RealESRGAN_x2plus" in caught.value.hint
    user_folder.mkdir()
    torch.save({"params": {}}, user_folder / "RealESRGAN_x2plus.pth")
    assert len(downloadable()) == 5
    model = find_model("RealESRGAN_x2plus")
    assert (model.kind, model.card.scale, model.card.license) == ("downloaded", 2, "BSD-3-Clause")
    assert not model.trainable


def test_where_a_model_is_from(user_folder: Path) -> None:
    state = lively_generator(GeneratorConfig(features=8, blocks=1)).state_dict()
    save_generator(user_folder / "mine.safetensors", state, ModelCard("mine", recipe="[psnr]"))
    save_generator(user_folder / "mixed.safetensors", state, ModelCard("mixed", tags=("blend",)))
    save_generator(user_folder / "theirs.safetensors", state, ModelCard("theirs", architecture="ESRGAN"))
    kinds = {model.key: (model.kind, model.trainable) for model in models()}
    assert kinds[DEFAULT_MODEL] == ("shipped", True)
    assert kinds["mine"] == ("trained", True)
    assert kinds["mixed"] == ("blended", True)
    assert kinds["theirs"] == ("imported", False)


@pytest.mark.parametrize(
    ("model", "detail", "expected"),
    [
        ("", None, (DEFAULT_MODEL, DEFAULT_DETAIL, 0)),
        ("", 80, (DEFAULT_MODEL, 80, 0)),
        ("faithful-x4", None, ("faithful-x4", 100, 0)),
        ("faithful-x4", 30, ("detail-x4", 30, 0)),
        ("faithful-x4", 100, ("detail-x4", 100, 0)),
        ("detail-x4", None, ("detail-x4", 100, 0)),
        ("fast-x4", 30, ("fast-x4", 30, 0)),  # which has no detail, as who runs it will say
    ],
)
def test_what_is_meant_where_something_is_left_out(
    model: str, detail: int | None, expected: tuple[str, int, int]
) -> None:
    assert chosen(model, detail) == expected


@pytest.mark.parametrize(
    ("name", "scale"),
    [("4x-UltraSharp", 4), ("2x_photo", 2), ("RealESRGAN_x8plus", 8), ("10x-odd", 4), ("box4x", 4), ("nothing", 4)],
)
def test_a_file_without_a_card_is_known_by_its_name(name: str, scale: int, tmp_path: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / f"{name}.safetensors")
    (tmp_path / f"{name}.pth").write_bytes(b"")
    for suffix in (".safetensors", ".pth"):
        card = card_of(tmp_path / f"{name}{suffix}")
        assert (card.name, card.scale, card.architecture) == (name, scale, "")


def test_headers_are_read_once_however_often_models_are_asked_for(
    user_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = Path.open

    def counting(path: Path, *args: Any, **options: Any) -> Any:
        opened.append(path.name)
        return real(path, *args, **options)

    save_pair(user_folder)
    (user_folder / "theirs_x2.pth").write_bytes(b"PK\x03\x04")
    models()
    monkeypatch.setattr(Path, "open", counting)
    for _ in range(3):
        mix_for(find_model("sharp"), 50)
    assert [name for name in opened if name.endswith(".safetensors")] == []
    # Its weights are read in one go.
    load_state(user_folder / "sharp.safetensors")
    assert [name for name in opened if name.endswith(".safetensors")] == ["sharp.safetensors"]
    # A file that has changed is another one, even if it is as long as before.
    path = user_folder / "soft.safetensors"
    changed = path.read_bytes().replace(b'"soft"', b'"mild"')
    path.unlink()
    path.write_bytes(changed)
    assert find_model("soft").card.name == "mild"
    path.unlink()
    with pytest.raises(UserError, match="no model"):
        find_model("soft")


def test_names_that_no_file_may_have_become_names_that_one_may(user_folder: Path) -> None:
    assert free_key("my model") == "my model"
    assert free_key('a/b\\c:d*?"<>|') == "a-b-c-d-"
    assert free_key(" .. ") == "model"
    assert free_key(DEFAULT_MODEL) == f"{DEFAULT_MODEL}-2"
    save_small_model(user_folder / "Mine.safetensors")
    assert free_key("mine") == "mine-2"


def test_renaming_changes_file_and_card_and_no_weight(user_folder: Path) -> None:
    path = save_small_model(user_folder / "old.safetensors")
    before = load_generator(path)[0].state_dict()
    renamed = rename_model("old", "Кот: new")
    assert (renamed.key, renamed.card.name) == ("Кот- new", "Кот: new")
    assert not path.exists()
    after = load_generator(renamed.path)[0].state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    again = rename_model(renamed.key, renamed.key)
    assert again.path == renamed.path
    assert read_card(again.path).name == "Кот- new"


def test_removing_takes_only_what_is_the_users(user_folder: Path, tmp_path: Path) -> None:
    path = save_small_model(user_folder / "mine.safetensors")
    elsewhere = save_small_model(tmp_path / "elsewhere.safetensors")
    remove_model("mine")
    assert not path.exists()
    with pytest.raises(UserError, match="belongs to the program"):
        remove_model("")
    with pytest.raises(UserError, match="belongs to the program"):
        rename_model(DEFAULT_MODEL, "x")
    with pytest.raises(UserError, match="not in the folder of models"):
        remove_model(str(elsewhere))
    assert elsewhere.exists()
    with pytest.raises(UserError, match="no model"):
        remove_model("mine")


def test_files_without_a_card_are_not_renamed(user_folder: Path) -> None:
    user_folder.mkdir()
    torch.save({}, user_folder / "raw.pth")
    with pytest.raises(UserError, match="has no model card"):
        rename_model("raw", "x")
    save_small_model(user_folder / "mine.safetensors")
    with pytest.raises(UserError, match="needs a name"):
        rename_model("mine", "  ")
