"""What every test gets: the same Hypothesis examples each time, a cache that is no user's, and one thread where
processes share the cores; and what it starts finds this checkout.

Other examples are drawn by `pytest --hypothesis-profile=explore`, which is for looking for what these do not show.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import windows
from tests.homes import places

# `make test` runs a process a core (pytest-xdist), and torch would start as many threads in each of them. Here, before
# anything imports torch, and in the environment, so that the programs that tests start do the same.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Programs that tests start import what the tests do, wherever they lie and stand.
_PATHS = [str(Path(__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, _PATHS)))

# Tests compare texts, and those are English whatever the developer's desktop speaks.
os.environ["SRGAN_LANGUAGE"] = "en"

# Whose cache a developer has decides nothing here. All processes of the tests share one, so that what one of them finds
# out, such as which runtime is fastest, the others need not.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _CACHE = Path(tempfile.mkdtemp(prefix="srgan-tests-"))
    os.environ.update(places(_CACHE, "cache"))
    atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)

# A machine that stands still for a moment is no failure; a test that fails once in many tells nothing of a change.
settings.register_profile("gate", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("gate")


LONGEST = ("tests/scripts/test_bench.py", "tests/core/cluster/", "tests/core/runtimes/test_openvino_network.py")
"""Where the tests are that take longest."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot hold on this system; and where processes share the tests, begin with the longest, so that none
    is left with one of them when the others are done.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    for item in items:
        why = windows.reason(item.nodeid)
        if why is not None:
            item.add_marker(pytest.mark.skip(reason=why))
