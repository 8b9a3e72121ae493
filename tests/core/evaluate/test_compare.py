"""A comparison shows each model's picture, time and memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.evaluate import CheckProgress, CompareFailed, CompareRequest, ModelCompared
from core.contract.upscale import PreviewRequest
from core.evaluate.compare import compare
from core.upscale.preview import preview
from tests.core.networks import save_small_model
from tests.core.training.pictures import textured


def test_models_are_compared_on_the_same_region(source: Path, small: str, tmp_path: Path) -> None:
    double = str(save_small_model(tmp_path / "double.safetensors", scale=2))
    request = CompareRequest(source, (30, 20, 24, 16), (small, double, "no-such-model"))
    events = list(compare(request, CancelToken()))
    first, second = (event for event in events if isinstance(event, ModelCompared))
    (failed,) = (event for event in events if isinstance(event, CompareFailed))
    assert (failed.index, failed.model) == (2, "no-such-model")
    assert first.pixels.shape == (64, 96, 3)
    assert second.pixels.shape == (32, 48, 3)
    assert first.region == second.region == (30, 20, 24, 16)
    (shown,) = preview(PreviewRequest(source, (30, 20, 24, 16), model=small), CancelToken())
    np.testing.assert_array_equal(first.pixels, shown.pixels)
    for compared in (first, second):
        assert compared.seconds_per_megapixel > 0
        assert compared.memory_per_megapixel >= 0
        assert compared.model in compared.device
    fractions = [event.fraction for event in events if isinstance(event, CheckProgress)]
    assert fractions == sorted(fractions)


def test_models_are_compared_at_the_detail_that_is_in_use(source: Path) -> None:
    region = (30, 20, 12, 10)
    request = CompareRequest(source, region, ("faithful-x4", "detail-x4"), "cpu", "fp32", details=(100, 50))
    soft, half = (event for event in compare(request, CancelToken()) if isinstance(event, ModelCompared))
    assert (soft.model, half.model) == ("faithful x4", "detail x4 at 50 % detail")
    (shown,) = preview(
        PreviewRequest(source, region, model="detail-x4", detail=50, device="cpu", precision="fp32"), CancelToken()
    )
    np.testing.assert_array_equal(half.pixels, shown.pixels)


def test_memory_is_measured_at_its_peak(tmp_path: Path) -> None:
    Image.fromarray(textured(2, 160, 160)).save(tmp_path / "a.png")
    large = str(save_small_model(tmp_path / "large.safetensors", features=64, blocks=1))
    tiny = str(save_small_model(tmp_path / "tiny.safetensors", features=2, blocks=1))
    # In a process of its own: what other tests have freed and the allocator has kept would be taken without being seen.
    code = (
        "import sys; from pathlib import Path\n"
        "from core.contract.cancel import CancelToken\n"
        "from core.contract.evaluate import CompareRequest, ModelCompared\n"
        "from core.evaluate.compare import compare\n"
        "request = CompareRequest(Path(sys.argv[1]), (0, 0, 160, 160), tuple(sys.argv[2:]))\n"
        "found = [e for e in compare(request, CancelToken()) if isinstance(e, ModelCompared)]\n"
        "print(*(each.memory_per_megapixel for each in found))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.png"), tiny, large]
    little, much = map(int, subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.split())
    # 64 feature maps of a quarter of a megapixel each, four bytes or two a value, are at least 8 MB.
    assert much > 8_000_000
    assert much > little


@pytest.mark.parametrize("count", [0, 1, 5])
def test_two_to_four_models_make_a_comparison(count: int, source: Path) -> None:
    with pytest.raises(UserError, match="cannot be compared"):
        CompareRequest(source, (0, 0, 9, 9), ("m",) * count)
