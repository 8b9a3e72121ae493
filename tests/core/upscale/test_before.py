"""Models of scale 1 in front of the one that enlarges."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.settings import UpscaleSettings
from core.contract.upscale import FileSaved, Input, PreviewReady, PreviewRequest, Progress, UpscaleRequest
from core.images import Picture, load
from core.models.catalogue import AUTOMATIC
from core.upscale.batch import upscale
from core.upscale.choice import choice_for
from core.upscale.engine import open_engine, open_restorer
from core.upscale.picture import restore_picture, upscale_picture
from core.upscale.preview import preview
from tests.core.networks import save_small_model
from tests.core.training.pictures import textured


def save_restorer(path: Path, seed: int = 0, gain: float = 2.0) -> str:
    """A network that changes what it is given, at its size; gives its path as text."""
    torch.manual_seed(seed)
    state = Compact(num_feat=8, num_conv=2, upscale=1).state_dict()
    save_file({key: value * gain for key, value in state.items()}, path)
    return str(path)


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(save_small_model(tmp_path / "enlarges.safetensors"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "picture.png"
    path.parent.mkdir()
    Image.fromarray(textured(5, 70, 90)).save(path)
    return path


def test_models_run_in_their_order_before_the_picture_is_enlarged(tmp_path: Path, model: str, source: Path) -> None:
    first, second = save_restorer(tmp_path / "1x-a.safetensors", 1), save_restorer(tmp_path / "1x-b.safetensors", 2)
    results = []
    for before in ((), (first,), (first, second), (second, first)):
        request = UpscaleRequest(
            (Input(source),), tmp_path / "out", model=model, before=before, device="cpu", precision="fp32"
        )
        events = list(upscale(request, CancelToken()))
        (saved,) = (event for event in events if isinstance(event, FileSaved))
        shares = [event.fraction for event in events if isinstance(event, Progress)]
        assert shares == sorted(shares)
        results.append(load(saved.output).pixels)
    assert len({saved.tobytes() for saved in results}) == 4
    # The like by hand.
    rgb = load(source).pixels
    for name in (first, second):
        rgb = open_restorer(name, "cpu", "fp32").upscale(rgb, CancelToken())
    by_hand = upscale_picture(open_engine(model, "cpu", "fp32"), Picture(rgb, None), (360, 280), False, CancelToken())
    np.testing.assert_array_equal(results[2], by_hand.pixels)


def test_a_preview_shows_what_the_batch_makes(tmp_path: Path, model: str, source: Path) -> None:
    before = (save_restorer(tmp_path / "1x-a.safetensors"),)
    request = UpscaleRequest(
        (Input(source),), tmp_path / "out", model=model, before=before, device="cpu", precision="fp32"
    )
    (saved,) = (event for event in upscale(request, CancelToken()) if isinstance(event, FileSaved))
    asked = PreviewRequest(source, (20, 10, 30, 24), model=model, before=before, device="cpu", precision="fp32")
    (shown,) = (event for event in preview(asked, CancelToken()) if isinstance(event, PreviewReady))
    whole = load(saved.output).pixels
    np.testing.assert_array_equal(shown.pixels, whole[40 : 40 + 96, 80 : 80 + 120])


def test_a_grey_picture_stays_grey_and_keeps_its_alpha(tmp_path: Path) -> None:
    engines = [open_restorer(save_restorer(tmp_path / "1x-a.safetensors"), "cpu", "fp32")]
    grey = textured(4, 30, 40)[..., :1]
    alpha = np.full((30, 40), 255, np.uint8)
    alpha[:5] = 0
    restored = restore_picture(engines, Picture(grey, alpha, colourless=True), CancelToken())
    assert restored.pixels.shape == grey.shape
    assert (restored.pixels != grey).any()
    np.testing.assert_array_equal(restored.alpha, alpha)


def test_a_result_made_before_another_model_is_not_taken_for_done(tmp_path: Path, model: str, source: Path) -> None:
    path = tmp_path / "1x-a.safetensors"
    before = (save_restorer(path),)
    request = UpscaleRequest((Input(source),), tmp_path / "out", model=model, before=before, device="cpu")
    assert sum(isinstance(event, FileSaved) for event in upscale(request, CancelToken())) == 1
    assert sum(isinstance(event, FileSaved) for event in upscale(request, CancelToken())) == 0
    save_restorer(path, seed=9)
    assert sum(isinstance(event, FileSaved) for event in upscale(request, CancelToken())) == 1
    head = (tmp_path / "out" / ".srgan" / "settings.toml").read_text()
    assert json.dumps(before[0]) in head


def test_automatic_leaves_clean_up_to_the_model_before(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 25, (96, 96, 3))
    worn = Picture(np.clip(textured(6, 96, 96) + noise, 0, 255).astype(np.uint8), None)
    assert choice_for(UpscaleSettings(model=AUTOMATIC), worn).clean_up >= 50
    assert choice_for(UpscaleSettings(model=AUTOMATIC, before=("1x-a",)), worn).clean_up == 0


def test_models_in_each_others_place_are_refused_before_any_picture(tmp_path: Path, model: str, source: Path) -> None:
    restorer = save_restorer(tmp_path / "1x-a.safetensors")
    for settings, words in (
        ({"model": restorer}, "restores pictures at the size they have"),
        ({"model": model, "before": (model,)}, "enlarges by 4, so it cannot stand before"),
        ({"model": model, "before": ("nowhere",)}, "no model “nowhere”"),
    ):
        request = UpscaleRequest((Input(source),), tmp_path / "out", device="cpu", **settings)
        with pytest.raises(UserError, match=words):
            list(upscale(request, CancelToken()))
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("*.png"))
