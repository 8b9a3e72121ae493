"""A token that is paused, and what counts as work meanwhile."""

from __future__ import annotations

import threading
import time

import pytest

from core.contract.cancel import Cancelled, CancelToken


def test_its_clock_stands_still_in_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    token = CancelToken()
    begun = token.clock()
    now[0] += 5
    token.pause()
    now[0] += 100
    assert token.clock() - begun == 5
    # A second press is no second pause.
    token.pause()
    now[0] += 100
    token.resume()
    token.resume()
    now[0] += 2
    assert token.clock() - begun == 7
    token.pause()
    now[0] += 50
    token.cancel()
    now[0] += 1
    assert token.clock() - begun == 8
    token.pause()
    now[0] += 1
    assert token.clock() - begun == 9
    assert not token.paused


def test_threads_that_wait_together_wait_for_one_pause() -> None:
    token = CancelToken()
    token.pause()
    before = token.clock()
    threads = [threading.Thread(target=token.check) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert token.clock() == before
    assert all(thread.is_alive() for thread in threads)
    token.resume()
    for thread in threads:
        thread.join(60)
    assert token.clock() >= before
    assert not any(thread.is_alive() for thread in threads)


def test_a_paused_token_that_is_cancelled_raises() -> None:
    token = CancelToken()
    token.pause()
    token.cancel()
    with pytest.raises(Cancelled):
        token.check()
