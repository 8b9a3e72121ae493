"""A plan in portions is the same plan, and is made while it is worked on."""

from __future__ import annotations

import random
import shutil
import threading
import time
import unicodedata
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.upscale import BatchFinished, FileSaved, FileSkipped, Input, Planned, UpscaleRequest
from core.hashing import sha256_of
from core.images import probe
from core.upscale import batch, folder_listing
from core.upscale import plan as planning
from core.upscale.journal import source_stamp
from core.upscale.plan import Plan, plan, plans
from core.upscale.plan_stream import PlanStream
from core.upscale.records import Encoded, Records, ResultFacts
from tests.core.upscale.conftest import Run, files_in, picture

NFD = unicodedata.normalize("NFD", "é")
STEMS = ("a", "A", "b", "a_jpg", "a_png", "a.b", "a (2)", "a10", "a010", "é", NFD, "x" * 250)
SUFFIXES = (".jpg", ".png", ".PNG", ".webp", ".txt")
FOLDERS = ("", "one", "One", "two", "two/deep", "Two/Deep", "é/a", f"{NFD}/a")


def request_of(model: str, folder: Path, output: Path | None, **given: Any) -> UpscaleRequest:
    return UpscaleRequest((Input(folder),), output, **{"model": model} | given)


def joined(portions: list[Plan]) -> Plan:
    """The plan that they are portions of."""
    assert [portion.complete for portion in portions] == [False] * (len(portions) - 1) + [True]
    return replace(
        portions[0],
        tasks=tuple(task for portion in portions for task in portion.tasks),
        done=tuple(done for portion in portions for done in portion.done),
        refused=tuple(refused for portion in portions for refused in portion.refused),
        warnings=tuple(warning for portion in portions for warning in portion.warnings),
        complete=True,
    )


def told(settled: Plan) -> tuple[Any, ...]:
    """What is said of a plan; errors are equal by their words."""
    refused = [(each.source, str(each.error)) for each in settled.refused]
    return settled.tasks, settled.done, refused, settled.fingerprint, sorted(settled.warnings), settled.packings


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One picture of each kind."""
    folder = tmp_path_factory.mktemp("originals")
    for suffix in (".jpg", ".png", ".webp"):
        picture(folder / f"a{suffix}")
    (folder / "a.txt").write_text("No picture.")
    return folder


def filled(folder: Path, originals: Path, names: list[tuple[str, str, str]]) -> None:
    folder.mkdir()
    for inner, stem, suffix in names:
        place = folder / inner / f"{stem}{suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((originals / f"a{suffix.lower()}").read_bytes())


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(STEMS), st.sampled_from(SUFFIXES)),
        min_size=1, max_size=24, unique=True,
    ),
    st.lists(st.sampled_from(FOLDERS), min_size=1, max_size=3),
    st.integers(1, 5),
    st.sampled_from(["same", "png"]),
    st.sampled_from(["", "{name}_{width}"]),
    st.lists(st.integers(0, 23), max_size=4),
)  # fmt: skip
@settings(deadline=None, max_examples=120)
def test_portions_are_together_the_whole_plan(
    tmp_path_factory: pytest.TempPathFactory,
    model: str,
    originals: Path,
    chosen: list[tuple[int, str, str]],
    folders: list[str],
    most: int,
    form: str,
    pattern: str,
    there: list[int],
) -> None:
    place = tmp_path_factory.mktemp("tree")
    names = [(folders[inner % len(folders)], stem, suffix) for inner, stem, suffix in chosen]
    filled(place / "in", originals, names)
    # What others have put where results go.
    for inner, stem, _suffix in (names[each] for each in there if each < len(names)):
        other = place / "out" / inner / f"{stem}.png"
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_text("somebody else's")
    request = request_of(model, place / "in", place / "out", format=form, result_name=pattern)
    if all(suffix == ".txt" for _inner, _stem, suffix in names):
        for portion in (None, most):
            with pytest.raises(UserError, match=r"There is no picture in .* passed over"):
                list(plans(request, CancelToken(), portion))
        return
    assert told(joined(list(plans(request, CancelToken(), most)))) == told(plan(request, CancelToken()))


def test_a_tree_is_cut_between_folders_and_in_them(tmp_path: Path, model: str) -> None:
    for number in range(20):
        picture(tmp_path / "in" / str(number // 8) / f"{number}.png")
    parts = list(plans(request_of(model, tmp_path / "in", None), CancelToken(), 5))
    assert [len(part.tasks) for part in parts] == [5, 5, 5, 5]
    pattern = request_of(model, tmp_path / "in", None, result_name="{name}-{scale}")
    assert [len(part.tasks) for part in plans(pattern, CancelToken(), 5)] == [8, 8, 4]


def test_archives_and_folders_of_one_name_stay_in_one_portion(tmp_path: Path, model: str, originals: Path) -> None:
    folder = tmp_path / "in"
    for inner in ("b", "B", "c", "d"):
        picture(folder / inner / "1.png")
        picture(folder / inner / "2.png")
    with zipfile.ZipFile(folder / "C.zip", "w") as archive:
        archive.write(originals / "a.png", "1.png")
    request = request_of(model, folder, tmp_path / "out", format="png")
    parts = list(plans(request, CancelToken(), 1))
    assert [len(part.tasks) for part in parts] == [9]
    (folder / "C.zip").unlink()
    (folder / "b" / "1.png").rename(folder / "b" / "1.jpg")
    assert len(list(plans(request, CancelToken(), 1))) == 1
    for name in ("1.jpg", "2.png"):
        (folder / "b" / name).unlink()
    (folder / "b").rmdir()
    assert len(list(plans(request, CancelToken(), 1))) == 6


def made(request: UpscaleRequest) -> None:
    """Leave what a run of this request would, but for what is in the results."""
    settled = plan(request, CancelToken())
    with Records(request, settled) as records:
        for task in settled.tasks:
            records.open(task)
            facts = ResultFacts(sha256_of(task.source), source_stamp(task.source), (12, 9), task.size)
            records.publish(task, facts, _written)


def _written(output: Path) -> Encoded:
    output.write_bytes(b"result")
    return Encoded(40.0)


INPUTS = ("", "one", "One", "two", "é", "none")
RENAMED = ("other.png", "one/a.jpg", "a.png", "two/b.png")


def _names(folders: Sequence[str], stems: Sequence[str], suffixes: Sequence[str]) -> Any:
    one = st.tuples(st.sampled_from(folders), st.sampled_from(stems), st.sampled_from(suffixes))
    return st.lists(one, min_size=1, max_size=16, unique=True)


@given(
    # Where names are few, more come to want those of earlier results.
    st.one_of(_names(FOLDERS, STEMS, SUFFIXES), _names(FOLDERS[:4:3], "ab", (".png", ".jpg"))),
    st.lists(
        st.one_of(st.tuples(st.sampled_from(INPUTS), st.none()), st.tuples(st.integers(0, 15), st.booleans())),
        min_size=1, max_size=12,
    ),
    st.lists(st.integers(0, 15), max_size=6),
    st.booleans(),
    st.integers(1, 4),
    st.sampled_from(["same", "png"]),
    st.sampled_from(["replace", "skip", "replace", "number"]),
    st.sampled_from(["out", "in/out", None]),
    st.tuples(st.integers(0, 15), st.sampled_from(RENAMED), st.booleans()),
    st.lists(st.integers(0, 15), max_size=6),
)  # fmt: skip
@settings(deadline=None, max_examples=100)
def test_portions_of_several_inputs_and_earlier_results_are_together_the_whole_plan(
    tmp_path_factory: pytest.TempPathFactory,
    model: str,
    originals: Path,
    names: list[tuple[str, str, str]],
    chosen: list[tuple[str | int, bool | None]],
    earlier: list[int],
    was_begun: bool,
    most: int,
    form: str,
    existing: Any,
    result: str | None,
    moved: tuple[int, str, bool],
    changed: list[int],
) -> None:
    place = tmp_path_factory.mktemp("tree")
    filled(place / "in", originals, names)
    files = [place / "in" / inner / f"{stem}{suffix}" for inner, stem, suffix in names]
    inputs = []
    for what, has_root in chosen:
        if isinstance(what, str):
            inputs.append(Input(place / "in" / what))
        else:
            inputs.append(Input(files[what % len(files)], place / "in" if has_root else None))
    output = None if result is None else place / result
    request = UpscaleRequest(tuple(inputs), output, model=model, format=form, existing=existing)
    # What another run has left, which was given other pictures; some were moved since, or written to.
    others = tuple(Input(files[each % len(files)]) for each in earlier) or (Input(place / "in"),)
    with suppress(UserError):
        made(replace(request, inputs=others, existing="skip", format="png"))
    if was_begun:
        with suppress(UserError):
            made(replace(request, existing="skip"))
    which, new, is_copied = moved
    if not (place / "in" / new).exists() and files[which % len(files)].exists():
        (place / "in" / new).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copyfile if is_copied else shutil.move)(files[which % len(files)], place / "in" / new)
    for each in changed:
        if (file := files[each % len(files)]).suffix != ".txt":
            picture(file, seed=each)
    try:
        parts = list(plans(request, CancelToken(), most))
    except UserError:
        with pytest.raises(UserError, match="There is no picture in"):
            plan(request, CancelToken())
        return
    assert told(joined(parts)) == told(plan(request, CancelToken()))


def test_several_folders_and_a_hundred_names_are_planned_in_portions(tmp_path: Path, model: str) -> None:
    for number in range(12):
        picture(tmp_path / "in" / str(number // 4) / f"{number}.png")
    folders = [Input(tmp_path / "in" / str(number)) for number in range(3)]
    files = [Input(path) for path in sorted((tmp_path / "in").rglob("*.png"))]

    def lengths(inputs: list[Input], output: Path | None, **given: Any) -> list[int]:
        request = UpscaleRequest(tuple(inputs), output, **{"model": model} | given)
        return [len(part.tasks) for part in plans(request, CancelToken(), 3)]

    for output in (tmp_path / "out", None):
        assert lengths(folders, output) == lengths(files, output) == [3, 3, 3, 3]
        assert lengths([*files[:4], *folders[1:]], output) == [3, 3, 3, 3]
        # One folder, and a file that goes into the same.
        assert lengths([*folders[:1], files[-1]], output) == ([5] if output else [3, 2])
    assert lengths(files, tmp_path / "out", result_name="{name}_{width}") == [12]
    assert lengths(folders, tmp_path / "out", result_name="{name}_{width}") == [4, 4, 4]
    # Results of one would be searched as pictures of the other.
    assert lengths([*folders, Input(tmp_path / "in")], None) == [12]
    # Two that want one name, far from each other.
    picture(tmp_path / "more" / "7.jpg")
    assert lengths([*files, Input(tmp_path / "more" / "7.jpg")], tmp_path / "out", format="png") == [3, 3, 7]


def test_results_are_replaced_in_portions_as_long_as_it_is_clear_whose_they_are(tmp_path: Path, model: str) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    for number in range(9):
        picture(folder / f"{number}.png")
    request = request_of(model, folder, output, format="png")
    made(request)
    for number in range(9):
        picture(folder / f"{number}.png", seed=number + 1)
    request = replace(request, existing="replace")
    parts = list(plans(request, CancelToken(), 3))
    assert [len(part.tasks) for part in parts] == [3, 3, 3]
    assert [task.output.name for part in parts for task in part.tasks] == [f"{number}.png" for number in range(9)]
    # The result of another is in the way, which may be found later, and here is.
    (folder / "4.png").rename(folder / "z.png")
    made(replace(request, existing="skip", inputs=(Input(folder / "z.png"),)))
    (output / "z.png").replace(output / "4.png")
    journal = output / ".srgan" / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"output": "z.png"', '"output": "4.png"'))
    picture(folder / "4.png", seed=77)
    parts = list(plans(request, CancelToken(), 3))
    assert [len(part.tasks) + len(part.done) for part in parts] == [3, 7]
    assert told(joined(parts)) == told(plan(request, CancelToken()))


def test_what_could_change_an_earlier_portion_is_planned_as_a_whole(tmp_path: Path, model: str) -> None:
    for number in range(6):
        picture(tmp_path / "in" / f"{number}.png")
    assert len(list(plans(request_of(model, tmp_path / "in", None, archives="archive"), CancelToken(), 2))) == 1
    # Results among the sources, or a folder of results that has them in it.
    assert len(list(plans(request_of(model, tmp_path / "in", tmp_path / "in"), CancelToken(), 2))) == 1
    assert len(list(plans(request_of(model, tmp_path / "in", tmp_path), CancelToken(), 2))) == 1
    several = UpscaleRequest((Input(tmp_path / "in"), Input(tmp_path / "in" / "0.png")), model=model)
    assert len(list(plans(several, CancelToken(), 2))) == 1
    assert len(list(plans(request_of(model, tmp_path / "in", tmp_path / "in" / "out"), CancelToken(), 2))) == 3


def test_a_batch_in_portions_makes_what_one_in_one_piece_does(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = random.Random(5)
    for number in range(40):
        inner = chosen.choice(["a", "b/c", "d"])
        picture(tmp_path / "in" / inner / f"{number // 2}{chosen.choice(['.png', '.jpg', '.webp'])}", seed=number)
    (tmp_path / "in" / "d" / "no.png").write_text("No picture.")
    (tmp_path / "in" / "d" / "notes.txt").write_text("No picture.")
    whole = run(tmp_path / "in", output=tmp_path / "whole", format="png")
    monkeypatch.setattr(batch, "PlanStream", lambda request, cancel: PlanStream(request, cancel, 3))
    # Nor does it matter that a folder is too large to be sorted in memory.
    monkeypatch.setattr(folder_listing, "RUN", 5)
    parts = run(tmp_path / "in", output=tmp_path / "parts", format="png")
    assert files_in(tmp_path / "parts") == files_in(tmp_path / "whole")
    for name in files_in(tmp_path / "whole"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    [planned] = whole.of(Planned)
    assert planned.complete
    assert parts.of(Planned)[-1] == planned
    assert not parts.of(Planned)[0].complete
    assert len(parts.of(FileSaved)) == len(whole.of(FileSaved)) == planned.files
    assert parts.failed.keys() == whole.failed.keys() == {"no.png"}
    ends = [replace(outcome.of(BatchFinished)[0], seconds=0) for outcome in (whole, parts)]
    assert ends[0] == ends[1]
    # And finds all of it done, whichever way it was made.
    for output in ("parts", "whole"):
        again = run(tmp_path / "in", output=tmp_path / output, format="png")
        assert not again.of(FileSaved)
        assert len(again.of(FileSkipped)) == again.of(BatchFinished)[0].skipped == planned.files


def test_a_batch_in_portions_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, model: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        picture(tmp_path / "in" / str(number % 3) / f"{number}.png", seed=number)
    run(tmp_path / "in", output=tmp_path / "whole")
    monkeypatch.setattr(batch, "PlanStream", lambda request, cancel: PlanStream(request, cancel, 2))
    request = request_of(model, tmp_path / "in", tmp_path / "out")
    saved: list[Path] = []

    def until(count: int) -> None:
        cancel = CancelToken()
        for event in batch.upscale(request, cancel):
            saved.extend([event.output] if isinstance(event, FileSaved) else [])
            if len(saved) >= count:
                cancel.cancel()

    for count in (4, 17):
        with pytest.raises(Cancelled):
            until(count)
    until(99)
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in saved) == files_in(tmp_path / "whole")
    assert files_in(tmp_path / "out") == files_in(tmp_path / "whole")
    for name in files_in(tmp_path / "whole"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_it_is_planned_ahead_of_what_is_taken(tmp_path: Path, model: str) -> None:
    for number in range(30):
        picture(tmp_path / "in" / f"{number}.png")
    with PlanStream(request_of(model, tmp_path / "in", None), CancelToken(), 4) as stream:
        first = stream.take()
        assert first is not None
        list(stream.announced(first))
        while not stream.complete:
            time.sleep(0.01)
        assert stream.news() == Planned(30, 0, 0, 30)
        assert stream.news() is None
        assert stream.pixels == 30 * 48 * 36
        taken = [first]
        while (portion := stream.take()) is not None:
            assert not stream.over or portion.complete
            # What was read of the journal is not read again.
            assert portion.journals is first.journals
            taken.append(portion)
        assert stream.over
    assert joined(taken).tasks == plan(request_of(model, tmp_path / "in", None), CancelToken()).tasks
    assert "plan" not in {thread.name for thread in threading.enumerate()}


def test_whoever_leaves_early_leaves_no_thread(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        picture(tmp_path / "in" / f"{number}.png")
    begun, go_on = threading.Event(), threading.Event()

    def slow(path: Path) -> Any:
        if path.name == "7.png":
            begun.set()
            go_on.wait(60)
        return probe(path)

    monkeypatch.setattr(planning, "probe", slow)
    cancel = CancelToken()
    with PlanStream(request_of(model, tmp_path / "in", None), cancel, 2):
        assert begun.wait(60)
        # Also while the run is paused.
        cancel.pause()
        go_on.set()
    assert "plan" not in {thread.name for thread in threading.enumerate()}
    assert not cancel.cancelled
    cancel.cancel()
    with pytest.raises(Cancelled), PlanStream(request_of(model, tmp_path / "in", None), cancel, 2):
        pytest.fail("It was cancelled before it began.")


def test_what_is_wrong_later_ends_the_wait(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        picture(tmp_path / "in" / f"{number}.png")
    needed = 2 * 48 * 36 * planning.BYTES_PER_PIXEL["png"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: SimpleNamespace(free=int(2 * needed)))
    warnings: list[str] = []

    def take_all() -> None:
        with PlanStream(request_of(model, tmp_path / "in", None), CancelToken(), 2) as stream:
            while (portion := stream.take(CancelToken())) is not None:
                warnings.extend(portion.warnings)

    with pytest.raises(UserError, match="free on the disk"):
        take_all()
