"""What the commands share: Ctrl-C, errors in two lines, JSON lines, and names that no terminal can trip over."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.text import Text

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.jobs import Event
from core.language import gettext as _

_HANG_UP: int | None = getattr(signal, "SIGHUP", None)
"""Windows has no terminal that hangs up."""
_CONSOLE_CLOSED: int | None = getattr(signal, "SIGBREAK", None)
"""What Windows sends when its console is closed; five seconds later it ends the process."""

EXIT_FAILED = 1
EXIT_CANCELLED = 130

Json = Annotated[bool, typer.Option("--json", help=_("Print every event as one line of JSON."))]


def add_command(app: typer.Typer, name: str, command: Callable[..., None]) -> None:
    """Register a command; its help is its docstring, in the language of the program."""
    app.command(name, help=_(inspect.getdoc(command) or ""))(command)


@contextmanager
def running_command() -> Iterator[tuple[CancelToken, Console]]:
    """Run a command: Ctrl-C, SIGTERM and a terminal that is closed cancel, a `UserError` becomes two lines and exit
    code 1; libraries are quiet."""
    with quiet_libraries(), _ending_in_order() as running:
        yield running


@contextmanager
def _ending_in_order() -> Iterator[tuple[CancelToken, Console]]:
    cancel = CancelToken()
    console = Console(file=sys.stdout)
    errors = Console(file=sys.stderr)
    terminals = [stream.fileno() for stream in (sys.stdout, sys.stderr) if stream.isatty()]
    # A signal handler may interrupt the main thread while it holds the token's lock, and would then wait for it
    # forever. A SimpleQueue can be put to at any time, and another thread can wait for it.
    ends: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def cancel_when_ended() -> None:
        if ends.get():
            cancel.cancel()

    listener = threading.Thread(target=cancel_when_ended, name="end", daemon=True)

    def end(number: int, _frame: object) -> None:
        ends.put(True)
        if number == _HANG_UP:
            # Printing to a terminal that is gone would raise, before the run has saved what it did.
            silence = os.open(os.devnull, os.O_WRONLY)
            for stream in terminals:
                os.dup2(silence, stream)
            os.close(silence)

    # Ctrl-C is a reason to end even where a shell script, which starts all its background jobs deaf to it, began this.
    endings: list[int] = [signal.SIGINT, signal.SIGTERM]
    if _CONSOLE_CLOSED is not None:
        endings.append(_CONSOLE_CLOSED)
    # Under nohup a closed terminal is no reason to end.
    if _HANG_UP is not None and signal.getsignal(_HANG_UP) != signal.SIG_IGN:
        endings.append(_HANG_UP)
    listener.start()
    before = {each: signal.signal(each, end) for each in endings}
    try:
        yield cancel, console
    except UserError as error:
        errors.print(plain(error.message), style="red", soft_wrap=True, highlight=False)
        if error.hint:
            errors.print(plain(error.hint), soft_wrap=True, highlight=False)
        raise typer.Exit(EXIT_FAILED) from error
    except Cancelled:
        errors.print(_("Stopped. Saved results are kept."))
        raise typer.Exit(EXIT_CANCELLED) from None
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
        ends.put(False)
        listener.join()


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep standard output and error for this program alone: what libraries in C say of broken files goes nowhere.

    Lines of JSON stay lines of JSON, and a progress bar is not torn.
    """
    streams = (sys.stdout, sys.stderr)
    try:
        numbers = [stream.fileno() for stream in streams]
    except (OSError, ValueError):
        # Not the streams of a process, as in tests.
        yield
        return
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        stream.flush()
    kept = [os.dup(number) for number in numbers]
    own = [
        os.fdopen(os.dup(number), "w", encoding=stream.encoding, errors="replace", buffering=1)
        for number, stream in zip(numbers, streams, strict=True)
    ]
    try:
        for number in numbers:
            os.dup2(silence, number)
        sys.stdout, sys.stderr = own
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for stream, number, before in zip(own, numbers, kept, strict=True):
            stream.close()
            os.dup2(before, number)
            os.close(before)
        os.close(silence)


def plain(value: object) -> Text:
    """A name or message as it is: no markup, and nothing in it that would move a terminal's cursor."""
    text = "".join(character if character.isprintable() or character == "\n" else "�" for character in str(value))
    return Text(text)


def print_json(events: Iterable[Event]) -> None:
    """One line an event: its class as `event`, then its fields."""
    for event in events:
        line = {"event": type(event).__name__, **_plain_values(dataclasses.asdict(event))}
        sys.stdout.write(json.dumps(line, default=str, allow_nan=False) + "\n")
        sys.stdout.flush()


def _plain_values(value: Any) -> Any:
    """Numbers that JSON does not have become null: an infinite PSNR. Pictures become their shape."""
    if isinstance(value, dict):
        return {key: _plain_values(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_values(each) for each in value]
    if isinstance(value, np.ndarray):
        # A picture would fill the terminal.
        return list(value.shape)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
