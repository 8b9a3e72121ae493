"""What all commands share."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest
import typer

from core.commands.console import EXIT_CANCELLED, running_command


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_while_the_token_is_asked_locks_nothing_up(number: int) -> None:
    """A handler runs in the middle of whatever the main thread does, also where that holds the token's own lock."""

    def work() -> None:
        with running_command() as (cancel, _console):
            # Not before its handler is there: the signal would end the tests.
            timers.append(threading.Timer(0.02, signal.raise_signal, (number,)))
            timers[-1].start()
            while True:
                cancel.check()

    timers: list[threading.Timer] = []
    for _ in range(20):
        with pytest.raises(typer.Exit) as ended:
            work()
        timers[-1].join()
        assert ended.value.exit_code == EXIT_CANCELLED
    assert not [thread for thread in threading.enumerate() if thread.name == "end"]


def test_what_libraries_in_c_write_does_not_come_among_our_lines(capfd: pytest.CaptureFixture[str]) -> None:
    code = (
        "import os, sys\n"
        "from core.commands.console import quiet_libraries\n"
        "with quiet_libraries():\n"
        "    print('one line')\n"
        "    os.write(1, b'said by a decoder\\n')\n"
        "    os.write(2, b'said by another\\n')\n"
        "    print('an error', file=sys.stderr)\n"
        "os.write(1, b'afterwards\\n')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    out, err = capfd.readouterr()
    assert (out.split(), err.split()) == (["one", "line", "afterwards"], ["an", "error"])
