"""The declarations that the window, the command line, the fingerprint and the README read."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from core.contract.errors import UserError
from core.contract.settings import OUTPUT, SETTINGS, WATCH, OutputSize, Setting, UpscaleSettings, check_settings
from core.images import FORMATS

ALL = {**SETTINGS, "output": OUTPUT, "watch": WATCH}


@pytest.mark.parametrize("declared", ALL.values(), ids=ALL)
def test_every_declaration_says_what_it_does(declared: Setting[Any]) -> None:
    assert declared.plain_label
    assert len(declared.tooltip) > 30
    assert declared.tooltip.endswith(".")
    assert declared.help.endswith(".")
    # A refusal names both ends.
    assert (declared.low is None) == (declared.high is None) == (type(declared.default) is not int)


def test_names_letters_and_keys_are_unique() -> None:
    for of in ("name", "letter"):
        given = [getattr(each, of) for each in ALL.values() if getattr(each, of)]
        assert len(set(given)) == len(given)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_default_is_possible_and_what_is_written_is_read_back(name: str) -> None:
    declared = SETTINGS[name]
    assert getattr(UpscaleSettings(), name) == declared.default
    for value in (declared.default, *(value for value, _label in declared.choices)):
        assert declared.parse(declared.write(value)) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("quality", "0"),
        ("quality", "101"),
        ("quality", "much"),
        ("detail", "-1"),
        ("tile", "-5"),
        ("tile", "9000"),
        ("existing", "burn"),
        ("precision", "int3"),
        ("recursive", "maybe"),
        ("ensemble", "1"),
        ("size", "enormous"),
    ],
)
def test_what_cannot_be_is_refused(name: str, text: str) -> None:
    with pytest.raises((UserError, ValueError)):
        SETTINGS[name].parse(text)


def test_what_is_not_among_open_choices_can_still_be_said() -> None:
    assert SETTINGS["device"].parse("cuda:1") == "cuda:1"
    assert SETTINGS["tile"].parse("333") == 333
    assert SETTINGS["size"].parse("2500px") == OutputSize("longest", 2500)


def test_a_refusal_names_the_setting_and_what_it_can_be() -> None:
    with pytest.raises(UserError, match=r"A clean-up of 101 is out of range. Choose 0 to 100."):
        check_settings(UpscaleSettings(clean_up=101))


def test_the_help_names_every_format_that_can_be_written() -> None:
    writable = {row.key for row in FORMATS.values() if row.can_choose}
    assert writable <= set(re.findall(r"\w+", SETTINGS["format"].help))


def test_a_command_s_options_are_there_without_the_libraries_of_pictures() -> None:
    code = "import sys, core.commands.upscale; assert not {'PIL', 'imagecodecs', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
