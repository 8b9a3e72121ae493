"""What a run on a cluster has to do grows as it is planned, and shrinks as it is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.cluster import work
from core.cluster.work import RunWork
from core.contract.cancel import CancelToken
from core.contract.upscale import FileFailed, Planned
from core.upscale.plan_stream import PlanStream
from core.upscale.progress import RunToken
from tests.core.cluster.conftest import request_for
from tests.core.upscale.conftest import picture


def test_tasks_are_taken_on_as_they_are_needed_and_forgotten_when_they_are_over(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        picture(tmp_path / "in" / f"{number:02}.png")
    (tmp_path / "in" / "15.png").write_text("No picture.")
    for name, value in (("PORTION", 3), ("MOST_FILES", 1)):
        monkeypatch.setattr(work, name, value)
    done, refused, known = [], [], []
    with PlanStream(request_for(model, tmp_path / "out", tmp_path / "in"), CancelToken(), 2) as stream:
        first = stream.take()
        assert first is not None
        run = RunWork(first, stream, RunToken(CancelToken()))
        while not run.over:
            for event in run.heed_plan(workers=1):
                refused += [event.source.name] if isinstance(event, FileFailed) else []
                known += [event] if isinstance(event, Planned) else []
            block = run.take(1)
            if block is None:
                # It is still planned.
                continue
            assert len(block.numbers) <= 4
            for number in block.numbers:
                assert run.task(number).source.name not in done
                done.append(run.task(number).source.name)
                assert run.finish(block, number)
                assert not run.finish(block, number)
                with pytest.raises(KeyError):
                    run.task(number)
                assert run.report(block, number, 1.0) is None
    assert done == [f"{number:02}.png" for number in range(20) if number != 15]
    assert refused == ["15.png"]
    assert known[-1] == Planned(19, 0, 1, 19)
