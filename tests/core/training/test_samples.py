from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.contract.cancel import Cancelled, CancelToken
from core.contract.training import HR_FOLDER, LR_FOLDER, SamplesReady, SamplesRequest, TrainRequest
from core.evaluate.resampling import reduce_bicubic
from core.training.dataset import TrainingPicture, decode, loader_of
from core.training.recipe import load_recipe
from core.training.run import RunFolder
from core.training.samples import samples
from core.training.sources import pictures_in
from tests.core.training.pictures import TINY


def turns(picture: np.ndarray) -> list[np.ndarray]:
    return [np.rot90(each, turn) for each in (picture, picture[:, ::-1]) for turn in range(4)]


def of(request: SamplesRequest) -> SamplesReady:
    (ready,) = samples(request, CancelToken())
    return ready


def test_bicubic_samples_are_what_the_benchmarks_use(data: Path) -> None:
    ready = of(SamplesRequest("quick", data, count=3))
    assert ready.scale == 4
    assert len({hr.tobytes() for _, hr in ready.pairs}) == 3
    for lr, hr in ready.pairs:
        # Its margin sees what lies around the crop, so the edge may differ.
        inside = np.s_[2:-2, 2:-2]
        assert np.abs(lr[inside].astype(int) - reduce_bicubic(hr, 4)[inside]).max() <= 1


@pytest.mark.parametrize(
    ("override", "seen"),
    [
        (("data.synthetic", "1.0"), lambda pairs, plain: all(hr.tobytes() not in plain for _, hr in pairs)),
        (("data.recolour", "true"), lambda pairs, plain: any(hr.tobytes() not in plain for _, hr in pairs)),
        (("data.reduce_to", "0.5"), lambda pairs, plain: any(hr.tobytes() not in plain for _, hr in pairs)),
    ],
)
def test_samples_show_what_the_recipe_does_to_pictures(data: Path, override, seen) -> None:
    plain = {turned.tobytes() for _, hr in of(SamplesRequest("quick", data)).pairs for turned in turns(hr)}
    assert seen(of(SamplesRequest("quick", data, (override,))).pairs, plain)


def test_samples_are_cut_by_the_loader_of_the_recipe(data: Path) -> None:
    ready = of(SamplesRequest("quick", data, (("data.degradation", "blind"),), count=1))
    recipe = load_recipe("quick", (("data.degradation", "blind"),))
    files = pictures_in(data)
    number = int(np.random.default_rng(recipe.seed).permutation(len(files))[0])
    picture = TrainingPicture(files[number], 72, 64, "")
    with loader_of(recipe, [picture]) as loader:
        batch = loader.cut(number, 16, 1)
    assert np.array_equal(batch.lr[0], ready.pairs[0][0])
    assert np.array_equal(batch.hr[0], ready.pairs[0][1])


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
    assert any(np.array_equal(hr, turned) for turned in turns(picture))


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
    assert (again.content_weights, again.device, again.threads) == (Path("/some/vgg").absolute(), "cpu", 2)
