"""A worker process that does as it is told, without torch: the target of the tests of `Job`."""

import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NoReturn

from core.contract.jobs import Event, JobCancelled, JobDone, Notice, WorkerReady
from core.contract.protocol import NO_JOB, Cancel, Pause, Report, Resume, Shutdown, Submit

KILLED = "ended unexpectedly" if sys.platform == "win32" else "memory"
"""In what is said of a worker that was killed from outside: a signal hints at memory, and Windows has none."""


def serve(connection: Connection) -> None:
    """A request is (name of a function below, its arguments...)."""
    connection.send(Report(NO_JOB, WorkerReady("a script")))
    _serve(connection)


def serve_deafly(connection: Connection) -> None:
    """Ready, and then deaf also to SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection.send(Report(NO_JOB, WorkerReady("a deaf script")))
    time.sleep(600)


def be_ended() -> NoReturn:
    """End as the system ends what takes too much memory."""
    if sys.platform == "win32":
        os._exit(0xC0000017 - 2**32)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def die_at_once(connection: Connection) -> None:
    os._exit(7)


def talk_nonsense(connection: Connection) -> None:
    connection.send_bytes(b"this is no pickle")
    time.sleep(600)


def _serve(connection: Connection) -> None:
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        if isinstance(message, Shutdown):
            return
        if isinstance(message, Submit):
            assert isinstance(message.request, tuple)
            name, *arguments = message.request
            globals()[name](connection, message.job, *arguments)


Tell = Callable[[Event], None]


def play(connection: Connection, do: Callable[[Submit, Connection, Tell], Event]) -> None:
    """Serve requests by a part: what `do` tells of a job, and the event that it returns as the job's last."""
    connection.send(Report(NO_JOB, WorkerReady("a scripted device")))
    try:
        while True:
            message = connection.recv()
            if isinstance(message, Shutdown):
                return
            if isinstance(message, Submit):
                job = message.job

                def tell(event: Event, job: int = job) -> None:
                    connection.send(Report(job, event))

                tell(do(message, connection, tell))
    except EOFError:
        return


def count(connection: Connection, job: int, to: int) -> None:
    for number in range(to):
        connection.send(Report(job, Notice(str(number))))
    connection.send(Report(job, JobDone()))


def measure(connection: Connection, job: int, text: bytes) -> None:
    connection.send(Report(job, Notice(str(len(text)))))
    connection.send(Report(job, JobDone()))


def echo_until_cancelled(connection: Connection, job: int) -> None:
    """Says what it hears."""
    connection.send(Report(job, Notice("listening")))
    while True:
        message = connection.recv()
        if isinstance(message, Cancel) and message.job == job:
            connection.send(Report(job, JobCancelled()))
            return
        if isinstance(message, Pause | Resume):
            connection.send(Report(job, Notice(type(message).__name__)))
        if isinstance(message, Shutdown):
            raise SystemExit


def ignore_everything(connection: Connection, job: int) -> None:
    connection.send(Report(job, Notice("deaf")))
    time.sleep(600)


def die_when_cancelled(connection: Connection, job: int) -> None:
    connection.send(Report(job, Notice("listening")))
    connection.recv()
    be_ended()


def be_killed(connection: Connection, job: int) -> None:
    connection.send(Report(job, Notice("last words")))
    be_ended()


def exit_with(connection: Connection, job: int, code: int) -> None:
    os._exit(code)
