"""What goes where, under which name, and what is refused before anything starts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.settings import OutputSize
from core.contract.upscale import Input, UpscaleRequest
from core.models.card import read_card, rewrite_card
from core.names import MAX_NAME_BYTES, fitting_name
from core.upscale.plan import Plan, plan
from tests.core.networks import save_pair, save_small_model
from tests.core.upscale.conftest import Run, files_in, picture


def planned(small: str, /, *inputs: Path, **settings: Any) -> Plan:
    return plan(UpscaleRequest(tuple(map(Input, inputs)), **{"model": small} | settings), CancelToken())


def outputs(settled: Plan) -> list[Path]:
    return [task.output for task in settled.tasks]


def test_a_folder_is_mirrored_beside_itself_and_a_file_gets_a_suffix(tmp_path: Path, model: str) -> None:
    album = tmp_path / "album"
    picture(album / "a.png")
    picture(album / "deep" / "b.jpg")
    single = picture(tmp_path / "c.webp")
    assert outputs(planned(model, album, single)) == [
        tmp_path / "album_4x" / "a.png",
        tmp_path / "album_4x" / "deep" / "b.jpg",
        tmp_path / "c_4x.webp",
    ]
    assert files_in(tmp_path) == ["album/a.png", "album/deep/b.jpg", "c.webp"]


def test_with_an_output_folder_one_tree_is_mirrored_there_and_several_side_by_side(tmp_path: Path, model: str) -> None:
    one, two, three = tmp_path / "one", tmp_path / "two", tmp_path / "x" / "one"
    for folder in (one, two, three):
        picture(folder / "a.png")
    out = tmp_path / "out"
    assert outputs(planned(model, one, output=out)) == [out / "a.png"]
    assert outputs(planned(model, one, two, three, output=out)) == [
        out / "one" / "a.png",
        out / "two" / "a.png",
        out / "one (2)" / "a.png",
    ]


def test_an_output_folder_that_is_the_source_folder_gets_suffixes(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "a.png")
    size = OutputSize.parse("100w")
    assert outputs(planned(model, tmp_path, output=tmp_path, size=size)) == [tmp_path / "a_100w.png"]


@pytest.mark.parametrize(
    ("suffix", "mode", "format", "expected"),
    [
        (".png", "RGB", "same", ".png"),
        (".JPG", "RGB", "same", ".JPG"),
        (".bmp", "RGB", "same", ".png"),
        (".gif", "L", "same", ".png"),
        (".png", "RGBA", "jpeg", ".png"),
        (".png", "RGB", "jpeg", ".jpg"),
        (".tif", "RGB", "webp", ".webp"),
    ],
)
def test_the_format_follows_the_source_and_what_it_must_hold(
    tmp_path: Path, model: str, suffix: str, mode: str, format: str, expected: str
) -> None:
    path = picture(tmp_path / f"a{suffix}", mode=mode)
    [task] = planned(model, path, format=format).tasks
    assert task.output == tmp_path / f"a_4x{expected}"
    assert any("cannot" in note for note in task.notes) == (
        expected == ".png" and (suffix in (".bmp", ".gif") or format == "jpeg")
    )


def test_names_that_would_be_one_are_parted_before_anything_starts(tmp_path: Path, model: str) -> None:
    for name in ("a.jpg", "a.png", "a.webp", "B.png", "b.png"):
        picture(tmp_path / "in" / name)
    found = outputs(planned(model, tmp_path / "in", format="png", output=tmp_path / "out"))
    assert sorted(path.name for path in found) == ["B (2).png", "B.png", "a.png", "a_jpg.png", "a_webp.png"] or sorted(
        path.name for path in found
    ) == ["B.png", "a.png", "a_jpg.png", "a_webp.png", "b (2).png"]


@pytest.mark.parametrize("existing", ["skip", "number", "replace"])
def test_a_file_of_somebody_elses_is_numbered_around(tmp_path: Path, model: str, existing: str) -> None:
    source = picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "out" / "a.png", seed=1)
    [task] = planned(model, source, output=tmp_path / "out", existing=existing).tasks
    assert task.output == tmp_path / "out" / "a (2).png"
    assert ("not an earlier result of it" in task.notes[-1]) == (existing == "replace")


def test_a_source_is_never_the_target(tmp_path: Path, model: str) -> None:
    # One source's result would have the name of another source.
    first = picture(tmp_path / "a.png")
    second = picture(tmp_path / "a_4x.png")
    assert outputs(planned(model, first, second, existing="replace")) == [
        tmp_path / "a_4x (2).png",
        tmp_path / "a_4x_4x.png",
    ]


@given(
    part=st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=20),
    times=st.integers(1, 40),
)
def test_names_fit_and_stay_different(part: str, times: int) -> None:
    stem = part * times
    one, two = fitting_name(stem + "1", "_4x.png"), fitting_name(stem + "2", "_4x.png")
    assert len(one.encode()) <= MAX_NAME_BYTES
    assert one.endswith("_4x.png")
    assert one != two


def test_results_that_no_format_or_memory_can_hold_are_refused_with_words(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = picture(tmp_path / "wide.jpg", 3000, 2)
    normal = picture(tmp_path / "normal.png", 400, 300)
    memory = SimpleNamespace(total=10_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    settled = planned(model, wide, normal, size=OutputSize("factor", 30.0))
    words = {each.source.name: str(each.error) for each in settled.refused}
    assert "JPEG holds at most 65,500" in words["wide.jpg"]
    assert "12,000 x 9,000" in words["normal.png"]
    assert "memory" in words["normal.png"]
    assert not settled.tasks


def test_memory_for_what_the_network_makes_counts_too(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To one and a half times its size a picture is enlarged four times first, and then reduced."""
    picture(tmp_path / "a.png", 400, 300)
    memory = SimpleNamespace(total=10_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    [refused] = planned(model, tmp_path, size=OutputSize("factor", 1.5)).refused
    assert "600 x 450" in str(refused.error)
    # To be reduced needs no network.
    assert len(planned(model, tmp_path, size=OutputSize("factor", 0.9)).tasks) == 1


def test_a_card_that_claims_any_scale_refuses_nothing(tmp_path: Path, model: str) -> None:
    boastful = tmp_path / "boastful.safetensors"
    picture(tmp_path / "a.png")
    for scale in (10**400, 1_000_000):
        rewrite_card(Path(model), replace(read_card(Path(model)), scale=scale), boastful)
        assert len(planned(str(boastful), tmp_path / "a.png").tasks) == 1


def test_a_disk_that_is_too_small_is_told_of_before_anything_starts(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "a.png", 100, 100)
    usage = SimpleNamespace
    # 400 x 400 pixels of PNG are estimated at 256,000 bytes.
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(free=200_000))
    assert "may not fit" in planned(model, tmp_path).warnings[0]
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(free=100_000))
    with pytest.raises(UserError, match=r"0\.3 MB, and 0\.1 MB are free"):
        planned(model, tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "gif"}, "cannot be written as “gif”"),
        ({"quality": 0}, "out of range"),
        ({"model": "no-such-model"}, "no model “no-such-model”"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, model: str, settings: dict[str, Any], message: str) -> None:
    picture(tmp_path / "a.png")
    with pytest.raises(UserError, match=message):
        planned(model, tmp_path, **settings)


def test_an_empty_folder_is_told_of(tmp_path: Path, model: str) -> None:
    with pytest.raises(UserError, match="no picture in"):
        planned(model, tmp_path)
    with pytest.raises(UserError, match="No picture was given"):
        planned(model)


def test_skipping_looks_at_settings_source_and_result(tmp_path: Path, model: str, run: Run) -> None:
    source = picture(tmp_path / "in" / "a.png")
    out = tmp_path / "out"
    made = run(source, output=out).saved["a.png"]

    def skipped(**settings: Any) -> bool:
        return bool(planned(model, source, output=out, **settings).done)

    assert skipped()
    # What does not show in the result makes no difference; everything else does.
    assert skipped(tile=64, device="cpu")
    assert not skipped(size=OutputSize("factor", 2.0))
    assert not skipped(format="webp")
    assert not skipped(ensemble=True)
    assert not skipped(model="")
    assert not skipped(existing="number")
    # A result whose stamp changed is looked at; one that is broken is not taken for done.
    content = made.read_bytes()
    made.write_bytes(content)
    assert skipped()
    made.write_bytes(content[: len(content) // 2])
    assert not skipped()
    made.write_bytes(content)
    # The same content under a new stamp is the same source; other content is not.
    source.write_bytes(source.read_bytes())
    assert skipped()
    picture(source, seed=5)
    assert not skipped()


def test_a_moved_pair_of_folders_is_still_known(tmp_path: Path, model: str, run: Run) -> None:
    picture(tmp_path / "x" / "in" / "a.png")
    run(tmp_path / "x" / "in", output=tmp_path / "x" / "out")
    (tmp_path / "x").rename(tmp_path / "y")
    assert planned(model, tmp_path / "y" / "in", output=tmp_path / "y" / "out").done
    # A source that moved alone is known by its content and the place of its result.
    (tmp_path / "y" / "in").rename(tmp_path / "elsewhere")
    assert planned(model, tmp_path / "elsewhere", output=tmp_path / "y" / "out").done


def test_another_detail_is_another_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.paths.user_models", lambda: tmp_path)
    base, _full = save_pair(tmp_path)
    source = picture(tmp_path / "a.png")

    def fingerprint(detail: int) -> str:
        return planned("sharp", source, detail=detail).fingerprint

    assert len({fingerprint(0), fingerprint(50), fingerprint(100)}) == 3
    at_half = fingerprint(50), fingerprint(100)
    save_small_model(base, seed=9)
    assert fingerprint(50) != at_half[0]
    assert fingerprint(100) == at_half[1]
    with pytest.raises(UserError, match="no softer version"):
        planned("soft", source, detail=50)
