"""What comes into a watched folder is upscaled, once it is there whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.jobs import Notice
from core.contract.upscale import (
    BatchFinished,
    BatchInterrupted,
    BatchStarted,
    FileFailed,
    FileSaved,
    Input,
    UpscaleRequest,
    WatchRequest,
)
from core.hashing import stamp_of
from core.images import load
from core.upscale import scan, stages
from core.upscale.folder_listing import FolderListing
from core.upscale.picture import upscale_picture
from core.upscale.watch import Arrivals, watch
from tests.core.networks import save_small_model
from tests.core.upscale.conftest import picture

EVERY = 0.05


@pytest.fixture
def cancel() -> Iterator[CancelToken]:
    token = CancelToken()
    # A watch that never tells what is waited for would hold the tests up.
    timer = threading.Timer(60, token.cancel)
    timer.start()
    yield token
    timer.cancel()


def request(tmp_path: Path, *folders: str, inputs: tuple[Input, ...] = (), **settings: Any) -> WatchRequest:
    places = tuple(tmp_path / name for name in folders or ("in",))
    for place in places:
        place.mkdir(exist_ok=True)
    model = str(save_small_model(tmp_path / "small.safetensors"))
    batch = UpscaleRequest(inputs, model=model, device="cpu", precision="fp32", **settings)
    return WatchRequest(batch, places)


def until(events: Iterator[Any], wanted: Callable[[Any], bool]) -> list[Any]:
    met = []
    for event in events:
        met.append(event)
        if wanted(event):
            return met
    raise AssertionError


def finished(event: Any) -> bool:
    return isinstance(event, BatchFinished)


def test_what_is_there_and_what_comes_later_is_done(tmp_path: Path, cancel: CancelToken) -> None:
    events = watch(request(tmp_path), cancel, EVERY)
    assert isinstance(next(events), Notice)
    picture(tmp_path / "in" / "a.png")
    first = until(events, finished)
    assert [e.output for e in first if isinstance(e, FileSaved)] == [tmp_path / "in_4x" / "a.png"]
    picture(tmp_path / "in" / "deep" / "b.png", seed=1)
    second = until(events, finished)
    assert [e.output for e in second if isinstance(e, FileSaved)] == [tmp_path / "in_4x" / "deep" / "b.png"]
    # Changed: made anew, under a name of its own.
    picture(tmp_path / "in" / "a.png", seed=2)
    third = until(events, finished)
    assert [e.output for e in third if isinstance(e, FileSaved)] == [tmp_path / "in_4x" / "a (2).png"]
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(events)


def test_a_picture_on_its_way_is_waited_for(
    tmp_path: Path, cancel: CancelToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = picture(tmp_path / "whole.png", 64, 64).read_bytes()
    coming = tmp_path / "in" / "a.png"
    wanted = request(tmp_path)
    parts = [whole[place : place + 1 + len(whole) // 8] for place in range(0, len(whole), 1 + len(whole) // 8)]
    looks = 0

    def a_little_more(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        cancel.check()
        if parts:
            with coming.open("ab") as file:
                file.write(parts.pop(0))

    monkeypatch.setattr(cancel, "sleep", a_little_more)
    met = until(watch(wanted, cancel, EVERY), finished)
    assert looks >= 8
    assert [type(e) for e in met if isinstance(e, FileSaved | FileFailed)] == [FileSaved]
    assert load(tmp_path / "in_4x" / "a.png").width == 256


def test_a_broken_picture_is_told_once_and_taken_again_when_mended(tmp_path: Path, cancel: CancelToken) -> None:
    events = watch(request(tmp_path, existing="number"), cancel, EVERY)
    next(events)
    (tmp_path / "in" / "a.png").write_bytes(b"nothing")
    picture(tmp_path / "in" / "b.png")
    first = until(events, finished)
    assert [type(e) for e in first if isinstance(e, FileSaved | FileFailed)] == [FileFailed, FileSaved]
    picture(tmp_path / "in" / "a.png")
    second = until(events, finished)
    assert [e.source.name for e in second if isinstance(e, FileSaved | FileFailed)] == ["a.png"]


def test_results_in_the_folder_itself_are_not_taken_for_newcomers(tmp_path: Path, cancel: CancelToken) -> None:
    events = watch(request(tmp_path, output=tmp_path / "in"), cancel, EVERY)
    next(events)
    picture(tmp_path / "in" / "a.png")
    assert [e.output.name for e in until(events, finished) if isinstance(e, FileSaved)] == ["a_4x.png"]
    picture(tmp_path / "in" / "b.png")
    assert [e.output.name for e in until(events, finished) if isinstance(e, FileSaved)] == ["b_4x.png"]


def test_a_folder_that_went_away_is_waited_for(tmp_path: Path, cancel: CancelToken) -> None:
    events = watch(request(tmp_path), cancel, EVERY)
    next(events)
    picture(tmp_path / "in" / "a.png")
    until(events, finished)
    (tmp_path / "in").rename(tmp_path / "gone")

    def bring_back() -> None:
        picture(tmp_path / "gone" / "b.png", seed=1)
        (tmp_path / "gone").rename(tmp_path / "in")

    threading.Timer(6 * EVERY, bring_back).start()
    assert [e.source.name for e in until(events, finished) if isinstance(e, FileSaved)] == ["b.png"]


def test_a_folder_that_cannot_be_searched_is_told_once_it_stays_so(
    tmp_path: Path, cancel: CancelToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = request(tmp_path)
    locked = tmp_path / "in" / "locked"
    locked.mkdir()
    list_folder, refused = FolderListing, iter([True, False, True, True, True, False, True, True, False])

    def listing(folder: Path, *rest: Any) -> Any:
        if folder.name == "locked" and next(refused):
            raise PermissionError(13, "Permission denied", str(folder))
        return list_folder(folder, *rest)

    monkeypatch.setattr(scan, "FolderListing", listing)
    events = watch(wanted, cancel, 0)
    # A folder that is renamed while it is looked into is refused once; this one is locked twice, and set free between.
    told = [until(events, lambda event: isinstance(event, FileFailed))[-1].source for _ in range(2)]
    assert told == [locked, locked]
    assert list(refused) == [False]


def test_what_a_folder_that_went_away_in_a_batch_left_is_done_later(
    tmp_path: Path, cancel: CancelToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, gone = tmp_path / "in", tmp_path / "gone"
    names = [f"{number}.png" for number in range(9)]
    wanted = request(tmp_path)
    for name in names:
        picture(folder / name)
    real = load

    def unplugged(path: Path, *how: Any, **more: Any) -> Any:
        if path.name == "4.png" and folder.exists():
            folder.rename(gone)
        return real(path, *how, **more)

    with monkeypatch.context() as cable:
        cable.setattr(stages, "load", unplugged)
        events = watch(wanted, cancel, EVERY)
        met = until(events, lambda event: isinstance(event, BatchInterrupted))
    saved = [event.source.name for event in met if isinstance(event, FileSaved)]
    assert sorted(saved) == names[:4]
    gone.rename(folder)
    saved += [event.source.name for event in until(events, finished) if isinstance(event, FileSaved)]
    assert sorted(saved) == names


def test_what_is_known_does_not_come_while_it_stays_as_it_is(tmp_path: Path, cancel: CancelToken) -> None:
    folder = tmp_path / "in"
    a, b, c, d = (picture(folder / f"{name}.png") for name in "abcd")
    away = picture(folder / "e.png")
    arrivals = Arrivals([folder], True)
    arrivals.mark_known({a: None, b: stamp_of(b), c: (1, 1), away: None})
    away.rename(tmp_path / "e.png")

    def look() -> list[Path]:
        return [each.path for each, _stamp in arrivals.look(cancel)]

    assert look() == []
    # Known by another stamp, and not known at all.
    assert look() == [c, d]
    picture(a, seed=1, width=20)
    picture(away, seed=1)
    arrivals.forget([b])
    assert look() == [b]
    assert look() == [a, away]
    assert look() == []


def test_a_batch_comes_first_and_what_changes_meanwhile_is_done_again(
    tmp_path: Path, cancel: CancelToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = picture(tmp_path / "in" / "a.png")
    loose = picture(tmp_path / "loose.png")
    real = upscale_picture
    changed = False

    def meanwhile(*args: Any) -> Any:
        nonlocal changed
        if not changed:
            changed = True
            picture(first, 20, 20, seed=5)
        return real(*args)

    monkeypatch.setattr(stages, "upscale_picture", meanwhile)
    inputs = (Input(first, tmp_path / "in"), Input(loose))
    events = watch(request(tmp_path, inputs=inputs), cancel, EVERY)
    met = until(events, finished)
    arrived = next(event for event in met if isinstance(event, BatchStarted))
    assert [each for each, _stamp in arrived.pictures] == list(inputs)
    assert len([event for event in met if isinstance(event, FileSaved)]) == 2
    again = until(events, finished)
    assert [event.source for event in again if isinstance(event, FileSaved)] == [first]


def test_every_batch_lays_the_results_of_several_folders_out_alike(tmp_path: Path, cancel: CancelToken) -> None:
    out = tmp_path / "a"
    events = watch(request(tmp_path, "a", "b", output=out), cancel, EVERY)
    next(events)
    picture(tmp_path / "b" / "1.png")
    assert [e.output for e in until(events, finished) if isinstance(e, FileSaved)] == [out / "b" / "1.png"]
    # Its own result lies in the other watched folder, and is no newcomer there.
    picture(tmp_path / "b" / "2.png")
    assert [e.output for e in until(events, finished) if isinstance(e, FileSaved)] == [out / "b" / "2.png"]


def test_a_folder_is_asked_for(cancel: CancelToken) -> None:
    with pytest.raises(UserError, match="No folder"):
        next(watch(WatchRequest(UpscaleRequest(()), ()), cancel))
