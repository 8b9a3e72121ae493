from __future__ import annotations

from pathlib import Path

import pytest

from core.contract.errors import UserError
from core.contract.upscale import Input, OutputSize, UpscaleRequest
from core.upscale.recipe import from_toml, to_toml


def test_a_recipe_file_gives_back_every_setting_and_nothing_else(tmp_path: Path) -> None:
    request = UpscaleRequest(
        inputs=(Input(Path("a")),),
        output=Path("out"),
        model='my "best" \\ model é',
        detail=35,
        clean_up=70,
        size=OutputSize("width", 1920),
        format="webp",
        quality=80,
        existing="replace",
        recursive=False,
        keep_metadata=False,
        device="cuda:1",
        precision="fp32",
        tile=256,
        ensemble=True,
    )
    path = tmp_path / "recipe.toml"
    path.write_text(to_toml(request), encoding="utf-8")
    other = UpscaleRequest((Input(Path("b")),), Path("elsewhere"))
    read = from_toml(path, other)
    assert (read.inputs, read.output) == (other.inputs, other.output)
    assert to_toml(read) == to_toml(request)
    assert read.size == request.size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quality = 'high'", "quality = 'high' is not possible"),
        ("quality = true", "quality = True is not possible"),
        ("colour = 1", "“colour”"),
        ("existing = 'burn'", "existing cannot be “burn”"),
        ("size = 'huge'", "“huge” is not an output size"),
        ("inputs = ['/etc/passwd']", "“inputs”"),
        ("= 1", "no recipe file"),
    ],
)
def test_a_wrong_recipe_file_is_refused_with_words(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        from_toml(path, UpscaleRequest(()))


def test_a_missing_recipe_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        from_toml(tmp_path / "none.toml", UpscaleRequest(()))
