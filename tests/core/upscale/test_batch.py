"""A batch does what it should with good files, says what is wrong with bad ones, and survives what ends it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.settings import OutputSize
from core.contract.upscale import (
    BatchFinished,
    FileFailed,
    FileSaved,
    FileSkipped,
    FileStarted,
    Input,
    Planned,
    Progress,
    UpscaleRequest,
)
from core.images import load, probe
from core.models.weights import load_state
from core.upscale import journal, journal_log, plan, records, stages
from core.upscale.batch import upscale
from core.upscale.picture import upscale_picture
from tests.core.upscale.conftest import Outcome, Run, files_in, picture


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files_in(folder)}


def psnr_reduced(result: Path, source: Path) -> float:
    """PSNR in dB of a result, reduced by Pillow, against its source."""
    with Image.open(result) as large, Image.open(source) as small:
        reduced = np.asarray(large.resize(small.size, Image.Resampling.BICUBIC), np.float64)
        error = np.mean((reduced - np.asarray(small, np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error))


def no_leftovers(folder: Path) -> bool:
    return not list(folder.rglob("*.part"))


def test_a_tree_is_upscaled_and_its_events_tell_the_story(tmp_path: Path, run: Run) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "deep" / "b.jpg", 20, 10, seed=1)
    before = digests(tmp_path / "in")
    outcome = run(tmp_path / "in")
    assert files_in(tmp_path / "in_4x") == ["a.png", "deep/b.jpg"]
    assert load(tmp_path / "in_4x" / "deep" / "b.jpg").pixels.shape == (40, 80, 3)
    assert digests(tmp_path / "in") == before
    assert no_leftovers(tmp_path)
    assert outcome.events[0] == Planned(2, 0, 0, pictures=2)
    finished = outcome.events[-1]
    assert isinstance(finished, BatchFinished)
    assert (finished.saved, finished.skipped, finished.failed) == (2, 0, 0)
    for source in ("a.png", "b.jpg"):
        mine = [e for e in outcome.events if getattr(e, "source", Path()).name == source]
        assert isinstance(mine[0], FileStarted)
        assert isinstance(mine[-1], FileSaved)
        assert mine[-1].consistency == pytest.approx(psnr_reduced(mine[-1].output, mine[-1].source), abs=1.0)
        assert all(isinstance(event, Progress) for event in mine[1:-1])
    fractions = [event.total_fraction for event in outcome.of(Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("size", "expected"),
    [("2x", (24, 18)), ("3x", (36, 27)), ("8x", (96, 72)), ("2.5x", (30, 22)), ("100w", (100, 75)), ("6px", (6, 4))],
)
def test_every_output_size_is_reached_exactly(tmp_path: Path, run: Run, size: str, expected: tuple[int, int]) -> None:
    outcome = run(picture(tmp_path / "a.png"), size=OutputSize.parse(size), larger="shrink")
    result = load(outcome.saved["a.png"])
    assert (result.width, result.height) == expected
    assert outcome.of(FileSaved)[0].output_size == expected


def test_bad_files_end_in_words_and_the_rest_goes_on(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "in"
    picture(folder / "good.png")
    content = picture(tmp_path / "whole.png", 64, 64).read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.png").write_text("not a picture at all, whatever its name says")
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (folder / "bomb.png").write_bytes(bomb + content[33:])
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    picture(folder / "z good.webp", seed=2)
    outcome = run(folder)
    assert set(outcome.saved) == {"good.png", "z good.webp"}
    assert set(outcome.failed) == {"cut.png", "empty.jpg", "text.png", "bomb.png", "gone.png"}
    for name, words in (
        ("cut.png", "damaged or cut off"),
        ("empty.jpg", "is empty"),
        ("text.png", "not a picture"),
        ("bomb.png", "60,000 x 60,000"),
        ("gone.png", "does not exist"),
    ):
        assert name in outcome.failed[name]
        assert words in outcome.failed[name]
    assert all(not event.details for event in outcome.of(FileFailed))
    assert files_in(tmp_path / "in_4x") == ["good.png", "z good.webp"]


@pytest.mark.parametrize(
    "name",
    ["new\nline.png", "🦊 fox 狐.png", "x" * 246 + ".png", "é" * 123 + ".png", " lead and trail .png", "\udce9.png"],
)
def test_names_of_every_kind(tmp_path: Path, run: Run, name: str) -> None:
    source = picture(tmp_path / "plain.png")
    odd = source.rename(tmp_path / name)
    output = run(odd).saved[name]
    assert load(output).width == 48
    assert run(odd).skipped == {name: output}


def test_a_second_run_does_nothing_again_and_a_changed_one_only_what_changed(tmp_path: Path, run: Run) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / "in" / f"{name}.png", seed=ord(name))
    first = run(tmp_path / "in")
    made = digests(tmp_path / "in_4x")
    again = run(tmp_path / "in")
    assert not again.saved
    assert again.skipped == first.saved
    scores = {event.source: event.consistency for event in first.of(FileSaved)}
    assert {event.source: event.consistency for event in again.of(FileSkipped)} == scores
    assert digests(tmp_path / "in_4x") == made
    picture(tmp_path / "in" / "b.png", seed=99)
    changed = run(tmp_path / "in")
    assert changed.saved == {"b.png": tmp_path / "in_4x" / "b (2).png"}
    assert set(changed.skipped) == {"a.png", "c.png"}
    assert {name: value for name, value in digests(tmp_path / "in_4x").items() if name in made} == made


def test_replace_replaces_results_and_never_sources(tmp_path: Path, run: Run) -> None:
    source = picture(tmp_path / "a.png")
    other = picture(tmp_path / "a_4x.png", seed=3)
    kept = digests(tmp_path)
    outcome = run(source, other, existing="replace")
    assert {name: digests(tmp_path)[name] for name in kept} == kept
    assert outcome.saved["a.png"] == tmp_path / "a_4x (2).png"
    # Nor is a file that no run made, even where its name is the result's.
    (tmp_path / "a_4x (2).png").unlink()
    assert run(source, existing="replace").saved == {"a.png": tmp_path / "a_4x (2).png"}
    assert {name: digests(tmp_path)[name] for name in kept} == kept
    for left in (other, tmp_path / "a_4x (2).png"):
        left.unlink()
    run(source, existing="replace")
    made = digests(tmp_path)
    assert made["a.png"] == kept["a.png"]
    # What is as it should be needs nothing; what somebody changed is made anew.
    assert set(run(source, existing="replace").skipped) == {"a.png"}
    picture(tmp_path / "a_4x.png", 48, 36, seed=8)
    assert set(run(source, existing="replace").saved) == {"a.png"}
    assert digests(tmp_path)["a_4x.png"] == made["a_4x.png"]


def test_a_result_whose_record_was_lost_is_still_one_to_replace(tmp_path: Path, run: Run) -> None:
    """Killed between the result's name and the record of it."""
    source = picture(tmp_path / "a.png")
    run(source)
    journal = tmp_path / ".srgan" / "journal.jsonl"
    announced, complete = journal.read_bytes().splitlines(keepends=True)
    assert b'"complete": true' in complete
    journal.write_bytes(announced)
    assert run(source, existing="replace", format="png", quality=30).saved == {"a.png": tmp_path / "a_4x.png"}
    # Killed before it: what lies there was there before.
    (tmp_path / "a_4x.png").unlink()
    other = picture(tmp_path / "a_4x.png", seed=3)
    stat = other.stat()
    line = announced.replace(b'"output_stamp": [0, 0]', b'"output_stamp": [%d, %d]' % (stat.st_size, stat.st_mtime_ns))
    assert line != announced
    journal.write_bytes(line)
    assert run(source, existing="replace").saved == {"a.png": tmp_path / "a_4x (2).png"}


def test_somebodys_file_under_the_name_that_a_killed_run_announced_stays(tmp_path: Path, run: Run) -> None:
    source = picture(tmp_path / "a.png")
    run(source)
    journal = tmp_path / ".srgan" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    other = picture(tmp_path / "a_4x.png", 50, 50, seed=3)
    before = other.read_bytes()
    assert run(source, existing="replace").saved == {"a.png": tmp_path / "a_4x (2).png"}
    assert other.read_bytes() == before


def test_the_result_of_another_picture_of_its_folder_is_not_replaced(tmp_path: Path, run: Run) -> None:
    """Newcomers of a watched folder come one after the other, and no batch sees both."""
    settings = {"output": tmp_path / "out", "format": "png", "existing": "replace"}
    first, second = picture(tmp_path / "in" / "a.jpg", seed=1), picture(tmp_path / "in" / "a.png", seed=2)
    assert run(first, **settings).saved == {"a.jpg": tmp_path / "out" / "a.png"}
    made = digests(tmp_path / "out")["a.png"]
    outcome = run(second, **settings)
    assert outcome.saved == {"a.png": tmp_path / "out" / "a (2).png"}
    assert any("not an earlier result of it" in note for note in outcome.of(FileSaved)[0].notes)
    assert digests(tmp_path / "out")["a.png"] == made
    # Its own is, and so is one of a picture that is gone, or that is done in the same run.
    picture(first, seed=3)
    assert run(first, **settings).saved == {"a.jpg": tmp_path / "out" / "a.png"}
    first.unlink()
    picture(second, seed=4)
    assert run(second, **settings).saved == {"a.png": tmp_path / "out" / "a.png"}


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    source = picture(tmp_path / "a.png")

    def load_and_put(path: Path, *how: Any, **more: Any) -> Any:
        picture(tmp_path / "a_4x.png", seed=3)
        return load(path, *how, **more)

    monkeypatch.setattr(stages, "load", load_and_put)
    outcome = run(source, existing="replace")
    assert outcome.saved == {"a.png": tmp_path / "a_4x (2).png"}


def test_going_back_to_earlier_settings_makes_what_others_replaced(tmp_path: Path, run: Run) -> None:
    source = picture(tmp_path / "a.png")
    run(source, existing="replace", format="jpeg", quality=95)
    first = digests(tmp_path)["a_4x.jpg"]
    run(source, existing="replace", format="jpeg", quality=30)
    assert digests(tmp_path)["a_4x.jpg"] != first
    # By default nothing is replaced, and what lies there is the other settings'.
    assert run(source, format="jpeg", quality=95).saved == {"a.png": tmp_path / "a_4x (2).jpg"}
    (tmp_path / "a_4x (2).jpg").unlink()
    assert set(run(source, existing="replace", format="jpeg", quality=95).saved) == {"a.png"}
    assert digests(tmp_path)["a_4x.jpg"] == first


def test_a_replacement_that_failed_is_made_by_the_next_run(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = picture(tmp_path / "a.png")
    run(source, existing="replace", format="jpeg", quality=30)
    old = digests(tmp_path)["a_4x.jpg"]

    def full(*_args: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(stages, "save", full)
        assert "a.png" in run(source, existing="replace", format="jpeg").failed
    assert digests(tmp_path)["a_4x.jpg"] == old
    assert set(run(source, existing="replace", format="jpeg").saved) == {"a.png"}
    assert digests(tmp_path)["a_4x.jpg"] != old


def test_a_result_that_differs_much_is_pointed_at(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    source = picture(tmp_path / "a.png")
    for score, told in ((24.9, True), (25.1, False)):
        monkeypatch.setattr(stages, "consistency", lambda *_, score=score: score)
        [saved] = run(source, existing="number").of(FileSaved)
        assert any("differs a lot from its source" in note for note in saved.notes) == told


def test_what_was_refused_is_no_result_to_replace(tmp_path: Path, run: Run) -> None:
    source = picture(tmp_path / "a.webp")
    # Its own result would be wider than WebP allows.
    wide = picture(tmp_path / "a_4x.webp", 5000, 2)
    before = wide.read_bytes()
    outcome = run(source, wide, existing="replace")
    assert "a_4x.webp" in outcome.failed
    assert outcome.saved == {"a.webp": tmp_path / "a_4x (2).webp"}
    assert wide.read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="links need rights there")
def test_a_source_is_known_through_a_link_to_its_folder(tmp_path: Path, run: Run) -> None:
    picture(tmp_path / "in" / "a.png")
    other = picture(tmp_path / "in" / "a_4x.png", seed=3)
    before = other.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    outcome = run(tmp_path / "in", output=tmp_path / "link", existing="replace")
    assert outcome.saved["a.png"].name == "a_4x (2).png"
    assert other.read_bytes() == before


def test_a_newcomer_does_not_take_the_name_of_what_is_done(tmp_path: Path, run: Run) -> None:
    picture(tmp_path / "in" / "a.webp", seed=1)
    settings = {"output": tmp_path / "out", "format": "png", "existing": "replace"}
    assert run(tmp_path / "in", **settings).saved == {"a.webp": tmp_path / "out" / "a.png"}
    made = digests(tmp_path / "out")
    picture(tmp_path / "in" / "a.png", seed=2)
    second = run(tmp_path / "in", **settings)
    assert second.skipped == {"a.webp": tmp_path / "out" / "a.png"}
    assert second.saved == {"a.png": tmp_path / "out" / "a (2).png"}
    assert digests(tmp_path / "out")["a.png"] == made["a.png"]
    assert set(run(tmp_path / "in", **settings).skipped) == {"a.png", "a.webp"}


def test_a_source_that_changes_while_it_is_read_is_upscaled_again(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = picture(tmp_path / "a.png")

    def load_and_change(path: Path, *how: Any, **more: Any) -> Any:
        result = load(path, *how, **more)
        picture(source, seed=7)
        return result

    with monkeypatch.context() as changing:
        changing.setattr(stages, "load", load_and_change)
        first = run(source).saved["a.png"]
    second = run(source).saved["a.png"]
    assert first != second
    assert not np.array_equal(load(first).pixels, load(second).pixels)


def test_what_appears_under_a_name_during_the_run_is_not_overwritten(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = picture(tmp_path / "in" / "a.png")
    real = upscale_picture

    def slow(*args: Any) -> Any:
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "a.png").write_bytes(b"somebody's work")
        return real(*args)

    monkeypatch.setattr(stages, "upscale_picture", slow)
    outcome = run(source, output=tmp_path / "out")
    assert outcome.saved["a.png"].name == "a (2).png"
    assert (tmp_path / "out" / "a.png").read_bytes() == b"somebody's work"


def test_transparency_sixteen_bits_and_metadata_come_through(tmp_path: Path, run: Run) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 12, 4), np.uint8)
    pixels[:, :6, 3] = 0
    Image.fromarray(pixels, "RGBA").save(tmp_path / "alpha.png", dpi=(300, 300))
    import imagecodecs

    deep = np.random.default_rng(1).integers(0, 65535, (9, 12, 3), np.uint16)
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(deep))
    outcome = run(tmp_path / "alpha.png", tmp_path / "deep.png", model="")
    alpha = load(outcome.saved["alpha.png"])
    assert alpha.alpha is not None
    assert alpha.alpha[:, :8].max() <= 2
    assert alpha.alpha[:, 28:].mean() > 80
    assert alpha.metadata.dpi == pytest.approx((300, 300), abs=0.1)
    assert load(outcome.saved["deep.png"]).pixels.dtype == np.uint16
    without = run(tmp_path / "alpha.png", keep_metadata=False)
    assert load(without.saved["alpha.png"]).metadata.dpi is None
    Image.fromarray(pixels, "RGBA").save(tmp_path / "oblong.png", dpi=(200, 100))
    shape = load(run(tmp_path / "oblong.png", keep_metadata=False).saved["oblong.png"]).metadata.dpi
    assert shape == pytest.approx((200, 100), abs=0.1)


def test_dates_origin_and_companions(tmp_path: Path, run: Run) -> None:
    source = tmp_path / "old.tif"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 12, 3), np.uint8)).save(source)
    (tmp_path / "old.tfw").write_text("10\n0\n0\n-10\n5\n-5\n")
    when = 894_024_000_000_000_000
    os.utime(source, ns=(when, when))
    result = run(source, model="", output=tmp_path / "out").saved["old.tif"]
    assert result.stat().st_mtime_ns == when
    xmp = load(result).metadata.xmp
    assert xmp is not None
    assert b"SRGAN Desktop" in xmp
    assert b", 4x<" in xmp
    assert [float(line) for line in result.with_suffix(".tfw").read_text().split()] == [2.5, 0, 0, -2.5, 1.25, -1.25]
    # Done is done, also with the date of another day; and nothing is said that nobody wants said.
    assert run(source, model="", output=tmp_path / "out").saved == {}
    plain = run(
        source, model="", output=tmp_path / "plain", keep_date=False, provenance=False, keep_metadata=False
    ).saved["old.tif"]
    assert plain.stat().st_mtime_ns > when
    assert load(plain).metadata.xmp is None
    assert not plain.with_suffix(".tfw").exists()


def test_measured_values_come_back_if_asked(tmp_path: Path, run: Run) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.linspace(100, 200, 108, dtype=np.float32).reshape(9, 12), metadata=None)
    result = run(tmp_path / "a.tif", model="", keep_values=True).saved["a.tif"]
    values = tifffile.imread(result)
    assert values.dtype == np.float32
    assert values[:4].mean() == pytest.approx(105.5, abs=4)
    assert tifffile.imread(run(tmp_path / "a.tif", model="", output=tmp_path / "o").saved["a.tif"]).dtype == np.uint16


def test_sixteen_bits_hold_finer_steps_than_the_source(tmp_path: Path, run: Run) -> None:
    shades = np.linspace(100, 110, 24 * 18).reshape(18, 24).astype(np.uint8)
    Image.fromarray(np.dstack([shades] * 3)).save(tmp_path / "a.png")
    Image.fromarray(np.dstack([shades] * 3)).save(tmp_path / "b.jpg")
    saved = run(tmp_path, model="", depth="16", output=tmp_path / "out").saved
    deep = load(saved["a.png"])
    assert deep.pixels.dtype == np.uint16
    # More than the 8 bits of the source, spread out: steps between its steps.
    assert (deep.pixels % 257 != 0).any()
    assert load(saved["b.jpg"]).pixels.dtype == np.uint8


def test_a_size_in_print_is_written_into_the_result(tmp_path: Path, run: Run) -> None:
    Image.new("RGB", (24, 18), "teal").save(tmp_path / "a.jpg", dpi=(72, 72))
    for keep in (True, False):
        result = run(
            tmp_path / "a.jpg",
            model="",
            size=OutputSize.parse("1cm@254dpi"),
            keep_metadata=keep,
            output=tmp_path / str(keep),
        ).saved["a.jpg"]
        with Image.open(result) as image:
            assert image.size == (100, 75)
            assert image.info["dpi"] == (254, 254)


def test_the_same_format_of_a_lossless_webp_is_lossless(tmp_path: Path, run: Run) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 12, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "exact.webp", lossless=True)
    Image.fromarray(pixels).save(tmp_path / "lossy.webp", quality=80)
    outcome = run(tmp_path / "exact.webp", tmp_path / "lossy.webp", model="")
    assert b"VP8L" in outcome.saved["exact.webp"].read_bytes()
    assert b"VP8L" not in outcome.saved["lossy.webp"].read_bytes()
    asked = run(tmp_path / "exact.webp", model="", format="webp", output=tmp_path / "asked")
    assert b"VP8L" not in asked.saved["exact.webp"].read_bytes()


HAS_ROOT = getattr(os, "geteuid", lambda: 1)() == 0


@pytest.mark.skipif(not (Path("/proc").exists() and HAS_ROOT), reason="mounts a small disk")
def test_a_disk_that_fills_up_ends_the_run_and_leaves_nothing_half_written(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "none", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no rights to mount")
    try:
        for number in range(8):
            picture(tmp_path / "in" / f"{number}.png", 40, 40, seed=number)
        # The estimate would refuse before the start; here it is to be too low.
        monkeypatch.setitem(sys.modules["core.upscale.plan"].BYTES_PER_PIXEL, "png", 0.01)
        events = Outcome()
        with pytest.raises(UserError, match="is full"):
            collect(run_request(tmp_path / "in", disk, run), events)
        assert "is full" in next(iter(events.failed.values()))
        saved = events.saved
        assert 0 < len(saved) < 8
        assert files_in(disk) == sorted(saved)
        assert all(load(path).width == 160 for path in saved.values())
        assert no_leftovers(disk)
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        rest = run(tmp_path / "in", output=disk)
        assert set(rest.skipped) == set(saved)
        assert len(rest.saved) == 8 - len(saved)
    finally:
        subprocess.run(["umount", disk], check=True)


def run_request(source: Path, output: Path, run: Run) -> UpscaleRequest:
    model = run.__closure__[0].cell_contents
    return UpscaleRequest((Input(source),), output, model=model)


def collect(request: UpscaleRequest, into: Outcome, cancel: CancelToken | None = None) -> None:
    for event in upscale(request, cancel or CancelToken()):
        into.events.append(event)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_failure_and_the_end(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for index in range(6):
        picture(tmp_path / "in" / f"{index}.png", seed=index)
    real = os.fsync

    def full(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".part" and (tmp_path / "out" / "0.png").exists():
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    outcome = Outcome()
    with pytest.raises(UserError, match="is full"):
        collect(UpscaleRequest((Input(tmp_path / "in"),), tmp_path / "out", model=model), outcome)
    assert "0.png" in outcome.saved
    assert len(outcome.of(FileFailed)) >= 1
    assert files_in(tmp_path / "out") == sorted(outcome.saved)


@pytest.mark.parametrize("which", ["source", "output"])
def test_a_folder_that_is_unplugged_ends_the_run(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    for index in range(12):
        picture(tmp_path / "in" / f"{index}.png", seed=index)
    gone = tmp_path / ("in" if which == "source" else "out")
    real = upscale_picture

    def unplug(*args: Any) -> Any:
        shutil.rmtree(gone, ignore_errors=True)
        return real(*args)

    monkeypatch.setattr(stages, "upscale_picture", unplug)
    outcome = Outcome()
    with pytest.raises(UserError, match="is gone"):
        collect(UpscaleRequest((Input(tmp_path / "in"),), tmp_path / "out", model=model), outcome)
    assert not (tmp_path / "out" / "11.png").exists()


def test_an_output_folder_that_cannot_be_made_is_told_for_each_file(tmp_path: Path, run: Run) -> None:
    source = picture(tmp_path / "in" / "a.png")
    (tmp_path / "out").write_text("a file, not a folder")
    outcome = run(source, output=tmp_path / "out")
    assert "cannot be written" in outcome.failed["a.png"]
    assert (tmp_path / "out").read_text() == "a file, not a folder"


def test_one_folder_that_cannot_be_made_costs_only_its_own_files(tmp_path: Path, run: Run) -> None:
    for name in ("1", "2", "3"):
        picture(tmp_path / "in" / name / f"{name}.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "1").write_text("a file, not a folder")
    outcome = run(tmp_path / "in", output=tmp_path / "out")
    assert "“" + str(tmp_path / "out" / "1") + "” cannot be written" in outcome.failed["1.png"]
    assert set(outcome.saved) == {"2.png", "3.png"}


def test_a_path_that_no_file_system_takes_is_one_failure(tmp_path: Path, run: Run) -> None:
    outcome = run(tmp_path / ("x" * 300), picture(tmp_path / "a.png"))
    assert "could not be read" in outcome.failed["x" * 300]
    assert set(outcome.saved) == {"a.png"}


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_a_model_whose_name_is_no_text(tmp_path: Path, model: str, run: Run) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.pth")
    torch.save(load_state(Path(model))[0], odd)
    assert set(run(picture(tmp_path / "a.png"), model=odd).saved) == {"a.png"}


def test_cancelling_keeps_what_is_saved_and_the_next_run_does_the_rest(
    tmp_path: Path, model: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = threading.Event()
    real = upscale_picture
    begun = 0

    def wait_from_the_fourth_on(*args: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun > 3:
            assert cancelled.wait(60)
        return real(*args)

    monkeypatch.setattr(stages, "upscale_picture", wait_from_the_fourth_on)
    for index in range(8):
        picture(tmp_path / "in" / f"{index}.png", 30, 30, seed=index)
    token = CancelToken()
    outcome = Outcome()
    request = UpscaleRequest((Input(tmp_path / "in"),), tmp_path / "out", model=model)

    def cancel_after_two() -> None:
        for event in upscale(request, token):
            outcome.events.append(event)
            if len(outcome.of(FileSaved)) == 2:
                token.cancel()
                cancelled.set()

    with pytest.raises(Cancelled):
        cancel_after_two()
    saved = outcome.saved
    assert 2 <= len(saved) < 8
    assert files_in(tmp_path / "out") == sorted(saved)
    assert no_leftovers(tmp_path)
    rest = run(tmp_path / "in", output=tmp_path / "out")
    assert set(rest.skipped) == set(saved)
    assert len(rest.saved) == 8 - len(saved)


def test_pausing_waits_and_goes_on(tmp_path: Path, model: str) -> None:
    """And the pause counts for no picture."""
    for index in range(3):
        picture(tmp_path / "in" / f"{index}.png", seed=index)
    token = CancelToken()
    begun = token.clock()
    request = UpscaleRequest((Input(tmp_path / "in"),), tmp_path / "out", model=model)
    events = upscale(request, token)
    assert isinstance(next(events), Planned)
    token.pause()
    stopped = token.clock()
    rest: list[Any] = []
    thread = threading.Thread(target=lambda: rest.extend(events))
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    assert not any(isinstance(event, FileSaved) for event in rest)
    assert token.clock() == stopped
    token.resume()
    thread.join(60)
    saved = [event for event in rest if isinstance(event, FileSaved)]
    assert len(saved) == 3
    assert isinstance(rest[-1], BatchFinished)
    assert max(event.seconds for event in saved) <= rest[-1].seconds <= token.clock() - begun


def test_dropping_the_generator_stops_its_threads(tmp_path: Path, model: str) -> None:
    for index in range(8):
        picture(tmp_path / "in" / f"{index}.png", seed=index)
    before = set(threading.enumerate())
    events = upscale(UpscaleRequest((Input(tmp_path / "in"),), tmp_path / "out", model=model), CancelToken())
    while not isinstance(next(events), FileStarted):
        pass
    events.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) <= before
    assert no_leftovers(tmp_path)


def test_a_defect_keeps_its_traceback_and_the_rest_goes_on(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        picture(tmp_path / "in" / f"{name}.png")
    real = upscale_picture

    def broken(engine: Any, source: Any, *rest: Any) -> Any:
        if not outcome_seen:
            outcome_seen.append(True)
            raise ZeroDivisionError("a bug")
        return real(engine, source, *rest)

    outcome_seen: list[bool] = []
    monkeypatch.setattr(stages, "upscale_picture", broken)
    outcome = run(tmp_path / "in")
    [failure] = outcome.of(FileFailed)
    assert "ZeroDivisionError: a bug" in failure.details
    assert len(outcome.saved) == 1


@pytest.mark.timeout(600)  # a process of its own imports torch
@pytest.mark.parametrize("moment", ["compute", "named"])
def test_a_killed_run_resumes_where_it_stopped(tmp_path: Path, model: str, run: Run, moment: str) -> None:
    """SIGKILL while a picture is computed, and between a result's name and its line in the journal."""
    for index in range(6):
        picture(tmp_path / "in" / f"{index}.png", 24, 24, seed=index)
    out = tmp_path / "out"
    code = f"""
import time
import psutil
from pathlib import Path
from core.contract.cancel import CancelToken
from core.contract.upscale import Input, UpscaleRequest
from core.upscale import batch, journal, stages
die = lambda *_: psutil.Process().kill()
if {moment!r} == "compute":
    real, begun = stages.upscale_picture, []
    def compute(engine, picture, *rest):
        begun.append(1)
        if len(begun) == 5:
            # What was computed is written behind it, however busy the machine is.
            while len(list(Path({str(out)!r}).glob("*.png"))) < 2:
                time.sleep(0.01)
            (Path({str(out)!r}) / ".srgan-0123.part").write_bytes(b"half")
            die()
        return real(engine, picture, *rest)
    stages.upscale_picture = compute
else:
    real = journal.Journal.complete
    def complete(self, *args):
        if len(list(Path({str(out)!r}).glob("*.png"))) >= 2:
            die()
        return real(self, *args)
    journal.Journal.complete = complete
request = UpscaleRequest((Input(Path({str(tmp_path / "in")!r})),), Path({str(out)!r}), model={model!r})
list(batch.upscale(request, CancelToken()))
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=500, check=False)
    assert ended.returncode == (-9 if os.name == "posix" else 15), ended.stderr.decode()
    done = digests(out)
    assert len(done) >= 2
    rest = run(tmp_path / "in", output=out)
    # Whatever has its name is whole, and is not done again under another one.
    assert set(rest.skipped) == set(done)
    assert files_in(out) == [f"{index}.png" for index in range(6)]
    assert {name: value for name, value in digests(out).items() if name in done} == done
    assert no_leftovers(out)


def test_the_settings_of_the_run_lie_with_the_results(tmp_path: Path, run: Run) -> None:
    run(picture(tmp_path / "in" / "a.png"), output=tmp_path / "out", quality=77)
    assert "quality = 77" in (tmp_path / "out" / journal.FOLDER / journal.SETTINGS_FILE).read_text()
    lines = (tmp_path / "out" / journal.FOLDER / journal_log.JOURNAL).read_text().splitlines()
    assert [json.loads(line)["complete"] for line in lines] == [False, True]
    assert json.loads(lines[0])["source"] == "../in/a.png"


def test_a_run_reads_a_journal_once(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    picture(tmp_path / "in" / "a.png")
    run(tmp_path / "in", output=out)
    picture(tmp_path / "in" / "b.png", seed=1)
    read: list[Path] = []

    class Counted(journal.Journal):
        def __init__(self, folder: Path) -> None:
            read.append(folder)
            super().__init__(folder)

    for module in (plan, records):
        monkeypatch.setattr(module, "Journal", Counted)
    outcome = run(tmp_path / "in", output=out)
    assert (list(outcome.skipped), list(outcome.saved)) == (["a.png"], ["b.png"])
    assert read == [out]


def test_the_skipped_and_the_failed_are_counted(tmp_path: Path, run: Run) -> None:
    picture(tmp_path / "in" / "a.png")
    run(tmp_path / "in")
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    outcome = run(tmp_path / "in")
    assert outcome.of(FileSkipped)
    assert outcome.events[0] == Planned(0, 1, 1)
    assert isinstance(outcome.events[-1], BatchFinished)
    assert (outcome.events[-1].skipped, outcome.events[-1].failed) == (1, 1)


def sequences(folder: Path) -> None:
    folder.mkdir()
    y, x = np.mgrid[0:12, 0:16]
    images = [Image.fromarray(np.stack([x * 15, y * 20, 0 * x + 50 * n], 2).astype(np.uint8)) for n in range(4)]
    for name in ("a.gif", "b.png", "c.webp", "d.tif"):
        images[0].save(folder / name, save_all=True, append_images=images[1:], duration=[10, 20, 30, 40])


def test_all_pages_and_frames_come_out(tmp_path: Path, run: Run) -> None:
    sequences(tmp_path / "in")
    outcome = run(tmp_path / "in")
    assert outcome.failed == {}
    assert outcome.events[0] == Planned(4, 0, 0, pictures=16)
    finished = outcome.events[-1]
    assert (finished.saved, finished.pictures) == (4, 16)
    for name in ("a.gif", "b.png", "c.webp", "d.tif"):
        with Image.open(outcome.saved[name]) as image:
            assert (image.n_frames, image.size) == (4, (64, 48))  # type: ignore[attr-defined]
    for event in outcome.of(FileSaved):
        assert event.pictures == 4
        assert not any("first of" in note for note in event.notes)
        assert event.consistency > 20
    parts = [event.fraction for event in outcome.of(Progress) if event.source.name == "d.tif"]
    assert parts == sorted(parts)
    # Done is done.
    assert run(tmp_path / "in").saved == {}
    assert no_leftovers(tmp_path)


def test_only_the_first_of_them_if_asked(tmp_path: Path, run: Run) -> None:
    sequences(tmp_path / "in")
    outcome = run(tmp_path / "in", frames="first", format="png")
    assert outcome.events[0] == Planned(4, 0, 0, pictures=4)
    for path in outcome.saved.values():
        with Image.open(path) as image:
            assert (image.format, getattr(image, "n_frames", 1)) == ("PNG", 1)
    assert all("first of its 4" in " ".join(event.notes) for event in outcome.of(FileSaved))


def test_frames_go_into_another_kind_of_animation_and_pages_only_into_a_tiff(tmp_path: Path, run: Run) -> None:
    sequences(tmp_path / "in")
    outcome = run(tmp_path / "in", format="webp")
    counts = {}
    for name, path in outcome.saved.items():
        with Image.open(path) as image:
            counts[name] = getattr(image, "n_frames", 1)
    assert counts == {"a.gif": 4, "b.png": 4, "c.webp": 4, "d.tif": 1}


@pytest.mark.parametrize(
    ("format", "name", "pictures"),
    [("same", "a.png", 3), ("png", "a.png", 3), ("jxl", "a.jxl", 3), ("avif", "a.avif", 1)],
)
def test_deep_animations_keep_frames_and_bits(tmp_path: Path, run: Run, format: str, name: str, pictures: int) -> None:
    (tmp_path / "in").mkdir()
    deep = np.random.default_rng(1).integers(0, 1024, (3, 12, 16, 3), np.uint16)
    (tmp_path / "in" / "a.avif").write_bytes(imagecodecs.avif_encode(deep, level=100, bitspersample=10))
    outcome = run(tmp_path / "in", format=format)
    (path,) = outcome.saved.values()
    assert path.name == name
    header = probe(path)
    assert (header.frames, header.sixteen_bit) == (pictures, True)
    (saved,) = outcome.of(FileSaved)
    assert any("animations of AVIF" in note for note in saved.notes) == (format == "same")
    assert any("first of its 3" in note for note in saved.notes) == (pictures == 1)


def test_a_page_that_is_broken_leaves_nothing_half_written(tmp_path: Path, run: Run) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (3, 12, 16, 3), np.uint8)
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", rgb, photometric="rgb", metadata=None, compression="zlib")
    with tifffile.TiffFile(tmp_path / "in" / "a.tif") as tiff:
        at = tiff.pages[2].dataoffsets[0]
    content = bytearray((tmp_path / "in" / "a.tif").read_bytes())
    content[at : at + 20] = bytes(20)
    (tmp_path / "in" / "a.tif").write_bytes(content)
    picture(tmp_path / "in" / "b.png")
    outcome = run(tmp_path / "in")
    assert "damaged" in outcome.failed["a.tif"]
    assert files_in(tmp_path / "in_4x") == ["b.png"]
    assert no_leftovers(tmp_path)


def test_a_size_in_pixels_never_makes_smaller_unless_told(tmp_path: Path, run: Run) -> None:
    picture(tmp_path / "in" / "small.png", 12, 9)
    large = picture(tmp_path / "in" / "large.jpg", 80, 60)
    sidecar = b'<rdf:RDF xmlns:rdf="x"><rdf:Description xmlns:tiff="y" tiff:Orientation="6"/></rdf:RDF>'
    (tmp_path / "in" / "large.xmp").write_bytes(sidecar)
    size = OutputSize("longest", 40)
    outcome = run(tmp_path / "in", size=size)
    assert files_in(tmp_path / "in_40px") == ["small.png"]
    [skipped] = outcome.of(FileSkipped)
    assert (skipped.source.name, skipped.reason) == ("large.jpg", "It is larger than 40px already.")
    outcome = run(tmp_path / "in", size=size, larger="copy")
    copy = tmp_path / "in_40px" / "large.jpg"
    assert copy.read_bytes() == large.read_bytes()
    assert copy.stat().st_mtime_ns == large.stat().st_mtime_ns
    # A copy is still turned by its orientation, and its sidecar says so.
    assert copy.with_suffix(".xmp").read_bytes() == sidecar
    [saved] = [event for event in outcome.of(FileSaved) if event.source.name == "large.jpg"]
    assert saved.notes == ("Copied as it is, as it is larger than 40px already.",)
    assert saved.input_size == saved.output_size == (80, 60)
    assert run(tmp_path / "in", size=size, larger="copy").saved == {}
    outcome = run(tmp_path / "in", size=size, larger="shrink", output=tmp_path / "other")
    assert load(outcome.saved["large.jpg"]).pixels.shape == (30, 40, 3)
    # A factor says what it does.
    outcome = run(tmp_path / "in", size=OutputSize("factor", 0.5), output=tmp_path / "half")
    assert load(outcome.saved["large.jpg"]).pixels.shape == (30, 40, 3)
    assert no_leftovers(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{name}_{model}_{scale}x", "a_small_2.5x.png"),
        ("{size} of {name} ({width} x {height})", "2.5x of a (30 x 22).png"),
        ("{folder}-{name}", "in-a.png"),
    ],
)
def test_results_are_named_by_a_pattern(tmp_path: Path, run: Run, pattern: str, expected: str) -> None:
    picture(tmp_path / "in" / "a.png")
    outcome = run(tmp_path / "in", result_name=pattern, size=OutputSize("factor", 2.5))
    assert outcome.saved["a.png"].name == expected
    # Beside its source, too; and what is done stays done under any name.
    assert run(tmp_path / "in", result_name="{name}", size=OutputSize("factor", 2.5)).saved == {}
    outcome = run(tmp_path / "in" / "a.png", result_name=pattern, size=OutputSize("factor", 2.5))
    assert outcome.saved["a.png"] == tmp_path / "in" / expected


@pytest.mark.parametrize(
    "pattern", ["x", "{name}/{size}", "{colour}", "{name", "{name}{0}", "{name.__class__}", "..{name}\\x"]
)
def test_what_is_no_pattern_for_names_is_refused(tmp_path: Path, run: Run, pattern: str) -> None:
    picture(tmp_path / "in" / "a.png")
    with pytest.raises(UserError, match="not a valid name pattern"):
        run(tmp_path / "in", result_name=pattern)


def periodic(path: Path, width: int, height: int) -> None:
    y, x = np.mgrid[0:height, 0:width]
    u, v = 2 * np.pi * x / width, 2 * np.pi * y / height
    planes = [127 + 60 * np.sin(3 * u + k) + 50 * np.sin(2 * v - u + k) for k in range(3)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack(planes, 2).astype(np.uint8)).save(path)


@pytest.mark.parametrize("size", ["4x", "2.5x", "100w", "101w", "53w", "8x"])
def test_the_edges_of_a_seamless_texture_join(tmp_path: Path, run: Run, size: str) -> None:
    periodic(tmp_path / "in" / "tile.png", 48, 36)
    # The same, begun elsewhere: what was an edge lies in the middle.
    shift = (16, 24)
    rolled = np.roll(np.asarray(Image.open(tmp_path / "in" / "tile.png")), shift, (0, 1))
    Image.fromarray(rolled).save(tmp_path / "in" / "rolled.png")
    saved = run(tmp_path / "in", size=OutputSize.parse(size), wrap=True).saved
    plain, moved = (load(saved[name]).pixels.astype(int) for name in ("tile.png", "rolled.png"))
    for pixels in (plain, plain.swapaxes(0, 1)):
        inside = np.abs(np.diff(pixels, axis=1)).mean()
        assert np.abs(pixels[:, 0] - pixels[:, -1]).mean() <= 1.2 * inside
    factor = plain.shape[1] / 48
    if size in ("4x", "8x"):
        back = np.roll(moved, (-round(shift[0] * factor), -round(shift[1] * factor)), (0, 1))
        assert np.abs(back - plain).max() <= 2


def test_a_texture_smaller_than_what_the_network_sees(tmp_path: Path, run: Run) -> None:
    Image.fromarray(np.full((3, 5, 4), 120, np.uint8), "RGBA").save(tmp_path / "tiny.png")
    result = load(run(tmp_path / "tiny.png", wrap=True).saved["tiny.png"])
    assert result.pixels.shape == (12, 20, 3)
    # Each pixel became the same, as none of them has an edge beside it.
    whole = result.pixels.astype(int)
    assert max(np.abs(whole[4:] - whole[:-4]).max(), np.abs(whole[:, 4:] - whole[:, :-4]).max()) <= 1
