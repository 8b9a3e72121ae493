#!/usr/bin/env bash
# Run a program of Windows under Wine, on a virtual screen; what it prints comes when it has ended.
# usage: scripts/windows/run.sh COMMAND...      (after setup.sh)
#   scripts/windows/run.sh python -m core.cli upscale resources/samples -o /tmp/out
# `python` is Windows' Python with this source and Windows' packages; the source is Z:\w\src.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
folder=$(realpath -m "${WINE_FOLDER:-$source/.wine}")
# shellcheck source=scripts/windows/inside.sh
. "$here/inside.sh"
mkdir -p "$folder/output"
out=$(mktemp -p "$folder/output" run.XXXXXX)
status=0
inside bash "$w/src/scripts/windows/session.sh" "$w" "$w/output/$(basename "$out")" "$@" || status=$?
cat "$out"
rm -f "$out"
exit "$status"
