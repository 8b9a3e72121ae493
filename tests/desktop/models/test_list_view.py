"""What the Models page says of a model."""

from pathlib import Path

import pytest

from core.models.card import ModelCard
from core.models.catalogue import Model, licence
from srgan_desktop.models.list_view import facts


def model(**card):
    return Model("key", Path("key.safetensors"), ModelCard("name", **card), False)


@pytest.mark.parametrize(
    ("card", "short", "sentence"),
    [
        ({"license": "MIT", "tags": ("blend",)}, "MIT", "MIT"),
        ({"iterations": 400, "recipe": "name = 'quick'"}, "yours", "Yours: trained on this computer"),
        (
            {"iterations": 400, "recipe": "name = 'quick'", "parent": "detail x4"},
            "yours",
            "Yours: trained on this computer. The licence of its parent applies, too",
        ),
        ({"tags": ("blend",), "parent": "a; b"}, "your blend", "Your blend: the licences of both parents apply"),
        (
            {"description": "Imported from x.pth (sha256 0)."},
            "licence unknown",
            "Unknown: ask its author before you use its results",
        ),
    ],
)
def test_whose_a_model_is(card, short, sentence):
    assert licence(model(**card)) == (short, sentence)
    assert f" · {short} · " in facts(model(**card))
