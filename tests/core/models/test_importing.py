"""Files from anywhere become models of this program, or are refused in words; two of a kind can be blended."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.models import BlendRequest, ImportRequest, ModelAdded, ModelRefused
from core.models import importing
from core.models.blend import blend_files, blend_models
from core.models.card import read_card
from core.models.catalogue import find_model
from core.models.importing import import_models
from core.models.known import KNOWN
from core.models.onnx_export import export_onnx
from core.models.weights import load_generator, load_state, save_generator
from core.upscale.engine import open_engine
from tests.core.models.ncnn_weights import state_of
from tests.core.models.test_foreign import Leftthomas, settled
from tests.core.networks import save_small_model


def bring(*files: Path) -> list[Any]:
    return list(import_models(ImportRequest(files), CancelToken()))


def test_a_community_model_keeps_its_picture_and_gets_a_card(animevideo: Path, user_folder: Path) -> None:
    (added,) = bring(animevideo)
    assert isinstance(added, ModelAdded)
    assert added.path == user_folder / "animevideov3.safetensors"
    assert "licence is not known" in added.notes[0]
    card = read_card(added.path)
    assert (card.scale, card.architecture, card.size) == (4, "RealESRGAN Compact", "64nf 16nc")
    assert "Imported from animevideov3.pth" in card.description
    pixels = np.random.default_rng(0).integers(0, 255, (9, 8, 3), np.uint8)
    first, second = (open_engine(str(path), "cpu", "fp32") for path in (animevideo, added.path))
    np.testing.assert_array_equal(first.upscale(pixels, CancelToken()), second.upscale(pixels, CancelToken()))
    assert not find_model("animevideov3").trainable


def test_the_same_file_twice_is_one_model(animevideo: Path, user_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "another name.pth"
    copy.write_bytes(animevideo.read_bytes())
    first, second, third = [*bring(animevideo, copy), *bring(user_folder / "animevideov3.safetensors")]
    assert first.path == second.path == third.path
    assert second.notes == third.notes == ("Already installed.",)
    assert len(list(user_folder.iterdir())) == 1


def test_another_programs_srgan_becomes_ours(tmp_path: Path) -> None:
    theirs = settled(Leftthomas())
    torch.save(theirs.state_dict(), tmp_path / "netG_epoch_4_100.pth")
    (added,) = bring(tmp_path / "netG_epoch_4_100.pth")
    model = find_model(added.key)
    assert model.trainable
    assert (model.card.scale, model.card.size) == (4, "8nf 5nb")
    x = torch.rand(1, 3, 8, 9)
    with torch.inference_mode():
        torch.testing.assert_close(load_generator(model.path)[0](x), theirs(x), atol=2e-4, rtol=0)


def test_an_imported_model_with_a_recipe_was_not_trained_here(tmp_path: Path) -> None:
    state, card = load_state(save_small_model(tmp_path / "theirs.safetensors"))
    save_generator(tmp_path / "theirs.safetensors", state, replace(card, recipe='name = "x"'))
    (added,) = bring(tmp_path / "theirs.safetensors")
    model = find_model(added.key)
    assert model.card.recipe
    assert model.kind == "imported"


def test_a_known_file_is_recognised_by_its_hash(animevideo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(animevideo.read_bytes()).hexdigest()
    entry = dataclasses.replace(KNOWN[0], sha256=digest)
    monkeypatch.setattr(importing, "known_by_hash", lambda sha256: entry if sha256 == digest else None)
    (added,) = bring(animevideo)
    card = read_card(added.path)
    assert (card.license, card.author, card.architecture) == (
        "BSD-3-Clause",
        KNOWN[0].card.author,
        "RealESRGAN Compact",
    )
    assert added.notes == ()


def test_what_is_refused_leaves_the_others_and_no_file(animevideo: Path, tmp_path: Path, user_folder: Path) -> None:
    cut, page = tmp_path / "cut.pth", tmp_path / "page.pth"
    cut.write_bytes(animevideo.read_bytes()[:5000])
    page.write_bytes(b"<html>")
    refused, also, missing, added = bring(
        cut, page, tmp_path / "gone.pth", save_small_model(tmp_path / "ok.safetensors")
    )
    assert all(isinstance(event, ModelRefused) for event in (refused, also, missing))
    assert "cut.pth" in refused.message
    assert "web page" in also.message
    assert "no model file" in missing.message
    assert isinstance(added, ModelAdded)
    assert [path.name for path in user_folder.iterdir()] == ["ok.safetensors"]


def test_importing_stops_between_files(animevideo: Path) -> None:
    cancel = CancelToken()
    events = import_models(ImportRequest((animevideo, animevideo)), cancel)
    next(events)
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(events)


def test_two_community_models_are_blended_with_both_parents_on_the_card(tmp_path: Path, user_folder: Path) -> None:
    state = state_of("realesr-animevideov3-x4")
    other = {key: value * 0.9 for key, value in state.items()}
    torch.save({"params": state}, tmp_path / "one.pth")
    torch.save({"params": other}, tmp_path / "two.pth")
    request = BlendRequest(str(tmp_path / "one.pth"), str(tmp_path / "two.pth"), 0.25, "between")
    (added,) = blend_models(request, CancelToken())
    assert added.path == user_folder / "between.safetensors"
    mixed, card = load_state(added.path)
    key = "body.0.weight"
    torch.testing.assert_close(mixed[key], state[key].float() * 0.75 + other[key].float() * 0.25)
    assert (card.name, card.architecture, card.scale, card.tags) == ("between", "RealESRGAN Compact", 4, ("blend",))
    for name in ("one", "two"):
        digest = hashlib.sha256((tmp_path / f"{name}.pth").read_bytes()).hexdigest()
        assert f"{name} (sha256 {digest})" in card.parent
    assert open_engine(added.key, "cpu", "fp32").scale == 4


def test_a_blend_or_an_export_never_replaces_a_file(tmp_path: Path) -> None:
    model = save_small_model(tmp_path / "a.safetensors")
    before = model.read_bytes()
    with pytest.raises(UserError, match="already exists"):
        blend_files(str(model), str(model), 0.5, model)
    with pytest.raises(UserError, match="already exists"):
        export_onnx(str(model), model)
    assert model.read_bytes() == before


def test_only_two_of_one_kind_can_be_blended(tmp_path: Path, animevideo: Path) -> None:
    small = save_small_model(tmp_path / "small.safetensors")
    large = save_small_model(tmp_path / "large.safetensors", features=16)
    for first, second in ((small, large), (small, animevideo)):
        with pytest.raises(UserError, match="different networks"):
            list(blend_models(BlendRequest(str(first), str(second)), CancelToken()))
    with pytest.raises(UserError, match="out of range"):
        list(blend_models(BlendRequest(str(small), str(small), 1.5), CancelToken()))
    (added,) = blend_models(BlendRequest(str(small), str(small)), CancelToken())
    assert added.key == "small + 50% small"
