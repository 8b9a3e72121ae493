"""The record survives what ends runs, and strangers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.contract.errors import UserError
from core.hashing import sha256_of
from core.upscale.journal import FOLDER, Journal, source_stamp
from core.upscale.journal_log import JOURNAL
from tests.core.upscale.conftest import picture


def announced(folder: Path, source: Path, output: Path) -> Journal:
    journal = Journal(folder)
    journal.begin("")
    try:
        result = journal.announce("recipe", source, sha256_of(source), source_stamp(source), output, (12, 9))
        if output.exists():
            journal.complete(result, 40.0)
    finally:
        journal.end()
    return journal


def test_a_result_that_was_announced_counts_once_it_is_there_whole(tmp_path: Path) -> None:
    source, output = picture(tmp_path / "a.png"), tmp_path / "out.png"
    announced(tmp_path, source, output)
    assert Journal(tmp_path).done(source, output, "recipe") is None
    # Killed after the result got its name and before the second line.
    picture(output, 12, 9)
    assert Journal(tmp_path).done(source, output, "recipe") == output
    assert Journal(tmp_path).consistency(output) is None
    picture(output, 11, 9)
    assert Journal(tmp_path).done(source, output, "recipe") is None
    announced(tmp_path, source, output)
    assert Journal(tmp_path).consistency(output) == 40.0


def test_a_line_that_is_cut_off_spoils_neither_those_before_nor_those_after(tmp_path: Path) -> None:
    first, second = picture(tmp_path / "a.png"), picture(tmp_path / "b.png", seed=1)
    one, two = picture(tmp_path / "1.png"), picture(tmp_path / "2.png")
    announced(tmp_path, first, one)
    with (tmp_path / FOLDER / JOURNAL).open("ab") as file:
        file.write(b'{"complete": true, "rec')
    announced(tmp_path, second, two)
    journal = Journal(tmp_path)
    assert journal.done(first, one, "recipe") == one
    assert journal.done(second, two, "recipe") == two


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b"null\n",
        b"\xff\xfe\n",
        b'{"complete": 1}\n',
        b'{"complete": true, "recipe": "", "source": "", "source_sha256": "", "source_stamp": [1e999, 0, 0],'
        b' "output": "", "output_size": [1, 1], "output_stamp": [0, 0], "consistency": 0}\n',
        json.dumps(
            {
                "complete": True, "recipe": "recipe", "source": ["a"], "source_sha256": "", "source_stamp": [0, 0, 0],
                "output": "x", "output_size": [1], "output_stamp": [], "consistency": "NaN",
            }
        ).encode(),
    ],
)  # fmt: skip
def test_nonsense_is_passed_over(tmp_path: Path, line: bytes) -> None:
    source, output = picture(tmp_path / "a.png"), picture(tmp_path / "1.png")
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / JOURNAL).write_bytes(line)
    announced(tmp_path, source, output)
    assert Journal(tmp_path).done(source, output, "recipe") == output


def test_only_one_run_at_a_time_writes_into_a_folder(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin("")
    with pytest.raises(UserError, match="Another run"):
        Journal(tmp_path).begin("")
    journal.end()
    other = Journal(tmp_path)
    other.begin("")
    other.end()


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    source = picture(tmp_path / "plain.png")
    odd = tmp_path / "new\nline \udcff 🦊.png"
    source.rename(odd)
    output = picture(tmp_path / "1.png")
    announced(tmp_path, odd, output)
    assert Journal(tmp_path).done(odd, output, "recipe") == output
