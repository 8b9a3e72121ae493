#!/usr/bin/env bash
# openvino 2026.4.1 (with openvino-telemetry 2025.2.0, which its wheel requires): `import openvino` is not only an import.
#
# It takes silence for consent: it makes a client identifier, keeps it with a count of its uses in ~/intel, hands an event
# to a sender for Google Analytics, and leaves that sender's thread behind. No conversion and no dialogue is needed; on
# the same import in continuous integration (CI=true) it does nothing of this, so tests there never see it:
#
#     openvino imported: openvino_ga_cid, stats; threads beside the main one: 1
#     the same, CI=true: nothing; threads beside the main one: 0
#     openvino imported without openvino_telemetry: nothing; threads beside the main one: 0
#
# One expects a library for running networks to say nothing to anyone. It has a stub for where openvino_telemetry is
# missing, and takes it if that module is None in sys.modules before the first import. The sender's address is made
# unreachable here, so that nothing is sent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder/packages" \
    openvino==2026.4.1 openvino-telemetry==2025.2.0 numpy==2.4.6
unset CI TF_BUILD JENKINS_URL
export PYTHONPATH=$folder/packages https_proxy=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9

seen=""
try() { # what, where, variables for env
    local what=$1 home=$folder/$2
    shift 2
    mkdir "$home"
    local threads
    threads=$(env HOME="$home" "$@" "$python" -c '
import os, sys, threading
if "WITHOUT" in os.environ:
    sys.modules["openvino_telemetry"] = None
import openvino
print(threading.active_count() - 1)')
    local files
    files=$(cd "$home" && find . -type f -printf '%f\n' | sort | paste -sd, | sed 's/,/, /g')
    echo "$what: ${files:-nothing}; threads beside the main one: $threads"
    seen+="${files:-nothing}/$threads "
}
try "openvino imported" plain
try "the same, CI=true" ci CI=true
try "openvino imported without openvino_telemetry" without WITHOUT=1
test "$seen" = "openvino_ga_cid, stats/1 nothing/0 nothing/0 "
