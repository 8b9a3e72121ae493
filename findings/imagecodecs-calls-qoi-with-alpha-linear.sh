#!/usr/bin/env bash
# imagecodecs 2026.3.6: qoi_encode says of every picture with alpha that all its channels are linear.
#
# The last byte of a QOI header is 0 for sRGB with linear alpha and 1 for "all channels linear" (qoiformat.org). The
# samples are the same kind with and without alpha, and there is no argument to say it:
#
#     3 channels: colourspace 0
#     4 channels: colourspace 1
#
# A program that heeds the byte shows what was written with alpha far too bright.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    imagecodecs==2026.3.6 numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import imagecodecs
import numpy

found = {}
for channels in (3, 4):
    encoded = imagecodecs.qoi_encode(numpy.zeros((4, 4, channels), numpy.uint8))
    found[channels] = encoded[13]
    print(f"{channels} channels: colourspace {encoded[13]}")
assert found == {3: 0, 4: 1}, found
PY
