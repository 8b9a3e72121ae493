"""The window in other languages: at 900 x 600 and in large type nothing is cut; the menu chooses another language."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QMenu

from core.language import LANGUAGES
from srgan_desktop import settings
from srgan_desktop.afterwards import AfterRuns
from srgan_desktop.rail import Rail
from srgan_desktop.settings import Settings
from tests.homes import places

# A process of its own, as texts are looked up when modules are imported.
LOOK = """
import json, os, sys
from pathlib import Path
from types import SimpleNamespace
from srgan_desktop import spoken
spoken.settle(Path(sys.argv[1]))
from PySide6.QtCore import QPoint
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton, QApplication, QCheckBox, QDialog, QLabel, QMenu, QPushButton, QRadioButton, QToolButton, QWidget
)
from core.contract.upscale import Input
from core.models.catalogue import models
from srgan_desktop.afterwards import Afterwards, Countdown
from srgan_desktop.dialogs import FailuresDialog, ProblemDialog, ask_for_name
from srgan_desktop.fields import Elided
from srgan_desktop.main_window import PAGES, MainWindow
from srgan_desktop.models.blend_dialog import BlendDialog
from srgan_desktop.models.model_dialogs import ask_to_remove
from srgan_desktop.problems import Problem
from srgan_desktop.settings import Settings
from srgan_desktop.theme import Theme
from srgan_desktop.training.runs import RunRecord
from srgan_desktop.upscale.page import UpscalePage
from srgan_desktop.upscale.queue_model import Entry, State

# No worker: nothing is computed here.
UpscalePage.start_engine = lambda page: None
app = QApplication([])
# Larger than usual: what fits now fits in any smaller type.
font = app.font()
font.setPointSize(12)
app.setFont(font)
kept = Settings(Path(sys.argv[1]))
window = MainWindow(Theme(app, kept), kept)
window.resize(900, 600)
window.show()
cut, clashes, seen, places = [], [], [], []

def twice(place, texts):
    letters = {}
    for text in texts:
        letter = QKeySequence.mnemonic(text).toString()
        if letter and letters.setdefault(letter, text) != text:
            clashes.append(f"{place}: {letter} of {letters[letter]}, {text}")

def look(place, root):
    for _ in range(5):
        app.processEvents()
    places.append(place)
    if root.width() > 900 or root.height() > 600:
        cut.append(f"{place}: {root.width()} x {root.height()}")
    letters = []
    for widget in root.findChildren(QWidget):
        if not widget.isVisible() or widget.window() is not root:
            continue
        if isinstance(widget, QAbstractButton) or isinstance(widget, QLabel) and widget.buddy() is not None:
            letters.append(widget.text())
        if not isinstance(widget, (QPushButton, QToolButton, QLabel, QCheckBox, QRadioButton)):
            continue
        text = widget.text()
        if not text or isinstance(widget, Elided):
            continue
        seen.append(text)
        if isinstance(widget, QLabel) and widget.wordWrap():
            fits = widget.heightForWidth(widget.width()) <= widget.height() + 1
        elif isinstance(widget, QLabel):
            fits = widget.minimumSizeHint().width() <= widget.width() + 1
        else:
            fits = widget.sizeHint().width() <= widget.width() + 1
        if not fits or widget.mapTo(root, QPoint(0, 0)).x() + widget.width() > root.width() + 1:
            cut.append(f"{place}: {text}")
    twice(place, letters)
    for menu in root.findChildren(QMenu):
        twice(f"a menu of {place}", [action.text() for action in menu.actions() if action.isVisible()])

def look_at_dialog(place, opened=None):
    if opened is not None:
        opened.open()
    (dialog,) = [each for each in window.findChildren(QDialog) if each.isVisible()]
    look(place, dialog)
    dialog.close()
    dialog.deleteLater()
    app.sendPostedEvents()
    app.processEvents()

for entry in PAGES:
    window.page(entry.key)
    window.show_page(entry.key)
    look(entry.key, window)
upscale, train, shown = (window.page(key) for key in ("upscale", "train", "models"))

window.show_page("upscale")
upscale.session.queue.add([Entry(Input(Path("/pictures/cat.jpg")))])
look("queue", window)
upscale.options.fold.setChecked(True)
upscale.drawer.show_open(True)
look("options", window)
upscale.drawer.show_open(False)
upscale.queue.filter.open_filter()
look("search", window)
upscale.bar.show_steering(True, can_pause=True, can_stop=True, paused=False)
look("upscale run", window)

window.show_page("train")
train.set_up.contents.setCurrentIndex(1)
train.set_up.recipe.more.show_open(True)
for pane in ("first", "second"):
    train.set_up.panes.show_pane(pane)
    look(f"set up, {pane} pane", window)
train.show_view("run")
train.run.contents.setCurrentIndex(1)
train.run.bar.show()
train.run.bar.show_steering(True, can_pause=True, can_stop=True, paused=False)
look("training run", window)
train.run.bar.show_steering(False, can_pause=False, can_stop=False, paused=False)
for button in (train.run.resume, train.run.use, train.run.folder):
    button.show()
look("training run of the past", window)
train.show_view("history")
train.history.model.show_runs([RunRecord(Path("/runs/run"), "quick cats", 800, 300)])
table = train.history.model
run = [table.data(table.index(0, column)) for column in range(table.columnCount())]
look("history", window)

window.show_page("models")
bars = [bar.isVisible() for bar in shown.card.bars.bars.values()]
for view in ("models", "compare", "check"):
    shown.show_view(view)
    look(f"models, {view}", window)

shown.check.compare.bar.show_choices(("a", "b", "c"))
shown.check.contents.setCurrentIndex(1)
look("models, checked", window)

problem = Problem("A picture cannot be read.", "Choose another one.", "Traceback")
look_at_dialog("problem", ProblemDialog(problem, window))
look_at_dialog("failures", FailuresDialog([("cat.jpg", problem)], window))
look_at_dialog("blend", BlendDialog(models()[0], models()[1:], window))
for what in Afterwards:
    if what is not Afterwards.NOTHING:
        look_at_dialog(f"countdown, {what.name}", Countdown(what, window))
for place, opens in {
    "keys": window.rail.keys_requested.emit,
    "about": window.rail.about_requested.emit,
    "language": window.rail.language_chosen.emit,
    "preset": upscale.options.preset.more.menu().actions()[0].trigger,
    "name": lambda: ask_for_name(window, "Name", "Name", "cat", print),
    "remove": lambda: ask_to_remove(models()[0], True, window, print),
    "delete a run": lambda: train.history.delete_requested.emit(SimpleNamespace(name="run", folder=Path("/runs/run"))),
}.items():
    opens()
    look_at_dialog(place)
UpscalePage.busy = property(lambda page: True)
window.close()
look_at_dialog("close")
size = [window.width(), window.height()]
found = {
    "cut": cut, "clashes": clashes, "seen": seen, "places": places, "run": run, "bars": bars, "size": size,
    "states": len(State), "afterwards": len(Afterwards)
}
print(json.dumps(found))
sys.stdout.flush()
os._exit(0)
"""


NAMES = """
import json, sys
from pathlib import Path
from srgan_desktop import spoken
spoken.settle(Path(sys.argv[1]))
from srgan_desktop.main_window import PAGES
print(json.dumps([entry.title for entry in PAGES]))
"""


def said_by(code: str, folder: Path, **environment: str) -> Any:
    """What a script prints that reads the settings of this folder."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "settings.ini")],
        env={**os.environ, **places(folder, "config", "data"), "QT_QPA_PLATFORM": "offscreen", **environment},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=LANGUAGES)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the window and its dialogs show in a language, what of it is cut, which letters for Alt are there twice."""
    return said_by(LOOK, tmp_path_factory.mktemp("home"), SRGAN_LANGUAGE=request.param)


def test_nothing_is_cut_in_a_small_window(found: dict) -> None:
    assert found["size"] == [900, 600]
    assert found["cut"] == []
    assert len(found["seen"]) > 200
    assert len(found["places"]) > 25


def test_what_is_shown_hangs_on_no_word_of_a_language(found: dict) -> None:
    """A column or a bar that was looked up by its English name said nothing, or something else, in all others."""
    assert found["bars"] == [True, True, True]
    name, begun, steps, quality, state = found["run"]
    assert (name, begun, quality) == ("quick cats", "", "")
    assert "300" in steps
    assert "800" in steps
    assert state not in ("", steps)


def test_no_letter_for_alt_leads_to_two_places(found: dict) -> None:
    assert found["clashes"] == []


def test_the_language_chosen_in_the_menu_is_spoken_at_the_next_start(tmp_path: Path) -> None:
    kept = Settings(tmp_path / "settings.ini")
    kept.set(settings.LANGUAGE, "de")
    kept.save()
    assert "Modelle" in said_by(NAMES, tmp_path, SRGAN_LANGUAGE="")


def test_choosing_a_language_keeps_it_and_says_so(theme, options, qtbot) -> None:
    rail = Rail(theme, options, [("upscale", "Upscale", "upscale")], AfterRuns(None, lambda: None))
    qtbot.addWidget(rail)
    (menu,) = [each for each in rail.findChildren(QMenu) if each.title() == settings.LANGUAGE.label]
    assert [action.text() for action in menu.actions()][1:] == list(LANGUAGES.values())
    french, system = (next(action for action in menu.actions() if action.data() == each) for each in ("fr", "system"))
    with qtbot.waitSignal(rail.language_chosen):
        french.trigger()
    assert options.get(settings.LANGUAGE) == "fr"
    with qtbot.assertNotEmitted(rail.language_chosen):
        french.trigger()
    with qtbot.waitSignal(rail.language_chosen):
        system.trigger()


def test_states_of_the_queue_are_told_apart_in_every_language(found: dict) -> None:
    """Two with one name would be one state."""
    assert (found["states"], found["afterwards"]) == (5, 3)
