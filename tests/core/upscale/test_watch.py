"""What comes into a watched folder is upscaled, once it is there whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.events import BatchFinished, FileFailed, FileSaved, Notice
from core.contract.requests import Input, UpscaleRequest
from core.images import load
from core.upscale import stages
from core.upscale.watch import Arrival, Arrivals, watch
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


def request(tmp_path: Path, **settings: Any) -> UpscaleRequest:
    (tmp_path / "in").mkdir(exist_ok=True)
    model = str(save_small_model(tmp_path / "small.safetensors"))
    return UpscaleRequest((Input(tmp_path / "in"),), model=model, device="cpu", precision="fp32", **settings)


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


def test_what_a_folder_that_went_away_in_a_batch_left_is_done_later(
    tmp_path: Path, cancel: CancelToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, gone = tmp_path / "in", tmp_path / "gone"
    names = [f"{number}.png" for number in range(9)]
    wanted = request(tmp_path)
    for name in names:
        picture(folder / name)
    real = stages.load

    def unplugged(path: Path) -> Any:
        if path.name == "4.png" and folder.exists():
            folder.rename(gone)
        return real(path)

    with monkeypatch.context() as cable:
        cable.setattr(stages, "load", unplugged)
        events = watch(wanted, cancel, EVERY)
        met = until(events, lambda event: isinstance(event, Notice) and "waited for" in event.message)
    saved = [event.source.name for event in met if isinstance(event, FileSaved)]
    assert sorted(saved) == names[:4]
    gone.rename(folder)
    saved += [event.source.name for event in until(events, finished) if isinstance(event, FileSaved)]
    assert sorted(saved) == names


def test_only_the_first_look_takes_what_was_known_for_what_came(tmp_path: Path, cancel: CancelToken) -> None:
    folder = tmp_path / "in"
    known = picture(folder / "a.png")
    arrivals = Arrivals([known])
    known.rename(tmp_path / "a.png")

    def look() -> list[Any]:
        return list(arrivals.look([Input(folder)], True, cancel))

    assert look() == look() == []
    picture(known, seed=1)
    assert look() == []
    assert look() == [Arrival(Input(known, folder), False)]


@pytest.mark.parametrize("names", [("a.png",), ("one", "two")])
def test_only_one_folder_can_be_watched(tmp_path: Path, cancel: CancelToken, names: tuple[str, ...]) -> None:
    picture(tmp_path / "a.png")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    wanted = UpscaleRequest(tuple(Input(tmp_path / name) for name in names))
    with pytest.raises(UserError, match="Only one folder"):
        next(watch(wanted, cancel))
