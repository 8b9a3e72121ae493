#!/usr/bin/env bash
# aiohttp 3.14.5: `sock_read` limits no wait for "100 Continue", so an upload of s3fs to a server that is there and says
# nothing does not end.
#
# Guessed: a request whose server says nothing for longer than `sock_read` ends with SocketTimeoutError, with
# `expect100=True` too. Seen, with sock_read 1 s, after 5 s:
#
#     PUT: SocketTimeoutError after 1 s
#     PUT that asks for leave first (Expect: 100-continue): still waiting
#
# botocore puts that header on every upload to S3, and aiobotocore hands it on: `read_timeout` does not end such a wait
# (botocore itself, without aiohttp, sends the body after a second). What does is a limit of all that is asked, such as
# `timeout=` of fsspec's methods.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" aiohttp==3.14.5
PYTHONPATH=$folder "$python" - <<'PY'
import asyncio

import aiohttp


async def say_nothing(reader, writer):
    while await reader.read(1024):
        pass
    writer.close()


async def ask(port, **options):
    limit = aiohttp.ClientTimeout(total=None, sock_connect=1, sock_read=1)
    async with aiohttp.ClientSession(timeout=limit) as session:
        try:
            await asyncio.wait_for(session.put(f"http://127.0.0.1:{port}/key", data=b"x" * 1000, **options), 5)
        except aiohttp.SocketTimeoutError:
            return "SocketTimeoutError after 1 s"
        except asyncio.TimeoutError:
            return "still waiting"


async def main():
    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    plain, asking = await ask(port), await ask(port, expect100=True)
    print(f"PUT: {plain}")
    print(f"PUT that asks for leave first (Expect: 100-continue): {asking}")
    assert (plain, asking) == ("SocketTimeoutError after 1 s", "still waiting")
    server.close()


asyncio.run(main())
PY
