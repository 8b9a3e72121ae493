"""The Models page through the events that a person makes; the last tests with the real worker on small real models."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QFileDialog,
    QInputDialog,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QToolButton,
)

from core import paths
from core.models.card import read_card
from core.models.catalogue import DEFAULT_MODEL
from core.models.known import KnownModel
from srgan_desktop import settings
from srgan_desktop.compare.arrangement import Mode
from srgan_desktop.dialogs import FailuresDialog
from srgan_desktop.main_window import MainWindow
from srgan_desktop.models.blend_dialog import BlendDialog
from srgan_desktop.models.card_view import CardValue
from srgan_desktop.models.page import ModelsPage
from srgan_desktop.models.session import ModelsSession, Trial
from srgan_desktop.settings import Settings
from srgan_desktop.theme import Theme
from tests.core.networks import save_small_model
from tests.desktop.conftest import drop, make_picture
from tests.desktop.models.conftest import WAIT_MS, Server

ENGINE_MS = 120_000
"""Importing torch takes its time on a busy machine."""


def seen(session: ModelsSession, theme: Theme, options: Settings) -> ModelsPage:
    page = ModelsPage(theme, options, session=session)
    page.resize(1150, 740)
    page.show()
    return page


@pytest.fixture
def page(session: ModelsSession, theme: Theme, options: Settings, qtbot) -> Iterator[ModelsPage]:
    """Over a scripted worker."""
    page = seen(session, theme, options)
    yield page
    page.close()
    session.setParent(None)
    page.deleteLater()


@pytest.fixture
def real_page(warm_workers: None, no_known: None, theme: Theme, options: Settings, qtbot) -> Iterator[ModelsPage]:
    """Over the real worker, on the processor."""
    options.set(settings.DEVICE, "cpu")
    page = seen(ModelsSession(options), theme, options)
    yield page
    with qtbot.waitSignal(page.stopped, timeout=ENGINE_MS):
        page.shutdown()
    page.close()
    page.deleteLater()


def click(button: QAbstractButton, qtbot) -> None:
    assert button.isVisible()
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_empty_groups_say_how_to_fill_them(page: ModelsPage) -> None:
    labels = [getattr(page.list.itemWidget(page.list.item(row)), "text", str)() for row in range(page.list.count())]
    assert any("Train one" in label for label in labels)
    assert any("Drop .safetensors" in label for label in labels)
    assert page.list.entry.key == DEFAULT_MODEL
    assert page.list.rows[DEFAULT_MODEL].mark.isVisible()
    assert not page.card.remove.isEnabled()
    assert not page.card.rename.isEnabled()
    assert page.session.worker_pid is None


def test_keys_walk_the_list_and_choose_the_model_in_use(
    page: ModelsPage, make_own: Callable[..., Path], options: Settings, qtbot
) -> None:
    make_own("mine")
    page.session.reload()
    page.list.setFocus()
    QTest.keyClick(page.list, Qt.Key.Key_Down)
    assert page.list.entry.key == "mine"
    assert page.card.title.text() == "mine"
    QTest.keyClick(page.list, Qt.Key.Key_Return)
    assert options.get(settings.MODEL) == "mine"
    assert page.list.rows["mine"].mark.isVisible()
    assert not page.list.rows[DEFAULT_MODEL].mark.isVisible()
    assert not page.card.use.isEnabled()
    page.list.select(DEFAULT_MODEL)
    click(page.card.use, qtbot)
    assert options.get(settings.MODEL) == DEFAULT_MODEL


def test_rename_and_remove_ask_and_then_do(page: ModelsPage, make_own: Callable[..., Path], qtbot) -> None:
    path = make_own("mine")
    page.session.reload()
    page.list.select("mine")
    click(page.card.rename, qtbot)
    dialog = page.findChild(QInputDialog)
    dialog.setTextValue("better name")
    dialog.accept()
    qtbot.waitUntil(lambda: page.list.entry.key == "better name", timeout=WAIT_MS)
    assert page.card.title.text() == "better name"
    assert not path.exists()

    click(page.card.remove, qtbot)
    box = page.findChild(QMessageBox)
    assert "better name" in box.text()
    assert box.defaultButton() is box.escapeButton()
    click(box.escapeButton(), qtbot)
    assert page.session.find("better name") is not None
    QTest.keyClick(page.list, Qt.Key.Key_Delete)
    box = next(each for each in page.findChildren(QMessageBox) if each.isVisible())
    click(next(button for button in box.buttons() if button is not box.escapeButton()), qtbot)
    qtbot.waitUntil(lambda: page.session.find("better name") is None, timeout=WAIT_MS)
    assert "better name" not in page.list.rows
    assert page.list.entry.key == DEFAULT_MODEL


def test_delete_never_asks_for_the_shipped_model(page: ModelsPage, qtbot) -> None:
    page.list.setFocus()
    with qtbot.waitSignal(page.notice) as notice:
        QTest.keyClick(page.list, Qt.Key.Key_Delete)
    assert "cannot be removed" in notice.args[0]
    assert page.findChild(QMessageBox) is None


def test_the_card_says_all_and_computes_the_hash_on_demand(
    page: ModelsPage, make_own: Callable[..., Path], qtbot
) -> None:
    path = make_own("mine")
    page.session.reload()
    page.list.select("mine")
    page.card.details.show_open(True)

    def compute() -> list[QPushButton]:
        # The rows of the model before are hidden at once, those of this one shown with the next turn of the loop.
        return [each for each in page.card.findChildren(QPushButton) if each.text() == "Compute" and each.isVisible()]

    qtbot.waitUntil(lambda: len(compute()) == 1, timeout=WAIT_MS)
    with qtbot.waitSignal(page.session.hashed, timeout=WAIT_MS) as hashed:
        click(compute()[0], qtbot)
    copy = next(each for each in page.card.findChildren(QToolButton) if each.accessibleName() == "Copy the SHA-256")
    copy.click()
    assert QGuiApplication.clipboard().text() == hashed.args[1]
    values = {label.accessibleName(): label for label in page.card.findChildren(CardValue)}
    file = values[f"File: {path}"]
    assert file.text() != str(path), "a long path has places to break it"
    file.actions()[0].trigger()
    assert QGuiApplication.clipboard().text() == str(path)
    assert "Licence: Unknown: ask its author before you use its results" in values


def test_a_download_through_its_row(
    known: KnownModel, server: Server, make_session: Callable[[], ModelsSession], theme: Theme, options: Settings, qtbot
) -> None:
    page = seen(make_session(), theme, options)
    row = page.list.rows["remote"]
    server.hold = True
    click(row.download, qtbot)
    qtbot.waitUntil(lambda: page.session.downloads["remote"].done > 0, timeout=WAIT_MS)
    assert row.progress.isVisible()
    assert row.words.whole.endswith("MB")
    click(row.cancel, qtbot)
    qtbot.waitUntil(lambda: row.download.isVisible(), timeout=WAIT_MS)
    server.hold = False
    server.released.set()
    page.list.select("remote")
    click(page.card.download, qtbot)
    qtbot.waitUntil(lambda: page.session.find("remote") is not None, timeout=WAIT_MS)
    assert page.list.entry.key == "remote"
    assert page.banner.text.startswith("“remote” was added to your models")
    assert page.card.use.isVisible()
    page.session.setParent(None)
    page.close()
    page.deleteLater()


def test_an_offline_download_says_what_to_do(
    known: KnownModel, server: Server, make_session: Callable[[], ModelsSession], theme: Theme, options: Settings, qtbot
) -> None:
    server.close()
    page = seen(make_session(), theme, options)
    page.list.select("remote")
    click(page.card.download, qtbot)
    qtbot.waitUntil(lambda: page.banner.isVisible(), timeout=WAIT_MS)
    assert "no connection" in page.banner.text
    assert "no connection" in page.card.download_words.text()
    assert page.card.download.text().startswith("&Try again")
    page.session.setParent(None)
    page.close()
    page.deleteLater()


def test_refusals_are_listed_file_by_file(page: ModelsPage, qtbot, tmp_path: Path) -> None:
    for name in ("evil.pth", "good.pth", "a/evil.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    drop(page, tmp_path / "evil.pth")
    qtbot.waitUntil(lambda: page.banner.isVisible(), timeout=WAIT_MS)
    assert page.banner.text == "evil.pth would run code. Get it as .safetensors."
    qtbot.waitUntil(lambda: not page.session.importing, timeout=WAIT_MS)
    drop(page, tmp_path / "evil.pth", tmp_path / "good.pth", tmp_path / "a" / "evil.pt")
    qtbot.waitUntil(lambda: page.banner.text == "2 files were refused “good” imported.", timeout=WAIT_MS)
    click(
        next(each for each in page.banner.findChildren(QPushButton) if each.text() == "Show why…" and each.isVisible()),
        qtbot,
    )
    shown = page.findChild(FailuresDialog)
    assert "evil.pt would run code." in shown.findChild(QPlainTextEdit).toPlainText()
    shown.reject()


def test_import_by_the_button(page: ModelsPage, qtbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil.pth").touch()
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(tmp_path / "evil.pth")], ""))
    click(page.import_button, qtbot)
    assert not page.import_button.isEnabled()
    qtbot.waitUntil(lambda: "would run code" in page.banner.text, timeout=WAIT_MS)
    assert page.settings.get(settings.MODELS_FOLDER) == str(tmp_path)
    qtbot.waitUntil(lambda: page.import_button.isEnabled(), timeout=WAIT_MS)


def test_at_most_four_models_are_ticked_by_hand(page: ModelsPage, make_own: Callable[..., Path], qtbot) -> None:
    for name in "abcd":
        make_own(name)
    page.session.reload()
    qtbot.mouseClick(page.tabs.buttons["compare"], Qt.MouseButton.LeftButton)
    view = page.compare
    assert view.ticked == [DEFAULT_MODEL]
    assert view.words.whole == "Tick two to 4 models."
    for row in (3, 1, 2):
        view.choice.setCurrentRow(row)
        QTest.keyClick(view.choice, Qt.Key.Key_Space)
    assert view.ticked == [DEFAULT_MODEL, "c", "a", "b"]
    assert not view.choice.item(4).flags() & Qt.ItemFlag.ItemIsEnabled
    view.choice.setCurrentRow(3)
    QTest.keyClick(view.choice, Qt.Key.Key_Space)
    assert view.ticked == [DEFAULT_MODEL, "a", "b"]
    assert view.choice.item(4).flags() & Qt.ItemFlag.ItemIsEnabled
    page.show_view("models")
    page.list.select("d")
    click(page.card.compare, qtbot)
    assert view.isVisible()
    assert view.ticked == [DEFAULT_MODEL, "a", "b", "d"]


def test_results_of_another_picture_are_forgotten(page: ModelsPage, qtbot, tmp_path: Path) -> None:
    page.show_view("check")
    drop(page, make_picture(tmp_path / "a.png", 200, 100))
    qtbot.waitUntil(lambda: page.check.start.isEnabled(), timeout=WAIT_MS)
    QTest.keyClick(page.check.picker, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: page.check.result is not None, timeout=WAIT_MS)
    assert page.check.results.isVisible()
    assert page.check.figures.cells["SSIM-Y", "model"].text() == "0.9000"
    assert not page.check.figures.cells["Perceptual", "model"].isVisible()
    assert "content weights" in page.check.notes.text()
    drop(page, make_picture(tmp_path / "b.png", 100, 200))
    qtbot.waitUntil(lambda: page.check.result is None, timeout=WAIT_MS)
    assert not page.check.results.isVisible()
    assert not page.check.figures.isVisible()


def test_a_part_is_drawn_moved_and_taken_by_keys(page: ModelsPage, qtbot, tmp_path: Path) -> None:
    page.show_view("compare")
    drop(page, make_picture(tmp_path / "a.png", 1000, 500))
    session, picker = page.session, page.compare.picker
    qtbot.waitUntil(lambda: session.picture is not None, timeout=WAIT_MS)
    start, end = picker.to_widget(100, 100), picker.to_widget(350, 300)
    qtbot.mousePress(picker, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(picker, (start + end) / 2)
    qtbot.mouseMove(picker, end)
    qtbot.mouseRelease(picker, Qt.MouseButton.LeftButton, pos=end)
    # A pixel of the small picture is several of the large one.
    assert session.compare_region == pytest.approx((100, 100, 250, 200), abs=6)
    before = session.compare_region
    QTest.keyClick(picker, Qt.Key.Key_Right)
    assert session.compare_region == (before[0] + 42, *before[1:])
    QTest.keyClick(picker, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert session.compare_region[3] == before[3] + 42
    # A click takes the same rectangle there.
    qtbot.mouseClick(picker, Qt.MouseButton.LeftButton, pos=picker.to_widget(800, 250))
    assert session.compare_region[0] + session.compare_region[2] / 2 == pytest.approx(800, abs=6)
    click(page.compare.picture.all, qtbot)
    assert session.compare_region == (0, 0, 1000, 500)
    assert not page.compare.picture.all.isVisible()
    assert session.check_region == (0, 0, 1000, 500)


def test_the_upscale_pages_picture_is_taken(page: ModelsPage, qtbot, tmp_path: Path) -> None:
    page.show_view("check")
    assert not page.check.picture.choose_queued.isEnabled()
    picture = make_picture(tmp_path / "a.png", 200, 100)
    page.selected_picture = lambda: picture
    page.show_view("check")
    click(page.check.picture.choose_queued, qtbot)
    qtbot.waitUntil(lambda: page.session.picture is not None, timeout=WAIT_MS)
    assert page.check.picture.name.whole == "a.png"


def test_a_trial_can_be_stopped_and_says_what_is_missing(
    page: ModelsPage, make_own: Callable[..., Path], qtbot, tmp_path: Path
) -> None:
    make_own("waits")
    page.session.reload()
    page.show_view("check")
    assert page.check.words.whole == "Choose a picture first."
    assert not page.check.start.isEnabled()
    page.check.choose("waits")
    drop(page, make_picture(tmp_path / "a.png", 200, 100))
    qtbot.waitUntil(lambda: page.check.start.isEnabled(), timeout=WAIT_MS)
    click(page.check.start, qtbot)
    qtbot.waitUntil(lambda: page.session.fraction == 0.5, timeout=WAIT_MS)
    assert page.check.words.whole == "50 % done"
    click(page.check.stop, qtbot)
    assert page.check.start.isVisible()
    assert page.check.result is None


def test_no_partner_is_explained_in_place_of_a_blend(page: ModelsPage, qtbot) -> None:
    click(page.card.blend, qtbot)
    dialog = page.findChild(BlendDialog)
    assert not dialog.save.isVisible()
    assert any("nothing to blend it with" in label.text() for label in dialog.findChildren(type(page.card.about)))
    dialog.reject()


@pytest.mark.timeout(300)
def test_models_are_dropped_compared_blended_and_measured_by_the_real_engine(
    real_page: ModelsPage, qtbot, tmp_path: Path, options: Settings
) -> None:
    page, session = real_page, real_page.session
    first = save_small_model(tmp_path / "first.safetensors")
    second = save_small_model(tmp_path / "second.safetensors", seed=1)
    hostile = tmp_path / "hostile.pth"
    hostile.write_bytes(pickle.dumps({"params": _Touching(tmp_path / "it-ran")}, protocol=2))

    drop(page, first, second, hostile)
    qtbot.waitUntil(lambda: None not in (session.find("first"), session.find("second")), timeout=ENGINE_MS)
    qtbot.waitUntil(lambda: not session.importing, timeout=ENGINE_MS)
    assert page.banner.text.startswith("1 file was refused “first”, “second” imported. hostile.pth")
    assert not (tmp_path / "it-ran").exists()
    assert list(paths.user_models().glob("*hostile*")) == []
    assert session.find("first").kind == "imported"
    drop(page, first)
    qtbot.waitUntil(lambda: page.banner.text == "Nothing new “first” was already here.", timeout=ENGINE_MS)
    qtbot.waitUntil(lambda: not session.importing, timeout=ENGINE_MS)

    page.list.select("first")
    click(page.card.blend, qtbot)
    dialog = page.findChild(BlendDialog)
    dialog.other.setCurrentText("second")
    dialog.slider.setValue(25)
    dialog.name.selectAll()
    qtbot.keyClicks(dialog.name, "between")
    click(dialog.save, qtbot)
    qtbot.waitUntil(lambda: session.find("between") is not None and not session.blending, timeout=ENGINE_MS)
    card = read_card(paths.user_models() / "between.safetensors")
    assert "first (sha256" in card.parent
    assert "second (sha256" in card.parent
    assert "25%" in card.description
    assert page.list.entry.key == "between"

    drop(page, make_picture(tmp_path / "a.png", 120, 96))
    qtbot.waitUntil(lambda: session.picture is not None, timeout=ENGINE_MS)
    page.check.choose("between")
    click(page.check.start, qtbot)
    qtbot.waitUntil(lambda: page.check.result is not None, timeout=ENGINE_MS)
    assert page.check.figures.cells["PSNR-Y", "model"].text().endswith("dB")
    assert "between" in page.check.verdict.text()
    assert "does not measure" in page.check.meaning.text()
    qtbot.waitUntil(lambda: page.check.compare.canvas.scene is not None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: all(page.check.compare.canvas.scene.pictures), timeout=WAIT_MS)
    assert [picture.size for picture in page.check.compare.canvas.scene.pictures] == [(120, 96)] * 3

    qtbot.mouseClick(page.tabs.buttons["compare"], Qt.MouseButton.LeftButton)
    page.compare.ticked = ["first", "second", "between"]
    page.compare.show_models()
    session.choose_compare_region((10, 10, 70, 64))
    click(page.compare.start, qtbot)
    qtbot.waitUntil(lambda: session.trial is Trial.NONE, timeout=ENGINE_MS)
    canvas = page.compare.compare.canvas
    qtbot.waitUntil(lambda: canvas.scene is not None and len(canvas.scene.pictures) == 3, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: all(canvas.scene.pictures), timeout=WAIT_MS)
    assert {picture.size for picture in canvas.scene.pictures} == {(280, 256)}
    assert canvas.mode is Mode.SIDE
    page.compare.compare.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_T)
    QTest.keyClick(canvas, Qt.Key.Key_3)
    assert canvas.shown == 2
    assert [row[0].text() for row in page.compare.table.rows[:3]] == ["1", "2", "3"]
    assert all(row[2].text().endswith(" s") for row in page.compare.table.rows[:3])
    assert not page.compare.table.rows[3][0].isVisible()


@pytest.mark.timeout(300)
def test_pages_hand_over_to_each_other(
    warm_workers: None,
    no_known: None,
    theme: Theme,
    options: Settings,
    qtbot,
    tmp_path: Path,
    make_own: Callable[..., Path],
) -> None:
    options.set(settings.DEVICE, "cpu")
    options.set(settings.PREVIEW, False)
    make_own("mine")
    window = MainWindow(theme, options)
    window.resize(1280, 800)
    window.show()
    upscale, models = window.page("upscale"), window.page("models")
    options.set(settings.MODEL, "mine")
    upscale.open([make_picture(tmp_path / "a.png", 120, 96)])
    qtbot.waitUntil(lambda: upscale.selected_picture == tmp_path / "a.png", timeout=WAIT_MS)
    click(upscale.compare.check_button, qtbot)
    assert models.isVisible()
    qtbot.waitUntil(lambda: models.check.result is not None, timeout=ENGINE_MS)
    assert models.check.result.model == "mine"

    models.show_view("models")
    models.list.select("mine")
    with qtbot.waitSignal(models.session.renamed, timeout=WAIT_MS):
        models.session.rename("mine", "ours")
    window.show_page("upscale")
    assert upscale.options.model.currentText() == "ours"
    assert options.get(settings.MODEL) == "ours"
    window.show_page("models")
    # Its keys are heard with the focus on the rail, too.
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=WAIT_MS)
    window.page_buttons["models"].setFocus()
    models.list.select("ours")
    QTest.keyClick(window.focusWidget(), Qt.Key.Key_F2)
    window.findChild(QInputDialog).close()
    make_own("another")
    window.show_page("upscale")
    assert upscale.options.model.findText("another") >= 0

    window.show_page("models")
    models.list.select("ours")
    click(models.card.fine_tune, qtbot)
    train = window.page("train")
    assert train.isVisible()
    assert train.session.draft.source == "finetune"
    assert train.session.draft.recipe.start == "ours"
    assert train.banner.text.startswith("The next training starts from “ours”")
    assert train.session.draft.recipe.generator.features == 8
    with qtbot.waitSignal(window.closed, timeout=ENGINE_MS):
        window.close_now()
    window.deleteLater()


class _Touching:
    """Unpickled without care, this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)
