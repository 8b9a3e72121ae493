"""Settings of each picture's own, by what it has been through."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import paths
from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.jobs import Notice
from core.contract.settings import Precision, UpscaleSettings
from core.contract.upscale import (
    FileFailed,
    FileSaved,
    FileSkipped,
    FileStarted,
    Input,
    PreviewReady,
    PreviewRequest,
    UpscaleRequest,
)
from core.images import load
from core.models.catalogue import AUTOMATIC, DEFAULT_MODEL, find_model, mix_for
from core.upscale import stages
from core.upscale.batch import upscale
from core.upscale.choice import choice_for
from core.upscale.engine import Engine, open_engine
from core.upscale.preview import preview
from core.upscale.settings import fingerprint_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One photograph twice: as it is, and as a bad JPEG of a noisy one."""
    pictures = tmp_path / "in"
    pictures.mkdir()
    with Image.open(paths.RESOURCES / "samples" / "cat.jpg") as file:
        clean = np.asarray(file.convert("RGB").resize((112, 74), Image.Resampling.LANCZOS))
    Image.fromarray(clean).save(pictures / "clean.png")
    noise = np.random.default_rng(0).normal(0, 14, clean.shape)
    Image.fromarray(np.clip(clean + noise, 0, 255).astype(np.uint8)).save(pictures / "worn.jpg", quality=30)
    return pictures


def test_worn_pictures_are_cleaned_up_more_than_clean_ones(folder: Path) -> None:
    settings = UpscaleSettings(model=AUTOMATIC)
    clean, worn = (choice_for(settings, load(folder / name)) for name in ("clean.png", "worn.jpg"))
    assert clean.model == worn.model == DEFAULT_MODEL
    assert worn.clean_up > clean.clean_up + 30
    assert f"clean-up {worn.clean_up} %" in worn.reason
    assert choice_for(settings, load(folder / "worn.jpg")) == worn


def test_what_the_settings_say_is_taken_as_it_is(folder: Path) -> None:
    choice = choice_for(UpscaleSettings(model="fast-x4"), load(folder / "worn.jpg"))
    assert (choice.model, choice.detail, choice.clean_up, choice.reason) == ("fast-x4", 100, 0, "")


def test_a_batch_says_why_keeps_it_in_the_journal_and_knows_it_again(folder: Path, tmp_path: Path) -> None:
    request = UpscaleRequest((Input(folder),), tmp_path / "out", model=AUTOMATIC, device="cpu")
    events = list(upscale(request, CancelToken()))
    saved = {event.source.name: event for event in events if isinstance(event, FileSaved)}
    started = {event.source.name: event for event in events if isinstance(event, FileStarted)}
    assert {name: event.reason for name, event in saved.items()} == {n: e.reason for n, e in started.items()}
    assert "clean-up" in saved["worn.jpg"].reason
    lines = [json.loads(line) for line in (tmp_path / "out" / ".srgan" / "journal.jsonl").read_text().splitlines()]
    kept = {line["output"]: line["reason"] for line in lines if line["complete"]}
    assert kept == {event.output.name: event.reason for event in saved.values()}
    again = list(upscale(request, CancelToken()))
    assert sum(isinstance(event, FileSkipped) for event in again) == 2


def test_only_networks_that_pictures_take_are_opened(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, int, int]] = []

    def open_and_note(model: str, device: str, precision: Precision, tile: int, detail: int, clean_up: int) -> Engine:
        opened.append((model, detail, clean_up))
        return open_engine(model, device, precision, tile, detail, clean_up)

    monkeypatch.setattr(stages, "open_engine", open_and_note)
    request = UpscaleRequest((Input(folder / "worn.jpg"),), tmp_path / "out", model=AUTOMATIC, device="cpu")
    events = list(upscale(request, CancelToken()))
    choice = choice_for(request, load(folder / "worn.jpg"))
    assert opened == [(choice.model, choice.detail, choice.clean_up)]
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert notice.message.startswith("Automatic on ")


def test_a_device_that_is_not_there_ends_the_run_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    request = UpscaleRequest((Input(folder),), tmp_path / "out", model=AUTOMATIC, device="cuda:7")
    events: list[object] = []
    with pytest.raises(UserError, match="cuda:7"):
        events.extend(upscale(request, CancelToken()))
    assert not [event for event in events if isinstance(event, FileFailed)]
    assert not (tmp_path / "out").exists()


def test_a_preview_shows_what_the_batch_will_make(folder: Path, tmp_path: Path) -> None:
    request = UpscaleRequest((Input(folder / "worn.jpg"),), tmp_path, model=AUTOMATIC, device="cpu", format="png")
    saved = next(event for event in upscale(request, CancelToken()) if isinstance(event, FileSaved))
    whole = load(saved.output).pixels
    asked = PreviewRequest(folder / "worn.jpg", (20, 10, 40, 30), model=AUTOMATIC, device="cpu")
    ready = next(event for event in preview(asked, CancelToken()) if isinstance(event, PreviewReady))
    assert ready.reason == saved.reason
    part = whole[40:160, 80:240].astype(int)
    assert np.abs(ready.pixels[..., :3].astype(int) - part).max() <= 2


def test_the_fingerprint_is_of_all_that_may_be_chosen() -> None:
    model = find_model(DEFAULT_MODEL)
    by_hand = UpscaleSettings(model=DEFAULT_MODEL)
    automatic = UpscaleSettings(model=AUTOMATIC)
    assert fingerprint_of(automatic, model, mix_for(model)) != fingerprint_of(by_hand, model, mix_for(model))
    untied = UpscaleSettings(model=AUTOMATIC, tie_colours=False)
    assert fingerprint_of(automatic, model, mix_for(model)) != fingerprint_of(untied, model, mix_for(model))
