"""How much of which weights the Detail and Clean-up sliders take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.contract.errors import UserError
from core.models.card import ModelCard
from core.models.catalogue import chosen, cleaner_of, find_model, mix_for, uncleaned_of
from core.models.generator import GeneratorConfig
from core.models.serving import ServedGenerator, load_served
from core.models.weights import load_state, save_generator
from tests.core.networks import lively_generator


@pytest.fixture
def family(user_folder: Path) -> Path:
    """Four models of one topology: soft and sharp, each with a cleaner one."""
    user_folder.mkdir(exist_ok=True)
    ends: dict[str, dict[str, Any]] = {
        "soft": {},
        "sharp": {"base": "soft", "cleaner": "clean-sharp"},
        "clean-soft": {},
        "clean-sharp": {"base": "clean-soft"},
    }
    for seed, (key, card) in enumerate(ends.items()):
        torch.manual_seed(seed)
        state = lively_generator(GeneratorConfig(features=8, blocks=1)).state_dict()
        save_generator(user_folder / f"{key}.safetensors", state, ModelCard(key, **card))
    return user_folder


@pytest.mark.parametrize(
    ("detail", "clean_up", "expected"),
    [
        (100, 0, {"sharp": 1.0}),
        (0, 0, {"soft": 1.0}),
        (100, 100, {"clean-sharp": 1.0}),
        (0, 100, {"clean-soft": 1.0}),
        (50, 0, {"sharp": 0.5, "soft": 0.5}),
        (25, 60, {"sharp": 0.1, "soft": 0.3, "clean-sharp": 0.15, "clean-soft": 0.45}),
    ],
)
def test_the_sliders_mix_four_ends_independently(
    family: Path, detail: int, clean_up: int, expected: dict[str, float]
) -> None:
    parts = mix_for(find_model("sharp"), detail, clean_up).parts
    assert {model.key: share for model, share in parts} == pytest.approx(expected)


def test_what_is_loaded_is_the_mean_of_the_weights(family: Path) -> None:
    mix = mix_for(find_model("sharp"), 25, 60)
    network, _ = load_served([(model.path, share) for model, share in mix.parts])
    assert isinstance(network, ServedGenerator)
    name = "head.conv.weight"
    wanted = torch.stack([load_state(model.path)[0][name].float() * share for model, share in mix.parts]).sum(0)
    assert torch.allclose(network.get_parameter(name), wanted, atol=1e-6)
    assert mix.name == "sharp at 25 % detail and 60 % clean-up"


def test_a_model_without_the_other_end_says_which_have_one(family: Path) -> None:
    with pytest.raises(UserError, match="no version that cleans up") as caught:
        mix_for(find_model("soft"), 100, 40)
    assert "sharp" in caught.value.hint
    with pytest.raises(UserError, match="no softer version"):
        mix_for(find_model("soft"), 40)
    for detail, clean_up in ((101, 0), (100, -1)):
        with pytest.raises(UserError, match="out of range"):
            mix_for(find_model("sharp"), detail, clean_up)


def test_naming_any_end_and_a_degree_means_the_family(family: Path) -> None:
    assert cleaner_of(find_model("sharp")) == find_model("clean-sharp")
    for end in ("sharp", "clean-sharp", "clean-soft"):
        assert uncleaned_of(find_model(end)).key == "sharp"
    assert chosen("clean-sharp", None) == ("clean-sharp", 100, 0)
    assert chosen("clean-sharp", None, 60) == ("sharp", 100, 60)
    assert chosen("clean-soft", 30) == ("clean-sharp", 30, 0)
    assert chosen("soft", 30, 60) == ("sharp", 30, 60)
