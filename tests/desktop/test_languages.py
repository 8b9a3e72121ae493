"""The window in other languages: nothing is cut at 900 x 600, and another language is chosen in the menu."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMenu

from core.language import ENGLISH, LANGUAGES
from srgan_desktop import settings
from srgan_desktop.afterwards import AfterRuns
from srgan_desktop.rail import Rail
from srgan_desktop.settings import Settings

# A process of its own, as texts are looked up when modules are imported.
LOOK = """
import json, sys
from pathlib import Path
from srgan_desktop import spoken
spoken.settle(Path(sys.argv[1]))
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication, QCheckBox, QLabel, QPushButton, QToolButton, QWidget
from srgan_desktop.fields import Elided
from srgan_desktop.main_window import PAGES, MainWindow
from srgan_desktop.settings import Settings
from srgan_desktop.theme import Theme

app = QApplication([])
kept = Settings(Path(sys.argv[1]))
window = MainWindow(Theme(app, kept), kept)
window.resize(900, 600)
window.show()
cut, seen = [], []
for entry in PAGES:
    window.page(entry.key)
    window.show_page(entry.key)
    for _ in range(5):
        app.processEvents()
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or not isinstance(widget, (QPushButton, QToolButton, QLabel, QCheckBox)):
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
        if not fits or widget.mapTo(window, QPoint(0, 0)).x() + widget.width() > window.width() + 1:
            cut.append(f"{entry.key}: {text}")
print(json.dumps({"cut": cut, "seen": seen, "size": [window.width(), window.height()]}))
sys.stdout.flush()
import os
os._exit(0)
"""


def look(tmp_path: Path, **environment: str) -> dict:
    """What the window shows, and what of it is cut."""
    home = {name: str(tmp_path / name) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path / "settings.ini")],
        env={**os.environ, **home, "QT_QPA_PLATFORM": "offscreen", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", LANGUAGES)
def test_nothing_is_cut_in_a_small_window(tmp_path: Path, name: str) -> None:
    found = look(tmp_path, SRGAN_LANGUAGE=name)
    assert found["size"] == [900, 600]
    assert found["cut"] == []
    assert len(found["seen"]) > 20


def test_the_language_chosen_in_the_menu_is_spoken_at_the_next_start(tmp_path: Path) -> None:
    kept = Settings(tmp_path / "settings.ini")
    kept.set(settings.LANGUAGE, "de")
    kept.save()
    assert "Modelle" in look(tmp_path, SRGAN_LANGUAGE="")["seen"]


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


@pytest.mark.parametrize("name", [name for name in LANGUAGES if name != ENGLISH])
def test_states_of_the_queue_are_told_apart_in_every_language(name: str) -> None:
    code = (
        "from core import language; language.use(language.preferred())\n"
        "from srgan_desktop.upscale.queue_model import State\n"
        "from srgan_desktop.afterwards import Afterwards\n"
        "print(len(State), len(Afterwards))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "SRGAN_LANGUAGE": name, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["5", "3"]
