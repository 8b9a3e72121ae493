"""Paths into stores do what paths do, come again where the network fails, and never tell a secret."""

from __future__ import annotations

import errno
import os
import pickle
import tempfile
import threading
import time
from pathlib import Path

import pytest

from core import stores
from core.atomic import replacing
from core.contract.errors import UserError
from core.stores import StorePath, at_hand, given, listed
from tests.s3_server import BUCKET, SECRET, S3Server


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "FIRST_PAUSE_SECONDS", 0.001)


def path_of(key: str) -> StorePath:
    path = given(Path(f"s3://{BUCKET}/{key}"))
    assert isinstance(path, StorePath)
    return path


def test_a_path_into_a_store_is_a_path() -> None:
    path = given(Path("s3://bucket/scans/a.png"))
    assert str(path) == "s3://bucket/scans/a.png"
    assert str(path.parent / "b.png") == "s3://bucket/scans/b.png"
    assert str(path.with_suffix(".jpg")) == "s3://bucket/scans/a.jpg"
    assert str(path.relative_to(path.parents[1])) == "scans/a.png"
    assert Path("/out").joinpath(*path.relative_to(path.parents[1]).parts) == Path("/out/scans/a.png")
    assert pickle.loads(pickle.dumps(path)) == path
    assert stores.from_url(str(path)) == path
    assert path.is_absolute()
    assert given(Path("plain")) == Path.cwd() / "plain"
    assert not stores.is_store(given(Path("plain")))


def test_a_listing_leaves_out_what_is_hidden_and_names_what_no_path_can_be(s3: S3Server) -> None:
    for key in ("in/b.png", "in/deep/a.png", "in/.srgan/journal/1.jsonl", "in/deep/.hidden.png", "in//odd.png", "in/"):
        s3.write(key, b"x")
    s3.write("inner.png", b"x")
    found = list(listed(path_of("in")))
    assert [str(each) for each in found if isinstance(each, StorePath)] == [
        f"s3://{BUCKET}/in/b.png",
        f"s3://{BUCKET}/in/deep/a.png",
    ]
    assert [each.filename for each in found if isinstance(each, OSError)] == [f"s3://{BUCKET}/in//odd.png"]
    assert [each.name for each in listed(path_of("in"), recursive=False) if isinstance(each, StorePath)] == ["b.png"]


def test_a_long_listing_comes_page_by_page(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "PAGE", 3)
    for number in range(7):
        s3.write(f"in/{number}.png", b"x")
    s3.asked.clear()
    found = listed(path_of("in"))
    assert str(next(found)) == f"s3://{BUCKET}/in/0.png"
    assert len(s3.asked) == 1
    assert len(list(found)) == 6
    assert len(s3.asked) == 3


def test_reading_goes_on_where_the_connection_was_cut(s3: S3Server) -> None:
    content = os.urandom(700_000)
    s3.write("a.bin", content)
    answers = iter([503, 0, None, 0, 500, None, 503])
    s3.fault = lambda method, _path: next(answers, None) if method == "GET" else None
    with path_of("a.bin").open("rb") as file:
        assert file.read(10) == content[:10]
        file.seek(300_000)
        assert file.read(200_000) == content[300_000:500_000]
        file.seek(-5, os.SEEK_END)
        assert file.read() == content[-5:]


def test_what_is_at_hand_is_fetched_once_and_goes(s3: S3Server) -> None:
    s3.write("a.bin", b"content")
    with at_hand(path_of("a.bin")) as first, at_hand(path_of("a.bin")) as second:
        assert first == second
        s3.asked.clear()
        with path_of("a.bin").open("rb") as file:
            assert file.read() == b"content"
        assert s3.asked == []
    assert not first.exists()


def test_a_file_arrives_whole_with_its_date_and_kind_or_not_at_all(s3: S3Server) -> None:
    target = path_of("out/a.png")
    with replacing(target) as temporary:
        temporary.write_bytes(b"first")
        os.utime(temporary, ns=(10**18, 10**18))
    assert s3.read("out/a.png") == b"first"
    told = s3.client.head_object(Bucket=BUCKET, Key="out/a.png")
    assert (told["ContentType"], float(told["Metadata"]["mtime"])) == ("image/png", 1e9)
    s3.fault = lambda method, _path: 500 if method == "PUT" else None
    with pytest.raises(OSError, match="500 Internal Server Error"), replacing(target) as temporary:
        temporary.write_bytes(b"second")
    s3.fault = lambda *_: None
    assert s3.read("out/a.png") == b"first"
    assert s3.names("out/") == ["out/a.png"]
    with pytest.raises(FileNotFoundError), replacing(target) as temporary:
        (temporary / "nowhere").read_bytes()
    assert s3.read("out/a.png") == b"first"


def test_an_upload_that_nobody_answers_is_given_up(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (("UPLOAD_PATIENCE", 0.2), ("TRIES", 2)):
        monkeypatch.setattr(stores, name, value)
    s3.answers.clear()
    (tmp_path / "a.png").write_bytes(bytes(1000))
    with pytest.raises(TimeoutError, match="takes too long"):
        stores.put(tmp_path / "a.png", path_of("a.png"))
    with pytest.raises(TimeoutError, match="takes too long"):
        path_of("b.txt").write_text("text")
    s3.answers.set()
    assert s3.names("") == []
    path_of("b.txt").write_text("text")
    assert s3.names("") == ["b.txt"]


def test_a_store_that_shows_halves_gets_files_by_another_name() -> None:
    folder = given(Path("memory://shelf/out"))
    with replacing(folder / "a.png") as temporary:
        temporary.write_bytes(b"whole")
    assert (folder / "a.png").read_bytes() == b"whole"
    assert [each.name for each in folder.iterdir()] == ["a.png"]
    (folder / "a.png").unlink()
    assert not (folder / "a.png").exists()


@pytest.mark.parametrize(
    ("status", "number", "words"),
    [
        (404, errno.ENOENT, "not there"),
        (403, errno.EACCES, "403 Forbidden"),
        (503, errno.EIO, "503 Service Unavailable"),
        (400, errno.EIO, "400 Bad Request"),
        (0, errno.EIO, "cut"),
    ],
)
def test_errors_are_in_our_words(s3: S3Server, status: int, number: int, words: str) -> None:
    s3.write("a.bin", b"content")
    s3.fault = lambda method, path: status if "a.bin" in path and (method == "GET" or status) else None
    with pytest.raises(OSError, match=words) as caught, path_of("a.bin").open("rb") as file:
        file.read()
    assert caught.value.errno == number
    assert SECRET not in str(caught.value)
    assert "somebody" not in str(caught.value)


def test_the_version_tells_contents_apart(s3: S3Server) -> None:
    path = path_of("a.bin")
    assert path.version() is None
    assert not path.exists()
    path.write_bytes(b"one")
    first = path.version()
    path.write_bytes(b"two")
    assert path.version() != first
    path.write_bytes(b"one")
    assert path.version() == first
    assert abs(path.stat().st_mtime - time.time()) < 100
    path.replace(path_of("b.bin"))
    assert s3.names() == ["b.bin"]


def test_a_store_is_looked_at_before_the_work(s3: S3Server) -> None:
    stores.check_reachable(path_of("in"), for_writing=True)
    assert s3.names() == []
    with pytest.raises(UserError, match="There is no bucket “s3://nobodys”"):
        stores.check_reachable(given(Path("s3://nobodys/in")))
    with pytest.raises(UserError, match="must be followed by the name of a bucket") as caught:
        stores.check_reachable(given(Path(f"s3://somebody:{SECRET}@host/in")))
    assert SECRET not in str(caught.value)
    s3.fault = lambda method, _path: 403 if method == "PUT" else None
    with pytest.raises(UserError, match="may not be written: the store answered 403 Forbidden"):
        stores.check_reachable(path_of("in"), for_writing=True)


def test_nothing_is_left_of_what_could_not_be_fetched(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    s3.write("a.bin", b"content")
    s3.fault = lambda method, _path: 503 if method == "GET" else None
    with pytest.raises(OSError, match="503"), at_hand(path_of("a.bin")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_is_far_is_asked_for_at_once_and_what_is_near_in_order() -> None:
    """Wherever in a list either of them stands: a run may have folders here and in stores."""
    together = threading.Barrier(3, timeout=60)
    near: list[int] = []

    def act(number: int) -> str:
        if number < 0:
            together.wait()
            return "far"
        near.append(number)
        return threading.current_thread().name

    here = threading.current_thread().name
    numbers = [1, 2, -1, -2, -3, 3, -4, -5, -6, 4]
    said = list(stores.in_parallel(act, iter(numbers), lambda number: number < 0))
    assert said == [here, here, "far", "far", "far", here, "far", "far", "far", here]
    assert near == [1, 2, 3, 4]
    assert list(stores.in_parallel(act, [], lambda number: True)) == []
