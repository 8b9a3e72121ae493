"""What waits in a temporary file comes back as it was."""

from __future__ import annotations

import errno
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.contract.errors import UserError
from core.upscale.spool import Spool


def test_things_come_back_in_any_order_from_any_thread() -> None:
    kept = Spool()
    places = {number: kept.put([number, "\udcff" * number]) for number in range(200)}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(kept.get, reversed(places.values())))
    assert found == [[number, "\udcff" * number] for number in reversed(range(200))]
    kept.close()


def test_a_full_disk_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def seek(self, at: int) -> None:
            assert at == 0

        def write(self, content: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/small")
    with pytest.raises(UserError, match="The disk of “/small” is full") as refused:
        Spool().put("all")
    assert "set TMPDIR" in refused.value.hint
