#!/usr/bin/env bash
# Run a Linux program where Wine is, in a folder of this source.
# usage: scripts/windows/linux.sh FOLDER COMMAND...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
folder=$(realpath -m "${WINE_FOLDER:-$source/.wine}")
# shellcheck source=scripts/windows/inside.sh
. "$here/inside.sh"
place=$(realpath --relative-to="$source" "$1")
shift
inside env -C "$w/src/$place" "$@"
