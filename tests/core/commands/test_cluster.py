"""`srgan cluster plan` as somebody types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.core.commands.test_upscale import srgan
from tests.core.networks import save_small_model
from tests.core.upscale.conftest import picture


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_small_model(tmp_path_factory.mktemp("model") / "small.safetensors"))


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_time_and_cost_are_told_for_people_and_programs(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    code, text = srgan("cluster", "plan", tmp_path / "in", "-m", model, "--workers", "1000", "--price", "2")
    assert code == 0
    assert "1 pictures, 0.0 megapixels" in text
    assert "on 1,000 such workers" in text
    assert "Cost: 0.00, at 2 a worker and hour." in text
    code, text = srgan("cluster", "plan", tmp_path / "in", "-m", model, "--per-worker", "cpu=1", "--json")
    assert code == 0
    found = json.loads(text)
    assert (found["event"], found["pictures"], found["workers"]) == ("BatchEstimate", 1, 1)
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


def test_a_share_that_is_none_is_said(tmp_path: Path, model: str) -> None:
    code, text = srgan("cluster", "plan", picture(tmp_path / "a.png"), "-m", model, "--per-worker", "much")
    assert code == 1
    assert "gpu=1" in text
