"""Lines of a journal in a store: none is lost, however the objects that hold them are put together."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from core.contract.errors import UserError
from core.stores import StorePath, given
from core.upscale import journal_log
from core.upscale.journal_log import log_of, parts_of


@pytest.fixture
def own(request: pytest.FixtureRequest) -> StorePath:
    """A folder `.srgan` of its own for each test, in a store of this process."""
    path = given(Path(f"memory://shelf/{request.node.name}/.srgan"))
    assert isinstance(path, StorePath)
    return path


def text(number: int) -> bytes:
    return f"{number:05} {'x' * 500}\n".encode()


def objects(own: StorePath) -> list[str]:
    return [path.name for path in (own / "journal").iterdir()]


def write(own: Path, numbers: range) -> None:
    log = log_of(own)
    log.lock()
    for number in numbers:
        log.append(text(number))
        log.settle()
    log.unlock()


def test_lines_come_back_in_their_order_run_after_run(own: StorePath) -> None:
    assert not log_of(own).is_there()
    write(own, range(50))
    write(own, range(50, 60))
    assert log_of(own).is_there()
    assert list(log_of(own).lines()) == [text(number) for number in range(60)]


def test_a_journal_that_was_copied_from_a_disk_comes_first(own: StorePath) -> None:
    (own / "journal.jsonl").write_bytes(text(0) + text(1))
    write(own, range(2, 4))
    assert list(log_of(own).lines()) == [text(number) for number in range(4)]


def test_many_small_objects_become_few(own: StorePath, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_log, "MERGED", 4)
    write(own, range(400))
    assert len(objects(own)) < 8
    for start in range(400, 410):
        write(own, range(start, start + 1))
    assert len(objects(own)) < 12
    assert list(log_of(own).lines()) == [text(number) for number in range(410)]


def test_a_run_that_was_killed_while_it_put_objects_together_lost_nothing(
    own: StorePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_log, "MERGED", 4)
    for start in range(3):
        write(own, range(start, start + 1))
    with monkeypatch.context() as killed:

        def die(_path: StorePath, missing_ok: bool = False) -> None:
            raise KeyboardInterrupt

        write(own, range(3, 4))
        killed.setattr(StorePath, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            log_of(own).lock()
    seen = [text(number) for number in range(4)]
    assert list(log_of(own).lines()) == [*seen, *seen]
    (own / "lock").unlink()
    write(own, range(4, 5))
    assert list(log_of(own).lines())[-1] == text(4)


def test_results_without_a_name_go_when_the_next_run_begins(own: StorePath) -> None:
    left = parts_of(own.parent) / ".srgan-left.png.part"
    kept = parts_of(own.parent) / "left.part"
    left.write_bytes(b"half")
    kept.write_bytes(b"half")
    write(own, range(1))
    assert not left.exists()
    assert not kept.exists()


def lock(host: str, process: int, until: float = 4e9) -> bytes:
    return json.dumps({"host": host, "process": process, "mark": "another's", "until": until}).encode()


def test_a_lock_holds_as_long_as_somebody_lives_who_has_it(own: StorePath) -> None:
    log = log_of(own)
    log.lock()
    with pytest.raises(UserError, match="Another run on"):
        log_of(own).lock()
    log.unlock()
    assert not (own / "lock").exists()
    for dead in (lock(socket.gethostname(), os.getpid()), lock("another", 1, until=1.0), b"nonsense", b"[]"):
        (own / "lock").write_bytes(dead)
        write(own, range(1))
    for alive in (lock(socket.gethostname(), os.getppid()), lock("another", 1)):
        (own / "lock").write_bytes(alive)
        with pytest.raises(UserError, match="is writing into “memory://shelf/"):
            log_of(own).lock()


@pytest.mark.parametrize("place", ["disk", "open on a disk", "store"])
def test_lines_are_read_again_by_their_place_and_left_out_for_good(
    own: StorePath, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "open on a disk":
        monkeypatch.setattr(journal_log, "COPY_BYTES", 0)
        if sys.platform == "win32":
            pytest.skip("a file that somebody reads stays as it is there")
    here: Path = own if place == "store" else tmp_path / ".srgan"
    here.mkdir(parents=True, exist_ok=True)
    write(here, range(100))
    reader, writer = log_of(here), log_of(here)
    writer.lock()
    places: dict[int, int] = {}
    at = 0
    for number, line in enumerate(writer.lines()):
        places[number] = at
        at += len(line)
    assert [*reader.lines()] == [text(number) for number in range(100)]
    assert all(writer.read(places[number]) == text(number) for number in (0, 57, 99, 3))
    writer.rewrite(lambda at, line: at != places[int(line[:5])] or int(line[:5]) % 3 == 0)
    kept = [text(number) for number in range(0, 100, 3)]
    assert [*writer.lines()] == kept
    added = writer.append(text(100))
    writer.settle()
    assert writer.read(added) == text(100)
    # Who read it before still finds what was there then.
    assert reader.read(places[98]) == text(98)
    assert reader.has_changed()
    assert [*reader.lines()] == [*kept, text(100)]
    writer.unlock()


def test_a_log_on_a_disk_knows_whether_it_was_written_to(tmp_path: Path) -> None:
    own = tmp_path / ".srgan"
    own.mkdir()
    log = log_of(own)
    assert [*log.lines()] == []
    assert not log.has_changed()
    write(own, range(1))
    assert log.has_changed()
    assert [*log.lines()] == [text(0)]
    assert not log.has_changed()
    (own / "journal.jsonl").unlink()
    assert log.has_changed()
