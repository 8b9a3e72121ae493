from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import processor


@pytest.mark.skipif(sys.platform != "linux", reason="threads of one program have priorities on Linux alone")
def test_a_thread_that_yields_leaves_the_others_as_they_are() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    with ThreadPoolExecutor(1, "encode", processor.yield_to_others) as pool:
        assert pool.submit(niceness).result() > before
    assert niceness() == before
