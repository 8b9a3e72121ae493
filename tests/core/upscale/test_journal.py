"""The record survives what ends runs, and strangers."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from core.contract.errors import UserError
from core.hashing import sha256_of
from core.upscale import journal as journal_module
from core.upscale.journal import FOLDER, Journal, source_stamp
from core.upscale.journal_log import JOURNAL
from tests.core.upscale.conftest import picture


def announced(folder: Path, source: Path, output: Path) -> Journal:
    journal = Journal(folder)
    journal.begin("")
    try:
        result = journal.announcement("recipe", source, sha256_of(source), source_stamp(source), output, (12, 9))
        journal.announce(result)
        if output.exists():
            journal.complete((result, 40.0))
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


def lines_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / FOLDER / JOURNAL).read_bytes().splitlines()]


def test_announcements_that_came_true_go_when_the_next_run_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "SUPERSEDED_LINES", 2)
    sources = [picture(tmp_path / f"{number}.png", seed=number) for number in range(3)]
    outputs = [tmp_path / f"out {number}.png" for number in range(3)]
    announced(tmp_path, sources[2], outputs[2])
    for number in range(2):
        announced(tmp_path, sources[number], picture(outputs[number], 12, 9))
    before = Journal(tmp_path)
    stranger = b'{"of": "a later version"}'
    with (tmp_path / FOLDER / JOURNAL).open("ab") as file:
        file.write(stranger)
    # What a line that stays says stays as it is, and so does one that nobody here knows.
    whole = [line for line in lines_of(tmp_path) if line.get("complete")]
    waiting = next(line for line in lines_of(tmp_path) if line["output"] == "out 2.png")
    after = Journal(tmp_path)
    after.begin("")
    after.end()
    assert lines_of(tmp_path) == [waiting, *whole, json.loads(stranger)]
    # Whoever read it before finds what he found, as do those who read it now.
    for journal in (before, after, Journal(tmp_path)):
        for number in range(2):
            assert journal.done(sources[number], outputs[number], "recipe") == outputs[number]
            assert journal.consistency(outputs[number]) == 40.0
        assert journal.done(sources[2], outputs[2], "recipe") is None
        assert journal.made_of(outputs[2]) == (sources[2], sha256_of(sources[2]))
    # A run that was killed before its second line is found out by looking, as ever.
    picture(outputs[2], 12, 9)
    assert Journal(tmp_path).done(sources[2], outputs[2], "recipe") == outputs[2]


def test_a_run_knows_what_another_wrote_between_its_plan_and_its_beginning(tmp_path: Path) -> None:
    first, second = picture(tmp_path / "a.png"), picture(tmp_path / "b.png", seed=1)
    one, two = picture(tmp_path / "1.png", 12, 9), picture(tmp_path / "2.png", 12, 9)
    early = Journal(tmp_path)
    announced(tmp_path, first, one)
    early.begin("")
    line = early.announcement("recipe", second, sha256_of(second), source_stamp(second), two, (12, 9))
    early.announce(line)
    early.complete((line, 50.0))
    assert early.consistency(one) == 40.0
    assert early.consistency(two) == 50.0
    early.end()


def test_a_long_journal_takes_little_memory(tmp_path: Path) -> None:
    """By counting: two places of 8 bytes a result, with their room, and no line of it."""
    (tmp_path / FOLDER).mkdir()
    line = {
        "recipe": "recipe", "source_sha256": "0" * 64, "source_stamp": [1, 2, 3], "output_size": [12, 9],
        "output_stamp": [1, 2], "consistency": 40.0, "reason": "",
    }  # fmt: skip
    many = 5_000
    with (tmp_path / FOLDER / JOURNAL).open("w", encoding="ascii") as file:
        for number in range(many):
            names = {"source": f"{'s' * 60}/{number}.png", "output": f"{'o' * 60}/{number}.png"}
            for complete in (False, True):
                file.write(json.dumps({"complete": complete, **names, **line}) + "\n")
    tracemalloc.start()
    try:
        journal = Journal(tmp_path)
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept < 60 * many
    assert journal.made(tmp_path / f"{'o' * 60}" / f"{many - 1}.png")
    assert sum(1 for _each in journal.results()) == many


def test_a_thousand_journals_are_not_kept_open(tmp_path: Path) -> None:
    """Results beside their sources in as many folders have as many: a process may have 1,024 files open on Linux."""
    resource = pytest.importorskip("resource", reason="as systems other than Windows limit it")
    source = picture(tmp_path / "a.png")
    announced(tmp_path, source, tmp_path / "1.png")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = max((int(each.name) for each in Path("/dev/fd").iterdir()), default=0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 20, limits[1]))
    try:
        journals = [Journal(tmp_path) for _again in range(100)]
        assert all(journal.made_of(tmp_path / "1.png") is not None for journal in journals)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
