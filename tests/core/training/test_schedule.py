from __future__ import annotations

import pytest

from core.training.recipe import load_recipe
from core.training.schedule import get_lr
from tests.core.training.pictures import TINY


def test_a_cosine_after_its_warm_up() -> None:
    recipe = load_recipe("quick", (*TINY, ("psnr.steps", "100"), ("psnr.warmup", "10"), ("psnr.rate", "1e-3")))
    rates = [get_lr(recipe.psnr, step) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4, rel=1e-3)
    assert rates[50] == pytest.approx(5e-4)
    assert 0 < rates[99] < 1e-6
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert get_lr(recipe.psnr, 50, peak=3e-3) == pytest.approx(1.5e-3)


def test_a_cosine_ends_where_the_recipe_says() -> None:
    recipe = load_recipe("quick", (*TINY, ("psnr.steps", "100"), ("psnr.rate", "1e-3"), ("psnr.rate_end", "1e-4")))
    assert get_lr(recipe.psnr, 100) == pytest.approx(1e-4)


def test_the_paper_divides_its_rate_by_ten_at_half_of_the_stage() -> None:
    gan = load_recipe("paper").gan
    half = gan.steps // 2
    assert [get_lr(gan, step) for step in (half - 1, half)] == pytest.approx([1e-4, 1e-5])


def test_a_network_that_rested_warms_up_after_it() -> None:
    recipe = load_recipe("quick", (*TINY, ("psnr.schedule", "constant"), ("psnr.warmup", "4"), ("psnr.rate", "1e-3")))
    rates = [get_lr(recipe.psnr, step, rested=3) for step in range(8)]
    assert rates == pytest.approx([0, 0, 0, 2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3])
