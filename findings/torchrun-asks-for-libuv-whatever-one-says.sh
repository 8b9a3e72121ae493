#!/usr/bin/env bash
# torch 2.14.1: USE_LIBUV=0 reaches what a process group meets by, and not what torchrun itself meets by.
#
# torch's wheels for Windows are built without libuv, and torchrun ends there with “use_libuv was requested but PyTorch was
# built without libuv support, run with USE_LIBUV=0 to disable it”. With USE_LIBUV=0 it ends with the same words: both of
# torchrun's rendezvous make a TCPStore and leave the choice to its default. On Linux, where there is libuv, one can see it:
#
#     USE_LIBUV=0, env://: libuv False
#     USE_LIBUV=0, torchrun's c10d: libuv True
#     USE_LIBUV=0, torchrun's static: libuv True
#
# One expects the remedy that the error names to be one. Start the processes without torchrun, with RANK, WORLD_SIZE,
# MASTER_ADDR and MASTER_PORT set: env:// asks for no libuv on Windows by itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" torch==2.14.1 numpy==2.4.6
cd "$folder"
PYTHONPATH=$folder USE_LIBUV=0 "$python" - <<'PY'
import os
import socket

from torch.distributed import rendezvous
from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import create_backend
from torch.distributed.elastic.rendezvous.static_tcp_rendezvous import create_rdzv_handler


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "RANK": "0", "WORLD_SIZE": "1"}
by_hand, _rank, _count = next(rendezvous("env://"))
_backend, c10d = create_backend(RendezvousParameters("c10d", f"127.0.0.1:{free_port()}", "job", 1, 1, is_host="true"))
static = create_rdzv_handler(RendezvousParameters("static", f"127.0.0.1:{free_port()}", "job", 1, 1, rank=0))
met = static.next_rendezvous()
seen = {
    "env://": by_hand.libuvBackend,
    "torchrun's c10d": c10d.libuvBackend,
    "torchrun's static": met.store.underlying_store.libuvBackend,
}
for name, libuv in seen.items():
    print(f"USE_LIBUV=0, {name}: libuv {libuv}")
assert list(seen.values()) == [False, True, True], seen
PY
