#!/usr/bin/env bash
# torch 2.14.1: what torchrun --max-restarts starts again cannot form a process group.
#
# The agent keeps one TCPStore for all attempts (since the rendezvous shares its store), and init_process_group no longer
# puts the number of the attempt before its keys: “we create a new TCPStore for every retry”, says its code, which is not
# so. A process that starts a moment before the other reads the address that a dead one left there:
#
#     attempt 0: rank 0 met, rank 1 met
#     attempt 1: Gloo connectFullMesh failed
#     attempt 1, with a store of its own: rank 0 met, rank 1 met
#
# One expects --max-restarts to work as documented. Hand init_process_group a PrefixStore that is new for each attempt;
# TORCHELASTIC_RESTART_COUNT is no name for it where there are several machines, as each counts its own failures. Or set
# TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for torchrun.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" torch==2.14.1 numpy==2.4.6
cat > "$folder/meet.py" <<'PY'
import os
import sys
import time
from datetime import timedelta

from torch import distributed as dist

attempt = os.environ["TORCHELASTIC_RESTART_COUNT"]
store, rank, count = next(dist.rendezvous("env://"))
if sys.argv[1] == "own":
    store = dist.PrefixStore(attempt, store)
if (attempt, rank) == ("1", 0):
    store.set("begun", "")
elif attempt == "1":
    store.wait(["begun"])
    time.sleep(3)  # who comes late is taken for where the dead one was
dist.init_process_group("gloo", store=store, rank=rank, world_size=count, timeout=timedelta(seconds=20))
dist.barrier()
print(f"attempt {attempt}: rank {rank} met", flush=True)
if attempt == "0":
    os._exit(1)
dist.destroy_process_group()
PY
for store in shared own; do
    echo "$store store:"
    PYTHONPATH=$folder "$python" -m torch.distributed.run --standalone --nproc-per-node=2 --max-restarts=1 \
        "$folder/meet.py" "$store" > "$folder/$store" 2>&1 && ended=well || ended=badly
    grep -oE "^attempt.*|RuntimeError: Gloo connectFullMesh failed" "$folder/$store" | sort -u
    if [ "$store" = shared ]; then test "$ended" = badly; else test "$ended" = well; fi
done
