"""What held-out pictures say, and telling learning from overfitting."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.evaluate.resampling import enlarge_bicubic
from core.training.dataset import TrainingPicture
from core.training.recipe import load_recipe
from core.training.validation import MESH_SEEN, HeldOut, Seen
from tests.core.images import making
from tests.core.training.pictures import picture_folder


@pytest.fixture
def pictures(tmp_path: Path) -> list[TrainingPicture]:
    files = sorted(picture_folder(tmp_path / "hr", 6, height=96, width=96).iterdir())
    return [TrainingPicture(hr=path, lr=None, width=96, height=96, sha256="") for path in files]


def test_the_gain_on_training_pictures_is_over_bicubic(pictures: list[TrainingPicture]) -> None:
    seen = Seen(pictures, load_recipe("quick", (("validation.training_pictures", "3"),)))
    assert seen.pictures is not None
    assert seen.pictures.names == ["picture-000", "picture-002", "picture-004"]
    assert seen.gain(lambda lr: enlarge_bicubic(lr, 4)) == 0
    assert seen.gain(lambda lr: 255 - enlarge_bicubic(lr, 4)) < -5


def test_a_blank_picture_does_not_decide_what_is_best(pictures: list[TrainingPicture], tmp_path: Path) -> None:
    blank = tmp_path / "a-scan.png"
    Image.fromarray(np.full((96, 96, 3), 255, np.uint8)).save(blank)
    empty = TrainingPicture(hr=blank, lr=None, width=96, height=96, sha256="")
    recipe = load_recipe("quick")
    held_out, without = HeldOut([empty, *pictures], recipe, None), HeldOut(pictures, recipe, None)
    assert held_out.names == without.names
    assert held_out.bicubic == without.bicubic
    assert held_out.bicubic_psnr == without.bicubic_psnr
    worse, _ = held_out.measure(lambda lr: 255 - enlarge_bicubic(lr, 4))
    assert held_out.bicubic.better_than(worse, "psnr_y")
    # Where there is nothing else, it is measured; a model that spoils it is still worse.
    alone = HeldOut([empty], recipe, None)
    spoiled, _ = alone.measure(lambda lr: enlarge_bicubic(lr, 4) - 3)
    assert alone.bicubic.psnr_y == 100
    assert alone.bicubic.better_than(spoiled, "psnr_y")


def test_a_pattern_is_measured(tmp_path: Path) -> None:
    files = sorted(picture_folder(tmp_path / "large", 2, height=256, width=256).iterdir())
    large = [TrainingPicture(hr=path, lr=None, width=256, height=256, sha256="") for path in files]
    held_out = HeldOut(large, load_recipe("quick"), None)

    def woven(lr: np.ndarray) -> np.ndarray:
        sr = enlarge_bicubic(lr, 4).astype(int)
        sr[::4, ::4] += 30
        return sr.clip(0, 255).astype(np.uint8)

    assert held_out.bicubic.mesh < 3
    assert held_out.measure(woven)[0].mesh > held_out.bicubic.mesh + MESH_SEEN


def test_it_can_be_left_out(pictures: list[TrainingPicture]) -> None:
    seen = Seen(pictures, load_recipe("quick", (("validation.training_pictures", "0"),)))
    assert seen.gain(lambda lr: enlarge_bicubic(lr, 4)) is None
    assert not seen.parts_from(1.0, None)


@pytest.mark.parametrize(
    ("held_out", "training", "told_at"),
    [
        # Both rise; both fall; held-out pictures waver a little; they fall while the training pictures rise.
        ([1.0, 1.2, 1.3, 1.4, 1.5, 1.6], [1.1, 1.4, 1.6, 1.8, 2.0, 2.2], []),
        ([1.0, 0.9, 0.8, 0.7, 0.6, 0.5], [1.0, 0.9, 0.8, 0.7, 0.6, 0.5], []),
        ([1.0, 1.2, 1.19, 1.18, 1.17, 1.16], [1.1, 1.4, 1.5, 1.6, 1.7, 1.8], []),
        ([1.0, 1.2, 1.15, 1.1, 1.0, 0.9], [1.1, 1.4, 1.5, 1.6, 1.7, 1.8], [3]),
    ],
)
def test_it_is_told_once_that_they_part(
    pictures: list[TrainingPicture], held_out: list[float], training: list[float], told_at: list[int]
) -> None:
    seen = Seen(pictures[:1], load_recipe("quick"))
    told = []
    for number, (a, b) in enumerate(zip(held_out, training, strict=True)):
        if seen.parts_from(a, b):
            told.append(number)
        # As in a run that is stopped after every validation, and goes on.
        kept = json.loads(json.dumps(seen.state()))
        seen = Seen(pictures[:1], load_recipe("quick"))
        seen.restore(kept)
    assert told == told_at


def test_pictures_of_one_name_have_looks_of_their_own(tmp_path: Path) -> None:
    for number, place in enumerate(("0/B (2).png", "a/b.png", "b/b.png", "c/B.png")):
        (tmp_path / place).parent.mkdir()
        Image.fromarray(making.noise(64, 64, 3, np.uint8, seed=number)).save(tmp_path / place)
    pictures = [TrainingPicture(path, 64, 64, "") for path in sorted(tmp_path.glob("*/*.png"))]
    held_out = HeldOut(pictures, load_recipe("quick"), None)
    # Nor may they be one where letters of both cases are.
    assert held_out.names == ["B (2)", "b", "b (3)", "B (4)"]
    _, shown = held_out.measure(lambda lr: enlarge_bicubic(lr, 4))
    held_out.save_references(tmp_path / "references")
    pictures_shown = held_out.save_shown(shown, tmp_path / "references", tmp_path / "validation")
    for number, each in enumerate(pictures_shown):
        assert np.array_equal(np.asarray(Image.open(each.hr)), held_out.hr[number])
