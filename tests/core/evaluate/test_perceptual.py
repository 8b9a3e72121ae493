"""The perceptual distance of large pictures takes no more memory than that of half a megapixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from core import paths
from core.contract.cancel import CancelToken
from core.contract.evaluate import CheckReady, CheckRequest, Evaluated, EvaluateRequest, PictureEvaluated
from core.evaluate.benchmark import evaluate
from core.evaluate.check import check
from core.evaluate.perceptual import perceptual
from core.models.content import ContentNetwork, content_from_file, picture_distances
from tests.core.networks import save_small_model
from tests.core.training.pictures import vgg16_file


def test_large_pictures_are_measured_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    height, width, parts = 48, 11000, 16
    monkeypatch.setattr(paths, "user_cache", lambda: tmp_path / "cache")
    handed: list[tuple[int, int]] = []

    def pixels(_network: ContentNetwork, x: Tensor, layers: tuple[str, ...]) -> list[Tensor]:
        """Stands in for VGG: features that know nothing of their neighbours, so that cuts change nothing."""
        handed.append((x.shape[2], x.shape[3]))
        return [x for _ in layers]

    monkeypatch.setattr(ContentNetwork, "forward", pixels)
    weights = vgg16_file(tmp_path / "vgg16.safetensors")
    model = str(save_small_model(tmp_path / "small.safetensors"))
    (tmp_path / "data").mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    picture[:, : width // 3] //= 8
    Image.fromarray(picture).save(tmp_path / "data" / "large.png")
    *_, ready = check(CheckRequest(tmp_path / "data" / "large.png", model, content_weights=weights), CancelToken())
    assert isinstance(ready, CheckReady)
    request = EvaluateRequest((Evaluated(model),), tmp_path / "data", weights)
    (measured,) = (e for e in evaluate(request, CancelToken()) if isinstance(e, PictureEvaluated))
    # The original, the result and bicubic, twice.
    assert len(handed) == 6 * parts
    assert sum(down * across for down, across in handed) == 6 * height * width
    assert max(down * across for down, across in handed) <= 1 << 19
    whole = picture_distances(content_from_file(weights), picture, [ready.upscaled, ready.bicubic])
    found = [ready.quality.perceptual, ready.bicubic_quality.perceptual]
    assert found == pytest.approx(whole, rel=1e-5)
    assert [measured.results[0].perceptual, measured.bicubic.perceptual] == found
    # Half a megapixel stays whole.
    handed.clear()
    half = picture.reshape(-1)[: 3 << 19].reshape(512, 1024, 3)
    perceptual(content_from_file(weights), half, [half])
    assert handed == [(512, 1024)] * 2
