"""A cluster that cannot be reached, or cannot do the work, is told of in words, before the run and soon."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.cluster.connection import Connection, check_nodes, connected, problem_of
from core.cluster.inspection import inspect
from core.cluster.options import Share
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.upscale.plan import plan
from core.version import VERSION
from tests.core.cluster.conftest import request_for
from tests.core.upscale.conftest import picture

ray = pytest.importorskip("ray", reason="needs the extra srgan-desktop[cluster]")


def test_nothing_but_our_own_words_is_said_of_a_cluster_on_this_machine() -> None:
    code = "from core.cluster.connection import connected\nwith connected('auto') as found: print(found.words)"
    # Not one that another test has started.
    environment = os.environ | {"RAY_ADDRESS": "local"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8", check=True
    )
    assert (done.stdout, done.stderr) == ("No cluster here: working on this machine alone.\n", "")


def refusal_of(address: str) -> str:
    with pytest.raises(UserError) as refused, connected(address):
        pass
    return str(refused.value)


@contextmanager
def server(answer: bytes | None) -> Iterator[str]:
    """Something else that listens: it gives an answer, or none and no end."""
    ended = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                if answer is None:
                    ended.wait()
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


def test_an_address_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    words = refusal_of(address)
    assert address in words
    assert "ray start --head" in words
    monkeypatch.setenv("RAY_ADDRESS", address)
    # It is the machine itself by its other name.
    assert address.removeprefix("127.0.0.1") in refusal_of("auto")


def test_an_address_where_something_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(b"HTTP/1.0 400 Bad Request\r\n\r\n") as address:
        assert "not a Ray cluster" in refusal_of(address)
    monkeypatch.setattr("core.cluster.connection.ANSWER_SECONDS", 0.2)
    with server(None) as address:
        assert "timed out" in refusal_of(address)


@pytest.mark.parametrize("address", ["", "head", "head:", ":6379", "head:port", "head:0", "head:70000", "h\0:1"])
def test_what_is_no_address(address: str) -> None:
    assert "address" in refusal_of(address)


def test_an_address_for_clients_is_refused() -> None:
    assert "6379" in refusal_of("ray://head:10001")


def test_a_host_that_there_is_not() -> None:
    assert "nowhere.invalid:6379" in refusal_of("nowhere.invalid:6379")


def test_a_machine_that_is_too_busy_to_start_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_address: str, **_options: object) -> None:
        # As Ray 2.60 does after half a minute; how long that is cannot be set.
        raise Exception("The current node timed out during startup.")

    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setattr(ray, "init", late)
    # Other tests may share a cluster, which is neither to be found nor to be left.
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    assert "No cluster could be started on this machine: The current node timed out" in refusal_of("auto")


def test_machines_that_can_do_the_work_are_asked_and_leave_no_trace(tmp_path: Path, model: str, joined: str) -> None:
    picture(tmp_path / "in" / "a.png")
    request = request_for(model, tmp_path / "out", tmp_path / "in")
    settled = plan(request, CancelToken())
    with connected(joined) as connection:
        assert len(connection.nodes()) == 2
        check_nodes(connection, Share(1), request, settled)
        assert list((tmp_path / "out").iterdir()) == []
        # The one who asks has another model of this name, or another version that computes otherwise.
        settled = type(settled)(settled.tasks, (), (), "another fingerprint")
        with pytest.raises(UserError) as refused:
            check_nodes(connection, Share(1), request, settled)
    assert refused.value.message.count("its model of this name, or its build") == 2


def test_a_machine_that_died_a_moment_ago_is_no_reason_to_refuse(
    tmp_path: Path, model: str, joined: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "in" / "a.png")
    request = request_for(model, tmp_path / "out", tmp_path / "in")
    with connected(joined) as connection:
        # Ray lists it for some seconds more.
        there = connection.nodes()
        dead = replace(there[0], key="ab" * (len(there[0].key) // 2))
        monkeypatch.setattr(Connection, "nodes", lambda _self: [*there, dead])
        check_nodes(connection, Share(1), request, plan(request, CancelToken()))


def test_what_a_machine_may_lack_is_said_by_name(tmp_path: Path, model: str) -> None:
    source = picture(tmp_path / "in" / "a.png")
    request = request_for(model, tmp_path / "out", tmp_path / "in")
    fingerprint = plan(request, CancelToken()).fingerprint
    (tmp_path / "out").mkdir()
    mark = (tmp_path / "out" / ".srgan-x.part", "content")
    size = source.stat().st_size
    sound = inspect(request, [mark], [(source, size)])
    assert problem_of(sound, [mark], fingerprint) == ""
    nowhere = tmp_path / "nowhere" / ".srgan-x.part"
    for found, words in (
        (inspect(request, [(nowhere, "content")], []), f"cannot write into “{tmp_path / 'nowhere'}”"),
        (inspect(request, [mark], [(tmp_path / "in" / "b.png", 5)]), "does not see"),
        (inspect(request, [mark], [(source, size + 1)]), "does not see"),
        (inspect(request_for("none", None), [mark], []), "There is no model “none”"),
        (sound | {"version": "0.0.1"}, f"0.0.1 is there, and {VERSION} here"),
        (sound | {"torch": False}, "torch is not installed"),
        ({"missing": "core"}, "SRGAN Desktop is not installed"),
        ({"missing": "core.cluster"}, "“core.cluster” is missing"),
        ({"silent": "it has not answered."}, "has not answered"),
    ):
        assert words in problem_of(found, [mark], fingerprint)
    # It has a folder of that name, and this machine does not see what it wrote there.
    assert "is not the one of this machine" in problem_of(sound, [(nowhere, "content")], fingerprint)
    assert "is not the one of this machine" in problem_of(sound, [(mark[0], "another")], fingerprint)


def test_a_cluster_of_another_version_is_refused_by_both_numbers(cluster: Any) -> None:
    # Two versions of Ray cannot be installed at once: this one says that it is another.
    program = f"""
import ray
ray.__version__ = "2.9.9"
from core.cluster.connection import UserError, connected
try:
    with connected({cluster.address!r}):
        print("joined")
except UserError as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout
    assert f"Ray: {ray.__version__}" in said
    assert "Ray: 2.9.9" in said
    assert cluster.address in said


def test_a_process_works_on_the_cluster_that_it_has_joined_alone(joined: str) -> None:
    with connected(joined) as connection:
        assert joined in connection.words
        assert connection.answers()
    # Another cluster, by what answers there.
    with server(b"\0\0\0\4\0\0\0\0\0") as address:
        assert f"another cluster, at {joined}" in refusal_of(address)
    assert ray.is_initialized()


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "srgan-desktop[cluster]" in refusal_of("auto")
