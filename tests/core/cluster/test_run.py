"""Batches on a real cluster of two nodes: what one machine makes, whatever dies meanwhile."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from pathlib import Path

import pytest

from core import language
from core.cluster import blocks
from core.cluster import run as cluster_run
from core.contract.cancel import Cancelled, CancelToken
from core.contract.jobs import Notice
from core.contract.upscale import BatchFinished, FileFailed, FileSaved, FileStarted, Planned, Progress
from core.images import Probe, probe
from core.upscale import batch, plan
from core.upscale.batch import upscale
from core.upscale.journal import Journal
from core.upscale.plan_stream import PlanStream
from tests.core.cluster.conftest import broken_picture, request_for, run_on, worker_processes
from tests.core.upscale.conftest import Outcome, files_in, picture
from tests.s3_server import BUCKET, S3Server
from tests.warm_start import start_program

# Each worker is a process that imports torch, which takes long where others compute, too.
pytestmark = pytest.mark.timeout(600)


def folder_of(root: Path, count: int) -> Path:
    for number in range(count):
        picture(root / f"{number % 3}" / f"{number:03}.png", 24, 24, seed=number)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_in(folder)}


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part"))


def lines(folder: Path) -> Counter[tuple[str, bool]]:
    """How often each result is in the journal, announced and complete."""
    text = (folder / ".srgan" / "journal.jsonl").read_text()
    return Counter((line["output"], line["complete"]) for line in map(json.loads, text.splitlines()))


def test_a_store_is_as_good_as_a_folder_that_all_share(
    tmp_path: Path, model: str, joined: str, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LEAST_PIXELS", 5 * 96 * 96)
    folder = folder_of(tmp_path / "in", 20)
    for name, content in contents(folder).items():
        s3.write(f"in/{name}", content)
    s3.write("in/broken.png", broken_picture(tmp_path / "broken.png").read_bytes())
    count = itertools.count(1)
    s3.fault = lambda _method, _path: {0: 503, 20: 0}.get(next(count) % 41)
    store = Path(f"s3://{BUCKET}")
    outcome = run_on(joined, request_for(model, store / "out", store / "in"))
    s3.fault = lambda *_: None
    assert set(outcome.failed) == {"broken.png"}
    list(upscale(request_for(model, tmp_path / "here", folder, keep_date=False), CancelToken()))
    made = {key.removeprefix("out/"): s3.read(key) for key in s3.names("out/") if "/.srgan/" not in key}
    assert made == contents(tmp_path / "here")
    # No result without a name is left, and no lock.
    assert not [key for key in s3.names() if "/parts/" in key or key.endswith(("/lock", ".part"))]
    again = run_on(joined, request_for(model, store / "out", store / "in"))
    assert len(again.skipped) == 20
    assert s3.client.head_object(Bucket=BUCKET, Key="out/0/000.png")["ContentType"] == "image/png"


def test_a_cluster_makes_what_one_machine_makes(
    tmp_path: Path, model: str, joined: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LEAST_PIXELS", 5 * 96 * 96)
    folder = folder_of(tmp_path / "in", 30)
    broken_picture(folder / "0" / "broken.png")
    (folder / "text.png").write_text("no picture")
    for output in ("out", "here"):
        (tmp_path / output).mkdir()
        (tmp_path / output / "2").write_text("a file where a folder should be")
    outcome = run_on(joined, request_for(model, tmp_path / "out", folder))
    here = Outcome(list(upscale(request_for(model, tmp_path / "here", folder), CancelToken())))
    assert contents(tmp_path / "out") == contents(tmp_path / "here")
    assert len(outcome.saved) == 20
    assert {"broken.png", "text.png", "002.png"} < set(outcome.failed)
    assert set(outcome.failed) == set(here.failed)
    assert all(not event.details for event in outcome.of(FileFailed))
    assert outcome.events[0] == here.events[0]
    assert isinstance(here.events[0], Planned)
    assert (here.events[0].files, here.events[0].refused) == (31, 1)
    finished = outcome.events[-1]
    assert isinstance(finished, BatchFinished)
    assert (finished.saved, finished.skipped, finished.failed) == (20, 0, 12)
    for name in outcome.saved:
        mine = [event for event in outcome.events if getattr(event, "source", Path()).name == name]
        assert isinstance(mine[0], FileStarted)
        assert isinstance(mine[-1], FileSaved)
        assert mine[-1].seconds > 0
    fractions = [event.total_fraction for event in outcome.of(Progress)]
    assert fractions == sorted(fractions)
    assert lines(tmp_path / "out") == lines(tmp_path / "here")
    assert set(lines(tmp_path / "out").values()) == {1}
    assert leftovers(tmp_path) == []
    # The same again, here or there, has nothing to do.
    again = run_on(joined, request_for(model, tmp_path / "out", folder))
    assert len(again.skipped) == 20
    assert not any(isinstance(event, FileStarted) for event in again.events)


def test_a_cluster_begins_before_all_is_planned(
    tmp_path: Path, model: str, joined: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LEAST_PIXELS", 2 * 96 * 96)
    folder = folder_of(tmp_path / "in", 40)
    (folder / "2" / "text.png").write_text("no picture")
    last = folder / "2" / "zz.png"
    last.write_bytes((folder / "0" / "000.png").read_bytes())
    list(upscale(request_for(model, tmp_path / "here", folder), CancelToken()))
    begun = threading.Event()
    seen: list[bool] = []

    def slow(path: Path) -> Probe:
        if path == last:
            # As in a library so large that this one's turn comes much later.
            seen.append(begun.wait(300))
        return probe(path)

    monkeypatch.setattr(plan, "probe", slow)
    monkeypatch.setattr(batch, "PlanStream", lambda request, cancel: PlanStream(request, cancel, 5))
    outcome = run_on(
        joined,
        request_for(model, tmp_path / "out", folder),
        on_event=lambda event: begun.set() if isinstance(event, FileSaved) else None,
    )
    assert seen == [True]
    assert contents(tmp_path / "out") == contents(tmp_path / "here")
    assert set(outcome.failed) == {"text.png"}
    assert outcome.events[0] != outcome.of(Planned)[-1] == Planned(41, 0, 1, 41)
    finished = outcome.events[-1]
    assert isinstance(finished, BatchFinished)
    assert (finished.saved, finished.skipped, finished.failed) == (41, 0, 1)
    assert lines(tmp_path / "out") == lines(tmp_path / "here")
    assert leftovers(tmp_path) == []
    again = run_on(joined, request_for(model, tmp_path / "out", folder))
    assert len(again.skipped) == 41


def test_workers_speak_the_language_of_the_run(tmp_path: Path, model: str, joined: str) -> None:
    """Also in what is looked up while modules are imported, as here: this process did so in English."""
    broken_picture(tmp_path / "in" / "broken.png")
    language.use("de")
    damaged = language.gettext("is damaged or cut off")
    assert damaged != "is damaged or cut off"
    try:
        outcome = run_on(joined, request_for(model, tmp_path / "out", tmp_path / "in"), workers=1)
    finally:
        language.use("en")
    assert damaged in outcome.failed["broken.png"]


def test_a_picture_that_kills_two_workers_is_left_out_by_name(
    tmp_path: Path, model: str, joined: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A small picture is long done when it is told of in due time.
    monkeypatch.setattr(cluster_run, "REPORT_SECONDS", 0.05)
    folder = folder_of(tmp_path / "in", 6)
    # What kills one may be another's fault: memory that both needed.
    for name in ("killer.png", "victim.png"):
        picture(folder / "1" / name, 500, 500)
    deaths = Counter({"killer.png": 9, "victim.png": 1})

    def kill(event: object) -> None:
        """End the worker that begins a picture, while it is at work on it."""
        if isinstance(event, FileStarted) and deaths[event.source.name]:
            deaths[event.source.name] -= 1
            for process in worker_processes():
                process.kill()

    outcome = run_on(joined, request_for(model, tmp_path / "out", folder), workers=1, on_event=kill)
    assert len(outcome.saved) == len(outcome.of(FileSaved)) == 7
    assert set(outcome.failed) == {"killer.png"}
    assert "ended two workers" in outcome.failed["killer.png"]
    starts = [event for event in outcome.of(FileStarted) if event.source.name == "killer.png"]
    assert len(starts) == 2
    assert any("another takes over" in event.message for event in outcome.of(Notice))
    assert set(lines(tmp_path / "out").values()) == {1}
    assert leftovers(tmp_path) == []
    # It has no result, and so is tried again next time.
    assert not Journal(tmp_path / "out").made(tmp_path / "out" / "1" / "killer.png")


def test_a_paused_run_stands_still_and_a_cancelled_one_keeps_what_it_has(
    tmp_path: Path, model: str, joined: str
) -> None:
    folder = folder_of(tmp_path / "in", 4)
    for number in range(4):
        picture(folder / "2" / f"large {number}.png", 400, 400, seed=number)
    cancel, events = CancelToken(), []

    def on_event(event: object) -> None:
        events.append(event)
        if isinstance(event, FileStarted) and event.source.name == "large 0.png":
            cancel.pause()
            threading.Timer(0.5, cancel.resume).start()
        elif isinstance(event, FileStarted) and event.source.name == "large 2.png":
            cancel.cancel()

    with pytest.raises(Cancelled):
        run_on(joined, request_for(model, tmp_path / "out", folder), workers=1, cancel=cancel, on_event=on_event)
    saved = [event.output for event in events if isinstance(event, FileSaved)]
    assert {path.name for path in saved} >= {f"{number:03}.png" for number in range(4)} | {"large 0.png"}
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in saved) == files_in(tmp_path / "out")
    assert leftovers(tmp_path) == []
    rest = run_on(joined, request_for(model, tmp_path / "out", folder), workers=1)
    assert len(rest.skipped) == len(saved)
    assert len(rest.saved) + len(saved) == 8


def test_a_run_whose_driver_was_killed_goes_on_where_it_was(tmp_path: Path, model: str, joined: str) -> None:
    folder = folder_of(tmp_path / "in", 10)
    for number in range(3):
        picture(folder / "2" / f"large {number}.png", 400, 400, seed=number)
    command = ["upscale", str(folder), "-o", str(tmp_path / "out"), "--model", model]
    command += ["--cluster", joined, "--per-worker", "cpu=1", "--workers", "1", "--json"]
    with start_program("core.cli", command) as process:
        for line in process.stdout:
            if "FileStarted" in line and "large 1.png" in line:
                process.kill()
                break
        process.stdout.close()
    before = contents(tmp_path / "out")
    assert len(before) >= 10
    rest = run_on(joined, request_for(model, tmp_path / "out", folder), workers=1)
    assert len(rest.skipped) == len(before)
    assert len(rest.saved) == 13 - len(before)
    after = contents(tmp_path / "out")
    assert len(after) == 13
    assert {name: after[name] for name in before} == before
    assert leftovers(tmp_path) == []
