from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from core.contract.errors import UserError
from core.models.discriminator import build_discriminator
from core.models.generator import Generator, GeneratorConfig
from core.training.recipe import Recipe, load_recipe, parse_recipe, recipe_toml, shipped_recipes, toml_value


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_say_what_they_are_for_and_survive_being_written(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert len(recipe.description) > 20
    assert parse_recipe(recipe_toml(recipe), name) == recipe
    # PSNR first, always: from its own stage, or from a model that had one.
    assert recipe.psnr.steps or recipe.psnr.epochs or recipe.start


def test_names_of_older_recipes_are_understood() -> None:
    older = recipe_toml(load_recipe("quick"))
    for now, then in (
        ("checkpoint_every = ", "bundle_every = "),
        ("keep_checkpoints = ", "keep_bundles = "),
        ("judge_synthetic = ", "judge_drawn = "),
        ("synthetic = ", "drawn = "),
    ):
        assert now in older
        older = older.replace(now, then)
    assert parse_recipe(older, "older") == load_recipe("quick")
    assert load_recipe("quick", (("bundle_every", "7"),)).checkpoint_every == 7
    assert load_recipe("text", (("data.drawn", "0.25"),)).data.synthetic == 0.25


def test_whatever_a_recipe_says_survives_being_written() -> None:
    words = 'a "name" \\ of\ttwo\nlines \x7f é 🙂'
    recipe = load_recipe("quick").model_copy(update={"description": words, "name": "x = [1]"})
    assert parse_recipe(recipe_toml(recipe), "any") == recipe


def test_every_field_explains_itself() -> None:
    def explained(part: type[BaseModel]) -> None:
        for field in part.model_fields.values():
            assert field.description, f"{part.__name__} {field}"
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                explained(field.annotation)

    explained(Recipe)


def test_the_paper_to_the_letter() -> None:
    paper = load_recipe("paper")
    generator = Generator(GeneratorConfig(**paper.generator.model_dump()))
    assert sum(p.numel() for p in generator.parameters()) == pytest.approx(1.55e6, rel=0.01)
    assert paper.psnr.losses == {"mse": 1.0}
    assert (paper.psnr.batch, paper.psnr.crops, paper.psnr.rate, paper.psnr.steps) == (16, (24,), 1e-4, 1_000_000)
    assert paper.gan.losses == {"content": 0.006, "adversarial": 1e-3}
    assert paper.gan.content.layers == {"conv5_4": 1.0}
    assert (paper.gan.content.network, paper.gan.content.distance) == ("vgg19", "mse")
    assert not paper.gan.content.before_activation
    side = paper.gan.crops[0] * paper.generator.scale
    judge = build_discriminator(paper.gan.discriminator, paper.gan.discriminator_features, side)
    assert sum(p.numel() for p in judge.parameters()) == pytest.approx(23.6e6, rel=0.01)


def test_students_are_validated_after_their_epochs() -> None:
    students = load_recipe("students").for_pictures(200)
    assert (students.psnr.steps, students.gan.steps) == (5 * 200, 145 * 200)
    assert students.extra_validations(200) == {5 * 200, 50 * 200, 150 * 200}
    # A PSNR stage of 5 epochs in batches of 16 makes 13 steps of 200 pictures.
    larger = load_recipe("students", (("psnr.batch", "16"),)).for_pictures(200)
    assert larger.extra_validations(200) == {5 * 13, 5 * 13 + 45 * 200, 5 * 13 + 145 * 200}


def test_crops_grow_at_equal_pixels() -> None:
    stage = load_recipe("default", (("psnr.steps", "1000"),)).psnr
    seen = {step: (stage.crop_at(step), stage.batch_at(step)) for step in (0, 349, 350, 699, 700, 999)}
    assert seen == {0: (24, 16), 349: (24, 16), 350: (32, 9), 699: (32, 9), 700: (48, 4), 999: (48, 4)}


def test_overrides_are_toml_or_bare_words() -> None:
    recipe = load_recipe("quick", (("psnr.steps", "7"), ("generator.norm", "batch"), ("psnr.losses", "{ mse = 2 }")))
    assert (recipe.psnr.steps, recipe.generator.norm, recipe.psnr.losses) == (7, "batch", {"mse": 2.0})
    with pytest.raises(UserError, match="single value"):
        load_recipe("quick", (("name.first", "x"),))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (("psnr.stairs", "3"), "psnr.stairs"),
        (("psnr.rate", "-1"), "psnr.rate"),
        (("psnr.losses", "{ l3 = 1 }"), "psnr.losses"),
        (("psnr.losses", "{ adversarial = 1 }"), "belongs to"),
        (("psnr.losses", "{ l1 = -1 }"), "above 0"),
        (("psnr.crop_starts", "[0.0, 0.5]"), "crop_starts"),
        (("psnr.crops", "[4]"), "8 to 512"),
        (("psnr.steps", "0"), "0 steps"),
        (("generator.scale", "3"), "generator.scale"),
        (("psnr.rate", "nan"), "psnr.rate"),
        (("psnr.betas", "[0.9, 1.0]"), "psnr.betas"),
        (("gan.betas", "[-0.1, 0.9]"), "gan.betas"),
        (("gan.content.layers", "{}"), "gan.content.layers"),
        (("gan.content.layers", "{ conv1_2 = 0 }"), "above 0"),
        (("gan.discriminator", "paper"), None),
    ],
)
def test_faults_are_named(override: tuple[str, str], said: str | None) -> None:
    if said is None:
        with pytest.raises(UserError, match="one crop size"):
            load_recipe("default", (override, ("gan.crops", "[24, 32]"), ("gan.crop_starts", "[0.0, 0.5]")))
        return
    with pytest.raises(UserError) as caught:
        load_recipe("quick", (override,))
    assert said in caught.value.message


def test_what_is_no_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no recipe") as caught:
        load_recipe("nothing")
    assert "quick" in caught.value.hint
    (tmp_path / "odd.toml").write_text("psnr = [")
    with pytest.raises(UserError, match="not TOML"):
        load_recipe(str(tmp_path / "odd.toml"))
    mine = tmp_path / "mine.toml"
    mine.write_text(recipe_toml(load_recipe("quick")))
    assert load_recipe(str(mine)) == load_recipe("quick")


@pytest.mark.parametrize(
    ("kind", "scale", "crop", "fits"),
    [
        ("paper", 4, 30, False),
        ("paper", 4, 32, True),
        ("unet", 2, 50, False),
        ("unet", 4, 50, True),
        ("patch", 2, 51, True),
    ],
)
def test_the_discriminator_must_be_able_to_halve_the_crops(kind: str, scale: int, crop: int, fits: bool) -> None:
    changed = (("generator.scale", str(scale)), ("gan.discriminator", kind), ("gan.crops", f"[{crop}]"))
    load_recipe("quick", changed)  # has no GAN stage
    if fits:
        load_recipe("quick", (*changed, ("gan.steps", "10")))
    else:
        with pytest.raises(UserError, match=f"become {crop * scale} pixels"):
            load_recipe("quick", (*changed, ("gan.steps", "10")))


def test_an_epoch_is_one_pass_whatever_is_accumulated() -> None:
    recipe = load_recipe("quick", (("psnr.epochs", "5"), ("psnr.batch", "16"), ("psnr.accumulate", "4")))
    assert recipe.for_pictures(1600).psnr.steps == 5 * 1600 // (16 * 4)


def test_keep_alone_needs_synthetic_crops() -> None:
    load_recipe("quick", (("psnr.losses", "{ l1 = 1.0, keep = 0.5 }"),))
    load_recipe("quick", (("psnr.losses", "{ keep = 1.0 }"), ("data.synthetic", "0.2")))
    with pytest.raises(UserError, match=r"set data\.synthetic above 0"):
        load_recipe("quick", (("psnr.losses", "{ l1 = 0.0, keep = 1.0 }"),))


def test_synthetic_pictures_must_hold_the_crops() -> None:
    large = (("psnr.crops", "[144]"), ("psnr.crop_starts", "[0.0]"))
    load_recipe("quick", large)
    with pytest.raises(UserError, match=r"too small for crops of 144: take 128"):
        load_recipe("quick", (*large, ("data.synthetic", "0.1")))


@pytest.mark.parametrize(
    "value", [True, 3, 0.25, 'a "name" \\ 🙂\nof two lines', [24, 32], [0.0, 0.5], {"l1": 1.0, "ms_ssim": 0.25}, {}]
)
def test_a_value_becomes_the_toml_of_an_override(value: object) -> None:
    assert tomllib.loads(f"value = {toml_value(value)}") == {"value": value}
