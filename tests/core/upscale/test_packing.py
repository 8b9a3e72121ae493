"""Archives of pictures become folders of results, or archives again, and no run does anything twice."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.contract.cancel import Cancelled, CancelToken
from core.contract.upscale import ArchiveSaved, FileFailed, FileSaved, FileSkipped, Input, Planned, UpscaleRequest
from core.images import load
from core.upscale import batch
from core.upscale.plan import plan

from .conftest import Run, files_in, picture


def page(seed: int, width: int = 8) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(30, 220, (6, width, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


INFO = b'<ComicInfo><Title>T</Title><Pages><Page Image="0" ImageWidth="8" ImageSize="9"/></Pages></ComicInfo>'
COMIC = {"ch 1/2.png": page(2), "ch 1/10.png": page(10), "cover.png": page(0), "ComicInfo.xml": INFO}


def comic(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as container:
        for name, content in files.items():
            container.writestr(zipfile.ZipInfo(name, (2020, 1, 2, 3, 4, 6)), content)
    return path


def names_in(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as container:
        assert container.testzip() is None
        return container.namelist()


def test_an_archive_becomes_a_folder_beside_it(tmp_path: Path, run: Run) -> None:
    source = comic(tmp_path / "a.cbz", **COMIC)
    outcome = run(source)
    assert len(outcome.saved) == 3
    assert files_in(tmp_path) == ["a.cbz", "a_4x/ch 1/10.png", "a_4x/ch 1/2.png", "a_4x/cover.png"]
    result = load(tmp_path / "a_4x" / "ch 1" / "2.png")
    assert (result.width, result.height) == (32, 24)
    assert (tmp_path / "a_4x" / "cover.png").stat().st_mtime % 60 == 6
    assert len(run(source).skipped) == 3
    # A page that changed is done again, and no other.
    comic(source, **COMIC | {"cover.png": page(5)})
    again = run(source, existing="replace")
    assert (list(again.saved), len(again.skipped)) == (["cover.png"], 2)


def test_archives_in_a_folder_are_folders_in_its_tree(tmp_path: Path, run: Run) -> None:
    picture(tmp_path / "in" / "x.png")
    (tmp_path / "in" / "sub").mkdir()
    comic(tmp_path / "in" / "sub" / "a.zip", **{"1.png": page(1)})
    # Two of one name are kept apart.
    comic(tmp_path / "in" / "b.cbz", **{"1.png": page(1)})
    comic(tmp_path / "in" / "b.zip", **{"1.png": page(2)})
    run(tmp_path / "in", output=tmp_path / "out")
    assert files_in(tmp_path / "out") == ["b.cbz/1.png", "b.zip/1.png", "sub/a/1.png", "x.png"]
    run(tmp_path / "in", output=tmp_path / "packed", archives="archive")
    assert files_in(tmp_path / "packed") == ["b.cbz", "b.zip", "sub/a.zip", "x.png"]
    assert not (tmp_path / "packed" / ".srgan" / "unpacked").exists()


def test_an_archive_becomes_an_archive_with_all_else_that_was_in_it(tmp_path: Path, run: Run) -> None:
    source = comic(tmp_path / "a.cbz", **COMIC)
    outcome = run(source, archives="archive")
    (saved,) = outcome.of(ArchiveSaved)
    assert (saved.source, saved.output, saved.pictures, saved.notes) == (source, tmp_path / "a_4x.cbz", 3, ())
    assert files_in(tmp_path) == ["a.cbz", "a_4x.cbz"]
    assert names_in(saved.output) == ["ch 1/2.png", "ch 1/10.png", "ComicInfo.xml", "cover.png"]
    with zipfile.ZipFile(saved.output) as container:
        assert container.read("ComicInfo.xml") == INFO.replace(b' ImageWidth="8" ImageSize="9"', b"")
        assert container.getinfo("cover.png").date_time == (2020, 1, 2, 3, 4, 6)
    assert {new for _old, new in saved.moved} == {each.packed for each in outcome.of(FileSaved)}
    for event in outcome.of(FileSaved):
        assert load(event.packed).width == 32
    # Nothing is done twice, and no archive of results is taken for one of sources.
    again = run(source, archives="archive")
    assert {each.output for each in again.of(FileSkipped)} == {new for _old, new in saved.moved}
    assert not again.of(ArchiveSaved)
    assert len(run(tmp_path, output=tmp_path / "other").saved) == 3


def test_what_changed_is_packed_into_the_archive_that_is_there(tmp_path: Path, run: Run) -> None:
    source = comic(tmp_path / "a.zip", **COMIC)
    run(source, archives="archive")
    files = {name: content for name, content in COMIC.items() if name != "ch 1/10.png"}
    comic(source, **files | {"ch 1/3.png": page(3), "cover.png": page(7)})
    outcome = run(source, archives="archive")
    assert sorted(outcome.saved) == ["3.png", "cover.png"]
    assert list(outcome.skipped) == ["2.png"]
    assert names_in(tmp_path / "a_4x.zip") == ["ch 1/2.png", "ch 1/3.png", "ComicInfo.xml", "cover.png"]
    assert files_in(tmp_path) == ["a.zip", "a_4x.zip"]


def test_another_s_archive_is_never_replaced(tmp_path: Path, run: Run) -> None:
    source = comic(tmp_path / "a.cbz", **COMIC)
    comic(tmp_path / "a_4x.cbz", **{"mine.png": page(1)})
    for policy in ("skip", "replace"):
        outcome = run(source, archives="archive", existing=policy)
        assert names_in(tmp_path / "a_4x.cbz") == ["mine.png"]
    assert files_in(tmp_path) == ["a.cbz", "a_4x (2).cbz", "a_4x.cbz"]
    run(source, archives="archive", existing="number")
    assert files_in(tmp_path) == ["a.cbz", "a_4x (2).cbz", "a_4x (3).cbz", "a_4x.cbz"]
    assert outcome.of(Planned)[0].files == 0


def test_other_settings_make_another_archive_or_replace_the_first(tmp_path: Path, run: Run) -> None:
    source = comic(tmp_path / "a.cbz", **COMIC)
    run(source, archives="archive", format="jpeg")
    run(source, archives="archive", format="webp")
    assert names_in(tmp_path / "a_4x (2).cbz")[0] == "ch 1/2.webp"
    (tmp_path / "a_4x (2).cbz").unlink()
    run(source, archives="archive", format="webp", existing="replace")
    assert "ch 1/2.webp" in names_in(tmp_path / "a_4x.cbz")
    assert files_in(tmp_path) == ["a.cbz", "a_4x.cbz"]


def test_pictures_of_one_archive_in_two_runs_share_an_archive(tmp_path: Path, run: Run) -> None:
    source = comic(tmp_path / "a.cbz", **COMIC)
    run(Input(source / "cover.png", source), archives="archive")
    run(*(Input(source / "ch 1" / name, source) for name in ("2.png", "10.png")), archives="archive", ensemble=True)
    assert names_in(tmp_path / "a_4x.cbz") == ["ch 1/2.png", "ch 1/10.png", "ComicInfo.xml", "cover.png"]


def test_a_run_that_was_stopped_goes_on_and_packs_in_the_end(tmp_path: Path, model: str) -> None:
    source = comic(tmp_path / "a.cbz", **COMIC)
    request = UpscaleRequest((Input(source),), model=model, archives="archive")
    cancel = CancelToken()
    stopped = batch.upscale(request, cancel)
    next(event for event in stopped if isinstance(event, FileSaved))
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(stopped)
    assert files_in(tmp_path) == ["a.cbz"]
    events = list(batch.upscale(request, CancelToken()))
    assert any(isinstance(each, FileSkipped) for each in events)
    assert names_in(tmp_path / "a_4x.cbz") == ["ch 1/2.png", "ch 1/10.png", "ComicInfo.xml", "cover.png"]


def test_a_disk_that_fills_while_packing_keeps_the_results(tmp_path: Path, run: Run, monkeypatch) -> None:
    source = comic(tmp_path / "a.cbz", **COMIC)

    def fail(*_given: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("core.upscale.packing.write_archive", fail)
        outcome = run(source, archives="archive")
    (failed,) = outcome.of(FileFailed)
    assert "No space left" in failed.message
    assert files_in(tmp_path) == ["a.cbz"]
    again = run(source, archives="archive")
    assert (len(again.skipped), len(again.of(ArchiveSaved))) == (3, 1)
    assert len(names_in(tmp_path / "a_4x.cbz")) == 4


def test_a_page_that_cannot_be_done_is_told_of(tmp_path: Path, run: Run) -> None:
    # Its header is sound.
    source = comic(tmp_path / "a.cbz", **COMIC | {"ch 1/3.png": page(3, 40)[:300]})
    outcome = run(source, archives="archive")
    (saved,) = outcome.of(ArchiveSaved)
    assert list(outcome.failed) == ["3.png"]
    assert saved.notes == ("It lacks 1 picture that could not be done.",)
    assert "ch 1/3.png" not in names_in(saved.output)


def test_sidecars_in_an_archive_go_along(tmp_path: Path, run: Run) -> None:
    files = {"map.png": page(1), "map.pgw": b"2.0\n0\n0\n-2.0\n100\n200\n", "map.prj": b"PROJCS[]"}
    source = comic(tmp_path / "a.zip", **files)
    run(source, archives="archive")
    assert sorted(names_in(tmp_path / "a_4x.zip")) == ["map.pgw", "map.png", "map.prj"]
    with zipfile.ZipFile(tmp_path / "a_4x.zip") as container:
        assert container.read("map.pgw").startswith(b"0.5")
    run(source)
    assert files_in(tmp_path / "a_4x") == ["map.pgw", "map.png", "map.prj"]


def test_the_plan_names_what_is_in_archives(tmp_path: Path, model: str) -> None:
    source = comic(tmp_path / "a.cbz", **COMIC)
    settled = plan(UpscaleRequest((Input(source),), model=model, archives="archive"), CancelToken())
    assert settled.tasks[0].source == source / "ch 1" / "2.png"
    assert settled.tasks[0].final == tmp_path / "a_4x.cbz" / "ch 1" / "2.png"
    assert not (tmp_path / ".srgan").exists()


def test_names_that_no_system_would_have_get_plain_ones(tmp_path: Path, run: Run) -> None:
    source = comic(tmp_path / "a.zip", **{"con/a?b.png": page(1)})
    run(source)
    assert files_in(tmp_path / "a_4x") == ["con-/a-b.png"]


def test_the_journal_knows_results_in_archives_by_relative_paths(tmp_path: Path, run: Run) -> None:
    source = comic(tmp_path / "a.cbz", **COMIC)
    run(source, archives="archive")
    lines = [json.loads(line) for line in (tmp_path / ".srgan" / "journal.jsonl").read_text().splitlines()]
    packed = {line["output"] for line in lines if line["output"].startswith("a_4x.cbz/") and line["complete"]}
    assert packed == {"a_4x.cbz/ch 1/2.png", "a_4x.cbz/ch 1/10.png", "a_4x.cbz/cover.png"}
