"""A web server on this machine, for links."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.desktop.conftest import make_picture


class Web(ThreadingHTTPServer):
    """Serves one picture, and what is none."""

    daemon_threads = True

    def __init__(self, picture: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.picture = picture
        self.released = threading.Event()
        """Ends the answers that wait."""
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        redirects = {"/moved": "/a/cat.png", "/to-a-file": "file:///etc/passwd", "/round": "/round"}
        bodies = {
            "/page": b"<!DOCTYPE html><html>no picture</html>",
            "/empty": b"",
            "/film.mp4": b"\0\0\0\x20ftypisom" + bytes(20),
        }
        path = self.path.partition("?")[0]
        if path in redirects:
            self.send_response(302)
            self.send_header("Location", redirects[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if path == "/missing":
            self.send_error(404)
            return
        body = bodies.get(path, self.server.picture)
        self.send_response(200)
        if path != "/no-length.png":
            self.send_header("Content-Length", str(len(body)))
        if path == "/named":
            self.send_header("Content-Disposition", 'attachment; filename="my-cat.png"')
        self.end_headers()
        if path == "/slow.png":
            self.wfile.write(body[:10])
            self.wfile.flush()
            self.server.released.wait()
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path_factory) -> Iterator[Web]:
    server = Web(make_picture(tmp_path_factory.mktemp("web") / "cat.png").read_bytes())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()
