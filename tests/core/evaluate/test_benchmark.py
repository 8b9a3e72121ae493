from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import paths
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.evaluate import Evaluated, EvaluateRequest, PictureEvaluated, SetEvaluated
from core.contract.jobs import Notice
from core.evaluate.benchmark import add_wear, evaluate, labels
from core.evaluate.metrics import psnr_y, ssim_y
from core.evaluate.resampling import enlarge_bicubic, reduce_bicubic
from core.images import load
from core.upscale.engine import open_engine
from tests.core.networks import save_small_model
from tests.core.training.pictures import picture_folder, textured, vgg16_file
from tests.picture_collections import COLLECTIONS

SET5 = COLLECTIONS / "bench" / "Set5"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(paths, "user_models", lambda: tmp_path / "models")


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(save_small_model(tmp_path / "small.safetensors"))


def run(request: EvaluateRequest) -> tuple[list[PictureEvaluated], list[SetEvaluated], list[str]]:
    events = list(evaluate(request, CancelToken()))
    return (
        [e for e in events if isinstance(e, PictureEvaluated)],
        [e for e in events if isinstance(e, SetEvaluated)],
        [e.message for e in events if isinstance(e, Notice)],
    )


@pytest.mark.skipif(not SET5.is_dir(), reason="the benchmark sets are not here")
def test_bicubic_reads_what_papers_print(model: str) -> None:
    _, (of_set5,), _ = run(EvaluateRequest((Evaluated(model),), SET5, precision="fp32"))
    assert of_set5.pictures == 5
    assert round(of_set5.bicubic.psnr_y, 2) == 28.43
    assert round(of_set5.bicubic.ssim_y, 3) == 0.811


def test_each_folder_is_a_set(model: str, tmp_path: Path) -> None:
    picture_folder(tmp_path / "data" / "one", count=2, height=66, width=70)
    picture_folder(tmp_path / "data" / "two", count=1, first=5)
    (tmp_path / "data" / "two" / "broken.png").write_bytes(b"no picture")
    Image.fromarray(textured(0, 24, 80)).save(tmp_path / "data" / "two" / "thin.png")
    pictures, sets, notices = run(
        EvaluateRequest((Evaluated(model),), tmp_path / "data", precision="fp32", output=tmp_path / "out")
    )
    assert [(each.dataset, each.pictures) for each in sets] == [("one", 2), ("two", 1)]
    assert any("broken.png" in notice for notice in notices)
    assert any("80 x 24 is too small" in notice for notice in notices)
    assert any("No perceptual distance" in notice for notice in notices)
    assert sets[0].results[0].psnr_y == pytest.approx(np.mean([p.results[0].psnr_y for p in pictures[:2]]))
    assert sets[0].results[0].perceptual is None
    # The kept picture is the measured one, of the part that the scale divides.
    first = pictures[0]
    hr = textured(0, 66, 70)[:64, :68]
    with Image.open(tmp_path / "out" / "one" / f"{first.path.stem}.png") as kept:
        sr = np.asarray(kept)
    assert psnr_y(hr, sr, 4) == pytest.approx(first.results[0].psnr_y)
    assert ssim_y(hr, sr, 4) == pytest.approx(first.results[0].ssim_y)
    bicubic = enlarge_bicubic(reduce_bicubic(hr, 4), 4)
    assert first.bicubic.psnr_y == pytest.approx(psnr_y(hr, bicubic, 4))
    seconds = sum(p.seconds[0] for p in pictures[:2])
    assert sets[0].seconds_per_megapixel[0] == pytest.approx(seconds / (2 * 64 * 68) * 1e6)


def test_results_are_kept_where_nothing_is_and_each_has_its_place(model: str, tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data", count=1)
    (hr,) = data.glob("*.png")
    before = hr.read_bytes()
    # There the results would take the place of the originals.
    with pytest.raises(UserError, match="already exists"):
        run(EvaluateRequest((Evaluated(model),), data, output=tmp_path))
    assert hr.read_bytes() == before
    with Image.open(hr) as image:
        image.convert("RGB").save(hr.with_suffix(".jpg"))
    run(EvaluateRequest((Evaluated(model),), data, output=tmp_path / "out"))
    kept = sorted(path.name for path in (tmp_path / "out" / "data").iterdir())
    assert kept == [f"{hr.stem}.jpg.png", f"{hr.stem}.png.png"]


def test_a_blank_page_does_not_make_the_means_infinite(model: str, tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data", count=1)
    Image.fromarray(np.full((64, 64, 3), 255, np.uint8)).save(data / "blank.png")
    (blank, other), (mean,), _ = run(EvaluateRequest((Evaluated(model),), data, precision="fp32"))
    assert blank.bicubic.psnr_y == np.inf
    assert mean.bicubic.psnr_y == pytest.approx((100 + other.bicubic.psnr_y) / 2)


def test_the_perceptual_distance_needs_content_weights(model: str, tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data", count=1)
    weights = vgg16_file(tmp_path / "vgg16.safetensors")
    (picture,), (mean,), notices = run(EvaluateRequest((Evaluated(model),), data, weights))
    assert notices == []
    result = picture.results[0]
    assert result.perceptual is not None
    assert result.perceptual > 0
    assert mean.results == (result,)
    assert mean.bicubic == picture.bicubic
    assert picture.bicubic.perceptual != result.perceptual


def test_what_cannot_be_measured_is_said_in_words(model: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        next(evaluate(EvaluateRequest((Evaluated(model),), tmp_path / "none"), CancelToken()))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no pictures"):
        next(evaluate(EvaluateRequest((Evaluated(model),), tmp_path / "empty"), CancelToken()))
    data = picture_folder(tmp_path / "data", count=1)
    with pytest.raises(UserError):
        next(evaluate(EvaluateRequest((Evaluated("no such model"),), data), CancelToken()))
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(evaluate(EvaluateRequest((Evaluated(model),), data), cancel))


def test_worn_pictures_are_noisy_and_the_same_each_time(model: str, tmp_path: Path) -> None:
    folder = picture_folder(tmp_path / "hr", 2, 128)
    clean, (of_clean,), _ = run(EvaluateRequest((Evaluated(model),), folder, precision="fp32"))
    first, (of_worn,), _ = run(EvaluateRequest((Evaluated(model),), folder, precision="fp32", worn=True))
    again, _, _ = run(EvaluateRequest((Evaluated(model),), folder, precision="fp32", worn=True))
    assert [each.results for each in first] == [each.results for each in again]
    assert all(a.bicubic.psnr_y < b.bicubic.psnr_y for a, b in zip(first, clean, strict=True))
    assert of_worn.bicubic.ssim_y < of_clean.bicubic.ssim_y
    lr = np.full((40, 48, 3), 128, np.uint8)
    assert add_wear(lr, 0).shape == lr.shape
    assert not np.array_equal(add_wear(lr, 0), add_wear(lr, 1))
    assert 1 < np.std(add_wear(lr, 0)) < 8


def test_artefacts_are_means_over_the_set(model: str, tmp_path: Path) -> None:
    pictures, (whole,), _ = run(
        EvaluateRequest((Evaluated(model),), picture_folder(tmp_path / "hr", 2, 128), precision="fp32")
    )
    found = whole.results[0].artefacts
    assert found.colour == pytest.approx(np.mean([each.results[0].artefacts.colour for each in pictures]))
    of_bicubic = [each.bicubic.artefacts.ringing for each in pictures]
    assert whole.bicubic.artefacts.ringing == pytest.approx(np.mean(of_bicubic))
    # The small network's weights are random.
    assert found.colour > whole.bicubic.artefacts.colour


def test_eight_passes_are_measured_as_such(model: str, tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data", count=1)
    plain = Evaluated(model)
    eight = Evaluated(model, ensemble=True)
    (picture,), _, _ = run(EvaluateRequest((plain, eight), data, precision="fp32", output=tmp_path / "out"))
    (path,) = data.iterdir()
    hr = load(path).pixels
    expected = open_engine(model, precision="fp32").upscale(reduce_bicubic(hr, 4), CancelToken(), ensemble=True)
    (kept,) = (tmp_path / "out" / "small, 8 passes").rglob("*.png")
    assert np.array_equal(load(kept).pixels, expected)
    assert picture.results[1].psnr_y == psnr_y(hr, expected, 4)
    assert picture.results[1].psnr_y != picture.results[0].psnr_y


def test_several_models_are_measured_as_each_alone(model: str, tmp_path: Path) -> None:
    other = str(save_small_model(tmp_path / "other.safetensors", seed=5))
    data = picture_folder(tmp_path / "data", count=2)
    both = (Evaluated(model), Evaluated(other))
    pictures, (mean,), _ = run(EvaluateRequest(both, data, precision="fp32", output=tmp_path / "out"))
    for place, each in enumerate(both):
        alone, (of_alone,), _ = run(EvaluateRequest((each,), data, precision="fp32"))
        assert [picture.results[place] for picture in pictures] == [picture.results[0] for picture in alone]
        assert mean.results[place] == of_alone.results[0]
    assert mean.results[0] != mean.results[1]
    assert sorted(path.relative_to(tmp_path / "out").parts[:2] for path in (tmp_path / "out").rglob("*.png")) == [
        (name, "data") for name in ("other", "other", "small", "small")
    ]
    assert [quality.of for quality in mean.results] == ["small", "other"]
    alike = labels(
        (
            Evaluated("runs/a/model.safetensors"),
            Evaluated("runs/b/model.safetensors"),
            Evaluated("other/b.safetensors"),
            Evaluated("v0.1", 40),
            Evaluated("v0.1", 40, ensemble=True),
        )
    )
    assert alike == ["a", "b", "b (2)", "v0.1 at 40 %", "v0.1 at 40 %, 8 passes"]
    twice = str(save_small_model(tmp_path / "twice.safetensors", scale=2))
    with pytest.raises(UserError, match="different factors"):
        run(EvaluateRequest((Evaluated(model), Evaluated(twice)), data))
