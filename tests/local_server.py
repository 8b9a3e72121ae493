"""A web server on this machine, for downloads and links."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LocalServer(ThreadingHTTPServer):
    """Serves from the start; whoever is answered in its own time waits for `released`."""

    daemon_threads = True

    def __init__(self, handler: type[LocalHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.released = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        """Let everybody go, and end."""
        self.released.set()
        self.shutdown()
        self.server_close()
        self._thread.join()


class LocalHandler(BaseHTTPRequestHandler):
    """Base of what answers; says nothing on the terminal."""

    @property
    def start(self) -> int:
        """From which byte on the file is asked for."""
        return int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))

    def send_head(self, length: int, start: int = 0) -> None:
        """Begin an answer with a file of this length, from `start` on."""
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{length - 1}/{length}")
        self.send_header("Content-Length", str(length - start))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass
