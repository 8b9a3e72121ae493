"""A batch into and out of stores keeps the promises of one on a disk: on a real server of S3, which fails at times."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from core import stores
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.upscale import FileSaved, Input, UpscaleRequest
from core.stores import given
from core.upscale.journal import FOLDER
from core.upscale.plan import plan
from tests.core.upscale.conftest import Run, files_in, picture
from tests.s3_server import BUCKET, SECRET, S3Server
from tests.warm_start import start_program

IN, OUT = Path(f"s3://{BUCKET}/in"), Path(f"s3://{BUCKET}/out")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "FIRST_PAUSE_SECONDS", 0.001)


def results(s3: S3Server) -> dict[str, bytes]:
    return {key.removeprefix("out/"): s3.read(key) for key in s3.names("out/") if FOLDER not in key}


def on_disk(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_in(folder)}


def filled(tmp_path: Path, s3: S3Server, number: int = 6) -> Path:
    """The same pictures on a disk and in the store, in two folders."""
    for index in range(number):
        name = f"deep/{index}.jpg" if index % 2 else f"{index}.png"
        s3.write(f"in/{name}", picture(tmp_path / "in" / name, seed=index).read_bytes())
    return tmp_path / "in"


def test_a_batch_of_a_store_is_that_of_a_disk(tmp_path: Path, s3: S3Server, run: Run) -> None:
    folder = filled(tmp_path, s3)
    s3.write("in/broken.png", b"\x89PNG\r\n\x1a\nnothing")
    s3.write("in/0.xmp", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='r'/></x:xmpmeta>")
    s3.write("in/list.txt", b"a")
    run(folder, output=tmp_path / "out", keep_date=False)
    outcome = run(IN, output=OUT, keep_date=False)
    assert set(outcome.failed) == {"broken.png"}
    made = results(s3)
    assert made.pop("0.xmp")
    assert made == on_disk(tmp_path / "out")
    assert "1 TXT" in str(outcome.events)
    again = run(IN, output=OUT, keep_date=False)
    assert not again.saved
    assert len(again.skipped) == 6
    assert {str(path) for path in again.skipped.values()} == {f"s3://{BUCKET}/out/{name}" for name in made}


def test_stores_and_disks_mix(tmp_path: Path, s3: S3Server, run: Run) -> None:
    folder = filled(tmp_path, s3)
    s3.write("in/a:b?.png", picture(tmp_path / "x.png").read_bytes())
    run(folder, output=OUT)
    run(IN, output=tmp_path / "out")
    made = on_disk(tmp_path / "out")
    assert made.pop("a-b-.png")
    assert made == results(s3)
    assert len(run(folder, output=OUT).skipped) == 6
    assert len(run(IN, output=tmp_path / "out").skipped) == 7


def test_what_is_there_is_left_replaced_or_numbered(tmp_path: Path, s3: S3Server, run: Run) -> None:
    s3.write("in/a.png", picture(tmp_path / "a.png").read_bytes())
    s3.write("out/a.png", b"somebody's")
    assert str(run(IN, output=OUT).saved["a.png"]).endswith("/out/a (2).png")
    assert s3.read("out/a.png") == b"somebody's"
    first = s3.read("out/a (2).png")
    s3.write("in/a.png", picture(tmp_path / "a.png", seed=5).read_bytes())
    # What it made itself is replaced, and nobody else's.
    assert str(run(IN, output=OUT, existing="replace").saved["a.png"]).endswith("/out/a (2).png")
    assert s3.read("out/a (2).png") != first
    assert run(IN, output=OUT, existing="number").saved["a.png"].name == "a (3).png"
    assert s3.read("out/a.png") == b"somebody's"


@pytest.mark.timeout(600)  # a cut connection may be waited for until it is given up
def test_a_network_that_fails_all_the_time_costs_nothing_but_time(
    tmp_path: Path, s3: S3Server, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = filled(tmp_path, s3, 8)
    count = itertools.count(1)
    monkeypatch.setattr(stores, "TRIES", 8)
    s3.fault = lambda _method, _path: {0: 503, 7: 0, 15: 500}.get(next(count) % 23)
    outcome = run(IN, output=OUT)
    assert not outcome.failed
    assert len(outcome.saved) == 8
    s3.fault = lambda *_: None
    run(folder, output=tmp_path / "out")
    assert results(s3) == on_disk(tmp_path / "out")
    assert not [key for key in s3.names("") if key.endswith((".part", "/lock"))]


def test_what_fails_for_good_is_one_line_a_picture(tmp_path: Path, s3: S3Server, run: Run) -> None:
    filled(tmp_path, s3)
    s3.fault = lambda method, path: 403 if "in/2.png" in path or (method == "PUT" and "out/4.png" in path) else None
    outcome = run(IN, output=OUT)
    assert set(outcome.failed) == {"2.png", "4.png"}
    assert len(outcome.saved) == 4
    assert SECRET not in str(outcome.events)
    assert SECRET not in "".join(s3.read(key).decode("latin-1") for key in s3.names(f"out/{FOLDER}/"))
    s3.fault = lambda *_: None
    again = run(IN, output=OUT)
    assert set(again.saved) == {"2.png", "4.png"}
    assert len(again.skipped) == 4


def test_a_store_that_is_gone_ends_the_run_in_words(tmp_path: Path, s3: S3Server, run: Run) -> None:
    filled(tmp_path, s3)

    def fault(method: str, path: str) -> int | None:
        # From the first result on.
        gone = method == "PUT" and path.endswith((".png?", ".jpg?"))
        if gone:
            s3.fault = lambda _method, _path: 503
        return 503 if gone else None

    s3.fault = fault
    with pytest.raises(UserError, match=f"“s3://{BUCKET}” cannot be used: the store answered 503") as caught:
        run(IN, output=OUT)
    assert "finished results are kept" in caught.value.hint
    s3.fault = lambda *_: None
    assert len(run(IN, output=OUT).saved) == 6


def test_a_killed_run_goes_on_and_does_nothing_twice(tmp_path: Path, s3: S3Server, run: Run, model: str) -> None:
    folder = filled(tmp_path, s3, 12)
    command = ["upscale", str(IN), "-o", str(OUT), "--model", model, "--json"]
    saved = []
    with start_program("core.cli", command) as process:
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "FileSaved":
                saved.append(event["output"])
                if len(saved) == 3:
                    process.kill()
    made = results(s3)
    assert len(made) >= 3
    # The lock of a process that is no more keeps nobody out.
    assert f"out/{FOLDER}/lock" in s3.names("")
    outcome = run(IN, output=OUT)
    assert len(outcome.saved) + len(outcome.skipped) == 12
    assert {path.name for path in outcome.skipped.values()} == {Path(name).name for name in made}
    run(folder, output=tmp_path / "out")
    assert results(s3) == on_disk(tmp_path / "out")
    assert len(run(IN, output=OUT).skipped) == 12


def test_two_runs_do_not_write_into_one_folder(tmp_path: Path, s3: S3Server, run: Run) -> None:
    filled(tmp_path, s3, 1)
    key = f"out/{FOLDER}/lock"
    until = 4e9
    s3.write(key, json.dumps({"host": "another", "process": 1, "mark": "m", "until": until}).encode())
    assert "Another run on another is writing" in run(IN, output=OUT).failed["0.png"]
    s3.write(key, json.dumps({"host": "another", "process": 1, "mark": "m", "until": 5}).encode())
    assert run(IN, output=OUT).saved


def test_results_beside_their_sources_are_no_sources(tmp_path: Path, s3: S3Server, run: Run) -> None:
    filled(tmp_path, s3, 2)
    assert str(run(IN).saved["0.png"]) == f"s3://{BUCKET}/in_4x/0.png"
    deep = IN / "deep"
    first = run(deep, output=deep)
    assert str(first.saved["1.jpg"]) == f"s3://{BUCKET}/in/deep/1_4x.jpg"
    assert not run(deep, output=deep).saved
    assert len([*given(deep).iterdir()]) == 3


def test_a_bucket_has_no_place_beside_it(s3: S3Server, run: Run, tmp_path: Path) -> None:
    s3.write("a.png", picture(tmp_path / "a.png").read_bytes())
    with pytest.raises(UserError, match="no place beside the bucket"):
        run(Path(f"s3://{BUCKET}"))


def test_pages_are_read_from_one_copy(s3: S3Server, run: Run, tmp_path: Path) -> None:
    from PIL import Image

    pages = [Image.open(picture(tmp_path / f"{seed}.png", seed=seed)) for seed in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    s3.write("in/a.tif", (tmp_path / "a.tif").read_bytes())
    outcome = run(IN, output=OUT)
    assert [event.pictures for event in outcome.of(FileSaved)] == [3]
    run(tmp_path / "a.tif", output=tmp_path / "out")
    assert s3.read("out/a.tif") == (tmp_path / "out" / "a.tif").read_bytes()


def test_a_plan_writes_nothing_into_a_store_and_a_run_first_asks_whether_it_may(
    tmp_path: Path, s3: S3Server, run: Run, model: str
) -> None:
    folder = filled(tmp_path, s3)
    asked: list[str] = []

    def refuse(method: str, path: str) -> int | None:
        if method not in ("GET", "HEAD"):
            asked.append(f"{method} {path}")
        return 403 if method == "PUT" else None

    s3.fault = refuse
    request = UpscaleRequest((Input(folder),), OUT, model=model)
    assert len(plan(request, CancelToken()).tasks) == 6
    assert asked == []
    with pytest.raises(UserError, match="may not be written: the store answered 403 Forbidden"):
        run(folder, output=OUT)
    assert len(asked) == 1
