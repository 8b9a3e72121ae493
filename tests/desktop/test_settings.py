"""What is kept between starts, and what somebody wrote into the file by hand."""

import pytest

from core.contract.settings import OutputSize
from srgan_desktop import settings
from srgan_desktop.settings import Option, Settings

OPTIONS = list(
    dict.fromkeys([*(each for each in vars(settings).values() if isinstance(each, Option)), *settings.UPSCALE.values()])
)
ANOTHER = {
    str: "some “other” = words; 100 %",
    bool: None,
    int: 42,
    OutputSize: OutputSize("longest", 2500),
}


def another(option):
    if isinstance(option.default, bool):
        return not option.default
    declared = option.setting
    if declared is not None and declared.choices and not declared.open:
        return next(value for value, _label in declared.choices if value != option.default)
    if option.key == "upscale/name":
        return "{name}_large"
    if isinstance(option.default, tuple):
        return ("some", "other")
    if option is settings.APPEARANCE:
        return "dark"
    if option is settings.LANGUAGE:
        return "de"
    return ANOTHER[type(option.default)]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)
def test_every_option_is_there_at_the_next_start(qapp, tmp_path, option):
    first = Settings(tmp_path / "settings.ini")
    assert first.get(option) == option.default
    first.set(option, another(option))
    first.save()
    assert Settings(tmp_path / "settings.ini").get(option) == another(option)


def test_keys_are_unique():
    assert len({option.key for option in OPTIONS}) == len(OPTIONS)


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("size", "enormous"),
        ("size", "1e9x"),
        ("quality", "0"),
        ("quality", "much"),
        ("existing", "destroy"),
        ("recursive", "maybe"),
        ("tile", "-5"),
        ("precision", "int3"),
    ],
)
def test_nonsense_in_the_file_is_the_default(qapp, tmp_path, key, written):
    (tmp_path / "settings.ini").write_text(f"[upscale]\n{key}={written}\n", encoding="utf-8")
    option = next(option for option in OPTIONS if option.key == f"upscale/{key}")
    assert Settings(tmp_path / "settings.ini").get(option) == option.default


def test_a_file_that_is_no_ini_file_at_all(qapp, tmp_path):
    (tmp_path / "settings.ini").write_bytes(bytes(range(256)) * 20)
    options = Settings(tmp_path / "settings.ini")
    assert all(options.get(option) == option.default for option in OPTIONS)


def test_only_changes_are_told(qtbot, options):
    heard = []
    options.changed.connect(heard.append)
    options.set(settings.QUALITY, 95)
    assert heard == []
    options.set(settings.QUALITY, 80)
    options.set(settings.QUALITY, 80)
    assert heard == [settings.QUALITY]


def test_the_command_line_holds_until_it_is_changed_and_is_not_saved(qapp, tmp_path):
    options = Settings(tmp_path / "settings.ini")
    options.set(settings.OUTPUT, "/home/me/results")
    options.override(settings.OUTPUT, "/tmp/this time")
    assert options.get(settings.OUTPUT) == "/tmp/this time"
    options.save()
    assert Settings(tmp_path / "settings.ini").get(settings.OUTPUT) == "/home/me/results"
    options.set(settings.OUTPUT, "/elsewhere")
    assert options.get(settings.OUTPUT) == "/elsewhere"


def test_everything_in_the_panel_says_what_it_does():
    assert all(len(option.tooltip) > 30 for option in OPTIONS if option.label)
