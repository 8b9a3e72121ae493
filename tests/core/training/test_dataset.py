from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from core.contract.errors import UserError
from core.evaluate.resampling import crop_to_multiple, reduce_bicubic
from core.training import dataset, synthetic
from core.training.dataset import CropLoader, TrainingPicture, decode
from tests.core.training.pictures import picture_folder, textured


def loader(pictures: list[TrainingPicture], **more) -> CropLoader:
    return CropLoader(pictures, **{"scale": 4, "degradation": "bicubic", "seed": 0, "cache_bytes": 64 << 20, **more})


@pytest.fixture
def pictures(data: Path) -> list[TrainingPicture]:
    return [TrainingPicture(path, 72, 64, "") for path in sorted(data.iterdir())]


def test_a_step_sees_the_same_crops_whatever_came_before(pictures: list[TrainingPicture]) -> None:
    with loader(pictures, threads=1) as one, loader(pictures, threads=4) as other:
        ahead = [(later, 8, 4) for later in range(1, 6)]
        first = [one.take(step, 8, 4, ahead[step:]) for step in range(6)]
        late = other.take(5, 8, 4)
        assert np.array_equal(first[5].lr, late.lr)
        assert np.array_equal(first[5].hr, late.hr)
        assert not np.array_equal(first[4].hr, late.hr)
    with loader(pictures, seed=1) as third:
        assert not np.array_equal(third.take(5, 8, 4).hr, late.hr)


def test_shards_share_a_batch_out(pictures: list[TrainingPicture]) -> None:
    with (
        loader(pictures) as whole,
        loader(pictures, shard=(0, 2)) as even,
        loader(pictures, shard=(1, 2)) as odd,
    ):
        batch, first, second = (each.take(3, 8, 4) for each in (whole, even, odd))
    assert np.array_equal(batch.hr[0::2], first.hr)
    assert np.array_equal(batch.lr[1::2], second.lr)


def test_crops_are_those_of_the_whole_reduced_picture(tmp_path: Path) -> None:
    """Wherever a crop lies, its LR is cut out of the whole picture's reduction on the crop's own grid."""
    # Red tells the column and green the row, so that a crop says where it is from and how it was turned.
    y, x = np.mgrid[:96, :96].astype(np.uint8)
    hr = np.stack([x, y, textured(5, 96, 96)[..., 0]], -1)
    Image.fromarray(hr).save(tmp_path / "one.png")
    with loader([TrainingPicture(tmp_path / "one.png", 96, 96, "")]) as one:
        batch = one.take(0, 8, 64)
    ways, grids = set(), set()
    for lr, big in zip(batch.lr, batch.hr, strict=True):
        for way in range(8):
            turned_lr, turned = (np.rot90(each[:, ::-1] if way >= 4 else each, -(way % 4)) for each in (lr, big))
            if (turned[0, 1, 0] > turned[0, 0, 0]) and (turned[1, 0, 1] > turned[0, 0, 1]):
                break
        left, top = int(turned[0, 0, 0]), int(turned[0, 0, 1])
        assert np.array_equal(turned, hr[top : top + 32, left : left + 32])
        whole = reduce_bicubic(crop_to_multiple(hr[top % 4 :, left % 4 :], 4), 4)
        assert np.array_equal(turned_lr, whole[top // 4 : top // 4 + 8, left // 4 : left // 4 + 8])
        ways.add(way)
        grids.add((top % 4, left % 4))
    assert len(ways) == 8
    assert len(grids) >= 12


def test_pairs_keep_their_own_lr(tmp_path: Path) -> None:
    hr, lr = textured(1, 64, 72), textured(2, 16, 18)
    Image.fromarray(hr).save(tmp_path / "hr.png")
    Image.fromarray(lr).save(tmp_path / "lr.png")
    with loader([TrainingPicture(tmp_path / "hr.png", 72, 64, "", tmp_path / "lr.png")]) as whole:
        batch = whole.take(0, 8, 8)
    for small, big in zip(batch.lr, batch.hr, strict=True):
        found = [
            (v, u, k, s)
            for k in range(4)
            for s in (1, -1)
            for v in range(9)
            for u in range(11)
            if np.array_equal(np.rot90(lr[v : v + 8, u : u + 8], k)[:, ::s], small)
        ]
        assert any(
            np.array_equal(np.rot90(hr[4 * v : 4 * v + 32, 4 * u : 4 * u + 32], k)[:, ::s], big) for v, u, k, s in found
        )


def test_a_set_larger_than_memory_slides_through_it(tmp_path: Path) -> None:
    folder = picture_folder(tmp_path / "data", count=20, height=48, width=48)
    many = [TrainingPicture(path, 48, 48, "") for path in sorted(folder.iterdir())]
    bytes_each = 3 * 48 * 48
    decoded = []
    with loader(many, cache_bytes=6 * bytes_each) as sliding:
        assert sliding.selected == 4
        get = sliding.cache.get
        sliding.cache.get = lambda path: decoded.append(path.name) or get(path)
        for step in range(60):
            sliding.take(step, 8, 3)
            assert sliding.cache.used <= 6 * bytes_each
    # All of them come round.
    assert len(set(decoded)) == 20


def test_threads_that_want_the_same_picture_decode_it_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = min(data.iterdir())
    cache = dataset.PictureCache(64 << 20)
    together, calls = threading.Barrier(4), []

    def slow(wanted: Path) -> np.ndarray:
        calls.append(wanted)
        return decode(wanted)

    monkeypatch.setattr(dataset, "decode", slow)

    def get() -> None:
        together.wait()
        cache.get(path)

    threads = [threading.Thread(target=get) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [path]


def test_a_picture_that_turns_unreadable_ends_the_step_in_words(tmp_path: Path) -> None:
    (tmp_path / "gone.png").write_bytes(b"no picture")
    with loader([TrainingPicture(tmp_path / "gone.png", 72, 64, "")]) as broken, pytest.raises(UserError):
        broken.take(0, 8, 2)


def test_a_share_of_the_crops_is_synthetic(pictures: list[TrainingPicture], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "draw", lambda random: np.full((512, 512, 3), random.integers(256), np.uint8))
    with loader(pictures, synthetic_share=0.25) as mixed, loader(pictures, synthetic_share=0.25, threads=3) as again:
        batches = [mixed.take(step, 8, 16) for step in range(20)]
        repeated = again.take(19, 8, 16)
    assert np.array_equal(batches[19].hr, repeated.hr)
    flat = [bool(np.ptp(crop) == 0) for batch in batches for crop in batch.hr]
    assert 0.18 < np.mean(flat) < 0.32
    assert flat == np.concatenate([batch.synthetic for batch in batches]).tolist()
    # Not one picture over and over.
    assert len({int(crop[0, 0, 0]) for batch in batches for crop in batch.hr if np.ptp(crop) == 0}) > 20


def test_without_a_share_nothing_is_synthetic(pictures: list[TrainingPicture], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_random: np.random.Generator) -> np.ndarray:
        raise AssertionError

    monkeypatch.setattr(synthetic, "draw", never)
    with loader(pictures) as one:
        assert one.take(0, 8, 16).synthetic is None


def test_of_several_places_the_one_with_most_edges_is_cut(tmp_path: Path) -> None:
    # Only the right third has anything in it.
    hr = np.full((96, 192, 3), 90, np.uint8)
    hr[:, 128:] = textured(3, 96, 64)
    Image.fromarray(hr).save(tmp_path / "sky.png")
    picture = [TrainingPicture(tmp_path / "sky.png", 192, 96, "")]

    def busy(candidates: int) -> float:
        with loader(picture, candidates=candidates) as one:
            return float(np.mean([np.ptp(crop) > 0 for crop in one.take(0, 8, 64).hr]))

    assert busy(1) < 0.65
    # A place without any is 0.6 likely, and 0.6 to the power 12 hardly ever.
    assert busy(12) > 0.95


def test_half_of_the_crops_come_from_reduced_pictures(tmp_path: Path) -> None:
    # One level a pixel, so that the levels in a crop tell how much of the picture it shows.
    ramp = np.tile(np.arange(192, dtype=np.uint8)[None, :, None], (160, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    with loader([TrainingPicture(tmp_path / "ramp.png", 192, 160, "")], reduce_to=0.5) as one:
        batch = one.take(0, 8, 200)
    levels = np.array([int(np.ptp(crop)) for crop in batch.hr])
    assert 0.4 < np.mean(levels == 31) < 0.6
    reduced = levels[levels > 31]
    assert reduced.max() <= 31 / 0.5 + 2
    assert np.ptp(reduced) > 20
    # Each LR is its own HR's: 28 levels of 31 from the first LR pixel's middle to the last one's.
    for lr, shown in zip(batch.lr, levels, strict=True):
        assert abs(int(np.ptp(lr)) - shown * 28 / 31) <= 2


@pytest.mark.parametrize("pairs", [False, True])
def test_half_of_the_crops_get_other_colours(pairs: bool, tmp_path: Path) -> None:
    # Each channel in a range of its own, and none in that of another's negative.
    texture = textured(4, 96, 96)[..., :1] // 8
    hr = (texture + np.array([0, 100, 200])).astype(np.uint8)
    Image.fromarray(hr).save(tmp_path / "hr.png")
    Image.fromarray(reduce_bicubic(hr, 4)).save(tmp_path / "lr.png")
    small = tmp_path / "lr.png" if pairs else None
    with loader([TrainingPicture(tmp_path / "hr.png", 96, 96, "", small)], recolour=True) as one:
        batch = one.take(0, 8, 400)
    means = batch.hr.mean((1, 2))
    negative = np.sort(means)[:, 1] > 127
    assert 0.19 < negative.mean() < 0.31
    as_it_was = np.where(negative[:, None], 255 - means, means)
    orders = {tuple(order) for order in np.argsort(as_it_was, axis=1).tolist()}
    assert len(orders) == 6
    # Half of them are left alone, and a sixth of the others come out in the old order.
    in_order = (np.diff(means, axis=1) > 0).all(1)
    assert 0.5 < in_order.mean() < 0.67
    np.testing.assert_allclose(batch.lr.mean((1, 2)), means, atol=4)


def test_a_picture_no_larger_than_a_crop_is_not_reduced(tmp_path: Path) -> None:
    Image.fromarray(textured(0, 32, 40)).save(tmp_path / "small.png")
    with loader([TrainingPicture(tmp_path / "small.png", 40, 32, "")], reduce_to=0.5, candidates=3) as one:
        assert one.take(0, 8, 16).hr.shape == (16, 32, 32, 3)


def test_pairs_are_chosen_among_candidates_too(tmp_path: Path) -> None:
    lr = np.full((24, 48, 3), 90, np.uint8)
    lr[:, 32:] = textured(3, 24, 16)
    Image.fromarray(lr).save(tmp_path / "lr.png")
    Image.fromarray(lr.repeat(4, 0).repeat(4, 1)).save(tmp_path / "hr.png")
    with loader([TrainingPicture(tmp_path / "hr.png", 192, 96, "", tmp_path / "lr.png")], candidates=12) as one:
        batch = one.take(0, 8, 64)
    assert np.mean([np.ptp(crop) > 0 for crop in batch.lr]) > 0.95
    assert all(np.array_equal(hr[::4, ::4], small) for small, hr in zip(batch.lr, batch.hr, strict=True))


def test_processes_cut_what_threads_do(pictures: list[TrainingPicture]) -> None:
    settings = {"candidates": 2, "reduce_to": 0.5, "synthetic_share": 0.2, "recolour": True}
    with loader(pictures, **settings) as threads, loader(pictures, processes=2, **settings) as processes:
        ahead = [(step, 8, 4) for step in range(1, 4)]
        for step in range(4):
            wanted, found = threads.take(step, 8, 4), processes.take(step, 8, 4, ahead[step:])
            assert np.array_equal(wanted.lr, found.lr)
            assert np.array_equal(wanted.hr, found.hr)


def test_a_picture_lost_in_a_process_is_told_once(pictures: list[TrainingPicture]) -> None:
    with loader(pictures, processes=1) as processes:
        pictures[0].hr.unlink()
        for step in range(6):
            processes.take(step, 8, 4)
        (lost,) = processes.take_lost()
        assert pictures[0].hr.name in str(lost)
        processes.take(6, 8, 4)
        assert processes.take_lost() == []


def test_a_killed_process_is_told_with_what_to_do(pictures: list[TrainingPicture]) -> None:
    with loader(pictures, processes=1) as processes:
        processes.take(0, 8, 4)
        (child,) = [each for each in psutil.Process().children() if "spawn_main" in " ".join(each.cmdline())]
        child.kill()
        child.wait()
        with pytest.raises(UserError, match=r"loader_processes"):
            processes.take(1, 8, 4)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_no_process_outlives_its_trainer(tmp_path: Path, data: Path) -> None:
    """Killed, a trainer cannot end its processes: they notice."""
    script = tmp_path / "trainer.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from core.training.dataset import CropLoader, TrainingPicture\n"
        "if __name__ == '__main__':\n"
        f"    pictures = [TrainingPicture(path, 72, 64, '') for path in sorted(Path({str(data)!r}).iterdir())]\n"
        "    loader = CropLoader(\n"
        "        pictures, scale=4, degradation='bicubic', seed=0, cache_bytes=1 << 26, processes=2\n"
        "    )\n"
        "    loader.take(0, 8, 4, [(step, 8, 4) for step in range(1, 9)])\n"
        "    print('cut', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE) as trainer:
        try:
            assert trainer.stdout is not None
            assert trainer.stdout.readline().strip() == b"cut"
            children = psutil.Process(trainer.pid).children()
            assert len(children) >= 2
        finally:
            trainer.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []
