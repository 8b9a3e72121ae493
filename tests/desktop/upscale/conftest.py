"""A web server on this machine, for links, and a worker whose every word the test says."""

from collections.abc import Iterator

import pytest

from tests.desktop.conftest import make_picture
from tests.desktop.upscale.scripted import FakeJob
from tests.local_server import LocalHandler, LocalServer


class Web(LocalServer):
    """Serves one picture, and what is none."""

    def __init__(self, picture: bytes) -> None:
        super().__init__(_Handler)
        self.picture = picture


class _Handler(LocalHandler):
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


@pytest.fixture
def web(tmp_path_factory) -> Iterator[Web]:
    server = Web(make_picture(tmp_path_factory.mktemp("web") / "cat.png").read_bytes())
    yield server
    server.close()


@pytest.fixture
def job(qapp) -> FakeJob:
    return FakeJob()
