#!/usr/bin/env bash
# Run the tests with Windows' Python under Wine, then the real window on a virtual screen.
# usage: scripts/windows/test.sh [short | pytest's arguments]    (after setup.sh)
#   short: imports, one picture, one window; minutes. tests/windows.py lists what cannot hold there, and why.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
run() { "$here/run.sh" "$@"; }
# In a process of its own: a time-out ends it on Windows, and so does a crash, and the rest still runs. Without Wine's list
# of drives, which every `os.stat` would ask, in a process that asks another: that takes eight times as long.
pytest() { WINE_WITHOUT=mountmgr.sys run python -m pytest -p no:cacheprovider -p no:randomly --numprocesses "$(nproc)" --timeout 600 -rs "$@"; }

case "${1:-all}" in
    short)
        run python -m core.cli devices
        run bash scripts/windows/window.sh
        ;;
    all)
        # What needs what Windows has no wheel of (ray), or what is built or installed on Linux, is left out here.
        pytest -q tests/core --ignore tests/core/cluster
        pytest -q tests/desktop --ignore tests/desktop/test_xvfb.py
        run bash scripts/windows/window.sh
        ;;
    *) pytest "$@" ;;
esac
