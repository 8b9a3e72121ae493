from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog, QMessageBox, QPushButton

from core import paths
from core.training.recipe import load_recipe
from srgan_desktop import settings
from srgan_desktop.settings import APPEARANCE, Settings
from srgan_desktop.theme import Theme
from srgan_desktop.training.page import TrainPage
from srgan_desktop.training.session import TrainingPhase, TrainSession
from tests.desktop.conftest import drop
from tests.desktop.training.conftest import WAIT_MS
from tests.desktop.training.scripted import STEPS
from tests.homes import move_in


@pytest.fixture
def page(make_session: Callable[[], TrainSession], theme: Theme, options: Settings, qtbot) -> Iterator[TrainPage]:
    session = make_session()
    page = TrainPage(theme, options, session=session)
    page.resize(1150, 740)
    page.show()
    yield page
    with qtbot.waitSignal(page.stopped, timeout=WAIT_MS):
        page.shutdown()
    page.close()
    session.setParent(None)
    page.deleteLater()


def fill(page: TrainPage, part: str, qtbot, home: Path) -> None:
    (home / part).mkdir()
    drop(page, home / part)
    qtbot.waitUntil(lambda: page.session.can_start, timeout=WAIT_MS)


def click(button: QPushButton, qtbot) -> None:
    assert button.isVisible()
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_nothing_chosen_explains_the_three_steps_and_starts_no_engine(page: TrainPage) -> None:
    assert page.set_up.welcome.isVisible()
    assert page.session.worker_pid is None
    assert not page.busy


def test_a_dropped_folder_is_examined_and_shown(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    pictures = page.set_up.pictures
    assert not page.set_up.welcome.isVisible()
    assert pictures.learn.text == "10 for training"
    assert pictures.hold.text == "2 for testing"
    assert pictures.quarantined.text == "2 quarantined"
    assert pictures.folder.whole == str(home / "plain")
    assert pictures.model.rowCount() == 2
    assert "at least 96 a side are needed" in pictures.model.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    qtbot.waitUntil(lambda: pictures.samples.count == 3, timeout=WAIT_MS)
    pictures.kind.setCurrentIndex(pictures.kind.findData("duplicate"))
    assert [pictures.model.entry(row).kind for row in range(pictures.model.rowCount())] == ["duplicate"]


def test_dropped_pictures_mean_their_folder(page: TrainPage, qtbot, home: Path) -> None:
    (home / "plain").mkdir()
    (home / "plain" / "a.png").touch()
    drop(page, home / "plain" / "a.png")
    assert page.session.data == home / "plain"


def test_an_unusable_folder_is_explained(page: TrainPage, qtbot, home: Path) -> None:
    (home / "unusable").mkdir()
    drop(page, home / "unusable")
    qtbot.waitUntil(lambda: page.session.examiner.found.problem is not None, timeout=WAIT_MS)
    assert page.set_up.pictures.words.text() == "There is nothing to learn from. Choose another folder."
    assert not page.set_up.start.isEnabled()
    assert page.set_up.start.toolTip() == "There is nothing to learn from."


def test_a_wrong_field_is_marked_as_it_is_typed_and_stops_the_start(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    page.set_up.recipe.more.show_open(True)
    page.set_up.recipe.form.parts["psnr"].fold.setChecked(True)
    row = page.set_up.recipe.form.rows["psnr.steps"]
    row.editor.setFocus()
    row.editor.selectAll()
    qtbot.keyClicks(row.editor, "4x")
    assert row.fault.text() == "Needs a whole number"
    assert row.mark.isVisible()
    assert not page.set_up.start.isEnabled()
    assert "marked in red" in page.set_up.words.whole
    row.editor.selectAll()
    qtbot.keyClicks(row.editor, "40")
    assert row.fault.text() == ""
    assert page.set_up.start.isEnabled()
    qtbot.mouseClick(row.reset, Qt.MouseButton.LeftButton)
    assert row.editor.text() == "400"
    assert not row.mark.isVisible()
    assert page.session.draft.changes == {}


def test_the_page_opens_with_what_everybody_decides_and_folds_the_rest(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    card = page.set_up.recipe
    first, second = card.lengths["psnr"], card.lengths["gan"]
    assert all(each.isVisible() for each in (card.recipe, card.start, card.name, first))
    assert not any(each.isVisible() for each in (second, card.device, card.teacher, card.form))
    assert card.form.rows == {}
    card.recipe.setCurrentIndex(card.recipe.findData("default"))
    assert (first.value.text(), second.value.text()) == ("20000", "10000")
    assert second.isVisible()
    first.value.selectAll()
    qtbot.keyClicks(first.value, "1,500")
    assert page.session.draft.recipe is not None
    assert page.session.draft.recipe.psnr.steps == 1500
    # A wrong one is marked where it is.
    first.value.selectAll()
    qtbot.keyClicks(first.value, "x")
    assert first.value.property("fault")
    assert not card.more.button.isChecked()


def test_a_fault_in_what_is_folded_unfolds_it(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    page.session.draft.set("psnr.batch", "no number")
    assert page.set_up.recipe.more.button.isChecked()


def test_a_run_that_nobody_named_is_called_by_recipe_and_folder(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    card = page.set_up.recipe
    assert (card.name.text(), card.name.placeholderText()) == ("", "quick plain")
    qtbot.keyClicks(card.name, "My cats")
    assert page.session.draft.text("name") == "My cats"
    click(page.set_up.start, qtbot)
    qtbot.waitUntil(lambda: not page.busy and len(page.session.files.runs) == 1, timeout=WAIT_MS)
    assert page.session.files.runs[0].name == "My cats"


def test_fields_are_found_by_what_they_explain(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    page.set_up.recipe.more.show_open(True)
    form = page.set_up.recipe.form
    form.parts["psnr"].fold.setChecked(True)
    assert "generator.features" not in form.rows
    qtbot.keyClicks(form.search, "feature maps of every layer")
    seen = [path for path, row in form.rows.items() if row.isVisible()]
    assert seen == ["generator.features"]
    form.search.setText("no such thing")
    assert form.nothing.isVisible()
    form.search.clear()
    form.rows["psnr.batch"].editor.setText("")
    qtbot.keyClicks(form.rows["psnr.batch"].editor, "3")
    qtbot.mouseClick(form.only_changed, Qt.MouseButton.LeftButton, pos=QPoint(12, form.only_changed.height() // 2))
    assert [path for path, row in form.rows.items() if row.isVisible()] == ["psnr.batch"]
    click(form.reset_all, qtbot)
    assert page.session.draft.changes == {}


def test_tab_goes_from_a_part_to_its_fields(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    page.set_up.recipe.more.show_open(True)
    form = page.set_up.recipe.form
    part = form.parts["psnr"]
    part.fold.setChecked(True)
    assert part.rows[0].editor.isVisible()
    after = part.fold.nextInFocusChain()
    while not (after.focusPolicy() & Qt.FocusPolicy.TabFocus and after.isVisible()):
        after = after.nextInFocusChain()
    assert after is part.rows[0].editor


def test_content_weights_are_asked_for_where_the_recipe_needs_them(
    page: TrainPage, qtbot, home: Path, options: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_in(monkeypatch, home, "cache")
    fill(page, "plain", qtbot, home)
    card = page.set_up.recipe
    card.more.show_open(True)
    assert not card.content.isVisible()
    card.recipe.setCurrentIndex(card.recipe.findData("default"))
    assert card.content.isVisible()
    assert "ends before its first step" in card.content_words.text()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(home / "vgg.safetensors"), ""))
    click(card.choose_content, qtbot)
    assert card.content_file.whole == str(home / "vgg.safetensors")
    assert page.session.request(home).content_weights == home / "vgg.safetensors"
    qtbot.mouseClick(card.drop_content, Qt.MouseButton.LeftButton)
    assert options.get(settings.TRAIN_CONTENT) == ""
    downloaded = paths.downloaded_content("vgg19")
    downloaded.parent.mkdir(parents=True)
    downloaded.touch()
    card.show_draft()
    assert "already downloaded" in card.content_file.whole


def test_a_model_to_start_from_makes_the_network_its_own(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    card = page.set_up.recipe
    row = card.start.findData("faithful-x4")
    if row < 0:
        pytest.skip("no shipped model here")
    card.start.setCurrentIndex(row)
    assert page.session.draft.recipe.start == "faithful-x4"
    assert page.session.draft.recipe.generator.features == 64
    assert card.form.parts["generator"].fold.text().endswith("changed")


def test_a_teacher_is_chosen_among_the_models(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    recipe, draft = page.set_up.recipe, page.session.draft
    keys = [recipe.teacher.itemData(row) for row in range(recipe.teacher.count())]
    assert keys[0] == ""
    assert "detail-x4" in keys
    draft.set("generator.scale", "2")
    recipe.teacher.setCurrentIndex(keys.index("detail-x4"))
    assert draft.recipe is not None
    assert (draft.recipe.teacher, draft.recipe.generator.scale) == ("detail-x4", 4)
    assert load_recipe(draft.source, page.session.request(home / "run").overrides).teacher == "detail-x4"
    recipe.teacher.setCurrentIndex(0)
    assert not draft.recipe.teacher
    page.session.choose_recipe("distil")
    assert page.session.why_not_start == "Choose a teacher: this recipe learns from one."
    assert not page.session.can_start


def test_an_estimate_is_put_into_words(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    click(page.set_up.estimate, qtbot)
    assert page.set_up.estimate.text().startswith("Stop")
    qtbot.waitUntil(
        lambda: page.session.estimator.estimate is not None and not page.session.estimator.busy, timeout=WAIT_MS
    )
    assert page.set_up.title.whole == "About 2 h 00 min, 2.1 GB of memory"
    assert page.set_up.words.whole.startswith("0.50 s a first-stage step")


def test_a_whole_run_through_the_buttons(page: TrainPage, qtbot, home: Path, options: Settings) -> None:
    fill(page, "waits", qtbot, home)
    click(page.set_up.start, qtbot)
    assert page.busy
    assert page.stack.currentWidget() is page.run
    qtbot.waitUntil(lambda: len(page.session.record.validations) == 1, timeout=WAIT_MS)
    click(page.run.pause, qtbot)
    qtbot.waitUntil(lambda: page.session.phase is TrainingPhase.PAUSED, timeout=WAIT_MS)
    assert page.run.bar.title.whole == f"Paused at step 2 of {STEPS}"
    click(page.run.stop, qtbot)
    qtbot.waitUntil(lambda: not page.busy, timeout=WAIT_MS)
    assert page.banner.text.startswith("Stopped at step 2")
    assert not page.run.pause.isVisible()
    click(page.run.resume, qtbot)
    qtbot.waitUntil(lambda: page.session.phase is TrainingPhase.RUNNING, timeout=WAIT_MS)
    assert not page.banner.isVisible()
    page.run.pause.click()
    page.run.pause.click()
    qtbot.waitUntil(lambda: not page.busy, timeout=WAIT_MS)

    assert page.run.verdict.text == "Better than bicubic Better than bicubic."
    assert [each.step for each in page.session.record.validations] == [2, 4, 6]
    page.run.curves.draw()
    (line,) = [item for (name, faint), item in page.run.curves.losses.lines.items() if name == "l1" and not faint]
    assert len(line.getData()[0]) == STEPS
    assert not page.run.curves.balance.isVisible()
    with qtbot.waitSignal(page.model_ready, timeout=WAIT_MS) as ready:
        click(page.run.use, qtbot)
    assert ready.args == ["my-model-x4"]
    assert (paths.user_models() / "my-model-x4.safetensors").is_file()
    assert page.set_up.recipe.start.findData("my-model-x4") >= 0


def test_looks_are_scrubbed_and_the_newest_is_followed(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    click(page.set_up.start, qtbot)
    qtbot.waitUntil(lambda: not page.busy, timeout=WAIT_MS)
    panel = page.run.validations
    assert panel.validation.step == STEPS
    assert panel.words.text() == "27.60 dB (bicubic 27.00)"
    assert panel.when.text().startswith(f"Step {STEPS}: of all ")
    panel.time.setFocus()
    qtbot.keyClick(panel.time, Qt.Key.Key_Left)
    assert panel.validation.step == STEPS - 2
    assert panel.compare.shown[1].source == page.session.record.validations[1].pictures[0].sr
    qtbot.mouseClick(panel.earlier, Qt.MouseButton.LeftButton)
    assert panel.validation.step == 2
    assert not panel.earlier.isEnabled()
    assert [shown.caption for shown in panel.compare.shown] == ["LR", "SR", "HR", "Bicubic"]


def test_a_run_that_is_stopped_before_its_first_step_leaves_nothing(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "starts-slowly", qtbot, home)
    click(page.set_up.start, qtbot)
    qtbot.waitUntil(lambda: page.run.bar.title.whole == "Checking pictures: 1 of 2…", timeout=WAIT_MS)
    click(page.run.stop, qtbot)
    qtbot.waitUntil(lambda: not page.busy, timeout=WAIT_MS)
    assert page.banner.text == "Stopped before the first step Nothing of this run was kept."
    assert page.stack.currentWidget() is page.set_up
    assert not page.run.bar.isVisible()
    assert not paths.user_runs().exists()


def test_keys_choose_a_folder_start_and_pause(
    page: TrainPage, qtbot, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "waits").mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(home / "waits"))
    page.activateWindow()
    qtbot.waitUntil(page.isActiveWindow, timeout=WAIT_MS)
    qtbot.keyClick(page, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: page.session.can_start, timeout=WAIT_MS)
    qtbot.keyClick(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: page.session.phase is TrainingPhase.RUNNING, timeout=WAIT_MS)
    qtbot.keyClick(page, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    assert page.session.phase is TrainingPhase.PAUSED
    qtbot.keyClick(page, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: not page.busy, timeout=WAIT_MS)


def test_a_failure_is_shown_and_the_page_is_ready_again(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "fails", qtbot, home)
    click(page.set_up.start, qtbot)
    qtbot.waitUntil(lambda: not page.busy, timeout=WAIT_MS)
    assert page.banner.text == "The disk is full. Make room."
    assert page.stack.currentWidget() is page.set_up
    qtbot.waitUntil(lambda: page.session.can_start, timeout=WAIT_MS)


def test_a_killed_worker_is_explained_and_the_run_resumed(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "dies", qtbot, home)
    click(page.set_up.start, qtbot)
    qtbot.waitUntil(lambda: not page.busy, timeout=WAIT_MS)
    assert "Press Resume" in page.banner.text
    click(page.run.resume, qtbot)
    qtbot.waitUntil(lambda: page.session.record.finished is not None, timeout=WAIT_MS)


def test_a_stop_that_could_not_save_does_not_say_that_everything_is_saved(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "waits-and-dies", qtbot, home)
    click(page.set_up.start, qtbot)
    qtbot.waitUntil(lambda: len(page.session.record.validations) == 1, timeout=WAIT_MS)
    click(page.run.stop, qtbot)
    qtbot.waitUntil(lambda: not page.busy, timeout=WAIT_MS)
    assert "continue from the last saved state" in page.banner.text
    assert "Everything is saved" not in page.banner.text


def test_a_run_is_renamed_in_the_history(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    click(page.set_up.start, qtbot)
    qtbot.waitUntil(lambda: not page.busy and len(page.session.files.runs) == 1, timeout=WAIT_MS)
    qtbot.mouseClick(page.tabs.buttons["history"], Qt.MouseButton.LeftButton)
    qtbot.keyClick(page.history.table, Qt.Key.Key_F2)
    dialog = page.window().findChild(QInputDialog)
    assert dialog.textValue() == page.history.current().name
    dialog.setTextValue("Second try")
    dialog.accept()
    qtbot.waitUntil(lambda: page.history.current().name == "Second try")
    assert page.session.record.name == "Second try"


def test_history_opens_and_deletes_after_asking(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    click(page.set_up.start, qtbot)
    qtbot.waitUntil(lambda: not page.busy and len(page.session.files.runs) == 1, timeout=WAIT_MS)
    folder = page.session.files.runs[0].folder
    qtbot.mouseClick(page.tabs.buttons["history"], Qt.MouseButton.LeftButton)
    table = page.history.table
    texts = [table.model().index(0, column).data() for column in range(5)]
    # Recipe and folder, as nobody gave it a name.
    assert texts[0] == "quick plain"
    assert texts[2:] == [f"{STEPS} of {STEPS}", "27.60 dB (bicubic 27.00)", "finished, better"]
    assert page.history.words.text() == "Better than bicubic."
    table.setFocus()
    qtbot.keyClick(table, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page.stack.currentWidget() is page.run, timeout=WAIT_MS)

    qtbot.mouseClick(page.tabs.buttons["history"], Qt.MouseButton.LeftButton)
    click(page.history.delete, qtbot)
    box = page.window().findChild(QMessageBox)
    box.button(QMessageBox.StandardButton.NoButton)
    keep, delete = box.escapeButton(), next(b for b in box.buttons() if "Delete" in b.text())
    assert box.defaultButton() is keep
    qtbot.mouseClick(keep, Qt.MouseButton.LeftButton)
    assert folder.exists()
    qtbot.waitUntil(lambda: page.window().findChild(QMessageBox) is None, timeout=WAIT_MS)
    click(page.history.delete, qtbot)
    delete = next(b for b in page.window().findChild(QMessageBox).buttons() if "Delete" in b.text())
    qtbot.mouseClick(delete, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not folder.exists() and page.session.files.runs == [], timeout=WAIT_MS)
    assert page.session.record is None


def test_nothing_is_cut_off_in_a_small_window(page: TrainPage, qtbot, home: Path) -> None:
    fill(page, "plain", qtbot, home)
    click(page.set_up.start, qtbot)
    qtbot.waitUntil(lambda: not page.busy and len(page.session.files.runs) == 1, timeout=WAIT_MS)
    for size in ((1150, 740), (766, 520)):
        for view in page.views:
            page.show_view(view)
            page.resize(*size)
            QApplication.processEvents()
            assert (page.width(), page.height()) == size, view
            for button in page.findChildren(QPushButton):
                if button.isVisible():
                    corner = button.mapTo(page, QPoint(button.width(), button.height()))
                    assert corner.x() <= size[0], (view, button.text())
                    assert button.width() >= button.sizeHint().width(), (view, button.text())


def test_other_colours_are_drawn_at_once(
    page: TrainPage, qtbot, home: Path, theme: Theme, theme_settings: Settings
) -> None:
    fill(page, "plain", qtbot, home)
    click(page.set_up.start, qtbot)
    qtbot.waitUntil(lambda: not page.busy, timeout=WAIT_MS)
    before = page.run.curves.quality.plot.backgroundBrush().color()
    kept = theme_settings.get(APPEARANCE)
    theme_settings.set(APPEARANCE, "dark" if theme.scheme == "light" else "light")
    try:
        assert page.run.curves.quality.plot.backgroundBrush().color() != before
    finally:
        theme_settings.set(APPEARANCE, kept)
