"""The options beside the queue: each writes its setting, and shows what was saved."""

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QWidget

from core import paths
from core.contract.settings import OutputSize
from core.models.catalogue import AUTOMATIC, DEFAULT_DETAIL, models
from srgan_desktop import settings
from srgan_desktop.fields import SECOND_LINE
from srgan_desktop.settings import Settings
from srgan_desktop.upscale.options import OptionsPanel
from srgan_desktop.upscale.requests import upscale_request
from tests.core.networks import save_pair, save_small_model


@pytest.fixture
def panel(qtbot, theme, options):
    panel = OptionsPanel(theme, options)
    qtbot.addWidget(panel)
    panel.resize(300, 900)
    panel.show()
    return panel


def choose(box, data):
    row = next(row for row in range(box.count()) if box.itemData(row) == data)
    box.setCurrentIndex(row)


def test_what_is_chosen_is_there_at_the_next_start(qtbot, theme, panel, options, tmp_path):
    choose(panel.format, "webp")
    panel.quality.setValue(61)
    choose(panel.existing, "number")
    panel.recursive.click()
    panel.fold.click()
    choose(panel.device, "cpu")
    choose(panel.precision, "fp32")
    choose(panel.tile, 256)
    panel.ensemble.click()
    panel.metadata.click()
    choose(panel.output_size.preset, ("width", None))
    panel.output_size.number.setValue(1234)
    options.save()
    again = OptionsPanel(theme, Settings(tmp_path / "settings.ini"))
    qtbot.addWidget(again)
    assert again.format.currentData() == "webp"
    assert again.quality.value() == 61
    assert again.existing.currentData() == "number"
    assert not again.recursive.isChecked()
    assert again.fold.isChecked()
    assert (again.device.currentData(), again.precision.currentData(), again.tile.currentData()) == ("cpu", "fp32", 256)
    assert again.ensemble.isChecked()
    assert not again.metadata.isChecked()
    assert again.output_size.preset.currentText() == "Width"
    assert again.output_size.number.value() == 1234
    assert options.get(settings.SIZE) == OutputSize("width", 1234)


@pytest.mark.parametrize("size", [OutputSize(), OutputSize("factor", 8), OutputSize("factor", 2.75)])
def test_factors(qtbot, theme, options, size):
    options.set(settings.SIZE, size)
    panel = OptionsPanel(theme, options)
    qtbot.addWidget(panel)
    assert panel.output_size.number.isHidden() == (size.value != 2.75)
    assert options.get(settings.SIZE) == size


@pytest.mark.parametrize("kind", ["factor", "width", "height", "longest"])
def test_no_field_is_cut_in_the_narrowest_column(panel, kind):
    panel.resize(panel.minimumSizeHint().width(), 400)
    choose(panel.output_size.preset, (kind, None))
    QTest.qWait(0)
    assert panel.verticalScrollBar().isVisible()
    assert panel.widget().width() <= panel.viewport().width()
    words = panel.output_size.preset.fontMetrics().horizontalAdvance(panel.output_size.preset.currentText())
    number = panel.output_size.number
    assert panel.output_size.preset.width() > words + 30
    assert number.width() > number.fontMetrics().horizontalAdvance("100000 px") + 30


def test_every_field_says_what_it_does_and_has_a_name(panel):
    panel.fold.setChecked(True)
    fields = [field for field in panel.widget().findChildren(QWidget) if field.focusPolicy() & Qt.FocusPolicy.TabFocus]
    fields = [field for field in fields if field.isVisible() and field.objectName() != "qt_spinbox_lineedit"]
    assert len(fields) >= 12
    for field in fields:
        assert field.toolTip(), field
        assert field.accessibleName() or field.text(), field


def test_a_value_that_is_not_offered_becomes_the_default(qtbot, theme, options):
    options.set(settings.DEVICE, "abacus")
    options.set(settings.TILE, 333)
    options.set(settings.FORMAT, "doc")
    panel = OptionsPanel(theme, options)
    qtbot.addWidget(panel)
    assert (panel.device.currentData(), panel.tile.currentData(), panel.format.currentData()) == ("auto", 0, "same")
    assert options.get(settings.DEVICE) == "auto"


def test_quality_is_grey_where_nothing_is_lost(panel):
    choose(panel.format, "png")
    assert not panel.quality.isEnabled()
    choose(panel.format, "jpeg")
    assert panel.quality.isEnabled()


def test_models(panel, options, small_model):
    # Five ship; three of them are ends of the fourth one's sliders.
    assert [panel.model.itemText(row) for row in range(panel.model.count())] == ["Automatic", "Photographs", "fast x4"]
    assert all(panel.model.itemData(row, SECOND_LINE) for row in range(panel.model.count()))
    assert panel.model.currentText() == "Automatic"
    assert panel.detail_row.isHidden()
    assert panel.clean_up_row.isHidden()
    # Chosen elsewhere, and not in any folder of models.
    options.set(settings.MODEL, small_model)
    assert panel.model.currentData().key == small_model
    assert panel.model.count() == 4


def test_what_the_model_is_for_stands_under_its_name(panel, options):
    for model in models():
        choose_model(panel, options, model.key)
        assert model.card.purpose in {label.text() for label in panel.findChildren(QLabel)}


def test_a_model_that_is_gone_gives_way_to_the_default(qtbot, theme, options, tmp_path):
    options.set(settings.MODEL, str(tmp_path / "gone.safetensors"))
    panel = OptionsPanel(theme, options)
    qtbot.addWidget(panel)
    assert panel.model.currentText() == "Automatic"
    assert options.get(settings.MODEL) == AUTOMATIC


def test_the_output_folder(panel, options, tmp_path, monkeypatch):
    assert "…_4x" in panel.output.words.text()
    options.set(settings.SIZE, OutputSize("height", 1080))
    assert "“<folder>_1080h”" in panel.output.words.text()
    assert panel.output.beside.isHidden()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "results"))
    QTest.mouseClick(panel.output.choose, Qt.MouseButton.LeftButton)
    assert options.get(settings.OUTPUT) == str(tmp_path / "results")
    assert panel.output.words.toolTip() == str(tmp_path / "results")
    QTest.mouseClick(panel.output.beside, Qt.MouseButton.LeftButton)
    assert options.get(settings.OUTPUT) == ""


def test_the_wheel_scrolls_and_changes_nothing(panel, options):
    QTest.mouseClick(panel.recursive, Qt.MouseButton.LeftButton)
    for field in (panel.quality, panel.format, panel.output_size.preset):
        centre = QPointF(field.rect().center())
        event = QWheelEvent(
            centre,
            QPointF(field.mapToGlobal(centre.toPoint())),
            QPoint(),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(field, event)
    assert (panel.quality.value(), panel.format.currentData()) == (95, "same")
    assert options.get(settings.SIZE) == OutputSize()


@pytest.fixture
def pair():
    """Two models of which the second has the first as its base."""
    save_pair(paths.user_models())


def test_a_model_without_another_end_has_no_detail_slider(panel, options):
    save_small_model(paths.user_models() / "alone.safetensors")
    options.set(settings.MODEL, "alone")
    assert panel.detail_row.isHidden()


def test_the_detail_slider_goes_from_one_model_to_the_other(pair, panel, options):
    options.set(settings.MODEL, "soft")
    assert not panel.detail_row.isHidden()
    assert panel.detail.slider.value() == 0
    QTest.keyClick(panel.detail.slider, Qt.Key.Key_PageUp)
    assert (options.get(settings.MODEL), options.get(settings.DETAIL)) == ("sharp", 20)
    assert panel.model.currentText() == "sharp"
    assert panel.detail.percent.text() == "20 %"
    QTest.keyClick(panel.detail.slider, Qt.Key.Key_Right)
    assert options.get(settings.DETAIL) == 25
    panel.detail.slider.setValue(58)
    assert (options.get(settings.DETAIL), panel.detail.slider.value()) == (60, 60)
    # The other model by name is the slider's other end, and back again where it was.
    choose_model(panel, options, "soft")
    assert panel.detail.slider.value() == 0
    assert options.get(settings.DETAIL) == 60
    choose_model(panel, options, "sharp")
    assert panel.detail.slider.value() == 60


def test_who_chooses_the_detailed_model_by_name_gets_detail(pair, panel, options):
    options.set(settings.MODEL, "sharp")
    QTest.keyClick(panel.detail.slider, Qt.Key.Key_Home)
    assert options.get(settings.DETAIL) == 0
    choose_model(panel, options, "soft")
    choose_model(panel, options, "sharp")
    assert (options.get(settings.DETAIL), panel.detail.slider.value()) == (DEFAULT_DETAIL, DEFAULT_DETAIL)


@pytest.fixture
def four():
    """A soft and a sharp model, and a cleaner one of each."""
    folder = paths.user_models()
    save_small_model(folder / "soft.safetensors")
    save_small_model(folder / "sharp.safetensors", base="soft", cleaner="clean")
    save_small_model(folder / "clean.safetensors", base="clean-soft")
    save_small_model(folder / "clean-soft.safetensors")


def test_clean_up_goes_to_the_cleaner_model_beside_detail(four, panel, options):
    options.set(settings.MODEL, "sharp")
    assert not panel.clean_up_row.isHidden()
    assert panel.clean_up.slider.value() == 0
    panel.clean_up.slider.setValue(70)
    assert (options.get(settings.MODEL), options.get(settings.CLEAN_UP)) == ("sharp", 70)
    assert upscale_request(options, ()).clean_up == 70
    # Each end by its name is a place on both sliders, and moving one of them leaves the other where it was.
    choose_model(panel, options, "clean-soft")
    assert (panel.detail.slider.value(), panel.clean_up.slider.value()) == (0, 100)
    panel.detail.slider.setValue(30)
    request = upscale_request(options, ())
    assert (request.model, request.detail, request.clean_up) == ("sharp", 30, 100)
    choose_model(panel, options, "soft")
    panel.clean_up.slider.setValue(40)
    request = upscale_request(options, ())
    assert (request.model, request.detail, request.clean_up) == ("sharp", 0, 40)


def test_automatic_asks_for_no_mix_of_its_own(four, panel, options):
    options.set(settings.MODEL, "sharp")
    panel.clean_up.slider.setValue(70)
    panel.model.setCurrentIndex(0)
    request = upscale_request(options, ())
    assert (request.model, request.detail, request.clean_up) == (AUTOMATIC, 100, 0)
    assert panel.clean_up_row.isHidden()


def choose_model(panel, options, key):
    row = next((row for row in range(panel.model.count()) if panel.model.itemData(row).key == key), None)
    if row is None:
        # An end of a slider has no row of its own; the Models page chooses it by its key.
        options.set(settings.MODEL, key)
    else:
        panel.model.setCurrentIndex(row)


def test_a_preset_sets_what_it_names_and_its_widgets_show_it(panel, options):
    choice = panel.preset.choice
    choice.setCurrentIndex(choice.findText("Web 2x"))
    assert options.get(settings.SIZE) == OutputSize("factor", 2.0)
    assert options.get(settings.FORMAT) == "webp"
    assert panel.format.currentData() == "webp"
    assert panel.quality.value() == 85
    assert not panel.metadata.isChecked()
    assert panel.output_size.preset.currentText() == "2×"
    assert choice.currentText() == "Web 2x"
    # A change makes it somebody's own.
    panel.quality.setValue(50)
    assert choice.currentIndex() == 0


def test_options_are_saved_as_a_preset(panel, options):
    panel.quality.setValue(42)
    panel.preset.save("Mine")
    assert panel.preset.choice.currentText() == "Mine"
    panel.quality.setValue(90)
    panel.preset.choice.setCurrentIndex(panel.preset.choice.findText("Mine"))
    assert options.get(settings.QUALITY) == 42
    told = []
    panel.preset.failed.connect(told.append)
    panel.preset.save(" ")
    assert "needs a name" in told[0].message


def test_a_print_size_is_kept_as_such(panel, options):
    field = panel.output_size
    choose(field.preset, ("print", None))
    assert field.dpi.isVisible()
    assert options.get(settings.SIZE) == OutputSize("print", 29.7, 300)
    field.number.setValue(42)
    assert options.get(settings.SIZE) == OutputSize("print", 42, 300)
    field.dpi.setValue(150)
    assert options.get(settings.SIZE) == OutputSize("print", 42, 150)
