from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from core.contract.training import PictureQuarantined, PrepareFinished, PrepareProgress, PrepareRequest
from core.evaluate.resampling import reduce_bicubic, resize, to_uint8
from core.training.prepare import prepare
from tests.core.training.pictures import picture_folder, textured


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def wanted(source: Path, out: Path, **more) -> PrepareRequest:
    return PrepareRequest(source, out, **{"hr": 32, "lr": 8, "count": 0, **more})


def test_both_folders_hold_the_same_names_and_the_right_pixels(tmp_path: Path) -> None:
    source = picture_folder(tmp_path / "source", count=3, height=64, width=90)
    events = list(prepare(wanted(source, tmp_path / "out"), CancelToken()))
    assert isinstance(events[-1], PrepareFinished)
    assert (events[-1].made, events[-1].kept, events[-1].left_out) == (3, 0, 0)
    hr, lr = tmp_path / "out" / "hr_images", tmp_path / "out" / "lr_images"
    assert names(hr) == names(lr) == [f"picture-{n:03d}.png" for n in range(3)]
    # The middle square, so that the aspect is kept; then antialiased bicubic twice.
    square = textured(1, 64, 90)[:, 13:77]
    expected = to_uint8(resize(square, 32, 32))
    assert np.array_equal(pixels(hr / "picture-001.png"), expected)
    assert np.array_equal(pixels(lr / "picture-001.png"), reduce_bicubic(expected, 4))


def test_a_stopped_run_goes_on_and_ends_alike(tmp_path: Path) -> None:
    source = picture_folder(tmp_path / "source", count=12)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    list(prepare(wanted(source, whole, threads=3), CancelToken()))
    cancel = CancelToken()
    work = prepare(wanted(source, parts, threads=1), cancel)
    next(work)
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(work)
    done = names(parts / "hr_images")
    assert 0 < len(done) < 12
    # A kill between the two files of a pair leaves LR alone.
    (parts / "hr_images" / done[0]).unlink()
    finished = list(prepare(wanted(source, parts, threads=2), CancelToken()))[-1]
    assert (finished.made, finished.kept) == (12 - (len(done) - 1), len(done) - 1)
    for folder in ("hr_images", "lr_images"):
        assert names(whole / folder) == names(parts / folder)
        for name in names(whole / folder):
            assert (whole / folder / name).read_bytes() == (parts / folder / name).read_bytes()


def test_the_seed_chooses_and_threads_do_not(tmp_path: Path) -> None:
    source = picture_folder(tmp_path / "source", count=10)
    chosen = {}
    for key, seed, threads in (("a", 0, 1), ("b", 0, 4), ("c", 1, 2)):
        list(prepare(wanted(source, tmp_path / key, count=4, seed=seed, threads=threads), CancelToken()))
        chosen[key] = names(tmp_path / key / "hr_images")
    assert len(chosen["a"]) == 4
    assert chosen["a"] == chosen["b"] != chosen["c"]


def test_what_is_left_out_is_told_and_replaced(tmp_path: Path) -> None:
    source = picture_folder(tmp_path / "source", count=4)
    (source / "torn.png").write_bytes(b"no picture")
    Image.fromarray(textured(9, 20, 90)).save(source / "thin.png")
    picture_folder(source / "more", count=1)
    events = list(prepare(wanted(source, tmp_path / "out"), CancelToken()))
    told = {e.path.name: (e.kind, e.reason) for e in events if isinstance(e, PictureQuarantined)}
    assert {name: kind for name, (kind, _) in told.items()} == {"torn.png": "unreadable", "thin.png": "small"}
    assert "90 x 20" in told["thin.png"][1]
    assert (events[-1].made, events[-1].left_out) == (5, 2)
    # The same name in two folders is numbered.
    assert "picture-000~2.png" in names(tmp_path / "out" / "lr_images")
    done = [e.done for e in events if isinstance(e, PrepareProgress)]
    assert done == sorted(done)
    assert done[-1] == 5
    # Pictures that cannot be used do not count.
    list(prepare(wanted(source, tmp_path / "five", count=5), CancelToken()))
    assert len(names(tmp_path / "five" / "hr_images")) == 5


def test_the_output_is_never_its_own_source(tmp_path: Path) -> None:
    source = picture_folder(tmp_path / "source", count=3)
    for kept in (0, 3):
        finished = list(prepare(wanted(source, source / "pairs"), CancelToken()))[-1]
        assert (finished.made, finished.kept, finished.left_out) == (3 - kept, kept, 0)
    # Nor is one made with other settings.
    assert list(prepare(wanted(source, source / "large", hr=64, lr=16), CancelToken()))[-1].made == 3
    with pytest.raises(UserError, match="folder of the pictures themselves"):
        list(prepare(wanted(source, source / "pairs" / ".."), CancelToken()))
    assert names(source) == ["large", "pairs", *(f"picture-{n:03d}.png" for n in range(3))]


def test_a_folder_of_other_pictures_is_left_alone(tmp_path: Path) -> None:
    source = picture_folder(tmp_path / "source", count=2)
    out = tmp_path / "out"
    list(prepare(wanted(source, out), CancelToken()))
    with pytest.raises(UserError, match="other settings"):
        list(prepare(wanted(source, out, hr=48, lr=12), CancelToken()))
    picture_folder(tmp_path / "mine" / "hr_images", count=1)
    with pytest.raises(UserError, match="holds other pictures"):
        list(prepare(wanted(source, tmp_path / "mine"), CancelToken()))
    with pytest.raises(UserError, match="no folder"):
        list(prepare(wanted(tmp_path / "none", out), CancelToken()))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no pictures"):
        list(prepare(wanted(tmp_path / "empty", out), CancelToken()))
    with pytest.raises(UserError, match="could be used"):
        list(prepare(wanted(source, tmp_path / "large", hr=640, lr=160), CancelToken()))


@pytest.mark.parametrize(("hr", "lr"), [(128, 30), (32, 64), (128, 0)])
def test_sizes_must_divide(tmp_path: Path, hr: int, lr: int) -> None:
    with pytest.raises(UserError, match="cannot be made"):
        PrepareRequest(tmp_path, tmp_path, hr=hr, lr=lr)
