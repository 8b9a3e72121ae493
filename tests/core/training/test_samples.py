from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.contract.cancel import Cancelled, CancelToken
from core.contract.training import HR_FOLDER, LR_FOLDER, SamplesReady, SamplesRequest, TrainRequest
from core.evaluate.resampling import reduce_bicubic
from core.training.dataset import decode
from core.training.recipe import load_recipe
from core.training.run import RunFolder
from core.training.samples import samples
from tests.core.training.pictures import TINY


def of(request: SamplesRequest) -> SamplesReady:
    (ready,) = samples(request, CancelToken())
    return ready


def test_bicubic_samples_are_what_the_benchmarks_use(data: Path) -> None:
    ready = of(SamplesRequest("quick", data, count=3))
    assert ready.scale == 4
    assert len(ready.pairs) == 3
    for lr, hr in ready.pairs:
        assert hr.shape == (64, 64, 3)
        assert np.array_equal(lr, reduce_bicubic(hr, 4))


def test_blind_samples_are_worse_and_the_same_every_time(data: Path) -> None:
    request = SamplesRequest("quick", data, (("data.degradation", "blind"), ("seed", "3")))
    first, again = of(request), of(request)
    for (lr, _hr), (same, _) in zip(first.pairs, again.pairs, strict=True):
        assert np.array_equal(lr, same)
    assert any(not np.array_equal(lr, reduce_bicubic(hr, 4)) for lr, hr in first.pairs)


def test_ready_made_pairs_are_shown_as_they_are(data: Path, tmp_path: Path) -> None:
    for folder in (HR_FOLDER, LR_FOLDER):
        (tmp_path / folder).mkdir()
    picture = decode(next(iter(sorted(data.iterdir()))))[:64, :64]
    grey = np.full((16, 16, 3), 77, np.uint8)
    Image.fromarray(picture).save(tmp_path / HR_FOLDER / "a.png")
    Image.fromarray(grey).save(tmp_path / LR_FOLDER / "a.png")
    ((lr, hr),) = of(SamplesRequest("quick", tmp_path)).pairs
    assert np.array_equal(lr, grey)
    assert np.array_equal(hr, picture)


def test_small_and_broken_pictures_are_passed_over(data: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (20, 20)).save(tmp_path / "small.png")
    Image.open(next(iter(sorted(data.iterdir())))).save(tmp_path / "good.png")
    assert len(of(SamplesRequest("quick", tmp_path)).pairs) == 1


def test_samples_stop_when_asked(data: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(samples(SamplesRequest("quick", data), cancel))


def test_a_run_remembers_what_it_takes_to_go_on(tmp_path: Path, data: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    request = TrainRequest(
        "quick", data, folder.path, overrides=TINY, content_weights=Path("/some/vgg"), device="cpu", threads=2
    )
    folder.create(load_recipe("quick", TINY), request)
    again = RunFolder(folder.path).request()
    assert again.resume
    assert (again.data, again.run, again.validation) == (data, folder.path, None)
    assert (again.content_weights, again.device, again.threads) == (Path("/some/vgg"), "cpu", 2)
