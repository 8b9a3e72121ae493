"""Archives as folders: what is in them is read without being unpacked, and nothing that a stranger packed does harm."""

from __future__ import annotations

import io
import random
import stat
import struct
import sys
import tracemalloc
import zipfile
import zlib
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from core import archives, language
from core.archives import archive_of, exists, list_archive, on_disk, opened, stamp_of, times_of
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.upscale import Input
from core.images import load, load_all, probe, thumbnail
from core.upscale.scan import Unusable, scan


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def archive(path: Path, method: int = zipfile.ZIP_DEFLATED, /, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w", method) as container:
        for name, content in files.items():
            container.writestr(name, content)
    return path


def found(*paths: Path, recursive: bool = True) -> list[str]:
    """What a search finds, and what it says of the rest."""
    names = []
    for each in scan([Input(path) for path in paths], recursive, CancelToken(), passed_over=Counter()):
        names.append(str(each.error) if isinstance(each, Unusable) else each.path.name)
    return names


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_picture_in_an_archive_is_read_like_any_other(tmp_path: Path, method: int) -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.arange(3 * 8 * 8 * 3, dtype=np.uint8).reshape(3, 8, 8, 3), photometric="rgb")
    path = archive(tmp_path / "a.cbz", method, **{"b/one.png": png(), "pages.tif": buffer.getvalue()})
    (tmp_path / "one.png").write_bytes(png())
    picture = load(path / "b" / "one.png")
    np.testing.assert_array_equal(picture.pixels, load(tmp_path / "one.png").pixels)
    assert probe(path / "b/one.png") == probe(tmp_path / "one.png")
    assert thumbnail(path / "b/one.png", 8).shape == (6, 8, 4)
    pages = [page.pixels for page in load_all(path / "pages.tif").pictures]
    assert [page[0, 0, 0] for page in pages] == [0, 192, 128]


def test_only_as_much_is_unpacked_as_was_read_and_any_place_can_be(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(10_000_000)
    path = archive(tmp_path / "a.zip", **{"a.bin": content}) / "a.bin"
    tracemalloc.start()
    try:
        with opened(path) as file:
            assert file.read(10) == content[:10]
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    with opened(path) as file:
        assert file.seek(-5, io.SEEK_END) == len(content) - 5
        assert file.read() == content[-5:]
        file.seek(1_000)
        assert file.read(7) == content[1_000:1_007]
        assert file.seek(3, io.SEEK_CUR) == 1_010
        assert file.read(1) == content[1_010:1_011]
    with on_disk(path) as copy:
        assert copy.read_bytes() == content
    assert not copy.exists()


def test_what_a_path_is(tmp_path: Path) -> None:
    path = archive(tmp_path / "A.ZIP", **{"a.png": png()})
    assert archive_of(path / "a.png") == path
    assert archive_of(path) is None
    assert archive_of(tmp_path / "b.png") is None
    (tmp_path / "folder.zip").mkdir()
    assert archive_of(tmp_path / "folder.zip" / "a.png") is None
    assert exists(path / "a.png")
    assert not exists(path / "b.png")
    assert stamp_of(path / "b.png") is None
    with pytest.raises(FileNotFoundError), opened(path / "b.png"):
        pass
    with pytest.raises(UserError, match="does not exist"):
        load(path / "b.png")


def test_a_stamp_changes_with_the_content_alone(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"a.png": png(1), "b.png": png(2)})
    before = stamp_of(path / "a.png"), stamp_of(path / "b.png")
    archive(path, **{"a.png": png(1), "b.png": png(3), "c.png": png(4)})
    assert stamp_of(path / "a.png") == before[0]
    assert stamp_of(path / "b.png") != before[1]


def test_dates_are_those_of_the_archive_s_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as container:
        container.writestr(zipfile.ZipInfo("a.png", (2001, 2, 3, 4, 5, 6)), png())
        container.writestr(zipfile.ZipInfo("b.png", (1980, 0, 0, 0, 0, 0)), png())
    read, changed = times_of(tmp_path / "a.zip" / "a.png")
    assert read == changed
    assert changed // 10**9 % 60 == 6
    assert times_of(tmp_path / "a.zip" / "b.png")[1] > changed


def test_a_search_takes_pictures_in_natural_order_and_says_what_it_does_not_open(tmp_path: Path) -> None:
    files = {f"ch {n}/p{m}.png": png() for n in (10, 2) for m in (11, 3)}
    files |= {"__MACOSX/._a.png": b"x", "notes.txt": b"x", ".hidden.png": png(), "inner.cbz": b"x"}
    path = archive(tmp_path / "a.cbz", **files)
    names = found(path)
    assert names[:4] == ["p3.png", "p11.png", "p3.png", "p11.png"]
    assert "an archive in an archive" in names[4]
    assert found(tmp_path) == names
    assert found(tmp_path, recursive=False) == []


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "/etc/evil.png",
        "a/../../evil.png",
        "C:\\evil.png",
        "c:/evil.png",
        "C:/../evil.png",
        "..\\evil.png",
    ],
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "a.zip", **{name: png(), "good.png": png()})
    good, refused = found(path)
    assert good == "good.png"
    assert "leads out of the archive" in refused
    assert "�" not in refused


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_a_colon_in_a_name_makes_no_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    path = archive(tmp_path / "a.zip", **{"a:b.png": png(), "3:4.png": png(), "page 1: begin.png": png()})
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", system)
        listing = list_archive(path)
    first, second, third = listing.members
    # Windows would look for the first on a drive, wherever it is told to lie.
    assert (first, second) == (("a:b.png", "3:4.png") if system == "linux" else ("a-b.png", "3-4.png"))
    assert third == "page 1: begin.png"
    assert listing.refused == ()
    assert [load(path / name).width for name in listing.members] == [12, 12, 12]


def test_names_are_read_as_they_were_written(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as container:
        container.writestr("猫.png", png())
        container.writestr("./sub\\b.png", png())
    raw = bytearray((tmp_path / "a.zip").read_bytes())
    # As programs write it that do not say that it is UTF-8.
    for signature, at in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        place = raw.index(signature) + at
        struct.pack_into("<H", raw, place, struct.unpack_from("<H", raw, place)[0] & ~0x800)
    (tmp_path / "a.zip").write_bytes(raw)
    assert list(list_archive(tmp_path / "a.zip").members) == ["猫.png", "sub/b.png"]
    assert load(tmp_path / "a.zip" / "猫.png").width == 12
    assert load(tmp_path / "a.zip" / "sub" / "b.png").width == 12


def with_name(path: Path, name: bytes, extra: bytes = b"") -> Path:
    """An archive of one picture whose name is these bytes, of which nothing says how they are written."""
    content = png()
    facts = struct.pack("<HHHIII", 0, 0, 33, zlib.crc32(content), len(content), len(content))
    local = struct.pack("<4sHH", b"PK\3\4", 20, 0) + facts + struct.pack("<HH", len(name), 0) + name + content
    entry = struct.pack("<4sHHH", b"PK\1\2", 20, 20, 0) + facts
    entry += struct.pack("<HHHHHII", len(name), len(extra), 0, 0, 0, 0, 0) + name + extra
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0)
    path.write_bytes(local + entry + end)
    return path


@pytest.mark.parametrize(
    ("spoken", "encoding", "name"),
    [
        # The second byte of what stands for 表 is a backslash.
        ("ja", "cp932", "第1話/表紙.png"),
        ("zh_CN", "gbk", "封面/图.png"),
        ("ja", "utf-8", "表紙.png"),
        ("de", "cp437", "Übung/ä.png"),
        ("en", "cp437", "café.png"),
    ],
)
def test_names_are_read_as_windows_writes_them(tmp_path: Path, spoken: str, encoding: str, name: str) -> None:
    before = language.current()
    language.use(spoken)
    try:
        path = with_name(tmp_path / "a.zip", name.encode(encoding))
        assert list(list_archive(path).members) == [name]
        assert load(path / name).width == 12
    finally:
        language.use(before)


def test_a_name_that_is_written_once_more_in_utf_8(tmp_path: Path) -> None:
    raw = "表紙.png".encode("cp932")
    for number, (checked, wanted) in enumerate(((raw, "表紙.png"), (b"renamed", raw.decode("cp437")))):
        said = b"\1" + struct.pack("<I", zlib.crc32(checked)) + "表紙.png".encode()
        extra = struct.pack("<HH", 0x5455, 1) + b"\1" + struct.pack("<HH", 0x7075, len(said)) + said
        path = with_name(tmp_path / f"{number}.zip", raw, extra)
        assert list(list_archive(path).members) == [wanted.replace("\\", "/")]


def test_links_and_unknown_packing_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as container:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        container.writestr(link, "/etc/passwd")
        container.writestr("odd.png", png())
    raw = bytearray((tmp_path / "a.zip").read_bytes())
    struct.pack_into("<H", raw, raw.rindex(b"PK\1\2") + 10, 98)
    (tmp_path / "a.zip").write_bytes(raw)
    link_words, odd_words = found(tmp_path / "a.zip")
    assert "is a link" in link_words
    assert "packed in a way" in odd_words


def test_encrypted_archives_say_so_once(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.cbz", **{"a.png": png(), "b.png": png()})
    raw = bytearray(path.read_bytes())
    for at in (raw.index(b"PK\1\2"), raw.rindex(b"PK\1\2")):
        raw[at + 8] |= 1
    path.write_bytes(raw)
    (words,) = found(path)
    assert "encrypted" in words
    assert "password" in words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Rar!\x1a\7\0", "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        (b"", "not a ZIP archive"),
        (b"PK\3\4 and nothing", "not a ZIP archive"),
        (b"\xff\xd8\xff", "not a ZIP archive"),
    ],
)
def test_what_is_none_is_called_by_its_name(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.cbz").write_bytes(content)
    (said,) = found(tmp_path / "a.cbz")
    assert words in said
    assert "“a.cbz”" in said


def test_too_many_files_are_refused_before_their_list_takes_memory(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "MOST_ENTRIES", 3)
    path = archive(tmp_path / "a.zip", **{f"{n}.png": b"x" for n in range(4)})
    assert "more than 3 files" in found(path)[0]
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, len(raw) - 22 + 12, 1 << 30)
    path.write_bytes(raw)
    assert "more than 3 files" in found(path)[0]


def test_archives_that_unpack_to_far_too_much_are_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(archives, "WHERE_BOMBS_BEGIN", 1 << 20)
    path = archive(tmp_path / "a.zip", **{f"{n}.bmp": bytes(1 << 19) for n in range(8)})
    assert "far too much for its size" in found(path)[0]
    # Packed once, listed often.
    path = archive(tmp_path / "b.zip", zipfile.ZIP_STORED, **{"0.bmp": random.Random(0).randbytes(100_000)})
    raw = path.read_bytes()
    start = raw.index(b"PK\1\2")
    end = raw.index(b"PK\5\6")
    entry = raw[start:end]
    record = bytearray(raw[end:])
    struct.pack_into("<HHI", record, 8, 9, 9, 9 * len(entry))
    path.write_bytes(raw[:start] + 9 * entry + record)
    assert "far too much for its size" in found(path)[0]


def test_what_unpacks_to_more_or_less_than_it_says_is_no_picture(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"a.png": png()})
    raw = path.read_bytes()
    at = raw.index(b"PK\1\2")
    for size in (10, len(png()) + 50):
        lying = bytearray(raw)
        struct.pack_into("<I", lying, at + 24, size)
        path.write_bytes(lying)
        with pytest.raises(UserError, match=r"a\.png"):
            load(path / "a.png")
    flipped = bytearray(raw)
    flipped[at + 16] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(UserError, match="damaged"), opened(path / "a.png") as file:
        file.read()


def test_five_hundred_mutations_are_read_or_one_line_each(tmp_path: Path) -> None:
    whole = archive(tmp_path / "a.zip", **{"a.png": png(1), "sub/b.png": png(2)}).read_bytes()
    rng = random.Random(5)
    refused = 0
    for number in range(500):
        broken = bytearray(whole)
        for _ in range(rng.choice([1, 2, 8])):
            at = rng.randrange(len(broken)) if rng.random() < 0.4 else rng.randrange(len(broken) - 180, len(broken))
            broken[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        if rng.random() < 0.2:
            del broken[rng.randrange(len(broken)) :]
        path = tmp_path / f"{number}.zip"
        path.write_bytes(broken)
        for each in scan([Input(path)], True, CancelToken()):
            if isinstance(each, Unusable):
                refused += 1
                assert "\n" not in each.error.message
                assert each.error.hint
            else:
                with suppress(UserError):
                    load(each.path)
        path.unlink()
    assert refused > 100
