"""The real window, the real engine, a real (tiny) training."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox

from core import paths
from core.models.card import read_card
from srgan_desktop.main_window import MainWindow
from srgan_desktop.settings import MODEL, TRAIN_FOLDER, Settings
from srgan_desktop.theme import Theme
from srgan_desktop.training.session import TrainingPhase
from tests.core.training.pictures import TINY, picture_folder
from tests.desktop.training.conftest import WAIT_MS
from tests.picture_collections import COLLECTIONS

ENGINE_MS = 120_000
"""Importing torch takes its time on a busy machine."""


SMALL = {
    "name": "tiny",
    "generator.features": "16",
    "generator.blocks": "2",
    "psnr.steps": "60",
    "psnr.batch": "8",
    "psnr.warmup": "10",
    "psnr.ema": "0.9",
    "validation.every": "20",
    "validation.pictures": "3",
    "checkpoint_every": "20",
}
"""The `quick` recipe in seconds, and still better than bicubic."""
PHOTOGRAPHS = COLLECTIONS / "train"


def real_pictures(folder: Path) -> Path:
    """A few photographs: those of the workplace, or where it is not there, an installed package's."""
    folder.mkdir()
    if PHOTOGRAPHS.is_dir():
        for path in sorted(PHOTOGRAPHS.glob("*.jpg"))[:90:5]:
            shutil.copy(path, folder)
        return folder
    data = pytest.importorskip("skimage.data")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(data, name)()).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def window(warm_workers: None, theme: Theme, options: Settings, qtbot, home: Path):
    options.set(TRAIN_FOLDER, str(real_pictures(home / "pictures")))
    window = MainWindow(theme, options)
    window.show()
    yield window
    with qtbot.waitSignal(window.closed, timeout=ENGINE_MS):
        window.close_now()
    window.deleteLater()


@pytest.mark.timeout(300)
def test_a_model_is_trained_used_and_chosen_for_upscaling(window: MainWindow, qtbot, options: Settings) -> None:
    window.show_page("train")
    page = window.page("train")
    draft = page.session.draft
    for path, value in SMALL.items():
        draft.set(path, value)
    page.set_up.recipe.device.setCurrentIndex(page.set_up.recipe.device.findData("cpu"))
    assert draft.faults == {}
    qtbot.waitUntil(lambda: page.session.can_start, timeout=ENGINE_MS)
    qtbot.waitUntil(lambda: page.set_up.pictures.samples.count > 0, timeout=WAIT_MS)

    qtbot.mouseClick(page.set_up.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.session.phase is TrainingPhase.RUNNING, timeout=WAIT_MS)
    # Closing asks first; staying leaves the run as it is.
    window.close()
    box = window.findChild(QMessageBox)
    if box is not None:
        qtbot.mouseClick(box.escapeButton(), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not page.busy, timeout=ENGINE_MS)

    record = page.session.record
    assert record.finished is not None, page.banner.text
    assert [each.step for each in record.validations] == [20, 40, 60]
    assert record.finished.better_than_bicubic, record.finished.verdict
    assert record.best.psnr_y > record.bicubic_psnr
    assert "Measured on 1 test picture." in page.run.verdict.text
    assert all(picture.sr.is_file() for each in record.validations for picture in each.pictures)
    with qtbot.waitSignal(page.model_ready, timeout=WAIT_MS):
        qtbot.mouseClick(page.run.use, Qt.MouseButton.LeftButton)
    assert options.get(MODEL) == "tiny-x4"
    assert read_card(paths.user_models() / "tiny-x4.safetensors").name == "tiny x4"
    assert window.page("upscale").options.model.currentData().key == "tiny-x4"


@pytest.mark.timeout(300)
def test_closing_while_training_saves_the_run(
    warm_workers: None, theme: Theme, options: Settings, qtbot, home: Path
) -> None:
    options.set(TRAIN_FOLDER, str(picture_folder(home / "pictures", count=8)))
    window = MainWindow(theme, options)
    window.show()
    window.show_page("train")
    page = window.page("train")
    endless = ("checkpoint_every", "validation.every", "psnr.steps")
    for path, value in (*TINY, *((field, "100000") for field in endless)):
        page.session.draft.set(path, value.strip('"[]'))
    page.set_up.recipe.device.setCurrentIndex(page.set_up.recipe.device.findData("cpu"))
    qtbot.waitUntil(lambda: page.session.can_start, timeout=ENGINE_MS)
    qtbot.mouseClick(page.set_up.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.session.record is not None and page.session.record.step > 3, timeout=ENGINE_MS)
    window.close()
    box = window.findChild(QMessageBox)
    assert "training with Resume" in box.informativeText()
    close = next(button for button in box.buttons() if button is not box.escapeButton())
    with qtbot.waitSignal(window.closed, timeout=ENGINE_MS):
        qtbot.mouseClick(close, Qt.MouseButton.LeftButton)
    assert page.session.worker_pid is None
    (run,) = paths.user_runs().iterdir()
    saved = max(int(path.stem.split("-")[1]) for path in (run / "checkpoints").glob("checkpoint-*.safetensors"))
    assert saved >= page.session.record.step > 3
    window.deleteLater()
