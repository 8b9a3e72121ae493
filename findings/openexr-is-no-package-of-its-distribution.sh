#!/usr/bin/env bash
# OpenEXR 3.5.3 and Python 3.11's importlib.metadata: the module that one imports belongs to no distribution.
#
# packages_distributions() is to tell which installed distributions a module comes from. Where a wheel has no
# top_level.txt, Python 3.11 looks at its .py files alone. OpenEXR's module is a compiled one in no folder, so that the map
# has the Imath.py beside it, and not OpenEXR:
#
#     Python 3.11: OpenEXR is of [], Imath of ['OpenEXR']
#     Python 3.12 and later: OpenEXR is of ['OpenEXR'], Imath of ['OpenEXR']
#
# One expects every import that works to be in it, and builds lists of licences and of what is missing on that. Read RECORD
# instead, with inspect.getmodulename.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" \
    OpenEXR==3.5.3
cd "$folder"
PYTHONPATH=$folder "$python" - <<'PY'
import importlib.util
import sys
from importlib.metadata import packages_distributions

assert importlib.util.find_spec("OpenEXR") is not None
owners = packages_distributions()
seen = owners.get("OpenEXR", []), owners.get("Imath", [])
print(f"Python {sys.version_info.major}.{sys.version_info.minor}: OpenEXR is of {seen[0]}, Imath of {seen[1]}")
expected = [] if sys.version_info < (3, 12) else ["OpenEXR"]
assert sorted(set(seen[0])) == expected and sorted(set(seen[1])) == ["OpenEXR"], seen
PY
