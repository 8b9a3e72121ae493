#!/usr/bin/env bash
# torch 2.14.1 (with safetensors 0.8.0): torch.load looks at the name of a file before its content.
#
# A state dict that torch.save wrote is read under any suffix, but not under .safetensors: torch hands such a path to the
# safetensors library, which refuses it (“header too large”). The same bytes are read from an open file. And the other
# way round, a safetensors file is opened only if it is called so:
#
#     saved by torch, called .pth, by its path: read
#     saved by torch, called .bin, by its path: read
#     saved by torch, called .safetensors, by its path: SafetensorError
#     saved by torch, called .safetensors, as an open file: read
#     safetensors, called .safetensors, by its path: read
#     safetensors, called .bin, by its path: UnpicklingError
#
# One expects the first bytes to decide, as they do between torch's zip and its older pickle. Give it an open file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    torch==2.14.1 safetensors==0.8.0 numpy==2.4.6
cd "$folder"
PYTHONPATH=$folder "$python" - <<'PY'
import torch
from safetensors.torch import save_file

weights = {"a": torch.zeros(3)}
seen = []


def attempt(what, source):
    try:
        torch.load(source, weights_only=True)
        result = "read"
    except Exception as error:
        result = type(error).__name__
    print(f"{what}: {result}")
    seen.append(result)


for suffix in ("pth", "bin", "safetensors"):
    with open(f"saved.{suffix}", "wb") as file:
        torch.save(weights, file)
    attempt(f"saved by torch, called .{suffix}, by its path", f"saved.{suffix}")
with open("saved.safetensors", "rb") as file:
    attempt("saved by torch, called .safetensors, as an open file", file)
for suffix in ("safetensors", "bin"):
    save_file(weights, f"safe.{suffix}")
    attempt(f"safetensors, called .{suffix}, by its path", f"safe.{suffix}")
assert seen == ["read", "read", "SafetensorError", "read", "read", "UnpicklingError"], seen
PY
