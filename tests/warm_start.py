"""Processes that begin with torch imported, as to import it takes longer than what most tests then want of them.

They are forked from a process that has imported it and done nothing else (multiprocessing's "forkserver"), once for all
tests of a process. Whatever a start does on its own, such as what it imports and in which order, is for the tests that
start programs as users do.
"""

from __future__ import annotations

import atexit
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing import reduction
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import IO, Any, cast

import psutil

PRELOADED = ("core.worker", "core.commands.program", "core.upscale.stages", "core.training.trainer", "torch._dynamo")
"""`torch._dynamo` is what the first step of an optimiser imports. No module here may start a thread."""


def available() -> bool:
    """Not where coverage is measured, which begins with a process; nor where there are no such processes, or no safe
    ones. Processes are then started as ever.
    """
    return sys.platform == "linux" and not any(name.startswith("COVERAGE_PROCESS") for name in os.environ)


def context(method: str = "spawn") -> Any:
    """What `multiprocessing.get_context` gives, with processes that begin warm."""
    return _Context(pool_context(method))


def pool_context(method: str = "spawn") -> BaseContext:
    """The same for a pool of processes, whose environment is that of the first of all."""
    if not available():
        return multiprocessing.get_context(method)
    real = multiprocessing.get_context("forkserver")
    real.set_forkserver_preload([*PRELOADED, __name__])
    return real


class _Context:
    """Takes this process's environment along: those that are forked begin with that of whom they are forked from."""

    def __init__(self, real: BaseContext) -> None:
        self._real = real
        self.Pipe = real.Pipe

    def Process(self, *, target: Callable[..., object], args: tuple[object, ...] = (), **more: Any) -> BaseProcess:
        return self._real.Process(target=_begin, args=(dict(os.environ), target, *args), **more)  # type: ignore[attr-defined]


def _begin(environment: Mapping[str, str], target: Callable[..., object], *args: object) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(*args)


def begin() -> None:
    """Have processes begin warm from now on: wait for what others may have no time to wait for."""
    process = context().Process(target=os.getpid)
    process.start()
    process.join()


def is_server(process: psutil.Process) -> bool:
    """Whether it is the one that others are forked from, which lives as long as the tests."""
    # Those that it forks have its command line.
    return process.ppid() == os.getpid() and any("multiprocessing.forkserver" in part for part in process.cmdline())


class Program:
    """What `start_program` gives: as much of `subprocess.Popen` as tests use."""

    def __init__(self, args: list[str], process: BaseProcess, streams: Sequence[IO[str]]) -> None:
        self.args = args
        self._process = process
        self._streams = streams
        self.stdout, self.stderr = streams or (None, None)
        self.pid: int = process.pid or 0

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *error: object) -> None:
        for stream in self._streams:
            stream.close()
        self.wait()

    @property
    def returncode(self) -> int | None:
        """None before its end, and less than 0 where a signal ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def communicate(self) -> tuple[str, str]:
        """All that it writes."""
        said: dict[int, str] = {}

        def read(number: int) -> None:
            said[number] = self._streams[number].read()

        threads = [threading.Thread(target=read, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.wait()
        return said[0], said[1]

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def start_program(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    terminal: int | None = None,
    ignores: Sequence[int] = (),
) -> Program:
    """Start `python -m MODULE ARGUMENTS` with pipes for what it writes, as text.

    Args:
        module: has a function `main`, or an `app`.
        arguments: its command line.
        environment: in place of this process's.
        terminal: what it reads from and writes to in place of pipes, and is hung up by; stays open here.
        ignores: signals.
    """
    environment = dict(os.environ if environment is None else environment)
    command = [sys.executable, "-m", module, *arguments]
    prepare = partial(_prepare, terminal is not None, tuple(ignores)) if terminal is not None or ignores else None
    stream = subprocess.PIPE if terminal is None else terminal
    if not available():
        started = subprocess.Popen(
            command, env=environment, stdin=terminal, stdout=stream, stderr=stream, encoding="utf-8", preexec_fn=prepare
        )
        return cast(Program, started)  # which has all of that
    pipes = [os.pipe(), os.pipe()] if terminal is None else []
    theirs = _Streams([write for _, write in pipes] or [terminal, terminal])
    process = context().Process(target=_become, args=(environment, module, tuple(arguments), theirs, prepare))
    process.start()
    for _, write in pipes:
        os.close(write)
    return Program(command, process, [os.fdopen(read, encoding="utf-8") for read, _ in pipes])


class _Streams:
    """Open files on their way to another process."""

    def __init__(self, numbers: Sequence[int | None]) -> None:
        self.numbers = numbers

    def __reduce__(self) -> tuple[Any, ...]:
        return _taken, tuple(reduction.DupFd(number) for number in self.numbers)


def _taken(*ways: Any) -> _Streams:
    return _Streams([way.detach() for way in ways])


def _prepare(terminal: bool, ignores: Sequence[int]) -> None:
    """What is done between a fork and the program."""
    if terminal:
        import fcntl
        import termios

        os.dup2(1, 0)
        os.setsid()
        # The tests themselves may run under nohup.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        fcntl.ioctl(1, termios.TIOCSCTTY, 0)
    for number in ignores:
        signal.signal(number, signal.SIG_IGN)


def _become(
    environment: Mapping[str, str],
    module: str,
    arguments: Sequence[str],
    streams: _Streams,
    prepare: Callable[[], None] | None,
) -> None:
    """Be the program, from its first line to its end."""
    os.environ.clear()
    os.environ.update(environment)
    for number, own in zip(streams.numbers, (1, 2), strict=True):
        os.dup2(number, own)
        os.close(number)
    # Those of the server are files, which can be sought in.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
    if prepare is not None:
        prepare()
    sys.argv = [module, *arguments]
    found = importlib.import_module(module)
    try:
        (found.main if hasattr(found, "main") else found.app)()
    finally:
        # Which a process that was forked would leave out.
        atexit._run_exitfuncs()
