"""Links, fetched from a server on this machine that tells the truth, lies, and sends elsewhere."""

import pytest

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from srgan_desktop.upscale import links
from srgan_desktop.upscale.links import Fetching, fetch_picture, name_in


def fetch(link, folder):
    return list(fetch_picture(link, folder, CancelToken()))


def test_a_picture_is_saved_under_its_name_and_then_under_a_free_one(web, tmp_path):
    folder = tmp_path / "new" / "folder"
    *told, path = fetch(f"{web.url}/a/cat.png", folder)
    assert told[0] == Fetching("cat.png", "127.0.0.1")
    assert path == folder / "cat.png"
    assert path.read_bytes() == web.picture
    assert fetch(f"{web.url}/a/cat.png", folder)[-1] == folder / "cat (2).png"


@pytest.mark.parametrize(
    ("path", "name"),
    [("/image?id=7", "image.png"), ("/cat.jpg", "cat.png"), ("/", "picture.png"), ("/named", "my-cat.png")],
)
def test_what_came_decides_about_the_suffix(web, tmp_path, path, name):
    assert fetch(web.url + path, tmp_path)[-1].name == name


def test_redirects_are_followed_but_not_away_from_the_web(web, tmp_path):
    assert fetch(f"{web.url}/moved", tmp_path)[-1].name == "cat.png"
    for path, words in (("/to-a-file", "not on the web"), ("/round", "without end")):
        with pytest.raises(UserError, match=words):
            fetch(web.url + path, tmp_path)


@pytest.mark.parametrize(
    ("path", "words"),
    [("/page", "holds a web page"), ("/empty", "is empty"), ("/missing", "answers 404"), ("/film.mp4", "holds a film")],
)
def test_what_is_no_picture_is_refused_by_name(web, tmp_path, path, words):
    with pytest.raises(UserError, match=words) as refusal:
        fetch(web.url + path, tmp_path)
    assert "browser" in refusal.value.hint
    assert not list(tmp_path.iterdir())


def test_nobody_there_is_said(tmp_path):
    with pytest.raises(UserError, match=r"could not be fetched from 127\.0\.0\.1: there is no connection"):
        fetch("http://127.0.0.1:9/cat.png", tmp_path)


@pytest.mark.parametrize("path", ["/cat.png", "/no-length.png"])
def test_too_much_is_refused(web, tmp_path, monkeypatch, path):
    monkeypatch.setattr(links, "MOST_BYTES", len(web.picture) - 1)
    with pytest.raises(UserError, match="larger than"):
        fetch(web.url + path, tmp_path)
    assert not list(tmp_path.iterdir())


def test_given_up_nothing_is_written(web, tmp_path):
    token = CancelToken()
    events = fetch_picture(f"{web.url}/cat.png", tmp_path, token)
    next(events)
    token.cancel()
    with pytest.raises(Cancelled):
        list(events)
    assert not list(tmp_path.iterdir())


def test_names_are_such_as_every_system_can_have():
    assert name_in("https://example.org/a/b%3Fc.jpg?x=1#y") == "b-c.jpg"
    assert name_in("https://example.org/..%2F..%2Fetc%2Fpasswd") == "passwd"
    assert name_in("https://example.org") == "picture"
