"""What Windows does otherwise, as far as it can be played through elsewhere."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.upscale import Input, UpscaleRequest
from core.folders import real_path
from core.images import decode, load
from core.models.card import ModelCard
from core.models.generator import GeneratorConfig
from core.models.weights import load_state, save_generator
from core.upscale import plan as planning
from core.upscale.scan import scan
from tests.core.networks import lively_generator, save_small_model


def test_an_output_on_a_disk_that_is_not_there_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    model = str(save_small_model(tmp_path / "model.safetensors"))
    # The search upwards ends at the root of the drive, which is none.
    monkeypatch.setattr(planning, "nearest_existing", lambda _folder: Path("Q:\\"))
    with pytest.raises(UserError, match="There is no disk “Q:"):
        planning.plan(UpscaleRequest((Input(tmp_path / "a.png"),), Path("Q:\\out"), model=model), CancelToken())


def test_a_path_that_the_system_cannot_follow_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: object) -> str:
        raise OSError(6, "The handle is invalid")

    monkeypatch.setattr(os.path, "realpath", refuse)
    assert real_path("aux") == os.path.abspath("aux")  # noqa: PTH100


def test_one_picture_named_twice_in_other_case_is_one_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Cat.png", "CAT.PNG"):
        Image.new("RGB", (8, 8)).save(tmp_path / name, "PNG")
    inputs = [Input(tmp_path / "Cat.png"), Input(tmp_path / "CAT.PNG")]
    assert len(list(scan(inputs, True, CancelToken()))) == 2
    monkeypatch.setattr(os.path, "normcase", str.lower)
    assert len(list(scan(inputs, True, CancelToken()))) == 1


def test_a_path_too_long_for_windows_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ("folder " * 20) / ("name" * 40 + ".png")
    monkeypatch.setattr(decode.sys, "platform", "linux")  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="does not exist"):
        load(path)
    monkeypatch.setattr(decode.sys, "platform", "win32")  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=rf"path of {len(str(path))} characters"):
        load(path)


def test_the_weights_of_a_loaded_model_do_not_keep_its_file_open(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    wanted = lively_generator(GeneratorConfig(features=8, blocks=1)).state_dict()
    save_generator(path, wanted, ModelCard("model"))
    state, _card = load_state(path)
    if sys.platform == "linux":
        assert str(path) not in Path("/proc/self/maps").read_text()
    # What is written into the file from now on is none of the weights.
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert all(torch.equal(state[key], wanted[key]) for key in wanted)
