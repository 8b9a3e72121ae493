from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("openvino")

USE = """
import threading
from core.runtimes.openvino_package import openvino
assert openvino().Core().available_devices
import openvino
assert not [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
"""


def test_openvino_tells_nobody_and_writes_no_identifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own import does both, and leaves a thread; where it takes itself to be in CI it does nothing, however."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("CI", "JENKINS_URL", "TF_BUILD", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    ran = subprocess.run([sys.executable, "-c", USE], capture_output=True, encoding="utf-8", timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    assert list(home.iterdir()) == []
