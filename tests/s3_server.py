"""A real S3 server on this machine, moto's, that can be told to fail."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

BUCKET = "pictures"
SECRET = "neverToBeSeenInAnyMessage"


def set_environment(port: int) -> None:
    """Lead what speaks S3 in this process, and in those that it starts, to this port."""
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # A connection that the server cuts off is given up soon, in the workers of a cluster too.
        "FSSPEC_S3": '{"config_kwargs": {"read_timeout": 5}}',
    }


Fault = Callable[[str, str], int | None]
"""What to answer to a method and a path in place of what was asked for: a status, 0 to cut the answer off, or None."""


class S3Server:
    """Serves from the start, with one empty bucket."""

    def __init__(self, port: int) -> None:
        import botocore.session
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

        self.answers = threading.Event()
        """While it is cleared, nothing is said to whoever asks, not even that a body may be sent."""
        self.answers.set()
        answers = self.answers

        class Quiet(WSGIRequestHandler):
            def log(self, *_what: Any) -> None:
                pass

            def run_wsgi(self) -> None:
                if answers.is_set():
                    super().run_wsgi()
                else:
                    answers.wait()
                    self.close_connection = True

            def connection_dropped(self, *_what: Any) -> None:
                # Else it would stay open, and whoever asked would wait for the rest until its patience ends.
                self.close_connection = True

        self._app = DomainDispatcherApplication(create_backend_app)
        self.asked: list[tuple[str, str]] = []
        """Every request: its method, and its path with its query."""
        self.fault: Fault = lambda _method, _path: None
        self._server = make_server("127.0.0.1", port, self._answer, threaded=True, request_handler=Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.client = botocore.session.get_session().create_client("s3")
        self.empty()

    def empty(self) -> None:
        """Begin anew: no fault, and nothing in the bucket."""
        self.answers.set()
        self.fault = lambda _method, _path: None
        with_all = self.names("") if BUCKET in self._buckets() else []
        for key in with_all:
            self.client.delete_object(Bucket=BUCKET, Key=key)
        self.client.create_bucket(Bucket=BUCKET)
        self.asked.clear()

    def names(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def write(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def _buckets(self) -> list[str]:
        return [each["Name"] for each in self.client.list_buckets()["Buckets"]]

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], f"{environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
        self.asked.append((method, path))
        fault = self.fault(method, path)
        if fault is None:
            answer: Iterable[bytes] = self._app(environ, start)
            return answer
        # A client that is not heard out takes the connection for cut.
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if fault:
            start(f"{fault} Injected", [("Content-Type", "application/xml"), ("Content-Length", "0")])
            return [b""]
        if method == "GET":
            start("200 OK", [("Content-Length", "1000000")])
            return _cut_off()
        raise ConnectionResetError

    def close(self) -> None:
        """End."""
        self.client.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _cut_off() -> Iterator[bytes]:
    yield b"half of"
    raise ConnectionResetError
