"""Results get their names together, each with its lines in the journal, or a reason of its own."""

from __future__ import annotations

import errno
import json
import os
from functools import partial
from pathlib import Path

import pytest

from core.contract.cancel import CancelToken
from core.contract.upscale import FileSaved, Input, UpscaleRequest
from core.hashing import sha256_of
from core.upscale.journal import source_stamp
from core.upscale.plan import Plan, plan
from core.upscale.records import Encoded, Publication, Records, ResultFacts
from tests.core.upscale.conftest import picture


def batch(tmp_path: Path, model: str, names: list[str]) -> tuple[UpscaleRequest, Plan]:
    for name in names:
        picture(tmp_path / "in" / name)
    request = UpscaleRequest((Input(tmp_path / "in"),), tmp_path / "out", model=model)
    return request, plan(request, CancelToken())


def written(content: str, output: Path) -> Encoded:
    output.write_text(content)
    return Encoded(40.0)


def full(_output: Path) -> Encoded:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def lines(output: Path) -> list[tuple[str, bool]]:
    text = (output / ".srgan" / "journal.jsonl").read_text()
    return [(line["output"], line["complete"]) for line in map(json.loads, text.splitlines())]


def publications(settled: Plan) -> list[Publication]:
    results = []
    for task in settled.tasks:
        facts = ResultFacts(sha256_of(task.source), source_stamp(task.source), (12, 9), task.size)
        results.append(Publication(task, facts, partial(written, task.source.name)))
    return results


def test_all_lines_of_a_report_are_announced_before_the_first_name_is_given(tmp_path: Path, model: str) -> None:
    request, settled = batch(tmp_path, model, ["a.png", "b.png", "c.png"])
    results = publications(settled)
    seen: list[list[tuple[str, bool]]] = []

    def look(output: Path) -> Encoded:
        seen.append(lines(tmp_path / "out"))
        return written("a", output)

    results[0] = Publication(results[0].task, results[0].facts, look)
    results[1] = Publication(results[1].task, results[1].facts, full)
    with Records(request, settled) as records:
        for each in results:
            records.open(each.task)
        outcomes = records.publish_all(results)
    assert seen == [[("a.png", False), ("b.png", False), ("c.png", False)]]
    assert lines(tmp_path / "out")[3:] == [("a.png", True), ("c.png", True)]
    assert isinstance(outcomes[0], FileSaved)
    assert isinstance(outcomes[1], OSError)
    assert isinstance(outcomes[2], FileSaved)
    # The next run does what failed, and that alone.
    assert [task.source.name for task in plan(request, CancelToken()).tasks] == ["b.png"]


def test_two_that_find_their_names_taken_get_different_ones(tmp_path: Path, model: str) -> None:
    request, settled = batch(tmp_path, model, ["a.png", "a (2).png", "b.png"])
    results = publications(settled)
    # Put there by somebody else once all was planned.
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_text("somebody else's")
    with Records(request, settled) as records:
        for each in results:
            records.open(each.task)
        outcomes = records.publish_all(results)
    saved = {each.source.name: each.output for each in outcomes if isinstance(each, FileSaved)}
    assert len(set(saved.values())) == 3
    assert (tmp_path / "out" / "a.png").read_text() == "somebody else's"
    assert {name: output.read_text() for name, output in saved.items()} == {name: name for name in saved}


def test_where_nothing_can_be_announced_nothing_gets_a_name(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, settled = batch(tmp_path, model, ["a.png", "b.png"])
    results = publications(settled)
    with Records(request, settled) as records:
        for each in results:
            records.open(each.task)
        monkeypatch.setattr(os, "fsync", full)
        outcomes = records.publish_all(results)
        monkeypatch.undo()
    assert [type(each) for each in outcomes] == [OSError, OSError]
    assert not list((tmp_path / "out").glob("*.png"))
