from __future__ import annotations

import os
import threading
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from core import paths
from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.training import PictureQuarantined, ScanFinished, ScanProgress, ScanRequest, TrainRequest
from core.evaluate.resampling import enlarge_bicubic, reduce_bicubic
from core.training import scan as scan_module
from core.training.dataset import TrainingPicture
from core.training.recipe import load_recipe
from core.training.run import RunFolder
from core.training.scan import Scan, choose_held_out, scan
from tests.core.training.pictures import picture_folder, textured


def look(request: ScanRequest) -> tuple[Scan, list]:
    events = []
    work = scan(request, CancelToken())
    while True:
        try:
            events.append(next(work))
        except StopIteration as stop:
            return stop.value, events


def aside(events: list) -> dict[str, tuple[str, str]]:
    return {e.path.name: (e.kind, e.reason) for e in events if isinstance(e, PictureQuarantined)}


def save(picture: np.ndarray, path: Path, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **options)


def test_every_kind_is_quarantined_and_told(tmp_path: Path) -> None:
    folder = picture_folder(tmp_path / "data", count=6, height=160, width=176)
    (folder / "broken.png").write_bytes((folder / "picture-000.png").read_bytes()[:400])
    (folder / "notes.txt").write_text("no picture")
    save(textured(20, 60, 200), folder / "little.png")
    save(textured(21, 160, 160), folder / "squeezed.jpg", quality=25)
    # Saved as a PNG afterwards, so that only its blocks tell.
    with Image.open(folder / "squeezed.jpg") as squeezed:
        save(np.asarray(squeezed), folder / "unpacked.png")
    save(enlarge_bicubic(reduce_bicubic(textured(22, 320, 320), 4), 4), folder / "stretched.png")
    save(textured(0, 160, 176), folder / "twin.jpg", quality=92)
    found, events = look(ScanRequest(folder, minimum=96))
    told = aside(events)
    assert {name: kind for name, (kind, _) in told.items()} == {
        "broken.png": "unreadable",
        "little.png": "small",
        "squeezed.jpg": "compressed",
        "unpacked.png": "compressed",
        "stretched.png": "upscaled",
        "twin.jpg": "duplicate",
    }
    assert told["little.png"][1] == "200 x 60, and at least 96 a side are needed"
    assert "25" in told["squeezed.jpg"][1]
    assert "blocks" in told["unpacked.png"][1]
    assert "picture-000.png" in told["twin.jpg"][1]
    names = sorted(p.hr.name for p in (*found.training, *found.validation))
    assert names == [f"picture-{n:03d}.png" for n in range(6)]
    finished = events[-1]
    assert isinstance(finished, ScanFinished)
    assert (finished.training, finished.validation, finished.quarantined) == (5, 1, 6)
    assert finished.fingerprint == found.fingerprint
    assert [e for e in events if isinstance(e, ScanProgress)][-1] == ScanProgress(12, 12)
    # Only what cannot be trained on at all, without the thorough look, and what would give away a held-out picture.
    _, events = look(ScanRequest(folder, minimum=96, thorough=False))
    kinds = {kind for kind, reason in aside(events).values() if "nearly the same as the test picture" not in reason}
    assert kinds == {"unreadable", "small"}


def test_few_pictures_are_advised_against() -> None:
    def advice(training: int, validation: int) -> str:
        return ScanFinished(training, validation, 0, "f" * 64, 1.0).advice

    assert advice(30, 5) == ""
    assert "overfits" in advice(29, 5)
    assert "test pictures" in advice(30, 4)
    assert "test pictures" not in advice(29, 5)


def test_what_can_be_read_is_trained_on(tmp_path: Path) -> None:
    folder = picture_folder(tmp_path / "data", count=2, height=100, width=100)
    pillow_heif.from_pillow(Image.fromarray(textured(30, 100, 100))).save(folder / "phone.heic")
    # More text than Pillow is willing to unpack.
    content = (folder / "picture-000.png").read_bytes()
    text = b"zTXtComment\0\0" + zlib.compress(bytes(2_000_000))
    chunk = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    (folder / "picture-000.png").write_bytes(content[:33] + chunk + content[33:])
    found, events = look(ScanRequest(folder))
    assert aside(events) == {}
    assert len(found.training) + len(found.validation) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="nothing to hang in")
def test_a_pipe_does_not_hold_the_scan_up(tmp_path: Path) -> None:
    folder = picture_folder(tmp_path / "data", count=2, height=100, width=100)
    os.mkfifo(folder / "pipe.png")
    told: list[dict[str, tuple[str, str]]] = []
    work = threading.Thread(target=lambda: told.append(aside(look(ScanRequest(folder))[1])), daemon=True)
    work.start()
    work.join(60)
    if work.is_alive():
        # Whoever reads it goes on once somebody has opened it for writing.
        os.close(os.open(folder / "pipe.png", os.O_WRONLY))
    assert told == [{"pipe.png": ("unreadable", "is not an ordinary file")}]


def test_a_large_file_is_not_read_into_memory(tmp_path: Path) -> None:
    folder = picture_folder(tmp_path / "data", count=2, height=100, width=100)
    with (folder / "large.png").open("wb") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    try:
        _, events = look(ScanRequest(folder))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert aside(events).keys() == {"large.png"}
    assert peak < 50_000_000


def test_what_the_program_wrote_is_not_trained_on(tmp_path: Path) -> None:
    folder = picture_folder(tmp_path / "data", count=3, height=100, width=100)
    picture_folder(folder / "more", count=1, first=3, height=100, width=100)
    request = ScanRequest(folder)
    before, _ = look(request)
    RunFolder(folder / "run").create(load_recipe("quick"), TrainRequest("quick", folder, folder / "run"))
    picture_folder(folder / "run" / "looks" / "reference", count=2, first=10, height=100, width=100)
    picture_folder(folder / "sets" / "pairs" / "hr_images", count=2, first=20, height=100, width=100)
    (folder / "sets" / "pairs" / "prepare.json").write_text("{}")
    after, events = look(request)
    assert after == before
    assert len(after.training) + len(after.validation) == 4
    assert aside(events) == {}
    # Such a folder can still be chosen itself.
    found, _ = look(ScanRequest(folder / "run"))
    assert len(found.training) + len(found.validation) == 2


def test_sound_photographs_are_kept() -> None:
    samples = Path(__file__).parents[3] / "resources" / "samples"
    _, events = look(ScanRequest(samples, minimum=64))
    assert not [e for e in events if isinstance(e, PictureQuarantined) and e.kind in ("duplicate", "unreadable")]


def test_near_duplicates_never_stand_on_both_sides(tmp_path: Path) -> None:
    """Neither of a split of one folder, nor of two folders, and crops of one photograph stay together."""
    folder = tmp_path / "data"
    for photograph in range(12):
        whole = textured(photograph, 200, 240)
        for number, left in enumerate((0, 60, 112)):
            save(whole[:128, left : left + 128], folder / f"photo{photograph}_{number}.png")
    for seed in range(4):
        found, _ = look(ScanRequest(folder, minimum=96, held_out=0.2, seed=seed))
        sides = [{p.hr.stem.split("_")[0] for p in side} for side in (found.training, found.validation)]
        assert sides[0].isdisjoint(sides[1])
        assert 6 <= len(found.validation) <= 9
        assert len(found.training) + len(found.validation) == 36
    held = tmp_path / "held"
    save(textured(3, 200, 240)[:128, :128], held / "again.jpg", quality=98)
    save(textured(90, 128, 128), held / "other.png")
    found, events = look(ScanRequest(folder, minimum=96, validation=held))
    assert aside(events) == {"photo3_0.png": ("duplicate", "nearly the same as the test picture again.jpg")}
    assert len(found.validation) == 2
    assert "photo3_0" not in {p.hr.stem for p in found.training}
    # Also where duplicates as such are let in.
    save(textured(3, 200, 240)[:128, :128], folder / "twin.jpg", quality=97)
    divided = 0
    for seed in range(12):
        found, events = look(ScanRequest(folder, minimum=96, held_out=0.1, seed=seed, thorough=False))
        stems = [{p.hr.stem for p in side} for side in (found.training, found.validation)]
        assert len([side for side in stems if side & {"twin", "photo3_0"}]) == 1
        divided += len(aside(events))
    assert divided


def test_the_split_and_the_fingerprint_depend_on_contents_and_seed_only(tmp_path: Path) -> None:
    folder = picture_folder(tmp_path / "data", count=8, height=100, width=100)
    first, _ = look(ScanRequest(folder, held_out=0.25))
    again, _ = look(ScanRequest(folder, held_out=0.25))
    other, _ = look(ScanRequest(folder, held_out=0.25, seed=1))
    assert first == again
    assert {p.hr for p in first.validation} != {p.hr for p in other.validation}
    removed = first.training[0].hr
    removed.unlink()
    fewer, _ = look(ScanRequest(folder, held_out=0.25))
    assert fewer.fingerprint != first.fingerprint


def test_pairs_are_matched_by_name_and_size(tmp_path: Path) -> None:
    for number in range(4):
        hr = textured(number, 128, 128)
        save(hr, tmp_path / "hr_images" / f"{number}.png")
        save(reduce_bicubic(hr, 4), tmp_path / "lr_images" / f"{number}.png")
    save(textured(10, 128, 128), tmp_path / "hr_images" / "alone.png")
    save(textured(11, 128, 128), tmp_path / "hr_images" / "odd.png")
    save(textured(11, 40, 32), tmp_path / "lr_images" / "odd.png")
    save(textured(12, 128, 128), tmp_path / "hr_images" / "torn.png")
    (tmp_path / "lr_images" / "torn.png").write_bytes(b"nothing")
    found, events = look(ScanRequest(tmp_path))
    told = aside(events)
    assert {name: kind for name, (kind, _) in told.items()} == {
        "alone.png": "unpaired",
        "odd.png": "mismatch",
        "torn.png": "unreadable",
    }
    assert told["odd.png"][1] == "HR is 128 x 128 and LR 32 x 40: not 4 times as large"
    for picture in (*found.training, *found.validation):
        assert picture.lr == tmp_path / "lr_images" / picture.hr.name


def test_a_scan_of_pairs_looks_at_both_and_decodes_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        hr = textured(number, 128, 128)
        save(hr, tmp_path / "hr_images" / f"{number}.png")
        save(reduce_bicubic(hr, 4), tmp_path / "lr_images" / f"{number}.png")
    _, events = look(ScanRequest(tmp_path))
    assert [(e.done, e.total) for e in events if isinstance(e, ScanProgress)].count((4, 4)) == 2
    monkeypatch.setattr(scan_module, "decode", lambda path: pytest.fail(f"{path} is known"))
    look(ScanRequest(tmp_path))
    cancel = CancelToken()
    steps = scan_module.scan(ScanRequest(tmp_path), cancel)
    while next(steps).done < 4:
        pass
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(steps)


def test_pairs_are_matched_by_their_place(tmp_path: Path) -> None:
    for number, place in enumerate(("a/0", "b/0", "1", "c/2", "c/3")):
        hr = textured(number, 128, 128)
        save(hr, tmp_path / "hr_images" / f"{place}.png")
        # The last two lie flat, as they may where the name is no other's.
        save(reduce_bicubic(hr, 4), tmp_path / "lr_images" / f"{place.replace('c/', '')}.png")
    found, events = look(ScanRequest(tmp_path))
    assert aside(events) == {}
    places = {
        (p.hr.relative_to(tmp_path / "hr_images").as_posix(), p.lr.relative_to(tmp_path / "lr_images").as_posix())
        for p in (*found.training, *found.validation)
    }
    assert places == {
        ("a/0.png", "a/0.png"),
        ("b/0.png", "b/0.png"),
        ("1.png", "1.png"),
        ("c/2.png", "2.png"),
        ("c/3.png", "3.png"),
    }
    # Whose is the only one of its name?
    (tmp_path / "lr_images" / "b" / "0.png").unlink()
    _, events = look(ScanRequest(tmp_path))
    assert aside(events) == {
        "0.png": ("unpaired", "lr_images holds no b/0, and 0 alone could be that of another"),
    }


def test_a_pair_of_different_pictures_is_quarantined(tmp_path: Path) -> None:
    for number in range(3):
        hr = textured(number, 128, 128)
        save(hr, tmp_path / "hr_images" / f"{number}.png")
        # Half a stop darker, as another camera may have taken it.
        save((reduce_bicubic(hr, 4) * 0.84).astype(np.uint8), tmp_path / "lr_images" / f"{number}.png")
    save(textured(10, 128, 128), tmp_path / "hr_images" / "other.png")
    save(255 - reduce_bicubic(textured(10, 128, 128), 4), tmp_path / "lr_images" / "other.png")
    found, events = look(ScanRequest(tmp_path))
    (name, (kind, reason)) = next(iter(aside(events).items()))
    assert (len(aside(events)), name, kind) == (1, "other.png", "mismatch")
    assert "lr_images/other.png shows something else" in reason
    assert len(found.training) + len(found.validation) == 3


def test_facts_are_kept_by_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = picture_folder(tmp_path / "data", count=3, height=100, width=100)
    first, _ = look(ScanRequest(folder))
    calls = []
    monkeypatch.setattr(scan_module, "measure", lambda *_: calls.append(1))
    (folder / "picture-000.png").rename(folder / "picture-009.png")
    again, _ = look(ScanRequest(folder))
    assert calls == []
    assert again.fingerprint == first.fingerprint or len(again.training) == len(first.training)
    monkeypatch.undo()
    monkeypatch.setattr(paths, "user_cache", lambda: tmp_path / "cache2")
    (tmp_path / "cache2").mkdir()
    (tmp_path / "cache2" / "scan.json").write_text('{"format": 1, "facts": {"x": 3}}')
    look(ScanRequest(folder))


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        look(ScanRequest(tmp_path / "none"))
    picture_folder(tmp_path / "one", count=1, height=100, width=100)
    with pytest.raises(UserError, match="holds no picture to"):
        look(ScanRequest(tmp_path / "one"))
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(scan(ScanRequest(tmp_path / "one"), cancel))


def test_what_comes_or_goes_moves_hardly_anything_across_the_split() -> None:
    pictures = [
        TrainingPicture(Path(f"/photos/album/photograph{n:04d}.jpg"), 128, 128, str(n)) for n in range(0, 4000, 40)
    ]

    def held(pictures: list[TrainingPicture], folder: str = "/photos") -> set[str]:
        found = choose_held_out(pictures, ScanRequest(Path(folder), held_out=0.1))
        return {pictures[index].hr.name for index in found}

    whole = held(pictures)
    assert len(whole) == 10
    away = [replace(each, hr=Path("/disk/photos", each.hr.relative_to("/photos"))) for each in pictures]
    assert held(away, "/disk/photos") == whole
    for gone in range(0, 100, 9):
        left = held([*pictures[:gone], *pictures[gone + 1 :]])
        assert len(left - whole) <= 1
        assert len(whole - left) <= 1


@pytest.mark.parametrize(
    "name",
    ["{}x4.png", "{}_x4.png", "{}_bicLRx4.png", "{}_LRBI_x4.png", "{}x4m.png", "{}x4w1.png", "X4/{}x4.png", "{}.png"],
)
def test_pairs_are_known_by_the_names_that_sets_use(tmp_path: Path, name: str) -> None:
    for number in range(801, 804):
        hr = textured(number, 128, 128)
        save(hr, tmp_path / "hr_images" / f"{number:04d}.png")
        save(reduce_bicubic(hr, 4), tmp_path / "lr_images" / name.format(f"{number:04d}"))
        # Those of another scale beside them belong to nothing here.
        save(reduce_bicubic(hr, 2), tmp_path / "lr_images" / "X2" / f"{number:04d}x2.png")
    found, events = look(ScanRequest(tmp_path))
    assert aside(events) == {}
    pictures = (*found.training, *found.validation)
    assert len(pictures) == 3
    for picture in pictures:
        assert picture.lr == tmp_path / "lr_images" / name.format(picture.hr.stem)


@pytest.mark.parametrize(
    ("hr", "lr"),
    [("{}_SRF_4_HR", "{}_SRF_4_LR"), ("{}_HR", "{}_LR"), ("{}-hr", "{}-lr"), ("{}_HR", "{}_LRBI_x4"), ("{}", "{}_LR")],
)
def test_pairs_whose_names_say_which_side_they_are(tmp_path: Path, hr: str, lr: str) -> None:
    for number in range(3):
        picture = textured(number, 128, 128)
        save(picture, tmp_path / "hr_images" / f"{hr.format(number)}.png")
        save(reduce_bicubic(picture, 4), tmp_path / "lr_images" / f"{lr.format(number)}.png")
        save(reduce_bicubic(picture, 2), tmp_path / "lr_images" / f"{number}_SRF_2_LR.png")
    found, events = look(ScanRequest(tmp_path))
    assert aside(events) == {}
    pictures = sorted((*found.training, *found.validation), key=lambda each: each.hr)
    assert [each.lr.stem for each in pictures] == [lr.format(number) for number in range(3)]


@pytest.mark.parametrize("name", ["box_x{}.png", "box_x{}x4.png"])
def test_a_name_that_only_looks_like_a_scale_is_a_name(tmp_path: Path, name: str) -> None:
    for number in range(3):
        hr = textured(number, 128, 128)
        save(hr, tmp_path / "hr_images" / f"box_x{number}.png")
        save(reduce_bicubic(hr, 4), tmp_path / "lr_images" / name.format(number))
    found, _events = look(ScanRequest(tmp_path))
    pictures = (*found.training, *found.validation)
    assert len(pictures) == 3
    for number, picture in enumerate(sorted(pictures, key=lambda each: each.hr)):
        assert picture.lr.name == name.format(number)


def test_tile_maps_and_pixel_art_are_not_taken_for_compressed(tmp_path: Path) -> None:
    for number in range(3):
        rng = np.random.default_rng(number)
        for side in (8, 16):
            tiles = rng.integers(0, 256, (6, 1, 1, 3)) // 2 + 40 + rng.integers(-12, 13, (6, side, side, 3))
            which = rng.integers(0, 6, (256 // side, 256 // side))
            tiled = tiles[which].transpose(0, 2, 1, 3, 4).reshape(256, 256, 3)
            save(np.clip(tiled, 0, 255).astype(np.uint8), tmp_path / f"tiles{side}-{number}.png")
        art = np.kron(rng.integers(0, 256, (32, 32, 3)), np.ones((8, 8, 1), int)).astype(np.uint8)
        save(art, tmp_path / f"art-{number}.png")
        photograph = textured(number, 256, 256)
        save(photograph, tmp_path / "jpeg.jpg", quality=20)
        with Image.open(tmp_path / "jpeg.jpg") as image:
            save(np.asarray(image), tmp_path / f"was-jpeg-{number}.png")
    (tmp_path / "jpeg.jpg").unlink()
    told = aside(look(ScanRequest(tmp_path))[1])
    assert {name: kind for name, (kind, _) in told.items() if kind == "compressed"} == {
        f"was-jpeg-{number}.png": "compressed" for number in range(3)
    }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda n: (textured(n, 40, 40), "p{}.png", {}), "3 of them are out: p0.png, for example: 40 x 40"),
        (lambda n: (textured(n, 256, 256), "hr_images/{}.png", {}), "no picture of that name in lr_images"),
        (lambda n: (textured(n, 256, 256), "{}.jpg", {"quality": 15}), "JPEG quality about 15, under"),
        (lambda n: (textured(5, 256, 256), "same-{}.png", {}), "nearly the same as"),
    ],
)
def test_why_nothing_is_left_is_told(tmp_path: Path, make, words: str) -> None:
    (tmp_path / "lr_images").mkdir()
    for number in range(3):
        pixels, name, options = make(number)
        save(pixels, tmp_path / name.format(number), **options)
    with pytest.raises(UserError, match="holds no picture to") as caught:
        look(ScanRequest(tmp_path))
    assert words in caught.value.hint
