from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.contract.errors import UserError
from core.training.recipe import Recipe, load_recipe, shipped_recipes
from srgan_desktop.training.draft import FIELDS, GROUPS, Draft
from tests.core.networks import save_small_model


@pytest.fixture
def draft(qapp) -> Draft:
    draft = Draft()
    draft.load("default")
    return draft


def leaves(values: dict, prefix: str = "") -> set[str]:
    found = set()
    for key, value in values.items():
        path = f"{prefix}{key}"
        found |= leaves(value, f"{path}.") if isinstance(value, dict) and key not in ("losses", "layers") else {path}
    return found


def test_every_field_of_a_recipe_is_in_the_form_once_and_explained() -> None:
    paths = [field.path for field in FIELDS]
    assert len(paths) == len(set(paths))
    assert all(field.explanation and field.title and field.group in GROUPS for field in FIELDS)
    in_form = {path if ".losses." not in path else path.rsplit(".", 1)[0] for path in paths}
    assert in_form == leaves(Recipe(name="any").model_dump(mode="json")) - {"name", "description", "start", "teacher"}


def test_importing_the_form_brings_no_torch() -> None:
    code = "import PySide6.QtCore, sys, srgan_desktop.training.draft; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_recipe_read_back_from_its_texts_is_the_same(qapp, name: str) -> None:
    draft = Draft()
    draft.load(name)
    for field in FIELDS:
        text = draft.text(field.path)
        draft.set(field.path, "another")
        draft.set(field.path, text)
    assert draft.changes == {}
    assert draft.recipe == load_recipe(name)


CHANGES = {
    "psnr.steps": "77",
    "psnr.rate": "0.002",
    "psnr.crops": "16, 24",
    "psnr.crop_starts": "0, 0.25",
    "psnr.losses.fft": "0.1",
    "psnr.losses.l1": "0",
    "gan.steps": "5",
    "gan.losses.content": "0",
    "gan.content.layers": "conv2_2 = 0.5, conv4_4 = 1",
    "gan.content.normalise": "false",
    "generator.norm": "batch",
    "generator.scale": "2",
    "validation.at_epochs": "5, 50",
    "name": 'my "cats" \\ dogs',
    "precision": "fp32",
}


@pytest.mark.parametrize("name", ["quick", "default", "paper", "students"])
def test_overrides_make_of_the_recipe_what_the_draft_shows(qapp, name: str) -> None:
    draft = Draft()
    draft.load(name)
    for path, text in CHANGES.items():
        draft.set(path, text)
    # In the GAN stage the paper's discriminator takes one crop size, in the first any.
    assert draft.faults == {}
    assert load_recipe(name, draft.overrides()) == draft.recipe


@pytest.mark.parametrize(
    ("path", "text", "place", "words"),
    [
        ("psnr.steps", "many", "psnr.steps", "Needs a whole number"),
        ("psnr.steps", "-1", "psnr.steps", "Greater than or equal to 0"),
        ("psnr.rate", "7", "psnr.rate", "Less than or equal to 0.1"),
        ("psnr.crops", "24, x", "psnr.crops", "Needs whole numbers"),
        ("psnr.crops", "24, 32", "psnr", "one rising number"),
        ("gan.content.layers", "conv3_4", "gan.content.layers", "names and weights"),
        ("psnr.losses.l1", "0", "psnr.losses", "at least one loss"),
        ("psnr.losses.l1", "", "psnr.losses.l1", "Needs a number"),
    ],
)
def test_a_wrong_value_is_said_where_it_stands(draft: Draft, path: str, text: str, place: str, words: str) -> None:
    draft.set(path, text)
    assert draft.recipe is None
    assert words in draft.faults[place]
    draft.reset(path)
    assert draft.recipe is not None
    assert draft.faults == {}


def test_the_recipes_own_value_is_no_change(draft: Draft) -> None:
    draft.set("psnr.steps", "5")
    assert (draft.changed_in("psnr"), draft.changed_in("gan")) == (1, 0)
    draft.set("psnr.steps", draft.default_text("psnr.steps"))
    assert draft.changes == {}


def test_changes_are_told_once_each(draft: Draft, qtbot) -> None:
    told = []
    draft.changed.connect(lambda: told.append(dict(draft.changes)))
    draft.set("seed", "3")
    draft.set("seed", " 3 ")
    assert told == [{"seed": "3"}]


def test_the_network_becomes_that_of_the_model_to_start_from(draft: Draft, tmp_path: Path) -> None:
    model = save_small_model(tmp_path / "small.safetensors")
    assert draft.fit_to(model)
    assert draft.recipe is not None
    assert draft.recipe.generator.features < 64
    assert draft.changed_in("generator") > 0
    (tmp_path / "other.pth").write_bytes(b"no header")
    assert not draft.fit_to(tmp_path / "other.pth")


def test_a_teacher_brings_the_loss_that_learns_from_it_and_takes_it_away(draft: Draft) -> None:
    draft.learn_from("detail-x4")
    assert draft.faults == {}
    assert (draft.recipe.teacher, draft.recipe.psnr.losses["teacher"]) == ("detail-x4", 1.0)
    assert load_recipe("default", draft.overrides()) == draft.recipe
    draft.learn_from("")
    assert draft.changes == {}
    # A recipe made for it has its own weight, and says when nobody is there.
    draft.load("distil")
    assert draft.lacks_teacher
    draft.learn_from("detail-x4")
    assert not draft.lacks_teacher
    assert draft.changes == {"teacher": "detail-x4"}


def test_without_a_first_stage_the_second_learns_from_the_teacher(draft: Draft, tmp_path: Path) -> None:
    for field, text in (("psnr.steps", "0"), ("gan.steps", "10"), ("start", "detail-x4")):
        draft.set(field, text)
    draft.learn_from("detail-x4")
    assert (draft.faults, draft.recipe.gan.losses["teacher"]) == ({}, 1.0)


def test_content_weights_are_wanted_only_where_the_second_stage_uses_them(draft: Draft) -> None:
    assert draft.wants_content
    draft.set("gan.losses.content", "0")
    assert draft.wants_content
    draft.set("validation.gan_metric", "psnr_y")
    assert not draft.wants_content
    draft.load("quick")
    assert not draft.wants_content


def test_a_saved_recipe_is_the_same_and_becomes_the_draft(draft: Draft, tmp_path: Path) -> None:
    draft.set("psnr.steps", "123")
    wanted = draft.recipe
    draft.save(tmp_path / "mine.toml")
    assert draft.changes == {}
    assert draft.recipe == wanted == load_recipe(str(tmp_path / "mine.toml"))
    draft.set("psnr.steps", "x")
    with pytest.raises(UserError, match="not valid"):
        draft.save(tmp_path / "bad.toml")
