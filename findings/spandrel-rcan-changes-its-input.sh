#!/usr/bin/env bash
# spandrel 0.4.2 (with torch 2.14.1): the forward pass of RCAN multiplies the tensor that it is given by 255, in place.
#
# The result is right, and so is that of every first call. Whoever calls it twice with one tensor (to time it, to compare
# precisions or memory layouts, to average turned copies) compares the enlarged picture with that of one 255 times as
# bright. Inside ImageModelDescriptor it is the same:
#
#     Compact leaves its input alone
#     RCAN: largest value 1.00 before, 255.00 after
#
# One expects a module in eval mode to leave its input alone, as the others in spandrel do. Hand a copy to networks that
# are not your own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    spandrel==0.4.2 torch==2.14.1 torchvision numpy==2.4.6
PYTHONPATH=$folder "$python" - <<'PY'
import torch
from spandrel.architectures.Compact import Compact
from spandrel.architectures.RCAN import RCAN

picture = torch.linspace(0, 1, 3 * 8 * 8).reshape(1, 3, 8, 8)
seen = {}
for name, network in (
    ("Compact", Compact(num_feat=8, num_conv=2)),
    ("RCAN", RCAN(n_resgroups=1, n_resblocks=1, n_feats=8, reduction=2)),
):
    given = picture.clone()
    with torch.no_grad():
        network.eval()(given)
    seen[name] = (picture.max().item(), round(given.max().item(), 2))
    if torch.equal(given, picture):
        print(f"{name} leaves its input alone")
    else:
        print(f"{name}: largest value {seen[name][0]:.2f} before, {seen[name][1]:.2f} after")
assert seen["Compact"] == (1.0, 1.0), seen
assert seen["RCAN"][1] > 200, seen
PY
