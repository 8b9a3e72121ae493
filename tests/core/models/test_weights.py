"""Weights come back as they went, with their card; files from strangers run nothing and say what is wrong."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from spandrel import ModelLoader
from spandrel.architectures.Compact import Compact
from spandrel.architectures.RealCUGAN import UpCunet2x

from core import paths
from core.contract.errors import UserError
from core.models.card import ModelCard, read_card
from core.models.catalogue import DEFAULT_MODEL, find_model, models
from core.models.community import load_community
from core.models.generator import GeneratorConfig
from core.models.importing import import_model
from core.models.weights import load_generator, load_state, save_generator
from tests.core.networks import lively_generator, save_small_model

CARD = ModelCard(
    name="тест x4",
    author="somebody",
    license="MIT",
    scale=4,
    tags=("photo", "faithful"),
    iterations=12,
    metrics={"Set5 psnr_y": 31.5},
    parent="other (sha256 …)",
)


def test_weights_and_card_survive_saving(tmp_path: Path) -> None:
    generator = lively_generator(GeneratorConfig(features=8, blocks=1))
    path = tmp_path / "models" / "new.safetensors"
    save_generator(path, generator.state_dict(), CARD)
    loaded, card = load_generator(path)
    assert card == CARD == read_card(path)
    assert loaded.config == generator.config
    for key, value in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)
    assert [each.name for each in path.parent.iterdir()] == ["new.safetensors"]


def test_half_precision_file_is_half_the_size_and_loads_as_fp32(tmp_path: Path) -> None:
    state = lively_generator(GeneratorConfig(features=16, blocks=2)).state_dict()
    save_generator(tmp_path / "full.safetensors", state, CARD)
    save_generator(tmp_path / "half.safetensors", state, CARD, half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (tmp_path / "full.safetensors").stat().st_size
    loaded, _ = load_generator(tmp_path / "half.safetensors")
    assert {value.dtype for value in loaded.parameters()} == {torch.float32}


@pytest.mark.parametrize("wrapper", [None, "params_ema", "state_dict"])
def test_pth_state_dicts_load(tmp_path: Path, wrapper: str | None) -> None:
    state = lively_generator(GeneratorConfig(features=8, blocks=1)).state_dict()
    content = {f"module.{key}": value for key, value in state.items()}
    torch.save({wrapper: content} if wrapper else content, tmp_path / "old.pth")
    loaded, card = load_generator(tmp_path / "old.pth")
    assert card.name == "old"
    assert torch.equal(loaded.tail.weight, state["tail.weight"])


class _Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


WRAPPED: dict[str, Callable[[dict[str, torch.Tensor]], object]] = {
    "another name": lambda state: {"params-ema": state},
    "one unknown name": lambda state: {"anything": state},
    "nested": lambda state: {"model": {"netG": state, "netD": {"a": torch.zeros(1)}}},
    "with what trained it": lambda state: {"params_ema": state, "optimizer": {"state": {}}, "iter": 5},
    "compiled in parallel": lambda state: {f"module._orig_mod.{key}": value for key, value in state.items()},
    "parallel, compiled": lambda state: {f"_orig_mod.module.{key}": value for key, value in state.items()},
    "all of one network": lambda state: {f"netG.{key}": value for key, value in state.items()},
}


@pytest.mark.parametrize("how", WRAPPED)
def test_weights_are_found_however_they_are_wrapped(tmp_path: Path, how: str) -> None:
    state = Compact(num_feat=8, num_conv=2, upscale=2).state_dict()
    torch.save(WRAPPED[how](state), tmp_path / "wrapped.pth")
    found, _card = load_state(tmp_path / "wrapped.pth")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".ckpt", ".bin", ".pth.tar", ""])
@pytest.mark.parametrize("written", ["safetensors", "torch"])
def test_the_content_decides_and_not_the_suffix(tmp_path: Path, written: str, suffix: str) -> None:
    generator = lively_generator(GeneratorConfig(features=8, blocks=1))
    path = tmp_path / f"model{suffix}"
    if written == "torch":
        with path.open("wb") as file:
            torch.save(generator.state_dict(), file)
    else:
        save_generator(path, generator.state_dict(), CARD)
    loaded, card = load_generator(path)
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in generator.state_dict().items())
    # Only safetensors have a card.
    assert (card == CARD) == (written == "safetensors")
    assert find_model(str(path)).card == card


@pytest.mark.parametrize("mark", [1, torch.zeros(1)])
def test_the_pro_variant_of_real_cugan_stays_one_when_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: object
) -> None:
    monkeypatch.setattr(paths, "user_models", lambda: tmp_path / "models")
    torch.manual_seed(0)
    network = UpCunet2x(pro=True)
    torch.save({**network.state_dict(), "pro": mark}, tmp_path / "up2x-pro.pth")
    x = torch.rand(1, 3, 40, 40)
    with torch.inference_mode():
        wanted = ModelLoader().load_from_state_dict({**network.state_dict(), "pro": torch.zeros(1)})(x)
        before = load_community(load_state(tmp_path / "up2x-pro.pth")[0], "up2x-pro.pth")(x)
        added = import_model(tmp_path / "up2x-pro.pth")
        after = load_community(load_state(added.path)[0], added.key)(x)
    torch.testing.assert_close(before, wanted)
    torch.testing.assert_close(after, wanted)


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_code_in_a_pickle_never_runs(tmp_path: Path, form: str) -> None:
    path, marker = tmp_path / "evil.pth", tmp_path / "ran"
    if form == "torch":
        torch.save({"params": _Hostile(marker)}, path)
    else:
        path.write_bytes(pickle.dumps(_Hostile(marker)))
    with pytest.raises(UserError, match=r"evil\.pth"):
        load_generator(path)
    assert not marker.exists()


@pytest.mark.parametrize("keep", [0, 4, 8, 9, 200, 5000, -1])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_truncated_files_are_refused_by_name(tmp_path: Path, keep: int, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    if suffix == ".pth":
        torch.save(lively_generator(GeneratorConfig(features=8, blocks=1)).state_dict(), path)
    else:
        save_small_model(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match="cut") as caught:
        load_generator(path)
    assert caught.value.hint


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b'{"__metadata__": 5}',
        b'{"__metadata__": {"name": 5}}',
        b"{" * 5000,
        b'{"a": {"dtype": "F32"}}',
        b"\xff\xfe",
    ],
)
def test_hostile_safetensors_headers_are_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(UserError, match=r"bad\.safetensors"):
        load_generator(path)


def test_absurd_header_length_reads_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(UserError, match=r"bad\.safetensors"):
        read_card(path)


def test_other_networks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_generator(path, {"conv.weight": torch.zeros(3, 3, 3, 3)}, CARD)
    with pytest.raises(UserError, match="does not hold an SRGAN generator"):
        load_generator(path)


@given(st.dictionaries(st.sampled_from(["scale", "tags", "metrics", "name", "date", "x"]), st.text(max_size=20)))
def test_cards_of_strangers_never_fail(metadata: dict[str, str]) -> None:
    card = ModelCard.from_metadata(metadata, "fallback")
    assert isinstance(card.scale, int)
    assert isinstance(card.tags, tuple)


@pytest.mark.parametrize(
    "metadata", [{"tags": "[" * 100_000}, {"metrics": f'{{"a": 1{"0" * 400}}}'}, {"scale": "1" * 5000}]
)
def test_cards_made_to_do_harm_are_read_as_far_as_they_go(metadata: dict[str, str]) -> None:
    assert ModelCard.from_metadata(metadata, "fallback") == ModelCard("fallback")


def test_one_tensor_under_two_names_is_saved_twice(tmp_path: Path) -> None:
    weight = torch.arange(4.0)
    save_generator(tmp_path / "tied.safetensors", {"a": weight, "b": weight, "c": weight[:2]}, CARD)
    saved = safetensors.torch.load_file(tmp_path / "tied.safetensors")
    assert {name: value.tolist() for name, value in saved.items()} == {
        "a": [0, 1, 2, 3], "b": [0, 1, 2, 3], "c": [0, 1],
    }  # fmt: skip


def test_shipped_default_model_is_listed_first_and_loads() -> None:
    assert models()[0].key == DEFAULT_MODEL
    found = find_model("")
    generator, card = load_generator(found.path)
    assert card.scale == generator.config.scale == 4
    assert card.license == "MIT"


def test_models_are_found_by_key_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "user_models", lambda: tmp_path)
    mine = save_small_model(tmp_path / "mine.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    assert [model.key for model in models() if not model.shipped] == ["mine"]
    assert find_model("mine").path == mine
    assert find_model(str(mine)).path == mine
    for name in ("nothing-here", "~nobody-of-this-name/model.safetensors", "x" * 300):
        with pytest.raises(UserError, match=name):
            find_model(name)
