"""What a model is like at a glance."""

from dataclasses import replace

import pytest

from core import paths
from core.models.card import ModelCard
from core.models.catalogue import models
from srgan_desktop.models.portrait import Bars, BeforeAfter, scores

CARD = ModelCard(
    "any",
    metrics={
        **{f"{each} psnr_y": 27.75 for each in ("Set5", "Set14", "BSD100")},
        **{f"{each} perceptual": 0.30 for each in ("Set5", "Set14", "BSD100")},
    },
)


def test_scores_lie_between_what_is_plain_and_what_is_best():
    found = scores(CARD, 500_000)
    assert found["faithful"] == pytest.approx(0.5)
    assert found["sharp"] == pytest.approx(0.5)
    assert found["fast"] == 1.0
    assert scores(CARD, 10**9)["fast"] == 0.0


def test_what_was_not_measured_has_no_score():
    assert scores(ModelCard("any"), 0) == {}
    partly = replace(CARD, metrics={"Set5 psnr_y": 30.0})
    assert "faithful" not in scores(partly, 1000)


def test_a_bar_is_seen_for_each_score(qtbot, theme):
    bars = Bars(theme)
    qtbot.addWidget(bars)
    bars.show_scores({"fast": 0.7})
    bars.show()
    assert [name for name, bar in bars.bars.items() if bar.isVisible()] == ["fast"]
    assert bars.bars["fast"].accessibleName() == "Fast: 70 %"
    bars.show_scores({})
    assert not bars.isVisible()


def test_every_model_that_ships_has_all_three_scores():
    for model in models():
        if model.shipped:
            assert list(scores(model.card, model.path.stat().st_size)) == ["faithful", "sharp", "fast"], model.key


def test_every_model_that_ships_has_a_sample(qtbot):
    sample = BeforeAfter()
    qtbot.addWidget(sample)
    shipped = [model.key for model in models() if model.shipped]
    assert shipped
    for key in shipped:
        sample.show_model(key)
        assert not sample.isHidden(), f"python scripts/model_previews.py has not been run since {key} came"
        assert 0 < sample.heightForWidth(400) <= 400
    sample.show_model("unknown")
    assert sample.isHidden()
    # None is left of a model that went.
    assert sorted(path.stem for path in (paths.RESOURCES / "previews").glob("*.webp")) == sorted(shipped)
