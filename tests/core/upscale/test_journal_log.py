"""Lines of a journal in a store: none is lost, however the objects that hold them are put together."""

from __future__ import annotations

import json
import os
import socket
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


def write(own: StorePath, numbers: range) -> None:
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
