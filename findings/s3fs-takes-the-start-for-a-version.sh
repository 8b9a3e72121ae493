#!/usr/bin/env bash
# s3fs 2026.9.0 (with fsspec 2026.9.0, on moto 5.2.5): the first bytes of an object, asked for by place, are all of it.
#
# fsspec's `cat_file(path, start, end)` is `cat_file(path, version_id, start, end)` in s3fs. So a start of 0 is taken for
# “no version” and the end for the start; nothing is raised. On fsspec's own memory file system, and on s3fs by name:
#
#     memory, cat_file(path, 0, 1000): 1000 bytes
#     s3, cat_file(path, 0, 1000): 9000 bytes, from 1000 on
#     s3, cat_file(path, start=0, end=1000): 1000 bytes
#
# One expects a file system of fsspec to take fsspec's arguments in fsspec's order. Name them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    s3fs==2026.9.0 fsspec==2026.9.0 "moto[s3,server]==5.2.5"
PYTHONPATH=$folder AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_DEFAULT_REGION=us-east-1 "$python" - <<'PY'
import fsspec
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
content = bytes(range(256)) * 40
content = content[:10_000]
s3 = fsspec.filesystem("s3", endpoint_url=f"http://{host}:{port}", use_listings_cache=False)
s3.mkdir("bucket")
memory = fsspec.filesystem("memory")
seen = []
for name, files, named in (("memory", memory, False), ("s3", s3, False), ("s3", s3, True)):
    files.pipe_file("bucket/object", content)
    found = files.cat_file("bucket/object", start=0, end=1000) if named else files.cat_file("bucket/object", 0, 1000)
    at = content.index(found) if len(found) > 256 else 0
    how = "start=0, end=1000" if named else "0, 1000"
    print(f"{name}, cat_file(path, {how}): {len(found)} bytes" + (f", from {10_000 - len(found)} on" if len(found) > 1000 else ""))
    seen.append(len(found))
server.stop()
assert seen == [1000, 9000, 1000], seen
PY
