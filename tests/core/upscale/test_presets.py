"""Presets that ship and the user's own."""

from pathlib import Path

import pytest

from core import paths
from core.contract.errors import UserError
from core.contract.settings import OutputSize, UpscaleSettings
from core.upscale.presets import find_preset, presets, read_preset, save_preset


@pytest.fixture(autouse=True)
def own_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "presets"
    monkeypatch.setattr(paths, "user_presets", lambda: folder)
    return folder


def test_every_preset_that_ships_can_be_read() -> None:
    assert {"Web 2x", "Print A3 at 300 dpi", "Archive TIFF 16 bit"} <= set(presets())
    for name in presets():
        assert read_preset(name)
    assert read_preset("print a3 at 300 DPI")["size"] == OutputSize("print", 42, 300)
    # What it does not name stays as it is.
    assert "model" not in read_preset("Web 2x")


def test_a_saved_one_is_found_first_and_says_all_that_decides(own_presets: Path) -> None:
    settings = UpscaleSettings(size=OutputSize("factor", 3.0), format="webp", quality=70, device="cpu")
    path = save_preset("Web 2x", settings)
    assert path.parent == own_presets
    assert presets()[0] == "Web 2x"
    assert presets().count("Web 2x") == 1
    values = read_preset("web 2x")
    assert (values["size"], values["format"], values["quality"]) == (OutputSize("factor", 3.0), "webp", 70)
    # That is a matter of this machine.
    assert "device" not in values


def test_one_that_was_passed_on_is_read_from_its_file(tmp_path: Path) -> None:
    file = save_preset("mine", UpscaleSettings(quality=33)).rename(tmp_path / "theirs.toml")
    assert read_preset(str(file))["quality"] == 33


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(UserError, match="no preset “nothing”"):
        find_preset("nothing")
    with pytest.raises(UserError, match="needs a name"):
        save_preset(" . ", UpscaleSettings())


def test_a_size_in_print() -> None:
    assert OutputSize.parse("42cm@300dpi").of(400, 300) == (4961, 3721)
    assert OutputSize.parse("10cm@254").of(30, 40) == (750, 1000)
    assert str(OutputSize.parse("29.7cm@300")) == "29.7cm@300dpi"
    assert OutputSize.parse(str(OutputSize("print", 29.7, 300))) == OutputSize("print", 29.7, 300)
    for text in ("42cm@0dpi", "0cm@1dpi9"):
        with pytest.raises(UserError):
            OutputSize.parse(text)
    with pytest.raises(UserError):
        OutputSize.parse("42cm")
