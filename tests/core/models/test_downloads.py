"""Downloads from a server on this machine that cuts, corrupts, stalls, redirects, and forgets."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.models import DownloadProgress, DownloadRequest, ModelAdded
from core.models import downloads
from core.models.card import ModelCard
from core.models.downloads import download
from core.models.known import KnownModel
from tests.local_server import LocalHandler, LocalServer

BODY = bytes(range(256)) * 4096


class Server(LocalServer):
    """Answers by what is queued in `answers`, and then as a good server does."""

    def __init__(self) -> None:
        super().__init__(Handler)
        self.answers: list[Callable[[Handler], None]] = []
        self.ranges: list[str | None] = []


class Handler(LocalHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range"))
        answer = self.server.answers.pop(0) if self.server.answers else send
        answer(self)


def send(handler: Handler, body: bytes = BODY) -> None:
    """Answer as a good server does: whole, or from where it was asked."""
    if handler.start >= len(body):
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(body)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.send_head(len(body), handler.start)
    handler.wfile.write(body[handler.start :])


def cut_after(count: int) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_head(len(BODY), handler.start)
        handler.wfile.write(BODY[handler.start : handler.start + count])
        handler.close_connection = True

    return answer


def whole_again(handler: Handler) -> None:
    """Answer as a server does that knows no ranges."""
    handler.send_head(len(BODY))
    handler.wfile.write(BODY)


def corrupt(handler: Handler) -> None:
    send(handler, b"x" + BODY[1:])


def stall(handler: Handler) -> None:
    """Half of the file, and then nothing."""
    handler.send_head(len(BODY))
    handler.wfile.write(BODY[: len(BODY) // 2])
    handler.wfile.flush()
    handler.server.released.wait(60)
    handler.close_connection = True


def status(code: int, **headers: str) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def known(server: Server, monkeypatch: pytest.MonkeyPatch) -> KnownModel:
    model = KnownModel(
        f"{server.url}/release/good-x4.pth", hashlib.sha256(BODY).hexdigest(), 1.0, "tests", ModelCard("good-x4")
    )
    monkeypatch.setattr(downloads, "known_model", lambda key: model if key == "good-x4" else None)
    monkeypatch.setattr(downloads, "PAUSE", 0.0)
    return model


def fetch() -> tuple[list[DownloadProgress], ModelAdded]:
    *progress, last = list(download(DownloadRequest("good-x4"), CancelToken()))
    assert isinstance(last, ModelAdded)
    return progress, last  # type: ignore[return-value]


def test_a_download_is_whole_checked_and_named_last(user_folder: Path) -> None:
    progress, added = fetch()
    assert added.path == user_folder / "good-x4.pth"
    assert added.path.read_bytes() == BODY
    assert [each.name for each in user_folder.iterdir()] == ["good-x4.pth"]
    assert (progress[-1].done, progress[-1].total) == (len(BODY), len(BODY))


def test_what_is_here_is_not_fetched_again(server: Server) -> None:
    fetch()
    _progress, added = fetch()
    assert added.notes == ("Already installed.",)
    assert len(server.ranges) == 1


def test_a_damaged_file_under_its_name_is_fetched_anew(user_folder: Path) -> None:
    user_folder.mkdir()
    (user_folder / "good-x4.pth").write_bytes(b"half")
    _progress, added = fetch()
    assert added.path.read_bytes() == BODY


def test_a_cut_connection_goes_on_where_it_was(server: Server) -> None:
    server.answers = [cut_after(300_000), cut_after(100_000)]
    _progress, added = fetch()
    assert added.path.read_bytes() == BODY
    assert server.ranges[0] is None
    starts = [int(text.removeprefix("bytes=").rstrip("-")) for text in server.ranges[1:] if text]
    # What came of the last chunk before the cut is lost.
    assert 0 < starts[0] <= 300_000
    assert starts[0] < starts[1] <= 400_000


def test_a_server_that_knows_no_ranges_starts_over(server: Server) -> None:
    server.answers = [cut_after(300_000), whole_again]
    _progress, added = fetch()
    assert added.path.read_bytes() == BODY


def test_the_next_attempt_goes_on_too(server: Server, user_folder: Path) -> None:
    server.answers = [cut_after(300_000), *[status(503)] * downloads.ATTEMPTS]
    with pytest.raises(UserError, match="answers 503") as caught:
        fetch()
    assert "MB received are kept" in caught.value.hint
    kept = (user_folder / ".good-x4.pth.part").stat().st_size
    assert 0 < kept <= 300_000
    assert not (user_folder / "good-x4.pth").exists()
    server.ranges.clear()
    _progress, added = fetch()
    assert server.ranges == [f"bytes={kept}-"]
    assert added.path.read_bytes() == BODY


def test_a_corrupted_file_never_gets_the_name(server: Server, user_folder: Path) -> None:
    server.answers = [corrupt]
    with pytest.raises(UserError, match="SHA-256 differs"):
        fetch()
    assert list(user_folder.iterdir()) == []
    assert fetch()[1].path.read_bytes() == BODY


def test_a_part_that_is_whole_is_only_checked(server: Server, user_folder: Path) -> None:
    user_folder.mkdir()
    (user_folder / ".good-x4.pth.part").write_bytes(BODY)
    assert fetch()[1].path.read_bytes() == BODY
    assert server.ranges == [f"bytes={len(BODY)}-"]


def test_a_part_that_is_too_long_is_thrown_away(user_folder: Path) -> None:
    user_folder.mkdir()
    (user_folder / ".good-x4.pth.part").write_bytes(BODY + b"more")
    assert fetch()[1].path.read_bytes() == BODY


def test_redirects_are_followed_and_loops_end(server: Server) -> None:
    server.answers = [status(302, Location=f"{server.url}/elsewhere")]
    assert fetch()[1].path.read_bytes() == BODY
    server.answers = [status(302, Location=f"{server.url}/round")] * 200
    fetch()[1].path.unlink()
    with pytest.raises(UserError, match="without end"):
        fetch()


@pytest.mark.parametrize(("code", "says"), [(404, "not where it was"), (500, "answers 500")])
def test_servers_that_refuse_are_put_into_words(code: int, says: str, server: Server) -> None:
    server.answers = [status(code)] * 10
    with pytest.raises(UserError, match=says):
        fetch()


def test_a_login_page_is_not_the_file(server: Server) -> None:
    server.answers = [status(200, Content_Type="text/html; charset=utf-8")]
    with pytest.raises(UserError, match="web page"):
        fetch()


def test_no_connection_is_put_into_words(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    offline = KnownModel("http://127.0.0.1:9/x.pth", "0" * 64, 1.0, "", ModelCard("x"))
    monkeypatch.setattr(downloads, "known_model", lambda _key: offline)
    with pytest.raises(UserError, match="no connection to the server") as caught:
        fetch()
    assert "Connect to the internet" in caught.value.hint


def test_a_stalled_server_is_given_up_and_the_rest_is_kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT", 3)
    server.answers = [stall]
    _progress, added = fetch()
    assert added.path.read_bytes() == BODY
    assert server.ranges[1] == f"bytes={len(BODY) // 2}-"


def test_cancel_does_not_wait_for_a_stalled_server(server: Server, user_folder: Path) -> None:
    server.answers = [stall]
    cancel = CancelToken()
    events = download(DownloadRequest("good-x4"), cancel)
    assert isinstance(next(events), DownloadProgress)
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(events)
    # Long before the time-out of 15 seconds: the server still holds the connection.
    assert not server.released.is_set()
    assert (user_folder / ".good-x4.pth.part").stat().st_size > 0
    assert not (user_folder / "good-x4.pth").exists()


def test_a_download_that_was_cancelled_leaves_the_part_to_the_next(server: Server, user_folder: Path) -> None:
    server.answers = [stall]
    cancel = CancelToken()
    events = download(DownloadRequest("good-x4"), cancel)
    next(events)
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(events)
    part = user_folder / ".good-x4.pth.part"
    left = part.stat()
    [abandoned] = [thread for thread in threading.enumerate() if thread.name == "download of good-x4"]
    server.released.set()
    abandoned.join(60)
    assert not abandoned.is_alive()
    assert len(server.ranges) == 1
    assert (part.stat().st_size, part.stat().st_mtime_ns) == (left.st_size, left.st_mtime_ns)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="no-such") as caught:
        list(download(DownloadRequest("no-such"), CancelToken()))
    assert "RealESRGAN_x4plus" in caught.value.hint


def test_a_folder_that_cannot_be_written_is_named(user_folder: Path) -> None:
    user_folder.parent.mkdir(exist_ok=True)
    user_folder.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="could not be written"):
        fetch()


def test_listing_and_downloading_need_no_torch() -> None:
    code = (
        "import sys, core.models.downloads, core.models.catalogue as c; c.models(); c.downloadable();"
        "assert not {'torch', 'spandrel', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
